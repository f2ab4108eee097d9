"""Notice nodes that fall silent: mark them, taint them, mark their pods unready.

Reads Nodes, Leases of kube-node-lease and Pods; writes Node status conditions (for a silent node alone: otherwise they
are the node's own), Node taints and the Ready condition of pods on a lost node. `tainteviction` makes pods leave.
When a lease was renewed is told by this process's own clock, from the moment it hears of it: the clocks of nodes may
differ.
Source: kubernetes.io/docs/concepts/architecture/nodes (node controller)
"""

from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from controllers.nodehealth import ready_status, silent_status, taints_of
from controllers.pods import is_ready, with_condition
from controllers.world import World, again_after_conflict
from kube.api.coordination_v1 import Lease
from kube.api.core_v1 import Node, Pod, PodCondition
from kube.codec import to_plain
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder
from kube.objects import ObjectKey, condition, key_of

LEASE_NAMESPACE: Final = "kube-node-lease"


@dataclass(frozen=True, slots=True)
class _Sign:
    """The last sign of life of a node: what it was, and when it was heard."""

    mark: tuple[str | None, str | None]
    heard_s: float


class NodeLifecycle:
    """The controller of nodes' health."""

    def __init__(self, world: World, *, workers: int = 2) -> None:
        self._world = world
        self._nodes = world.informers.of(Node)
        self._leases = world.informers.of(Lease)
        self._pods = world.informers.of(Pod)
        self._signs: dict[str, _Sign] = {}
        self.events = EventRecorder(world.client, "node-controller", clock=world.clock)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("node lifecycle", reconcile, workers=workers, clock=world.clock)
        self.controller.know(self._nodes)
        self.controller.know(self._leases)
        self.controller.know(self._pods)
        self._nodes.on_change(self._hear_node)
        self._leases.on_change(self._hear_lease)

    def _hear_node(self, old: Node | None, new: Node | None) -> None:
        changed = new or old
        if changed is None:
            return
        if new is None:
            self._signs.pop(changed.metadata.name, None)
        else:
            self._note(new.metadata.name)
        self.controller.queue.add(key_of(changed))
        if old is None or new is None or ready_status(old) != ready_status(new):
            # Whether nodes may be emptied depends on how the others are.
            for node in self._nodes.all():
                if ready_status(node) != "True":
                    self.controller.queue.add(key_of(node))

    def _hear_lease(self, _: Lease | None, new: Lease | None) -> None:
        if new is not None and new.metadata.namespace == LEASE_NAMESPACE:
            self._note(new.metadata.name)

    def _note(self, name: str) -> None:
        """Take down a sign of life, if what the node tells differs from before."""
        node = self._nodes.get(name)
        lease = self._leases.get(name, LEASE_NAMESPACE)
        ready = condition(node.status.conditions, "Ready") if node else None
        mark = (lease.spec.renew_time if lease else None, ready.last_heartbeat_time if ready else None)
        sign = self._signs.get(name)
        if sign is None or sign.mark != mark:
            self._signs[name] = _Sign(mark, self._world.clock.monotonic_s())

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Judge one node; return when it will have been silent for too long."""
        node = self._nodes.get(key.name)
        if node is None:
            return None
        left_s = self._left_s(node)
        if left_s <= 0:
            node = await self._mark_silent(key, node)
        if ready_status(node) != "True":
            await self._mark_pods(node)
        await self._write_taints(key, node)
        return left_s if left_s > 0 else None

    def _left_s(self, node: Node) -> float:
        settings = self._world.settings.nodes
        sign = self._signs.get(node.metadata.name)
        if sign is None:
            return settings.grace_s
        never_ready = condition(node.status.conditions, "Ready") is None
        grace_s = settings.startup_grace_s if never_ready else settings.grace_s
        return sign.heard_s + grace_s - self._world.clock.monotonic_s()

    async def _mark_silent(self, key: ObjectKey, node: Node) -> Node:
        status = silent_status(node, self._world.clock.now())
        if status == node.status:
            return node
        self.events.record(node, "Normal", "NodeNotReady", f"Node {key.name} status is now: NodeNotReady")
        written = await self._world.client.update(replace(node, status=status), subresource="status")
        self.controller.wrote(key, written)
        return written

    async def _write_taints(self, key: ObjectKey, node: Node) -> None:
        taints = taints_of(node, self._world.clock.now(), may_evict=self._may_evict(node))
        if taints != node.spec.taints:
            tainted = replace(node, spec=replace(node.spec, taints=taints))
            self.controller.wrote(key, await self._world.client.update(tainted))

    def _may_evict(self, lost: Node) -> bool:
        """Say whether pods have anywhere to go: if every node seems lost, the fault is more likely here."""
        others = (node for node in self._nodes.all() if node.metadata.name != lost.metadata.name)
        return any(ready_status(node) == "True" and self._left_s(node) > 0 for node in others)

    async def _mark_pods(self, node: Node) -> None:
        """Say that the pods of a node that is not ready are not, so that Services stop sending to them."""
        now = self._world.clock.now()
        unready = PodCondition(type="Ready", status="False", reason="NodeNotReady", message="Node is not ready")
        for pod in self._pods.by_index("node", node.metadata.name):
            if not is_ready(pod):
                continue
            body = {
                "metadata": {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version},
                "status": {"conditions": to_plain(with_condition(pod.status.conditions, unready, now))},
            }
            meta = pod.metadata
            try:
                await self._world.client.patch(Pod, meta.name, body, namespace=meta.namespace, subresource="status")
            except ApiError as error:
                if error.code != 404:
                    raise
