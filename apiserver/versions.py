"""The kinds that one stored object is served as.

Events are kept as core/v1 and horizontal pod autoscalers as autoscaling/v2; the other version of each is made from the
kept one when it is asked for, and turned into it when it comes in.
Source: kubernetes.io/docs/reference/kubernetes-api, both versions of each.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import convert
from msgspec.structs import replace

from kube.api import autoscaling_v1, autoscaling_v2, core_v1, events_v1
from kube.codec import decode, encode
from kube.kinds import KINDS, Kind, Resource, kind_of

_STORED_AS: Final[Mapping[Kind, Kind]] = {
    kind_of(events_v1.Event): kind_of(core_v1.Event),
    kind_of(autoscaling_v1.HorizontalPodAutoscaler): kind_of(autoscaling_v2.HorizontalPodAutoscaler),
}


def stored_kind(kind: Kind) -> Kind:
    """Return the kind whose objects are kept for `kind`: itself, for all but a few."""
    return _STORED_AS.get(kind, kind)


def to_stored(obj: Resource) -> Resource:
    """Return the object in the version that is kept."""
    turn = _TO_STORED.get(type(obj))
    return turn(obj) if turn else obj


def as_served(obj: Resource, kind: Kind) -> Resource:
    """Return a kept object in the version `kind`."""
    turn = _TO_SERVED.get(kind)
    return turn(obj) if turn else obj


def in_version(obj: Resource, api_version: str) -> Resource | None:
    """Return an object in another apiVersion, None where it isn't served in that."""
    if obj.api_version == api_version:
        return obj
    stored = to_stored(obj)
    kind = _kind_at(kind_of(type(stored)), api_version)
    return as_served(stored, kind) if kind else None


@lru_cache(maxsize=1024)
def _kind_at(stored: Kind, api_version: str) -> Kind | None:
    return next((kind for kind in KINDS if kind.api_version == api_version and stored_kind(kind) == stored), None)


def _core_event(event: events_v1.Event) -> core_v1.Event:
    return core_v1.Event(
        metadata=event.metadata,
        action=event.action,
        count=event.deprecated_count,
        event_time=event.event_time,
        first_timestamp=event.deprecated_first_timestamp,
        last_timestamp=event.deprecated_last_timestamp,
        source=event.deprecated_source,
        involved_object=event.regarding,
        message=event.note,
        reason=event.reason,
        related=event.related,
        reporting_component=event.reporting_controller,
        reporting_instance=event.reporting_instance,
        series=core_v1.EventSeries(count=event.series.count, last_observed_time=event.series.last_observed_time)
        if event.series
        else None,
        type=event.type,
    )


def _new_event(event: core_v1.Event) -> events_v1.Event:
    return events_v1.Event(
        metadata=event.metadata,
        action=event.action,
        deprecated_count=event.count,
        event_time=event.event_time,
        deprecated_first_timestamp=event.first_timestamp,
        deprecated_last_timestamp=event.last_timestamp,
        deprecated_source=event.source,
        regarding=event.involved_object,
        note=event.message,
        reason=event.reason,
        related=event.related,
        reporting_controller=event.reporting_component,
        reporting_instance=event.reporting_instance,
        series=events_v1.EventSeries(count=event.series.count, last_observed_time=event.series.last_observed_time)
        if event.series
        else None,
        type=event.type,
    )


_METRICS: Final = "autoscaling.alpha.kubernetes.io/metrics"
_BEHAVIOR: Final = "autoscaling.alpha.kubernetes.io/behavior"


def _is_cpu(metric: autoscaling_v2.MetricSpec) -> bool:
    source = metric.resource
    return source is not None and source.name == "cpu" and source.target.average_utilization is not None


def _new_autoscaler(old: autoscaling_v1.HorizontalPodAutoscaler) -> autoscaling_v2.HorizontalPodAutoscaler:
    """Return the v2 form; what v1 has no fields for rides in two annotations."""
    annotations = dict(old.metadata.annotations)
    metrics = decode(annotations.pop(_METRICS, "[]"), tuple[autoscaling_v2.MetricSpec, ...])
    behavior = annotations.pop(_BEHAVIOR, "")
    percent = old.spec.target_cpu_utilization_percentage
    if percent is not None:
        target = autoscaling_v2.MetricTarget(type="Utilization", average_utilization=percent)
        source = autoscaling_v2.ResourceMetricSource(name="cpu", target=target)
        metrics = (*metrics, autoscaling_v2.MetricSpec(type="Resource", resource=source))
    return autoscaling_v2.HorizontalPodAutoscaler(
        metadata=replace(old.metadata, annotations=annotations),
        spec=autoscaling_v2.HorizontalPodAutoscalerSpec(
            behavior=decode(behavior, autoscaling_v2.HorizontalPodAutoscalerBehavior) if behavior else None,
            max_replicas=old.spec.max_replicas,
            min_replicas=old.spec.min_replicas,
            metrics=metrics,
            scale_target_ref=convert(
                old.spec.scale_target_ref, autoscaling_v2.CrossVersionObjectReference, from_attributes=True
            ),
        ),
        status=autoscaling_v2.HorizontalPodAutoscalerStatus(
            current_replicas=old.status.current_replicas,
            desired_replicas=old.status.desired_replicas,
            last_scale_time=old.status.last_scale_time,
            observed_generation=old.status.observed_generation,
        ),
    )


def _old_autoscaler(new: autoscaling_v2.HorizontalPodAutoscaler) -> autoscaling_v1.HorizontalPodAutoscaler:
    """Return the v1 form; see `_new_autoscaler` for the annotations."""
    annotations = dict(new.metadata.annotations)
    cpu = next((metric for metric in new.spec.metrics if _is_cpu(metric)), None)
    others = tuple(metric for metric in new.spec.metrics if metric is not cpu)
    if others:
        annotations[_METRICS] = encode(others).decode()
    if new.spec.behavior is not None:
        annotations[_BEHAVIOR] = encode(new.spec.behavior).decode()
    percent = cpu.resource.target.average_utilization if cpu and cpu.resource else None
    return autoscaling_v1.HorizontalPodAutoscaler(
        metadata=replace(new.metadata, annotations=annotations),
        spec=autoscaling_v1.HorizontalPodAutoscalerSpec(
            max_replicas=new.spec.max_replicas,
            min_replicas=new.spec.min_replicas,
            scale_target_ref=convert(
                new.spec.scale_target_ref, autoscaling_v1.CrossVersionObjectReference, from_attributes=True
            ),
            target_cpu_utilization_percentage=percent,
        ),
        status=autoscaling_v1.HorizontalPodAutoscalerStatus(
            current_replicas=new.status.current_replicas,
            desired_replicas=new.status.desired_replicas,
            last_scale_time=new.status.last_scale_time,
            observed_generation=new.status.observed_generation,
        ),
    )


_TO_STORED: Final[Mapping[type, Callable[[Any], Resource]]] = {
    events_v1.Event: _core_event,
    autoscaling_v1.HorizontalPodAutoscaler: _new_autoscaler,
}
_TO_SERVED: Final[Mapping[Kind, Callable[[Any], Resource]]] = {
    kind_of(events_v1.Event): _new_event,
    kind_of(autoscaling_v1.HorizontalPodAutoscaler): _old_autoscaler,
}
