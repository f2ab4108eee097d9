"""Exec and attach over SPDY/3.1, for kubectl up to 1.29: translated to the WebSocket channels that node agents speak.

Keeps true: bytes of one stream arrive in order; what one side doesn't take holds the other back, in at most
QUEUE_BYTES; the command's end reaches the client after all of its output; a client that leaves ends the connection
to the node.
Source: Kubernetes' remotecommand protocols (`channel.k8s.io` to `v5.channel.k8s.io`); a stream says in its header
`streamtype` which it is.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

import aiohttp
from aiohttp import web

from apiserver.options import Query, flag_of
from apiserver.relay.upgrade import Inbox, Line, RawLine, Room, switching
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
SIZE_MAX_BYTES: Final = 1024
STREAMS_MAX: Final = 8
CHANNELS: Final = {"stdin": 0, "stdout": 1, "stderr": 2, "error": 3, "resize": 4}
CLOSE: Final = 255
_JSON_VERSIONS: Final = VERSIONS[:2]
_STDIN, _ERROR, _RESIZE = CHANNELS["stdin"], CHANNELS["error"], CHANNELS["resize"]

Connect = Callable[[Sequence[str]], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]]


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
        self._send(_ERROR, status if self._version in _JSON_VERSIONS else sentence(status))
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


def sentence(status: bytes) -> bytes:
    """Return a Status as the protocols before v4 tell it: nothing for a success, else its message."""
    try:
        told = json.loads(status)
    except ValueError:
        return status
    if not isinstance(told, dict):
        return status
    return b"" if told.get("status") == "Success" else str(told.get("message", "")).encode()


class _Session:
    """A client and its node."""

    def __init__(self, line: Line, translator: Translator, node: aiohttp.ClientWebSocketResponse) -> None:
        self._line = line
        self._translator = translator
        self._node = node
        self._room = Room(QUEUE_BYTES)
        self._inbox = Inbox(self._room)
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Pass everything both ways until the command has ended or the client has left."""
        async with asyncio.TaskGroup() as group:
            outward, hearing = group.create_task(self._to_client()), group.create_task(self._hear())
            others = [group.create_task(self._to_node()), group.create_task(self._keep_asking())]
            await asyncio.wait([outward, hearing], return_when=asyncio.FIRST_COMPLETED)
            for task in (outward, hearing, *others):
                task.cancel()
        self._translator.connection.leave()
        with suppress(ConnectionError):
            await self._flush()

    async def _flush(self) -> None:
        """Write what the translator has for the client."""
        if output := self._translator.connection.take_output():
            await self._line.write(output)

    async def _hear(self) -> None:
        """Read the client until it leaves."""
        translator = self._translator
        with suppress(ConnectionError):
            while not translator.has_left and (data := await self._line.read()):
                for message in translator.from_client(data):
                    self._inbox.put(message)
                self._changed.set()
                await self._flush()
                await self._room.available()
        translator.has_left = True
        self._changed.set()

    async def _to_client(self) -> None:
        translator = self._translator
        with suppress(ConnectionError):
            if await self._until(lambda: translator.is_ready, STREAMS_WAIT_S):
                while (message := await self._node.receive()).type is aiohttp.WSMsgType.BINARY:
                    if message.data:
                        translator.from_node(message.data)
                        await self._flush()
                translator.end(failure("the connection to the node's agent ended before the command did"))
            else:
                translator.end(failure(f"the client did not open all of its streams within {STREAMS_WAIT_S:g} s"))
            await self._flush()
            # A client drops what it has not read when the connection closes, so it has to be the client that closes it.
            await self._until(lambda: translator.has_left, LINGER_S)

    async def _until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until something that the client's bytes decide is so; return whether it is after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        return holds()

    async def _to_node(self) -> None:
        while True:
            message = await self._inbox.get()
            with suppress(ConnectionError):  # What comes after the command's end is read, and dropped.
                await self._node.send_bytes(message)

    async def _keep_asking(self) -> None:
        """Ping now and then: writing is how a client is missed that went while nothing of it was read."""
        while True:
            await asyncio.sleep(PING_S)
            self._translator.connection.ping()
            with suppress(ConnectionError):
                await self._flush()


async def serve(request: web.BaseRequest, connect: Connect, query: Query) -> web.StreamResponse:
    """Answer an exec or attach over SPDY. connect: opens a WebSocket to the node. Raises ApiError before the 101."""
    version = negotiated(request.headers.getall(VERSION_HEADER, []))
    if request.body_exists:
        raise bad_request("upgrade to SPDY: the request has a body; send none")
    wanted = frozenset({"error", *(name for name in ("stdin", "stdout", "stderr") if flag_of(query, name))})
    async with connect((NODE_PROTOCOL,)) as node:
        if node.protocol != NODE_PROTOCOL:
            raise internal(f"the node's agent chose {node.protocol}; it has to speak {NODE_PROTOCOL}")
        line = RawLine.begun(request, switching(PROTOCOL, f"{VERSION_HEADER}: {version}"))
        await _Session(line, Translator(version, wanted), node).run()
    return Ended(b"", keep_alive=False)
