"""What every store promises of writes, reads and compaction (see apiserver/store/contract.py), asked of each."""

import asyncio
from contextlib import aclosing, suppress

import pytest

from apiserver.store.contract import (
    Compacted,
    Entry,
    FutureRevision,
    KeyExists,
    KeyMissing,
    RevisionMismatch,
    Store,
    StoreError,
)
from tests.contracts.conftest import Place
from tests.contracts.watching import WAIT_S, events_of


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
