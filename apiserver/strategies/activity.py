"""The rules of Events and Leases: who did what, and who is alive.

Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources: event-v1, lease-v1
"""

from collections.abc import Mapping
from typing import Final

from apiserver.strategy import Strategy
from kube.api.coordination_v1 import Lease
from kube.api.core_v1 import Event
from kube.errors import FieldError, invalid, required
from kube.kinds import Kind
from kube.names import check_dns_subdomain, check_label_key, check_path_segment

from .checks import Errors, fits, named, not_negative, positive, unchanged

_TYPES: Final = ("Normal", "Warning")
_SHORT_MAX: Final = 128
_NOTE_MAX: Final = 1024
_SERIES_MIN: Final = 2
_REPORTERS: Final = {"": "reportingComponent", "events.k8s.io": "reportingController"}
"""The field that names who reports, by the group of the version."""
_FIXED: Final = {
    "involved_object": "involvedObject",
    "reason": "reason",
    "message": "message",
    "source": "source",
    "first_timestamp": "firstTimestamp",
    "last_timestamp": "lastTimestamp",
    "count": "count",
    "type": "type",
    "event_time": "eventTime",
    "action": "action",
    "related": "related",
    "reporting_component": "reportingController",
    "reporting_instance": "reportingInstance",
}
"""What of an Event doesn't change, as events.k8s.io has it."""


class EventStrategy(Strategy[Event]):
    """Events, in the form that both of their groups share in the store."""

    allow_create_on_update = True

    def check_name(self, name: str) -> list[str]:
        return check_path_segment(name)

    field_names = (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    )

    def validate(self, obj: Event) -> list[FieldError]:
        return list(_event_errors(obj))

    def validate_as(self, kind: Kind, new: Event, old: Event | None) -> list[FieldError]:
        """Events of events.k8s.io are strict: what happened is told once, and its series alone goes on."""
        errors = list(_new_event_errors(new, _REPORTERS[kind.group])) if new.event_time is not None else []
        if not kind.group:
            return errors
        if old is None:
            errors += fits("metadata.name", new.metadata.name, check_dns_subdomain)
        return errors + list(_strict_errors(new) if old is None else _strict_change_errors(new, old))

    def selectable_fields(self, obj: Event) -> Mapping[str, str]:
        involved = obj.involved_object
        return {
            "metadata.name": obj.metadata.name,
            "metadata.namespace": obj.metadata.namespace,
            "involvedObject.kind": involved.kind,
            "involvedObject.namespace": involved.namespace,
            "involvedObject.name": involved.name,
            "involvedObject.uid": involved.uid,
            "involvedObject.apiVersion": involved.api_version,
            "involvedObject.resourceVersion": involved.resource_version,
            "involvedObject.fieldPath": involved.field_path,
            "reason": obj.reason,
            "reportingComponent": obj.reporting_component,
            "source": obj.source.component or obj.reporting_component,
            "type": obj.type,
        }


def _event_errors(event: Event) -> Errors:
    """Check an Event: it lies in the namespace of what it is about, or in default where that has none."""
    about, here = event.involved_object.namespace, event.metadata.namespace
    if about and about != here and event.event_time is None:
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")
    places = ("default",) if event.event_time is None else ("default", "kube-system")
    if not about and here not in places:
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")


def _new_event_errors(event: Event, reporter: str) -> Errors:
    """Check what an Event with a time of its own has to tell. reporter: how its version calls who reports."""
    yield from named(reporter, event.reporting_component, check_label_key)
    for field, text, limit in (
        ("reportingInstance", event.reporting_instance, _SHORT_MAX),
        ("action", event.action, _SHORT_MAX),
        ("reason", event.reason, _SHORT_MAX),
    ):
        if not text:
            yield required(field)
        if len(text.encode()) > limit:
            yield invalid(field, "", f"can have at most {limit} characters")
    if len(event.message.encode()) > _NOTE_MAX:
        yield invalid("message", "", f"can have at most {_NOTE_MAX} characters")


def _strict_errors(event: Event) -> Errors:
    yield from _series_errors(event)
    if event.event_time is None:
        yield required("eventTime")
    if event.type not in _TYPES:
        yield invalid("type", "", f"has invalid value: {event.type}")
    for field, is_set in (
        ("firstTimestamp", event.first_timestamp is not None),
        ("lastTimestamp", event.last_timestamp is not None),
        ("count", event.count),
        ("source", event.source.component or event.source.host),
    ):
        if is_set:
            yield invalid(field, "", "needs to be unset")


def _strict_change_errors(new: Event, old: Event) -> Errors:
    if new.series != old.series:
        yield from _series_errors(new)
    for attribute, field in _FIXED.items():
        yield from unchanged(field, getattr(new, attribute), getattr(old, attribute))


def _series_errors(event: Event) -> Errors:
    if event.series is not None:
        if event.series.count < _SERIES_MIN:
            yield invalid("series.count", "", f"should be at least {_SERIES_MIN}")
        if event.series.last_observed_time is None:
            yield required("series.lastObservedTime")


class LeaseStrategy(Strategy[Lease]):
    """Leases."""

    allow_create_on_update = True
    allow_unconditional_update = False

    def validate(self, obj: Lease) -> list[FieldError]:
        return list(_lease_errors(obj))


def _lease_errors(lease: Lease) -> Errors:
    yield from positive("spec.leaseDurationSeconds", lease.spec.lease_duration_seconds)
    yield from not_negative("spec.leaseTransitions", lease.spec.lease_transitions)
