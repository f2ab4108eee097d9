"""The cluster's own processes: started in the background, found again, ended by pid and never by name.

A record in the cluster's run directory names each by its pid and start time, so that a number which the kernel has
given to somebody else is never mistaken for ours.
"""

import json
import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_START_TIME_FIELD: Final = 21
"""Where /proc/PID/stat has the start time, counted from the pid as 0."""

KILL_WAIT_S: Final = 5.0


@dataclass(frozen=True)
class Record:
    """A process that we started. start_ticks: since boot, as /proc has it."""

    name: str
    pid: int
    start_ticks: int
    log: str

    @property
    def is_running(self) -> bool:
        """Say whether that very process still lives."""
        return self.start_ticks != 0 and start_ticks(self.pid) == self.start_ticks


def start_ticks(pid: int) -> int:
    """Return when a process started, in clock ticks since boot; 0 where there is none (or only its zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = stat[stat.rindex(")") + 2 :].split()
    return 0 if fields[0] in "ZX" else int(fields[_START_TIME_FIELD - 2])


def spawn(run_dir: Path, name: str, argv: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> Record:
    """Start a process of its own session, its output going to `log`, and record it under `name`."""
    run_dir.mkdir(parents=True, exist_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **(env or {})},
        )
    record = Record(name, process.pid, start_ticks(process.pid), str(log))
    path = _path(run_dir, name)
    path.with_suffix(".new").write_text(json.dumps(asdict(record)))
    path.with_suffix(".new").rename(path)
    process.returncode = 0  # It is not ours to wait for: it outlives this command.
    return record


def records(run_dir: Path) -> list[Record]:
    """Return what was recorded, running or not."""
    return [Record(**json.loads(path.read_text())) for path in sorted(run_dir.glob("*.process"))]


def find(run_dir: Path, name: str) -> Record | None:
    """Return the running process recorded under `name`."""
    path = _path(run_dir, name)
    if not path.exists():
        return None
    record = Record(**json.loads(path.read_text()))
    return record if record.is_running else None


def stop(run_dir: Path, record: Record, *, grace_s: float) -> bool:
    """End a process: SIGTERM, and SIGKILL where that isn't enough. Return whether it went by itself."""
    went = _signalled(record, signal.SIGTERM, grace_s) or not _signalled(record, signal.SIGKILL, KILL_WAIT_S)
    _path(run_dir, record.name).unlink(missing_ok=True)
    return went


def _signalled(record: Record, number: signal.Signals, wait_s: float) -> bool:
    """Send a signal and wait; return whether the process is gone."""
    try:
        pidfd = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return True
    try:
        if not record.is_running:
            return True
        signal.pidfd_send_signal(pidfd, number)
        ended, _, _ = select.select([pidfd], [], [], wait_s)
        return bool(ended)
    finally:
        os.close(pidfd)


def last_words(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log, for the story of a process that died."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _path(run_dir: Path, name: str) -> Path:
    return run_dir / f"{name}.process"
