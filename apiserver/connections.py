"""Connections: who is at the other end, and how long and how much a client may keep of the server.

Keeps true: a handshake, a head and a body each end within their time; a client that takes nothing of what it is sent,
or has gone without a word, is cut by the kernel; so many connections and no more, and what they need of descriptors is
known at the start. Source: tcp(7), getrlimit(2)
"""

import asyncio
import logging
import resource
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage

from apiserver.authentication import certificate_end, user_of_certificate
from apiserver.identity import User
from kube.clock import Clock

LOG: Final = logging.getLogger("apiserver.connections")
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

BODY_MAX_BYTES: Final = 3 * 1024 * 1024
LINE_MAX_BYTES: Final = 64 * 1024
KEEPALIVE_S: Final = 180.0
LINGER_S: Final = 2.0
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
DESCRIPTORS_KEPT: Final = 256
"""For the store, node agents and listeners: what connections may not use up."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one client, and all of them, may take.

    head_s, body_s: for a request's head and body to come whole. stalled_s: with something sent and nothing taken of it.
    silent_s, probe_s: a connection so long without a word is probed so often, until stalled_s bring no answer.
    sweep_s: how often it is looked who exceeds head_s.
    """

    handshake_s: float = 10.0
    head_s: float = 30.0
    body_s: float = 60.0
    stalled_s: int = 60
    silent_s: int = 60
    probe_s: int = 15
    sweep_s: float = 5.0
    connections: int = 16_384


BOUNDS: Final = Bounds()


class Connection(web.RequestHandler):
    """One client's connection, which knows whom its certificate names."""

    __slots__ = ("_certified", "_ends", "bounds", "head_began_s")

    def __init__(self, server: "HttpServer", bounds: Bounds, **options: Any) -> None:
        super().__init__(server, **options)
        self.bounds = bounds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Read the client's certificate once; end what is one connection too many."""
        super().connection_made(transport)
        channel = transport.get_extra_info("ssl_object")
        certificate = channel.getpeercert() if channel is not None else None
        self._certified = user_of_certificate(certificate)
        self._ends = certificate_end(certificate)
        self.head_began_s = 0.0
        self._set_patience(transport.get_extra_info("socket"))
        server = self._manager
        if isinstance(server, HttpServer) and not server.has_room():
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Note since when a head is under way: data has come, and still no request."""
        super().data_received(data)
        waiter = self._waiter
        if waiter is None or waiter.done():
            self.head_began_s = 0.0
        elif not self.head_began_s:
            self.head_began_s = self._loop.time()

    def certified(self, now: datetime) -> User | None:
        """Return whom the client's certificate names, None where there is none or its time is over."""
        return self._certified if self._ends is None or now < self._ends else None

    def wait_for_reader(self) -> None:
        """Have no patience end: what comes now is read by a person, who may look at it for as long as it takes."""
        channel = self.transport.get_extra_info("socket") if self.transport is not None else None
        if channel is not None:
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 0)

    def abort(self) -> None:
        """End the connection, whatever is under way on it."""
        if self.transport is not None:
            self.transport.abort()

    def _set_patience(self, channel: Any) -> None:
        """Have the kernel end a connection whose client is gone, or takes nothing."""
        if channel is not None:
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, self.bounds.stalled_s * 1000)
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self.bounds.silent_s)
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, self.bounds.probe_s)


class HttpServer(web.Server):
    """aiohttp's server, making our connections, within `bounds`."""

    def __init__(self, handler: Handler, bounds: Bounds, **options: Any) -> None:
        super().__init__(handler, **options)
        self.bounds = bounds
        self._is_full = False

    def __call__(self) -> web.RequestHandler:
        """Return the protocol for a new connection."""
        return Connection(self, self.bounds, loop=self._loop, **self._kwargs)

    def has_room(self) -> bool:
        """Say whether the newest connection may stay."""
        is_full = len(self._connections) > self.bounds.connections
        if is_full and not self._is_full:
            LOG.warning("connections: there are %d, as many as may be; new ones are closed", self.bounds.connections)
        self._is_full = is_full
        return not is_full

    async def sweep(self, clock: Clock) -> None:
        """Cut, for ever, those whose head takes too long."""
        while True:
            await clock.sleep(self.bounds.sweep_s)
            latest_s = asyncio.get_running_loop().time() - self.bounds.head_s
            for connection in self.connections:
                if isinstance(connection, Connection) and 0.0 < connection.head_began_s < latest_s:
                    connection.abort()

    def _make_request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop, client_max_size=BODY_MAX_BYTES)


def invite_body(request: web.BaseRequest) -> None:
    """Tell a client that waits for it (`Expect: 100-continue`) to send its request's body; to be called once.

    A refusal that needs no body goes out without it, and the body is never sent. Source: RFC 9110, section 10.1.1
    """
    is_awaited = request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11
    if is_awaited and request.transport is not None and not request.content.is_eof():
        request.transport.write(_CONTINUE)


def within_descriptors(bounds: Bounds) -> Bounds:
    """Return the bounds with no more connections than this process may have descriptors for.

    Asks for as many as are needed, and tells in the log where the limit is lower.
    """
    wanted = bounds.connections + DESCRIPTORS_KEPT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft >= wanted:
        return bounds
    room = max(soft - DESCRIPTORS_KEPT, soft // 2)
    LOG.warning(
        "descriptors: this process may have %d, which is enough for %d connections; for %d raise the limit to %d "
        "(ulimit -n, or LimitNOFILE in systemd)",
        *(soft, room, bounds.connections, wanted),
    )
    return replace(bounds, connections=room)
