"""The way to the pods of other nodes: a host route each, or a vxlan overlay.

Keeps true: the kernel has a route (and with vxlan two neighbours) for every other node's pod CIDR, and none of ours for
any other inside the cluster's CIDR. Decides in plan(), acts in apply(). Routes of ours carry protocol 87.
Source: kubernetes.io/docs/concepts/cluster-administration/networking, ip-link(8) on vxlan.
"""

import errno
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from nodeagent.network import rtnetlink
from nodeagent.network.netlink import NetlinkError, NetlinkSocket
from nodeagent.network.rtnetlink import Neighbour, Route


@dataclass(frozen=True, slots=True)
class NodeRoute:
    """Another node: where it is and which pods it has."""

    name: str
    address: IPv4Address
    pod_cidr: IPv4Network


@dataclass(frozen=True, slots=True)
class Uplink:
    """What leads to a node: index of a link, and whether that link is a vxlan device."""

    link: int
    is_overlay: bool


@dataclass(frozen=True, slots=True)
class Paths:
    """Routes and neighbours, as they should be or as they are."""

    routes: frozenset[Route] = frozenset()
    neighbours: frozenset[Neighbour] = frozenset()


@dataclass(frozen=True, slots=True)
class Changes:
    """What brings the observed paths to the wanted ones."""

    delete_routes: frozenset[Route]
    delete_neighbours: frozenset[Neighbour]
    add_neighbours: frozenset[Neighbour]
    add_routes: frozenset[Route]


def paths_to(nodes: Iterable[tuple[NodeRoute, Uplink]]) -> Paths:
    """Return the paths to these nodes.

    With an overlay, a node's end of the tunnel has the first address of its pod CIDR and the hardware address that goes
    with it, so that every node knows them without being told.
    """
    routes: set[Route] = set()
    neighbours: set[Neighbour] = set()
    for node, uplink in nodes:
        if not uplink.is_overlay:
            routes.add(Route(node.pod_cidr, node.address, uplink.link))
            continue
        end = node.pod_cidr.network_address
        mac = rtnetlink.mac_of(end)
        routes.add(Route(node.pod_cidr, end, uplink.link))
        neighbours.add(Neighbour(uplink.link, end, mac, is_forwarding=False))
        neighbours.add(Neighbour(uplink.link, node.address, mac, is_forwarding=True))
    return Paths(frozenset(routes), frozenset(neighbours))


def plan(wanted: Paths, observed: Paths) -> Changes:
    """Return the deletions and additions between the two."""
    return Changes(
        delete_routes=observed.routes - wanted.routes,
        delete_neighbours=observed.neighbours - wanted.neighbours,
        add_neighbours=wanted.neighbours - observed.neighbours,
        add_routes=wanted.routes - observed.routes,
    )


def observe(
    sock: NetlinkSocket, cluster_cidr: IPv4Network, overlay_link: int | None, except_links: Sequence[int]
) -> Paths:
    """Read our routes inside the cluster's CIDR, save those out of `except_links`, and the overlay's neighbours."""
    routes = (
        route
        for route in rtnetlink.read_routes(sock)
        if route.link not in except_links and route.destination.subnet_of(cluster_cidr)
    )
    neighbours = rtnetlink.read_neighbours(sock, overlay_link) if overlay_link is not None else []
    return Paths(frozenset(routes), frozenset(neighbours))


def apply(sock: NetlinkSocket, changes: Changes) -> frozenset[IPv4Network]:
    """Carry out the changes; return the destinations to which the kernel takes no route."""
    deletions = [rtnetlink.delete_route(route) for route in changes.delete_routes]
    deletions += [rtnetlink.delete_neighbour(neighbour) for neighbour in changes.delete_neighbours]
    if deletions:
        sock.request(deletions, tolerate=[errno.ENOENT, errno.ESRCH])
    if changes.add_neighbours:
        sock.request([rtnetlink.replace_neighbour(neighbour) for neighbour in changes.add_neighbours])
    refused = set()
    for route in changes.add_routes:
        try:
            sock.request([rtnetlink.replace_route(route.destination, route.link, route.gateway)])
        except NetlinkError:
            refused.add(route.destination)
    return frozenset(refused)
