"""What of a sandbox is mounted on the node: the pins that hold its namespaces, and its /dev/shm.

Keeps true: a pin holds a namespace of the very shim it was made for; `release` may be repeated.
"""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from nodeagent.runtime import state, syscalls
from nodeagent.runtime.syscalls import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID

_PINS = ("net", "ipc", "uts", "user")


def prepare(run_dir: Path, pins: Sequence[str]) -> None:
    """Make the folders of a sandbox, and an empty file for each namespace that will be pinned."""
    for folder in (run_dir, run_dir / "ns", run_dir / "shm"):
        folder.mkdir(mode=0o711)
    for name in pins:
        (run_dir / "ns" / name).touch(mode=0o600)


def mount_shm(run_dir: Path, ids: Mapping[str, int], label: str) -> None:
    """Mount the /dev/shm that the containers share; ids: the pod's user namespace, whose root owns it."""
    owner = f",uid={ids['uid']},gid={ids['gid']}" if ids else ""
    options = syscalls.labelled(f"mode=1777,size=64m{owner}", label)
    syscalls.mount("shm", str(run_dir / "shm"), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options)


def pin(run_dir: Path, names: Sequence[str], pid: int, start_time: int) -> bool:
    """Have the namespaces of a shim outlive it; return False where it has gone meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        for name in names:
            syscalls.mount(f"/proc/{pid}/ns/{name}", str(run_dir / "ns" / name), "", MS_BIND)
    return state.is_alive(pid, start_time)


def release(run_dir: Path) -> None:
    """Unmount all of it; a namespace lives on while a process is in it."""
    for place in (*(run_dir / "ns" / name for name in _PINS), run_dir / "shm"):
        with contextlib.suppress(OSError):  # EINVAL or ENOENT: it was never made, or is gone already.
            syscalls.unmount(str(place))
