"""Horizontal pod autoscalers as autoscaling/v1, which has no fields for most of what v2 says.

What v1 can't say rides in annotations: other metrics than the share of CPU, what is measured of all, how fast to scale,
and the conditions; each as JSON in the words of v1 (the behavior in those of Go's own type). An annotation that makes
no sense says nothing.
Source: the fields of kubernetes.io/docs/reference/kubernetes-api, both versions; the texts are a real server's.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from msgspec import convert
from msgspec.structs import replace

from kube.api import autoscaling_v1, autoscaling_v2
from kube.codec import DecodeError, decode_plain, encode, from_plain, to_plain

T = TypeVar("T")
Plain = dict[str, Any]

_PREFIX: Final = "autoscaling.alpha.kubernetes.io/"
_METRICS: Final = f"{_PREFIX}metrics"
_MEASURED: Final = f"{_PREFIX}current-metrics"
_CONDITIONS: Final = f"{_PREFIX}conditions"
_BEHAVIOR: Final = f"{_PREFIX}behavior"
_CARRIED: Final = (_METRICS, _MEASURED, _CONDITIONS, _BEHAVIOR)
_FIELDS: Final = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
"""The field of a metric that says more, by its type."""
_RULES: Final = ("StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance")


def old_autoscaler(new: autoscaling_v2.HorizontalPodAutoscaler) -> autoscaling_v1.HorizontalPodAutoscaler:
    """Return the v1 form of an autoscaler."""
    spec, status = new.spec, new.status
    annotations = {key: text for key, text in new.metadata.annotations.items() if key not in _CARRIED}
    annotations |= {key: encode(found).decode() for key, found in _carried(new).items() if found}
    reference = convert(spec.scale_target_ref, autoscaling_v1.CrossVersionObjectReference, from_attributes=True)
    shares = [
        metric.resource.target.average_utilization for metric in spec.metrics if metric.resource and _is_cpu(metric)
    ]
    used = [
        each.resource.current.average_utilization
        for each in status.current_metrics
        if _is_cpu_status(each) and each.resource
    ]
    return autoscaling_v1.HorizontalPodAutoscaler(
        metadata=replace(new.metadata, annotations=annotations),
        spec=autoscaling_v1.HorizontalPodAutoscalerSpec(
            max_replicas=spec.max_replicas,
            min_replicas=spec.min_replicas,
            scale_target_ref=reference,
            target_cpu_utilization_percentage=shares[0] if shares else None,
        ),
        status=autoscaling_v1.HorizontalPodAutoscalerStatus(
            current_cpu_utilization_percentage=used[-1] if used else None,
            current_replicas=status.current_replicas,
            desired_replicas=status.desired_replicas,
            last_scale_time=status.last_scale_time,
            observed_generation=status.observed_generation,
        ),
    )


def new_autoscaler(old: autoscaling_v1.HorizontalPodAutoscaler) -> autoscaling_v2.HorizontalPodAutoscaler:
    """Return the v2 form of an autoscaler."""
    annotations = old.metadata.annotations
    spec, status = old.spec, old.status
    metrics = _read(annotations, _METRICS, tuple[autoscaling_v2.MetricSpec, ...], _each(_new_metric)) or ()
    behavior = _read(annotations, _BEHAVIOR, autoscaling_v2.HorizontalPodAutoscalerBehavior, _new_behavior)
    measured = _read(annotations, _MEASURED, tuple[autoscaling_v2.MetricStatus, ...], _each(_new_measured))
    conditions = tuple[autoscaling_v2.HorizontalPodAutoscalerCondition, ...]
    reference = convert(spec.scale_target_ref, autoscaling_v2.CrossVersionObjectReference, from_attributes=True)
    left = {key: text for key, text in annotations.items() if key not in _CARRIED}
    return autoscaling_v2.HorizontalPodAutoscaler(
        metadata=replace(old.metadata, annotations=left),
        spec=autoscaling_v2.HorizontalPodAutoscalerSpec(
            behavior=behavior if behavior and (behavior.scale_up or behavior.scale_down) else None,
            max_replicas=spec.max_replicas,
            min_replicas=spec.min_replicas,
            metrics=(*metrics, *_cpu_metric(spec.target_cpu_utilization_percentage)),
            scale_target_ref=reference,
        ),
        status=autoscaling_v2.HorizontalPodAutoscalerStatus(
            conditions=_read(annotations, _CONDITIONS, conditions, _as_it_is) or (),
            current_metrics=_cpu_status(status.current_cpu_utilization_percentage) if measured is None else measured,
            current_replicas=status.current_replicas,
            desired_replicas=status.desired_replicas,
            last_scale_time=status.last_scale_time,
            observed_generation=status.observed_generation,
        ),
    )


def _carried(new: autoscaling_v2.HorizontalPodAutoscaler) -> dict[str, Any]:
    """Return what v1 has no fields for, by annotation."""
    others = [metric for metric in new.spec.metrics if not _is_cpu(metric)]
    behavior = new.spec.behavior
    return {
        _METRICS: [_old_metric(to_plain(metric), "target") for metric in others],
        _MEASURED: [_old_metric(to_plain(measured), "current") for measured in new.status.current_metrics],
        _BEHAVIOR: None if behavior is None else _old_behavior(to_plain(behavior)),
        _CONDITIONS: [_in_order(to_plain(told), _CONDITION_ORDER) for told in new.status.conditions],
    }


_CONDITION_ORDER: Final = ("type", "status", "lastTransitionTime", "reason", "message")
_REFERENCE_ORDER: Final = ("kind", "name", "apiVersion")


def _is_cpu(metric: autoscaling_v2.MetricSpec) -> bool:
    """Say whether a metric is the share of the CPU that pods asked for, which v1 has a field for."""
    source = metric.resource
    return source is not None and source.name == "cpu" and source.target.average_utilization is not None


def _is_cpu_status(measured: autoscaling_v2.MetricStatus) -> bool:
    source = measured.resource
    return source is not None and source.name == "cpu" and source.current.average_utilization is not None


def _cpu_metric(percent: int | None) -> tuple[autoscaling_v2.MetricSpec, ...]:
    if percent is None:
        return ()
    target = autoscaling_v2.MetricTarget(type="Utilization", average_utilization=percent)
    source = autoscaling_v2.ResourceMetricSource(name="cpu", target=target)
    return (autoscaling_v2.MetricSpec(type="Resource", resource=source),)


def _cpu_status(percent: int | None) -> tuple[autoscaling_v2.MetricStatus, ...]:
    if percent is None:
        return ()
    current = autoscaling_v2.MetricValueStatus(average_utilization=percent)
    source = autoscaling_v2.ResourceMetricStatus(name="cpu", current=current)
    return (autoscaling_v2.MetricStatus(type="Resource", resource=source),)


def _read(annotations: Mapping[str, str], key: str, wanted: type[T], turned: Callable[[Any], Any]) -> T | None:
    """Return what an annotation carries, None where there is none or it makes no sense."""
    if key not in annotations:
        return None
    try:
        return from_plain(turned(decode_plain(annotations[key])), wanted)
    except (DecodeError, AttributeError, KeyError, TypeError):
        return None


def _as_it_is(found: Any) -> Any:
    return found


def _each(turned: Callable[[Plain], Plain]) -> Callable[[list[Plain]], list[Plain]]:
    return lambda found: [turned(item) for item in found]


def _in_order(found: Plain, order: tuple[str, ...]) -> Plain:
    return {key: found[key] for key in order if key in found}


def _old_metric(metric: Plain, word: str) -> Plain:
    """Return a metric in v1's words. word: "target" of what is wanted, "current" of what is measured."""
    kind = metric["type"]
    source = metric.get(_FIELDS.get(kind, ""), {})
    amounts, identity = source.get(word, {}), source.get("metric", {})
    name, selector = identity.get("name", ""), identity.get("selector")
    value, average = amounts.get("value"), amounts.get("averageValue")
    is_measured = word == "current"
    found: Plain
    match kind:
        case "Resource" | "ContainerResource":
            found = {"name": source["name"], f"{word}AverageUtilization": amounts.get("averageUtilization")}
            found |= {
                f"{word}AverageValue": average or ("0" if is_measured else None),
                "container": source.get("container"),
            }
        case "Pods":
            found = {"metricName": name, f"{word}AverageValue": average or "0", "selector": selector}
        case "Object":
            found = {"target": _in_order(source["describedObject"], _REFERENCE_ORDER), "metricName": name}
            found |= {f"{word}Value": value or "0", "selector": selector, "averageValue": average}
        case _:
            found = {"metricName": name, "metricSelector": selector}
            found |= {f"{word}Value": value or ("0" if is_measured else None), f"{word}AverageValue": average}
    return {"type": kind, _FIELDS.get(kind, "external"): {key: part for key, part in found.items() if part is not None}}


def _new_metric(metric: Plain) -> Plain:
    found = _new_source(metric, "target")
    amounts = found["target"]
    share, average = amounts["averageUtilization"], amounts["averageValue"]
    if share is None and average is not None:
        amounts["value"] = None  # It had to be written in v1, and says nothing.
    amounts["type"] = "Utilization" if share is not None else "AverageValue" if average is not None else "Value"
    return {"type": metric["type"], _FIELDS[metric["type"]]: found}


def _new_measured(metric: Plain) -> Plain:
    return {"type": metric["type"], _FIELDS[metric["type"]]: _new_source(metric, "current")}


def _new_source(metric: Plain, word: str) -> Plain:
    """Return what a metric of v1 says in v2's words, with null for what it doesn't say."""
    source = metric[_FIELDS[metric["type"]]]
    amounts = {
        "value": source.get(f"{word}Value"),
        "averageValue": source.get("averageValue", source.get(f"{word}AverageValue")),
        "averageUtilization": source.get(f"{word}AverageUtilization"),
    }
    if metric["type"] in ("Resource", "ContainerResource"):
        return {"name": source["name"], "container": source.get("container"), word: amounts}
    selector = source.get("selector", source.get("metricSelector"))
    identity = {"name": source["metricName"], "selector": selector}
    return {"describedObject": source.get("target"), "metric": identity, word: amounts}


def _old_behavior(behavior: Plain) -> Plain:
    return {
        "ScaleUp": _old_rules(behavior.get("scaleUp")),
        "ScaleDown": _old_rules(behavior.get("scaleDown")),
    }


def _old_rules(rules: Plain | None) -> Plain | None:
    if rules is None:
        return None
    told = {_go_name(key): part for key, part in rules.items()}
    policies = told.get("Policies")
    if policies is not None:
        order = ("Type", "Value", "PeriodSeconds")
        told["Policies"] = [_in_order({_go_name(key): part for key, part in each.items()}, order) for each in policies]
    return {key: told.get(key) for key in _RULES}


def _new_behavior(behavior: Any) -> Any:
    """Return a behavior with the names of v2's fields, whatever case their first letters have."""
    if isinstance(behavior, dict):
        return {f"{key[:1].lower()}{key[1:]}": _new_behavior(part) for key, part in behavior.items()}
    return [_new_behavior(part) for part in behavior] if isinstance(behavior, list) else behavior


def _go_name(key: str) -> str:
    return f"{key[:1].upper()}{key[1:]}"
