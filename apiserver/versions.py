"""The kinds that one stored object is served as.

Events are kept as core/v1 and horizontal pod autoscalers as autoscaling/v2; the other version of each is made from the
kept one when it is asked for, and turned into it when it comes in.
Source: kubernetes.io/docs/reference/kubernetes-api, both versions of each.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from apiserver.autoscaler_versions import new_autoscaler, old_autoscaler
from kube.api import autoscaling_v1, autoscaling_v2, core_v1, events_v1
from kube.kinds import KINDS, Kind, Resource, kind_of
from kube.memo import by_text

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


@by_text(1024)
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


_TO_STORED: Final[Mapping[type, Callable[[Any], Resource]]] = {
    events_v1.Event: _core_event,
    autoscaling_v1.HorizontalPodAutoscaler: new_autoscaler,
}
_TO_SERVED: Final[Mapping[Kind, Callable[[Any], Resource]]] = {
    kind_of(events_v1.Event): _new_event,
    kind_of(autoscaling_v1.HorizontalPodAutoscaler): old_autoscaler,
}
