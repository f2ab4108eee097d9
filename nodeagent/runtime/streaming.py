"""The streaming server: exec, attach and port-forward over WebSocket, at URLs that the calls of those names hand out.

Keeps true: a URL works once, for a minute, for who was given it. Speaks v5.channel.k8s.io and v4.channel.k8s.io.
Source: CRI v1 Exec, Attach, PortForward.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable

from aiohttp import web

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io")
OFFER_S = 60.0

Serve = Callable[[web.WebSocketResponse], Awaitable[None]]


class StreamingServer:
    """Serves what was offered."""

    def __init__(self) -> None:
        self._offers: dict[str, tuple[float, Serve]] = {}
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

    def offer(self, verb: str, serve: Serve) -> str:
        """Return the URL where `serve` will be called, once, within a minute."""
        now = asyncio.get_running_loop().time()
        self._offers = {token: offer for token, offer in self._offers.items() if offer[0] > now}
        token = secrets.token_urlsafe(24)
        self._offers[token] = (now + OFFER_S, serve)
        return f"{self._base}/{verb}/{token}"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        until, serve = self._offers.pop(request.path.rpartition("/")[2], (0.0, None))
        if serve is None or until < asyncio.get_running_loop().time():
            found = "stream: this URL was used, has expired or never was; ask for another\n"
            return web.Response(status=404, text=found)
        socket = web.WebSocketResponse(protocols=PROTOCOLS, compress=False, max_msg_size=0)
        if not socket.can_prepare(request).protocol:
            offered = request.headers.get("Sec-WebSocket-Protocol", "nothing")
            return web.Response(status=400, text=f"stream: {offered} was offered; use {' or '.join(PROTOCOLS[:2])}\n")
        await socket.prepare(request)
        await serve(socket)
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.close()
        return socket
