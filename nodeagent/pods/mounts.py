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
_MS_BIND, _MS_REC, _MS_NOSUID, _MS_NODEV = 4096, 16384, 2, 4
_MNT_DETACH: Final = 2
_TMPFS_MAGIC: Final = 0x01021994


def mount_tmpfs(target: Path, size_bytes: int = 0, mode: int = 0o777) -> None:
    """Mount an empty file system that lives in memory. size_bytes: its most, 0 for half of the memory."""
    options = f"mode={mode:o}" + (f",size={size_bytes}" if size_bytes else "")
    _mount("tmpfs", str(target), "tmpfs", _MS_NOSUID | _MS_NODEV, options)


def bind(descriptor: int, target: Path) -> None:
    """Make what is open as `descriptor` appear at `target`, with all that is mounted below it."""
    _mount(f"/proc/{os.getpid()}/fd/{descriptor}", str(target), "", _MS_BIND | _MS_REC, "")


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    done = _LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}", target)


def unmount(target: Path) -> None:
    """Take a mount away, now or as soon as nobody uses it; nothing happens where nothing is mounted."""
    while _LIBC.umount2(str(target).encode(), _MNT_DETACH) == 0:
        pass
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOENT):
        raise OSError(number, f"umount {target}: {os.strerror(number)}", str(target))


def mounts_below(folder: Path) -> list[Path]:
    """Return what is mounted at or below a directory, the deepest first."""
    wanted = str(folder)
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = line.split(" ")[4].replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\")
        if point == wanted or point.startswith(wanted + "/"):
            found.append(Path(point))
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def is_tmpfs(folder: Path) -> bool:
    """Say whether a directory lives in memory."""
    buffer = ctypes.create_string_buffer(256)
    if _LIBC.statfs(str(folder).encode(), buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(folder))
    return int(struct.unpack_from("l", buffer)[0]) == _TMPFS_MAGIC


def open_beneath(folder: int, path: str, flags: int) -> int:
    """Open a path below an open directory; a link, `..` or mount trick that leads out of it raises OSError EXDEV."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    descriptor = _LIBC.syscall(_SYS_OPENAT2, folder, path.encode(), how, len(how))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(descriptor)
