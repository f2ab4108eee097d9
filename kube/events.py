"""Tell people what happens to objects: Events, which `kubectl describe` shows.

Never in the way: `record` neither waits nor raises; a full queue or an object with too many events drops the newest and
counts what it dropped. The same event again raises the count of the one that is there.
Writes Events through a Client. Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1
"""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from kube.api.core_v1 import Event, EventSource, ObjectReference
from kube.api.meta_v1 import ObjectMeta
from kube.client import Client, ConnectionLost
from kube.clock import Clock, SystemClock
from kube.errors import ApiError
from kube.kinds import Resource
from kube.times import to_time

QUEUE_MAX: Final = 1000
REMEMBERED_MAX: Final = 4096
BURST: Final = 25
REFILL_PER_S: Final = 1 / 300
MESSAGE_MAX: Final = 1024
NAME_MAX: Final = 40
LULL_S: Final = 0.1
LULL_MAX_S: Final = 1.0

_log = logging.getLogger(__name__)


class _Sameness(NamedTuple):
    """What two events share that count as one."""

    kind: str
    namespace: str
    name: str
    uid: str
    field_path: str
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class _Bucket:
    """How many more events one object may have."""

    tokens: float
    filled_s: float


@dataclass(frozen=True, slots=True)
class _Written:
    """Where an event that repeats was written, and how often it has happened."""

    namespace: str
    name: str
    count: int


class EventRecorder:
    """Writes one component's events. `run` must be running for them to leave."""

    def __init__(self, client: Client, component: str, *, host: str = "", clock: Clock | None = None) -> None:
        self.dropped = 0
        self._client = client
        self._component = component
        self._host = host
        self._clock = clock or SystemClock()
        self._queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE_MAX)
        self._written: OrderedDict[_Sameness, _Written] = OrderedDict()
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()

    def record(
        self,
        about: Resource | ObjectReference,
        event_type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        field_path: str = "",
    ) -> None:
        """Say that something happened to an object. field_path: the part of it, "spec.containers{web}"."""
        reference = about if isinstance(about, ObjectReference) else reference_to(about, field_path)
        now = self._clock.now()
        moment = to_time(now)
        event = Event(
            metadata=_event_metadata(reference, now),
            involved_object=reference,
            type=event_type,
            reason=reason,
            message=message[:MESSAGE_MAX],
            count=1,
            first_timestamp=moment,
            last_timestamp=moment,
            source=EventSource(component=self._component, host=self._host),
            reporting_component=self._component,
            reporting_instance=self._host,
        )
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._drop(event, "too many events are waiting")

    async def run(self) -> None:
        """Write what was recorded, for ever."""
        while True:
            event = await self._queue.get()
            await self._lull()
            await self._leave(event)
            while not self._queue.empty():
                await self._leave(self._queue.get_nowait())

    async def _lull(self) -> None:
        """Wait for a moment in which nothing happens: what is told matters more than the telling."""
        until_s = self._clock.monotonic_s() + LULL_MAX_S
        waiting = -1
        while waiting != self._queue.qsize() and self._clock.monotonic_s() < until_s:
            waiting = self._queue.qsize()
            await self._clock.sleep(LULL_S)

    async def _leave(self, event: Event) -> None:
        if not self._may_write(event.involved_object):
            self._drop(event, "the object has too many events")
            return
        try:
            await self._write(event)
        except (ApiError, ConnectionLost) as error:
            self._drop(event, str(error))

    async def _write(self, event: Event) -> None:
        same = _sameness(event)
        before = self._written.pop(same, None)
        if before is not None and await self._write_again(event, same, before):
            return
        stored = await self._client.create(event)
        self._remember(same, _Written(stored.metadata.namespace, stored.metadata.name, 1))

    async def _write_again(self, event: Event, same: _Sameness, before: _Written) -> bool:
        """Raise the count of an event that was written before. Return False where it is gone."""
        change: dict[str, Any] = {"count": before.count + 1, "lastTimestamp": event.last_timestamp}
        try:
            await self._client.patch(Event, before.name, change, namespace=before.namespace)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        self._remember(same, _Written(before.namespace, before.name, before.count + 1))
        return True

    def _remember(self, same: _Sameness, written: _Written) -> None:
        self._written[same] = written
        if len(self._written) > REMEMBERED_MAX:
            self._written.popitem(last=False)

    def _may_write(self, about: ObjectReference) -> bool:
        key = (about.kind, about.namespace, about.name, about.uid)
        now_s = self._clock.monotonic_s()
        bucket = self._buckets.pop(key, None) or _Bucket(BURST, now_s)
        self._buckets[key] = bucket
        if len(self._buckets) > REMEMBERED_MAX:
            self._buckets.popitem(last=False)
        bucket.tokens = min(BURST, bucket.tokens + (now_s - bucket.filled_s) * REFILL_PER_S)
        bucket.filled_s = now_s
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    def _drop(self, event: Event, why: str) -> None:
        self.dropped += 1
        about = event.involved_object
        _log.debug(
            "event dropped (%s): %s %s/%s: %s: %s",
            why,
            about.kind,
            about.namespace,
            about.name,
            event.reason,
            event.message,
        )


def reference_to(obj: Resource, field_path: str = "") -> ObjectReference:
    """Return the reference by which an Event or an Endpoints address names an object."""
    meta = obj.metadata
    return ObjectReference(
        api_version=obj.api_version,
        kind=obj.kind,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resource_version=meta.resource_version,
        field_path=field_path,
    )


def _event_metadata(about: ObjectReference, now: datetime) -> ObjectMeta:
    stamp = int(now.timestamp() * 1_000_000)
    name = about.name[:NAME_MAX].rstrip("-.")  # Neither may end a part of a name.
    return ObjectMeta(generate_name=f"{name}.{stamp:x}.", namespace=about.namespace or "default")


def _sameness(event: Event) -> _Sameness:
    about = event.involved_object
    return _Sameness(
        about.kind,
        about.namespace,
        about.name,
        about.uid,
        about.field_path,
        event.type,
        event.reason,
        event.message,
    )
