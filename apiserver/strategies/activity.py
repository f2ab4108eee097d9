"""The rules of Events and Leases: who did what, and who is alive.

Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources: event-v1, lease-v1
"""

from collections.abc import Mapping
from typing import Final

from apiserver.strategy import Strategy
from kube.api.coordination_v1 import Lease
from kube.api.core_v1 import Event
from kube.errors import FieldError, invalid

from .checks import Errors, not_negative, positive

_TYPES: Final = ("Normal", "Warning")


class EventStrategy(Strategy[Event]):
    """Events, in the form that both of their groups share in the store."""

    allow_create_on_update = True
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
    if about and about != here:
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")
    if not about and here not in ("default", "kube-system"):
        yield invalid("involvedObject.namespace", about, "does not match event.namespace")
    if event.event_time is not None and event.type and event.type not in _TYPES:
        yield invalid("type", event.type, "has invalid value")


class LeaseStrategy(Strategy[Lease]):
    """Leases."""

    allow_create_on_update = True
    allow_unconditional_update = False

    def validate(self, obj: Lease) -> list[FieldError]:
        return list(_lease_errors(obj))


def _lease_errors(lease: Lease) -> Errors:
    yield from positive("spec.leaseDurationSeconds", lease.spec.lease_duration_seconds)
    yield from not_negative("spec.leaseTransitions", lease.spec.lease_transitions)
