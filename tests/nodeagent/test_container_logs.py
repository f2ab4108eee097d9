"""Which lines of a log are told, and how; and what its rotation leaves."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nodeagent.container_logs import LogWish, follow_log, read_log
from nodeagent.log_rotation import is_full, rotated_name, surplus
from nodeagent.server import Refused, log_wish
from tests.nodeagent.make import NOW


def stamp(second: int) -> str:
    """Return a time as the runtime writes it."""
    return f"2026-01-02T03:04:{second:02d}.123456789Z"


def write(path: Path, *lines: str) -> Path:
    """Append lines to a log, each as (time, stream, tag, text)."""
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    return path


def entry(second: int, text: str, *, stream: str = "stdout", tag: str = "F") -> str:
    """Return one line of a log."""
    return f"{stamp(second)} {stream} {tag} {text}"


def told(path: Path, **wish: object) -> str:
    """Return what is told of a log."""
    return b"".join(read_log(path, LogWish(**wish))).decode()  # type: ignore[arg-type]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of three lines, the second from stderr and in two pieces."""
    path = tmp_path / "0.log"
    return write(
        path,
        entry(1, "one"),
        entry(2, "tw", stream="stderr", tag="P"),
        entry(3, "o", stream="stderr"),
        entry(4, "three"),
    )


def test_pieces_of_a_line_are_put_together(log: Path) -> None:
    assert told(log) == "one\ntwo\nthree\n"


def test_a_line_without_its_end_waits_for_it(log: Path) -> None:
    with log.open("a") as file:
        file.write(f"{stamp(5)} stdout F half")

    assert told(log) == "one\ntwo\nthree\n"


def test_the_tail_counts_from_the_end(log: Path) -> None:
    assert told(log, tail=1) == "three\n"
    assert told(log, tail=0) == ""
    assert told(log, tail=99) == "one\ntwo\nthree\n"


def test_the_tail_reaches_back_into_rotated_files(log: Path) -> None:
    log.rename(log.with_name("0.log.20260102-030405"))
    write(log, entry(9, "four"))

    assert told(log, tail=2) == "three\nfour\n"
    assert told(log) == "one\ntwo\nthree\nfour\n"


def test_only_lines_since_a_time_are_told(log: Path) -> None:
    assert told(log, since=datetime(2026, 1, 2, 3, 4, 4, tzinfo=UTC)) == "three\n"


def test_a_time_stands_before_each_line_that_wants_one(log: Path) -> None:
    assert told(log, tail=1, timestamps=True) == f"{stamp(4)} three\n"


def test_no_more_bytes_are_told_than_asked(log: Path) -> None:
    assert told(log, limit_bytes=6) == "one\ntw"


def test_one_stream_can_be_asked_for(log: Path) -> None:
    assert told(log, stream="Stderr") == "two\n"


async def test_following_goes_on_in_the_next_file_when_a_log_is_rotated(log: Path) -> None:
    """Between the renaming and the new file the runtime still writes to the old one: those lines must not be lost."""
    running = True
    got: list[bytes] = []

    async def follow() -> None:
        async for piece in follow_log(log, LogWish(follow=True), lambda: running):
            got.append(piece)  # noqa: PERF401 - each is looked at as it comes.

    async def seen(text: bytes) -> None:
        async with asyncio.timeout(5):
            while text not in b"".join(got):
                await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as group:
        group.create_task(follow())
        await seen(b"three")
        old = log.rename(log.with_name("0.log.1"))
        write(old, entry(5, "late"))
        await seen(b"late")
        write(log, entry(6, "new"))
        await seen(b"new")
        running = False

    assert b"".join(got) == b"one\ntwo\nthree\nlate\nnew\n"


def test_options_that_are_no_numbers_are_refused() -> None:
    assert log_wish({"tailLines": "3", "follow": "true"}, NOW) == LogWish(follow=True, tail=3)
    for query in ({"tailLines": "x"}, {"tailLines": "-1"}, {"sinceTime": "yesterday"}):
        with pytest.raises(Refused):
            log_wish(query, NOW)


def test_rotation_keeps_the_newest_files(tmp_path: Path) -> None:
    log = write(tmp_path / "0.log", "x")
    olds = [rotated_name(log, NOW.replace(second=second)) for second in (1, 2, 3)]
    for old in olds:
        old.touch()

    assert surplus(log, 3) == olds[:1]
    assert is_full(log, 2)
    assert not is_full(tmp_path / "none.log", 0)


def rotated(log: Path, second: int) -> None:
    """Give a log another name, and begin a new one, as rotation does."""
    log.rename(rotated_name(log, NOW.replace(second=second)))
    log.touch()


async def test_a_slow_reader_misses_nothing_of_a_log_that_is_rotated_several_times(tmp_path: Path) -> None:
    """While it takes what it was given, files come and go; one that was removed is past, the others follow."""
    log = write(tmp_path / "0.log", entry(1, "one"))
    runs = [True]
    reading = follow_log(log, LogWish(follow=True), lambda: runs[0])
    seen = [await anext(reading)]

    write(log, entry(2, "two"))
    rotated(log, 10)
    write(log, entry(3, "three"))
    rotated(log, 20)
    write(log, entry(4, "four"))
    runs[0] = False
    seen += [piece async for piece in reading]

    assert b"".join(seen) == b"one\ntwo\nthree\nfour\n"


async def test_a_log_that_is_rotated_while_its_past_is_read_is_told_whole(tmp_path: Path) -> None:
    log = write(tmp_path / "0.log", entry(1, "one"))
    rotated(log, 10)
    write(log, entry(2, "two"))
    reading = read_log(log, LogWish())
    seen = [next(reading)]

    rotated(log, 20)
    write(log, entry(3, "three"))

    assert b"".join([*seen, *reading]) == b"one\ntwo\nthree\n"
