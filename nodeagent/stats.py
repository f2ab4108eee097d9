"""Tell what pods and the node use, in the forms that `kubectl top` and Prometheus read. Plain functions.

Source: the kubelet's stats/v1alpha1 Summary and its /metrics/resource.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kube.times import to_time
from nodeagent.cri.values import PodRecord
from proto import cri_v1


def summary(node: str, pods: Sequence[cri_v1.PodSandboxStats], state_dir: Path, now: datetime) -> dict[str, Any]:
    """Return the Summary of a node and its pods."""
    disk = os.statvfs(state_dir)
    total = disk.f_blocks * disk.f_frsize
    free = disk.f_bavail * disk.f_frsize
    return {
        "node": {
            "nodeName": node,
            "startTime": to_time(now),
            "cpu": {
                "time": to_time(now),
                "usageNanoCores": sum(pod.linux.cpu.usage_nano_cores.value for pod in pods),
                "usageCoreNanoSeconds": _node_cpu_nanos(),
            },
            "memory": _node_memory(now),
            "fs": {"availableBytes": free, "capacityBytes": total, "usedBytes": total - free},
        },
        "pods": [_pod(pod) for pod in pods],
    }


def _node_cpu_nanos() -> int:
    """Return the time that all cores together have worked since the start of the machine."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _node_memory(now: datetime) -> dict[str, Any]:
    held = {}
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        held[name] = int(rest.split()[0]) * 1024
    used = held["MemTotal"] - held["MemFree"]
    return {
        "time": to_time(now),
        "availableBytes": held["MemAvailable"],
        "usageBytes": used,
        "workingSetBytes": held["MemTotal"] - held["MemAvailable"],
    }


def _pod(pod: cri_v1.PodSandboxStats) -> dict[str, Any]:
    meta = pod.attributes.metadata
    return {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "cpu": _cpu(pod.linux.cpu),
        "memory": _memory(pod.linux.memory),
        "containers": [
            {"name": used.attributes.metadata.name, "cpu": _cpu(used.cpu), "memory": _memory(used.memory)}
            for used in pod.linux.containers
        ],
    }


def _cpu(usage: cri_v1.CpuUsage) -> dict[str, Any]:
    return {
        "time": _moment(usage.timestamp),
        "usageNanoCores": usage.usage_nano_cores.value,
        "usageCoreNanoSeconds": usage.usage_core_nano_seconds.value,
    }


def _memory(usage: cri_v1.MemoryUsage) -> dict[str, Any]:
    return {
        "time": _moment(usage.timestamp),
        "workingSetBytes": usage.working_set_bytes.value,
        "usageBytes": usage.usage_bytes.value,
        "rssBytes": usage.rss_bytes.value,
    }


def _moment(nanos: int) -> str:
    return to_time(datetime.fromtimestamp(nanos / 1e9, UTC))


def resource_metrics(pods: Iterable[cri_v1.PodSandboxStats]) -> str:
    """Return what containers use, as Prometheus reads it."""
    cpu, memory = [], []
    for pod in pods:
        meta = pod.attributes.metadata
        for used in pod.linux.containers:
            name = used.attributes.metadata.name
            labels = f'container="{name}",namespace="{meta.namespace}",pod="{meta.name}"'
            seconds = used.cpu.usage_core_nano_seconds.value / 1e9
            cpu.append(f"container_cpu_usage_seconds_total{{{labels}}} {seconds}")
            memory.append(f"container_memory_working_set_bytes{{{labels}}} {used.memory.working_set_bytes.value}")
    lines = ["# TYPE container_cpu_usage_seconds_total counter", *cpu]
    lines += ["# TYPE container_memory_working_set_bytes gauge", *memory]
    return "\n".join(lines) + "\n"


def agent_metrics(pods: Iterable[PodRecord]) -> str:
    """Return how many pods and containers run, as Prometheus reads it."""
    return "\n".join(_agent_lines(list(pods))) + "\n"


def _agent_lines(pods: Sequence[PodRecord]) -> Iterator[str]:
    running = sum(1 for pod in pods if pod.sandbox is not None and pod.sandbox.is_ready)
    yield "# TYPE kubelet_running_pods gauge"
    yield f"kubelet_running_pods {running}"
    yield "# TYPE kubelet_running_containers gauge"
    for state in ("CREATED", "RUNNING", "EXITED"):
        count = sum(1 for pod in pods for record in pod.containers if record.state.name == state)
        yield f'kubelet_running_containers{{container_state="{state.lower()}"}} {count}'
