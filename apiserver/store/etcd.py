"""A store in an etcd cluster, for several API servers or several control-plane nodes.

Keeps true: the contract, by handing it on: each write is one transaction that compares the key's revision, each read is
linearizable. Reads and writes etcd; besides the objects, one tick key for each watched prefix (see `etcd_watch`).
Source: etcd.io/docs/v3.5/learning/api
"""

import asyncio
import weakref

from apiserver.store.contract import (
    Compacted,
    Entry,
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
from apiserver.store.etcd_connection import CALL_TIMEOUT_S, WRITE_TIMEOUT_S, Connection, OutOfRange, Shared, Tls
from apiserver.store.etcd_watch import EtcdWatch, entry_of, is_tick
from kube.clock import Clock, SystemClock
from proto import etcd_v3

CHUNK = 500  # Entries in one answer of etcd; a larger page is put together from several at one revision.


class EtcdStore:
    """Connects when it is first used, and again whenever that is needed."""

    def __init__(self, urls: list[str], tls: Tls | None = None, clock: Clock | None = None) -> None:
        """urls: of the members. Raises ValueError for what is no URL, StoreUnavailable for unreadable TLS files."""
        self._connection = Connection(urls, tls or Tls())
        self._clock = clock or SystemClock()
        self._revision = Shared(self._fetch_revision)
        self._watches: weakref.WeakSet[EtcdWatch] = weakref.WeakSet()

    async def create(self, key: str, value: bytes) -> int:
        """Write a new key."""
        revision, found = await self._write(key, value, 0)
        if revision:
            return revision
        if found is None:
            raise StoreUnavailable(f"etcd {key}: a creation failed though nothing is there; see etcd's log")
        raise KeyExists(found)

    async def update(self, key: str, value: bytes, *, expected_revision: int) -> int:
        """Write a key that is as expected."""
        return _expected(key, expected_revision, *await self._write(key, value, positive(expected_revision)))

    async def delete(self, key: str, *, expected_revision: int) -> int:
        """Remove a key that is as expected."""
        return _expected(key, expected_revision, *await self._write(key, None, positive(expected_revision)))

    async def get(self, key: str) -> Entry | None:
        """Return what is at `key`."""
        answer = await self._range(etcd_v3.RangeRequest(key=key.encode()))
        return entry_of(answer.kvs[0]) if answer.kvs else None

    async def range(self, prefix: str, *, start_after: str = "", limit: int = 0, revision: int = 0) -> Page:
        """Return a page of the state at `revision`.

        Where a narrower prefix is watched from this store, its tick is left out of the entries but not of the count.
        """
        entries: list[Entry] = []
        count, last_key = 0, start_after.encode()
        while True:
            answer = await self._range(
                etcd_v3.RangeRequest(
                    key=max(prefix.encode(), last_key + b"\0" if last_key else b""),
                    range_end=prefix_end(prefix).encode(),
                    limit=min(CHUNK, limit - len(entries)) if limit else CHUNK,
                    revision=revision,
                )
            )
            count = count or answer.count
            revision = revision or answer.header.revision
            entries += [entry_of(kv) for kv in answer.kvs if not is_tick(kv)]
            if not answer.more or len(entries) == limit:
                return Page(tuple(entries), answer.more, count, revision)
            last_key = answer.kvs[-1].key

    def watch(self, prefix: str, *, from_revision: int) -> Watch:
        """Return a watch; it connects when it is first read."""
        watch = EtcdWatch(self._connection, self._clock, prefix, from_revision)
        self._watches.add(watch)
        return watch

    async def current_revision(self) -> int:
        """Ask etcd; those who ask at the same time share the answer."""
        return await self._revision.get()

    async def compact(self, revision: int) -> None:
        """Have etcd forget the past; do nothing where another API server has had it done."""
        request = etcd_v3.CompactionRequest(revision=revision)
        try:
            await self._connection.call(lambda at: at.kv.compact(request, timeout=CALL_TIMEOUT_S), is_write=False)
        except OutOfRange as error:
            if not error.is_compacted:
                raise FutureRevision(await self.current_revision(), revision) from error

    async def close(self) -> None:
        """End the watches and the connections."""
        for watch in list(self._watches):
            await watch.aclose()
        await self._connection.close()

    async def _write(self, key: str, value: bytes | None, expected_revision: int) -> tuple[int, Entry | None]:
        """Write or delete a key at the expected mod_revision, 0 for none.

        Returns the revision of the write, or 0 and what is there instead.
        """
        raw = key.encode()
        if value is None:
            change = etcd_v3.RequestOp(request_delete_range=etcd_v3.DeleteRangeRequest(key=raw))
        else:
            change = etcd_v3.RequestOp(request_put=etcd_v3.PutRequest(key=raw, value=value))
        compare = etcd_v3.Compare(
            key=raw, target=etcd_v3.Compare.MOD, result=etcd_v3.Compare.EQUAL, mod_revision=expected_revision
        )
        look = etcd_v3.RequestOp(request_range=etcd_v3.RangeRequest(key=raw))
        request = etcd_v3.TxnRequest(compare=[compare], success=[change], failure=[look])
        answer = await self._connection.call(lambda at: at.kv.txn(request, timeout=WRITE_TIMEOUT_S), is_write=True)
        if answer.succeeded:
            return answer.header.revision, None
        found = answer.responses[0].response_range.kvs
        return 0, entry_of(found[0]) if found else None

    async def _range(self, request: etcd_v3.RangeRequest) -> etcd_v3.RangeResponse:
        try:
            return await self._connection.call(lambda at: at.kv.range(request, timeout=CALL_TIMEOUT_S), is_write=False)
        except OutOfRange as error:
            if error.is_compacted:
                raise Compacted(await self._compact_revision(), request.revision) from error
            raise FutureRevision(await self.current_revision(), request.revision) from error

    async def _fetch_revision(self) -> int:
        answer = await self._range(etcd_v3.RangeRequest(key=b"\0", count_only=True))
        return answer.header.revision

    async def _compact_revision(self) -> int:
        """Ask etcd what it has forgotten, in the only way there is: a watch from the very beginning."""
        probe = EtcdWatch(self._connection, self._clock, "/", from_revision=1)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await anext(probe)
        except Compacted as error:
            return error.compact_revision
        finally:
            await probe.aclose()
        return 0


def _expected(key: str, expected_revision: int, revision: int, found: Entry | None) -> int:
    """Return the revision of a write that went through; raise for one that found something else."""
    if revision:
        return revision
    if found is None:
        raise KeyMissing(key)
    raise RevisionMismatch(found, expected_revision)
