"""Keep the logs of containers from growing without bound.

Keeps true: no line is lost: the full file is renamed while the runtime writes on in it, and only then the runtime opens
a new one. Reads and writes the CRI log files; asks the runtime to reopen.
Source: kubernetes.io/docs/concepts/cluster-administration/logging, section on log rotation.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from kube.clock import Clock
from nodeagent.cri.client import Cri, CriError

ROUND_S: Final = 10.0

_log = logging.getLogger(__name__)


def is_full(log: Path, most_bytes: int) -> bool:
    """Say whether a log has reached its size."""
    try:
        return log.stat().st_size >= most_bytes
    except FileNotFoundError:
        return False


def rotated_name(log: Path, now: datetime) -> Path:
    """Return what a full log is renamed to; the names sort by age."""
    return log.with_name(f"{log.name}.{now:%Y%m%d-%H%M%S%f}")


def surplus(log: Path, most_files: int) -> list[Path]:
    """Return the oldest rotated files, those beyond `most_files` with the current one."""
    rotated = sorted(log.parent.glob(f"{log.name}.*"))
    return rotated[: max(0, len(rotated) + 1 - most_files)]


async def rotate(cri: Cri, container_id: str, log: Path, now: datetime, most_files: int) -> None:
    """Begin a new file for a container's log, and remove what is too old. Raises CriError."""
    full = rotated_name(log, now)
    _rename(log, full)
    try:
        await cri.reopen_log(container_id)
    except CriError:
        if not is_full(log, 0):
            _rename(full, log)  # The runtime writes on in it: it must keep its name.
        raise
    for old in surplus(log, most_files):
        old.unlink(missing_ok=True)


def _rename(old: Path, new: Path) -> None:
    old.rename(new)


async def keep_rotating(
    cri: Cri, running: Callable[[], Iterable[tuple[str, Path]]], clock: Clock, *, most_bytes: int, most_files: int
) -> None:
    """Look after the logs of all running containers, for ever. running: their ids and logs."""
    while True:
        await clock.sleep(ROUND_S)
        for container_id, log in list(running()):
            if not is_full(log, most_bytes):
                continue
            try:
                await rotate(cri, container_id, log, clock.now(), most_files)
            except (CriError, OSError) as error:
                _log.warning("log of container %s: not rotated: %s", container_id, error)
