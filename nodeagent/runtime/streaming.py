"""The streaming server: exec, attach and port-forward, at URLs that the calls of those names hand out.

Keeps true: a URL works once, for a minute, for who was given it. Speaks WebSocket and SPDY/3.1; which protocols on it,
each offer says. SPDY comes as an upgrade of the HTTP connection, or tunnelled through a WebSocket.
Source: CRI v1 Exec, Attach, PortForward; Kubernetes' `X-Stream-Protocol-Version`; KEP-4006 for the tunnel.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.abc import AbstractStreamWriter

from kube.spdy.headers import Headers
from nodeagent.runtime.spdy_link import HELD_BYTES, Link

OFFER_S = 60.0
SPDY = "SPDY/3.1"
TUNNEL_PREFIX = "SPDY/3.1+"
VERSION_HEADER = "X-Stream-Protocol-Version"


@dataclass(frozen=True)
class Offer:
    """What happens at a URL, by the way its client speaks.

    websocket_protocols, spdy_protocols: the best first; the SPDY ones may come through a WebSocket too.
    admits: which SPDY streams are taken. over_spdy is told the protocol that was chosen.
    """

    websocket_protocols: Sequence[str]
    over_websocket: Callable[[web.WebSocketResponse], Awaitable[None]]
    spdy_protocols: Sequence[str]
    admits: Callable[[Headers], bool]
    over_spdy: Callable[[Link, str], Awaitable[None]]


class StreamingServer:
    """Serves what was offered."""

    def __init__(self) -> None:
        self._offers: dict[str, tuple[float, Offer]] = {}
        self._runner: web.ServerRunner | None = None
        self._base = ""

    async def start(self, address: str) -> None:
        """Listen on any free port of `address`."""
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, address, 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self._base = f"http://{address}:{port}"

    async def stop(self) -> None:
        """Close every stream."""
        if self._runner is not None:
            await self._runner.cleanup()

    def offer(self, verb: str, offer: Offer) -> str:
        """Return the URL where `offer` will be served, once, within a minute."""
        now = asyncio.get_running_loop().time()
        self._offers = {token: item for token, item in self._offers.items() if item[0] > now}
        token = secrets.token_urlsafe(24)
        self._offers[token] = (now + OFFER_S, offer)
        return f"{self._base}/{verb}/{token}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        until, offer = self._offers.pop(request.path.rpartition("/")[2], (0.0, None))
        if offer is None or until < asyncio.get_running_loop().time():
            found = "stream: this URL was used, has expired or never was; ask for another\n"
            return web.Response(status=404, text=found)
        if request.headers.get("Upgrade", "").lower() == SPDY.lower():
            return await _serve_spdy(request, offer)
        return await _serve_websocket(request, offer)


async def _serve_websocket(request: web.BaseRequest, offer: Offer) -> web.StreamResponse:
    protocols = [*offer.websocket_protocols, *(TUNNEL_PREFIX + name for name in offer.spdy_protocols)]
    socket = web.WebSocketResponse(protocols=protocols, compress=False, max_msg_size=0)
    if not socket.can_prepare(request).protocol:
        return _refused(request.headers.get("Sec-WebSocket-Protocol", ""), protocols)
    await socket.prepare(request)
    if socket.ws_protocol is not None and socket.ws_protocol.startswith(TUNNEL_PREFIX):
        await _serve_tunnel(socket, offer)
    else:
        await offer.over_websocket(socket)
    with contextlib.suppress(ConnectionError, RuntimeError):
        await socket.close()
    return socket


async def _serve_tunnel(socket: web.WebSocketResponse, offer: Offer) -> None:
    """Speak SPDY in the messages of a WebSocket."""
    may_read = asyncio.Event()
    may_read.set()
    link = Link(socket.send_bytes, admits=offer.admits, pause=may_read.clear, resume=may_read.set)
    protocol = (socket.ws_protocol or "").removeprefix(TUNNEL_PREFIX)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read_tunnel(socket, link, may_read))
        async with link.running():
            await offer.over_spdy(link, protocol)
        reading.cancel()


async def _read_tunnel(socket: web.WebSocketResponse, link: Link, may_read: asyncio.Event) -> None:
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            link.feed_data(message.data)
        await may_read.wait()
    link.feed_eof()


async def _serve_spdy(request: web.BaseRequest, offer: Offer) -> web.StreamResponse:
    """Take the connection over from HTTP. aiohttp feeds the link as it would feed a WebSocket's reader."""
    offered = ",".join(request.headers.getall(VERSION_HEADER, []))
    names = [name.strip() for name in offered.split(",") if name.strip()] or [offer.spdy_protocols[-1]]
    protocol = next((name for name in names if name in offer.spdy_protocols), "")
    transport, server_protocol = request.transport, request.protocol
    if not protocol or transport is None or request.body_exists:
        return _refused(offered, offer.spdy_protocols)

    async def send(data: bytes) -> None:
        if transport.is_closing():
            raise ConnectionResetError("the client has gone")
        transport.write(data)
        await request.writer.drain()

    link = Link(send, admits=offer.admits, pause=transport.pause_reading, resume=transport.resume_reading)
    transport.set_write_buffer_limits(high=HELD_BYTES)
    parser: Any = link  # It is typed for a WebSocket's reader alone.
    transport.write(_head(protocol))
    server_protocol.set_parser(parser)
    async with link.running():
        await offer.over_spdy(link, protocol)
    return _TakenOver()


def _head(protocol: str) -> bytes:
    lines = ("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", f"Upgrade: {SPDY}")
    return "\r\n".join([*lines, f"{VERSION_HEADER}: {protocol}", "", ""]).encode()


def _refused(offered: str, known: Sequence[str]) -> web.Response:
    found = f"stream: {offered or 'nothing'} was offered; use {' or '.join(known)}"
    return web.Response(status=403, text=f"{found}\n")


class _TakenOver(web.StreamResponse):
    """The answer that has been given already, on a connection that ends with it."""

    def __init__(self) -> None:
        """Nothing is set up: no head will be sent."""

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on."""
        return False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:  # noqa: ARG002
        """Send no head."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Send no end."""
