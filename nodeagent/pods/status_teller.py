"""Tell one pod's status: when it differs from what was last told, and not in the middle of a step that will pass.

Keeps true: one write at a time; what was told is remembered, and taken back where somebody else has overwritten it.
Writes the pod's status; when is decided in tell(), what in `status.pod_status`.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import Pod, PodCondition, PodIP, PodStatus
from kube.client import ConnectionLost
from kube.errors import ApiError
from nodeagent.pods.failures import OperationFailed
from nodeagent.pods.plan import ending_of
from nodeagent.pods.room import PodRoom
from nodeagent.pods.status import OWN_CONDITIONS, pod_status
from nodeagent.pods.status_writer import write_status
from nodeagent.pods.view import CreateSandbox, PrepareVolumes, StartContainer, View

HOLD: Final = timedelta(milliseconds=500)
"""How long a state that is about to pass is kept to itself, so that one write tells more."""
RETRY_LOST: Final = timedelta(milliseconds=500)
RETRY_REFUSED: Final = timedelta(seconds=2)
NODE_NOT_READY: Final = "NodeNotReady"
"""The reason with which the node's controller says of a lost node's pods that they are not ready."""

_log = logging.getLogger(__name__)


class StatusTeller:
    """Tells the status of one pod. wake: called when a write has ended."""

    def __init__(self, room: PodRoom, pod: Pod, wake: Callable[[], None]) -> None:
        self.told = pod.status
        self._room = room
        self._wake = wake
        self._story = f"pod {pod.metadata.namespace}/{pod.metadata.name}"
        self._ips: tuple[PodIP, ...] = ()
        """What a sandbox had while it stood: it may be gone before the first status is told."""
        self._held_since: datetime | None = None
        self._retry_at: datetime | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()
        self._overwritten: dict[str, PodCondition] = {}

    def heed_overwritten(self, pod: Pod) -> None:
        """Take back what the node's controller has overwritten while the node seemed lost, so that it is told again."""
        self._overwritten = {c.type: c for c in pod.status.conditions if c.reason == NODE_NOT_READY}
        self._take_back()

    def _take_back(self) -> None:
        if self._overwritten:
            conditions = tuple(self._overwritten.get(c.type, c) for c in self.told.conditions)
            self.told = replace(self.told, conditions=conditions)

    def tell(self, view: View, now: datetime) -> datetime | None:
        """Begin to write the status where it differs from what was told; return when to call this again, if at all."""
        sandbox = view.record.sandbox
        if sandbox is not None and sandbox.is_ready and sandbox.ips:
            self._ips = tuple(PodIP(ip=ip) for ip in sandbox.ips)
        if self._task is not None and not self._task.done():
            return None  # Its end wakes the worker.
        if not self._room.uid_in_api(view.pod):
            return None  # Its mirror pod wakes the worker.
        if self._retry_at is not None and self._retry_at > now:
            return self._retry_at
        wanted = self._status(view, now)
        if wanted == replace(self.told, conditions=wanted.conditions) and not self._conditions_differ(wanted):
            self._held_since = None
            return None
        if _is_passing(view, now):
            self._held_since = self._held_since or now
            if now < self._held_since + HOLD:
                return self._held_since + HOLD
        self._held_since = None

        async def job() -> None:
            await self._write(view.pod, wanted)

        self._task = self._room.runner.start(f"{self._story}: status", job)
        return None

    async def tell_last(self, view: Callable[[], View]) -> None:
        """Write what a deleted pod leaves behind, as `view` is once nothing else writes. Raises OperationFailed."""
        async with self._lock:
            seen = view()
            wanted = self._status(seen, self._room.clock.now())
            try:
                await write_status(self._room.client, seen.pod, self._room.uid_in_api(seen.pod), self.told, wanted)
            except ApiError as error:
                if error.code != 404:
                    raise OperationFailed("FailedStatus", str(error)) from error
            except ConnectionLost as error:
                raise OperationFailed("FailedStatus", str(error)) from error
            self.told = wanted

    def _status(self, view: View, now: datetime) -> PodStatus:
        current = view.pod.status
        others = [c for c in current.conditions if c.type not in OWN_CONDITIONS]
        own = [c for c in self.told.conditions if c.type in OWN_CONDITIONS]
        ips = self.told.pod_ips or self._ips
        before = replace(self.told, conditions=(*own, *others), qos_class=current.qos_class, pod_ips=ips)
        return pod_status(view, before, self._room.node, now)

    def _conditions_differ(self, wanted: PodStatus) -> bool:
        told = {c.type: c for c in self.told.conditions if c.type in OWN_CONDITIONS}
        return told != {c.type: c for c in wanted.conditions if c.type in OWN_CONDITIONS}

    async def _write(self, pod: Pod, wanted: PodStatus) -> None:
        async with self._lock:
            self._overwritten = {}
            try:
                await write_status(self._room.client, pod, self._room.uid_in_api(pod), self.told, wanted)
            except ApiError as error:
                if error.code == 404:
                    _log.info("%s: its object is gone: %s", self._story, error)
                    self.told = wanted
                    return
                _log.warning("%s: status refused: %s", self._story, error)
                self._retry_at = self._room.clock.now() + RETRY_REFUSED
            except ConnectionLost:
                self._retry_at = self._room.clock.now() + RETRY_LOST
            else:
                if wanted.phase != self.told.phase:
                    _log.info("%s: %s -> %s %s", self._story, self.told.phase or "none", wanted.phase, wanted.reason)
                self.told = wanted
                self._retry_at = None
                self._take_back()  # News of what came after this write may have been faster than its answer.
        self._wake()


def _is_passing(view: View, now: datetime) -> bool:
    """Say whether the pod is in the middle of a step that will change its status again in a moment."""
    is_starting = any(
        isinstance(action, PrepareVolumes | CreateSandbox | StartContainer) for action in view.busy.values()
    )
    return is_starting and ending_of(view, now) is None
