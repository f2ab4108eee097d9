"""The pods that wait for a node: to be tried now, after a pause, or after an event that could help.

    active         to be tried, highest priority first, then oldest
    backing off    failed and may be tried again when its pause is over; the pause doubles from 1 s to 10 s
    unschedulable  no node fits; waits for an event that a filter which objected names in HELPED_BY

A pod is in one of the three, or nowhere. Time comes in as seconds on a clock that only grows; nothing here waits.
Source: the scheduling queue of kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework, KEP-4247.
"""

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kube.api.core_v1 import Pod
from scheduler.filters import HELPED_BY, ClusterEvent, Filter

PAUSE_FIRST_S: Final = 1.0
PAUSE_MAX_S: Final = 10.0
UNSCHEDULABLE_MAX_S: Final = 300.0
"""After this long a pod is tried again even if nothing seemed to help, as Kubernetes does."""


class Where(Enum):
    """In which part of the queue a pod is."""

    ACTIVE = "active"
    BACKING_OFF = "backing off"
    UNSCHEDULABLE = "unschedulable"


@dataclass(eq=False, slots=True)
class Waiting:
    """One pod that waits. turn: grows with every move, so that old heap entries are known to be void."""

    pod: Pod
    where: Where
    turn: int
    attempts: int = 0
    failed_at_s: float = 0.0
    helped_by: frozenset[ClusterEvent] = frozenset()


class SchedulingQueue:
    """Keeps the waiting pods by uid."""

    def __init__(self) -> None:
        self._pods: dict[str, Waiting] = {}
        self._stuck: set[str] = set()
        """The uids of the unschedulable ones, so that an event costs nothing where there are none."""
        self._active: list[tuple[int, str, int, str]] = []
        self._timed: list[tuple[float, int, str]] = []
        self._turn = 0

    def __len__(self) -> int:
        return len(self._pods)

    def where(self, uid: str) -> Where | None:
        """Return in which part a pod is, None where it is in none."""
        entry = self._pods.get(uid)
        return entry.where if entry else None

    def put(self, pod: Pod) -> None:
        """Let a new pod, or one whose spec changed, be tried."""
        entry = self._pods.get(pod.metadata.uid)
        if entry is None:
            entry = self._pods[pod.metadata.uid] = Waiting(pod, Where.ACTIVE, 0)
        entry.pod = pod
        self._activate(entry)

    def refresh(self, pod: Pod) -> None:
        """Take over a change of a pod that doesn't bear on where it can go."""
        entry = self._pods.get(pod.metadata.uid)
        if entry is not None:
            entry.pod = pod

    def remove(self, uid: str) -> None:
        """Forget a pod that is gone or has a node."""
        self._pods.pop(uid, None)
        self._stuck.discard(uid)

    def pop(self) -> Waiting | None:
        """Take the next pod to be tried out of the queue, None where there is none. Give it back by `fail`, or not."""
        while self._active:
            _, _, turn, uid = heapq.heappop(self._active)
            entry = self._pods.get(uid)
            if entry is not None and entry.turn == turn and entry.where is Where.ACTIVE:
                del self._pods[uid]
                entry.attempts += 1
                return entry
        return None

    def fail(self, entry: Waiting, now_s: float, filters: Iterable[Filter] | None) -> None:
        """Put back a pod that got no node. filters: who objected; None where it failed for another reason."""
        entry.failed_at_s = now_s
        self._pods[entry.pod.metadata.uid] = entry
        if filters is None:
            self._pause(entry)
            return
        entry.helped_by = frozenset(event for who in filters for event in HELPED_BY[who])
        self._wait(entry, Where.UNSCHEDULABLE, now_s + UNSCHEDULABLE_MAX_S)

    def hear(self, events: Iterable[ClusterEvent], now_s: float) -> None:
        """Let those unschedulable pods be tried again which one of `events` could help."""
        happened = frozenset(events)
        for uid in [uid for uid in self._stuck if self._pods[uid].helped_by & happened]:
            self._retry(self._pods[uid], now_s)

    def tick(self, now_s: float) -> None:
        """Let those pods be tried again whose time has come."""
        while self._timed and self._timed[0][0] <= now_s:
            _, turn, uid = heapq.heappop(self._timed)
            entry = self._pods.get(uid)
            if entry is not None and entry.turn == turn:
                self._activate(entry)

    def next_tick_s(self) -> float | None:
        """Return when `tick` is due next, None where nothing waits for time."""
        while self._timed:
            due_s, turn, uid = self._timed[0]
            entry = self._pods.get(uid)
            if entry is not None and entry.turn == turn:
                return due_s
            heapq.heappop(self._timed)
        return None

    def waiting(self) -> Sequence[Pod]:
        """Return all pods in the queue, in no order."""
        return [entry.pod for entry in self._pods.values()]

    def _retry(self, entry: Waiting, now_s: float) -> None:
        if entry.failed_at_s + _pause_s(entry.attempts) > now_s:
            self._pause(entry)
        else:
            self._activate(entry)

    def _pause(self, entry: Waiting) -> None:
        self._wait(entry, Where.BACKING_OFF, entry.failed_at_s + _pause_s(entry.attempts))

    def _activate(self, entry: Waiting) -> None:
        self._move(entry, Where.ACTIVE)
        created = entry.pod.metadata.creation_timestamp or ""
        heapq.heappush(self._active, (-(entry.pod.spec.priority or 0), created, self._turn, entry.pod.metadata.uid))

    def _wait(self, entry: Waiting, where: Where, until_s: float) -> None:
        self._move(entry, where)
        heapq.heappush(self._timed, (until_s, self._turn, entry.pod.metadata.uid))

    def _move(self, entry: Waiting, where: Where) -> None:
        self._turn += 1
        entry.turn = self._turn
        entry.where = where
        if where is Where.UNSCHEDULABLE:
            self._stuck.add(entry.pod.metadata.uid)
        else:
            self._stuck.discard(entry.pod.metadata.uid)


def _pause_s(attempts: int) -> float:
    if attempts == 0:
        return 0.0
    return min(PAUSE_MAX_S, PAUSE_FIRST_S * 2.0 ** min(attempts - 1, 10))
