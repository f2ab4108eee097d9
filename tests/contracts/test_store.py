"""What every store promises (see apiserver/store/contract.py), asked of each of them."""

import asyncio
import uuid
from contextlib import aclosing, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.store.contract import (
    Batch,
    Compacted,
    Entry,
    Event,
    FutureRevision,
    KeyExists,
    KeyMissing,
    RevisionMismatch,
    Store,
    StoreError,
    Watch,
)
from tests.contracts.conftest import Place

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


async def test_a_created_key_is_read_back_with_its_revision(store: Store, prefix: str) -> None:
    revision = await store.create(f"{prefix}a", b"1")

    assert await store.get(f"{prefix}a") == Entry(f"{prefix}a", b"1", revision, revision)


async def test_an_update_keeps_the_create_revision(store: Store, prefix: str) -> None:
    created = await store.create(f"{prefix}a", b"1")
    updated = await store.update(f"{prefix}a", b"2", expected_revision=created)

    assert await store.get(f"{prefix}a") == Entry(f"{prefix}a", b"2", created, updated)


async def test_each_write_adds_one_to_the_revision(store: Store, prefix: str) -> None:
    start = await store.current_revision()

    first = await store.create(f"{prefix}a", b"1")
    second = await store.update(f"{prefix}a", b"2", expected_revision=first)
    third = await store.delete(f"{prefix}a", expected_revision=second)

    assert [first, second, third] == [start + 1, start + 2, start + 3]
    assert await store.current_revision() == third


async def test_an_empty_store_is_at_revision_one_or_more_so_that_zero_means_any(store: Store) -> None:
    assert await store.current_revision() >= 1


async def test_creating_what_exists_gives_the_entry_back(store: Store, prefix: str) -> None:
    revision = await store.create(f"{prefix}a", b"1")

    with pytest.raises(KeyExists) as refusal:
        await store.create(f"{prefix}a", b"2")
    assert refusal.value.entry == Entry(f"{prefix}a", b"1", revision, revision)


async def test_writing_from_a_stale_revision_gives_the_current_entry_back(store: Store, prefix: str) -> None:
    stale = await store.create(f"{prefix}a", b"1")
    current = await store.update(f"{prefix}a", b"2", expected_revision=stale)

    with pytest.raises(RevisionMismatch) as update:
        await store.update(f"{prefix}a", b"3", expected_revision=stale)
    with pytest.raises(RevisionMismatch) as deletion:
        await store.delete(f"{prefix}a", expected_revision=stale)
    assert update.value.entry == deletion.value.entry == Entry(f"{prefix}a", b"2", stale, current)


async def test_writing_to_what_is_gone_says_that_it_is_missing(store: Store, prefix: str) -> None:
    revision = await store.create(f"{prefix}a", b"1")
    await store.delete(f"{prefix}a", expected_revision=revision)

    with pytest.raises(KeyMissing):
        await store.update(f"{prefix}a", b"2", expected_revision=revision)
    with pytest.raises(KeyMissing):
        await store.delete(f"{prefix}a", expected_revision=revision)


async def test_an_update_must_name_a_revision(store: Store, prefix: str) -> None:
    """Zero would mean "if it is not there" to etcd: an update that creates."""
    with pytest.raises(ValueError, match="must be 1 or more"):
        await store.update(f"{prefix}a", b"1", expected_revision=0)


async def test_a_key_created_again_begins_a_new_life(store: Store, prefix: str) -> None:
    first = await store.create(f"{prefix}a", b"1")
    await store.delete(f"{prefix}a", expected_revision=first)
    second = await store.create(f"{prefix}a", b"2")

    assert await store.get(f"{prefix}a") == Entry(f"{prefix}a", b"2", second, second)


async def test_of_racing_creations_one_wins(store: Store, prefix: str) -> None:
    outcomes = await asyncio.gather(
        *(store.create(f"{prefix}a", b"%d" % writer) for writer in range(20)), return_exceptions=True
    )

    won = [writer for writer, outcome in enumerate(outcomes) if isinstance(outcome, int)]
    entry = await store.get(f"{prefix}a")
    assert len(won) == 1
    assert entry is not None
    assert entry.value == b"%d" % won[0]
    assert all(outcome.entry == entry for outcome in outcomes if isinstance(outcome, KeyExists))


async def test_racing_increments_lose_no_update(store: Store, prefix: str) -> None:
    await store.create(f"{prefix}a", b"0")

    async def increment() -> None:
        entry = await store.get(f"{prefix}a")
        while entry is not None:
            try:
                value = b"%d" % (int(entry.value) + 1)
                await store.update(f"{prefix}a", value, expected_revision=entry.mod_revision)
            except RevisionMismatch as mismatch:
                entry = mismatch.entry
            else:
                return

    await asyncio.gather(*(increment() for _ in range(10)))

    entry = await store.get(f"{prefix}a")
    assert entry is not None
    assert entry.value == b"10"


async def test_a_range_is_in_the_order_of_the_keys_bytes(store: Store, prefix: str) -> None:
    names = ["a", "a-b", "a.b", "a/b", "ab", "z", "é", "漢", "😀"]
    for name in reversed(names):
        await store.create(prefix + name, name.encode())

    page = await store.range(prefix)

    assert [entry.key for entry in page.entries] == [prefix + name for name in names]


async def test_a_range_holds_its_prefix_and_no_neighbours(store: Store, prefix: str) -> None:
    for key in ("pods/a", "pods-x/a", "pods0", "pods"):
        await store.create(prefix + key, b"1")

    page = await store.range(f"{prefix}pods/")

    assert [entry.key for entry in page.entries] == [f"{prefix}pods/a"]
    assert (page.more, page.count) == (False, 1)


async def test_pages_at_one_revision_do_not_see_the_writes_between_them(store: Store, prefix: str) -> None:
    revisions = [await store.create(f"{prefix}{number:03}", b"old") for number in range(10)]

    first = await store.range(prefix, limit=4)
    await store.delete(f"{prefix}005", expected_revision=revisions[5])
    await store.update(f"{prefix}006", b"new", expected_revision=revisions[6])
    await store.create(f"{prefix}0055", b"new")
    second = await store.range(prefix, start_after=first.entries[-1].key, limit=4, revision=first.revision)
    third = await store.range(prefix, start_after=second.entries[-1].key, limit=4, revision=first.revision)

    pages = [first, second, third]
    assert [entry.key for page in pages for entry in page.entries] == [f"{prefix}{number:03}" for number in range(10)]
    assert {entry.value for page in pages for entry in page.entries} == {b"old"}
    assert [(page.more, page.count) for page in pages] == [(True, 10), (True, 6), (False, 2)]
    assert {page.revision for page in pages} == {first.revision}


async def test_a_large_range_is_whole_and_of_one_moment(store: Store, prefix: str) -> None:
    """It is put together from several answers; a pair that is always written in one order must never look reversed."""
    await asyncio.gather(*(store.create(f"{prefix}{number:04}", b"x" * 100) for number in range(1200)))
    last = f"{prefix}1199"

    async def write() -> None:
        for _ in range(20):
            entry = await store.get(last)
            assert entry is not None
            await store.update(last, b"y", expected_revision=entry.mod_revision)

    writing = asyncio.gather(write())
    page = await store.range(prefix)
    await writing

    assert len(page.entries) == page.count == 1200
    assert not page.more
    assert max(entry.mod_revision for entry in page.entries) <= page.revision


async def test_a_range_in_the_future_is_refused(store: Store, prefix: str) -> None:
    current = await store.current_revision()

    with pytest.raises(FutureRevision) as refusal:
        await store.range(prefix, revision=current + 100)
    assert refusal.value.current_revision == current


async def test_a_range_before_the_compacted_revision_is_refused(store: Store, prefix: str) -> None:
    first = await store.create(f"{prefix}a", b"1")
    second = await store.update(f"{prefix}a", b"2", expected_revision=first)
    await store.compact(second)

    with pytest.raises(Compacted) as refusal:
        await store.range(prefix, revision=first)
    assert refusal.value.compact_revision == second
    assert (await store.range(prefix, revision=second)).entries[0].value == b"2"


async def test_compaction_forgets_the_past_and_keeps_the_present(store: Store, prefix: str) -> None:
    kept = await store.create(f"{prefix}kept", b"1")
    gone = await store.create(f"{prefix}gone", b"1")
    await store.delete(f"{prefix}gone", expected_revision=gone)
    await store.compact(await store.current_revision())

    assert [entry.key for entry in (await store.range(prefix)).entries] == [f"{prefix}kept"]
    assert await store.update(f"{prefix}kept", b"2", expected_revision=kept) > kept
    assert await store.create(f"{prefix}gone", b"2") > gone


async def test_compacting_again_does_nothing_and_the_future_is_refused(store: Store, prefix: str) -> None:
    """Several API servers on one etcd compact it, each by its own clock."""
    revision = await store.create(f"{prefix}a", b"1")
    await store.compact(revision)

    await store.compact(revision)
    await store.compact(revision - 1)
    with pytest.raises(FutureRevision):
        await store.compact(revision + 100)


async def test_a_watch_tells_each_change_with_what_was_before(store: Store, prefix: str) -> None:
    start = await store.current_revision()
    first = await store.create(f"{prefix}a", b"1")
    second = await store.update(f"{prefix}a", b"2", expected_revision=first)
    third = await store.delete(f"{prefix}a", expected_revision=second)

    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:
        events = await events_of(watch, 3)

    key = f"{prefix}a"
    assert events == [
        Event(key, b"1", None, first, first),
        Event(key, b"2", Entry(key, b"1", first, first), first, second),
        Event(key, None, Entry(key, b"2", first, second), first, third),
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

    assert events == [Event(f"{prefix}a", None, Entry(f"{prefix}a", b"1", first, first), first, deleted)]


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


async def test_a_cancelled_write_leaves_the_store_usable(store: Store, prefix: str) -> None:
    with suppress(TimeoutError):  # The memory store is done before the timeout is looked at.
        async with asyncio.timeout(0):
            await store.create(f"{prefix}a", b"1")

    revision = await store.create(f"{prefix}b", b"1")

    assert await store.get(f"{prefix}b") == Entry(f"{prefix}b", b"1", revision, revision)


async def test_a_closed_store_ends_its_watches_and_refuses(place: Place, prefix: str) -> None:
    store = await place.open()
    watch = store.watch(prefix, from_revision=await store.current_revision() + 1)
    reading = asyncio.gather(anext(watch, None))
    await asyncio.sleep(0)

    await store.close()

    async with asyncio.timeout(WAIT_S):
        [ending] = await reading
        assert ending is None
        for refused in (store.create(f"{prefix}a", b"1"), store.get(f"{prefix}a"), store.current_revision()):
            with pytest.raises(StoreError, match="closed"):
                await refused


async def test_a_reopened_store_goes_on_where_it_was(place: Place, prefix: str) -> None:
    """A revision that was used twice would make two states look like one to every cache."""
    if not place.is_lasting:
        pytest.skip("the memory store does not outlive its process")
    before = await place.open()
    first = await before.create(f"{prefix}a", b"1")
    gone = await before.create(f"{prefix}b", b"1")
    last = await before.delete(f"{prefix}b", expected_revision=gone)
    await before.compact(last)
    await before.close()

    after = await place.open()

    assert await after.current_revision() == last
    assert await after.get(f"{prefix}a") == Entry(f"{prefix}a", b"1", first, first)
    assert await after.create(f"{prefix}b", b"2") == last + 1
    with pytest.raises(Compacted):
        await after.range(prefix, revision=last - 1)


async def test_two_stores_on_the_same_data_see_each_others_writes(place: Place, prefix: str) -> None:
    if not place.is_shared:
        pytest.skip("only etcd serves several API servers")
    one, two = await place.open(), await place.open()
    async with aclosing(two.watch(prefix, from_revision=await two.current_revision() + 1)) as watch:
        revision = await one.create(f"{prefix}a", b"1")

        assert await two.current_revision() >= revision
        assert [event.mod_revision for event in await events_of(watch, 1)] == [revision]


class Model:
    """A dict that says what a store has to answer."""

    def __init__(self, revision: int) -> None:
        self.revision = revision
        self.entries: dict[str, Entry] = {}
        self.states: dict[int, list[Entry]] = {revision: []}
        self.events: list[Event] = []

    def expect(self, name: str, key: str, value: bytes, stale: int) -> object:
        """Return the revision or the kind of refusal."""
        entry = self.entries.get(key)
        if name == "create":
            return KeyExists if entry else self._write(key, value, None)
        if entry is None:
            return KeyMissing
        if stale:
            return RevisionMismatch
        return self._write(key, None if name == "delete" else value, entry)

    def _write(self, key: str, value: bytes | None, entry: Entry | None) -> int:
        self.revision += 1
        created = entry.create_revision if entry else self.revision
        self.events.append(Event(key, value, entry, created, self.revision))
        if value is None:
            del self.entries[key]
        else:
            self.entries[key] = Entry(key, value, created, self.revision)
        self.states[self.revision] = sorted(self.entries.values(), key=lambda each: each.key)
        return self.revision


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["create", "update", "delete"]),
        st.sampled_from("abcd"),
        st.binary(min_size=1, max_size=8),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=25,
)


async def run_one(store: Store, name: str, key: str, value: bytes, revision: int) -> Any:
    """Return the revision of a write, or the kind of its refusal."""
    try:
        if name == "create":
            return await store.create(key, value)
        if name == "update":
            return await store.update(key, value, expected_revision=revision)
        return await store.delete(key, expected_revision=revision)
    except StoreError as refusal:
        return type(refusal)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
async def test_any_sequence_of_writes_agrees_with_a_dict(
    store: Store, prefix: str, operations: list[tuple[str, str, bytes, int]]
) -> None:
    """States at every revision and the watch's events included."""
    prefix = f"{prefix}{uuid.uuid4().hex}/"  # Each example begins with nothing.
    start = await store.current_revision()
    model = Model(start)
    for name, letter, value, stale in operations:
        key = prefix + letter
        entry = model.entries.get(key)
        asked = (entry.mod_revision if entry else 1) + stale
        expected = model.expect(name, key, value, stale)
        assert await run_one(store, name, key, value, asked) == expected

    assert await store.current_revision() == model.revision
    for revision, entries in model.states.items():
        assert list((await store.range(prefix, revision=revision)).entries) == entries
    async with aclosing(store.watch(prefix, from_revision=start + 1)) as watch:
        assert await events_of(watch, len(model.events)) == model.events
