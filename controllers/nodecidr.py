"""Give each node a range of addresses for its pods, out of the cluster's; no two nodes the same.

Reads Nodes; writes spec.podCIDR and spec.podCIDRs of those that have none. One worker, so that choices are made one
after another; the API lets nobody change a range once it is set.
Source: kubernetes.io/docs/concepts/architecture/nodes, KEP-2593 (background)
"""

import ipaddress
from collections.abc import Iterable

from controllers.world import World, again_after_conflict
from kube.api.core_v1 import Node
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder
from kube.objects import ObjectKey, is_terminating

FULL_AGAIN_S = 60.0


def plan(cluster_cidr: str, node_mask: int, taken: Iterable[str]) -> str | None:
    """Return the first range of size /node_mask in the cluster's that overlaps none that is taken; None if all are.

    Raises ValueError for a cluster range that is none, or is smaller than a node's.
    """
    cluster = ipaddress.ip_network(cluster_cidr)
    if node_mask < cluster.prefixlen:
        raise ValueError(f"cluster CIDR: {cluster_cidr} is smaller than a node's /{node_mask}; use a larger one")
    size = 1 << (cluster.max_prefixlen - node_mask)
    first = int(cluster.network_address)
    used: set[int] = set()
    for text in taken:
        network = ipaddress.ip_network(text, strict=False)
        if network.version == cluster.version and network.overlaps(cluster):
            start = max(0, int(network.network_address) - first) // size
            end = min(int(network.broadcast_address) - first, cluster.num_addresses - 1) // size
            used.update(range(start, end + 1))
    free = next((index for index in range(cluster.num_addresses // size) if index not in used), None)
    return None if free is None else f"{ipaddress.ip_address(first + free * size)}/{node_mask}"


class NodeCidrs:
    """The controller of nodes' address ranges."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._nodes = world.informers.of(Node)
        self._given: dict[str, str] = {}
        self.events = EventRecorder(world.client, "cidrAllocator", clock=world.clock)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("node cidr", reconcile, workers=1, clock=world.clock)
        self.controller.hear(self._nodes)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Give one node its range, if it has none."""
        node = self._nodes.get(key.name)
        if node is None:
            self._given.pop(key.name, None)
            return None
        if node.spec.pod_cidr or is_terminating(node):
            return None
        settings = self._world.settings
        chosen = plan(settings.cluster_cidr, settings.node_mask, self._taken())
        if chosen is None:
            text = f"all ranges of {settings.cluster_cidr} are taken; delete nodes that are gone"
            self.events.record(node, "Normal", "CIDRNotAvailable", f"Node {key.name} status is now: {text}")
            return FULL_AGAIN_S
        self._given[key.name] = chosen
        body = {"metadata": {"uid": node.metadata.uid}, "spec": {"podCIDR": chosen, "podCIDRs": [chosen]}}
        try:
            self.controller.wrote(key, await self._world.client.patch(Node, key.name, body))
        except ApiError as error:
            del self._given[key.name]
            if error.code not in (404, 422):
                raise  # 422: another process gave it one, which stands; the cache will show it.
        return None

    def _taken(self) -> list[str]:
        """Return what nodes have, and what was given so lately that the cache doesn't show it."""
        shown = [text for node in self._nodes.all() for text in (node.spec.pod_cidr, *node.spec.pod_cidrs) if text]
        return shown + list(self._given.values())
