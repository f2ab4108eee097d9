"""Where a pod may go, as it may change while scheduling gates hold it: it may become narrower, never wider.

Source: kubernetes.io/docs/concepts/scheduling-eviction/pod-scheduling-readiness, mutable pod scheduling directives
"""

from collections.abc import Sequence

from msgspec.structs import replace

from kube.api.core_v1 import Affinity, NodeAffinity, NodeSelector, NodeSelectorTerm, PodSpec


def with_placement_of(new: PodSpec, old: PodSpec) -> PodSpec:
    """Return a gated pod's new spec with what may change of its placement as it was: what still differs may not."""
    if old.node_selector.items() <= new.node_selector.items():
        new = replace(new, node_selector=old.node_selector)
    affinity = _with_nodes_of(new.affinity or Affinity(), old.affinity or Affinity())
    return replace(new, affinity=old.affinity) if affinity == (old.affinity or Affinity()) else new


def _with_nodes_of(new: Affinity, old: Affinity) -> Affinity:
    """Return an affinity with the preferred nodes of the old one, and the required ones if they only became fewer."""
    mine, theirs = new.node_affinity or NodeAffinity(), old.node_affinity or NodeAffinity()
    required = mine.required_during_scheduling_ignored_during_execution
    before = theirs.required_during_scheduling_ignored_during_execution
    if before is None or (required is not None and is_narrower(required, before)):
        return replace(new, node_affinity=old.node_affinity)
    preferred = theirs.preferred_during_scheduling_ignored_during_execution
    return replace(new, node_affinity=replace(mine, preferred_during_scheduling_ignored_during_execution=preferred))


def is_narrower(new: NodeSelector, old: NodeSelector) -> bool:
    """Say whether every term has what it had, and perhaps more. Terms that match nothing must stay so."""
    pairs = list(zip(new.node_selector_terms, old.node_selector_terms, strict=False))
    return len(new.node_selector_terms) == len(old.node_selector_terms) and all(_adds(*pair) for pair in pairs)


def _adds(new: NodeSelectorTerm, old: NodeSelectorTerm) -> bool:
    if not old.match_expressions and not old.match_fields:
        return new == old
    expressions = _begins_with(new.match_expressions, old.match_expressions)
    return expressions and _begins_with(new.match_fields, old.match_fields)


def _begins_with(new: Sequence[object], old: Sequence[object]) -> bool:
    return list(new[: len(old)]) == list(old)
