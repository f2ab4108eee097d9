"""Keep the ways to the pods of other nodes.

plan: nodes -> routes, a plain function; apply: nodeagent.network. Reads Nodes; writes routes of the kernel.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network
from typing import TypeVar

from kube.api.core_v1 import Node
from kube.informer import Informer
from nodeagent.cri.client import Cri, CriError
from nodeagent.network.network import PodNetwork
from nodeagent.network.routes import NodeRoute
from nodeagent.network_settings import network_settings
from nodeagent.settings import AgentSettings

T = TypeVar("T")

NETWORK_LOOK_S = 0.05
RETRY_S = 5.0
_log = logging.getLogger(__name__)


def gateway_of(pod_cidr: IPv4Network) -> IPv4Address:
    """Return the address that a node itself has in its range of pod addresses."""
    return pod_cidr[1]


def routes_to(nodes: Iterable[Node], own_name: str) -> list[NodeRoute]:
    """Return how the pods of all other nodes are reached; a node without IPv4 address or range is left out."""
    routes = (_route_to(node) for node in nodes if node.metadata.name != own_name)
    return sorted((route for route in routes if route is not None), key=lambda route: route.name)


def _route_to(node: Node) -> NodeRoute | None:
    told = (item.address for item in node.status.addresses if item.type == "InternalIP")
    address = next((address for text in told if (address := _read(IPv4Address, text))), None)
    pods = _read(IPv4Network, node.spec.pod_cidr)
    return NodeRoute(node.metadata.name, address, pods) if address is not None and pods is not None else None


def _read(cls: Callable[[str], T], text: str) -> T | None:
    """Return what a text says, None where it says something else: what other nodes tell is whatever they like."""
    try:
        return cls(text)
    except ValueError:
        return None


async def follow_nodes(settings: AgentSettings, nodes: Informer[Node], cri: Cri) -> None:
    """Make the routes follow the nodes, for ever; begins when the runtime has set the network up."""
    changed = asyncio.Event()
    stop = nodes.on_change(lambda _old, _new: changed.set())
    network = PodNetwork(network_settings(settings))
    written: list[NodeRoute] | None = None
    try:
        await _network_is_ready(cri)
        while True:
            changed.clear()
            wanted = routes_to(nodes.all(), settings.node_name)
            if wanted != written:
                written = wanted if await _write(network, wanted) else None
            await _heard(changed, None if written is not None else RETRY_S)
    finally:
        stop()
        await network.close()


async def _write(network: PodNetwork, wanted: list[NodeRoute]) -> bool:
    """Write the routes; return whether all are there."""
    try:
        left_out = await network.sync_routes(wanted)
    except OSError as error:
        _log.warning("routes: not written, trying again: %s", error)
        return False
    if left_out:
        _log.warning("routes: %s can't be reached, trying again", ", ".join(route.name for route in left_out))
        return False
    _log.info("routes: to %s", ", ".join(route.name for route in wanted) or "no other node")
    return True


async def _heard(changed: asyncio.Event, most_s: float | None) -> None:
    """Return when something changed, or after `most_s`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await changed.wait()


async def _network_is_ready(cri: Cri) -> None:
    while True:
        try:
            if all(condition.is_true for condition in await cri.conditions()):
                return
        except CriError:
            pass  # It is being started again; the next look tells.
        await asyncio.sleep(NETWORK_LOOK_S)
