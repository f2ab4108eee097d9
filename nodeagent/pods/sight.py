"""See what the runtime has of one pod: by its events where they tell all, by asking where they don't.

Keeps true: of two looks the newer one counts, by the runtime's own time; nothing is asked that is known.
Asks the runtime. Source: docs/pod-lifecycle.md.
"""

import logging

from kube.clock import Clock
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import ContainerEvent, ContainerRecord, PodRecord, with_sandbox

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
        self._ended: dict[str, ContainerRecord] = {}

    def hear(self, event: ContainerEvent) -> None:
        """Hear of an event of the runtime."""
        if event.record is None:
            self.is_stale = True
        elif event.at > self._seen_at:
            self._seen_at = event.at
            self.record = with_sandbox(self.record, event.record)

    def forget(self) -> None:
        """Have everything asked for anew: events may have been missed."""
        self.is_stale = self._must_list = True

    def expect(self, sandbox_id: str) -> None:
        """Hear of a sandbox that was just made."""
        self._new_sandbox = sandbox_id
        self._must_list = bool(self.record.sandboxes)

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
