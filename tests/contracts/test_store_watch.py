"""What every store promises of its watches (see apiserver/store/contract.py), asked of each."""

import asyncio
from contextlib import aclosing

import pytest

from apiserver.store.contract import Compacted, Event, Store
from tests.contracts.watching import WAIT_S, events_of, progress_to


async def test_a_watch_tells_each_change_and_since_when_the_key_is_there(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    first = await store.create(f"{prefix}a", b"1")
    second = await store.update(f"{prefix}a", b"2", expected_revision=first)
    third = await store.delete(f"{prefix}a", expected_revision=second)

    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:
        events = await events_of(watch, 3)

    key = f"{prefix}a"
    assert events == [
        Event(key, b"1", first, first),
        Event(key, b"2", first, second),
        Event(key, None, 0, third),
    ]


async def test_a_watch_begun_before_the_write_tells_it(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:
        reading = asyncio.gather(events_of(watch, 1))
        await asyncio.sleep(0)
        revision = await store.create(f"{prefix}a", b"1")
        [events] = await reading

    assert [event.mod_revision for event in events] == [revision]


async def test_a_watch_from_the_middle_tells_only_what_comes_after(store: Store, prefix: str) -> None:
    revisions = [await store.create(f"{prefix}{number}", b"1") for number in range(6)]

    async with aclosing(store.watch(prefix, from_revision=revisions[3])) as watch:
        events = await events_of(watch, 3)

    assert [event.mod_revision for event in events] == revisions[3:]


async def test_a_watch_from_the_future_waits_for_it(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    async with aclosing(store.watch(prefix, from_revision=start + 2)) as watch:
        reading = asyncio.gather(events_of(watch, 1))
        await asyncio.sleep(0)
        await store.create(f"{prefix}a", b"1")
        second = await store.create(f"{prefix}b", b"1")
        [events] = await reading

    assert [event.mod_revision for event in events] == [second]


async def test_a_watch_holds_its_prefix_and_no_neighbours(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    for key in ("pods/a", "pods-x/a", "pods0", "pods", "pods/b"):
        await store.create(prefix + key, b"1")

    async with aclosing(store.watch(f"{prefix}pods/", from_revision=start + 1)) as watch:
        events = await events_of(watch, 2)

    assert [event.key for event in events] == [f"{prefix}pods/a", f"{prefix}pods/b"]


async def test_a_watch_from_the_compacted_past_is_refused(store: Store, prefix: str) -> None:
    first = await store.create(f"{prefix}a", b"1")
    second = await store.update(f"{prefix}a", b"2", expected_revision=first)
    await store.compact(second)

    for revision in (first, second):
        async with aclosing(store.watch(prefix, from_revision=revision)) as watch:
            with pytest.raises(Compacted) as refusal:
                await events_of(watch, 1)
        assert refusal.value.compact_revision == second


async def test_a_watch_from_right_after_the_compacted_revision_misses_nothing(store: Store, prefix: str) -> None:
    """This is how a cache starts: range at R, then watch from R + 1, whatever is compacted up to R meanwhile."""
    first = await store.create(f"{prefix}a", b"1")
    page = await store.range(prefix)
    await store.compact(page.revision)
    deleted = await store.delete(f"{prefix}a", expected_revision=first)

    async with aclosing(store.watch(prefix, from_revision=page.revision + 1)) as watch:
        events = await events_of(watch, 1)

    assert events == [Event(f"{prefix}a", None, 0, deleted)]


async def test_watchers_see_the_writes_of_concurrent_writers_once_and_in_order(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    watches = [store.watch(prefix, from_revision=start + 1) for _ in range(3)]
    reading = asyncio.gather(*(events_of(watch, 400) for watch in watches))

    async def write(writer: int) -> list[int]:
        revisions = [await store.create(f"{prefix}{writer}", b"0")]
        for number in range(39):
            value = b"%d" % number
            revisions.append(await store.update(f"{prefix}{writer}", value, expected_revision=revisions[-1]))
        return revisions

    written = sorted(revision for each in await asyncio.gather(*map(write, range(10))) for revision in each)
    seen = await reading
    for watch in watches:
        await watch.aclose()

    assert written == list(range(start + 1, start + 401))
    assert [[event.mod_revision for event in events] for events in seen] == [written] * 3


async def test_a_late_watch_reads_what_has_long_left_the_memory(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    await asyncio.gather(*(store.create(f"{prefix}{number}", b"1") for number in range(1500)))

    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:
        events = await events_of(watch, 1500)

    assert [event.mod_revision for event in events] == list(range(start + 1, start + 1501))


async def test_a_slow_watch_misses_nothing(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:
        first = await store.create(f"{prefix}a", b"0")
        [event] = await events_of(watch, 1)
        await asyncio.gather(*(store.create(f"{prefix}b{number}", b"1") for number in range(1500)))
        later = await events_of(watch, 1500)

    assert event.mod_revision == first
    assert [event.mod_revision for event in later] == list(range(start + 2, start + 1502))


async def test_progress_tells_a_quiet_watch_how_far_the_store_is(store: Store, prefix: str) -> None:
    """A cache must be able to say "I have seen everything up to N" though nothing of its own has changed."""
    start = await store.current_revision()
    async with aclosing(store.watch(f"{prefix}quiet/", from_revision=start + 1)) as watch:
        reading = asyncio.gather(progress_to(watch, start + 1))
        await asyncio.sleep(0)
        revision = await store.create(f"{prefix}loud", b"1")
        await watch.request_progress()
        [batch] = await reading

    assert batch.revision >= revision
    assert batch.events == ()


async def test_progress_never_runs_ahead_of_the_events(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    seen: list[int] = []
    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:

        async def read(last: int) -> None:
            async with asyncio.timeout(WAIT_S):
                async for batch in watch:
                    seen.extend(event.mod_revision for event in batch.events)
                    assert all(revision in seen for revision in written if start < revision <= batch.revision)
                    if len(seen) == last:
                        return

        written: list[int] = []
        reading = asyncio.gather(read(60))
        for number in range(60):
            written.append(await store.create(f"{prefix}{number}", b"1"))
            if number % 5 == 0:
                await watch.request_progress()
        await reading

    assert seen == written


async def test_the_mark_of_progress_is_no_entry(store: Store, prefix: str) -> None:
    async with aclosing(store.watch(f"{prefix}pods/", from_revision=await store.current_revision() + 1)) as watch:
        await store.create(f"{prefix}pods/a", b"1")
        await watch.request_progress()
        await progress_to(watch, await store.current_revision())

    pods, everything = await store.range(f"{prefix}pods/"), await store.range(prefix)
    assert pods.count == 1
    assert [entry.key for entry in everything.entries] == [f"{prefix}pods/a"]


async def test_a_watch_ends_when_it_is_closed(store: Store, prefix: str) -> None:
    watch = store.watch(prefix, from_revision=await store.current_revision() + 1)
    reading = asyncio.gather(anext(watch, None))
    await asyncio.sleep(0)

    await watch.aclose()
    await watch.aclose()  # Whoever reads it and the store may both do so.

    async with asyncio.timeout(WAIT_S):
        [ending] = await reading
        assert ending is None


async def test_a_cancelled_read_loses_no_event(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(watch)
        revision = await store.create(f"{prefix}a", b"1")
        events = await events_of(watch, 1)

    assert [event.mod_revision for event in events] == [revision]
