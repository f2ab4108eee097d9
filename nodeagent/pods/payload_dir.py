"""Keep the files of a directory at a wanted content so that readers see either all of the old or all of the new.

Keeps true: the names in the directory are symlinks through `..data`, which points at a directory that is complete and
never changed; an update makes a new one and moves the link over in one step.
Source: the layout that programs which watch mounted ConfigMaps know (`..data`).
"""

import itertools
import os
import shutil
from pathlib import Path, PurePosixPath
from typing import Final

from nodeagent.pods.ownership import GROUP_READS
from nodeagent.pods.projections import File, Files

DATA: Final = "..data"
_NEW_LINK: Final = "..data_new"


def write_files(folder: Path, files: Files, group: int | None = None) -> bool:
    """Bring the directory to hold exactly `files`; return whether anything had to change.

    group: who owns the files besides root and may read them, None for root's own.
    """
    current = folder / DATA
    if current.is_symlink() and _holds(current, files, group):
        return False
    made = _new_folder(folder)
    for path, file in files.items():
        target = made / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        _write(target, file, group)
    old = current.readlink() if current.is_symlink() else None
    new_link = folder / _NEW_LINK
    new_link.unlink(missing_ok=True)
    new_link.symlink_to(made.name)
    new_link.replace(current)
    _link_names(folder, files)
    if old is not None and old.name != made.name:
        shutil.rmtree(folder / old.name, ignore_errors=True)
    return True


def _new_folder(folder: Path) -> Path:
    for number in itertools.count(1):
        made = folder / f"..{number:08d}"
        try:
            made.mkdir(mode=0o755)
        except FileExistsError:
            if (folder / DATA).is_symlink() and (folder / DATA).readlink().name == made.name:
                continue
            shutil.rmtree(made)  # Left by an update that was cut off.
            made.mkdir(mode=0o755)
        made.chmod(0o755)
        return made
    raise AssertionError("unreachable: count() never ends")


def _mode(mode: int, group: int | None) -> int:
    return mode if group is None else mode | GROUP_READS


def _write(path: Path, file: File, group: int | None) -> None:
    data = file.data
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        os.write(descriptor, data) if len(data) < 65536 else _write_all(descriptor, data)
        if group is not None or file.owner is not None:
            os.fchown(descriptor, -1 if file.owner is None else file.owner, -1 if group is None else group)
        os.fchmod(descriptor, _mode(file.mode, group))
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _holds(folder: Path, files: Files, group: int | None) -> bool:
    present = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    if present != set(files):
        return False
    for path, file in files.items():
        target = folder / path
        if target.stat().st_mode & 0o7777 != _mode(file.mode, group) or target.read_bytes() != file.data:
            return False
    return True


def _link_names(folder: Path, files: Files) -> None:
    """Make the top-level names point through `..data`, and remove those that are no longer wanted."""
    wanted = {PurePosixPath(path).parts[0] for path in files}
    for entry in folder.iterdir():
        if entry.is_symlink() and entry.name != DATA and entry.name not in wanted:
            entry.unlink()
    for name in wanted:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{name}")
