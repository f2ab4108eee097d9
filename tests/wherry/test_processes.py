"""Processes that outlive the command which started them."""

import os
import sys
from pathlib import Path

from wherry.cluster.processes import Record, find, last_words, records, spawn, start_ticks, stop

IDLE = [sys.executable, "-c", "import signal; signal.pause()"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); [signal.pause() for _ in range(9)]",
]


def test_a_started_process_is_found_by_its_name_and_ends_when_told(tmp_path: Path) -> None:
    record = spawn(tmp_path, "idle", IDLE, tmp_path / "idle.log")

    assert find(tmp_path, "idle") == record
    assert stop(tmp_path, record, grace_s=5)
    os.waitpid(record.pid, 0)
    assert find(tmp_path, "idle") is None
    assert records(tmp_path) == []


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    record = spawn(tmp_path, "stubborn", STUBBORN, tmp_path / "stubborn.log")
    while last_words(tmp_path / "stubborn.log") != "deaf":
        assert record.is_running

    assert not stop(tmp_path, record, grace_s=0.1)
    os.waitpid(record.pid, 0)
    assert not record.is_running


def test_a_pid_that_was_given_to_another_process_is_not_ours() -> None:
    """The kernel uses numbers again; ending a stranger's process would be the worst of bugs."""
    impostor = Record("server", os.getpid(), start_ticks(os.getpid()) + 1, "")

    assert not impostor.is_running
