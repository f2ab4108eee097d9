"""The rules of what limits and permits: PodDisruptionBudgets, RBAC, quotas, LimitRanges.

Source: kubernetes.io/docs/reference/kubernetes-api/policy-resources; .../authorization-resources
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from apiserver.strategy import Strategy
from kube import names
from kube.api.core_v1 import ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement
from kube.api.policy_v1 import PodDisruptionBudget
from kube.api.rbac_v1 import (
    AggregationRule,
    ClusterRole,
    ClusterRoleBinding,
    PolicyRule,
    Role,
    RoleBinding,
    RoleRef,
    Subject,
)
from kube.errors import FieldError, immutable, invalid, not_supported, required
from kube.kinds import Resource
from kube.quantity import Quantity

from .checks import Errors, count_or_percent, label_selector, named, one_of_if_set, percent_at_most_100
from .generations import Ungenerated
from .statuses import conditions_errors, counts_errors

RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_EVICTION_POLICIES: Final = ("AlwaysAllow", "IfHealthyBudget")
B = TypeVar("B", RoleBinding, ClusterRoleBinding)
R = TypeVar("R", bound=Resource)


class BudgetStrategy(Strategy[PodDisruptionBudget]):
    """PodDisruptionBudgets."""

    allow_unconditional_update = False

    def check_name(self, name: str) -> list[str]:
        return names.check_path_segment(name)

    def validate_status_update(self, new: PodDisruptionBudget, old: PodDisruptionBudget) -> list[FieldError]:
        counts = counts_errors(new.status, but=("observed_generation",))
        return [*counts, *conditions_errors(new.status.conditions)]

    def validate(self, obj: PodDisruptionBudget) -> list[FieldError]:
        return list(_budget_errors(obj))


def _budget_errors(budget: PodDisruptionBudget) -> Errors:
    spec = budget.spec
    if spec.min_available is not None and spec.max_unavailable is not None:
        yield invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set")
    for field, value in (("minAvailable", spec.min_available), ("maxUnavailable", spec.max_unavailable)):
        if value is not None:
            yield from count_or_percent(f"spec.{field}", value)
            yield from percent_at_most_100(f"spec.{field}", value)
    yield from label_selector("spec.selector", spec.selector)
    policy = spec.unhealthy_pod_eviction_policy
    yield from one_of_if_set("spec.unhealthyPodEvictionPolicy", policy, _EVICTION_POLICIES)


class RoleStrategy(Strategy[R]):
    """Roles and ClusterRoles, and what their bindings share with them: names that need only fit into a URL."""

    allow_create_on_update = True

    def check_name(self, name: str) -> list[str]:
        return names.check_path_segment(name)

    def validate(self, obj: R) -> list[FieldError]:
        if not isinstance(obj, Role | ClusterRole):
            return []
        found = (_rule_errors(rule, index, obj) for index, rule in enumerate(obj.rules))
        errors = [error for errors in found for error in errors]
        if isinstance(obj, ClusterRole) and obj.aggregation_rule is not None:
            errors += _aggregation_errors(obj.aggregation_rule, "aggregationRule.clusterRoleSelectors")
        return errors


def _aggregation_errors(rule: AggregationRule, path: str) -> Errors:
    """Check which ClusterRoles' rules are gathered in one."""
    if not rule.cluster_role_selectors:
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        yield required(path, detail)
    for index, selector in enumerate(rule.cluster_role_selectors):
        wrong = list(label_selector(f"{path}[{index}]", selector))
        yield from wrong
        if wrong:
            yield invalid(f"{path}[{index}]", selector, "invalid label selector.")


def _rule_errors(rule: PolicyRule, index: int, role: Role | ClusterRole) -> Errors:
    path = f"rules[{index}]"
    if not rule.verbs:
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    if rule.non_resource_urls:
        if isinstance(role, Role):
            yield invalid(
                f"{path}.nonResourceURLs", rule.non_resource_urls, "namespaced rules cannot apply to non-resource URLs"
            )
        if rule.api_groups or rule.resources or rule.resource_names:
            detail = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(f"{path}.nonResourceURLs", rule.non_resource_urls, detail)
        return
    if not rule.api_groups:
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.resources:
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


class BindingStrategy(RoleStrategy[B]):
    """RoleBindings and ClusterRoleBindings: a binding keeps its role."""

    def default(self, obj: B) -> B:
        role = obj.role_ref if obj.role_ref.api_group else replace(obj.role_ref, api_group=RBAC_GROUP)
        subjects = tuple([_default_subject(subject) for subject in obj.subjects])
        if role is obj.role_ref and subjects == obj.subjects:
            return obj
        return replace(obj, role_ref=role, subjects=subjects)

    def validate(self, obj: B) -> list[FieldError]:
        kinds = ("ClusterRole",) if isinstance(obj, ClusterRoleBinding) else ("ClusterRole", "Role")
        errors = list(_role_errors(obj.role_ref, kinds))
        for index, subject in enumerate(obj.subjects):
            errors += _subject_errors(subject, f"subjects[{index}]", needs_namespace=not self.kind.namespaced)
        return errors

    def validate_update(self, new: B, old: B) -> list[FieldError]:
        errors = self.validate(new)
        if new.role_ref != old.role_ref:
            errors.append(invalid("roleRef", new.role_ref, "cannot change roleRef"))
        return errors


def _default_subject(subject: Subject) -> Subject:
    if subject.api_group or subject.kind not in ("User", "Group"):
        return subject
    return replace(subject, api_group=RBAC_GROUP)


def _role_errors(role: RoleRef, kinds: tuple[str, ...]) -> Errors:
    if role.api_group != RBAC_GROUP:
        yield not_supported("roleRef.apiGroup", role.api_group, (RBAC_GROUP,))
    if role.kind not in kinds:
        yield not_supported("roleRef.kind", role.kind, kinds)
    yield from named("roleRef.name", role.name, names.check_path_segment)


def _subject_errors(subject: Subject, path: str, *, needs_namespace: bool) -> Errors:
    """Check who has a role. needs_namespace: an account must say where it is, for the binding is nowhere."""
    if not subject.name:
        yield required(f"{path}.name")
    if subject.kind == "ServiceAccount":
        if subject.name:
            yield from named(f"{path}.name", subject.name, names.check_dns_subdomain)
        if subject.api_group:
            yield not_supported(f"{path}.apiGroup", subject.api_group, ("",))
        if needs_namespace and not subject.namespace:
            yield required(f"{path}.namespace")
    elif subject.kind in ("User", "Group"):
        if subject.api_group != RBAC_GROUP:
            yield not_supported(f"{path}.apiGroup", subject.api_group, (RBAC_GROUP,))
    else:
        yield not_supported(f"{path}.kind", subject.kind, ("Group", "ServiceAccount", "User"))


class QuotaStrategy(Ungenerated[ResourceQuota]):
    """ResourceQuotas: their scopes do not change."""

    returns_deleted = True

    def validate(self, obj: ResourceQuota) -> list[FieldError]:
        errors = [*_amounts_errors(obj.spec.hard, "spec.hard"), *_scopes_errors(obj.spec, "spec.scopes")]
        if obj.spec.scope_selector is not None:
            for term in obj.spec.scope_selector.match_expressions:
                errors += _scope_errors(term, obj.spec, "spec.scopeSelector.matchExpressions")
        return errors

    def validate_status_update(self, new: ResourceQuota, old: ResourceQuota) -> list[FieldError]:
        hard, used = new.status.hard, new.status.used
        return [*_amounts_errors(hard, "status.hard"), *_amounts_errors(used, "status.used")]

    def validate_update(self, new: ResourceQuota, old: ResourceQuota) -> list[FieldError]:
        changed = set(new.spec.scopes) != set(old.spec.scopes)
        return [*self.validate(new), *([immutable("spec.scopes", new.spec.scopes)] if changed else [])]


_SCOPES: Final = (
    "BestEffort",
    "CrossNamespacePodAffinity",
    "NotBestEffort",
    "NotTerminating",
    "PriorityClass",
    "Terminating",
    "VolumeAttributesClass",
)


_OF_PODS: Final = frozenset({"cpu", "limits.cpu", "limits.memory", "memory", "pods", "requests.cpu", "requests.memory"})
_OF_CLAIMS: Final = frozenset({"persistentvolumeclaims", "requests.storage"})
_SCOPED: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(_SCOPES, _OF_PODS),
    "BestEffort": frozenset({"pods"}),
    "VolumeAttributesClass": _OF_CLAIMS,
}
"""What can be limited of that which is in a scope; of what isn't Kubernetes' own anything can."""
_SIMPLE: Final = ("Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "CrossNamespacePodAffinity")
"""The scopes that a pod is in or not, whatever the values."""
_SIMPLE_TOLD: Final = (
    "ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
    "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"
)
_OPPOSITES: Final = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))


def _scopes_errors(spec: ResourceQuotaSpec, path: str) -> Errors:
    scopes = [*spec.scopes]
    for scope in scopes:
        if scope not in _SCOPES:
            yield invalid(path, scopes, "unsupported scope")
        yield from _scoped_errors(scope, spec.hard, scopes, path)
    for pair in _OPPOSITES:
        if set(pair) <= set(scopes):
            yield invalid(path, scopes, "conflicting scopes")


def _scoped_errors(scope: str, hard: Mapping[str, Quantity], scopes: Any, path: str) -> Errors:
    """Check that all that is limited can be limited of what is in a scope."""
    for name in sorted(hard.keys() & (_COUNTED_OBJECTS | _MEASURED)):
        if name not in _SCOPED.get(scope, (name,)):
            yield invalid(path, scopes, "unsupported scope applied to resource")


def _scope_errors(term: ScopedResourceSelectorRequirement, spec: ResourceQuotaSpec, path: str) -> Errors:
    """Check which pods a quota is about."""
    if term.scope_name not in _SCOPES:
        yield invalid(f"{path}.scopeName", term.scope_name, "unsupported scope")
    yield from _scoped_errors(term.scope_name, spec.hard, spec.scope_selector, path)
    if term.scope_name in _SIMPLE and term.operator != "Exists":
        yield invalid(f"{path}.operator", term.operator, f"must be 'Exists' when scope is any of {_SIMPLE_TOLD}")
    if term.operator in ("In", "NotIn"):
        if not term.values:
            detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            yield required(f"{path}.values", detail)
    elif term.operator in ("Exists", "DoesNotExist"):
        if term.values:
            detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            yield invalid(f"{path}.values", term.values, detail)
    else:
        yield invalid(f"{path}.operator", term.operator, "not a valid selector operator")


_COUNTED_OBJECTS: Final = frozenset(
    {
        "configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets",
        "services", "services.loadbalancers", "services.nodeports",
    }
)  # fmt: skip
_MEASURED: Final = frozenset(
    {
        "cpu", "ephemeral-storage", "limits.cpu", "limits.ephemeral-storage", "limits.memory", "memory", "requests.cpu",
        "requests.ephemeral-storage", "requests.memory", "requests.storage",
    }
)  # fmt: skip
_QUOTA_PREFIXES: Final = ("hugepages-", "requests.hugepages-", "limits.hugepages-")


def _amounts_errors(amounts: Mapping[str, Quantity], path: str) -> Errors:
    for name, amount in amounts.items():
        yield from named(f"{path}[{name}]", name, names.check_label_key)
        is_known = name in _COUNTED_OBJECTS or name in _MEASURED or name.startswith(_QUOTA_PREFIXES)
        if "/" not in name and not is_known:
            yield invalid(f"{path}[{name}]", name, "must be a standard resource type or fully qualified")
            yield invalid(f"{path}[{name}]", name, "must be a standard resource for quota")
        if amount < Quantity("0"):
            yield invalid(f"{path}[{name}]", amount.text, "must be greater than or equal to 0")
        elif name not in _MEASURED and amount.value != amount.whole:
            yield invalid(f"{path}[{name}]", amount.text, "must be an integer")
