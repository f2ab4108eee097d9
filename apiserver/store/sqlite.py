"""A store in one SQLite file: the embedded default.

Keeps true: the contract. An acknowledged write is on the disk (WAL, synchronous=FULL); reads have a connection of their
own and never wait for a writer; what compaction frees is used again, so the file stays as large as its fullest hour.
Reads and writes the file through `sqlite_file`, in groups through `group_commit`; recent events come from the `log`.
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from apiserver.store import sqlite_file
from apiserver.store.contract import Batch, Compacted, Entry, FutureRevision, Page, StoreUnavailable, Watch, positive
from apiserver.store.group_commit import GroupCommit
from apiserver.store.log import BATCH_MAX, Log

WINDOW = 256  # Events kept in memory for watches; older ones are read from the file.
CHUNK = 200  # Entries read in one go, about a millisecond of the event loop's time.


class SqliteStore:
    """Use `SqliteStore.open`."""

    def __init__(self, path: Path, lock: BinaryIO, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        """lock, reader, writer: the store's own, to be closed by it."""
        last_revision, compact_revision = sqlite_file.revisions(reader)
        self._path = path
        self._lock = lock
        self._reader = reader
        self._writer = writer
        self._log = Log(last_revision, compact_revision, WINDOW)
        self._group = GroupCommit(path, writer, self._log)
        self._seen_revision = last_revision
        self._is_closed = False

    @classmethod
    def open(cls, path: Path) -> "SqliteStore":
        """Open or make the file; raise StoreUnavailable where that cannot be."""
        lock = sqlite_file.lock(path)
        connections: list[sqlite3.Connection] = []
        try:
            connections.append(sqlite_file.connect(path))
            connections.append(sqlite_file.connect(path))
            try:
                sqlite_file.check_whole(path, connections[0])
                return cls(path, lock, *connections)
            except sqlite3.Error as error:
                raise sqlite_file.unavailable(path, error) from error
        except BaseException:
            for connection in connections:
                connection.close()
            lock.close()
            raise

    @property
    def commits(self) -> int:
        """How many commits have carried writes since the store was opened."""
        return self._group.commits

    async def create(self, key: str, value: bytes) -> int:
        """Write a new key."""
        return await self._group.write(key, value, 0)

    async def update(self, key: str, value: bytes, *, expected_revision: int) -> int:
        """Write a key that is as expected."""
        return await self._group.write(key, value, positive(expected_revision))

    async def delete(self, key: str, *, expected_revision: int) -> int:
        """Remove a key that is as expected."""
        return await self._group.write(key, None, positive(expected_revision))

    async def get(self, key: str) -> Entry | None:
        """Return what is at `key`."""
        with self._reading() as reader:
            entry = sqlite_file.newest(reader, key)
        if entry is not None:
            self._seen_revision = max(self._seen_revision, entry.mod_revision)
        return entry

    async def range(self, prefix: str, *, start_after: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Return a page of the state at `revision`, read in chunks that let others run in between."""
        current = await self.current_revision()
        at = revision or current
        if at > current:
            raise FutureRevision(current, at)
        entries: list[Entry] = []
        want = min(limit, CHUNK) if limit else CHUNK
        while True:
            chunk = self._chunk(prefix, entries[-1].key if entries else start_after, at, want)
            entries += chunk
            if len(chunk) < want or len(entries) == limit:
                break
            want = min(limit - len(entries), CHUNK) if limit else CHUNK
            await asyncio.sleep(0)
        following = 0
        if entries and len(entries) == limit:
            with self._reading() as reader:
                following = sqlite_file.count(reader, prefix, entries[-1].key, at)
        return Page(tuple(entries), following > 0, len(entries) + following, at)

    def watch(self, prefix: str, *, from_revision: int) -> Watch:
        """Return a watch."""
        return self._log.watch(prefix, from_revision, self._read_older)

    async def current_revision(self) -> int:
        """Return the newest revision that anyone has been told of."""
        if self._is_closed:
            raise StoreUnavailable(f"sqlite {self._path}: is closed; open it again")
        return max(self._seen_revision, self._log.last_revision)

    async def compact(self, revision: int) -> None:
        """Write down that the past is forgotten, then delete its rows step by step between the writes of others."""
        if revision > (current := await self.current_revision()):
            raise FutureRevision(current, revision)
        if revision <= self._log.compact_revision:
            return
        self._log.compact(revision)
        await self._group.run(partial(sqlite_file.mark_compacted, revision=revision))
        done = 0
        while done < revision:
            done = await self._group.run(partial(sqlite_file.trim, after=done, compact_revision=revision))

    async def close(self) -> None:
        """Finish the writes under way and close the file."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._group.close()
        self._log.close()
        self._reader.close()
        self._writer.close()
        self._lock.close()

    def _chunk(self, prefix: str, start_after: str, revision: int, limit: int) -> list[Entry]:
        with self._reading() as reader:
            entries = sqlite_file.page(reader, prefix, start_after, revision, limit)
        if revision < self._log.compact_revision:
            raise Compacted(self._log.compact_revision, revision)
        return entries

    async def _read_older(self, prefix: str, from_revision: int, through_revision: int) -> Batch:
        await asyncio.sleep(0)
        last = min(from_revision + BATCH_MAX - 1, through_revision)
        if from_revision <= self._log.compact_revision:
            raise Compacted(self._log.compact_revision, from_revision)
        with self._reading() as reader:
            return Batch(last, tuple(sqlite_file.events(reader, prefix, from_revision, last)))

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if self._is_closed:
            raise StoreUnavailable(f"sqlite {self._path}: is closed; open it again")
        try:
            yield self._reader
        except sqlite3.Error as error:
            raise sqlite_file.unavailable(self._path, error) from error
