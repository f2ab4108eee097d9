"""Make what every cluster has from the start, and keep the API's own address known.

Writes the four namespaces, the `kubernetes` Service with its Endpoints and EndpointSlice, the kube-dns Service, the
system's priority classes, the ServiceCIDR and the APIServices; what is there already stays as it is. Each API server
holds a Lease, and the endpoints of `kubernetes` are the servers whose Leases are fresh.
Source: kubernetes.io/docs/concepts/architecture/leases; .../scheduling-eviction/pod-priority-preemption
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from math import inf
from typing import Final, TypeVar

from msgspec.structs import replace

from apiserver.allocators import DNS_SERVICE, KUBERNETES_SERVICE, AddressRange
from apiserver.flow_control import keep_flows
from apiserver.registrations import register
from apiserver.strategies.checks import is_ip
from kube.api.coordination_v1 import Lease, LeaseSpec
from kube.api.core_v1 import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Namespace,
    Service,
    ServicePort,
    ServiceSpec,
)
from kube.api.discovery_v1 import Endpoint, EndpointConditions, EndpointSlice
from kube.api.discovery_v1 import EndpointPort as SlicePort
from kube.api.meta_v1 import Condition, ObjectMeta
from kube.api.networking_v1 import ServiceCIDR, ServiceCIDRSpec, ServiceCIDRStatus
from kube.api.scheduling_v1 import PriorityClass
from kube.client import Client, Selection
from kube.clock import Clock
from kube.errors import ApiError
from kube.kinds import Resource
from kube.objects import condition_is_true
from kube.times import seconds_between, to_micro_time, to_time

NAMESPACES: Final = ("kube-system", "default", "kube-public", "kube-node-lease")
ANNOUNCE_S: Final = 10
LEASE_S: Final = 30
_IDENTITY: Final = "apiserver.kubernetes.io/identity"
_ADDRESS: Final = "wherry.dev/address"
_SERVER: Final = "kube-apiserver"
_PORT_NAME: Final = "https"
_AWAY: Final = (503, 504)
_RANGE: Final = "kubernetes"

T = TypeVar("T", bound=Resource)


@dataclass(frozen=True, slots=True)
class Basics:
    """Where this API server is reached. address: an IP that the nodes can reach; port: the one it listens on."""

    address: str
    port: int
    service_cidr: str
    has_dns: bool = True


async def bootstrap(client: Client, basics: Basics, clock: Clock) -> None:
    """Make what is missing of the cluster's own objects."""
    for obj in basic_objects(basics):
        await _create_if_missing(client, obj)
    await keep_flows(client, clock.now())
    await announce(client, basics, clock.now())


async def keep_up(client: Client, basics: Basics, clock: Clock) -> None:
    """Renew this server's Lease for ever; keep the addresses of those that live, and the flows, as they should be."""
    while True:
        await clock.sleep(ANNOUNCE_S)
        with _store_may_be_away():
            await announce(client, basics, clock.now())
            await keep_flows(client, clock.now())


@contextmanager
def _store_may_be_away() -> Iterator[None]:
    """Leave for the next round what the store can't take now: that it is away the cache has told."""
    try:
        yield
    except* ApiError as errors:
        if errors.split(lambda error: isinstance(error, ApiError) and error.code in _AWAY)[1] is not None:
            raise


async def tell_what_is_served(client: Client, now: datetime) -> None:
    """Tell of the groups that are served and of the range that is in use; nobody has to wait for that."""
    await _tell_range(client, now)
    await register(client)


async def _tell_range(client: Client, now: datetime) -> None:
    """Tell of the range that Services get their addresses from that it is in use."""
    found = await client.get(ServiceCIDR, _RANGE)
    if not condition_is_true(found.status.conditions, "Ready"):
        ready = Condition(
            type="Ready",
            status="True",
            reason="InUse",
            message="Services get their addresses from this range",
            last_transition_time=to_time(now),
        )
        told = replace(found, status=ServiceCIDRStatus(conditions=(ready,)))
        try:
            await client.update(told, subresource="status")
        except ApiError as error:
            if error.reason != "Conflict":  # Another server starts too, and tells the same.
                raise


async def _create_if_missing(client: Client, obj: Resource) -> None:
    try:
        await client.create(obj)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


def basic_objects(basics: Basics) -> Iterator[Resource]:
    """Yield what every cluster has, in the order of making."""
    for name in NAMESPACES:
        yield Namespace(metadata=ObjectMeta(name=name))
    for name, value, text in (
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their node.",
        ),
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node.",
        ),
    ):
        meta = ObjectMeta(name=name)
        yield PriorityClass(metadata=meta, value=value, description=text, preemption_policy="PreemptLowerPriority")
    yield ServiceCIDR(metadata=ObjectMeta(name=_RANGE), spec=ServiceCIDRSpec(cidrs=(basics.service_cidr,)))
    addresses = AddressRange.parse(basics.service_cidr)
    yield kubernetes_service(addresses, basics.port)
    if basics.has_dns:
        yield dns_service(addresses)


def kubernetes_service(addresses: AddressRange, port: int) -> Service:
    """Return the Service by which pods reach the API."""
    return Service(
        metadata=ObjectMeta(
            name=KUBERNETES_SERVICE.name,
            namespace=KUBERNETES_SERVICE.namespace,
            labels={"component": "apiserver", "provider": "kubernetes"},
        ),
        spec=ServiceSpec(
            cluster_ip=addresses.kubernetes_ip,
            ports=(ServicePort(name=_PORT_NAME, port=443, target_port=port, protocol="TCP"),),
        ),
    )


def dns_service(addresses: AddressRange) -> Service:
    """Return the Service that holds the address of the cluster's DNS, which every node answers by itself."""
    return Service(
        metadata=ObjectMeta(
            name=DNS_SERVICE.name,
            namespace=DNS_SERVICE.namespace,
            labels={
                "k8s-app": "kube-dns",
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
        ),
        spec=ServiceSpec(
            cluster_ip=addresses.dns_ip,
            ports=(
                ServicePort(name="dns", port=53, target_port=53, protocol="UDP"),
                ServicePort(name="dns-tcp", port=53, target_port=53, protocol="TCP"),
            ),
        ),
    )


async def announce(client: Client, basics: Basics, now: datetime) -> None:
    """Renew this server's Lease and make the endpoints of `kubernetes` those of all servers with a fresh one.

    A server that no address of its own is known of, or on a loopback address, is not announced: pods can't reach it.
    """
    if not _is_reachable(basics.address):
        return
    await _put(client, lease_of(basics, now))
    leases = await client.list(Lease, Selection(namespace="kube-system", label_selector=f"{_IDENTITY}={_SERVER}"))
    addresses = fresh_addresses(leases.items, now)
    await _put(client, endpoints_of(addresses, basics.port))
    await _put(client, slice_of(addresses, basics.port))


def _is_reachable(address: str) -> bool:
    if not is_ip(address):
        return False  # A name: Endpoints take addresses alone.
    found = ip_address(address)
    return not found.is_loopback and not found.is_unspecified


def lease_of(basics: Basics, now: datetime) -> Lease:
    """Return the Lease that says this server lives."""
    holder = f"{basics.address}:{basics.port}"
    name = "apiserver-" + holder.replace(":", "-").replace(".", "-").strip("-")
    return Lease(
        metadata=ObjectMeta(
            name=name,
            namespace="kube-system",
            labels={_IDENTITY: _SERVER},
            annotations={_ADDRESS: basics.address},
        ),
        spec=LeaseSpec(holder_identity=holder, lease_duration_seconds=LEASE_S, renew_time=to_micro_time(now)),
    )


def fresh_addresses(leases: Iterable[Lease], now: datetime) -> tuple[str, ...]:
    """Return the addresses of the servers that renewed their Lease in time, in a fixed order."""
    fresh = set()
    for lease in leases:
        address = lease.metadata.annotations.get(_ADDRESS, "")
        if is_ip(address) and _age_s(lease, now) < LEASE_S:
            fresh.add(address)
    return tuple(sorted(fresh))


def _age_s(lease: Lease, now: datetime) -> float:
    """Return how long ago a Lease was renewed; for ever, where that can't be told."""
    try:
        return seconds_between(lease.spec.renew_time or "", now)
    except ValueError:
        return inf


def endpoints_of(addresses: tuple[str, ...], port: int) -> Endpoints:
    """Return the Endpoints of `kubernetes`."""
    subset = EndpointSubset(
        addresses=tuple(EndpointAddress(ip=address) for address in addresses),
        ports=(EndpointPort(name=_PORT_NAME, port=port, protocol="TCP"),),
    )
    labels = {"endpointslice.kubernetes.io/skip-mirror": "true"}
    return Endpoints(metadata=_meta(labels), subsets=(subset,))


def slice_of(addresses: tuple[str, ...], port: int) -> EndpointSlice:
    """Return the EndpointSlice of `kubernetes`."""
    family = "IPv6" if any(":" in address for address in addresses) else "IPv4"
    return EndpointSlice(
        metadata=_meta({"kubernetes.io/service-name": KUBERNETES_SERVICE.name}),
        address_type=family,
        endpoints=tuple(
            Endpoint(addresses=(address,), conditions=EndpointConditions(ready=True)) for address in addresses
        ),
        ports=(SlicePort(name=_PORT_NAME, port=port, protocol="TCP"),),
    )


def _meta(labels: dict[str, str]) -> ObjectMeta:
    return ObjectMeta(name=KUBERNETES_SERVICE.name, namespace=KUBERNETES_SERVICE.namespace, labels=labels)


async def _put(client: Client, wanted: T) -> None:
    """Create an object or bring it to what is wanted; where another server was faster, its turn comes again."""
    meta = wanted.metadata
    try:
        present = await client.get(type(wanted), meta.name, namespace=meta.namespace)
    except ApiError as error:
        if error.reason != "NotFound":
            raise
        await _create_if_missing(client, wanted)
        return
    annotations = {**present.metadata.annotations, **meta.annotations}
    kept = replace(present.metadata, labels=meta.labels, annotations=annotations)
    changed: T = replace(wanted, metadata=kept)  # type: ignore[type-var]
    try:
        await client.update(changed)
    except ApiError as error:
        if error.reason not in ("Conflict", "NotFound"):
            raise
