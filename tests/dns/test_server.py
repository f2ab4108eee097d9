"""The DNS server on real sockets."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from dnslib import RCODE, RR, DNSRecord

from kube.kinds import Resource
from kube.runner import Runner
from nodeagent.dns.server import DnsServer, DnsSettings, Upstream, nameservers_of
from nodeagent.proxy.services import service_informers
from tests.kube.fake_client import FakeClient
from tests.proxy.make import endpoint, endpoints, port, service

TIMEOUT_S = 5.0


@asynccontextmanager
async def serving(settings: DnsSettings, *objects: Resource) -> AsyncIterator[tuple[DnsServer, FakeClient]]:
    client = FakeClient(*objects)
    informers = service_informers(client)
    server = DnsServer(informers, settings)
    async with Runner() as runner:
        informers.start(runner)
        runner.start("dns", server.run)
        async with asyncio.timeout(TIMEOUT_S):
            await server.listening.wait()
        yield server, client


class _Once(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if not self.received.done():
            self.received.set_result(data)


async def ask(address: str, number: int, name: str, kind: str = "A") -> DNSRecord:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_Once, remote_addr=(address, number))
    try:
        transport.sendto(DNSRecord.question(name, kind).pack())
        async with asyncio.timeout(TIMEOUT_S):
            return DNSRecord.parse(await protocol.received)
    finally:
        transport.close()


async def ask_tcp(address: str, number: int, name: str) -> DNSRecord:
    reader, writer = await asyncio.open_connection(address, number)
    try:
        query = DNSRecord.question(name).pack()
        writer.write(struct.pack("!H", len(query)) + query)
        async with asyncio.timeout(TIMEOUT_S):
            (size,) = struct.unpack("!H", await reader.readexactly(2))
            return DNSRecord.parse(await reader.readexactly(size))
    finally:
        writer.close()


class _FakeUpstream(asyncio.DatagramProtocol):
    """Answers every question with 192.0.2.1; counts them."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        self.asked: list[bytes] = []
        self._change = change

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.asked.append(data)
        query = DNSRecord.parse(data)
        reply = query.reply()
        reply.add_answer(*RR.fromZone(f"{query.q.qname} 60 A 192.0.2.1"))
        self._transport.sendto(self._change(bytes(reply.pack())), addr)


@asynccontextmanager
async def upstream(change: Callable[[bytes], bytes] = bytes) -> AsyncIterator[tuple[_FakeUpstream, int]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: _FakeUpstream(change), local_addr=("127.0.0.1", 0)
    )
    try:
        yield protocol, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


LOCAL = DnsSettings("127.0.0.1", 0, upstreams=(("127.0.0.1", 9),))


async def test_names_are_answered_over_udp_and_tcp_on_the_same_port() -> None:
    async with serving(LOCAL, service()) as (server, _):
        over_udp = await ask("127.0.0.1", server.port, "web.default.svc.cluster.local")
        over_tcp = await ask_tcp("127.0.0.1", server.port, "web.default.svc.cluster.local")

    assert str(over_udp.rr[0].rdata) == str(over_tcp.rr[0].rdata) == "10.150.0.10"


async def test_a_cut_answer_is_whole_over_tcp() -> None:
    many = endpoints(*(endpoint(f"10.180.2.{n}") for n in range(1, 100)), of="db")
    async with serving(LOCAL, service("db", "None", [port(80)]), many) as (server, _):
        cut = await ask("127.0.0.1", server.port, "db.default.svc.cluster.local")
        whole = await ask_tcp("127.0.0.1", server.port, "db.default.svc.cluster.local")

    assert cut.header.tc == 1
    assert len(whole.rr) == 99


async def test_a_new_service_has_its_name_as_soon_as_it_is_heard_of() -> None:
    async with serving(LOCAL) as (server, client):
        before = await ask("127.0.0.1", server.port, "web.default.svc.cluster.local")
        client.put(service())
        async with asyncio.timeout(TIMEOUT_S):
            await server.informers.services.wait_seen(client.revision)
            after = await ask("127.0.0.1", server.port, "web.default.svc.cluster.local")

    assert before.header.rcode == RCODE.NXDOMAIN
    assert str(after.rr[0].rdata) == "10.150.0.10"


async def test_reverse_names_are_found_through_the_indexes() -> None:
    headless = service("db", "None", [port(80)])
    found = endpoints(endpoint("10.180.0.5", hostname="db-0"), of="db")
    async with serving(LOCAL, service(), headless, found) as (server, _):
        of_service = await ask("127.0.0.1", server.port, "10.0.150.10.in-addr.arpa", "PTR")
        of_pod = await ask("127.0.0.1", server.port, "5.0.180.10.in-addr.arpa", "PTR")

    assert str(of_service.rr[0].rdata) == "web.default.svc.cluster.local."
    assert str(of_pod.rr[0].rdata) == "db-0.db.default.svc.cluster.local."


async def test_other_names_come_from_upstream_under_the_clients_own_id() -> None:
    async with upstream() as (fake, number):
        settings = DnsSettings("127.0.0.1", 0, upstreams=(("127.0.0.1", number),))
        async with serving(settings) as (server, _):
            reply = await ask("127.0.0.1", server.port, "example.org")

    assert str(reply.rr[0].rdata) == "192.0.2.1"
    assert len(fake.asked) == 1


async def test_the_next_upstream_is_asked_where_the_first_is_dead() -> None:
    async with upstream() as (_, number):
        settings = DnsSettings("127.0.0.1", 0, upstreams=(("127.0.0.1", 9), ("127.0.0.1", number)))
        async with serving(settings) as (server, _):
            reply = await ask("127.0.0.1", server.port, "example.org")

    assert str(reply.rr[0].rdata) == "192.0.2.1"


async def test_without_an_upstream_that_answers_the_client_is_told_of_the_failure() -> None:
    async with serving(LOCAL) as (server, _):
        over_udp = await ask("127.0.0.1", server.port, "example.org")
        over_tcp = await ask_tcp("127.0.0.1", server.port, "example.org")

    assert over_udp.header.rcode == over_tcp.header.rcode == RCODE.SERVFAIL


async def test_an_upstream_that_asks_us_back_does_not_make_a_storm() -> None:
    """A machine whose resolver points at cluster DNS: every question would multiply until something breaks."""
    ourselves = ("127.77.0.1", 5377)
    async with serving(DnsSettings(*ourselves, upstreams=(ourselves,))):
        reply = await ask(*ourselves, "example.org")

    assert reply.header.rcode == RCODE.SERVFAIL


async def test_our_own_addresses_are_no_upstreams_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("nameserver 10.180.0.1\nnameserver 10.150.0.10\nnameserver 192.0.2.53\n")
    settings = DnsSettings("10.180.0.1", own_addresses=("10.150.0.10",), resolv_conf=file)
    relay = Upstream(settings)

    assert relay.servers() == [("192.0.2.53", 53)]

    file.unlink()
    assert relay.servers() == ()


def test_nameservers_are_read_as_resolv_conf_has_them() -> None:
    text = "# nameserver 1.1.1.1\nsearch a b\nnameserver 192.0.2.1\n nameserver\t192.0.2.2 \noptions ndots:5\n"

    assert nameservers_of(text) == ["192.0.2.1", "192.0.2.2"]


async def test_a_port_that_is_taken_is_named() -> None:
    async with serving(LOCAL) as (server, _):
        second = DnsServer(server.informers, DnsSettings("127.0.0.1", server.port))

        with pytest.raises(OSError, match=f"dns: 127.0.0.1 port {server.port}: Address already in use; free it"):
            await second.run()
