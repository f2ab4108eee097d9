"""What the runtime remembers on disk: one record per sandbox and container, and what shims wrote about them.

Keeps true: a record is whole or absent (written by rename); a container's phase is computed from which files exist,
so a crash at any moment leaves a state that is legal. docs/runtime.md says who writes which file.
"""

import contextlib
import enum
import json
import os
import shutil
from pathlib import Path
from typing import TypeVar

import msgspec

from kube.files import remove_deep

T = TypeVar("T")


class Phase(enum.Enum):
    """Where a container is; it moves down this list only."""

    CREATED = 0
    RUNNING = 1
    EXITED = 2


class SandboxRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A sandbox as its own `sandbox.json` has it. Writer: the runtime.

    config: a serialised PodSandboxConfig. is_ready: between the end of RunPodSandbox and StopPodSandbox.
    is_dismantled: all that StopPodSandbox does has been done. has_network: the network may have been attached.
    cgroup: of the pod; owns_cgroup: the runtime made it, and removes it. handler: which runtime makes its containers.
    """

    id: str
    created_at_ns: int
    config: bytes
    cgroup: str
    owns_cgroup: bool
    is_ready: bool = False
    is_dismantled: bool = False
    has_network: bool = False
    addresses: tuple[str, ...] = ()
    shim_pid: int = 0
    shim_start_time: int = 0
    handler: str = ""


class ContainerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A container as its `container.json` has it. Writer: the runtime.

    config: a serialised ContainerConfig. image: what was asked for; image_id: what it was. stop_signal: a number.
    """

    id: str
    sandbox_id: str
    created_at_ns: int
    config: bytes
    image: str
    image_id: str
    image_ref: str
    log_path: str
    cgroup: str
    stop_signal: int


class User(msgspec.Struct, frozen=True):
    """Who a container's first process became."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


class StartRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`pid.json`: the command runs, or ran. Writer: the shim."""

    pid: int
    start_time: int
    started_at: int
    user: User
    warnings: tuple[str, ...] = ()


class ExitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`exit.json`: the container is over and its log is complete. Writer: the shim; for a lost shim, the runtime."""

    exit_code: int
    finished_at: int
    reason: str
    signal: int = 0
    message: str = ""


class ShimRecord(msgspec.Struct, frozen=True):
    """`shim.json`. Writer: the shim, before it does anything else; who dismantles a sandbox without one, with pid 0.

    Whoever writes it first has the sandbox: a shim that comes too late ends.
    """

    pid: int
    start_time: int


def save(path: Path, record: msgspec.Struct) -> None:
    """Write a record whole or not at all."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_bytes(msgspec.json.encode(record))
    fresh.rename(path)


def save_first(path: Path, record: msgspec.Struct) -> None:
    """Write a record where there is none; one that is there stays as it is."""
    fresh = path.with_name(f"{path.name}.first")
    fresh.write_bytes(msgspec.json.encode(record))
    with contextlib.suppress(FileExistsError):
        os.link(fresh, path)
    fresh.unlink()


def load(path: Path, kind: type[T]) -> T | None:
    """Return a record, or None where the file is missing or not whole."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


def save_json(path: Path, value: object) -> None:
    """Write a bundle's JSON file."""
    path.write_text(json.dumps(value))


def start_time_of(pid: int) -> int:
    """Return when the process `pid` started (clock ticks since boot), or 0 when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in {"Z", "X"} else int(fields[19])


def is_alive(pid: int, start_time: int) -> bool:
    """Whether the very process that had `pid` at `start_time` still runs."""
    return pid > 0 and start_time != 0 and start_time_of(pid) == start_time


def remove_tree(folder: Path) -> None:
    """Remove a folder that may hold anything, folders in folders without end too, but mounts, which must be gone."""
    try:
        shutil.rmtree(folder, ignore_errors=False, onerror=_make_removable)
    except RecursionError:
        remove_deep(folder)


def _make_removable(_call: object, path: str, failure: object) -> None:
    """Take an immutable or append-only file out of the way of rmtree; a file that has gone meanwhile is fine."""
    if isinstance(failure, tuple) and isinstance(failure[1], FileNotFoundError):
        return
    parent = Path(path).parent
    parent.chmod(0o700)
    if Path(path).is_dir() and not Path(path).is_symlink():
        os.rmdir(path)  # noqa: PTH106
    else:
        os.unlink(path)  # noqa: PTH108
