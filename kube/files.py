"""Files that are whole or not there."""

import os
import secrets
import tempfile
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).rename(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_deep(folder: Path) -> None:
    """Remove a tree however deep it is, where shutil.rmtree gives up, as it calls itself; no link is followed.

    Each folder's own folders are moved up before it goes, so that no path gets longer than two names.
    """
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        while entries := _names(root):
            for name in entries:
                try:
                    os.unlink(name, dir_fd=root)
                except IsADirectoryError:
                    _raise_folders(root, name)
                    os.rmdir(name, dir_fd=root)
    finally:
        os.close(root)
    folder.rmdir()


def _raise_folders(root: int, name: str) -> None:
    """Empty the folder `name` of `root`: move its folders there under fresh names, unlink the rest."""
    inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=root)
    try:
        for entry in _names(inner):
            try:
                os.unlink(entry, dir_fd=inner)
            except IsADirectoryError:
                os.rename(entry, secrets.token_hex(16), src_dir_fd=inner, dst_dir_fd=root)
    finally:
        os.close(inner)


def _names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]
