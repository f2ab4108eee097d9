"""What a store promises: keys to bytes with revisions, as etcd v3 has them.

Keeps true, in every implementation:

* One revision counts all writes. An empty store is at revision 1; each write adds one; a revision is never used twice,
  restarts included.
* An answer to a write means that the write is durable. Reads and `current_revision` see every write answered before.
* Writes to one key happen only from the state that the writer named, so of several racing writers one wins.
* A watch gives every event of its prefix once, in the order of revisions, and never part of a revision.
* `compact(R)` forgets how things came to be up to R: the state at R and every later one can still be read, and a watch
  can still start at R + 1.

Keys hold no NUL character. So "range, then watch from `page.revision + 1`" misses nothing.
Source: etcd.io/docs/v3.5/learning/api_guarantees
"""

from typing import Protocol, Self

import msgspec


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A key with its value: created at `create_revision`, last written at `mod_revision`."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """One change: `value` is None, and create_revision 0, for a deletion. What was there before it doesn't tell."""

    key: str
    value: bytes | None
    create_revision: int
    mod_revision: int


class Batch(msgspec.Struct, frozen=True, gc=False):
    """What a watch gives: with it, every event of the prefix up to `revision` has been seen.

    events: in the order of their revisions, all of them past the batch before; empty for a mark of progress.
    """

    revision: int
    events: tuple[Event, ...]


class Page(msgspec.Struct, frozen=True, gc=False):
    """A part of a range, all of it as it was at `revision`.

    entries: in the order of their keys. more: some follow. count: how many there are, here and after.
    """

    entries: tuple[Entry, ...]
    more: bool
    count: int
    revision: int


class Watch(Protocol):
    """A running watch, read by one task; it ends when it or its store is closed.

    Iterating raises Compacted when what is next to read has been forgotten, StoreUnavailable when the store is lost for
    good. An implementation that can reconnect does so without a word.
    """

    @property
    def is_connected(self) -> bool:
        """Whether what happens in the store arrives here, as far as is known."""

    def __aiter__(self) -> Self:
        """Return itself."""

    async def __anext__(self) -> Batch:
        """Return the next batch: one that has events, or that answers a request for progress."""

    async def request_progress(self) -> None:
        """Ask that a batch comes, empty if need be, whose revision is at least the store's current one.

        This is how a reader of several stores' worth of writers learns that it has seen everything: nothing else makes
        the revision of a quiet watch advance. Requests that meet are answered by one batch.
        """

    async def aclose(self) -> None:
        """End the watch and let go of what it holds."""


class Store(Protocol):
    """Where the API server keeps objects. Every method may raise StoreUnavailable."""

    async def create(self, key: str, value: bytes) -> int:
        """Write a key that isn't there and return the revision; raise KeyExists."""

    async def update(self, key: str, value: bytes, *, expected_revision: int) -> int:
        """Write a key that is at the expected mod_revision, return the new one; raise KeyMissing, RevisionMismatch."""

    async def delete(self, key: str, *, expected_revision: int) -> int:
        """Remove a key that is at the expected mod_revision, return the new one; raise KeyMissing, RevisionMismatch."""

    async def get(self, key: str) -> Entry | None:
        """Return what is at `key` now."""

    async def range(self, prefix: str, *, start_after: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Return the entries whose keys start with `prefix` and come after `start_after`, as they were at `revision`.

        limit: at most so many; 0 for all. revision: 0 for now. Raises Compacted, FutureRevision.
        """

    def watch(self, prefix: str, *, from_revision: int) -> Watch:
        """Return a watch of the keys that start with `prefix`; its first event is at `from_revision` or later.

        from_revision: 1 or more; may lie ahead of the store. Compacted is raised by the iteration.
        """

    async def current_revision(self) -> int:
        """Return a revision at least that of every write answered before, by any client of this data."""

    async def compact(self, revision: int) -> None:
        """Forget the past up to `revision`; do nothing where that has happened. Raises FutureRevision."""

    async def close(self) -> None:
        """End the watches and let go of files and connections; writes under way are finished or refused first."""


class StoreError(Exception):
    """What a store refuses or cannot do."""


class KeyExists(StoreError):  # noqa: N818 - this and the next are answers, not faults.
    """A creation met `entry`."""

    def __init__(self, entry: Entry) -> None:
        """entry: what is there."""
        super().__init__(f"{entry.key}: exists since revision {entry.create_revision}; update it, or delete it first")
        self.entry = entry


class KeyMissing(StoreError):  # noqa: N818
    """An update or deletion found nothing at `key`."""

    def __init__(self, key: str) -> None:
        """key: where nothing is."""
        super().__init__(f"{key}: nothing is there; create it")
        self.key = key


class RevisionMismatch(StoreError):  # noqa: N818
    """An update or deletion found `entry`, of another revision than it expected."""

    def __init__(self, entry: Entry, expected_revision: int) -> None:
        """entry: what is there now."""
        found = f"is at revision {entry.mod_revision}, expected {expected_revision}"
        super().__init__(f"{entry.key}: {found}; read it again and apply the change to that")
        self.entry = entry
        self.expected_revision = expected_revision


class Compacted(StoreError):  # noqa: N818
    """What was asked for lies at or before `compact_revision` and has been forgotten."""

    def __init__(self, compact_revision: int, asked_revision: int) -> None:
        """compact_revision: the oldest one whose state can still be read."""
        found = f"revision {asked_revision} is forgotten, the past up to {compact_revision} was compacted"
        super().__init__(f"store: {found}; read the present state and go on from its revision")
        self.compact_revision = compact_revision
        self.asked_revision = asked_revision


class FutureRevision(StoreError):  # noqa: N818
    """What was asked for lies after `current_revision`."""

    def __init__(self, current_revision: int, asked_revision: int) -> None:
        """current_revision: the newest one there is."""
        super().__init__(
            f"store: revision {asked_revision} is not there yet, {current_revision} is; wait, or ask for that"
        )
        self.current_revision = current_revision
        self.asked_revision = asked_revision


class ValueTooLarge(StoreError):  # noqa: N818
    """The store does not take a value of this size."""


class StoreUnavailable(StoreError):  # noqa: N818
    """The store cannot be reached or used now. The message says what was found and what would do.

    is_uncertain: the write that met this may or may not have happened; read before trying again.
    """

    def __init__(self, message: str, *, is_uncertain: bool = False) -> None:
        """message: "where: what was found; what would do"."""
        super().__init__(message)
        self.is_uncertain = is_uncertain


def prefix_end(prefix: str) -> str:
    """Return the first key, in the order of their bytes, after all those that start with `prefix`.

    prefix: ends in an ASCII character below 0x7f, as `/` is.
    """
    if not prefix or not "\0" <= prefix[-1] < "\x7f":
        raise ValueError(f"prefix {prefix!r}: must end in an ASCII character; use one that ends in '/'")
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


def positive(expected_revision: int) -> int:
    """Return the revision that an update or a deletion expects; raise ValueError for one that none ever has."""
    if expected_revision < 1:
        raise ValueError(f"expected_revision {expected_revision}: must be 1 or more; use create() for a new key")
    return expected_revision
