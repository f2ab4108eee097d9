"""Which of the nodes that fit is best: the higher the score, the better.

Every score looks at one node alone, so that a change of one node leaves the scores of all others as they were.
Source: kubernetes.io/docs/reference/scheduling/config (plugins NodeResourcesFit, NodeResourcesBalancedAllocation,
NodeAffinity, TaintToleration); spreading the pods of one owner stands in for PodTopologySpread's default constraints.
"""

from typing import Final

from scheduler.filters import tolerates
from scheduler.node_terms import matches_term
from scheduler.shape import Shape
from scheduler.snapshot import NodeInfo

MAX: Final = 100.0
WEIGHT_SPREAD: Final = 2.0
WEIGHT_AFFINITY: Final = 2.0
WEIGHT_TAINTS: Final = 3.0


def score(shape: Shape, info: NodeInfo) -> float:
    """Return how well a node that fits suits the pod."""
    used_cpu = _share(info.weights_cpu_millis + shape.needs.weights_cpu_millis, info.allocatable.get("cpu", 0))
    used_memory = _share(
        info.weights_memory_bytes + shape.needs.weights_memory_bytes, info.allocatable.get("memory", 0)
    )
    total = least_allocated(used_cpu, used_memory) + balanced(used_cpu, used_memory)
    if shape.owner:
        total += WEIGHT_SPREAD * MAX / (1 + info.owners.get(shape.owner, 0))
    if shape.preferred_terms:
        total += WEIGHT_AFFINITY * preferred_affinity(shape, info)
    if info.node is not None and info.node.spec.taints:
        total -= WEIGHT_TAINTS * preferred_taints(shape, info)
    return total


def least_allocated(used_cpu: float, used_memory: float) -> float:
    """Prefer what would be emptiest. Both shares 0..1, with the pod counted in."""
    return MAX * (2.0 - used_cpu - used_memory) / 2.0


def balanced(used_cpu: float, used_memory: float) -> float:
    """Prefer a node whose cpu and memory would be used to the same degree."""
    return MAX * (1.0 - abs(used_cpu - used_memory) / 2.0)


def preferred_affinity(shape: Shape, info: NodeInfo) -> float:
    """Return the share of the pod's wishes about nodes that this node grants, 0..100."""
    wished = sum(term.weight for term in shape.preferred_terms)
    if info.node is None or wished == 0:
        return 0.0
    labels = info.node.metadata.labels
    granted = sum(term.weight for term in shape.preferred_terms if matches_term(term.preference, labels, info.name))
    return MAX * granted / wished


def preferred_taints(shape: Shape, info: NodeInfo) -> float:
    """Return how strongly the node would rather not have the pod, 0..100."""
    if info.node is None:
        return 0.0
    unwanted = sum(
        1
        for taint in info.node.spec.taints
        if taint.effect == "PreferNoSchedule" and not tolerates(shape.tolerations, taint)
    )
    return MAX * (1.0 - 1.0 / (1 + unwanted))


def _share(used: int, allocatable: int) -> float:
    return min(1.0, used / allocatable) if allocatable > 0 else 1.0
