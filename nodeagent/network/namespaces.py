"""Network namespaces: make one that outlives its maker, remove it, and work inside one.

Keeps true: only the worker's own thread ever changes its namespace, so the rest of the process stays where it is.
Reads and writes bind mounts of namespace files (as `ip netns` does).
Source: network_namespaces(7), setns(2).
"""

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
_MS_BIND = 0x1000
_MNT_DETACH = 2
_OWN = "/proc/thread-self/ns/net"
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def entered(path: str | Path) -> Iterator[None]:
    """Put the calling thread into the namespace at `path` for the length of the block. For worker threads only."""
    home = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _enter(path)
        yield
    finally:
        _check(_libc.setns(home, CLONE_NEWNET), "setns back")
        os.close(home)


def run_in(path: str | Path, work: Callable[[], T]) -> T:
    """Run `work` inside the namespace at `path`, in a thread of its own, and return what it returns."""

    def inside() -> T:
        with entered(path):
            return work()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(inside).result()


def start_worker(path: str | Path | None, name: str) -> ThreadPoolExecutor:
    """Return a pool of one thread that lives in the namespace at `path` (None: the process's own)."""

    def enter() -> None:
        if path is not None:
            _enter(path)

    return ThreadPoolExecutor(1, thread_name_prefix=name, initializer=enter)


def create(path: Path) -> None:
    """Make a network namespace pinned at `path`; one that is already there stays as it is."""
    if is_namespace(path):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o444)
    failures: list[OSError] = []

    def make() -> None:
        try:
            _check(_libc.unshare(CLONE_NEWNET), "unshare a network namespace")
            _check(_libc.mount(_OWN.encode(), os.fsencode(path), b"none", _MS_BIND, None), f"pin {path}")
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=make, name="namespace-maker")
    thread.start()
    thread.join()
    if failures:
        path.unlink(missing_ok=True)
        raise failures[0]


def remove(path: Path) -> None:
    """Unpin the namespace at `path`; it ends when its last process and socket have. Nothing there is fine."""
    while _libc.umount2(os.fsencode(path), _MNT_DETACH) == 0:
        continue
    path.unlink(missing_ok=True)


def is_namespace(path: Path) -> bool:
    """Tell whether a network namespace is pinned at `path`."""
    try:
        return os.stat(path).st_dev == os.stat(_OWN).st_dev  # noqa: PTH116 - both are files of nsfs.
    except FileNotFoundError:
        return False


def _enter(path: str | Path) -> None:
    target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(target, CLONE_NEWNET), f"enter {path}")
    finally:
        os.close(target)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
