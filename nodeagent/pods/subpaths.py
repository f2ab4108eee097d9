"""Give a container a part of a volume, and nothing but that part.

Keeps true: what is mounted lies in the volume, whatever links a container has planted there: it is opened by the kernel
with the order never to leave the volume, and bound by that open file, not by its name.
Reads the volume; writes missing directories in it, and mount points under the pod's own directory.
"""

import errno
import os
import stat
from pathlib import Path, PurePosixPath

from nodeagent.pods.mounts import bind, mounts_below, open_beneath, unmount
from nodeagent.pods.projections import VolumeError


def bind_subpath(volume: Path, subpath: str, target: Path) -> None:
    """Make `subpath` of `volume` appear at `target`; a missing directory is made. Raises VolumeError.

    What was bound there before stays if it is still the same: a file that was changed all at once is another one.
    """
    if subpath.startswith("/") or ".." in PurePosixPath(subpath).parts:
        raise VolumeError(f'subPath "{subpath}": must be a relative path without ".."')
    root = os.open(volume, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = _open_or_make(root, subpath)
        try:
            if mounts_below(target):
                if os.path.samestat(os.fstat(found), target.stat()):
                    return
                unmount(target)
            _make_target(target, is_folder=_is_folder(found))
            bind(found, target)
        finally:
            os.close(found)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.ELOOP):
            raise VolumeError(f'subPath "{subpath}": leads out of its volume') from error
        raise VolumeError(f'subPath "{subpath}": {error}') from error
    finally:
        os.close(root)


def _is_folder(descriptor: int) -> bool:
    return stat.S_ISDIR(os.stat(descriptor).st_mode)


def _open_or_make(root: int, subpath: str) -> int:
    try:
        return open_beneath(root, subpath, os.O_PATH)
    except FileNotFoundError:
        _make_folders(root, subpath)
        return open_beneath(root, subpath, os.O_PATH)


def _make_folders(root: int, subpath: str) -> None:
    """Make what is missing of a path, as open to writers as the volume itself."""
    mode = stat.S_IMODE(os.stat(root).st_mode)
    here = PurePosixPath()
    for part in PurePosixPath(subpath).parts:
        parent = open_beneath(root, str(here), os.O_PATH | os.O_DIRECTORY)
        here /= part
        try:
            os.mkdir(part, 0o700, dir_fd=parent)
        except FileExistsError:
            continue
        finally:
            os.close(parent)
        made = open_beneath(root, str(here), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchmod(made, mode)
        finally:
            os.close(made)


def _make_target(target: Path, *, is_folder: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
    if target.exists() and target.is_dir() is not is_folder:
        target.rmdir() if target.is_dir() else target.unlink()
    if is_folder:
        target.mkdir(exist_ok=True, mode=0o750)
    else:
        target.touch(mode=0o640, exist_ok=True)
