"""Where a pod may go, as it may change while scheduling gates hold it: it may become narrower, never wider.

Source: kubernetes.io/docs/concepts/scheduling-eviction/pod-scheduling-readiness, mutable pod scheduling directives
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import Affinity, NodeSelectorTerm, PodSpec
from kube.errors import invalid

from .checks import Errors

_TERMS: Final = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
_ONLY_ADDED: Final = "only additions are allowed (no mutations or deletions)"


def placement_errors(new: PodSpec, old: PodSpec) -> Errors:
    """Check what a gated pod's new spec says of its nodes: all that was asked for, and perhaps more."""
    if not old.node_selector.items() <= new.node_selector.items():
        yield invalid("spec.nodeSelector", new.node_selector, _ONLY_ADDED)
    wanted, before = _required(new), _required(old)
    if before and len(wanted) != len(before):
        yield invalid(_TERMS, wanted, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")
        return
    for index, (now, then) in enumerate(zip(wanted, before, strict=False)):
        if not _adds(now, then):
            yield invalid(f"{_TERMS}[{index}]", now, _ONLY_ADDED)


def _required(spec: PodSpec) -> tuple[NodeSelectorTerm, ...]:
    nodes = spec.affinity.node_affinity if spec.affinity else None
    selector = nodes.required_during_scheduling_ignored_during_execution if nodes else None
    return selector.node_selector_terms if selector else ()


def _adds(new: NodeSelectorTerm, old: NodeSelectorTerm) -> bool:
    """Say whether a term has what it had, and perhaps more; one that matches nothing must stay so."""
    if not old.match_expressions and not old.match_fields:
        return new == old
    expressions = _begins_with(new.match_expressions, old.match_expressions)
    return expressions and _begins_with(new.match_fields, old.match_fields)


def _begins_with(new: Sequence[object], old: Sequence[object]) -> bool:
    return list(new[: len(old)]) == list(old)


def with_placement_of(new: PodSpec, old: PodSpec) -> PodSpec:
    """Return a gated pod's new spec with its nodes as they were: what still differs may not."""
    nodes = old.affinity.node_affinity if old.affinity else None
    affinity = replace(new.affinity or Affinity(), node_affinity=nodes)
    is_as_before = affinity == (old.affinity or Affinity())
    return replace(new, node_selector=old.node_selector, affinity=old.affinity if is_as_before else affinity)
