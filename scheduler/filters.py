"""Which nodes a pod can go to, and why it can't go to the others.

Each filter is a plain function from what is asked and a node to the reasons against it, in Kubernetes' words; they run
in a fixed order and the first that objects is the one that counts. `HELPED_BY` says which events can lift which
objection, so that a pod is tried again only after one that could help it.
Source: kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler, /taint-and-toleration, /assign-pod-node.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Final

from kube.api.core_v1 import Node, Taint, Toleration
from scheduler.node_terms import compares, matches_term
from scheduler.shape import Shape
from scheduler.snapshot import NodeInfo, PlacedPod
from scheduler.volumes import choices, offers_volumes, reaches

UNSCHEDULABLE_TAINT: Final = "node.kubernetes.io/unschedulable"
_REPELLING: Final = ("NoSchedule", "NoExecute")


class Filter(Enum):
    """Who objected; the value is the name that Kubernetes gives it."""

    UNSCHEDULABLE = "NodeUnschedulable"
    NAME = "NodeName"
    TAINTS = "TaintToleration"
    AFFINITY = "NodeAffinity"
    PORTS = "NodePorts"
    RESOURCES = "NodeResourcesFit"
    VOLUMES = "VolumeBinding"
    SPREAD = "PodTopologySpread"
    PODS = "InterPodAffinity"
    UNSUPPORTED = "Unsupported"


class ClusterEvent(Enum):
    """What can happen to let a pod fit that did not fit before."""

    NODE_ADDED = auto()
    NODE_GONE = auto()
    NODE_LABELS = auto()
    NODE_TAINTS = auto()
    NODE_SCHEDULABLE = auto()
    NODE_ALLOCATABLE = auto()
    POD_GONE = auto()
    POD_PLACED = auto()
    POD_SHRUNK = auto()
    STORAGE = auto()


HELPED_BY: Final[Mapping[Filter, frozenset[ClusterEvent]]] = {
    Filter.UNSCHEDULABLE: frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_SCHEDULABLE}),
    Filter.NAME: frozenset({ClusterEvent.NODE_ADDED}),
    Filter.TAINTS: frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_TAINTS}),
    Filter.AFFINITY: frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS}),
    Filter.PORTS: frozenset({ClusterEvent.NODE_ADDED, ClusterEvent.POD_GONE}),
    Filter.RESOURCES: frozenset(
        {ClusterEvent.NODE_ADDED, ClusterEvent.NODE_ALLOCATABLE, ClusterEvent.POD_GONE, ClusterEvent.POD_SHRUNK}
    ),
    Filter.VOLUMES: frozenset(
        {ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS, ClusterEvent.STORAGE, ClusterEvent.POD_GONE}
    ),
    Filter.SPREAD: frozenset(ClusterEvent),
    Filter.PODS: frozenset(ClusterEvent),
    Filter.UNSUPPORTED: frozenset(),
}


def objections(shape: Shape, info: NodeInfo) -> tuple[Filter, tuple[str, ...]] | None:
    """Return the first filter that objects to this node, with its reasons; None where the pod can go there."""
    node = info.node
    if node is None:
        return Filter.NAME, ("node(s) didn't match the requested node name",)
    for who, check in _CHECKS:
        reasons = check(shape, info, node)
        if reasons:
            return who, reasons
    return None


def node_events(old: Node | None, new: Node) -> set[ClusterEvent]:
    """Return what a change of a node could help."""
    if old is None:
        return {ClusterEvent.NODE_ADDED}
    events = set()
    if old.metadata.labels != new.metadata.labels:
        events.add(ClusterEvent.NODE_LABELS)
    if offers_volumes(old) != offers_volumes(new):
        events.add(ClusterEvent.STORAGE)
    if old.spec.taints != new.spec.taints:
        events.add(ClusterEvent.NODE_TAINTS)
    if old.spec.unschedulable and not new.spec.unschedulable:
        events.add(ClusterEvent.NODE_SCHEDULABLE)
    if old.status.allocatable != new.status.allocatable or old.status.capacity != new.status.capacity:
        events.add(ClusterEvent.NODE_ALLOCATABLE)
    return events


def pod_events(before: PlacedPod | None, after: PlacedPod) -> set[ClusterEvent]:
    """Return what a change of a pod that has a node could help. before: None where it has just come there."""
    if before is None:
        return {ClusterEvent.POD_PLACED}
    takes = after.needs.requests
    shrank = any(takes.get(name, 0) < value for name, value in before.needs.requests.items())
    return {ClusterEvent.POD_PLACED, ClusterEvent.POD_SHRUNK} if shrank else {ClusterEvent.POD_PLACED}


def _check_unschedulable(shape: Shape, _: NodeInfo, node: Node) -> tuple[str, ...]:
    if not node.spec.unschedulable:
        return ()
    taint = Taint(key=UNSCHEDULABLE_TAINT, effect="NoSchedule")
    return () if tolerates(shape.tolerations, taint) else ("node(s) were unschedulable",)


def _check_name(shape: Shape, info: NodeInfo, _: Node) -> tuple[str, ...]:
    if not shape.node_name or shape.node_name == info.name:
        return ()
    return ("node(s) didn't match the requested node name",)


def _check_taints(shape: Shape, _: NodeInfo, node: Node) -> tuple[str, ...]:
    for taint in node.spec.taints:
        if taint.effect in _REPELLING and not tolerates(shape.tolerations, taint):
            return (f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}",)
    return ()


def accepts_taints(shape: Shape, node: Node) -> bool:
    """Say whether the pod tolerates all taints of the node that keep pods away."""
    return all(taint.effect not in _REPELLING or tolerates(shape.tolerations, taint) for taint in node.spec.taints)


def _check_affinity(shape: Shape, info: NodeInfo, node: Node) -> tuple[str, ...]:
    if accepts_affinity(shape, info.name, node):
        return ()
    return ("node(s) didn't match Pod's node affinity/selector",)


def accepts_affinity(shape: Shape, name: str, node: Node) -> bool:
    """Say whether the node is one that the pod's node selector and node affinity mean."""
    labels = node.metadata.labels
    if not all(labels.get(key) == value for key, value in shape.node_selector):
        return False
    return shape.node_terms is None or any(matches_term(term, labels, name) for term in shape.node_terms)


def _check_ports(shape: Shape, info: NodeInfo, _: Node) -> tuple[str, ...]:
    if all(info.has_free_port(port) for port in shape.needs.host_ports):
        return ()
    return ("node(s) didn't have free ports for the requested pod ports",)


def _check_resources(shape: Shape, info: NodeInfo, _: Node) -> tuple[str, ...]:
    reasons = []
    if len(info.pods) + 1 > info.allocatable.get("pods", 0):
        reasons.append("Too many pods")
    for name, value in shape.needs.requests.items():
        if value > 0 and value > info.allocatable.get(name, 0) - info.taken.get(name, 0):
            reasons.append(f"Insufficient {name}")
    return tuple(reasons)


def _check_volumes(shape: Shape, _: NodeInfo, node: Node) -> tuple[str, ...]:
    if not reaches(shape.volumes, node):
        return ("node(s) didn't match PersistentVolume's node affinity",)
    if choices(shape.volumes, node) is None:
        return ("node(s) didn't find available persistent volumes to bind",)
    return ()


_CHECKS: Final[Sequence[tuple[Filter, Callable[[Shape, NodeInfo, Node], tuple[str, ...]]]]] = (
    (Filter.UNSCHEDULABLE, _check_unschedulable),
    (Filter.NAME, _check_name),
    (Filter.TAINTS, _check_taints),
    (Filter.AFFINITY, _check_affinity),
    (Filter.PORTS, _check_ports),
    (Filter.RESOURCES, _check_resources),
    (Filter.VOLUMES, _check_volumes),
)


def tolerates(tolerations: Iterable[Toleration], taint: Taint) -> bool:
    """Say whether one of `tolerations` accepts `taint`."""
    return any(_accepts(toleration, taint) for toleration in tolerations)


def _accepts(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator:
        case "Exists":
            return True
        case "" | "Equal":
            return bool(toleration.key) and toleration.value == taint.value
        case "Gt" | "Lt":
            return compares(taint.value, toleration.operator, toleration.value)
    return False
