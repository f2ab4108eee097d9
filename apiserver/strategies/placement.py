"""What must hold of a pod's wishes about where it runs: tolerations, affinity, spreading.

Source: kubernetes.io/docs/concepts/scheduling-eviction
"""

from typing import Final

from kube import names
from kube.api.core_v1 import (
    Affinity,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodSpec,
    Toleration,
    TopologySpreadConstraint,
)
from kube.errors import duplicate, forbidden_field, invalid, not_supported, required

from .checks import (
    Errors,
    between,
    fits,
    label_selector,
    labels,
    named_if_set,
    one_of_if_given,
    one_of_if_set,
    positive,
)

TAINT_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_SINGLE_VALUE: Final = "must be specified single value when `operator` is 'Lt' or 'Gt'"
_SOME_VALUE: Final = "must be specified when `operator` is 'In' or 'NotIn'"
_NO_VALUE: Final = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"


def placement_errors(spec: PodSpec, path: str) -> Errors:
    """Check everything in a pod spec that the scheduler reads."""
    if spec.node_selector:
        yield from labels(f"{path}.nodeSelector", spec.node_selector)
    for index, toleration in enumerate(spec.tolerations):
        yield from toleration_errors(toleration, f"{path}.tolerations[{index}]")
    if spec.affinity is not None:
        yield from affinity_errors(spec.affinity, f"{path}.affinity")
    if spec.topology_spread_constraints:
        yield from spread_errors(spec.topology_spread_constraints, f"{path}.topologySpreadConstraints")
    gates: set[str] = set()
    for index, gate in enumerate(spec.scheduling_gates):
        here = f"{path}.schedulingGates[{index}]"
        yield from fits(here, gate.name, names.check_label_key)
        if gate.name in gates:
            yield duplicate(here, gate.name)
        gates.add(gate.name)


def toleration_errors(toleration: Toleration, path: str) -> Errors:
    """Check one toleration."""
    yield from named_if_set(f"{path}.key", toleration.key, names.check_label_key)
    if not toleration.key and toleration.operator != "Exists":
        detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        yield invalid(f"{path}.operator", toleration.operator, detail)
    if toleration.toleration_seconds is not None and toleration.effect != "NoExecute":
        detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        yield invalid(f"{path}.effect", toleration.effect, detail)
    if toleration.operator in ("", "Equal"):
        yield from named_if_set(f"{path}.operator", toleration.value, names.check_label_value)
    elif toleration.operator == "Exists":
        if toleration.value:
            yield invalid(f"{path}.operator", toleration, "value must be empty when `operator` is 'Exists'")
    else:
        yield not_supported(f"{path}.operator", toleration.operator, ("Equal", "Exists"))
    yield from one_of_if_set(f"{path}.effect", toleration.effect, TAINT_EFFECTS)


def affinity_errors(affinity: Affinity, path: str) -> Errors:
    """Check wishes about nodes and neighbours."""
    if affinity.node_affinity is not None:
        yield from _node_affinity_errors(affinity.node_affinity, f"{path}.nodeAffinity")
    for field, wish in (("podAffinity", affinity.pod_affinity), ("podAntiAffinity", affinity.pod_anti_affinity)):
        if wish is not None:
            yield from _pod_affinity_errors(wish, f"{path}.{field}")


def _node_affinity_errors(affinity: NodeAffinity, path: str) -> Errors:
    demand = affinity.required_during_scheduling_ignored_during_execution
    if demand is not None:
        yield from node_selector_errors(demand, f"{path}.requiredDuringSchedulingIgnoredDuringExecution")
    for index, term in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        here = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        if not 1 <= term.weight <= 100:
            yield invalid(f"{here}.weight", term.weight, "must be in the range 1-100")
        yield from _node_term_errors(term.preference, f"{here}.preference")


def node_selector_errors(selector: NodeSelector, path: str) -> Errors:
    """Check the terms by which nodes are chosen."""
    if not selector.node_selector_terms:
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for index, term in enumerate(selector.node_selector_terms):
        here = f"{path}.nodeSelectorTerms[{index}]"
        yield from _node_term_errors(term, here)
        for place, requirement in enumerate(term.match_expressions):
            for spot, value in enumerate(requirement.values):
                yield from fits(f"{here}.matchExpressions[{place}].values[{spot}]", value, names.check_label_value)


def _node_term_errors(term: NodeSelectorTerm, path: str) -> Errors:
    for index, requirement in enumerate(term.match_expressions):
        here = f"{path}.matchExpressions[{index}]"
        yield from _requirement_errors(requirement, here)
        yield from fits(f"{here}.key", requirement.key, names.check_label_key)
    for index, requirement in enumerate(term.match_fields):
        here = f"{path}.matchFields[{index}]"
        if requirement.key != "metadata.name":
            yield invalid(f"{here}.key", requirement.key, "not a valid field selector key")
        if requirement.operator not in ("In", "NotIn"):
            yield invalid(f"{here}.operator", requirement.operator, "not a valid selector operator")
        elif len(requirement.values) != 1:
            detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
            yield required(f"{here}.values", detail)
        for place, value in enumerate(requirement.values):
            yield from fits(f"{here}.values[{place}]", value, names.check_dns_subdomain)


def _requirement_errors(requirement: NodeSelectorRequirement, path: str) -> Errors:
    values, operator = requirement.values, requirement.operator
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", _SOME_VALUE)
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            yield forbidden_field(f"{path}.values", _NO_VALUE)
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            yield required(f"{path}.values", _SINGLE_VALUE)
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")


def _pod_affinity_errors(affinity: PodAffinity | PodAntiAffinity, path: str) -> Errors:
    for index, term in enumerate(affinity.required_during_scheduling_ignored_during_execution):
        yield from _pod_term_errors(term, f"{path}.requiredDuringSchedulingIgnoredDuringExecution[{index}]")
    for index, weighted in enumerate(affinity.preferred_during_scheduling_ignored_during_execution):
        here = f"{path}.preferredDuringSchedulingIgnoredDuringExecution[{index}]"
        if not 1 <= weighted.weight <= 100:
            yield invalid(f"{here}.weight", weighted.weight, "must be in the range 1-100")
        yield from _pod_term_errors(weighted.pod_affinity_term, f"{here}.podAffinityTerm")


def _pod_term_errors(term: PodAffinityTerm, path: str) -> Errors:
    yield from label_selector(f"{path}.labelSelector", term.label_selector)
    yield from label_selector(f"{path}.namespaceSelector", term.namespace_selector)
    for namespace in term.namespaces:
        yield from fits(f"{path}.namespace", namespace, names.check_dns_label)
    for field, keys in (("matchLabelKeys", term.match_label_keys), ("mismatchLabelKeys", term.mismatch_label_keys)):
        yield from _label_keys_errors(keys, f"{path}.{field}", has_selector=term.label_selector is not None)
    if not term.topology_key:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from fits(f"{path}.topologyKey", term.topology_key, names.check_label_key)


def _label_keys_errors(keys: tuple[str, ...], path: str, *, has_selector: bool) -> Errors:
    """Check the keys of labels whose values are taken from the pod itself."""
    if keys and not has_selector:
        yield forbidden_field(path, "must not be specified when labelSelector is not set")
    for index, key in enumerate(keys):
        yield from fits(f"{path}[{index}]", key, names.check_label_key)


def spread_errors(constraints: tuple[TopologySpreadConstraint, ...], path: str) -> Errors:
    """Check how evenly pods are to be spread; a topology may stand once with each way of acting."""
    seen: dict[tuple[str, str], str] = {}
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        if constraint.max_skew <= 0:
            yield invalid(f"{here}.maxSkew", constraint.max_skew, "must be greater than zero")
        if not constraint.topology_key:
            yield required(f"{here}.topologyKey", "can not be empty")
        yield from one_of_if_given(
            f"{here}.whenUnsatisfiable", constraint.when_unsatisfiable, ("DoNotSchedule", "ScheduleAnyway")
        )
        keys = constraint.match_label_keys
        has_selector = constraint.label_selector is not None
        yield from _label_keys_errors(keys, f"{here}.matchLabelKeys", has_selector=has_selector)
        pair = (constraint.topology_key, constraint.when_unsatisfiable)
        if pair in seen:
            yield duplicate(f"{seen[pair]}.{{topologyKey, whenUnsatisfiable}}", f"{{{pair[0]}, {pair[1]}}}")
        seen[pair] = here
        if constraint.min_domains is not None:
            yield from positive(f"{here}.minDomains", constraint.min_domains)
            if constraint.when_unsatisfiable != "DoNotSchedule":
                detail = (
                    f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {constraint.when_unsatisfiable}"
                )
                yield invalid(f"{here}.minDomains", constraint.min_domains, detail)
        for field, value in (
            ("nodeAffinityPolicy", constraint.node_affinity_policy),
            ("nodeTaintsPolicy", constraint.node_taints_policy),
        ):
            yield from one_of_if_given(f"{here}.{field}", value, ("Honor", "Ignore"))
        yield from label_selector(f"{here}.labelSelector", constraint.label_selector)


def deadline_errors(seconds: int | None, path: str) -> Errors:
    """Check how long something may be active."""
    if seconds is not None:
        yield from between(path, seconds, 1, 2**31 - 1)
