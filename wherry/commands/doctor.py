"""`wherry doctor`: what this machine offers for running pods, what is missing, and the way to get it."""

import argparse
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wherry.cluster.layout import STATE_ROOT
from wherry.context import Context

MIN_KERNEL: Final = (5, 10)
MIN_FREE_BYTES: Final = 1 << 30
MODPROBE_TIMEOUT_S: Final = 10.0
NAMESPACES: Final = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
CONTROLLERS: Final = ("cpu", "memory", "pids")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. remedy: what to do where it isn't good. is_needed: nothing runs without it."""

    subject: str
    is_good: bool
    detail: str
    remedy: str = ""
    is_needed: bool = True

    @property
    def mark(self) -> str:
        """The word at the beginning of its line."""
        return "ok" if self.is_good else ("MISSING" if self.is_needed else "absent")


def add(_parser: argparse.ArgumentParser) -> None:
    """Declare the arguments: none."""


def run(context: Context) -> int:
    """Print each finding; 1 where something is missing without which no pod can run."""
    findings = examine()
    for finding in findings:
        context.say(f"{finding.mark:<9}{finding.subject:<18}{finding.detail}")
        if not finding.is_good and finding.remedy:
            context.say(f"{'':<9}{'':<18}-> {finding.remedy}")
    return 0 if obstacles(findings) == [] else 1


def obstacles(findings: list[Finding]) -> list[Finding]:
    """Return what keeps pods from running."""
    return [finding for finding in findings if finding.is_needed and not finding.is_good]


def examine() -> list[Finding]:
    """Look at everything."""
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _system, _rights, _namespaces, _overlay, _cgroups, _network, _disk, _tools,
    )  # fmt: skip
    return [finding for look in looks for finding in look()]


def _system() -> Iterator[Finding]:
    release = os.uname().release
    numbers = tuple(int(part) for part in release.split("-")[0].split(".")[:2] if part.isdigit())
    is_linux = sys.platform == "linux"
    yield Finding(
        "kernel", is_linux and numbers >= MIN_KERNEL, f"{os.uname().sysname} {release}", "use Linux 5.10 or newer"
    )


def _rights() -> Iterator[Finding]:
    is_root = os.geteuid() == 0
    yield Finding("root", is_root, f"user id {os.geteuid()}", "run with sudo: namespaces and mounts need root")
    limits = _effective_capabilities()
    missing = [name for name, bit in (("CAP_SYS_ADMIN", 21), ("CAP_NET_ADMIN", 12)) if not limits >> bit & 1]
    detail = "enough" if not missing else f"lacks {', '.join(missing)}"
    yield Finding(
        "capabilities", not missing, detail, "run outside of an unprivileged container, or make it privileged"
    )
    yield Finding(
        "CAP_SYS_RESOURCE",
        bool(limits >> 24 & 1),
        "raising a container's hard limits",
        "without it a pod can't have higher resource limits than this process",
        is_needed=False,
    )


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def _namespaces() -> Iterator[Finding]:
    missing = [name for name in NAMESPACES if not Path(f"/proc/self/ns/{name}").exists()]
    detail = "all kinds" if not missing else f"lacks {', '.join(missing)}"
    yield Finding("namespaces", not missing, detail, "use a kernel that is built with them")


def _overlay() -> Iterator[Finding]:
    is_good = has_overlay(Path("/proc/filesystems").read_text(), _can_be_loaded)
    yield Finding("overlayfs", is_good, "layers of images", "`modprobe overlay`, or a kernel that has it")


def has_overlay(filesystems: str, can_be_loaded: Callable[[str], bool]) -> bool:
    """Say whether the kernel knows overlayfs, or will load it with the first mount.

    filesystems: the text of /proc/filesystems, which names none that is a module not needed so far.
    """
    return "overlay" in filesystems.split() or can_be_loaded("overlay")


def _can_be_loaded(module: str) -> bool:
    """Ask as the kernel will, but load nothing."""
    try:
        command = ["/sbin/modprobe", "--dry-run", "--quiet", module]
        return subprocess.run(command, check=False, capture_output=True, timeout=MODPROBE_TIMEOUT_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _cgroups() -> Iterator[Finding]:
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        offered = unified.read_text().split()
        layout = "version 2"
    else:
        offered = [name for name in CONTROLLERS if Path(f"/sys/fs/cgroup/{name}").is_dir()]
        layout = "version 1" + (" beside version 2" if Path("/sys/fs/cgroup/unified").is_dir() else "")
    missing = [name for name in CONTROLLERS if name not in offered]
    detail = f"{layout}; " + (f"lacks {', '.join(missing)}" if missing else "cpu, memory, pids")
    yield Finding(
        "cgroups",
        not missing,
        detail,
        "boot with cgroup_enable=memory; limits of what is missing don't hold",
        is_needed=False,
    )


def _network() -> Iterator[Finding]:
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12).close()
        has_netfilter = True
    except OSError:
        has_netfilter = False
    yield Finding("nf_tables", has_netfilter, "Services", "`modprobe nf_tables`")
    path = Path("/proc/sys/net/ipv4/ip_forward")
    yield Finding("ip_forward", os.access(path, os.W_OK), "routes between pods", "/proc/sys must be writable")


def _disk() -> Iterator[Finding]:
    place = next(path for path in (STATE_ROOT, *STATE_ROOT.parents) if path.exists())
    free = shutil.disk_usage(place).free
    yield Finding(
        "disk", free > MIN_FREE_BYTES, f"{free >> 30} GiB free at {place}", "make room: images and volumes live there"
    )


def _tools() -> Iterator[Finding]:
    kubectl = shutil.which("kubectl")
    yield Finding(
        "kubectl", bool(kubectl), kubectl or "not on PATH", "optional: `wherry` has the daily verbs", is_needed=False
    )
