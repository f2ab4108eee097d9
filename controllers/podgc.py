"""Clear away pods that nobody else will: those of nodes that are gone, those deleted before they had a node, and the
oldest of those that have ended when there are too many.

Reads Pods and Nodes; deletes Pods without grace, after saying in their status that they failed. One key stands for all.
Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle (pod garbage collection)
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from controllers.pods import is_finished, with_condition
from controllers.world import World, again_after_conflict
from kube.api.core_v1 import Node, Pod, PodCondition
from kube.client import Preconditions
from kube.codec import to_plain
from kube.controller import Controller
from kube.errors import ApiError
from kube.objects import ObjectKey, is_terminating

ALL: Final = ObjectKey("", "pods")
ROUND_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Clearance:
    """What to clear away. stranded: their node is gone. unplaced: deleted without one. surplus: ended long ago."""

    stranded: tuple[Pod, ...] = ()
    unplaced: tuple[Pod, ...] = ()
    surplus: tuple[Pod, ...] = ()


def plan(pods: Iterable[Pod], nodes: Collection[str], finished_max: int) -> Clearance:
    """Return what to clear away. nodes: the names of those that exist, or have not been gone for long enough."""
    stranded, unplaced, finished = [], [], []
    for pod in pods:
        if pod.spec.node_name and pod.spec.node_name not in nodes:
            stranded.append(pod)
        elif not pod.spec.node_name and is_terminating(pod):
            unplaced.append(pod)
        elif is_finished(pod):
            finished.append(pod)
    oldest_first = sorted(finished, key=lambda pod: (pod.metadata.creation_timestamp or "", pod.metadata.name))
    return Clearance(tuple(stranded), tuple(unplaced), tuple(oldest_first[: max(0, len(finished) - finished_max)]))


class PodGarbage:
    """The controller of leftover pods."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pods = world.informers.of(Pod)
        self._nodes = world.informers.of(Node)
        self._gone_since_s: dict[str, float] = {}
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("pod garbage", reconcile, workers=1, clock=world.clock)
        self.controller.know(self._pods)
        self.controller.know(self._nodes)
        self._nodes.on_change(self._hear_node)
        self._pods.on_change(self._hear_pod)

    def _hear_node(self, _: Node | None, new: Node | None) -> None:
        if new is None:
            self.controller.queue.add(ALL)

    def _hear_pod(self, _: Pod | None, new: Pod | None) -> None:
        if new is not None and (
            (new.spec.node_name and self._nodes.get(new.spec.node_name) is None)
            or (not new.spec.node_name and is_terminating(new))
        ):
            self.controller.queue.add(ALL)

    async def reconcile(self, _: ObjectKey) -> float | None:
        """Clear away what can be now; return when to look again."""
        quarantined_s = self._quarantine()
        names = {node.metadata.name for node in self._nodes.all()} | quarantined_s.keys()
        clearance = plan(self._pods.all(), names, self._world.settings.finished_pods_max)
        for pod in clearance.stranded:
            if not await self._node_exists(pod.spec.node_name):
                await self._fail(pod)
                await self._delete(pod)
        for pod in (*clearance.unplaced, *clearance.surplus):
            await self._delete(pod)
        return min([ROUND_S, *(max(0.01, left_s) for left_s in quarantined_s.values())])

    def _quarantine(self) -> dict[str, float]:
        """Return the nodes that have only just gone, with the seconds after which that is believed."""
        now_s = self._world.clock.monotonic_s()
        named = {pod.spec.node_name for pod in self._pods.all()} - {""}
        missing = {name for name in named if self._nodes.get(name) is None}
        self._gone_since_s = {name: self._gone_since_s.get(name, now_s) for name in missing}
        wait_s = self._world.settings.nodes.pod_quarantine_s
        left = {name: since_s + wait_s - now_s for name, since_s in self._gone_since_s.items()}
        return {name: left_s for name, left_s in left.items() if left_s > 0}

    async def _node_exists(self, name: str) -> bool:
        try:
            await self._world.client.get(Node, name)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True

    async def _fail(self, pod: Pod) -> None:
        if is_finished(pod):
            return
        why = PodCondition(
            type="DisruptionTarget",
            status="True",
            reason="DeletionByPodGC",
            message="PodGC: node no longer exists",
            observed_generation=pod.metadata.generation,
        )
        conditions = with_condition(pod.status.conditions, why, self._world.clock.now())
        body = {
            "metadata": {"uid": pod.metadata.uid},
            "status": {"phase": "Failed", "conditions": to_plain(conditions)},
        }
        meta = pod.metadata
        try:
            await self._world.client.patch(Pod, meta.name, body, namespace=meta.namespace, subresource="status")
        except ApiError as error:
            if error.code != 404:
                raise

    async def _delete(self, pod: Pod) -> None:
        meta = pod.metadata
        exactly = Preconditions(uid=meta.uid)
        try:
            await self._world.client.delete(Pod, meta.name, namespace=meta.namespace, grace_s=0, preconditions=exactly)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
