"""DNS answers, bytes in and bytes out; dnslib reads them."""

import struct
from ipaddress import IPv4Network
from typing import Any

import pytest
from dnslib import QTYPE, RCODE, RR, DNSRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from kube.api.core_v1 import Service
from kube.api.discovery_v1 import EndpointSlice
from nodeagent.dns import message
from nodeagent.dns.answer import Forward, answer, complete, failure, is_reply_to
from nodeagent.dns.message import MalformedMessageError, to_name
from nodeagent.dns.zone import Zone
from tests.dns.directory import MemoryDirectory
from tests.proxy.make import endpoint, endpoints, port, service


def zone(*objects: Service | EndpointSlice) -> Zone:
    return Zone(MemoryDirectory(objects), to_name("cluster.local"), (IPv4Network("10.150.0.0/16"),))


WEB = service(ports=[port(80, "http"), port(443, "https")])
HEADLESS = service("db", "None", ports=[port(5432, "sql")])
DB = endpoints(
    endpoint("10.180.0.2", hostname="db-0"),
    endpoint("10.180.1.3", hostname="db-1"),
    endpoint("10.180.1.4", ready=False, hostname="db-2"),
    of="db",
    number=5432,
    port_name="sql",
)


def ask(of: Zone, name: str, kind: str = "A", **more: Any) -> DNSRecord:
    reply = answer(bytes(DNSRecord.question(name, kind).pack()), of, **more)
    assert isinstance(reply, bytes)
    return DNSRecord.parse(reply)


def values(reply: DNSRecord) -> list[str]:
    return sorted(str(record.rdata) for record in reply.rr)


def test_a_service_has_its_cluster_ip() -> None:
    reply = ask(zone(WEB), "web.default.svc.cluster.local")

    assert values(reply) == ["10.150.0.10"]
    assert (reply.header.aa, reply.header.rcode, reply.rr[0].ttl) == (1, RCODE.NOERROR, 5)


def test_upper_case_is_the_same_name_and_comes_back_as_it_was_asked() -> None:
    """Resolvers mix the case on purpose, to make forged answers harder."""
    reply = ask(zone(WEB), "WeB.Default.svc.CLUSTER.local")

    assert values(reply) == ["10.150.0.10"]
    assert str(reply.q.qname) == "WeB.Default.svc.CLUSTER.local."


def test_a_headless_service_has_its_ready_endpoints_and_each_has_a_name() -> None:
    cluster = zone(HEADLESS, DB)

    assert values(ask(cluster, "db.default.svc.cluster.local")) == ["10.180.0.2", "10.180.1.3"]
    assert values(ask(cluster, "db-1.db.default.svc.cluster.local")) == ["10.180.1.3"]
    assert ask(cluster, "db-2.db.default.svc.cluster.local").header.rcode == RCODE.NXDOMAIN


def test_an_endpoint_without_a_hostname_is_called_by_its_address() -> None:
    cluster = zone(HEADLESS, endpoints(endpoint("10.180.0.9"), of="db", port_name="sql"))

    assert values(ask(cluster, "10-180-0-9.db.default.svc.cluster.local")) == ["10.180.0.9"]


def test_the_addresses_of_a_headless_service_take_turns_to_be_first() -> None:
    cluster = zone(HEADLESS, DB)
    first = set()
    for number in range(4):
        query = DNSRecord.question("db.default.svc.cluster.local")
        query.header.id = number
        reply = answer(bytes(query.pack()), cluster)
        assert isinstance(reply, bytes)
        first.add(str(DNSRecord.parse(reply).rr[0].rdata))

    assert first == {"10.180.0.2", "10.180.1.3"}


def test_a_pod_has_a_name_made_of_its_address() -> None:
    assert values(ask(zone(), "10-180-3-7.default.pod.cluster.local")) == ["10.180.3.7"]
    assert ask(zone(), "web.default.pod.cluster.local").header.rcode == RCODE.NXDOMAIN


def test_a_named_port_of_a_service_is_found_by_srv() -> None:
    reply = ask(zone(WEB), "_https._tcp.web.default.svc.cluster.local", "SRV")

    assert values(reply) == ["0 100 443 web.default.svc.cluster.local."]
    assert [str(record.rdata) for record in reply.ar] == ["10.150.0.10"]


def test_a_named_port_of_a_headless_service_leads_to_every_endpoint() -> None:
    reply = ask(zone(HEADLESS, DB), "_sql._tcp.db.default.svc.cluster.local", "SRV")

    assert values(reply) == [f"0 100 5432 db-{n}.db.default.svc.cluster.local." for n in (0, 1)]
    assert sorted(str(record.rdata) for record in reply.ar) == ["10.180.0.2", "10.180.1.3"]


def test_a_port_that_is_not_there_does_not_exist() -> None:
    for name in ("_ftp._tcp", "_http._udp"):
        assert ask(zone(WEB), f"{name}.web.default.svc.cluster.local", "SRV").header.rcode == RCODE.NXDOMAIN


def test_an_address_leads_back_to_its_service_or_endpoint() -> None:
    cluster = zone(WEB, HEADLESS, DB)

    assert values(ask(cluster, "10.0.150.10.in-addr.arpa", "PTR")) == ["web.default.svc.cluster.local."]
    assert values(ask(cluster, "2.0.180.10.in-addr.arpa", "PTR")) == ["db-0.db.default.svc.cluster.local."]
    assert ask(cluster, "99.0.150.10.in-addr.arpa", "PTR").header.rcode == RCODE.NXDOMAIN


def test_a_name_without_that_type_says_so_with_the_authority_and_a_missing_name_too() -> None:
    """RFC 2308: without the SOA, resolvers ask again and again."""
    no_data, no_name = (ask(zone(WEB), f"{name}.default.svc.cluster.local", "AAAA") for name in ("web", "nope"))

    assert (no_data.header.rcode, no_name.header.rcode) == (RCODE.NOERROR, RCODE.NXDOMAIN)
    for reply in (no_data, no_name):
        assert not reply.rr
        assert reply.auth[0].rtype == QTYPE.SOA
        assert str(reply.auth[0].rname) == "cluster.local."


def test_names_between_are_there_without_records() -> None:
    for name in ("cluster.local", "svc.cluster.local", "default.svc.cluster.local"):
        reply = ask(zone(WEB), name)
        assert (reply.header.rcode, list(reply.rr)) == (RCODE.NOERROR, [])
    assert ask(zone(WEB), "elsewhere.svc.cluster.local").header.rcode == RCODE.NXDOMAIN


def test_the_zone_says_which_schema_it_follows() -> None:
    assert values(ask(zone(), "dns-version.cluster.local", "TXT")) == ['"1.1.0"']


def test_an_alias_inside_the_cluster_is_followed() -> None:
    alias = service("alias", "", type="ExternalName", external_name="web.default.svc.cluster.local")

    reply = ask(zone(WEB, alias), "alias.default.svc.cluster.local")

    assert [str(record.rdata) for record in reply.rr] == ["web.default.svc.cluster.local.", "10.150.0.10"]


def test_aliases_that_go_round_end_in_a_failure() -> None:
    alias = service("alias", "", type="ExternalName", external_name="alias.default.svc.cluster.local")

    assert ask(zone(alias), "alias.default.svc.cluster.local").header.rcode == RCODE.SERVFAIL


def test_an_alias_to_the_outside_is_asked_there_and_joined() -> None:
    """A client's resolver takes one answer with the whole chain; it does not go on by itself."""
    alias = service("alias", "", type="ExternalName", external_name="www.example.org")
    query = DNSRecord.question("alias.default.svc.cluster.local")
    forward = answer(bytes(query.pack()), zone(alias))
    assert isinstance(forward, Forward)
    asked = DNSRecord.parse(forward.query)
    upstream = asked.reply()
    upstream.add_answer(*_zone_lines("www.example.org 60 A 192.0.2.80"))

    reply = DNSRecord.parse(complete(forward, bytes(upstream.pack())))

    assert str(asked.q.qname) == "www.example.org."
    assert reply.header.id == query.header.id
    assert [str(record.rdata) for record in reply.rr] == ["www.example.org.", "192.0.2.80"]


def _zone_lines(text: str) -> Any:
    return RR.fromZone(text)


def test_other_names_are_passed_on_as_they_are() -> None:
    query = bytes(DNSRecord.question("example.org").pack())

    said = answer(query, zone())

    assert isinstance(said, Forward)
    assert said.query == query
    assert DNSRecord.parse(failure(said)).header.rcode == RCODE.SERVFAIL


def test_an_answer_that_does_not_fit_is_cut_and_says_so() -> None:
    many = endpoints(*(endpoint(f"10.180.2.{n}") for n in range(1, 200)), of="db", port_name="sql")
    cluster = zone(HEADLESS, many)
    plain = bytes(DNSRecord.question("db.default.svc.cluster.local").pack())
    small, full = answer(plain, cluster), answer(plain, cluster, limit_bytes=65535)

    assert isinstance(small, bytes)
    assert isinstance(full, bytes)
    assert len(small) <= 512
    assert DNSRecord.parse(small).header.tc == 1
    assert DNSRecord.parse(full).header.tc == 0
    assert len(DNSRecord.parse(full).rr) == 199


def with_edns(name: str, *, version: int = 0, size: int = 4096) -> bytes:
    query = bytearray(DNSRecord.question(name).pack())
    query[11] = 1
    return bytes(query) + struct.pack("!BHHIH", 0, 41, size, version << 16, 0)


def test_edns_is_answered_with_edns() -> None:
    many = endpoints(*(endpoint(f"10.180.2.{n}") for n in range(1, 60)), of="db", port_name="sql")

    reply = answer(with_edns("db.default.svc.cluster.local"), zone(HEADLESS, many))

    assert isinstance(reply, bytes)
    assert 512 < len(reply) <= 1232
    parsed = DNSRecord.parse(reply)
    assert [record.rtype for record in parsed.ar] == [QTYPE.OPT]
    assert len(parsed.rr) == 59


def test_an_edns_version_of_the_future_is_refused_by_name() -> None:
    reply = answer(with_edns("web.default.svc.cluster.local", version=1), zone(WEB))

    assert isinstance(reply, bytes)
    assert DNSRecord.parse(reply).ar[0].edns_rcode == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda query: query[:2] + b"\x28\x00" + query[4:], RCODE.NOTIMP, id="an update"),
        pytest.param(lambda query: query[:4] + b"\0\2" + query[6:], RCODE.FORMERR, id="two questions"),
        pytest.param(lambda query: query[:-3], RCODE.FORMERR, id="cut short"),
        pytest.param(lambda query: query[:-1] + b"\3", RCODE.REFUSED, id="the chaos class"),
        pytest.param(lambda query: query[:12] + b"\xc0\x0c" + query[-4:], RCODE.FORMERR, id="a pointer to itself"),
    ],
)
def test_a_query_that_makes_no_sense_gets_the_code_that_says_so(change: Any, code: int) -> None:
    reply = answer(change(bytes(DNSRecord.question("web.default.svc.cluster.local").pack())), zone(WEB))

    assert isinstance(reply, bytes)
    assert reply[3] & 15 == code


def test_an_answer_is_never_answered() -> None:
    """Two servers that answer each other's answers never stop."""
    assert answer(bytes(DNSRecord.question("a.example").reply().pack()), zone()) is None
    assert answer(b"short", zone()) is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=120))
def test_no_bytes_break_it(data: bytes) -> None:
    said = answer(data, zone(WEB, HEADLESS, DB))

    assert said is None or isinstance(said, Forward) or said[:2] == data[:2]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 40))
def test_no_reply_breaks_the_joining_of_aliases(tail: bytes, at: int) -> None:
    alias = service("alias", "", type="ExternalName", external_name="www.example.org")
    forward = answer(bytes(DNSRecord.question("alias.default.svc.cluster.local").pack()), zone(alias))
    assert isinstance(forward, Forward)
    reply = DNSRecord.parse(forward.query).reply()
    reply.add_answer(*_zone_lines("www.example.org 60 CNAME other.example.org"))
    broken = bytes(reply.pack())[: 12 + at] + tail

    assert complete(forward, broken)[:2] == forward.asked.id.to_bytes(2, "big")


def test_only_an_answer_to_the_same_question_counts() -> None:
    query = DNSRecord.question("example.org")
    other = DNSRecord.question("example.com")
    other.header.id = query.header.id

    assert is_reply_to(bytes(query.pack()), bytes(query.reply().pack()))
    assert not is_reply_to(bytes(query.pack()), bytes(other.reply().pack()))
    assert not is_reply_to(bytes(query.pack()), bytes(query.pack()))


def test_a_name_that_is_too_long_is_no_name() -> None:
    with pytest.raises(MalformedMessageError, match="too long"):
        message.read_name(b"".join(b"\x3f" + b"a" * 63 for _ in range(5)) + b"\0", 0)
