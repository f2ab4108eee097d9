"""What each Service means on one node: which addresses and ports lead to which endpoints.

Keeps true: only endpoints that are ready count; where none is, those that still serve while they end. Plain functions
from Services and EndpointSlices to values; IPv4 only.
Source: kubernetes.io/docs/reference/networking/virtual-ips, KEP-1669 (terminating endpoints), KEP-2086 (internal
traffic policy).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from ipaddress import IPv4Address, IPv4Network

from kube.api.core_v1 import Service, ServicePort
from kube.api.discovery_v1 import Endpoint, EndpointSlice
from kube.objects import ObjectKey, key_of

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
PROXY_NAME_LABEL = "service.kubernetes.io/service-proxy-name"
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
_AFFINITY_DEFAULT_S = 10_800

Target = tuple[IPv4Address, int]


@dataclass(frozen=True, slots=True)
class Frontend:
    """What a client connects to. address None: this port on any address of the node."""

    address: IPv4Address | None
    protocol: int
    port: int


class Reach(Enum):
    """Who may come, and whose address the endpoint sees.

    INTERNAL: pods, under their own address; others under the node's. EXTERNAL: all, under the node's.
    LOCAL: from outside only to endpoints on this node, under the client's own address.
    """

    INTERNAL = "internal"
    EXTERNAL = "external"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Backend:
    """Where a frontend leads.

    targets: endpoints, in order; cluster_targets: for LOCAL, those that pods and this node itself get.
    neighbours: endpoint addresses on this node, which may call themselves through the Service.
    affinity_s: how long a client stays with its endpoint, 0 not at all. sources: who may come, () all.
    is_dropped: with no targets, drop in silence (there are some on other nodes) instead of rejecting.
    """

    reach: Reach
    targets: tuple[Target, ...] = ()
    cluster_targets: tuple[Target, ...] = ()
    neighbours: frozenset[IPv4Address] = frozenset()
    affinity_s: int = 0
    sources: tuple[IPv4Network, ...] = ()
    is_dropped: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nobody gets anywhere."""
        return not self.targets and not self.cluster_targets


Rules = Mapping[Frontend, Backend]


@dataclass(frozen=True, slots=True)
class NodeView:
    """What the rules of a node depend on beside Services.

    local_services: Services that every node answers by itself at this address (cluster DNS at the gateway's).
    """

    name: str
    local_services: Mapping[ObjectKey, IPv4Address] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The endpoints of one service port: all that count, and those on this node."""

    everywhere: tuple[Target, ...]
    here: tuple[Target, ...]


def plan(services: Iterable[Service], slices: Iterable[EndpointSlice], node: NodeView) -> Rules:
    """Return the rules of a node for all Services. Where two claim one frontend, the first by name has it."""
    by_service: dict[ObjectKey, list[EndpointSlice]] = {}
    for found in slices:
        for key in services_of(found):
            by_service.setdefault(key, []).append(found)
    rules: dict[Frontend, Backend] = {}
    for service in sorted(services, key=key_of):
        for frontend, backend in plan_service(service, by_service.get(key_of(service), ()), node).items():
            rules.setdefault(frontend, backend)
    return rules


def services_of(found: EndpointSlice) -> Iterator[ObjectKey]:
    """Yield the key of the Service that an EndpointSlice belongs to, if any."""
    name = found.metadata.labels.get(SERVICE_NAME_LABEL)
    if name:
        yield ObjectKey(found.metadata.namespace, name)


def plan_service(service: Service, slices: Sequence[EndpointSlice], node: NodeView) -> Rules:
    """Return the rules of one Service. slices: its EndpointSlices."""
    if service.spec.type == "ExternalName" or PROXY_NAME_LABEL in service.metadata.labels:
        return {}
    rules: dict[Frontend, Backend] = {}
    for port in service.spec.ports:
        if port.protocol not in PROTOCOLS:
            continue
        own = node.local_services.get(key_of(service))
        choice = _own_answer(own, port) if own is not None else _choose(slices, port, node.name)
        rules.update(_rules_of_port(service, port, choice))
    return rules


def _own_answer(address: IPv4Address, port: ServicePort) -> _Choice:
    target = ((address, port.port),)
    return _Choice(target, target)


def _choose(slices: Sequence[EndpointSlice], port: ServicePort, node_name: str) -> _Choice:
    ready: dict[Target, bool] = {}
    ending: dict[Target, bool] = {}
    for endpoint, number in _endpoints(slices, port):
        is_here = endpoint.node_name == node_name
        conditions = endpoint.conditions
        for address in endpoint.addresses:
            target = IPv4Address(address), number
            if conditions.ready is None or conditions.ready:
                ready[target] = is_here
            elif conditions.serving and conditions.terminating:
                ending[target] = is_here
    return _Choice(tuple(sorted(ready or ending)), _here(ready) or _here(ending))


def _endpoints(slices: Sequence[EndpointSlice], port: ServicePort) -> Iterator[tuple[Endpoint, int]]:
    """Yield the endpoints that have this service port, each with its own number for it."""
    for found in slices:
        if found.address_type != "IPv4":
            continue
        for offered in found.ports:
            if (offered.name or "") == port.name and (offered.protocol or "TCP") == port.protocol and offered.port:
                for endpoint in found.endpoints:
                    yield endpoint, offered.port


def _here(targets: Mapping[Target, bool]) -> tuple[Target, ...]:
    return tuple(sorted(target for target, is_here in targets.items() if is_here))


def _rules_of_port(service: Service, port: ServicePort, choice: _Choice) -> Iterator[tuple[Frontend, Backend]]:
    spec, protocol = service.spec, PROTOCOLS[port.protocol]
    internal, external = _internal(service, choice), _external(service, choice)
    for address in _ipv4(dict.fromkeys((*spec.cluster_ips, spec.cluster_ip))):
        yield Frontend(address, protocol, port.port), internal
    for address in _ipv4(spec.external_ips):
        yield Frontend(address, protocol, port.port), external
    if spec.type in ("NodePort", "LoadBalancer") and port.node_port:
        yield Frontend(None, protocol, port.node_port), external
    if spec.type == "LoadBalancer":
        ranges = (text.strip() for text in spec.load_balancer_source_ranges)
        sources = tuple(IPv4Network(text, strict=False) for text in ranges if ":" not in text)
        balanced = replace(external, sources=sources)
        points = (point.ip for point in service.status.load_balancer.ingress if point.ip_mode in (None, "VIP"))
        for address in _ipv4(points):
            yield Frontend(address, protocol, port.port), balanced


def _internal(service: Service, choice: _Choice) -> Backend:
    is_local = service.spec.internal_traffic_policy == "Local"
    targets = choice.here if is_local else choice.everywhere
    return Backend(
        Reach.INTERNAL,
        targets,
        neighbours=_addresses(choice.here),
        affinity_s=_affinity_s(service),
        is_dropped=bool(choice.everywhere),
    )


def _external(service: Service, choice: _Choice) -> Backend:
    is_local = service.spec.external_traffic_policy == "Local"
    return Backend(
        Reach.LOCAL if is_local else Reach.EXTERNAL,
        choice.here if is_local else choice.everywhere,
        cluster_targets=choice.everywhere if is_local else (),
        neighbours=_addresses(choice.here),
        affinity_s=_affinity_s(service),
    )


def _affinity_s(service: Service) -> int:
    spec = service.spec
    if spec.session_affinity != "ClientIP":
        return 0
    config = spec.session_affinity_config
    timeout_s = config.client_ip.timeout_seconds if config is not None and config.client_ip is not None else None
    return timeout_s or _AFFINITY_DEFAULT_S


def _addresses(targets: Iterable[Target]) -> frozenset[IPv4Address]:
    return frozenset(address for address, _ in targets)


def _ipv4(addresses: Iterable[str]) -> Iterator[IPv4Address]:
    for text in addresses:
        if text and text != "None" and ":" not in text:
            yield IPv4Address(text)
