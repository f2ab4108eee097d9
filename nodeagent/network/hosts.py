"""Hosts that are network namespaces of this machine, for `up --nodes N` and for tests.

Keeps true: each host has a link to one bridge, an address out of the cluster's own private range, and a way out that
looks like the machine's; the machine reaches the pods on them. Making and removing may be repeated; names are derived
from the cluster's, so removal needs no state. Reads and writes links, routes, one nftables table and /run/netns (where
`ip netns` looks too).
"""

import errno
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from nodeagent.network import namespaces, nftables, rtnetlink, sysctl
from nodeagent.network.netlink import NETFILTER, ROUTE, NetlinkSocket
from nodeagent.network.network import link_prefix
from nodeagent.network.nftables import DESTINATION, SOURCE, Batch, Hook
from nodeagent.network.routes import NodeRoute

_DIRECTORY = Path("/run/netns")
_RANGE = IPv4Network("10.250.0.0/16")  # Each cluster gets a /24; pods and Services have 10.96 to 10.244.
_HOSTS_MAX = 200
_ANY = IPv4Network("0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class Host:
    """One host. gateway: where this machine (and a server that runs on it) is found from inside."""

    name: str
    netns_path: str
    address: IPv4Address
    gateway: IPv4Address


def create_host(cluster: str, index: int) -> Host:
    """Make host number `index` (from 0) of a cluster, or return it as it is.

    Raises ValueError where the index is out of range, OSError where the kernel refuses.
    """
    if not 0 <= index < _HOSTS_MAX:
        raise ValueError(f"host {index} of {cluster}: out of range; use 0 to {_HOSTS_MAX - 1}")
    name = f"wherry-{cluster}-{index}"
    path = _DIRECTORY / name
    namespaces.create(path)
    with NetlinkSocket(ROUTE) as sock:
        network = _bridge_network(sock, cluster)
        host = Host(name, str(path), network.network_address + 10 + index, network.network_address + 1)
        _write_rules(cluster, network)
        _connect(sock, cluster, index, host)
    return host


def lead_to_pods(cluster: str, nodes: Iterable[NodeRoute]) -> None:
    """Have this machine, and a server that runs on it, reach the pods of a cluster's hosts under their own addresses.

    The routes go with the bridge.
    """
    with NetlinkSocket(ROUTE) as sock:
        bridge = rtnetlink.need_link(sock, f"{link_prefix(cluster)}h").index
        sock.request([rtnetlink.replace_route(node.pod_cidr, bridge, node.address) for node in nodes])


def remove_hosts(cluster: str) -> None:
    """Remove all hosts of a cluster, their bridge and rules. Processes in them must have ended."""
    pattern = re.compile(re.escape(f"wherry-{cluster}-") + "[0-9]+")
    links = re.compile(re.escape(link_prefix(cluster)) + "h[0-9]*")
    with NetlinkSocket(ROUTE) as sock:
        for link in rtnetlink.read_links(sock):
            if links.fullmatch(link.name):
                sock.request([rtnetlink.delete_link(link.name)], tolerate=[errno.ENODEV])
    if _DIRECTORY.is_dir():
        for path in _DIRECTORY.iterdir():
            if pattern.fullmatch(path.name):
                namespaces.remove(path)
    with NetlinkSocket(NETFILTER) as sock:
        nftables.delete_table(sock, _table(cluster))


def _bridge_network(sock: NetlinkSocket, cluster: str) -> IPv4Network:
    """Make the machine's bridge for this cluster and return the network on it."""
    name = f"{link_prefix(cluster)}h"
    taken = rtnetlink.read_addresses(sock)
    bridge = rtnetlink.find_link(sock, name)
    if bridge is None:
        mac = rtnetlink.mac_of(IPv4Address(hashlib.sha256(name.encode()).digest()[:4]))
        sock.request([rtnetlink.add_bridge(name, mac=mac, mtu=1500), rtnetlink.set_quiet(name)])
        bridge = rtnetlink.need_link(sock, name)
    for index, address, prefix in taken:
        if index == bridge.index:
            network = IPv4Network((int(address), prefix), strict=False)
            break
    else:
        network = _free_network(cluster, [address for _, address, _ in taken])
        sock.request([rtnetlink.add_address(bridge.index, network.network_address + 1, network.prefixlen)])
    sock.request([rtnetlink.set_up(bridge.index)])
    return network


def _free_network(cluster: str, taken: list[IPv4Address]) -> IPv4Network:
    networks = list(_RANGE.subnets(new_prefix=24))
    first = hashlib.sha256(cluster.encode()).digest()[0]
    for step in range(len(networks)):
        network = networks[(first + step) % len(networks)]
        if not any(address in network for address in taken):
            return network
    raise OSError(errno.EADDRNOTAVAIL, f"hosts of {cluster}: every /24 of {_RANGE} is taken; remove another cluster")


def _connect(sock: NetlinkSocket, cluster: str, index: int, host: Host) -> None:
    bridge = rtnetlink.need_link(sock, f"{link_prefix(cluster)}h")
    with Path(host.netns_path).open("rb") as inside:
        made = rtnetlink.add_veth(
            f"{bridge.name}{index}",
            "eth0",
            namespace=inside.fileno(),
            peer_mac=rtnetlink.mac_of(host.address),
            mtu=1500,
            master=bridge.index,
        )
        name = f"{bridge.name}{index}"
        sock.request([made, rtnetlink.set_quiet(name)], tolerate=[errno.EEXIST, errno.EBUSY])
        sock.request([rtnetlink.set_up(rtnetlink.need_link(sock, name).index)])
    with namespaces.run_in(host.netns_path, lambda: NetlinkSocket(ROUTE)) as host_sock:
        eth0 = rtnetlink.need_link(host_sock, "eth0").index
        host_sock.request(
            [
                rtnetlink.set_up(1),
                rtnetlink.set_up(eth0),
                rtnetlink.add_address(eth0, host.address, 24),
                rtnetlink.add_route(_ANY, eth0, host.gateway),
            ],
            tolerate=[errno.EEXIST],
        )


def _table(cluster: str) -> str:
    return f"wherry-{link_prefix(cluster)}-hosts"


def _write_rules(cluster: str, network: IPv4Network) -> None:
    """Let the hosts out under the machine's own address."""
    sysctl.switch("net/ipv4/ip_forward", "1")
    batch = Batch(_table(cluster))
    batch.add_table()
    batch.delete_table()
    batch.add_table()
    batch.add_chain("outgoing", Hook("nat", nftables.POSTROUTING, 100))
    batch.add_rule(
        "outgoing",
        nftables.address_is(SOURCE, network),
        nftables.address_is(DESTINATION, network, equal=False),
        # With br_netfilter, what one host sends another comes by here too, pods' packets included.
        nftables.interface_is(f"{link_prefix(cluster)}h", is_output=True, equal=False),
        nftables.masquerade(),
    )
    with NetlinkSocket(NETFILTER) as sock:
        batch.commit(sock)
