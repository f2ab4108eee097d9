"""Small files, read and written whole by a descriptor alone.

A shim shares with the zygote every page that it doesn't write to: `open` makes buffers and decoders, a descriptor makes
nothing. Standard library only.
"""

import json
import os
from typing import Any

_READ_BYTES = 16384


def read(path: str) -> bytes:
    """Return what is in a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = piece = os.read(descriptor, _READ_BYTES)
        while piece:
            piece = os.read(descriptor, _READ_BYTES)
            data += piece
    finally:
        os.close(descriptor)
    return data


def write(path: str, data: bytes) -> None:
    """Write to a file that is there, such as one of the kernel's, in one call."""
    _write(path, os.O_WRONLY, data)


def read_json(path: str) -> dict[str, Any]:
    """Return the object in a JSON file."""
    found: dict[str, Any] = json.loads(read(path))
    return found


def write_whole(path: str, data: bytes) -> None:
    """Write a whole file or nothing."""
    _write(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, data)
    os.rename(f"{path}.new", path)


def write_first(path: str, data: bytes) -> None:
    """Write a whole file where there is none; raises FileExistsError."""
    _write(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, data)
    os.link(f"{path}.new", path)
    os.unlink(f"{path}.new")


def _write(path: str, flags: int, data: bytes) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)
