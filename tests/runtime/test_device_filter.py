"""The device filter of cgroup v2, in the kernel."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeagent.runtime import device_filter
from nodeagent.runtime.device_filter import USUAL_DEVICES, DeviceRule

pytestmark = pytest.mark.root


@pytest.fixture
def group() -> Iterator[Path]:
    """A v2 group, wherever this machine has that tree."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    root = next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)
    if root is None:
        pytest.skip("this machine has no cgroup2 mount")
    folder = root / f"wherry-test-{os.getpid()}"
    folder.mkdir()
    yield folder
    folder.rmdir()


_OPENER = """
import os, sys
with open(sys.argv[1], "w") as file:
    file.write("0")
try:
    os.open(sys.argv[2], os.O_RDONLY | os.O_NONBLOCK)
except PermissionError:
    sys.exit(7)
"""


def _opens(group: Path, path: str) -> bool:
    """Whether a process in the group can open a device."""
    command = [sys.executable, "-I", "-S", "-c", _OPENER, str(group / "cgroup.procs"), path]
    code = subprocess.run(command, check=False).returncode
    assert code in {0, 7}
    return code == 0


def test_only_named_devices_can_be_opened(group: Path) -> None:
    before = _opens(group, "/dev/loop0")

    device_filter.attach(group, [*USUAL_DEVICES, DeviceRule("b", 7, 1)])

    assert before
    assert [_opens(group, path) for path in ("/dev/zero", "/dev/loop1")] == [True, True]
    assert [_opens(group, path) for path in ("/dev/loop0", "/dev/kmsg", "/dev/fuse")] == [False, False, False]


def test_a_rule_reads_as_v1_writes_it() -> None:
    assert [str(rule) for rule in USUAL_DEVICES[-2:]] == ["c 5:2 rwm", "c 136:* rwm"]
