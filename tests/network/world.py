"""Hosts, pods and clients in network namespaces of their own, for tests of the network and the proxy.

Sockets are opened inside a namespace and used from the test's own event loop. A server answers with its name and the
address that it saw its client under. `close` removes all of it and `leftovers` names what is still there.
"""

import asyncio
import itertools
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal, cast

from nodeagent.network import hosts, namespaces, nftables, rtnetlink
from nodeagent.network.hosts import Host
from nodeagent.network.netlink import NETFILTER, ROUTE, NetlinkSocket
from nodeagent.network.network import NetworkSettings, PodNetwork, link_prefix
from nodeagent.network.routes import NodeRoute

# Ranges that no cluster on this machine has: with br_netfilter its rules see what crosses the test's bridge.
CLUSTER_CIDR = IPv4Network("10.180.0.0/16")
SERVICE_CIDR = IPv4Network("10.150.0.0/16")
TIMEOUT_S = 5.0
_counter = itertools.count()


@dataclass(frozen=True)
class Pod:
    """A namespace with an address on a node."""

    name: str
    path: str
    ip: IPv4Address


@dataclass(frozen=True)
class Node:
    """A host with its pod network."""

    name: str
    host: Host
    network: PodNetwork
    pod_cidr: IPv4Network

    @property
    def route(self) -> NodeRoute:
        return NodeRoute(self.name, self.host.address, self.pod_cidr)


@dataclass
class World:
    """What one test has made."""

    cluster: str = field(default_factory=lambda: f"t{os.getpid()}x{next(_counter)}")
    nodes: list[Node] = field(default_factory=list)
    pods: dict[str, Pod] = field(default_factory=dict)
    _servers: list[asyncio.AbstractServer] = field(default_factory=list)
    _transports: list[asyncio.BaseTransport] = field(default_factory=list)

    @property
    def prefix(self) -> str:
        return link_prefix(self.cluster)

    def settings(self, index: int, overlay: Literal["routes", "vxlan"] = "routes") -> NetworkSettings:
        host = hosts.create_host(self.cluster, index)
        return NetworkSettings(
            prefix=self.prefix,
            cluster_cidr=CLUSTER_CIDR,
            service_cidr=SERVICE_CIDR,
            overlay=overlay,
            node_address=host.address,
            namespace=host.netns_path,
        )

    async def add_node(self, overlay: Literal["routes", "vxlan"] = "routes") -> Node:
        index = len(self.nodes)
        network = PodNetwork(self.settings(index, overlay))
        cidr = IPv4Network(f"10.180.{index}.0/24")
        node = Node(f"node-{index}", hosts.create_host(self.cluster, index), network, cidr)
        self.nodes.append(node)
        await network.setup()
        await network.set_pod_cidr(cidr)
        for one in self.nodes:
            await one.network.sync_routes([other.route for other in self.nodes if other is not one])
        return node

    def add_namespace(self, name: str) -> str:
        path = Path(f"/run/netns/wherry-{self.cluster}-pod-{name}")
        namespaces.create(path)
        return str(path)

    async def add_pod(self, node: Node, name: str) -> Pod:
        path = self.add_namespace(name)
        address = await node.network.attach(name, path)
        self.pods[name] = Pod(name, path, address.ip)
        return self.pods[name]

    async def serve(self, pod: Pod, port: int = 8080, *, udp: bool = False) -> tuple[IPv4Address, int]:
        await self.serve_at(pod.path, pod.name, str(pod.ip), port, udp=udp)
        return pod.ip, port

    async def serve_at(self, path: str, name: str, address: str, port: int, *, udp: bool = False) -> int:
        sock = open_socket(path, udp=udp)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        if udp:
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: _Naming(name), sock=sock)
            self._transports.append(transport)
        else:
            self._servers.append(await asyncio.start_server(_naming(name), sock=sock))
        return int(port)

    async def close(self) -> None:
        for server in self._servers:
            server.close()
        for transport in self._transports:
            transport.close()
        for path in self._pod_namespaces():
            namespaces.remove(path)
        for node in self.nodes:
            await node.network.teardown()
            await node.network.close()
        hosts.remove_hosts(self.cluster)

    def _pod_namespaces(self) -> list[Path]:
        return list(Path("/run/netns").glob(f"wherry-{self.cluster}-pod-*"))

    def leftovers(self) -> list[str]:
        with NetlinkSocket(ROUTE) as route, NetlinkSocket(NETFILTER) as netfilter:
            found = [link.name for link in rtnetlink.read_links(route) if link.name.startswith(self.prefix)]
            found += [name for name in nftables.read_tables(netfilter) if self.prefix in name]
        return found + [path.name for path in Path("/run/netns").glob(f"wherry-{self.cluster}-*")]


def open_socket(path: str | None, *, udp: bool = False) -> socket.socket:
    """Open a socket in the namespace at `path`."""

    def make() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        sock.setblocking(False)
        return sock

    return make() if path is None else namespaces.run_in(path, make)


async def ask(path: str | None, address: IPv4Address | str, port: int, *, udp: bool = False) -> tuple[str, str]:
    """Connect from a namespace; return the server's name and the address it saw. Raises what the connection does."""
    loop = asyncio.get_running_loop()
    with open_socket(path, udp=udp) as sock:
        async with asyncio.timeout(TIMEOUT_S):
            await loop.sock_connect(sock, (str(address), port))
            await loop.sock_sendall(sock, b"?")
            name, seen = (await loop.sock_recv(sock, 200)).decode().split()
    return name, seen


async def count(
    times: int, path: str | None, address: IPv4Address | str, port: int, *, udp: bool = False
) -> Counter[str]:
    """Ask many times; count the answers by server."""
    return Counter([(await ask(path, address, port, udp=udp))[0] for _ in range(times)])


def _naming(name: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1)
            writer.write(f"{name} {writer.get_extra_info('peername')[0]}".encode())
            await writer.drain()
        except ConnectionError:
            pass  # The client did not wait.
        finally:
            writer.close()

    return answer


class _Naming(asyncio.DatagramProtocol):
    def __init__(self, name: str) -> None:
        self._name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        self._transport.sendto(f"{self._name} {addr[0]}".encode(), addr)
