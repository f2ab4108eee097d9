"""Which nodes a pod can go to because of the pods that are there already.

`Surroundings` counts, once for a choice, the pods that matter by the value of a node label (a domain); a node is then
judged by its own labels alone. Pods without demands, in a cluster where none keeps others away, need none of it.
Source: kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node, .../topology-spread-constraints
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from kube.api.core_v1 import Node
from scheduler.filters import Filter, accepts_affinity, accepts_taints
from scheduler.shape import Shape
from scheduler.snapshot import NodeInfo, PlacedPod, Snapshot
from scheduler.terms import NO_DEMANDS, Spread

Domain = tuple[str, str]
"""A node label and its value."""

SPREAD: Final = "node(s) didn't match pod topology spread constraints"
SPREAD_LABEL: Final = "node(s) didn't match pod topology spread constraints (missing required label)"
NEAR: Final = "node(s) didn't match pod affinity rules"
APART: Final = "node(s) didn't match pod anti-affinity rules"
OTHERS_APART: Final = "node(s) didn't satisfy existing pods anti-affinity rules"


def surroundings(shape: Shape, snapshot: Snapshot) -> "Surroundings | None":
    """Return what the pods around mean to a pod of this shape; None where they mean nothing."""
    repelled = [
        (term.topology_key, snapshot.node_of(pod.uid))
        for pod in snapshot.repelling.values()
        for term in pod.apart
        if term.means(shape.namespace, shape.labels)
    ]
    if shape.demands == NO_DEMANDS and not repelled:
        return None
    return Surroundings(shape, snapshot, repelled)


class Surroundings:
    """The counts by domain, as of one moment."""

    def __init__(self, shape: Shape, snapshot: Snapshot, repelled: list[tuple[str, str]]) -> None:
        self._shape = shape
        self._near: Counter[Domain] = Counter()
        self._apart: Counter[Domain] = Counter()
        self._closed = {
            (key, value)
            for key, name in repelled
            if (info := snapshot.node(name)) is not None and (value := _label(info, key)) is not None
        }
        demands = shape.demands
        if demands.near or demands.apart:
            for info, pod in _pods(snapshot):
                self._count(info, pod)
        self._spreads = [(spread, _spread_counts(shape, spread, snapshot)) for spread in demands.spread]

    def _count(self, info: NodeInfo, pod: PlacedPod) -> None:
        demands = self._shape.demands
        if demands.near and all(term.means(pod.namespace, pod.labels) for term in demands.near):
            for term in demands.near:
                _add(self._near, info, term.topology_key)
        for term in demands.apart:
            if term.means(pod.namespace, pod.labels):
                _add(self._apart, info, term.topology_key)

    def objection(self, info: NodeInfo) -> tuple[Filter, tuple[str, ...]] | None:
        """Return who objects to this node and why, None where the pod can go there."""
        for spread, counts in self._spreads:
            value = _label(info, spread.topology_key)
            if value is None:
                return Filter.SPREAD, (SPREAD_LABEL,)
            itself = spread.selector.matches(self._shape.labels)
            fewest = min(counts.values(), default=0) if len(counts) >= spread.min_domains else 0
            if counts.get(value, 0) + itself - fewest > spread.max_skew:
                return Filter.SPREAD, (SPREAD,)
        if not self._is_near(info):
            return Filter.PODS, (NEAR,)
        if any(
            (term.topology_key, _label(info, term.topology_key)) in self._apart for term in self._shape.demands.apart
        ):
            return Filter.PODS, (APART,)
        if any(_label(info, key) == value for key, value in self._closed):
            return Filter.PODS, (OTHERS_APART,)
        return None

    def _is_near(self, info: NodeInfo) -> bool:
        near = self._shape.demands.near
        domains = [(term.topology_key, _label(info, term.topology_key)) for term in near]
        if any(value is None for _, value in domains):
            return False
        if not self._near and all(term.means(self._shape.namespace, self._shape.labels) for term in near):
            return True  # The first of a group that wants to be together may go anywhere.
        return all(domain in self._near for domain in domains)


def _spread_counts(shape: Shape, spread: Spread, snapshot: Snapshot) -> dict[str, int]:
    """Return how many pods like this one each domain has; domains without any count too."""
    keys = [item.topology_key for item in shape.demands.spread]
    counts: dict[str, int] = {}
    for info in snapshot:
        value = _label(info, spread.topology_key)
        if value is None or info.node is None or not _counts_for(shape, spread, info, info.node, keys):
            continue
        alike = sum(
            1
            for pod in info.pods.values()
            if pod.namespace == shape.namespace and not pod.is_leaving and spread.selector.matches(pod.labels)
        )
        counts[value] = counts.get(value, 0) + alike
    return counts


def _counts_for(shape: Shape, spread: Spread, info: NodeInfo, node: Node, keys: list[str]) -> bool:
    if any(_label(info, key) is None for key in keys):
        return False
    if spread.honors_affinity and not accepts_affinity(shape, info.name, node):
        return False
    return not spread.honors_taints or accepts_taints(shape, node)


def _pods(snapshot: Snapshot) -> Iterator[tuple[NodeInfo, PlacedPod]]:
    for info in snapshot:
        for pod in info.pods.values():
            yield info, pod


def _label(info: NodeInfo, key: str) -> str | None:
    return info.node.metadata.labels.get(key) if info.node is not None else None


def _add(counts: Counter[Domain], info: NodeInfo, key: str) -> None:
    value = _label(info, key)
    if value is not None:
        counts[key, value] += 1
