"""What the whole machine uses now, as plain values.

Reads /proc and the file systems; writes nothing. A network namespace's view of /proc/net is the node's own.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RATE_SPAN_S: Final = 1.0
_TICK_NS: Final = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True, slots=True)
class MemoryUsage:
    """Memory in bytes. available: what can be had without swapping; working set: the rest."""

    capacity_bytes: int
    available_bytes: int
    used_bytes: int
    rss_bytes: int
    page_faults: int
    major_page_faults: int

    @property
    def working_set_bytes(self) -> int:
        """What can't be dropped at once."""
        return self.capacity_bytes - self.available_bytes


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """A file system. available: to those who aren't root."""

    capacity_bytes: int
    available_bytes: int
    used_bytes: int
    inodes: int
    inodes_free: int


@dataclass(frozen=True, slots=True)
class LinkUsage:
    """The traffic of a network link since it was made."""

    name: str
    rx_bytes: int
    rx_errors: int
    tx_bytes: int
    tx_errors: int


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Processes and threads, and how many there can be."""

    count: int
    most: int


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """What the node uses. nodefs: of pods' volumes and logs. imagefs: of images and writable layers."""

    cpu_ns: int
    cpu_nano_cores: int
    memory: MemoryUsage
    nodefs: DiskUsage
    imagefs: DiskUsage
    processes: ProcessUsage
    links: tuple[LinkUsage, ...]
    booted_at_s: float


def cpu_ns() -> int:
    """Return the time that all cores together have worked since the start of the machine."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) * _TICK_NS


def booted_at_s() -> float:
    """Return when the machine was started, in seconds since 1970."""
    return time.time() - float(Path("/proc/uptime").read_text().split()[0])


def memory() -> MemoryUsage:
    """Return what of the memory is used."""
    held = _figures("/proc/meminfo")
    faults = _figures("/proc/vmstat")
    return MemoryUsage(
        capacity_bytes=held["MemTotal"] * 1024,
        available_bytes=held["MemAvailable"] * 1024,
        used_bytes=(held["MemTotal"] - held["MemFree"]) * 1024,
        rss_bytes=held["AnonPages"] * 1024,
        page_faults=faults["pgfault"],
        major_page_faults=faults["pgmajfault"],
    )


def _figures(path: str) -> Mapping[str, int]:
    rows = (line.replace(":", " ").split() for line in Path(path).read_text().splitlines())
    return {row[0]: int(row[1]) for row in rows}


def disk(folder: Path) -> DiskUsage:
    """Return what of the file system of a folder is used."""
    found = os.statvfs(folder)
    capacity = found.f_blocks * found.f_frsize
    return DiskUsage(
        capacity_bytes=capacity,
        available_bytes=found.f_bavail * found.f_frsize,
        used_bytes=capacity - found.f_bfree * found.f_frsize,
        inodes=found.f_files,
        inodes_free=found.f_ffree,
    )


def links() -> list[LinkUsage]:
    """Return the node's links but the loopback."""
    rows = (line.partition(":") for line in Path("/proc/self/net/dev").read_text().splitlines()[2:])
    return [_link(name.strip(), rest) for name, _, rest in rows if name.strip() != "lo"]


def _link(name: str, rest: str) -> LinkUsage:
    figures = [int(word) for word in rest.split()]
    return LinkUsage(name, figures[0], figures[2], figures[8], figures[10])


def processes() -> ProcessUsage:
    """Return how many threads there are, and how many the kernel can have."""
    running = int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
    limits = (Path(f"/proc/sys/kernel/{name}").read_text() for name in ("pid_max", "threads-max"))
    return ProcessUsage(running, min(map(int, limits)))


class CpuRate:
    """Turns readings of a clock of CPU time into a rate, over a second or more."""

    def __init__(self) -> None:
        self._then_s = 0.0
        self._then_ns = 0
        self._rate = 0

    def rate(self, now_s: float, used_ns: int) -> int:
        """Return nano cores between this reading and the last one that is old enough, 0 until there is one."""
        span_s = now_s - self._then_s
        if not self._then_ns:
            self._then_s, self._then_ns = now_s, used_ns
        elif span_s >= RATE_SPAN_S:
            self._rate = max(0, int((used_ns - self._then_ns) / span_s))
            self._then_s, self._then_ns = now_s, used_ns
        return self._rate


def own_cpu_s() -> float:
    """Return the CPU time of this process."""
    used = os.times()
    return used.user + used.system


def own_memory_bytes() -> int:
    """Return the resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
