"""Cluster DNS of a node: sockets around answer(), and the relay to the machine's own name servers.

Keeps true: every question of the cluster's domain is answered here, from what the informers hold; all others go to the
name servers of the machine's resolv.conf and come back as they are; a question never goes round between servers.
Reads Services and EndpointSlices (through informers) and resolv.conf; listens on UDP and TCP of one address.
"""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Final, cast

from kube.api.core_v1 import Service
from kube.api.discovery_v1 import EndpointSlice
from kube.objects import ObjectKey
from nodeagent.dns.answer import Forward, answer, complete, failure, is_reply_to
from nodeagent.dns.message import to_name
from nodeagent.dns.zone import Zone
from nodeagent.proxy.services import BY_ADDRESS, BY_NAMESPACE, BY_SERVICE, ServiceInformers

UPSTREAM_TIMEOUT_S: Final = 2.0
TCP_IDLE_S: Final = 10.0
FORWARDS_MAX: Final = 512
_TCP_BYTES = 65_535
_LENGTH = struct.Struct("!H")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """address: where to listen; the bridge's gateway address on a node. port 0: any free one.

    cidrs: pods and services. own_addresses: where questions would come back to us (the DNS Service's address).
    upstreams: name servers to ask instead of those in `resolv_conf`.
    """

    address: str
    port: int = 53
    domain: str = "cluster.local"
    cidrs: tuple[IPv4Network, ...] = ()
    own_addresses: tuple[str, ...] = ()
    resolv_conf: Path = Path("/etc/resolv.conf")
    upstreams: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class InformerDirectory:
    """The Directory of a zone, out of the informers' caches."""

    informers: ServiceInformers

    def service(self, key: ObjectKey) -> Service | None:
        """Return a Service by its key."""
        return self.informers.services.get(key.name, key.namespace)

    def slices(self, key: ObjectKey) -> Sequence[EndpointSlice]:
        """Return the EndpointSlices of a Service."""
        return self.informers.slices.by_index(BY_SERVICE, key)

    def services_at(self, address: str) -> Sequence[Service]:
        """Return the Services that have this cluster IP."""
        return self.informers.services.by_index(BY_ADDRESS, address)

    def slices_at(self, address: str) -> Sequence[EndpointSlice]:
        """Return the EndpointSlices that have this endpoint address."""
        return self.informers.slices.by_index(BY_ADDRESS, address)

    def has_namespace(self, name: str) -> bool:
        """Tell whether any Service is in this namespace."""
        return bool(self.informers.services.by_index(BY_NAMESPACE, name))

    @property
    def serial(self) -> int:
        """A number that grows with every change."""
        return self.informers.services.revision & 0xFFFFFFFF


def nameservers_of(resolv_conf: str) -> list[str]:
    """Return the addresses of the name servers in the text of a resolv.conf, in order."""
    found = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            found.append(words[1])
    return found


@dataclass(slots=True)
class Upstream:
    """The name servers to relay to; resolv.conf is read again when it changes. Asks one after the other."""

    settings: DnsSettings
    _servers: Sequence[tuple[str, int]] = ()
    _read_at: int = -1
    _asking: set[bytes] = field(default_factory=set)

    async def ask(self, forward: Forward, *, over_tcp: bool) -> bytes | None:
        """Return the reply of the first server that gives one; None where none does or the question came back."""
        # What we are asking right now and are asked ourselves has gone round.
        question = forward.query[12:]
        if len(self._asking) >= FORWARDS_MAX or forward.query[:2] + question in self._asking:
            return None
        number = os.urandom(2)
        while number + question in self._asking:
            number = os.urandom(2)
        query = number + forward.query[2:]
        self._asking.add(number + question)
        try:
            for server in self.servers():
                reply = await _ask_one(server, query, over_tcp=over_tcp)
                if reply is not None:
                    return reply
        finally:
            self._asking.discard(number + question)
        return None

    def servers(self) -> Sequence[tuple[str, int]]:
        """Return the servers, without ourselves."""
        settings = self.settings
        if settings.upstreams:
            return settings.upstreams
        try:
            changed_at = settings.resolv_conf.stat().st_mtime_ns
            if changed_at != self._read_at:
                text = settings.resolv_conf.read_text(errors="replace")
                ours = {settings.address, *settings.own_addresses}
                self._servers = [(name, 53) for name in nameservers_of(text) if name not in ours and _is_address(name)]
                self._read_at = changed_at
        except OSError as error:
            _log.warning("dns: %s: %s; names outside the cluster get no answer", settings.resolv_conf, error.strerror)
            self._servers = ()
        return self._servers


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


async def _ask_one(server: tuple[str, int], query: bytes, *, over_tcp: bool) -> bytes | None:
    try:
        async with asyncio.timeout(UPSTREAM_TIMEOUT_S):
            return await (_ask_tcp(server, query) if over_tcp else _ask_udp(server, query))
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        _log.debug("dns upstream %s: %s", server[0], error or type(error).__name__)
        return None


class _Reply(asyncio.DatagramProtocol):
    """Waits for the datagram that answers `query`; others are somebody's guesses."""

    def __init__(self, query: bytes) -> None:
        self._query = query
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:  # noqa: ARG002
        if not self.reply.done() and is_reply_to(self._query, data):
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():
            self.reply.set_exception(exc)


async def _ask_udp(server: tuple[str, int], query: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(lambda: _Reply(query), remote_addr=server)
    try:
        transport.sendto(query)
        return await protocol.reply
    finally:
        transport.close()


async def _ask_tcp(server: tuple[str, int], query: bytes) -> bytes | None:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(_LENGTH.pack(len(query)) + query)
        (size,) = _LENGTH.unpack(await reader.readexactly(2))
        reply = await reader.readexactly(size)
        return reply if is_reply_to(query, reply) else None
    finally:
        writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    """The UDP side: own names are answered at once, others by a task of the server's group."""

    def __init__(self, zone: Zone, relay: Callable[[Forward, Callable[[bytes], None]], None]) -> None:
        self._zone = zone
        self._relay = relay
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own is no subclass of it in 3.11.

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        transport = self._transport
        assert transport is not None
        said = answer(data, self._zone)
        if isinstance(said, Forward):
            self._relay(said, lambda reply: transport.sendto(reply, addr))
        elif said is not None:
            transport.sendto(said, addr)


class DnsServer:
    """One node's DNS. run() listens until it is cancelled; `port` is the one it listens on."""

    def __init__(self, informers: ServiceInformers, settings: DnsSettings) -> None:
        self.informers = informers
        self._settings = settings
        self._zone = Zone(InformerDirectory(informers), to_name(settings.domain), settings.cidrs)
        self._upstream = Upstream(settings)
        self.port = settings.port
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Answer. Questions wait for the first list of Services, so that no name is denied that exists."""
        await self.informers.wait_synced()
        udp, tcp = _listen(self._settings.address, self._settings.port)
        self.port = udp.getsockname()[1]
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:

            def relay(forward: Forward, send: Callable[[bytes], None]) -> None:
                group.create_task(self._relay(forward, send), name="dns relay")

            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._zone, relay), sock=udp)
            server = await asyncio.start_server(self._serve_stream, sock=tcp)
            _log.info("dns: %s answers on %s port %d", self._settings.domain, self._settings.address, self.port)
            self.listening.set()
            try:
                await server.serve_forever()
            finally:
                self.listening.clear()
                transport.close()
                server.close()

    async def _relay(self, forward: Forward, send: Callable[[bytes], None]) -> None:
        reply = await self._upstream.ask(forward, over_tcp=False)
        send(failure(forward) if reply is None else complete(forward, reply))

    async def _serve_stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_S):
                    (size,) = _LENGTH.unpack(await reader.readexactly(2))
                    data = await reader.readexactly(size)
                said = answer(data, self._zone, limit_bytes=_TCP_BYTES)
                if isinstance(said, Forward):
                    reply = await self._upstream.ask(said, over_tcp=True)
                    said = failure(said) if reply is None else complete(said, reply, limit_bytes=_TCP_BYTES)
                if said is None:
                    return
                writer.write(_LENGTH.pack(len(said)) + said)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # The client has gone, or has nothing more to ask.
        finally:
            writer.close()


def _listen(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Open UDP and TCP on the same port, also where the address comes to the node only later."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    tcp = socket.socket(family, socket.SOCK_STREAM)
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for sock in (tcp, udp):
            sock.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
            sock.setblocking(False)
        tcp.bind((address, port))
        udp.bind((address, tcp.getsockname()[1]))
    except OSError as error:
        tcp.close()
        udp.close()
        raise OSError(
            error.errno, f"dns: {address} port {port}: {os.strerror(error.errno or 0)}; free it or use another address"
        ) from error
    return udp, tcp
