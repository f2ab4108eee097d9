"""Read the logs of a container as `kubectl logs` asks for them.

Keeps true: a line is told once and whole, across rotation; following ends when the container has ended and its last
line was told. Reads the CRI log files `LOGS/NAME/COUNT.log` and what they were rotated to, `COUNT.log.STAMP`.
Source: the CRI logging format: `TIME STREAM TAG CONTENT`, tag P for a piece of a line, F for its end.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

from kube.times import parse_time
from nodeagent.file_watch import FolderWatch

BLOCK: Final = 64 * 1024
LOOK_S: Final = 0.2
"""How long following waits before it looks whether the container still runs, where no line comes."""


@dataclass(frozen=True, slots=True)
class LogWish:
    """Which lines are wanted, and how. tail: the last so many, None for all. limit_bytes: 0 for no limit."""

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    timestamps: bool = False
    limit_bytes: int = 0
    stream: str = ""


def log_files(current: Path) -> list[Path]:
    """Return the files of one container's log, the oldest first."""
    rotated = sorted(current.parent.glob(f"{current.name}.*"))
    return [*rotated, current]


class _Formatter:
    """Turns lines of the file into what is told."""

    def __init__(self, wish: LogWish) -> None:
        self._wish = wish
        self._left = wish.limit_bytes
        self._is_in_line = False

    @property
    def is_full(self) -> bool:
        """Whether the wish's limit is reached."""
        return bool(self._wish.limit_bytes) and self._left <= 0

    def told(self, line: bytes) -> bytes:
        """Return what to tell of one line of the file, b"" for nothing."""
        stamp, _, rest = line.partition(b" ")
        stream, _, rest = rest.partition(b" ")
        tag, _, content = rest.rstrip(b"\n").partition(b" ")
        if not tag or (self._wish.stream and stream.decode() != self._wish.stream.lower()):
            return b""
        if self._wish.since is not None and parse_time(stamp.decode()) < self._wish.since:
            return b""
        prefix = stamp + b" " if self._wish.timestamps and not self._is_in_line else b""
        self._is_in_line = tag.startswith(b"P")
        text = prefix + content + (b"" if self._is_in_line else b"\n")
        if self._wish.limit_bytes:
            text = text[: self._left]
            self._left -= len(text)
        return text


def _tail_start(files: list[Path], count: int) -> tuple[int, int]:
    """Return (index of the file, offset in it) at which the last `count` lines begin."""
    missing = count
    for index in range(len(files) - 1, -1, -1):
        try:
            with files[index].open("rb") as file:
                offset, missing = _from_end(file, missing)
        except FileNotFoundError:
            continue
        if missing <= 0:
            return index, offset
    return 0, 0


def _from_end(file: BinaryIO, count: int) -> tuple[int, int]:
    """Return (where the last `count` lines of a file begin, how many it lacks)."""
    end = position = file.seek(0, os.SEEK_END)
    if count <= 0:
        return end, 0
    found = 0
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            if position + at + 1 == end:
                continue
            found += 1
            if found == count:
                return position + at + 1, 0
    return 0, count - found - (1 if end else 0)


def read_log(current: Path, wish: LogWish) -> Iterator[bytes]:
    """Yield what is in a log now, in pieces."""
    reader = _Reader(current, wish)
    try:
        yield from reader.read()
    finally:
        reader.close()


def _pieces(file: BinaryIO, formatter: _Formatter) -> Iterator[bytes]:
    """Yield what a file holds from here on, up to its last whole line."""
    while not formatter.is_full:
        start = file.tell()
        lines = file.readlines(BLOCK)
        if lines and not lines[-1].endswith(b"\n"):
            rest = lines.pop()
            file.seek(start + sum(map(len, lines)))
            assert rest
            if not lines:
                return
        if not lines:
            return
        told = b"".join(map(formatter.told, lines))
        if told:
            yield told


async def follow_log(current: Path, wish: LogWish, is_running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield what is in a log and what comes, until the container is over and all of it was told."""
    reader = _Reader(current, wish)
    try:
        with FolderWatch(current.parent) as changes:
            while not reader.is_full:
                was_running = is_running()
                for piece in reader.read():
                    yield piece
                if not was_running:
                    return
                await changes.wait(LOOK_S)
    finally:
        reader.close()


class _Reader:
    """Reads on through the files of one log, the oldest first, however often it is rotated meanwhile."""

    def __init__(self, current: Path, wish: LogWish) -> None:
        self._current = current
        self._formatter = _Formatter(wish)
        files = log_files(current)
        index, offset = (0, 0) if wish.tail is None else _tail_start(files, wish.tail)
        self._file = _opened(files[index])
        if self._file is not None:
            self._file.seek(offset)

    @property
    def is_full(self) -> bool:
        """Whether all was told that is wanted."""
        return self._formatter.is_full

    def read(self) -> Iterator[bytes]:
        """Yield what has come since the last call."""
        self._file = self._file or _opened(log_files(self._current)[0])
        while self._file is not None and not self.is_full:
            is_over = self._following(self._file) is not None  # Asked first: then it has got its last line.
            yield from _pieces(self._file, self._formatter)
            if not is_over:
                return
            following = self._following(self._file)  # Names have changed hands while the reader took its time.
            fresh = _opened(following) if following is not None else None
            if fresh is None:
                return
            self.close()
            self._file = fresh

    def _following(self, file: BinaryIO) -> Path | None:
        """Return the file that goes on where this one ends, None while there is none."""
        own = os.fstat(file.fileno()).st_ino
        if _inode(self._current) in (own, 0):
            return None  # Renamed or not, the runtime still writes to it: there is no new one yet.
        files = log_files(self._current)
        known = [_inode(path) for path in files]
        return files[known.index(own) + 1] if own in known else files[0]

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _opened(path: Path) -> BinaryIO | None:
    """Open a file to read, None where there is none (any more)."""
    try:
        return path.open("rb")
    except FileNotFoundError:
        return None


def _inode(path: Path) -> int:
    """Return which file is at a path, 0 where there is none."""
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
