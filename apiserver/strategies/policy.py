"""The rules of what limits and permits: PodDisruptionBudgets, autoscalers, RBAC, quotas, LimitRanges.

Source: kubernetes.io/docs/reference/kubernetes-api/policy-resources; .../authorization-resources
"""

from collections.abc import Mapping
from typing import Final, TypeVar

from msgspec.structs import replace

from apiserver.strategy import Strategy
from kube import names
from kube.api.autoscaling_v2 import HorizontalPodAutoscaler, MetricSpec, MetricTarget, ResourceMetricSource
from kube.api.core_v1 import LimitRange, LimitRangeItem, ResourceQuota
from kube.api.policy_v1 import PodDisruptionBudget
from kube.api.rbac_v1 import ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject
from kube.errors import FieldError, forbidden_field, immutable, invalid, not_supported, required
from kube.kinds import Resource
from kube.quantity import Quantity

from .checks import Errors, count_or_percent, label_selector, named, one_of, one_of_if_set, percent_at_most_100
from .filling import where_none
from .generations import Ungenerated

RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_EVICTION_POLICIES: Final = ("AlwaysAllow", "IfHealthyBudget")
_METRIC_FIELDS: Final = {
    "ContainerResource": "container_resource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_CPU_80: Final = MetricSpec(
    type="Resource",
    resource=ResourceMetricSource(name="cpu", target=MetricTarget(type="Utilization", average_utilization=80)),
)
B = TypeVar("B", RoleBinding, ClusterRoleBinding)
R = TypeVar("R", bound=Resource)


class BudgetStrategy(Strategy[PodDisruptionBudget]):
    """PodDisruptionBudgets."""

    allow_unconditional_update = False

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


class AutoscalerStrategy(Strategy[HorizontalPodAutoscaler]):
    """HorizontalPodAutoscalers, in the version that is stored: autoscaling/v2."""

    def default(self, obj: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
        spec = where_none(obj.spec, min_replicas=1)
        if not spec.metrics:
            spec = replace(spec, metrics=(_CPU_80,))
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: HorizontalPodAutoscaler) -> list[FieldError]:
        errors = list(_scaled_errors(obj))
        for index, metric in enumerate(obj.spec.metrics):
            errors.extend(_metric_errors(metric, f"spec.metrics[{index}]"))
        return errors


def _scaled_errors(scaler: HorizontalPodAutoscaler) -> Errors:
    spec = scaler.spec
    if spec.min_replicas is not None and spec.min_replicas < 1:
        yield invalid("spec.minReplicas", spec.min_replicas, "must be greater than or equal to 1")
    if spec.max_replicas < 1:
        yield invalid("spec.maxReplicas", spec.max_replicas, "must be greater than 0")
    if spec.min_replicas is not None and spec.max_replicas < spec.min_replicas:
        yield invalid("spec.maxReplicas", spec.max_replicas, "must be greater than or equal to `minReplicas`")
    target = spec.scale_target_ref
    yield from named("spec.scaleTargetRef.kind", target.kind, names.check_path_segment)
    yield from named("spec.scaleTargetRef.name", target.name, names.check_path_segment)


def _metric_errors(metric: MetricSpec, path: str) -> Errors:
    yield from one_of(f"{path}.type", metric.type, _METRIC_FIELDS)
    field = _METRIC_FIELDS.get(metric.type)
    if field is not None and getattr(metric, field) is None:
        wire = field.replace("container_resource", "containerResource")
        yield required(f"{path}.{wire}", "must populate information for the given metric source")


class RoleStrategy(Strategy[R]):
    """Roles and ClusterRoles, and what their bindings share with them: names that need only fit into a URL."""

    allow_create_on_update = True

    def check_name(self, name: str) -> list[str]:
        return names.check_path_segment(name)

    def validate(self, obj: R) -> list[FieldError]:
        if isinstance(obj, Role | ClusterRole):
            found = (_rule_errors(rule, index, obj) for index, rule in enumerate(obj.rules))
            return [error for errors in found for error in errors]
        return []


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
            errors.extend(_subject_errors(subject, f"subjects[{index}]"))
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


def _subject_errors(subject: Subject, path: str) -> Errors:
    if not subject.name:
        yield required(f"{path}.name")
    if subject.kind == "ServiceAccount":
        if subject.name:
            yield from named(f"{path}.name", subject.name, names.check_dns_subdomain)
        if subject.api_group:
            yield not_supported(f"{path}.apiGroup", subject.api_group, ("",))
        if not subject.namespace:
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
        return list(_amounts_errors(obj.spec.hard, "spec.hard"))

    def validate_update(self, new: ResourceQuota, old: ResourceQuota) -> list[FieldError]:
        changed = set(new.spec.scopes) != set(old.spec.scopes)
        return [*self.validate(new), *([immutable("spec.scopes", new.spec.scopes)] if changed else [])]


def _amounts_errors(amounts: Mapping[str, Quantity], path: str) -> Errors:
    for name, amount in amounts.items():
        yield from named(f"{path}[{name}]", name, names.check_label_key)
        if amount < Quantity("0"):
            yield invalid(f"{path}[{name}]", amount.text, "must be greater than or equal to 0")


class LimitRangeStrategy(Strategy[LimitRange]):
    """LimitRanges: a limit without a default gives its maximum, a default without a request gives itself."""

    allow_create_on_update = True

    def default(self, obj: LimitRange) -> LimitRange:
        limits = tuple([_default_limit(item) for item in obj.spec.limits])
        return obj if limits == obj.spec.limits else replace(obj, spec=replace(obj.spec, limits=limits))

    def validate(self, obj: LimitRange) -> list[FieldError]:
        found = (_limit_errors(item, f"spec.limits[{index}]") for index, item in enumerate(obj.spec.limits))
        return [error for errors in found for error in errors]


def _default_limit(item: LimitRangeItem) -> LimitRangeItem:
    if item.type != "Container":
        return item
    default = {**item.max, **item.default}
    request = {**item.min, **default, **item.min, **item.default_request}
    return replace(item, default=default, default_request=request)


def _limit_errors(item: LimitRangeItem, path: str) -> Errors:
    yield from named(f"{path}.type", item.type, names.check_label_key)
    if item.type == "Pod":
        for field, amounts in (("default", item.default), ("defaultRequest", item.default_request)):
            if amounts:
                yield forbidden_field(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
    for name in {*item.min, *item.max, *item.default, *item.default_request}:
        yield from _order_errors(item, name, path)


def _order_errors(item: LimitRangeItem, name: str, path: str) -> Errors:
    """Check that least, request, default and most of one resource are in this order."""
    steps: list[tuple[str, str, Quantity]] = []
    values: tuple[tuple[str, str, Mapping[str, Quantity]], ...] = (
        ("min", "min", item.min),
        ("defaultRequest", "default request", item.default_request),
        ("default", "default", item.default),
        ("max", "max", item.max),
    )
    for field, told, amounts in values:
        amount = amounts.get(name)
        if amount is None:
            continue
        for _, lower_told, lower in steps:
            if lower > amount:
                detail = f"{lower_told} value {lower} is greater than {told} value {amount}"
                yield invalid(f"{path}.{field}[{name}]", amount.text, detail)
        steps.append((field, told, amount))
