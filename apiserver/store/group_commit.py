"""Many writes, one commit.

Keeps true: a write is answered only after the commit that holds it; writes that come while a commit is under way share
the next one; each is checked against the state that the writes before it leave, those of its own commit included; a
refusal is answered after that commit too, so that nobody sees what is not durable yet.

The statements run on the event loop's thread, some 10 µs each, and the commit with its fsync on the one writer thread:
a thread that ran all of it would wait for the interpreter lock at each statement.
Reads and writes the store's file through `sqlite_file`.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from apiserver.store import sqlite_file
from apiserver.store.contract import Entry, Event, KeyExists, KeyMissing, RevisionMismatch, StoreError, StoreUnavailable
from apiserver.store.log import Log
from apiserver.store.writer_thread import WriterThread

WRITES_MAX = 256  # In one commit: a few milliseconds of the event loop's time.

Change = Callable[[sqlite3.Connection], int]
"""A change of the file that is no write of a client, and a number that it returns."""


class Write(msgspec.Struct, frozen=True):
    """A write asked for: `value` is None for a deletion, `expected_revision` 0 for a creation."""

    key: str
    value: bytes | None
    expected_revision: int
    answer: asyncio.Future[int]


def plan(write: Write, current: Entry | None, revision: int) -> Event | StoreError:
    """Return the event that `write` makes of the `current` state at `revision`, or why it may not."""
    if write.expected_revision == 0:
        if current is not None:
            return KeyExists(current)
        return Event(write.key, write.value, revision, revision)
    if current is None:
        return KeyMissing(write.key)
    if current.mod_revision != write.expected_revision:
        return RevisionMismatch(current, write.expected_revision)
    return Event(write.key, write.value, 0 if write.value is None else current.create_revision, revision)


class GroupCommit:
    """The one way to write to the file."""

    def __init__(self, path: Path, connection: sqlite3.Connection, log: Log) -> None:
        """connection: for this object alone. log: gets the events, each batch after its commit."""
        self.commits = 0
        self._path = path
        self._connection = connection
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._thread = WriterThread("sqlite-writer")
        self._waiting: list[Write] = []
        self._changes: list[tuple[Change, asyncio.Future[int]]] = []
        self._is_closed = False
        self._rest = asyncio.Event()
        self._rest.set()

    def write(self, key: str, value: bytes | None, expected_revision: int) -> asyncio.Future[int]:
        """Return what will hold the revision of the write, or its refusal."""
        key.encode()  # Raises here, for this writer alone, what SQLite would say in the middle of a group.
        answer = self._start()
        self._waiting.append(Write(key, value, expected_revision, answer))
        return answer

    def run(self, change: Change) -> asyncio.Future[int]:
        """Run a change in a transaction of its own, on the writer thread and ahead of the writes that wait."""
        answer = self._start()
        self._changes.append((change, answer))
        return answer

    async def close(self) -> None:
        """Finish the writes under way, refuse later ones, end the thread."""
        self._is_closed = True
        await self._rest.wait()
        self._thread.close()

    def _start(self) -> asyncio.Future[int]:
        if self._is_closed:
            raise StoreUnavailable(f"sqlite {self._path}: is closed; open it again")
        if self._rest.is_set():
            self._rest.clear()
            self._loop.call_soon(self._next)  # After the other writers whose turn it is now.
        return self._loop.create_future()

    def _next(self) -> None:
        """Begin the change or the commit of the writes that wait, or rest."""
        if self._changes:
            change, answer = self._changes.pop(0)
            self._thread.run(partial(self._transact, change), partial(self._changed, answer))
            return
        writes, self._waiting = self._waiting[:WRITES_MAX], self._waiting[WRITES_MAX:]
        if not writes:
            self._rest.set()
            return
        try:
            outcomes = self._apply(writes)
        except sqlite3.Error as error:
            self._fail(writes, error, is_uncertain=False)
            return
        self._thread.run(partial(self._connection.execute, "COMMIT"), partial(self._committed, writes, outcomes))

    def _apply(self, writes: list[Write]) -> list[Event | StoreError]:
        """Run the statements of the writes in a transaction, which stays open."""
        self._connection.execute("BEGIN IMMEDIATE")
        outcomes: list[Event | StoreError] = []
        revision = self._log.last_revision
        for write in writes:
            outcome = plan(write, sqlite_file.newest(self._connection, write.key), revision + 1)
            if isinstance(outcome, Event):
                sqlite_file.insert(self._connection, outcome)
                revision += 1
            outcomes.append(outcome)
        return outcomes

    def _committed(
        self, writes: list[Write], outcomes: list[Event | StoreError], _: object, error: Exception | None
    ) -> None:
        if error is not None:
            self._fail(writes, error, is_uncertain=not sqlite_file.is_full(error))
            return
        self.commits += 1
        self._log.append([outcome for outcome in outcomes if isinstance(outcome, Event)])
        for write, outcome in zip(writes, outcomes, strict=True):
            if write.answer.done():
                continue  # Its caller has been cancelled; the write stands.
            if isinstance(outcome, Event):
                write.answer.set_result(outcome.mod_revision)
            else:
                write.answer.set_exception(outcome)
        self._next()

    def _fail(self, writes: list[Write], error: Exception, *, is_uncertain: bool) -> None:
        self._roll_back()
        for write in writes:
            if not write.answer.done():
                write.answer.set_exception(sqlite_file.unavailable(self._path, error, is_uncertain=is_uncertain))
        self._next()

    def _changed(self, answer: asyncio.Future[int], result: int, error: Exception | None) -> None:
        if not answer.done():
            if error is not None:
                answer.set_exception(sqlite_file.unavailable(self._path, error))
            else:
                answer.set_result(result)
        self._next()

    def _transact(self, change: Change) -> int:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = change(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        return result

    def _roll_back(self) -> None:
        """Leave the transaction, if SQLite has not; where even that fails, the next one will say why."""
        if self._connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
