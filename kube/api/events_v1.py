"""The types of events.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from kube.api.core_v1 import EventSource, ObjectReference
from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import Object, always
from kube.api.scalars import Int32, MicroTime, Time


class EventSeries(Object, frozen=True):
    """How often an event has repeated and when it was last seen."""

    count: Int32 = always(0)
    last_observed_time: MicroTime | None = always(None)


class Event(Object, frozen=True):
    """A report of something that happened to an object."""

    api_version: str = always("events.k8s.io/v1")
    kind: str = always("Event")
    action: str = ""
    deprecated_count: Int32 = 0
    deprecated_first_timestamp: Time | None = always(None)
    deprecated_last_timestamp: Time | None = always(None)
    deprecated_source: EventSource = always(EventSource())
    event_time: MicroTime | None = always(None)
    metadata: ObjectMeta = always(ObjectMeta())
    note: str = ""
    reason: str = ""
    regarding: ObjectReference = always(ObjectReference())
    related: ObjectReference | None = None
    reporting_controller: str = ""
    reporting_instance: str = ""
    series: EventSeries | None = None
    type: str = ""


class EventList(Object, frozen=True):
    """A list of events."""

    api_version: str = always("events.k8s.io/v1")
    kind: str = always("EventList")
    items: tuple[Event, ...] = always(())
    metadata: ListMeta = always(ListMeta())
