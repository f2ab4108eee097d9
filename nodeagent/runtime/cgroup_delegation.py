"""Hand the controllers of a cgroup of v2 down to the groups below it.

Keeps true: a group hands down what it was given itself; no process is lost over it.
Writes `cgroup.subtree_control`, and moves processes where the kernel wants that.
Source: kernel docs cgroup-v2, "No Internal Process Constraint".
"""

import contextlib
import errno
import logging
from pathlib import Path

_LOG = logging.getLogger(__name__)
_INNER = "init"


def offered(folder: Path, wanted: frozenset[str]) -> frozenset[str]:
    """Return which controllers a group has to hand down: all that are wanted, but where its parent couldn't."""
    try:
        return frozenset((folder / "cgroup.controllers").read_text().split())
    except FileNotFoundError:
        return wanted


def hand_down(folder: Path, controllers: frozenset[str]) -> None:
    """Have the groups below `folder` use its controllers, for which no process may be in it itself.

    The machine's root group is free of that; the outermost one of a container is not, so its processes make room. Where
    some can't, as they belong to a pid namespace outside, there are no limits below: what asks for one is refused.
    """
    wanted = " ".join(f"+{name}" for name in sorted(controllers))
    try:
        _write(folder, wanted)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        _make_room(folder)
        try:
            _write(folder, wanted)
        except OSError as again:
            _LOG.warning("%s; its processes can't be moved: no limits below it", again.strerror)


def _make_room(folder: Path) -> None:
    """Move the processes of a group to a group of their own below it."""
    inner = folder / _INNER / "cgroup.procs"
    inner.parent.mkdir(exist_ok=True)
    for pid in (folder / "cgroup.procs").read_text().split():
        if pid != "0":  # Which stands for each one of a pid namespace outside.
            with contextlib.suppress(ProcessLookupError):
                inner.write_text(pid)


def _write(folder: Path, wanted: str) -> None:
    try:
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError as error:
        found = f"cgroup: {folder} can't hand down {wanted}: {error.strerror}"
        raise OSError(error.errno, f"{found}; give it those controllers, and no processes of its own") from None
