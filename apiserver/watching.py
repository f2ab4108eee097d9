"""WATCH over HTTP: lines of events, framed once for all who watch the same, straight to each connection.

Nobody is waited for: a connection that lets more than BUFFER_BYTES pile up is cut, and its client lists again.
Source: kubernetes.io/docs/reference/using-api/api-concepts, section on watches; KEP-3157.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Final, Protocol

from aiohttp import web

from apiserver.cache import Cache
from apiserver.fanout import Told
from apiserver.forms import Form, chunk, unchunked
from apiserver.options import ListOptions
from apiserver.reading import parse_revision
from apiserver.responses import Headers, knows_chunks, stream_end, stream_head
from apiserver.selection import Selection
from kube.codec import encode
from kube.errors import ApiError
from kube.kinds import Kind

BUFFER_BYTES: Final = 16 * 1024 * 1024
FIRST_SLICE: Final = 200
DEFAULT_TIMEOUT_S: Final = (1800.0, 3600.0)


class Outlet(Protocol):
    """What the chunks of a watch are written to; a transport is one."""

    def write(self, data: bytes) -> None:
        """Send chunks."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the client has not taken yet."""

    def abort(self) -> None:
        """Cut the connection."""


class Unframed:
    """Where a watch's chunks go for a client of HTTP/1.0, which knows no chunks: as they are within."""

    def __init__(self, transport: asyncio.WriteTransport) -> None:
        """transport: the head of the answer is written to it already."""
        self._transport = transport
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        """Send what is in some chunks."""
        self._transport.write(unchunked(data))


class WatchSink:
    """One connection's end of a watch. Until `begin` has sent what there is already, live payloads wait their turn."""

    def __init__(self, transport: Outlet, *, wants_bookmarks: bool) -> None:
        """transport: the head of the answer is written to it already."""
        self.wants_bookmarks = wants_bookmarks
        self._transport = transport
        self._held: list[bytes] | None = []
        self._held_bytes = 0

    def send(self, payload: bytes) -> None:
        """Write a chunk, or hold it back; cut the connection if its client doesn't read."""
        if self._held is not None:
            self._held.append(payload)
            self._held_bytes += len(payload)
            if self._held_bytes > BUFFER_BYTES:
                self._transport.abort()
            return
        self._transport.write(payload)
        if self._transport.get_write_buffer_size() > BUFFER_BYTES:
            self._transport.abort()

    def cut(self) -> None:
        """End the connection."""
        self._transport.abort()

    def begin(self) -> None:
        """Send what was held back; from now on everything goes straight out."""
        held, self._held = self._held or [], None
        if held:
            self.send(b"".join(held))


async def start_revision(cache: Cache, options: ListOptions) -> int | None:
    """Return the revision after which a watch begins, None to begin with the objects that exist."""
    revision = parse_revision(options.resource_version)
    if options.resource_version in ("", "0"):
        if not options.resource_version:
            await cache.catch_up()
        return cache.revision if options.initial_events is False else None
    await cache.wait_seen(revision)
    return None if options.initial_events else revision


async def serve_watch(
    request: web.BaseRequest,
    cache: Cache,
    kind: Kind,
    selection: Selection,
    *,
    form: Form,
    options: ListOptions,
    headers: Headers = (),
) -> web.StreamResponse:
    """Write events until the time is over; cancelled when the client goes. Raises ApiError before the first byte.

    A revision that is too old is told as an event, as everything is that ends a watch.
    """
    since = await start_revision(cache, options)
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    outlet: Outlet = transport if knows_chunks(request) else Unframed(transport)
    sink = WatchSink(outlet, wants_bookmarks=options.bookmarks)
    try:
        first, revision = cache.watch(kind, selection, form, sink, since=since)
    except ApiError as error:
        told = as_event(error)
        transport.write(stream_head(request, headers=headers))
        outlet.write(told)
        return stream_end(request)
    try:
        transport.write(stream_head(request, headers=headers))
        await send_first(request, outlet, form, first)
        if options.initial_events and options.bookmarks:
            outlet.write(form.bookmark(revision, ends_initial=True))
        sink.begin()
        await asyncio.sleep(options.timeout_s or random.uniform(*DEFAULT_TIMEOUT_S))
        if options.bookmarks:
            sink.send(form.bookmark(cache.revision))
    finally:
        cache.unwatch(kind, selection, sink)
    return stream_end(request)


def as_event(error: ApiError) -> bytes:
    """Return the chunk that tells a watcher why there is nothing to watch. Raises any error but 410 again."""
    if error.code != HTTPStatus.GONE:
        raise error
    return chunk(b'{"type":"ERROR","object":%b}\n' % encode(error.status))


async def send_first(request: web.BaseRequest, outlet: Outlet, form: Form, first: Sequence[Told]) -> None:
    """Write what a watch begins with, no faster than the client reads."""
    for part in _slices(first):
        outlet.write(form.payload(part))
        await request.writer.drain()


def _slices(told: Sequence[Told]) -> Iterator[list[Told]]:
    rest = iter(told)
    while part := list(islice(rest, FIRST_SLICE)):
        yield part
