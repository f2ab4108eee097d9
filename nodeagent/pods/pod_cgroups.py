"""Remove the cgroup that a pod had for all its containers, where the runtime leaves that to the node agent.

The built-in runtime removes what it made; others remove their containers' groups alone. Writes /sys/fs/cgroup.
Source: kernel.org/doc/html/latest/admin-guide/cgroup-v2.html, cgroup-v1/cgroups.html.
"""

import contextlib
from pathlib import Path
from typing import Final

ROOT: Final = Path("/sys/fs/cgroup")


def remove(group: str, root: Path = ROOT) -> None:
    """Remove a group and those below it from every hierarchy; what a process still holds stays."""
    name = group.strip("/")
    for top in (root / name, *(hierarchy / name for hierarchy in root.iterdir() if hierarchy.is_dir())):
        if not top.is_dir():
            continue
        below = sorted((folder for folder in top.rglob("*") if folder.is_dir()), reverse=True)
        for folder in (*below, top):
            with contextlib.suppress(OSError):
                folder.rmdir()
