"""The few calls to the kernel that volumes need: mount, umount, and opening a path that can't leave its directory.

Source: mount(2), umount2(2), openat2(2).
"""

import ctypes
import errno
import os
import struct
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_SYS_OPENAT2: Final = 437
_RESOLVE_BENEATH: Final = 0x08
_RESOLVE_NO_MAGICLINKS: Final = 0x02
_MS_BIND, _MS_REC = 4096, 16384
_MNT_DETACH: Final = 2


def bind(descriptor: int, target: Path) -> None:
    """Make what is open as `descriptor` appear at `target`, with all that is mounted below it."""
    source = f"/proc/{os.getpid()}/fd/{descriptor}"
    if _LIBC.mount(source.encode(), os.fsencode(target), b"", ctypes.c_ulong(_MS_BIND | _MS_REC), b"") != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}", str(target))


def unmount(target: Path) -> None:
    """Take a mount away, now or as soon as nobody uses it; nothing happens where nothing is mounted."""
    while _LIBC.umount2(str(target).encode(), _MNT_DETACH) == 0:
        pass
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOENT):
        raise OSError(number, f"umount {target}: {os.strerror(number)}", str(target))


def mounts_below(*folders: Path) -> list[Path]:
    """Return what is mounted at or below directories, the deepest first."""
    wanted = tuple(map(str, folders))
    below = tuple(f"{folder}/" for folder in wanted)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split(" ")[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        if point in wanted or point.startswith(below):
            found.append(Path(point))
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def open_beneath(folder: int, path: str, flags: int) -> int:
    """Open a path below an open directory; a link, `..` or mount trick that leads out of it raises OSError EXDEV."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    descriptor = _LIBC.syscall(_SYS_OPENAT2, folder, path.encode(), how, len(how))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(descriptor)
