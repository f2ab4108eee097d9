"""A client that costs little, so that the server is what has to be waited for: requests and answers as plain bytes.

Against a client that is slower than the server, the server goes to sleep after each request, and its CPU tells as much
of waking up as of the request.
"""

import asyncio
import ssl
from types import TracebackType
from typing import Final, Self, cast
from urllib.parse import urlsplit

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"Content-Length: "


class _Line(asyncio.Protocol):
    """A connection, and the one request that is under way on it."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._wanted = 0
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """Send a request; return what will hold the status and the body of its answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._wanted and (end := self._got.find(_END_OF_HEAD)) > 0:
            start = self._got.index(_LENGTH) + len(_LENGTH)
            self._wanted = end + len(_END_OF_HEAD) + int(self._got[start : self._got.index(b"\r", start)])
        if self._wanted and len(self._got) >= self._wanted and self._answer is not None:
            head = self._got.index(_END_OF_HEAD) + len(_END_OF_HEAD)
            self._answer.set_result((int(self._got[9:12]), bytes(self._got[head:])))
            self._got, self._wanted = bytearray(), 0

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the server closed the connection"))

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()


class Client:
    """As many connections to one server as requests are under way at once; to be used from one event loop."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        """url: https://HOST:PORT."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 443
        self._tls = tls
        self._head = f"Host: {parts.netloc}\r\nAccept: */*\r\nAccept-Encoding: identity\r\nUser-Agent: bench\r\n"
        self._idle: list[_Line] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self._idle:
            line.close()

    async def send(self, method: str, path: str, body: bytes | None, content_type: str) -> tuple[int, bytes]:
        """Send a request; return the answer's status and body."""
        line = self._idle.pop() if self._idle else await self._connect()
        head = f"{method} {path} HTTP/1.1\r\n{self._head}"
        if body is not None:
            head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
        answer = await line.ask(b"%b\r\n%b" % (head.encode(), body or b""))
        self._idle.append(line)
        return answer

    async def _connect(self) -> _Line:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(_Line, self._host, self._port, ssl=self._tls)
        return line
