"""What is true of the SQLite store beyond the contract: durability, groups, size, and its sentences."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.store.contract import StoreUnavailable
from apiserver.store.open import open_store
from apiserver.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore.open(path)
    yield store
    await store.close()


def write_and_be_killed(path: Path, lines: int) -> list[str]:
    """Run the writing child, kill it after so many lines, and return all that it wrote."""
    words = [sys.executable, "-m", "tests.store.writing_child", str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline() for _ in range(lines)]
        child.kill()
        acknowledged += [line for line in child.stdout if line.endswith("\n")]
    return acknowledged


def scribble_over(path: Path) -> None:
    """Make noise of all but the first page."""
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


@pytest.mark.parametrize("lines", [1, 700, 2500])
async def test_kill_9_in_the_middle_of_a_thousand_writes_loses_no_acknowledged_one(path: Path, lines: int) -> None:
    acknowledged = write_and_be_killed(path, lines)
    store = SqliteStore.open(path)

    entries = {entry.key: entry for entry in (await store.range("/registry/")).entries}
    next_revision = await store.create("/registry/after", b"1")
    await store.close()

    promised = {key: int(revision) for key, revision in (line.split() for line in acknowledged)}
    assert all(entries[key].mod_revision >= revision for key, revision in promised.items())
    assert next_revision > max(promised.values())
    assert next_revision == max(entry.mod_revision for entry in entries.values()) + 1


async def test_writes_at_the_same_time_share_a_commit(store: SqliteStore) -> None:
    """An fsync for each would make a write cost ten times as much."""
    await asyncio.gather(*(store.create(f"/registry/{number}", b"1") for number in range(200)))

    assert store.commits == 1


async def test_writes_during_a_commit_share_the_next_one(store: SqliteStore) -> None:
    first = asyncio.gather(store.create("/registry/first", b"1"))
    for _ in range(3):
        await asyncio.sleep(0)  # Until its commit is under way.
    second = asyncio.gather(*(store.create(f"/registry/{number}", b"1") for number in range(50)))
    await asyncio.gather(first, second)

    assert store.commits == 2


async def test_a_group_checks_each_write_against_those_before_it(store: SqliteStore) -> None:
    outcomes = await asyncio.gather(
        store.create("/registry/a", b"1"),
        store.update("/registry/a", b"2", expected_revision=2),
        store.delete("/registry/a", expected_revision=3),
        store.create("/registry/a", b"3"),
    )

    assert list(outcomes) == [2, 3, 4, 5]
    assert store.commits == 1


async def test_a_read_does_not_wait_for_a_commit_under_way(store: SqliteStore) -> None:
    await store.create("/registry/a", b"1")
    writing = asyncio.gather(*(store.create(f"/registry/b{number}", b"1") for number in range(200)))
    await asyncio.sleep(0)

    entry = await store.get("/registry/a")

    assert entry is not None
    assert not writing.done()
    await writing


async def test_the_file_does_not_grow_with_the_number_of_updates_when_it_is_compacted(
    store: SqliteStore, path: Path
) -> None:
    keys = {f"/registry/{number}": 0 for number in range(50)}
    for key in keys:
        keys[key] = await store.create(key, b"x" * 4000)
    sizes = []
    for _ in range(8):
        for _ in range(10):
            answers = await asyncio.gather(
                *(store.update(key, b"y" * 4000, expected_revision=revision) for key, revision in keys.items())
            )
            keys = dict(zip(keys, answers, strict=True))
        await store.compact(await store.current_revision())
        sizes.append(sum(file.stat().st_size for file in path.parent.iterdir()))

    assert sizes[-1] <= sizes[1] * 1.1


async def test_compaction_lets_writes_in_between_its_steps(store: SqliteStore) -> None:
    """Deleting a night's worth of history must not hold up a pod."""
    await asyncio.gather(*(store.create(f"/registry/{number}", b"1") for number in range(4000)))
    compacting = asyncio.gather(store.compact(await store.current_revision()))
    await asyncio.sleep(0)

    await store.create("/registry/late", b"1")

    assert not compacting.done()
    await compacting


async def test_a_compaction_cut_short_leaves_a_store_that_knows_it(path: Path) -> None:
    store = SqliteStore.open(path)
    first = await store.create("/registry/a", b"1")
    second = await store.update("/registry/a", b"2", expected_revision=first)
    third = await store.delete("/registry/a", expected_revision=second)
    await store.close()
    with sqlite3.connect(path) as connection:  # The mark is written first, the rows go later.
        connection.execute("UPDATE compaction SET revision = ?", (third,))
    connection.close()

    again = SqliteStore.open(path)

    assert await again.get("/registry/a") is None
    assert await again.create("/registry/a", b"3") == third + 1
    await again.compact(third + 1)
    assert [entry.value for entry in (await again.range("/registry/")).entries] == [b"3"]
    await again.close()


async def test_a_second_process_on_the_file_is_refused(store: SqliteStore, path: Path) -> None:
    """Two would not see each other's events."""
    with pytest.raises(StoreUnavailable, match="another process has this store open; stop that one"):
        SqliteStore.open(path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database, but somebody's text" * 200)

    with pytest.raises(StoreUnavailable, match="file is not a database; move the file away"):
        SqliteStore.open(path)
    assert path.read_bytes().startswith(b"not a database")


async def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (id)")
    connection.close()

    with pytest.raises(StoreUnavailable, match="is no store of this version"):
        SqliteStore.open(path)


async def test_a_corrupt_file_gives_one_sentence(path: Path) -> None:
    store = SqliteStore.open(path)
    await asyncio.gather(*(store.create(f"/registry/{number}", b"1" * 900) for number in range(300)))
    await store.close()
    scribble_over(path)

    with pytest.raises(StoreUnavailable, match=r"malformed.*; restore a copy of the file"):
        SqliteStore.open(path)


async def test_a_corrupt_page_is_found_before_anything_is_served(path: Path) -> None:
    store = SqliteStore.open(path)
    await asyncio.gather(*(store.create(f"/registry/{number}", b"1" * 900) for number in range(3000)))
    await store.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 4096)

    with pytest.raises(StoreUnavailable, match=r"malformed.*; restore a copy of the file"):
        SqliteStore.open(path)


async def test_a_folder_that_is_not_there_gives_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="No such file or directory; give a path in a folder"):
        await open_store(f"sqlite:{tmp_path}/nowhere/store.db")


async def test_a_locked_file_refuses_the_write_and_takes_the_next_one(store: SqliteStore, path: Path) -> None:
    await store.create("/registry/a", b"1")
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")

    with pytest.raises(StoreUnavailable, match="locked; end the program that holds a lock") as refusal:
        await store.create("/registry/b", b"1")
    stranger.execute("ROLLBACK")
    stranger.close()

    assert not refusal.value.is_uncertain
    assert await store.create("/registry/b", b"1") == 3


async def test_a_full_disk_refuses_the_group_and_the_store_goes_on_when_there_is_room(store: SqliteStore) -> None:
    first = await store.create("/registry/a", b"1")
    store._writer.execute("PRAGMA max_page_count = 20")

    outcomes = await asyncio.gather(
        *(store.create(f"/registry/b{number}", b"1" * 8000) for number in range(20)), return_exceptions=True
    )
    store._writer.execute("PRAGMA max_page_count = 1000000")

    assert all(isinstance(outcome, StoreUnavailable) and "free disk space" in str(outcome) for outcome in outcomes)
    assert (await store.range("/registry/")).count == 1
    assert await store.create("/registry/b0", b"1") == first + 1


async def test_a_key_that_is_no_text_is_refused_to_its_writer_alone(store: SqliteStore) -> None:
    outcomes = await asyncio.gather(
        store.create("/registry/\udc80", b"1"), store.create("/registry/a", b"1"), return_exceptions=True
    )

    assert isinstance(outcomes[0], UnicodeEncodeError)
    assert outcomes[1] == 2


@pytest.mark.parametrize("spec", ["", "sqlite", "sqlite:", "memory:x", "postgres:x", "etcd:", "etcd:localhost:2379"])
async def test_a_store_that_makes_no_sense_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"; (use|give) "):
        await open_store(spec)
