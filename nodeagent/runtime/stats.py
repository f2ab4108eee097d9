"""Figures of containers and pods, as the CRI wants them.

Keeps true: nano cores are a rate between two readings at least a second apart, never a guess. Reads the cgroups, the
writable layers and, inside the pod's network namespace, /proc/<pid>/net/dev.
Source: CRI v1 ContainerStats and PodSandboxStats.
"""

import os
from pathlib import Path

from nodeagent.runtime.cgroup_trees import Usage
from nodeagent.runtime.cgroups import Cgroups
from nodeagent.runtime.host import Host
from nodeagent.runtime.pod import Container, Sandbox
from proto import cri_v1 as cri

_RATE_SPAN_NS = 1_000_000_000


class CpuRates:
    """The last readings of each group's CPU time, from which rates are made."""

    def __init__(self) -> None:
        self._readings: dict[str, tuple[int, int, int]] = {}

    def rate(self, group: str, now_ns: int, cpu_ns: int) -> int:
        """Return nano cores since the last reading that is a second old or more (0 until there is one)."""
        then, used, last = self._readings.get(group, (0, 0, 0))
        if then == 0:
            self._readings[group] = (now_ns, cpu_ns, 0)
            return 0
        if now_ns - then >= _RATE_SPAN_NS:
            last = max(0, cpu_ns - used) * 1_000_000_000 // (now_ns - then)
            self._readings[group] = (now_ns, cpu_ns, last)
        return last

    def forget(self, group: str) -> None:
        """Drop a group that is gone."""
        self._readings.pop(group, None)


class Stats:
    """Measures on request."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._cgroups: Cgroups = host.cgroups
        self.rates = CpuRates()

    def container(self, container: Container) -> cri.ContainerStats:
        """Return the figures of one container."""
        now = self._host.now_ns()
        usage = self._cgroups.measure(container.record.cgroup)
        used_bytes, inodes = disk_usage(container.bundle / "upper")
        return cri.ContainerStats(
            attributes=cri.ContainerAttributes(
                id=container.id,
                metadata=container.config.metadata,
                labels=container.config.labels,
                annotations=container.config.annotations,
            ),
            cpu=self._cpu(container.record.cgroup, now, usage),
            memory=_memory(now, usage),
            writable_layer=cri.FilesystemUsage(
                timestamp=now,
                fs_id=cri.FilesystemIdentifier(mountpoint=str(self._host.settings.containers_dir)),
                used_bytes=cri.UInt64Value(value=used_bytes),
                inodes_used=cri.UInt64Value(value=inodes),
            ),
        )

    def sandbox(self, sandbox: Sandbox) -> cri.PodSandboxStats:
        """Return the figures of one pod and its running containers."""
        now = self._host.now_ns()
        usage = self._cgroups.measure(sandbox.record.cgroup)
        return cri.PodSandboxStats(
            attributes=cri.PodSandboxAttributes(
                id=sandbox.id,
                metadata=sandbox.config.metadata,
                labels=sandbox.config.labels,
                annotations=sandbox.config.annotations,
            ),
            linux=cri.LinuxPodSandboxStats(
                cpu=self._cpu(sandbox.record.cgroup, now, usage),
                memory=_memory(now, usage),
                network=_network(now, sandbox),
                process=cri.ProcessUsage(timestamp=now, process_count=cri.UInt64Value(value=usage.processes)),
                containers=[
                    self.container(item) for item in sandbox.containers.values() if item.started and not item.ended
                ],
            ),
        )

    def _cpu(self, group: str, now: int, usage: Usage) -> cri.CpuUsage:
        return cri.CpuUsage(
            timestamp=now,
            usage_core_nano_seconds=cri.UInt64Value(value=usage.cpu_ns),
            usage_nano_cores=cri.UInt64Value(value=self.rates.rate(group, now, usage.cpu_ns)),
        )


def _memory(now: int, usage: Usage) -> cri.MemoryUsage:
    available = max(0, usage.limit_bytes - usage.working_set_bytes) if usage.limit_bytes else 0
    return cri.MemoryUsage(
        timestamp=now,
        working_set_bytes=cri.UInt64Value(value=usage.working_set_bytes),
        available_bytes=cri.UInt64Value(value=available),
        usage_bytes=cri.UInt64Value(value=usage.memory_bytes),
        rss_bytes=cri.UInt64Value(value=usage.rss_bytes),
        page_faults=cri.UInt64Value(value=usage.page_faults),
        major_page_faults=cri.UInt64Value(value=usage.major_page_faults),
    )


def _network(now: int, sandbox: Sandbox) -> cri.NetworkUsage | None:
    links = [_link(name, numbers) for name, numbers in links_of(sandbox)]
    if not links:
        return None
    default = next((link for link in links if link.name == "eth0"), None)
    return cri.NetworkUsage(timestamp=now, default_interface=default, interfaces=links)


def links_of(sandbox: Sandbox) -> list[tuple[str, list[int]]]:
    """Return the pod's links but the loopback, with the figures of /proc/net/dev: 8 of receiving, 8 of sending.

    The shim is in the pod's network, so its view is the pod's.
    """
    if not sandbox.netns_path or not sandbox.is_ready:
        return []
    try:
        lines = Path(f"/proc/{sandbox.record.shim_pid}/net/dev").read_text().splitlines()[2:]
    except OSError:
        return []
    rows = (line.partition(":") for line in lines)
    return [(name.strip(), [int(number) for number in rest.split()]) for name, _, rest in rows if name.strip() != "lo"]


def _link(name: str, numbers: list[int]) -> cri.NetworkInterfaceUsage:
    return cri.NetworkInterfaceUsage(
        name=name,
        rx_bytes=cri.UInt64Value(value=numbers[0]),
        rx_errors=cri.UInt64Value(value=numbers[2]),
        tx_bytes=cri.UInt64Value(value=numbers[8]),
        tx_errors=cri.UInt64Value(value=numbers[10]),
    )


def disk_usage(folder: Path) -> tuple[int, int]:
    """Return (bytes, inodes) that a folder takes on its file system."""
    used, count, pending = 0, 0, [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    used, count = used + status.st_blocks * 512, count + 1
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            continue  # It went while being measured.
    return used, count
