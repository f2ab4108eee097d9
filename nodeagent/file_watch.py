"""Hear when something in a folder changes.

Source: inotify(7).
"""

import asyncio
import ctypes
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_IN_MODIFY, _IN_CREATE, _IN_MOVED, _IN_DELETE = 0x2, 0x100, 0xC0, 0x200
_FLAGS: Final = os.O_NONBLOCK | os.O_CLOEXEC
_READ_MAX: Final = 65536


class FolderWatch:
    """Tells of changes in one folder for the length of a block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor = -1
        self._changed = asyncio.Event()

    def __enter__(self) -> Self:
        self._descriptor = _checked(_LIBC.inotify_init1(_FLAGS), "inotify")
        wanted = _IN_MODIFY | _IN_CREATE | _IN_MOVED | _IN_DELETE
        try:
            _checked(_LIBC.inotify_add_watch(self._descriptor, bytes(self._folder), wanted), str(self._folder))
        except OSError:
            os.close(self._descriptor)
            raise
        asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        os.read(self._descriptor, _READ_MAX)
        self._changed.set()

    def wake(self) -> None:
        """End a wait for another reason than a change."""
        self._changed.set()

    async def wait(self, most_s: float) -> None:
        """Return after the next change since the last call, or after `most_s` seconds."""
        try:
            async with asyncio.timeout(most_s):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result
