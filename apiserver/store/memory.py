"""A store in the memory of this process, for tests and for trying things out.

Keeps true: the contract, except that nothing outlives the process. Reads and writes nothing outside itself.
"""

from bisect import bisect_left, bisect_right, insort

from apiserver.store.contract import (
    Batch,
    Compacted,
    Entry,
    Event,
    FutureRevision,
    KeyExists,
    KeyMissing,
    Page,
    RevisionMismatch,
    StoreUnavailable,
    Watch,
    positive,
    prefix_end,
)
from apiserver.store.log import FIRST_REVISION, Log


class MemoryStore:
    """Keys in order, and for each the events that made it what it is."""

    def __init__(self) -> None:
        """Begin empty, at the first revision."""
        self._keys: list[str] = []
        self._past: dict[str, list[Event]] = {}
        self._log = Log(FIRST_REVISION, compact_revision=0, window=None)
        self._is_closed = False

    async def create(self, key: str, value: bytes) -> int:
        """Write a new key."""
        self._refuse_if_closed()
        if (entry := self._live(key)) is not None:
            raise KeyExists(entry)
        return self._append(key, value, None)

    async def update(self, key: str, value: bytes, *, expected_revision: int) -> int:
        """Write a key that is as expected."""
        return self._append(key, value, self._expected(key, positive(expected_revision)))

    async def delete(self, key: str, *, expected_revision: int) -> int:
        """Remove a key that is as expected."""
        return self._append(key, None, self._expected(key, positive(expected_revision)))

    async def get(self, key: str) -> Entry | None:
        """Return what is at `key`."""
        self._refuse_if_closed()
        return self._live(key)

    async def range(self, prefix: str, *, start_after: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Return a page of the state at `revision`."""
        self._refuse_if_closed()
        at = revision or self._log.last_revision
        if at < self._log.compact_revision:
            raise Compacted(self._log.compact_revision, at)
        if at > self._log.last_revision:
            raise FutureRevision(self._log.last_revision, at)
        start = max(bisect_left(self._keys, prefix), bisect_right(self._keys, start_after))
        end = bisect_left(self._keys, prefix_end(prefix))
        found = [entry for key in self._keys[start:end] if (entry := self._live(key, at)) is not None]
        entries = tuple(found[:limit] if limit else found)
        return Page(entries, len(entries) < len(found), len(found), at)

    def watch(self, prefix: str, *, from_revision: int) -> Watch:
        """Return a watch; the log holds all that is not compacted."""
        return self._log.watch(prefix, from_revision, _nothing_older)

    async def current_revision(self) -> int:
        """Return the revision of the last write."""
        self._refuse_if_closed()
        return self._log.last_revision

    async def compact(self, revision: int) -> None:
        """Keep of each key only what the state at `revision` and later needs."""
        self._refuse_if_closed()
        if revision > self._log.last_revision:
            raise FutureRevision(self._log.last_revision, revision)
        self._log.compact(revision)
        for key in list(self._keys):
            self._trim(key, revision)

    async def close(self) -> None:
        """End the watches and refuse what comes later."""
        self._is_closed = True
        self._log.close()

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise StoreUnavailable("memory store: is closed; open a new one")

    def _live(self, key: str, revision: int | None = None) -> Entry | None:
        """Return the entry of `key` as it was at `revision`, or is now."""
        for event in reversed(self._past.get(key, ())):
            if revision is None or event.mod_revision <= revision:
                if event.value is None:
                    return None
                return Entry(key, event.value, event.create_revision, event.mod_revision)
        return None

    def _expected(self, key: str, expected_revision: int) -> Entry:
        self._refuse_if_closed()
        if (entry := self._live(key)) is None:
            raise KeyMissing(key)
        if entry.mod_revision != expected_revision:
            raise RevisionMismatch(entry, expected_revision)
        return entry

    def _append(self, key: str, value: bytes | None, previous: Entry | None) -> int:
        revision = self._log.last_revision + 1
        created = previous.create_revision if previous else revision
        event = Event(key, value, 0 if value is None else created, revision)
        if key not in self._past:
            insort(self._keys, key)
        self._past.setdefault(key, []).append(event)
        self._log.append([event])
        return revision

    def _trim(self, key: str, revision: int) -> None:
        """Drop the events of `key` that no state from `revision` on is made of, and the key with the last of them."""
        past = self._past[key]
        newest = max((event.mod_revision for event in past if event.mod_revision <= revision), default=0)
        kept = [
            event
            for event in past
            if event.mod_revision > revision or (event.mod_revision == newest and event.value is not None)
        ]
        self._past[key] = kept
        if not kept:
            del self._past[key]
            del self._keys[bisect_left(self._keys, key)]


async def _nothing_older(prefix: str, from_revision: int, through_revision: int) -> Batch:
    raise AssertionError(
        f"log: {prefix} from {from_revision} to {through_revision} is in no window; the log lost events"
    )
