"""The network of one node: a bridge with the pods on it, their addresses, and the ways in and out.

Keeps true: a pod has one address for as long as its link lives, and no two pods have the same; `setup` and `attach`
may be repeated; `teardown` leaves no link, route or rule of this node. Nothing is kept in files: who has which address
stands in the alias of each pod's link, so it lives and dies with the pod and a killed node agent forgets nothing.
Reads and writes links, routes and nftables of the node's network namespace.
Source: docs/network.md says why pods have a /32 address and reach everything through the gateway.
"""

import asyncio
import contextlib
import errno
import hashlib
import logging
import os
import re
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Literal, TypeVar

from nodeagent.network import checks, host_ports, namespaces, nftables, routes, rtnetlink, sysctl
from nodeagent.network.addresses import AddressPool
from nodeagent.network.host_ports import HostPort
from nodeagent.network.netlink import NETFILTER, ROUTE, NetlinkError, NetlinkSocket, socket_in
from nodeagent.network.nftables import DESTINATION, SOURCE, Batch, Hook, Verdict
from nodeagent.network.routes import NodeRoute, Uplink
from nodeagent.network.rtnetlink import Link

T = TypeVar("T")

POD_LINK = "eth0"
_PREFIX = re.compile(r"[a-z][a-z0-9]{0,5}")
_VXLAN_OVERHEAD = 50
_ANY = IPv4Network("0.0.0.0/0")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What a node's network is made from.

    prefix: begins the names of all links and tables of this node (see link_prefix).
    service_cidr: gets a route onto the bridge, so that hosts without a default route reach services too.
    uplink_mtu: the largest packet that the way to other nodes takes.
    namespace: path of the network namespace to work in, None for the process's own.
    """

    prefix: str
    cluster_cidr: IPv4Network
    service_cidr: IPv4Network | None = None
    overlay: Literal["routes", "vxlan"] = "routes"
    node_address: IPv4Address | None = None
    vxlan_vni: int = 1
    vxlan_port: int = 8472
    uplink_mtu: int = 1500
    namespace: str | None = None

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"network prefix {self.prefix!r}: use a letter and up to five more letters or digits")
        if self.overlay == "vxlan" and self.node_address is None:
            raise ValueError("network: vxlan needs the node's own address; give node_address, or use routes")

    @property
    def bridge(self) -> str:
        """Name of the bridge."""
        return f"{self.prefix}0"

    @property
    def vxlan(self) -> str:
        """Name of the overlay's device."""
        return f"{self.prefix}v"

    @property
    def table(self) -> str:
        """Name of the nftables table."""
        return f"wherry-{self.prefix}-network"

    @property
    def ports_table(self) -> str:
        """Name of the nftables table with the host ports of pods."""
        return f"wherry-{self.prefix}-ports"

    @property
    def mtu(self) -> int:
        """The largest packet of a pod."""
        return self.uplink_mtu - (_VXLAN_OVERHEAD if self.overlay == "vxlan" else 0)


@dataclass(frozen=True, slots=True)
class PodAddress:
    """What a pod got: its address, the length of its prefix, the gateway, and its hardware address."""

    ip: IPv4Address
    prefix: int
    gateway: IPv4Address
    mac: str


def link_prefix(cluster: str) -> str:
    """Return a prefix for the links of a cluster: short as link names must be, different for different clusters."""
    return "w" + hashlib.sha256(cluster.encode()).hexdigest()[:5]


class PodNetwork:
    """One node's network. Its work in the kernel is done by one thread, in order; close() ends it.

    A second thread removes the links of pods that leave: the kernel takes its time over that, and others needn't wait.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        self.settings = settings
        self._pool: AddressPool | None = None
        self._worker: ThreadPoolExecutor = namespaces.start_worker(settings.namespace, "pod-network")
        self._sockets: dict[int, NetlinkSocket] = {}
        self._remover: ThreadPoolExecutor = namespaces.start_worker(settings.namespace, "pod-network-leaving")
        self._leaving: deque[str] = deque()
        self._departure: asyncio.Task[None] | None = None

    @property
    def gateway(self) -> IPv4Address | None:
        """The bridge's address, where cluster DNS listens; None until the pod CIDR is known."""
        return self._pool.gateway if self._pool is not None else None

    async def setup(self) -> None:
        """Make the bridge, the rules and the switches of this node; what is there already stays."""
        await self._run(self._setup)

    async def set_pod_cidr(self, cidr: IPv4Network | str) -> None:
        """Say which addresses the pods here get, and find those in use. A node keeps its CIDR for life."""
        await self._run(lambda: self._set_pod_cidr(IPv4Network(cidr)))

    async def attach(self, pod_id: str, netns_path: str, ports: Sequence[HostPort] = ()) -> PodAddress:
        """Join a pod's network namespace to the bridge and return its address; the same again for the same pod.

        ports: ports of the host that lead to the pod until it is detached. Raises OSError where another pod has one.
        """
        return await self._run(lambda: self._attach(pod_id, netns_path, ports))

    async def detach(self, pod_id: str) -> None:
        """Close a pod's host ports and have its link removed; an unknown pod is fine.

        Nobody gets its address before the link is gone, some 20 ms later: `settle` waits for that.
        """
        await self._run(lambda: self._close_ports(pod_id))
        self._leaving.append(pod_id)
        if self._departure is None or self._departure.done():
            self._departure = asyncio.create_task(self._see_off())

    async def settle(self) -> None:
        """Wait until the links of all pods that were detached are gone."""
        if self._departure is not None:
            await self._departure

    async def addresses(self) -> dict[str, IPv4Address]:
        """Return the address of every attached pod."""
        return await self._run(lambda: self._pool.owners() if self._pool is not None else {})

    async def sync_routes(self, nodes: Sequence[NodeRoute]) -> list[NodeRoute]:
        """Make the routes lead to exactly these other nodes; return those that can't be reached now."""
        return await self._run(lambda: self._sync_routes(nodes))

    async def teardown(self) -> None:
        """Remove every link, route and rule of this node, found by name: no state is needed."""
        await self._run(self._teardown)

    async def close(self) -> None:
        """End the threads, once what leaves has left; pods keep their network."""
        await self.settle()

        def close_sockets() -> None:
            for sock in self._sockets.values():
                sock.close()
            self._sockets.clear()

        await self._run(close_sockets)
        self._worker.shutdown()
        self._remover.shutdown()

    async def _see_off(self) -> None:
        """Remove the links of those who leave, all at once who leave at once; then give their addresses back."""
        loop = asyncio.get_running_loop()
        while self._leaving:
            pods = [self._leaving.popleft() for _ in range(len(self._leaving))]
            names = [self._name_of(pod) for pod in pods]
            try:
                await loop.run_in_executor(self._remover, self._remove, names)
            except OSError as error:
                _log.warning("pods %s: their links stay until the next one leaves: %s", ", ".join(pods), error)
                self._leaving.extend(pods)
                return
            await self._run(lambda pods=pods: self._give_back(pods))  # type: ignore[misc]

    def _remove(self, names: Sequence[str]) -> None:
        """Remove links; in the second thread."""
        with contextlib.closing(NetlinkSocket(ROUTE)) as sock:
            self._delete_links(sock, names)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _socket(self, protocol: int) -> NetlinkSocket:
        if protocol not in self._sockets:
            self._sockets[protocol] = NetlinkSocket(protocol)
        return self._sockets[protocol]

    # From here on: in the worker.

    def _setup(self) -> None:
        settings = self.settings
        sysctl.switch("net/ipv4/ip_forward", "1")
        # A pod must always answer through the gateway: see docs/network.md.
        sysctl.switch("net/ipv4/conf/all/send_redirects", "0")
        sock = self._socket(ROUTE)
        if rtnetlink.find_link(sock, settings.bridge) is None:
            mac = rtnetlink.mac_of(IPv4Address(hashlib.sha256(settings.bridge.encode()).digest()[:4]))
            made = rtnetlink.add_bridge(settings.bridge, mac=mac, mtu=settings.mtu)
            sock.request([made, rtnetlink.set_quiet(settings.bridge)])
        bridge = rtnetlink.need_link(sock, settings.bridge)
        sock.request([rtnetlink.set_up(bridge.index)])
        sysctl.switch(f"net/ipv4/conf/{settings.bridge}/send_redirects", "0")
        sysctl.let_loopback_out(settings.bridge)
        self._write_rules()
        host_ports.set_up(self._socket(NETFILTER), settings.ports_table, settings.bridge)

    def _write_rules(self) -> None:
        """Replace the node's table: pods go out under the node's address, and 127.0.0.0/8 stays inside."""
        settings = self.settings
        batch = Batch(settings.table)
        batch.add_table()
        batch.delete_table()
        batch.add_table()
        batch.add_chain("outgoing", Hook("nat", nftables.POSTROUTING, 100))
        batch.add_rule(
            "outgoing",
            nftables.address_is(SOURCE, settings.cluster_cidr),
            nftables.address_is(DESTINATION, settings.cluster_cidr, equal=False),
            nftables.interface_is(settings.bridge, is_output=True, equal=False),
            nftables.masquerade(),
        )
        batch.add_chain("loopback-guard", Hook("filter", nftables.PREROUTING, -150))
        batch.add_rule(
            "loopback-guard",
            nftables.interface_is("lo", is_output=False, equal=False),
            nftables.address_is(DESTINATION, IPv4Network("127.0.0.0/8")),
            nftables.end(Verdict.DROP),
        )
        batch.commit(self._socket(NETFILTER))

    def _set_pod_cidr(self, cidr: IPv4Network) -> None:
        if self._pool is not None and self._pool.cidr != cidr:
            raise ValueError(f"pod CIDR: this node has {self._pool.cidr}, not {cidr}; make the node anew to change it")
        if self._pool is not None:
            return
        pool = AddressPool(cidr)
        sock = self._socket(ROUTE)
        bridge = rtnetlink.need_link(sock, self.settings.bridge)
        checks.refuse_foreign(sock, cidr, [link.index for link in self._own_links()])
        self._find_pods(pool)
        sock.request([rtnetlink.add_address(bridge.index, pool.gateway, cidr.prefixlen)], tolerate=[errno.EEXIST])
        if self.settings.service_cidr is not None:
            self._route_services(self.settings.service_cidr, bridge.index)
        if self.settings.overlay == "vxlan":
            self._make_vxlan(cidr)
        self._pool = pool

    def _route_services(self, cidr: IPv4Network, bridge: int) -> None:
        sock = self._socket(ROUTE)
        ours = [route for route in rtnetlink.read_routes(sock) if route.destination == cidr]
        if any(route.link == bridge for route in ours):
            return
        with checks.explained(
            errno.EEXIST, f"service CIDR {cidr}: this machine has a route there already; use another one"
        ):
            sock.request([rtnetlink.add_route(cidr, bridge)])

    def _own_links(self) -> list[Link]:
        own = (self.settings.bridge, self.settings.vxlan)
        return [link for link in rtnetlink.read_links(self._socket(ROUTE)) if link.name in own]

    def _find_pods(self, pool: AddressPool) -> None:
        """Claim the addresses of the pods that live; remove links whose making was cut short."""
        sock = self._socket(ROUTE)
        for link in rtnetlink.read_links(sock):
            if not self._is_pod_link(link.name):
                continue
            owner, _, address = link.alias.partition(" ")
            if not address:
                sock.request([rtnetlink.delete_link(link.name)], tolerate=[errno.ENODEV])
            elif IPv4Address(address) in pool.cidr:
                pool.claim(owner, IPv4Address(address))

    def _make_vxlan(self, cidr: IPv4Network) -> None:
        settings, sock = self.settings, self._socket(ROUTE)
        mac = rtnetlink.mac_of(cidr.network_address)
        if rtnetlink.find_link(sock, settings.vxlan) is None:
            assert settings.node_address is not None
            made = rtnetlink.add_vxlan(
                settings.vxlan,
                vni=settings.vxlan_vni,
                port=settings.vxlan_port,
                local=settings.node_address,
                mac=mac,
                mtu=settings.mtu,
            )
            sock.request([made, rtnetlink.set_quiet(settings.vxlan)])
        link = rtnetlink.need_link(sock, settings.vxlan)
        sock.request(
            [rtnetlink.add_address(link.index, cidr.network_address, 32), rtnetlink.set_up(link.index)],
            tolerate=[errno.EEXIST],
        )
        sysctl.let_loopback_out(settings.vxlan)

    def _attach(self, pod_id: str, netns_path: str, ports: Sequence[HostPort]) -> PodAddress:
        if self._pool is None:
            raise RuntimeError(f"pod {pod_id}: the node has no pod CIDR yet; try again when it has one")
        if not pod_id or " " in pod_id or len(pod_id) > 200:
            raise ValueError(f"pod id {pod_id!r}: use 1 to 200 characters without spaces")
        address = self._pool.take(pod_id)
        result = PodAddress(address, 32, self._pool.gateway, rtnetlink.mac_of(address))
        name, sock = self._name_of(pod_id), self._socket(ROUTE)
        found = rtnetlink.find_link(sock, name)
        try:
            if ports:
                host_ports.add(self._socket(NETFILTER), self.settings.ports_table, address, ports)
            if found is not None and found.alias == f"{pod_id} {address}" and checks.has_address(netns_path, address):
                return result
            if found is not None:
                sock.request([rtnetlink.delete_link(name)], tolerate=[errno.ENODEV])
            self._join(name, pod_id, netns_path, result)
        except OSError:
            sock.request([rtnetlink.delete_link(name)], tolerate=[errno.ENODEV])
            self._close_ports(pod_id)
            self._give_back([pod_id])
            raise
        return result

    def _join(self, name: str, pod_id: str, netns_path: str, pod: PodAddress) -> None:
        sock, mtu = self._socket(ROUTE), self.settings.mtu
        bridge = rtnetlink.need_link(sock, self.settings.bridge)
        inside = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            made = rtnetlink.add_veth(name, POD_LINK, namespace=inside, peer_mac=pod.mac, mtu=mtu, master=bridge.index)
            sock.request([made, rtnetlink.set_alias(name, f"{pod_id} {pod.ip}"), rtnetlink.set_quiet(name)])
        finally:
            os.close(inside)
        index = rtnetlink.need_link(sock, name).index
        sock.request([rtnetlink.set_hairpin(index), rtnetlink.set_up(index)])
        with socket_in(netns_path, ROUTE) as pod_sock:
            eth0, lo = rtnetlink.need_link(pod_sock, POD_LINK).index, 1
            pod_sock.request(
                [
                    rtnetlink.set_up(lo),
                    rtnetlink.set_up(eth0),
                    rtnetlink.add_address(eth0, pod.ip, pod.prefix),
                    rtnetlink.add_route(IPv4Network(pod.gateway), eth0),
                    rtnetlink.add_route(_ANY, eth0, pod.gateway),
                ]
            )

    def _close_ports(self, pod_id: str) -> None:
        address = self._pool.owners().get(pod_id) if self._pool is not None else None
        if address is not None:
            host_ports.remove(self._socket(NETFILTER), self.settings.ports_table, [address])

    def _give_back(self, pods: Sequence[str]) -> None:
        if self._pool is not None:
            for pod in pods:
                self._pool.give_back(pod)

    def _delete_links(self, sock: NetlinkSocket, names: Sequence[str]) -> None:
        group = zlib.crc32(self.settings.prefix.encode()) | 1
        if len(names) == 1:
            sock.request([rtnetlink.delete_link(names[0])], tolerate=[errno.ENODEV])
        elif names:
            grouped = [rtnetlink.set_group(name, group) for name in names]
            sock.request([*grouped, rtnetlink.delete_group(group)], tolerate=[errno.ENODEV])

    def _sync_routes(self, nodes: Sequence[NodeRoute]) -> list[NodeRoute]:
        sock, settings = self._socket(ROUTE), self.settings
        bridge = rtnetlink.need_link(sock, settings.bridge)
        overlay = rtnetlink.need_link(sock, settings.vxlan).index if settings.overlay == "vxlan" and nodes else None
        found = [(node, overlay or self._link_towards(node)) for node in nodes]
        wanted = [(node, Uplink(link, is_overlay=overlay is not None)) for node, link in found if link is not None]
        there = rtnetlink.find_link(sock, settings.vxlan)
        observed = routes.observe(sock, settings.cluster_cidr, there.index if there else None, [bridge.index])
        refused = routes.apply(sock, routes.plan(routes.paths_to(wanted), observed))
        return [node for node, link in found if link is None or node.pod_cidr in refused]

    def _link_towards(self, node: NodeRoute) -> int | None:
        """Return the link that leads to a node, None where none does."""
        try:
            return rtnetlink.find_route_to(self._socket(ROUTE), node.address)[0]
        except NetlinkError:
            return None

    def _teardown(self) -> None:
        sock, settings = self._socket(ROUTE), self.settings
        bridge = rtnetlink.find_link(sock, settings.bridge)
        for route in rtnetlink.read_routes(sock):
            is_ours = bridge is not None and route.link == bridge.index
            if is_ours or route.destination.subnet_of(settings.cluster_cidr):
                sock.request([rtnetlink.delete_route(route)], tolerate=[errno.ESRCH])
        names = [link.name for link in rtnetlink.read_links(sock)]
        others = (settings.bridge, settings.vxlan)
        self._delete_links(sock, [name for name in names if name in others or self._is_pod_link(name)])
        for table in (settings.table, settings.ports_table):
            nftables.delete_table(self._socket(NETFILTER), table)
        self._pool = None

    def _name_of(self, pod_id: str) -> str:
        return f"{self.settings.prefix}p{hashlib.sha256(pod_id.encode()).hexdigest()[:8]}"

    def _is_pod_link(self, name: str) -> bool:
        return re.fullmatch(re.escape(self.settings.prefix) + "p[0-9a-f]{8}", name) is not None
