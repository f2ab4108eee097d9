"""A watch on etcd that survives the connection it runs on.

Keeps true: the position moves only when a batch is handed out, and a new stream begins there: nothing is skipped or
repeated over a reconnect. Progress is told by a tick, a key written just past the watched prefix whose event arrives
through this very watch, in order: etcd's own progress notifications are out of step with the events before 3.4.31 and
3.5.13 (etcd-io/etcd #15220, #17507).
Reads the keys of one prefix and its tick; writes the tick.
"""

import asyncio
import logging
from typing import Self

import grpc

from apiserver.store.contract import Batch, Compacted, Entry, Event, StoreUnavailable, prefix_end
from apiserver.store.etcd_connection import CALL_TIMEOUT_S, Connection, Member, Shared
from kube.clock import Clock
from proto import etcd_v3

RECONNECT_MIN_S, RECONNECT_MAX_S = 0.05, 2.0
TICK = "\0tick"  # How the key of a tick ends: no object's does, for keys hold no NUL.

_Call = grpc.aio.StreamStreamCall[etcd_v3.WatchRequest, etcd_v3.WatchResponse]
_Answer = etcd_v3.WatchResponse
_log = logging.getLogger(__name__)


class EtcdWatch:
    """Read by one task; closed by any."""

    def __init__(self, connection: Connection, clock: Clock, prefix: str, from_revision: int) -> None:
        """from_revision: the first one to give. Nothing is contacted yet."""
        self._connection = connection
        self._clock = clock
        self._tick_key = prefix_end(prefix) + TICK
        self._prefix = prefix
        self._next_revision = from_revision
        self._call: _Call | None = None
        self._member: Member | None = None
        self._pause_s = 0.0
        self._reader: asyncio.Task[object] | None = None
        self._is_closed = False
        self._ticks = Shared(self._tick)

    @property
    def is_connected(self) -> bool:
        """Whether the stream has not been lost."""
        return not self._is_closed and not self._pause_s

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> Batch:
        """Return the next batch, over as many connections as it takes."""
        if self._is_closed:
            raise StopAsyncIteration
        self._reader = asyncio.current_task()
        try:
            return await self._next()
        except asyncio.CancelledError:
            self._drop_call()
            if self._was_closed_alone():
                raise StopAsyncIteration from None
            raise
        finally:
            self._reader = None

    async def request_progress(self) -> None:
        """Write the tick; its event is the mark."""
        await self._ticks.get()

    async def aclose(self) -> None:
        """End the stream, and the read that waits on it."""
        if self._reader is not None and not self._is_closed:
            self._reader.cancel()  # Once, for the reader takes back one.
        self._is_closed = True
        self._drop_call()

    def _was_closed_alone(self) -> bool:
        """Tell whether it was aclose() that cancelled the reader, and nobody else."""
        return self._is_closed and self._reader is not None and self._reader.uncancel() == 0

    def _drop_call(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    async def _next(self) -> Batch:
        while True:
            try:
                batch = self._batch(await self._receive())
            except grpc.aio.AioRpcError as error:
                await self._lost(error)
            else:
                if batch is not None:
                    self._next_revision = batch.revision + 1
                    return batch

    async def _receive(self) -> _Answer:
        call = self._call
        if call is None:
            self._member = self._connection.member
            self._call = call = self._member.watch.watch(metadata=(("hasleader", "true"),))
            await call.write(_creation(self._prefix, self._tick_key, self._next_revision))
        answer = await call.read()
        if not isinstance(answer, _Answer):
            raise await _ending(call)
        if self._pause_s:
            _log.info("etcd watch %s: lost -> connected, from revision %d", self._prefix, self._next_revision)
            self._pause_s = 0.0
        return answer

    def _batch(self, answer: _Answer) -> Batch | None:
        """Return what an answer brings beyond the position, if anything."""
        if answer.canceled:
            self._drop_call()
            if answer.compact_revision:
                raise Compacted(answer.compact_revision, self._next_revision)
            raise StoreUnavailable(f"etcd watch {self._prefix}: cancelled: {answer.cancel_reason}; see etcd's log")
        fresh = [event for event in answer.events if event.kv.mod_revision >= self._next_revision]
        if not fresh:
            return None
        told = tuple(_event(event) for event in fresh if self._is_told(event.kv))
        return Batch(fresh[-1].kv.mod_revision, told)

    def _is_told(self, kv: etcd_v3.KeyValue) -> bool:
        return kv.key.startswith(self._prefix.encode()) and not is_tick(kv)

    async def _lost(self, error: grpc.aio.AioRpcError) -> None:
        """Turn to another member, after a pause that grows while nothing answers."""
        self._drop_call()
        if self._member is not None:
            self._connection.turn_from(self._member)
        if not self._pause_s:
            _log.warning("etcd watch %s: connected -> lost: %s %s", self._prefix, error.code().name, error.details())
        self._pause_s = min(max(RECONNECT_MIN_S, self._pause_s * 2), RECONNECT_MAX_S)
        await self._clock.sleep(self._pause_s)

    async def _tick(self) -> int:
        put = etcd_v3.PutRequest(key=self._tick_key.encode(), value=b"\0")
        request = etcd_v3.TxnRequest(success=[etcd_v3.RequestOp(request_put=put)])
        answer = await self._connection.call(
            lambda member: member.kv.txn(request, timeout=CALL_TIMEOUT_S), is_write=False
        )
        return answer.header.revision


def _creation(prefix: str, tick_key: str, from_revision: int) -> etcd_v3.WatchRequest:
    """Return the request for the events of the prefix and its tick.

    It asks for one revision more than is wanted, so that a watch from the compacted revision itself is refused, as the
    contract has it; etcd 3.4 may have lost a deletion at that revision (etcd-io/etcd #18089).
    """
    create = etcd_v3.WatchCreateRequest(
        key=prefix.encode(),
        range_end=tick_key.encode() + b"\0",
        start_revision=max(1, from_revision - 1),
    )
    return etcd_v3.WatchRequest(create_request=create)


def _event(event: etcd_v3.Event) -> Event:
    key = event.kv.key.decode()
    value = None if event.type == etcd_v3.Event.DELETE else event.kv.value
    return Event(key, value, event.kv.create_revision, event.kv.mod_revision)


def is_tick(kv: etcd_v3.KeyValue) -> bool:
    """Tell the tick of a watch, which may lie within the prefix of a wider one, from an object."""
    return kv.key.endswith(TICK.encode())


def entry_of(kv: etcd_v3.KeyValue) -> Entry:
    """Return etcd's key and value as the contract has it."""
    return Entry(kv.key.decode(), kv.value, kv.create_revision, kv.mod_revision)


async def _ending(call: _Call) -> grpc.aio.AioRpcError:
    """Return the error with which a stream ended; a polite end counts as one."""
    return grpc.aio.AioRpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata(), details=await call.details()
    )
