"""A queue of keys to look at: each key waits once, and is worked on by one worker at a time.

A key added while it is being worked on comes back when that work is done, so no change is missed and none is worked on
twice at once. The queue holds at most as many entries as there are objects.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from kube.clock import Clock, SystemClock

K = TypeVar("K", bound=Hashable)

FIRST_RETRY_S: Final = 0.005
LONGEST_RETRY_S: Final = 60.0


class WorkQueue(Generic[K]):
    """Keys in the order in which they were first added. `run` must be running for delays and retries to end."""

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        first_retry_s: float = FIRST_RETRY_S,
        longest_retry_s: float = LONGEST_RETRY_S,
    ) -> None:
        self._clock = clock or SystemClock()
        self._first_retry_s = first_retry_s
        self._longest_retry_s = longest_retry_s
        self._ready: deque[K] = deque()
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._failures: dict[K, int] = {}
        self._due: dict[K, float] = {}
        self._delayed: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._takers: deque[asyncio.Future[None]] = deque()
        self._sooner = asyncio.Event()

    def __len__(self) -> int:
        """Return how many keys are ready to be taken."""
        return len(self._ready)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is ready, worked on or delayed."""
        return not (self._waiting or self._working or self._due)

    def add(self, key: K) -> None:
        """Have `key` looked at as soon as a worker is free. What was delayed for it remains."""
        if key in self._waiting:
            return
        self._waiting.add(key)
        if key not in self._working:
            self._make_ready(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Have `key` looked at in `delay_s` seconds, or sooner where that was already asked for."""
        if delay_s <= 0:
            self.add(key)
            return
        due = self._clock.monotonic_s() + delay_s
        if self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._sequence += 1
        heapq.heappush(self._delayed, (due, self._sequence, key))
        if self._delayed[0][2] == key:
            self._sooner.set()

    def retry(self, key: K) -> float:
        """Have `key` looked at again after a time that doubles with each failure. Return that time in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay_s: float = min(self._first_retry_s * 2.0 ** min(failures, 40), self._longest_retry_s)
        self.add_after(key, delay_s)
        return delay_s

    def forget(self, key: K) -> None:
        """Count the failures of `key` from zero again."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Return how often in a row `key` has failed."""
        return self._failures.get(key, 0)

    async def take(self) -> K:
        """Wait for a key and return it. It is the taker's until `done`."""
        while not self._ready:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._takers.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled():
                    self._wake_one()
                raise
        key = self._ready.popleft()
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Give back a key that was taken; it is ready again if it was added meanwhile."""
        self._working.discard(key)
        if key in self._waiting:
            self._make_ready(key)

    async def run(self) -> None:
        """Make delayed keys ready when they are due, for ever."""
        while True:
            self._sooner.clear()
            wait_s = self._promote_due()
            if wait_s is None:
                await self._sooner.wait()
            else:
                await _sleep_unless(self._clock, wait_s, self._sooner)

    def _promote_due(self) -> float | None:
        """Make ready what is due. Return the seconds until the next key is, None where none is delayed."""
        now = self._clock.monotonic_s()
        while self._delayed:
            due, _, key = self._delayed[0]
            is_current = self._due.get(key) == due
            if is_current and due > now:
                return due - now
            heapq.heappop(self._delayed)
            if is_current:
                del self._due[key]
                self.add(key)
        return None

    def _make_ready(self, key: K) -> None:
        self._ready.append(key)
        self._wake_one()

    def _wake_one(self) -> None:
        while self._takers:
            waiter = self._takers.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return


async def _sleep_unless(clock: Clock, seconds: float, event: asyncio.Event) -> None:
    """Return when `seconds` have passed or the event is set, whichever is first."""
    async with asyncio.TaskGroup() as group:
        tasks = (group.create_task(clock.sleep(seconds)), group.create_task(event.wait()))
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
