"""Bringing a cluster up and down on this machine."""
