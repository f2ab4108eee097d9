"""WATCH over a WebSocket: each event is a text message, made of the very lines that other watchers get.

Source: kubernetes.io/docs/reference/using-api/api-concepts, section on watches; RFC 6455, section 5.2.
"""

import asyncio
import random
from contextlib import suppress
from typing import Final

from aiohttp import web

from apiserver.cache import Cache
from apiserver.forms import Form, unchunked
from apiserver.options import ListOptions
from apiserver.relay.upgrade import offered_protocols, opened_socket
from apiserver.selection import Selection
from apiserver.watching import DEFAULT_TIMEOUT_S, WatchSink, as_event, send_first, start_revision
from kube.errors import ApiError
from kube.kinds import Kind

_WHOLE_TEXT: Final = 0x81
_SHORT, _MEDIUM = 126, 1 << 16


class EventFrames:
    """Where a watch's chunks go: each line of theirs is written as one text message."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        """transport: of a WebSocket that is open."""
        self._transport = transport

    def write(self, chunks: bytes) -> None:
        """Write the lines of some chunks."""
        self._transport.write(b"".join([text_frame(line) for line in lines_of(chunks)]))

    def get_write_buffer_size(self) -> int:
        """Return how much the client has not taken yet."""
        return self._transport.get_write_buffer_size()

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()


def lines_of(chunks: bytes) -> list[bytes]:
    """Return the lines in some chunks of an HTTP/1.1 body."""
    return unchunked(chunks).splitlines(keepends=True)


def text_frame(text: bytes) -> bytes:
    """Return a text message as a server sends it."""
    length = len(text)
    if length < _SHORT:
        return bytes([_WHOLE_TEXT, length]) + text
    if length < _MEDIUM:
        return bytes([_WHOLE_TEXT, 126]) + length.to_bytes(2, "big") + text
    return bytes([_WHOLE_TEXT, 127]) + length.to_bytes(8, "big") + text


async def serve_watch_socket(
    request: web.BaseRequest, cache: Cache, kind: Kind, selection: Selection, *, form: Form, options: ListOptions
) -> web.StreamResponse:
    """Send events until the time is over or the client closes. Raises ApiError before the upgrade."""
    since = await start_revision(cache, options)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    frames = EventFrames(transport)
    sink = WatchSink(frames, wants_bookmarks=options.bookmarks)
    try:
        first, revision = cache.watch(kind, selection, form, sink, since=since)
    except ApiError as error:
        told = as_event(error)
        socket = await opened_socket(request, offered_protocols(request)[:1])
        frames.write(told)
        await socket.close()
        return socket
    try:
        socket = await opened_socket(request, offered_protocols(request)[:1])
        await send_first(request, frames, form, first)
        if options.initial_events and options.bookmarks:
            frames.write(form.bookmark(revision, ends_initial=True))
        sink.begin()
        await _closed(socket, options.timeout_s or random.uniform(*DEFAULT_TIMEOUT_S))
        if options.bookmarks and not socket.closed:
            sink.send(form.bookmark(cache.revision))
    finally:
        cache.unwatch(kind, selection, sink)
    await socket.close()
    return socket


async def _closed(socket: web.WebSocketResponse, timeout_s: float) -> None:
    """Return when the client has closed, or the time is over; what it sends means nothing."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            async for _ in socket:
                pass
