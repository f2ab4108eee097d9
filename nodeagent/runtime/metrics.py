"""Metrics of pods and containers by name, as cAdvisor named them: what kubelet serves at /metrics/cadvisor.

Keeps true: whatever is told is described, with the same labels; a figure that this host's kernel doesn't keep is left
out rather than told as 0. Reads cgroups, /proc of the processes in them, the writable layers; values are whole numbers,
as the CRI has no others. Source: CRI v1 ListMetricDescriptors and ListPodSandboxMetrics; KEP-2371.
"""

import os
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from nodeagent.runtime.host import Host
from nodeagent.runtime.metric_table import FAMILIES, LABELS
from nodeagent.runtime.pod import Container, Sandbox
from nodeagent.runtime.stats import disk_usage, links_of
from proto import cri_v1 as cri

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_S_NS, _S_US = 10**9, 10**6


class Reading(NamedTuple):
    """One figure; labels: the values of those that its family has beside LABELS."""

    name: str
    value: int
    labels: tuple[str, ...] = ()


def descriptors() -> list[cri.MetricDescriptor]:
    """Return what may be told."""
    return [
        cri.MetricDescriptor(name=name, help=family.help, label_keys=[*LABELS, *family.labels])
        for name, family in FAMILIES.items()
    ]


def of_sandbox(host: Host, sandbox: Sandbox) -> cri.PodSandboxMetrics:
    """Return the figures of a pod (its network) and of its running containers."""
    metadata = sandbox.config.metadata
    own = ("", sandbox.record.cgroup, "", sandbox.id, metadata.namespace, metadata.name)
    running = [item for item in sandbox.containers.values() if item.started and not item.ended]
    return cri.PodSandboxMetrics(
        pod_sandbox_id=sandbox.id,
        metrics=_told(host, own, _network(sandbox)),
        container_metrics=[
            cri.ContainerMetrics(
                container_id=item.id,
                metrics=_told(
                    host,
                    (
                        item.config.metadata.name,
                        item.record.cgroup,
                        item.record.image,
                        item.id,
                        metadata.namespace,
                        metadata.name,
                    ),
                    _container(host, item),
                ),
            )
            for item in running
        ],
    )


def _told(host: Host, labels: tuple[str, ...], readings: Iterable[Reading]) -> list[cri.Metric]:
    now = host.now_ns()
    return [
        cri.Metric(
            name=reading.name,
            timestamp=now,
            metric_type=cri.COUNTER if FAMILIES[reading.name].is_counter else cri.GAUGE,
            label_values=[*labels, *reading.labels],
            value=cri.UInt64Value(value=max(0, reading.value)),
        )
        for reading in readings
    ]


def _container(host: Host, container: Container) -> Iterator[Reading]:
    group = container.record.cgroup
    yield from _cpu(host, group)
    yield from _memory(host, group)
    yield from _input_output(host, group)
    yield from _pressure(host, group)
    yield from _processes(host, container)
    yield from _disk(host, container)
    yield from _specification(container)
    yield Reading("container_last_seen", host.now_ns() // _S_NS)


def _cpu(host: Host, group: str) -> Iterator[Reading]:
    table, ticks = host.cgroups.table(group, "cpu.stat"), host.cgroups.table(group, "cpuacct.stat")
    yield Reading("container_cpu_usage_seconds_total", host.cgroups.measure(group).cpu_ns // _S_NS, ("total",))
    user = table.get("user_usec", 0) // _S_US + ticks.get("user", 0) // _TICKS
    system = table.get("system_usec", 0) // _S_US + ticks.get("system", 0) // _TICKS
    yield Reading("container_cpu_user_seconds_total", user)
    yield Reading("container_cpu_system_seconds_total", system)
    throttled_s = table.get("throttled_usec", 0) // _S_US + table.get("throttled_time", 0) // _S_NS
    yield Reading("container_cpu_cfs_periods_total", table.get("nr_periods", 0))
    yield Reading("container_cpu_cfs_throttled_periods_total", table.get("nr_throttled", 0))
    yield Reading("container_cpu_cfs_throttled_seconds_total", throttled_s)


def _memory(host: Host, group: str) -> Iterator[Reading]:
    usage, table = host.cgroups.measure(group), host.cgroups.table(group, "memory.stat")
    events = host.cgroups.table(group, "memory.events") | host.cgroups.table(group, "memory.oom_control")
    yield Reading("container_memory_usage_bytes", usage.memory_bytes)
    yield Reading("container_memory_working_set_bytes", usage.working_set_bytes)
    yield Reading("container_memory_rss", usage.rss_bytes)
    yield Reading("container_memory_cache", table.get("total_cache", table.get("file", 0)))
    yield Reading("container_memory_mapped_file", table.get("total_mapped_file", table.get("file_mapped", 0)))
    yield Reading("container_oom_events_total", events.get("oom_kill", 0))
    yield Reading("container_memory_failures_total", usage.page_faults, ("pgfault", "container"))
    yield Reading("container_memory_failures_total", usage.major_page_faults, ("pgmajfault", "container"))
    swap = host.cgroups.number(group, "memory.swap.current")
    yield Reading("container_memory_swap", table.get("total_swap", 0) if swap is None else swap)
    kernel = host.cgroups.number(group, "memory.kmem.usage_in_bytes")
    yield Reading("container_memory_kernel_usage", table.get("kernel", 0) if kernel is None else kernel)
    refused = host.cgroups.number(group, "memory.failcnt")
    yield Reading("container_memory_failcnt", events.get("max", 0) if refused is None else refused)
    for file in ("memory.max_usage_in_bytes", "memory.peak"):
        peak = host.cgroups.number(group, file)
        if peak is not None:
            yield Reading("container_memory_max_usage_bytes", peak)


def _input_output(host: Host, group: str) -> Iterator[Reading]:
    """Yield what the v2 controller io counts, per device: `8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`."""
    for line in host.cgroups.text(group, "io.stat").splitlines():
        device, *words = line.split()
        counts = {name: int(value) for name, _, value in (word.partition("=") for word in words) if value.isdigit()}
        major, _, minor = device.partition(":")
        for name, operation in (("rbytes", "Read"), ("wbytes", "Write")):
            labels = (device, major, minor, operation)
            yield Reading("container_blkio_device_usage_total", counts.get(name, 0), labels)
        yield Reading("container_fs_reads_bytes_total", counts.get("rbytes", 0), (device,))
        yield Reading("container_fs_writes_bytes_total", counts.get("wbytes", 0), (device,))
        yield Reading("container_fs_reads_total", counts.get("rios", 0), (device,))
        yield Reading("container_fs_writes_total", counts.get("wios", 0), (device,))


def _pressure(host: Host, group: str) -> Iterator[Reading]:
    """Yield how long processes stood still: `some avg10=... total=MICROSECONDS` is waiting, `full` stalled."""
    words = {"some": "waiting", "full": "stalled"}
    for kind in ("cpu", "memory", "io"):
        for line in host.cgroups.text(group, f"{kind}.pressure").splitlines():
            total = int(line.rpartition("total=")[2])
            yield Reading(f"container_pressure_{kind}_{words[line.split()[0]]}_seconds_total", total // _S_US)


def _processes(host: Host, container: Container) -> Iterator[Reading]:
    pids = host.cgroups.processes(container.record.cgroup)
    opened = [_descriptors(pid) for pid in pids]
    yield Reading("container_processes", len(pids))
    yield Reading("container_threads", sum(_threads(pid) for pid in pids))
    yield Reading("container_file_descriptors", sum(len(links) for links in opened))
    yield Reading("container_sockets", sum(link.startswith("socket:") for links in opened for link in links))
    most = host.cgroups.text(container.record.cgroup, "pids.max").strip()
    yield Reading("container_threads_max", int(most) if most.isdigit() else 0)
    if container.started is not None:
        try:
            soft, _ = resource.prlimit(container.started.pid, resource.RLIMIT_NOFILE)
        except (ProcessLookupError, PermissionError):
            return
        yield Reading("container_ulimits_soft", soft, ("max_open_files",))


def _descriptors(pid: int) -> list[str]:
    """Return what a process has open; one that has ended has nothing."""
    try:
        with os.scandir(f"/proc/{pid}/fd") as entries:
            return [os.readlink(entry.path) for entry in entries]  # noqa: PTH115
    except OSError:
        return []


def _threads(pid: int) -> int:
    try:
        return len(os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208
    except OSError:
        return 0


def _disk(host: Host, container: Container) -> Iterator[Reading]:
    folder = host.settings.containers_dir
    used, _ = disk_usage(container.bundle / "upper")
    whole, device = os.statvfs(folder), str(_device(folder))
    yield Reading("container_fs_usage_bytes", used, (device,))
    yield Reading("container_fs_limit_bytes", whole.f_blocks * whole.f_frsize, (device,))
    yield Reading("container_fs_inodes_total", whole.f_files, (device,))
    yield Reading("container_fs_inodes_free", whole.f_ffree, (device,))


def _device(folder: Path) -> str:
    number = folder.stat().st_dev
    return f"{os.major(number)}:{os.minor(number)}"


def _specification(container: Container) -> Iterator[Reading]:
    wanted = container.config.linux.resources
    yield Reading("container_spec_cpu_period", wanted.cpu_period)
    yield Reading("container_spec_cpu_shares", wanted.cpu_shares)
    yield Reading("container_spec_cpu_quota", wanted.cpu_quota)
    yield Reading("container_spec_memory_limit_bytes", wanted.memory_limit_in_bytes)
    yield Reading("container_spec_memory_swap_limit_bytes", wanted.memory_limit_in_bytes)  # Swap is off.
    if container.started is not None:
        yield Reading("container_start_time_seconds", container.started.started_at // _S_NS)


def _network(sandbox: Sandbox) -> Iterator[Reading]:
    for link, numbers in links_of(sandbox):
        for way, first in (("receive", 0), ("transmit", 8)):
            for place, what in enumerate(("bytes", "packets", "errors", "packets_dropped")):
                yield Reading(f"container_network_{way}_{what}_total", numbers[first + place], (link,))
