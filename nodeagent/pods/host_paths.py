"""Check and make what a hostPath volume names.

Source: kubernetes.io/docs/concepts/storage/volumes, section hostPath.
"""

import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from nodeagent.pods.projections import VolumeError

_CHECKS: Final[Mapping[str, tuple[Callable[[int], bool], str]]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def host_path(path: str, kind: str) -> Path:
    """Return the path a hostPath volume gives, of the kind that is asked for. Raises VolumeError."""
    target = Path(path)
    if kind not in ("", *_CHECKS):
        raise VolumeError(f'hostPath type "{kind}": is unknown; use one of {", ".join(_CHECKS)}')
    if not target.exists():
        if kind == "DirectoryOrCreate":
            target.mkdir(parents=True, mode=0o755)
        elif kind == "FileOrCreate":
            _create_file(target)
        elif kind:
            raise VolumeError(f"hostPath type check failed: {path} is not {_CHECKS[kind][1]}")
        return target
    if kind and not _CHECKS[kind][0](target.stat().st_mode):
        raise VolumeError(f"hostPath type check failed: {path} is not {_CHECKS[kind][1]}")
    return target


def _create_file(target: Path) -> None:
    try:
        target.touch(mode=0o644)
    except FileNotFoundError as error:
        raise VolumeError(f"hostPath {target}: its directory doesn't exist; make that first") from error
