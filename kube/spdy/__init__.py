"""SPDY/3.1 without I/O: bytes in, events out; commands in, bytes out.

dictionary and headers hold the header compression, frames the frames, connection what a peer may do and when.
Source: draft-mbelshe-httpbis-spdy-00 (SPDY/3), and the 3.1 draft for the window of a whole session.
"""
