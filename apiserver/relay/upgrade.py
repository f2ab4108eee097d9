"""Connections after an upgrade: bytes both ways, on the connection itself or in the messages of a WebSocket.

Keeps true: what nobody takes is not read, past READ_AHEAD_BYTES; a write waits until the other side takes it.
After a 101 aiohttp feeds a RawLine what comes, as it feeds a WebSocket's reader, and cancels the request when the
connection is lost.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol, Self

import aiohttp
from aiohttp import web

READ_AHEAD_BYTES: Final = 256 * 1024
MESSAGE_MAX_BYTES: Final = 32 * 1024 * 1024
"""What one message of a WebSocket may hold, as in Kubernetes: it is kept until its end has come."""
PING_S: Final = 30.0


class Line(Protocol):
    """Bytes both ways."""

    async def read(self) -> bytes:
        """Return what came, nothing (b"") once the other side has gone."""

    async def write(self, data: bytes) -> None:
        """Send bytes; they are on their way, in order, before this first waits. Raises ConnectionError."""


class RawLine:
    """A client's own connection, which is no HTTP any more."""

    def __init__(self, request: web.BaseRequest, transport: asyncio.Transport) -> None:
        """Use `begun`."""
        self._request = request
        self._transport = transport
        self._pieces: deque[bytes] = deque()
        self._held_bytes = 0
        self._is_paused = False
        self._has_ended = False
        self._changed = asyncio.Event()

    @classmethod
    def begun(cls, request: web.BaseRequest, head: bytes) -> Self:
        """Answer a request with the head of a 101 and return its connection. Raises ConnectionError."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        line = cls(request, transport)
        protocol: Any = request.protocol  # It is typed for a WebSocket's reader alone.
        protocol.set_parser(line)
        transport.write(head)
        return line

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take what came. Returns whether nothing more is read, and what is left: as aiohttp wants it."""
        self._pieces.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > READ_AHEAD_BYTES and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        self._changed.set()
        return False, b""

    def feed_eof(self) -> None:
        """The connection was lost."""
        self._has_ended = True
        self._changed.set()

    async def read(self) -> bytes:
        """Return all that came."""
        while not self._pieces:
            if self._has_ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held_bytes = 0
        if self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self._transport.write(data)
        await self._request.writer.drain()


class SocketLine:
    """The bytes in the binary messages of a WebSocket; how they are cut into messages means nothing."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        """socket: prepared, without compression, which would let messages overtake each other."""
        self._socket = socket

    async def read(self) -> bytes:
        """Return the next message that is not empty."""
        async for message in self._socket:
            if message.type is aiohttp.WSMsgType.BINARY and message.data:
                data: bytes = message.data
                return data
        return b""

    async def write(self, data: bytes) -> None:
        """Send a message."""
        await self._socket.send_bytes(data)


def wants_websocket(request: web.BaseRequest) -> bool:
    """Return whether a request asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def offered_protocols(request: web.BaseRequest) -> list[str]:
    """Return the subprotocols that a WebSocket's client speaks, its favourite first."""
    words = ",".join(request.headers.getall("Sec-WebSocket-Protocol", [])).split(",")
    return [word.strip() for word in words if word.strip()]


async def opened_socket(request: web.BaseRequest, protocols: Iterable[str]) -> web.WebSocketResponse:
    """Answer a WebSocket's request and return the socket. protocols: what we speak."""
    socket = web.WebSocketResponse(
        protocols=tuple(protocols), compress=False, max_msg_size=MESSAGE_MAX_BYTES, autoclose=False, heartbeat=PING_S
    )
    await socket.prepare(request)
    return socket


async def until_one_ends(*ways: Awaitable[None]) -> None:
    """Pass things on in several ways until one of them ends, and cancel the others. A side that has gone ends its."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_until_gone(way)) for way in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _until_gone(way: Awaitable[None]) -> None:
    with suppress(OSError):
        await way


def switching(protocol: str, *more: str) -> bytes:
    """Return the head of an answer that takes an upgrade. more: further lines."""
    lines = ("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {protocol}", *more, "", "")
    return "\r\n".join(lines).encode()


class Room:
    """How much may wait for those who take it slowly, of all queues together."""

    def __init__(self, most_bytes: int) -> None:
        """Nothing waits yet."""
        self._most_bytes = most_bytes
        self._held_bytes = 0
        self._shrunk = asyncio.Event()

    def add(self, count: int) -> None:
        """Count bytes that came (or, negative, went)."""
        self._held_bytes += count
        if count < 0:
            self._shrunk.set()

    async def available(self) -> None:
        """Wait until no more is held than may be."""
        while self._held_bytes > self._most_bytes:
            self._shrunk.clear()
            await self._shrunk.wait()


class Inbox:
    """Messages for one who takes them in his own time."""

    def __init__(self, room: Room) -> None:
        """room: where they count."""
        self._room = room
        self._messages: deque[bytes] = deque()
        self._came = asyncio.Event()

    def put(self, message: bytes) -> None:
        """Add a message; whoever adds waits for `room.available` before it reads on."""
        self._messages.append(message)
        self._room.add(len(message))
        self._came.set()

    async def get(self) -> bytes:
        """Return the next message."""
        while not self._messages:
            self._came.clear()
            await self._came.wait()
        message = self._messages.popleft()
        self._room.add(-len(message))
        return message

    def clear(self) -> None:
        """Drop what nobody takes any more."""
        while self._messages:
            self._room.add(-len(self._messages.popleft()))
