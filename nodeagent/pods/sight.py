"""See what the runtime has of one pod: by its events where they tell all, by asking where they don't.

Keeps true: of two looks the newer one counts, by the runtime's own time; nothing is asked that is known.
Asks the runtime. Source: docs/pod-lifecycle.md.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from kube.clock import Clock
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import ContainerEvent, ContainerRecord, PodRecord, with_sandbox

EVENT_DUE_S: Final = 0.05
"""How long the event of what has just been done is waited for before the runtime is asked."""

_log = logging.getLogger(__name__)


class Sight:
    """What the runtime has of the pod of one uid. record: as of the newest look or event."""

    def __init__(self, cri: Cri, clock: Clock, uid: str, record: PodRecord) -> None:
        self.record = record
        self.is_stale = bool(record.sandboxes)
        """Whether something happened since the last look that no event has told whole."""
        self._must_list = self.is_stale
        self._cri = cri
        self._clock = clock
        self._uid = uid
        self._seen_at = 0
        self._new_sandbox = ""
        self._heard = asyncio.Event()
        self._ended: dict[str, ContainerRecord] = {}

    def hear(self, event: ContainerEvent) -> None:
        """Hear of an event of the runtime."""
        if event.record is None:
            self.is_stale = True
        elif event.at > self._seen_at:
            self._seen_at = event.at
            self.record = with_sandbox(self.record, event.record)
            self._heard.set()

    def forget(self) -> None:
        """Have everything asked for anew: events may have been missed."""
        self.is_stale = self._must_list = True

    def expect(self, sandbox_id: str) -> None:
        """Hear of a sandbox that was just made."""
        self._new_sandbox = sandbox_id
        self._must_list = any(sandbox.id != sandbox_id for sandbox in self.record.sandboxes)

    async def await_event(self, made: str) -> None:
        """Wait for the event that tells how a sandbox or container came out that was just made to run."""
        if self._must_list or not self._cri.tells_events:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(EVENT_DUE_S):
                while not is_told(self.record, made):
                    self._heard.clear()
                    await self._heard.wait()

    def note_done(self, made: str) -> None:
        """Hear that an operation is over. made: the id of what runs by it, if anything does."""
        self.is_stale = self._must_list or not (made and is_told(self.record, made))

    async def look(self) -> bool:
        """Ask the runtime what it has of the pod; return whether it answered."""
        self.is_stale = False
        try:
            if self._must_list or not await self._look_into_sandbox():
                asked_at = int(self._clock.now().timestamp() * 1e9)
                self.record = await self._cri.pod(self._uid, self._ended)
                self._seen_at = asked_at
                self._must_list = False
        except CriError as error:
            self.is_stale = True
            _log.debug("pod %s: the runtime gives no answer: %s", self._uid, error)
            return False
        return True

    async def _look_into_sandbox(self) -> bool:
        """Ask for all that the one sandbox holds; return False where a list is needed to know."""
        known = [sandbox.id for sandbox in self.record.sandboxes] or [self._new_sandbox]
        if len(known) != 1 or not known[0]:
            return False
        told = await self._cri.pod_in(known[0])
        if told is None:
            return False
        record, at = told
        if at > self._seen_at:
            self.record, self._seen_at = record, at
        return True


def is_told(record: PodRecord, made: str) -> bool:
    """Say whether a record knows how a sandbox or container came out that was made to run."""
    sandbox = record.sandbox
    if sandbox is not None and sandbox.id == made:
        return sandbox.is_ready
    return any(found.id == made and (found.is_running or found.has_ended) for found in record.containers)
