"""How the contract tests read a watch: with a bound, and checking what each batch claims."""

import asyncio

from apiserver.store.contract import Batch, Event, Watch

WAIT_S = 10.0


async def events_of(watch: Watch, count: int) -> list[Event]:
    """Read `count` events, checking what each batch claims."""
    events: list[Event] = []
    last_revision = 0
    async with asyncio.timeout(WAIT_S):
        while len(events) < count:
            batch = await anext(watch)
            assert batch.revision > last_revision
            assert all(last_revision < event.mod_revision <= batch.revision for event in batch.events)
            last_revision = batch.revision
            events += batch.events
    return events


async def progress_to(watch: Watch, revision: int) -> Batch:
    """Read until a batch says that all up to `revision` has been seen."""
    async with asyncio.timeout(WAIT_S):
        while True:
            batch = await anext(watch)
            if batch.revision >= revision:
                return batch
