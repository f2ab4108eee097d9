"""Exec and attach over SPDY/3.1, for kubectl up to 1.29: translated to the WebSocket channels that node agents speak.

Keeps true: bytes of one stream arrive in order; what one side doesn't take holds the other back, in at most
QUEUE_BYTES; the command's end reaches the client after all of its output; a client that leaves ends the connection
to the node. After the 101 aiohttp feeds us what comes, as it feeds a WebSocket's reader, and cancels the request when
the connection is lost.
Source: Kubernetes' remotecommand protocols (`channel.k8s.io` to `v5.channel.k8s.io`); a stream says in its header
`streamtype` which it is.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

import aiohttp
from aiohttp import web

from apiserver.options import Query, flag_of
from apiserver.responses import Ended
from kube.errors import bad_request, forbidden, internal
from kube.spdy.connection import Connection, Reset
from kube.spdy.events import DataReceived, Event, Failed, PeerLeaving, StreamEnded, StreamOpened, StreamReset

PROTOCOL: Final = "SPDY/3.1"
NODE_PROTOCOL: Final = "v5.channel.k8s.io"
VERSIONS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
VERSION_HEADER: Final = "X-Stream-Protocol-Version"
STREAMS_WAIT_S: Final = 30.0
LINGER_S: Final = 5.0
PING_S: Final = 10.0
QUEUE_BYTES: Final = 256 * 1024
UNREAD_MAX_BYTES: Final = 8 * 1024 * 1024
SIZE_MAX_BYTES: Final = 1024
STREAMS_MAX: Final = 8
CHANNELS: Final = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}
CLOSE: Final = 255
_JSON_VERSIONS: Final = VERSIONS[:2]
_STDIN, _ERROR, _RESIZE = CHANNELS["stdin"], CHANNELS["error"], CHANNELS["resize"]

Connect = Callable[[str, tuple[str, ...]], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]]


def wants_spdy(request: web.BaseRequest) -> bool:
    """Return whether a request asks for SPDY."""
    return request.headers.get("Upgrade", "").lower() == PROTOCOL.lower()


def negotiated(offered: list[str]) -> str:
    """Return the first protocol that we know of a client's; a client that offers none means the first there was."""
    names = [name.strip() for line in offered for name in line.split(",") if name.strip()]
    if not names:
        return VERSIONS[-1]
    found = next((name for name in names if name in VERSIONS), "")
    if not found:
        raise forbidden(None, "", f"{VERSION_HEADER}: unable to upgrade: {names} offered; use one of {[*VERSIONS]}")
    return found


def failure(message: str) -> bytes:
    """Return the Status that tells a client of an end that was not the command's."""
    told = {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}
    return json.dumps(told).encode()


class Translator:
    """SPDY streams on one side, channels on the other. No I/O."""

    def __init__(self, version: str, wanted: frozenset[str]) -> None:
        """wanted: the streams that the client will open, by type; it may open others too."""
        self.connection = Connection(is_client=False, windows=False, streams_max=STREAMS_MAX)
        self.has_left = False
        """Whether the client said good-bye, or broke the protocol."""
        self._version = version
        self._wanted = wanted
        self._streams: dict[int, int] = {}
        self._channels: dict[int, int] = {}
        self._is_told = False
        self._size = b""

    @property
    def is_ready(self) -> bool:
        """Whether all streams that are wanted were opened."""
        return all(CHANNELS[name] in self._channels for name in self._wanted)

    def from_client(self, data: bytes) -> list[bytes]:
        """Return the messages for the node that a client's bytes make."""
        return [message for event in self.connection.receive(data) for message in self._heard(event)]

    def from_node(self, message: bytes) -> None:
        """Pass a node's message on to its stream."""
        channel, data = message[0], message[1:]
        if channel == _ERROR:
            self.end(data)
        elif channel == CLOSE:
            self._end_stream(data[0] if data else CLOSE)
        elif data:
            self._send(channel, data)

    def end(self, status: bytes) -> None:
        """Tell the client how the command ended, once: its output ends first. status: JSON."""
        if self._is_told:
            return
        self._is_told = True
        for channel in (CHANNELS["stdout"], CHANNELS["stderr"]):
            self._end_stream(channel)
        self._send(_ERROR, status if self._version in _JSON_VERSIONS else _sentence(status))
        for channel in list(self._channels):
            self._end_stream(channel)

    def _heard(self, event: Event) -> list[bytes]:
        match event:
            case StreamOpened(stream, headers):
                self._open(stream, headers.get("streamtype", ""))
            case DataReceived(stream, data):
                return self._data(self._streams.get(stream), data)
            case StreamEnded(stream) if self._streams.get(stream) == _STDIN:
                return [bytes([CLOSE, _STDIN])]
            case StreamReset(stream):
                is_input = self._streams.pop(stream, None) == _STDIN
                return [bytes([CLOSE, _STDIN])] if is_input else []
            case Failed() | PeerLeaving():
                self.has_left = True
        return []

    def _open(self, stream: int, name: str) -> None:
        channel = CHANNELS.get(name.lower())
        if channel is None or channel in self._channels:
            self.connection.reset(stream, Reset.REFUSED_STREAM)
            return
        self._streams[stream], self._channels[channel] = channel, stream
        self.connection.accept(stream)

    def _data(self, channel: int | None, data: bytes) -> list[bytes]:
        if channel == _STDIN:
            return [bytes([_STDIN]) + data]
        if channel != _RESIZE:
            return []
        *sizes, rest = (self._size + data).split(
            b"}"
        )  # Sizes are objects without objects in them, one after the other.
        self._size = rest if len(rest) <= SIZE_MAX_BYTES else b""
        return [bytes([_RESIZE]) + size.strip() + b"}" for size in sizes if len(size) <= SIZE_MAX_BYTES]

    def _send(self, channel: int, data: bytes) -> None:
        stream = self._channels.get(channel, 0)
        for start in range(0, len(data), QUEUE_BYTES):
            if self.connection.room(stream):  # Else there is no such stream any more, and nobody who reads it.
                self.connection.send(stream, data[start : start + QUEUE_BYTES])

    def _end_stream(self, channel: int) -> None:
        stream = self._channels.get(channel, 0)
        if self.connection.room(stream):
            self.connection.end(stream)


def _sentence(status: bytes) -> bytes:
    """Return a Status as the protocols before v4 tell it: nothing for a success, else its message."""
    try:
        told = json.loads(status)
    except ValueError:
        return status
    if not isinstance(told, dict):
        return status
    return b"" if told.get("status") == "Success" else str(told.get("message", "")).encode()


class _Session:
    """A client's connection after the upgrade. aiohttp feeds it as it would feed a WebSocket's reader."""

    def __init__(self, transport: asyncio.Transport, translator: Translator) -> None:
        self._transport = transport
        self._translator = translator
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._is_paused = False
        self._changed = asyncio.Event()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take what came. Returns whether nothing more is read, and what is left: as aiohttp wants it."""
        messages = self._translator.from_client(data)
        self._queue.extend(messages)
        self._queued_bytes += sum(map(len, messages))
        if self._queued_bytes > QUEUE_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self.flush()
        if self._transport.get_write_buffer_size() > UNREAD_MAX_BYTES:
            self._transport.abort()
        self._changed.set()
        return False, b""

    def feed_eof(self) -> None:
        """The connection was lost: aiohttp cancels the request."""
        self._translator.has_left = True
        self._changed.set()

    def flush(self) -> None:
        """Write what the translator has for the client."""
        output = self._translator.connection.take_output()
        if output and not self._transport.is_closing():
            self._transport.write(output)

    async def next_message(self) -> bytes:
        """Return the next message for the node."""
        await self.until(lambda: bool(self._queue))
        message = self._queue.popleft()
        self._queued_bytes -= len(message)
        if self._is_paused and self._queued_bytes <= QUEUE_BYTES // 2:
            self._is_paused = False
            self._transport.resume_reading()
        return message

    async def until(self, holds: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Wait until something that the client's bytes decide is so; return whether it is after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return holds()
        return True


async def serve(request: web.BaseRequest, connect: Connect, url: str, query: Query) -> web.StreamResponse:
    """Answer an exec or attach over SPDY. connect: opens a WebSocket to the node. Raises ApiError before the 101."""
    version = negotiated(request.headers.getall(VERSION_HEADER, []))
    if request.body_exists:
        raise bad_request("upgrade to SPDY: the request has a body; send none")
    wanted = frozenset({"error", *(name for name in ("stdin", "stdout", "stderr") if flag_of(query, name))})
    async with connect(url, (NODE_PROTOCOL,)) as node:
        if node.protocol != NODE_PROTOCOL:
            raise internal(f"the node's agent chose {node.protocol}; it has to speak {NODE_PROTOCOL}")
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        translator = Translator(version, wanted)
        session = _Session(transport, translator)
        protocol: Any = request.protocol  # It is typed for a WebSocket's reader alone.
        protocol.set_parser(session)
        transport.write(_head(version))
        await _relay(request, session, translator, node)
    return Ended(b"", keep_alive=False)


def _head(version: str) -> bytes:
    lines = ("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {PROTOCOL}")
    return "\r\n".join([*lines, f"{VERSION_HEADER}: {version}", "", ""]).encode()


async def _relay(
    request: web.BaseRequest, session: _Session, translator: Translator, node: aiohttp.ClientWebSocketResponse
) -> None:
    """Pass everything both ways until the command has ended or the client has left."""
    async with asyncio.TaskGroup() as group:
        outward = group.create_task(_to_client(request, session, translator, node))
        leaving = group.create_task(session.until(lambda: translator.has_left))
        others = [group.create_task(_to_node(session, node)), group.create_task(_keep_asking(session, translator))]
        await asyncio.wait([outward, leaving], return_when=asyncio.FIRST_COMPLETED)
        for task in (outward, leaving, *others):
            task.cancel()
    translator.connection.leave()
    session.flush()


async def _to_client(
    request: web.BaseRequest, session: _Session, translator: Translator, node: aiohttp.ClientWebSocketResponse
) -> None:
    if await session.until(lambda: translator.is_ready, STREAMS_WAIT_S):
        while (message := await node.receive()).type is aiohttp.WSMsgType.BINARY:
            if message.data:
                translator.from_node(message.data)
                session.flush()
                try:
                    await request.writer.drain()
                except ConnectionError:
                    return
        translator.end(failure("the connection to the node's agent ended before the command did"))
    else:
        translator.end(failure(f"the client did not open all of its streams within {STREAMS_WAIT_S:g} s"))
    session.flush()
    # A client drops what it has not read when the connection closes, so it has to be the client that closes it.
    await session.until(lambda: translator.has_left, LINGER_S)


async def _to_node(session: _Session, node: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        message = await session.next_message()
        with suppress(ConnectionError):  # What comes after the command's end is read, and dropped.
            await node.send_bytes(message)


async def _keep_asking(session: _Session, translator: Translator) -> None:
    """Ping now and then: writing is how a client is missed that went while nothing of it was read."""
    while True:
        await asyncio.sleep(PING_S)
        translator.connection.ping()
        session.flush()
