"""The recent past of a store in this process, and the watches that read it.

Keeps true: the events lie here by revision without a gap, from `first_revision` to `last_revision`; a watch reads them
by position, so that a slow reader costs no memory and never misses, repeats or splits anything. What is older than the
window is asked of the store (`read_older`). Reads and writes nothing else; lives on one event loop.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from apiserver.store.contract import Batch, Compacted, Event

BATCH_MAX = 1000  # Events looked at for one batch: keeps each step of a reader that catches up short.
FIRST_REVISION = 1  # Of a store in which nothing was ever written.

ReadOlder = Callable[[str, int, int], Awaitable[Batch]]
"""Return the batch of (prefix, from revision, through revision), or a shorter one, out of the store's history."""


class Log:
    """Events by revision, newest at the end; each write is one revision and one event."""

    def __init__(self, last_revision: int, compact_revision: int, window: int | None) -> None:
        """window: how many events to keep at least, at most twice as many; None for all that are not compacted."""
        self.last_revision = last_revision
        self.compact_revision = compact_revision
        self._window = window
        self._events: list[Event] = []
        self._idle: dict[LogWatch, None] = {}
        self._open: dict[LogWatch, None] = {}

    @property
    def first_revision(self) -> int:
        """The revision of the oldest event in the window; one past the last where there is none."""
        return self.last_revision + 1 - len(self._events)

    def append(self, events: Sequence[Event]) -> None:
        """Add the next events, in order, and wake the watches that they concern."""
        self._events.extend(events)
        self.last_revision += len(events)
        if self._window is not None and len(self._events) > 2 * self._window:
            del self._events[: -self._window]
        keys = [event.key for event in events]
        for watch in list(self._idle):
            watch.hear(keys, self.last_revision)

    def compact(self, revision: int) -> None:
        """Forget the events up to `revision`; watches that have not read them end with Compacted."""
        self.compact_revision = max(self.compact_revision, revision)
        del self._events[: max(0, self.compact_revision + 1 - self.first_revision)]

    def read(self, prefix: str, from_revision: int) -> Batch:
        """Return the events of `prefix` among the next BATCH_MAX from `from_revision`, which is in the window."""
        skip = from_revision - self.first_revision
        seen = self._events[skip : skip + BATCH_MAX]
        return Batch(from_revision + len(seen) - 1, tuple(event for event in seen if event.key.startswith(prefix)))

    def watch(self, prefix: str, from_revision: int, read_older: ReadOlder) -> "LogWatch":
        """Return a watch that starts at `from_revision`."""
        watch = LogWatch(self, prefix, from_revision, read_older)
        self._open[watch] = None
        return watch

    def close(self) -> None:
        """End every watch."""
        for watch in list(self._open):
            watch.end()

    def sleep(self, watch: "LogWatch") -> None:
        """Count a watch among those that wait for an event."""
        self._idle[watch] = None

    def rise(self, watch: "LogWatch") -> None:
        """Count a watch among those that are busy."""
        self._idle.pop(watch, None)

    def forget(self, watch: "LogWatch") -> None:
        """Count a watch no more."""
        self._open.pop(watch, None)
        self._idle.pop(watch, None)


class LogWatch:
    """A watch over a Log: a position in it, and an alarm clock."""

    def __init__(self, log: Log, prefix: str, from_revision: int, read_older: ReadOlder) -> None:
        """from_revision: the first one to give."""
        self._log = log
        self._prefix = prefix
        self._next_revision = max(from_revision, FIRST_REVISION + 1)
        self._read_older = read_older
        self._progress_due = False
        self._ended = False
        self._alarm = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        """Whether it has not ended: the store is in this process."""
        return not self._ended

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Batch:
        """Return the next batch that has events or answers a request for progress."""
        while not self._ended:
            batch = await self._read()
            self._next_revision = max(self._next_revision, batch.revision + 1)
            is_at_end = self._next_revision > self._log.last_revision
            is_mark = is_at_end and self._progress_due
            if batch.events or is_mark:
                self._progress_due &= not is_at_end
                return batch
            if is_at_end:
                await self._sleep()
        raise StopAsyncIteration

    async def request_progress(self) -> None:
        """Make the next batch come even if it is empty."""
        self._progress_due = True
        self._alarm.set()

    async def aclose(self) -> None:
        """End the watch."""
        self.end()

    def end(self) -> None:
        """End the watch from outside: its reader leaves the loop."""
        self._ended = True
        self._alarm.set()
        self._log.forget(self)

    def hear(self, keys: list[str], last_revision: int) -> None:
        """Wake up if a key is of interest; else step over the events, which this watch has no use for."""
        if any(key.startswith(self._prefix) for key in keys):
            self._alarm.set()
            self._log.rise(self)
        else:
            self._next_revision = max(self._next_revision, last_revision + 1)

    async def _read(self) -> Batch:
        log, start = self._log, self._next_revision
        if start <= log.compact_revision:
            raise Compacted(log.compact_revision, start)
        if start > log.last_revision:
            return Batch(log.last_revision, ())
        if start >= log.first_revision:
            return log.read(self._prefix, start)
        return await self._read_older(self._prefix, start, log.last_revision)

    async def _sleep(self) -> None:
        self._log.sleep(self)
        try:
            await self._alarm.wait()
        finally:
            self._log.rise(self)
            self._alarm.clear()
