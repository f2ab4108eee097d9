"""How the rules of Services look in the kernel: two maps that say where to go, and one chain per endpoint count.

A frontend's element in `services` (or `node-ports`) leads to a chain that knows only how many endpoints there are: it
draws a number, and `endpoints` has the endpoint for that number and frontend. So a change of one Service is a change of
a few elements, whatever else is there. Sticky frontends (few) have a chain of their own, with two rules per endpoint.
Plain functions from rules to elements and chains.
Source: docs/network.md, "The service proxy".
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from nodeagent.network import nftables as nft
from nodeagent.network.nftables import (
    DESTINATION,
    MASQUERADE_MARK,
    R0,
    R1,
    R2,
    R3,
    R4,
    SOURCE,
    Batch,
    Element,
    Hook,
    Rule,
    Set,
    Type,
    Verdict,
)
from nodeagent.proxy.rules import Backend, Frontend, Reach, Target

SERVICES, NODE_PORTS, ENDPOINTS, AFFINITY = "services", "node-ports", "endpoints", "affinity"
EMPTY_SERVICES, EMPTY_NODE_PORTS = "empty-services", "empty-node-ports"
HAIRPIN, CLUSTER_IPS = "hairpin", "cluster-ips"
REJECT, DROP = "reject", "drop"
# Endpoints for clients inside the cluster, where those for outside differ, are numbered from here.
CLUSTER_OFFSET = 1 << 16
_NO_ADDRESS = bytes(4)
_VERDICT = (Type.VERDICT,)

SETS = (
    Set(SERVICES, (Type.ADDRESS, Type.PROTOCOL, Type.PORT), _VERDICT),
    Set(NODE_PORTS, (Type.PROTOCOL, Type.PORT), _VERDICT),
    Set(EMPTY_SERVICES, (Type.ADDRESS, Type.PROTOCOL, Type.PORT), _VERDICT),
    Set(EMPTY_NODE_PORTS, (Type.PROTOCOL, Type.PORT), _VERDICT),
    Set(ENDPOINTS, (Type.MARK, Type.ADDRESS, Type.PROTOCOL, Type.PORT), (Type.ADDRESS, Type.PORT)),
    # Client, protocol, port of the frontend, endpoint.
    Set(AFFINITY, (Type.ADDRESS, Type.PROTOCOL, Type.PORT, Type.ADDRESS, Type.PORT), (), 86_400),
    Set(HAIRPIN, (Type.ADDRESS, Type.ADDRESS)),
    Set(CLUSTER_IPS, (Type.ADDRESS,)),
)


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain that spreads connections over `count` endpoints, or refers to others that do.

    A frontend that is sticky or has limited `sources` has chains of its own: `frontend` is its name in theirs.
    cluster_count: of LOCAL, how many endpoints there are for clients inside the cluster; another chain spreads over
    those. offset: where the numbers of the endpoints begin. is_node_port: the frontend has no address of its own.
    """

    reach: Reach
    is_node_port: bool
    count: int
    cluster_count: int = 0
    offset: int = 0
    frontend: str = ""
    affinity_s: int = 0
    targets: tuple[Target, ...] = ()
    cluster_targets: tuple[Target, ...] = ()
    sources: tuple[IPv4Network, ...] = ()

    @property
    def name(self) -> str:
        """The chain's name in the kernel: all that it depends on."""
        if self.frontend:
            digest = hashlib.sha256(repr(self).encode()).hexdigest()[:10]
            return f"{'only' if self.sources else 'sticky'}-{self.frontend}-{digest}"
        parts = [self.reach.value, *(["port"] if self.is_node_port else []), str(self.count)]
        parts += [f"of-{self.cluster_count}"] if self.reach is Reach.LOCAL else []
        parts += ["all"] if self.offset else []
        return "-".join(parts)

    def next_chain(self) -> "Chain | None":
        """Return the chain that this one leads to, if any."""
        if self.sources:
            return replace(self, sources=(), frontend=self.frontend if self.affinity_s else "")
        if self.reach is not Reach.LOCAL:
            return None
        count, targets = self.cluster_count, self.cluster_targets
        inside = replace(self, reach=Reach.INTERNAL, count=count, cluster_count=0, targets=targets, cluster_targets=())
        return replace(inside, offset=CLUSTER_OFFSET)

    def with_next(self) -> "list[Chain]":
        """Return this chain and those it leads to, the last one first."""
        following = self.next_chain()
        return [self] if following is None else [*following.with_next(), self]


def chain_of(frontend: Frontend, backend: Backend) -> Chain:
    """Return the chain that a frontend with endpoints leads to."""
    is_sticky = backend.affinity_s > 0
    name = f"{frontend.address or 'port'}-{frontend.protocol}-{frontend.port}"
    return Chain(
        backend.reach,
        frontend.address is None,
        len(backend.targets),
        len(backend.cluster_targets),
        frontend=name if is_sticky or backend.sources else "",
        affinity_s=backend.affinity_s,
        targets=backend.targets if is_sticky else (),
        cluster_targets=backend.cluster_targets if is_sticky else (),
        sources=backend.sources,
    )


def elements_of(frontend: Frontend, backend: Backend) -> Iterator[tuple[str, Element]]:
    """Yield every element (name of its set, element) that a frontend needs."""
    is_node_port = frontend.address is None
    key = port_key(frontend) if is_node_port else frontend_key(frontend)
    if backend.reach is Reach.INTERNAL and frontend.address is not None:
        yield CLUSTER_IPS, Element(frontend.address.packed)
    if backend.is_empty:
        verdict = DROP if backend.is_dropped else REJECT
        yield EMPTY_NODE_PORTS if is_node_port else EMPTY_SERVICES, Element(key, None, Verdict.GOTO, verdict)
        return
    chain = chain_of(frontend, backend)
    yield NODE_PORTS if is_node_port else SERVICES, Element(key, None, Verdict.GOTO, chain.name)
    for offset, targets in ((0, backend.targets), (CLUSTER_OFFSET, backend.cluster_targets)):
        if backend.affinity_s:
            break  # A sticky frontend's chain names its endpoints.
        for number, target in enumerate(targets, offset):
            yield ENDPOINTS, Element(nft.host_u32(number) + frontend_key(frontend), target_data(target))
    for address in backend.neighbours:
        yield HAIRPIN, Element(address.packed * 2)


def frontend_key(frontend: Frontend) -> bytes:
    """Encode address, protocol and port of a frontend."""
    address = _NO_ADDRESS if frontend.address is None else frontend.address.packed
    return address + port_key(frontend)


def port_key(frontend: Frontend) -> bytes:
    """Encode protocol and port of a frontend."""
    return struct.pack("!B3xH2x", frontend.protocol, frontend.port)


def target_data(target: Target) -> bytes:
    """Encode an endpoint."""
    return target[0].packed + struct.pack("!H2x", target[1])


def affinity_of(key: bytes) -> tuple[int, int, Target]:
    """Decode what is remembered of a client: protocol and port of the frontend, and the endpoint."""
    number = int.from_bytes(key[16:18], "big")
    return key[4], int.from_bytes(key[8:10], "big"), (IPv4Address(key[12:16]), number)


def write_chain(batch: Batch, chain: Chain, cluster_cidr: IPv4Network) -> None:
    """Add a chain with its rules; the chain that it leads to must be there."""
    batch.add_chain(chain.name)
    following = chain.next_chain()
    goto = nft.end(Verdict.GOTO, following.name) if following is not None else b""
    if chain.sources:
        for network in chain.sources:
            batch.add_rule(chain.name, nft.address_is(SOURCE, network), goto)
        batch.add_rule(chain.name, nft.end(Verdict.DROP))
        return
    match chain.reach:
        case Reach.INTERNAL:
            outsiders = nft.address_is(SOURCE, cluster_cidr, equal=False)
            batch.add_rule(chain.name, outsiders, nft.set_mark(MASQUERADE_MARK))
        case Reach.EXTERNAL:
            batch.add_rule(chain.name, nft.set_mark(MASQUERADE_MARK))
        case Reach.LOCAL:
            batch.add_rule(chain.name, nft.address_is(SOURCE, cluster_cidr), goto)
            batch.add_rule(chain.name, nft.address_is_local(SOURCE), goto)
    for rule in _spread(chain) if chain.count else [[nft.end(Verdict.DROP)]]:
        batch.add_rule(chain.name, rule)


def _spread(chain: Chain) -> Sequence[Rule]:
    """Return the rules that choose an endpoint and send the connection there."""
    if chain.affinity_s:
        return _spread_sticky(chain)
    address = nft.load_constant(_NO_ADDRESS, R1) if chain.is_node_port else nft.load_address(DESTINATION, R1)
    draw = nft.load_random(chain.count, R0, chain.offset)
    return [[draw, address, nft.load_protocol(R2), nft.load_port(R3), nft.look_up(ENDPOINTS, R0, R4), nft.send_to(R4)]]


def _spread_sticky(chain: Chain) -> Sequence[Rule]:
    """Return for each endpoint a rule for those who had it, and then one for a fair share of the others.

    Clients of an endpoint that is gone find no rule of theirs and are shared out anew.
    """
    returning: list[Rule] = []
    arriving: list[Rule] = []
    for number, (address, port) in enumerate(chain.targets):
        client = [nft.load_address(SOURCE, R0), nft.load_protocol(R1), nft.load_port(R2)]
        endpoint = [nft.load_constant(address.packed, R3), nft.load_constant(struct.pack("!H", port), R4)]
        key = [*client, *endpoint]
        stay = [nft.remember(AFFINITY, R0, chain.affinity_s), nft.send_to(R3)]
        share = [nft.load_random(chain.count - number, R0), nft.compare(R0, bytes(4))]
        returning.append([*key, nft.is_in(AFFINITY, R0), *stay])
        arriving.append([*share, *key, *stay])
    return [*returning, *arriving]


def write_base(batch: Batch) -> None:
    """Add the sets and the chains that are always there."""
    for declared in SETS:
        batch.add_set(declared)
    batch.add_chain(REJECT)
    batch.add_rule(REJECT, nft.reset())
    batch.add_rule(REJECT, nft.reject())
    batch.add_chain(DROP)
    batch.add_rule(DROP, nft.end(Verdict.DROP))
    for name, number in (("incoming", nft.PREROUTING), ("own", nft.OUTPUT)):
        batch.add_chain(name, Hook("nat", number, -100))
        _write_lookups(batch, name, SERVICES, NODE_PORTS)
    for name, number in (("empty-input", nft.INPUT), ("empty-forward", nft.FORWARD), ("empty-output", nft.OUTPUT)):
        batch.add_chain(name, Hook("filter", number, -110))
        batch.add_rule(name, nft.connection_is_tracked(), nft.end(Verdict.ACCEPT))
        _write_lookups(batch, name, EMPTY_SERVICES, EMPTY_NODE_PORTS)
    for name, number in (("no-port-forward", nft.FORWARD), ("no-port-output", nft.OUTPUT)):
        batch.add_chain(name, Hook("filter", number, 0))
        is_cluster_ip = [nft.load_address(DESTINATION, R0), nft.is_in(CLUSTER_IPS, R0)]
        batch.add_rule(name, nft.connection_is_new(), is_cluster_ip, nft.end(Verdict.GOTO, REJECT))
    batch.add_chain("outgoing", Hook("nat", nft.POSTROUTING, 100))
    itself = [nft.load_address(SOURCE, R0), nft.load_address(DESTINATION, R1), nft.is_in(HAIRPIN, R0)]
    batch.add_rule("outgoing", itself, nft.masquerade())
    batch.add_rule("outgoing", nft.take_mark(MASQUERADE_MARK), nft.masquerade())


def _write_lookups(batch: Batch, chain: str, services: str, node_ports: str) -> None:
    by_address = [nft.load_address(DESTINATION, R0), nft.load_protocol(R1), nft.load_port(R2)]
    batch.add_rule(chain, by_address, nft.verdict_of(services, R0))
    by_port = [nft.load_protocol(R0), nft.load_port(R1), nft.verdict_of(node_ports, R0)]
    batch.add_rule(chain, nft.address_is_local(DESTINATION), by_port)
