"""Make pods leave a node whose NoExecute taints they don't tolerate, when their toleration ends.

Reads Nodes and Pods; deletes Pods and says why in their condition DisruptionTarget. A key is a node's name.
Source: kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration (taint based evictions)
"""

from controllers.nodehealth import evicted_at
from controllers.pods import with_condition
from controllers.world import World, again_after_conflict
from kube.api.core_v1 import Node, Pod, PodCondition
from kube.client import Preconditions
from kube.codec import to_plain
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder
from kube.objects import ObjectKey, is_terminating


class TaintEviction:
    """The controller that empties tainted nodes."""

    def __init__(self, world: World, *, workers: int = 2) -> None:
        self._world = world
        self._nodes = world.informers.of(Node)
        self._pods = world.informers.of(Pod)
        self.events = EventRecorder(world.client, "taint-eviction-controller", clock=world.clock)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("taint eviction", reconcile, workers=workers, clock=world.clock)
        self.controller.know(self._nodes)
        self.controller.know(self._pods)
        self._nodes.on_change(self._hear_node)
        self._pods.on_change(self._hear_pod)

    def _hear_node(self, old: Node | None, new: Node | None) -> None:
        if new is not None and (old is None or old.spec.taints != new.spec.taints) and _repels(new):
            self.controller.queue.add(ObjectKey("", new.metadata.name))

    def _hear_pod(self, old: Pod | None, new: Pod | None) -> None:
        if new is None or not new.spec.node_name:
            return
        if old is not None and old.spec.node_name and old.spec.tolerations == new.spec.tolerations:
            return
        node = self._nodes.get(new.spec.node_name)
        if node is not None and _repels(node):
            self.controller.queue.add(ObjectKey("", new.spec.node_name))

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Delete the pods of one node whose time has come; return when the next one's comes."""
        node = self._nodes.get(key.name)
        if node is None or not _repels(node):
            return None
        now = self._world.clock.now()
        later = []
        for pod in self._pods.by_index("node", key.name):
            moment = None if is_terminating(pod) else evicted_at(pod, node.spec.taints, now)
            if moment is not None and moment <= now:
                await self._evict(pod)
            elif moment is not None:
                later.append(moment)
        return (min(later) - now).total_seconds() if later else None

    async def _evict(self, pod: Pod) -> None:
        meta = pod.metadata
        text = f"Marking for deletion Pod {meta.namespace}/{meta.name}"
        self.events.record(pod, "Normal", "TaintManagerEviction", text)
        why = PodCondition(
            type="DisruptionTarget",
            status="True",
            reason="DeletionByTaintManager",
            message="Taint manager: deleting due to NoExecute taint",
            observed_generation=meta.generation,
        )
        conditions = with_condition(pod.status.conditions, why, self._world.clock.now())
        body = {"metadata": {"uid": meta.uid}, "status": {"conditions": to_plain(conditions)}}
        client = self._world.client
        try:
            await client.patch(Pod, meta.name, body, namespace=meta.namespace, subresource="status")
            await client.delete(Pod, meta.name, namespace=meta.namespace, preconditions=Preconditions(uid=meta.uid))
        except ApiError as error:
            if error.code not in (404, 409):
                raise


def _repels(node: Node) -> bool:
    return any(taint.effect == "NoExecute" for taint in node.spec.taints)
