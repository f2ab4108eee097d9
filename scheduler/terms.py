"""What a pod demands of the pods around it: near some, apart from others, evenly spread.

Only the demands: what a pod would merely prefer has no say here.
Source: kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node (inter-pod affinity),
.../topology-spread-constraints
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kube.api.core_v1 import Pod, PodAffinityTerm, TopologySpreadConstraint
from kube.selectors import (
    MATCHES_NONE,
    LabelSelector,
    Operator,
    Requirement,
    SelectorError,
    label_selector_from_object,
)


@dataclass(frozen=True, slots=True)
class Term:
    """Some pods, and how near counts as near: nodes with the same value of the label `topology_key`.

    namespaces: where those pods live; None is everywhere.
    """

    topology_key: str
    selector: LabelSelector
    namespaces: frozenset[str] | None

    def means(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Say whether a pod of this namespace with these labels is one of them."""
        return (self.namespaces is None or namespace in self.namespaces) and self.selector.matches(labels)


@dataclass(frozen=True, slots=True)
class Spread:
    """Pods like this one, and how uneven their numbers may be between the values of a label.

    min_domains: with fewer values than this, the fewest counts as none. honors_affinity, honors_taints: whether nodes
    that the pod can't go to for these reasons are left out of the count.
    """

    topology_key: str
    selector: LabelSelector
    max_skew: int
    min_domains: int
    honors_affinity: bool
    honors_taints: bool


@dataclass(frozen=True, slots=True)
class Demands:
    """All that a pod demands of the pods around it."""

    near: tuple[Term, ...] = ()
    apart: tuple[Term, ...] = ()
    spread: tuple[Spread, ...] = ()


NO_DEMANDS: Final = Demands()


def demands_of(pod: Pod) -> Demands:
    """Return what `pod` demands of others. Raises SelectorError, for a demand that can't be met exactly too."""
    affinity, constraints = pod.spec.affinity, pod.spec.topology_spread_constraints
    if affinity is None and not constraints:
        return NO_DEMANDS
    near = affinity.pod_affinity if affinity else None
    apart = affinity.pod_anti_affinity if affinity else None
    return Demands(
        near=_terms(pod, near.required_during_scheduling_ignored_during_execution if near else ()),
        apart=_terms(pod, apart.required_during_scheduling_ignored_during_execution if apart else ()),
        spread=tuple(_spread(pod, item) for item in constraints if item.when_unsatisfiable == "DoNotSchedule"),
    )


def _terms(pod: Pod, terms: Iterable[PodAffinityTerm]) -> tuple[Term, ...]:
    return tuple(_term(pod, term) for term in terms)


def _term(pod: Pod, term: PodAffinityTerm) -> Term:
    namespaces: frozenset[str] | None = frozenset(term.namespaces or (pod.metadata.namespace,))
    if term.namespace_selector is not None:
        if not label_selector_from_object(term.namespace_selector).is_empty:
            raise SelectorError("a namespaceSelector with labels is not supported by this scheduler; list namespaces")
        namespaces = None
    selector = label_selector_from_object(term.label_selector)
    selector = _with_own(selector, pod, term.match_label_keys, Operator.IN)
    selector = _with_own(selector, pod, term.mismatch_label_keys, Operator.NOT_IN)
    return Term(term.topology_key, selector, namespaces)


def _spread(pod: Pod, item: TopologySpreadConstraint) -> Spread:
    selector = label_selector_from_object(item.label_selector)
    return Spread(
        topology_key=item.topology_key,
        selector=_with_own(selector, pod, item.match_label_keys, Operator.IN),
        max_skew=item.max_skew,
        min_domains=item.min_domains or 1,
        honors_affinity=item.node_affinity_policy != "Ignore",
        honors_taints=item.node_taints_policy == "Honor",
    )


def _with_own(selector: LabelSelector, pod: Pod, keys: Sequence[str], operator: Operator) -> LabelSelector:
    """Return the selector with a test of each label in `keys` against the pod's own value."""
    if not keys or selector.matches_nothing:
        return selector if selector.matches_nothing is False else MATCHES_NONE
    own = [(key, pod.metadata.labels[key]) for key in keys if key in pod.metadata.labels]
    tests = [Requirement(key, operator, frozenset((value,))) for key, value in own]
    return LabelSelector([*selector.requirements, *tests])
