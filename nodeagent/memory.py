"""Folders that live in memory.

Source: statfs(2), mount(2), tmpfs(5).
"""

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_MS_NOSUID, _MS_NODEV = 2, 4
_TMPFS_MAGIC: Final = 0x01021994


def keep_in_memory(folder: Path) -> None:
    """Have a folder, made where it is missing, live in memory; only its owner looks into it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not is_tmpfs(folder):
        mount_tmpfs(folder, mode=0o700)


def is_tmpfs(folder: Path) -> bool:
    """Say whether a directory lives in memory."""
    buffer = ctypes.create_string_buffer(256)
    if _LIBC.statfs(os.fsencode(folder), buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return int(struct.unpack_from("l", buffer)[0]) == _TMPFS_MAGIC


def mount_tmpfs(target: Path, size_bytes: int = 0, mode: int = 0o777) -> None:
    """Mount an empty file system that lives in memory. size_bytes: its most, 0 for half of the memory."""
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV)
    if _LIBC.mount(b"tmpfs", os.fsencode(target), b"tmpfs", flags, options.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount tmpfs on {target}: {os.strerror(number)}", str(target))
