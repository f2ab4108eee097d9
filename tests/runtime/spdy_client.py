"""A client of the streaming server that speaks SPDY/3.1, by an upgrade or through a WebSocket's tunnel."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import aiohttp

from kube.spdy.connection import Connection, Reset
from kube.spdy.events import DataReceived, Event, StreamEnded, StreamReset
from tests.runtime.machine import WAIT_S

TUNNEL = "SPDY/3.1+"


class SpdyClient:
    """One connection; `received` has what came on each stream, `ended` the streams that the server has ended."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]], read: Callable[[], Awaitable[bytes]]) -> None:
        self.connection = Connection(is_client=True, windows=False)
        self.received: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self._send, self._read = send, read

    async def open(self, **headers: str) -> int:
        """Open a stream."""
        stream = self.connection.open(headers)
        await self.flush()
        return stream

    async def send(self, stream: int, data: bytes, *, fin: bool = False) -> None:
        """Send on a stream."""
        self.connection.send(stream, data)
        if fin:
            self.connection.end(stream)
        await self.flush()

    async def reset(self, stream: int) -> None:
        """Drop a stream."""
        self.connection.reset(stream, Reset.CANCEL)
        await self.flush()

    async def flush(self) -> None:
        """Send what there is to send."""
        if output := self.connection.take_output():
            await self._send(output)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Read until something is so; fails the test after WAIT_S or when the server closes before."""
        async with asyncio.timeout(WAIT_S):
            while not holds():
                data = await self._read()
                assert data, "the server has closed the connection"
                for event in self.connection.receive(data):
                    self._hear(event)
                await self.flush()

    def _hear(self, event: Event) -> None:
        match event:
            case DataReceived(stream, data):
                self.received[stream] = self.received.get(stream, b"") + data
            case StreamEnded(stream) | StreamReset(stream):
                self.ended.add(stream)


@asynccontextmanager
async def upgraded(url: str, *protocols: str) -> AsyncIterator[SpdyClient]:
    """Upgrade a connection to SPDY, as crictl and kubelet do."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    lines = [f"POST {where.path} HTTP/1.1", f"Host: {where.netloc}", "Connection: Upgrade", "Upgrade: SPDY/3.1"]
    lines += [f"X-Stream-Protocol-Version: {name}" for name in protocols]
    writer.write("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_S)
    assert head.startswith(b"HTTP/1.1 101 "), head

    async def send(data: bytes) -> None:
        writer.write(data)
        await writer.drain()

    async def read() -> bytes:
        return await reader.read(65536)

    try:
        yield SpdyClient(send, read)
    finally:
        writer.transport.abort()  # What the server doesn't take would hold a close up.


@asynccontextmanager
async def tunnelled(url: str, *protocols: str) -> AsyncIterator[SpdyClient]:
    """Speak SPDY through a WebSocket, as kubectl does."""
    names = [TUNNEL + name for name in protocols]
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=names) as socket:
        assert socket.protocol in names

        async def read() -> bytes:
            message = await socket.receive()
            return bytes(message.data) if message.type is aiohttp.WSMsgType.BINARY else b""

        yield SpdyClient(socket.send_bytes, read)
