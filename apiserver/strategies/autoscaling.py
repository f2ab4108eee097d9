"""The rules of HorizontalPodAutoscalers, in the version that is stored: autoscaling/v2.

Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2
"""

from typing import Any, Final

from msgspec.structs import replace

from kube import names
from kube.api.autoscaling_v2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerSpec,
    HPAScalingPolicy,
    HPAScalingRules,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
    ResourceMetricSource,
)
from kube.errors import FieldError, forbidden_field, invalid, not_supported, required
from kube.quantity import Quantity

from .checks import Errors, fits, named, one_of_if_given
from .filling import where_none
from .generations import Ungenerated
from .resources import name_errors
from .statuses import counts_errors

SOURCES: Final = {
    "Object": ("object", "object"),
    "External": ("external", "external"),
    "Pods": ("pods", "pods"),
    "Resource": ("resource", "resource"),
    "ContainerResource": ("container_resource", "containerResource"),
}
"""By a metric's type: the field that holds it here, and on the wire."""

_TARGETS: Final = ("Utilization", "Value", "AverageValue")
_WINDOW_MAX_S: Final = 3600
_PERIOD_MAX_S: Final = 1800
_ZERO: Final = Quantity("0")
_CPU_80: Final = MetricSpec(
    type="Resource",
    resource=ResourceMetricSource(name="cpu", target=MetricTarget(type="Utilization", average_utilization=80)),
)
_DOWN_POLICIES: Final = (HPAScalingPolicy(type="Percent", value=100, period_seconds=15),)
_UP_POLICIES: Final = (HPAScalingPolicy(type="Pods", value=4, period_seconds=15), *_DOWN_POLICIES)


class AutoscalerStrategy(Ungenerated[HorizontalPodAutoscaler]):
    """HorizontalPodAutoscalers."""

    def default(self, obj: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
        spec = where_none(obj.spec, min_replicas=1)
        if not spec.metrics:
            spec = replace(spec, metrics=(_CPU_80,))
        if spec.behavior is not None:
            behavior = _default_behavior(spec.behavior)
            spec = spec if behavior == spec.behavior else replace(spec, behavior=behavior)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: HorizontalPodAutoscaler) -> list[FieldError]:
        target = _target_version_errors(obj.spec.scale_target_ref, "spec.scaleTargetRef")
        return [*_errors(obj.spec), *target]

    def validate_status_update(self, new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> list[FieldError]:
        return list(counts_errors(new.status, but=("observed_generation",)))

    def validate_update(self, new: HorizontalPodAutoscaler, old: HorizontalPodAutoscaler) -> list[FieldError]:
        was_wrong = list(_target_version_errors(old.spec.scale_target_ref, ""))  # Those stored so may be changed.
        return list(_errors(new.spec)) if was_wrong else self.validate(new)


def _default_behavior(behavior: HorizontalPodAutoscalerBehavior) -> HorizontalPodAutoscalerBehavior:
    """Return how an autoscaler moves: up at once by four pods or twofold, down by as much as it takes."""
    up = where_none(behavior.scale_up or HPAScalingRules(), stabilization_window_seconds=0, select_policy="Max")
    down = where_none(behavior.scale_down or HPAScalingRules(), select_policy="Max")
    return replace(
        behavior,
        scale_up=up if up.policies else replace(up, policies=_UP_POLICIES),
        scale_down=down if down.policies else replace(down, policies=_DOWN_POLICIES),
    )


def _errors(spec: HorizontalPodAutoscalerSpec) -> Errors:
    if spec.min_replicas is not None and spec.min_replicas < 1:
        yield invalid("spec.minReplicas", spec.min_replicas, "must be greater than or equal to 1")
    if spec.max_replicas == 0:
        yield required("spec.maxReplicas", "must be set and greater than 0")
    elif spec.max_replicas < 0:
        yield invalid("spec.maxReplicas", spec.max_replicas, "must be greater than or equal to 1")
    if spec.min_replicas is not None and spec.max_replicas < spec.min_replicas:
        yield invalid("spec.maxReplicas", spec.max_replicas, "must be greater than or equal to `minReplicas`")
    yield from _reference_errors(spec.scale_target_ref, "spec.scaleTargetRef")
    for index, metric in enumerate(spec.metrics):
        yield from _metric_errors(metric, f"spec.metrics[{index}]")
    if spec.behavior is not None:
        for field, rules in (("scaleUp", spec.behavior.scale_up), ("scaleDown", spec.behavior.scale_down)):
            if rules is not None:
                yield from _rules_errors(rules, f"spec.behavior.{field}")


def _reference_errors(reference: CrossVersionObjectReference, path: str) -> Errors:
    version = reference.api_version
    if version.count("/") > 1:
        yield invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    yield from named(f"{path}.kind", reference.kind, names.check_path_segment)
    yield from named(f"{path}.name", reference.name, names.check_path_segment)


def _target_version_errors(target: CrossVersionObjectReference, path: str) -> Errors:
    """Check that the group of what is scaled is told; there is but one kind without."""
    if target.kind != "ReplicationController" and "/" not in target.api_version:
        yield invalid(f"{path}.apiVersion", target.api_version, "apiVersion must specify API group")


def _metric_errors(metric: MetricSpec, path: str) -> Errors:
    if not metric.type:
        yield required(f"{path}.type", "must specify a metric source type")
    if metric.type not in SOURCES:
        yield not_supported(f"{path}.type", metric.type, sorted(SOURCES))
    present = [kind for kind, (field, _) in SOURCES.items() if getattr(metric, field) is not None]
    for kind in present[:1]:
        field, wire = SOURCES[kind]
        yield from _source_errors(kind, getattr(metric, field), f"{path}.{wire}")
    if metric.type in SOURCES and metric.type not in present:
        yield required(f"{path}.{SOURCES[metric.type][1]}", "must populate information for the given metric source")
    for kind in present if len(present) > 1 else ():
        if kind != metric.type:
            yield forbidden_field(f"{path}.{SOURCES[kind][1]}", "must populate the given metric source only")


def _source_errors(kind: str, source: Any, path: str) -> Errors:
    target: MetricTarget = source.target
    here = f"{path}.target"
    if kind in ("Object", "External", "Pods"):
        yield from _identifier_errors(source.metric, f"{path}.metric")
    else:
        yield from _resource_errors(kind, source, path)
    if kind == "Object":
        yield from _reference_errors(source.described_object, f"{path}.describedObject")
    yield from _target_errors(target, here)
    if kind == "Object" and target.value is None and target.average_value is None:
        yield required(f"{here}.averageValue", "must set either a target value or averageValue")
    elif kind == "External":
        if target.value is None and target.average_value is None:
            detail = "must set either a target value for metric or a per-pod target"
            yield required(f"{here}.averageValue", detail)
        elif target.value is not None and target.average_value is not None:
            detail = "may not set both a target value for metric and a per-pod target"
            yield forbidden_field(f"{here}.value", detail)
    elif kind == "Pods" and target.average_value is None:
        yield required(f"{here}.averageValue", "must specify a positive target averageValue")


def _resource_errors(kind: str, source: Any, path: str) -> Errors:
    target: MetricTarget = source.target
    if not source.name:
        yield required(f"{path}.name", "must specify a resource name")
    elif kind == "ContainerResource":
        yield from name_errors(source.name, f"{path}.name")
    if kind == "ContainerResource":
        if not source.container:
            yield required(f"{path}.container", "must specify a container")
        else:
            yield from fits(f"{path}.container", source.container, names.check_dns_label)
    if target.average_utilization is None and target.average_value is None:
        detail = "must set either a target raw value or a target utilization"
        yield required(f"{path}.target.averageUtilization", detail)
    elif target.average_utilization is not None and target.average_value is not None:
        detail = "may not set both a target raw value and a target utilization"
        yield forbidden_field(f"{path}.target.averageValue", detail)


def _identifier_errors(metric: MetricIdentifier, path: str) -> Errors:
    if not metric.name:
        yield required(f"{path}.name", "must specify a metric name")
    else:
        yield from fits(f"{path}.name", metric.name, names.check_path_segment)


def _target_errors(target: MetricTarget, path: str) -> Errors:
    if not target.type:
        yield required(f"{path}.type", "must specify a metric target type")
    if target.type not in _TARGETS:
        yield invalid(f"{path}.type", target.type, "must be either Utilization, Value, or AverageValue")
    for field, amount in (("value", target.value), ("averageValue", target.average_value)):
        if amount is not None and amount <= _ZERO:
            yield invalid(f"{path}.{field}", amount.text, "must be positive")
    if target.average_utilization is not None and target.average_utilization < 1:
        yield invalid(f"{path}.averageUtilization", target.average_utilization, "must be greater than 0")


def _rules_errors(rules: HPAScalingRules, path: str) -> Errors:
    window_s = rules.stabilization_window_seconds
    here = f"{path}.stabilizationWindowSeconds"
    if window_s is not None and window_s < 0:
        yield invalid(here, window_s, "must be greater than or equal to zero")
    elif window_s is not None and window_s > _WINDOW_MAX_S:
        yield invalid(here, window_s, f"must be less than or equal to {_WINDOW_MAX_S}")
    yield from one_of_if_given(f"{path}.selectPolicy", rules.select_policy, ("Disabled", "Max", "Min"))
    if not rules.policies:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for index, policy in enumerate(rules.policies):
        yield from _policy_errors(policy, f"{path}.policies[{index}]")
    if rules.tolerance is not None and rules.tolerance < _ZERO:
        yield invalid(f"{path}.tolerance", rules.tolerance.text, "must be greater than or equal to 0")


def _policy_errors(policy: HPAScalingPolicy, path: str) -> Errors:
    if policy.type not in ("Percent", "Pods"):
        yield not_supported(f"{path}.type", policy.type, ("Percent", "Pods"))
    if policy.value <= 0:
        yield invalid(f"{path}.value", policy.value, "must be greater than zero")
    if policy.period_seconds <= 0:
        yield invalid(f"{path}.periodSeconds", policy.period_seconds, "must be greater than zero")
    elif policy.period_seconds > _PERIOD_MAX_S:
        yield invalid(f"{path}.periodSeconds", policy.period_seconds, f"must be less than or equal to {_PERIOD_MAX_S}")
