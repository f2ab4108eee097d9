"""Tell what the node and its pods use as a Summary, the form that metrics servers read. Plain functions.

Source: the kubelet's stats/v1alpha1.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from kube.times import parse_time, to_time
from nodeagent.cri.values import PodRecord
from nodeagent.pods.storage_usage import FolderUsage
from nodeagent.stats.machine_usage import DiskUsage, LinkUsage, MemoryUsage, NodeUsage
from nodeagent.stats.pod_usage import PodUsage
from proto import cri_v1


def summary(name: str, node: NodeUsage, pods: Iterable[PodUsage], now: datetime, *, brief: bool) -> dict[str, Any]:
    """Return the Summary of a node. brief: CPU and memory alone."""
    told = _moment(int(now.timestamp() * 1e9))
    about: dict[str, Any] = {
        "nodeName": name,
        "startTime": to_time(datetime.fromtimestamp(node.booted_at_s, UTC)),
        "cpu": {"time": told, "usageNanoCores": node.cpu_nano_cores, "usageCoreNanoSeconds": node.cpu_ns},
        "memory": _node_memory(node.memory, told),
    }
    if not brief:
        about |= {
            "network": _node_network(node.links, told),
            "fs": _disk(node.nodefs, told),
            "runtime": {"imageFs": _disk(node.imagefs, told), "containerFs": _disk(node.imagefs, told)},
            "rlimit": {"time": told, "maxpid": node.processes.most, "curproc": node.processes.count},
        }
    return {"node": about, "pods": [_pod(pod, node, told, brief=brief) for pod in pods]}


def _node_memory(used: MemoryUsage, told: str) -> dict[str, Any]:
    return {
        "time": told,
        "availableBytes": used.available_bytes,
        "usageBytes": used.used_bytes,
        "workingSetBytes": used.working_set_bytes,
        "rssBytes": used.rss_bytes,
        "pageFaults": used.page_faults,
        "majorPageFaults": used.major_page_faults,
    }


def _node_network(links: Sequence[LinkUsage], told: str) -> dict[str, Any]:
    rows = [
        {
            "name": link.name,
            "rxBytes": link.rx_bytes,
            "rxErrors": link.rx_errors,
            "txBytes": link.tx_bytes,
            "txErrors": link.tx_errors,
        }
        for link in links
    ]
    first = next((row for row in rows if row["name"] == "eth0"), rows[0] if rows else {"name": ""})
    return {"time": told, **first, "interfaces": rows}


def _disk(used: DiskUsage, told: str) -> dict[str, Any]:
    return {
        "time": told,
        "availableBytes": used.available_bytes,
        "capacityBytes": used.capacity_bytes,
        "usedBytes": used.used_bytes,
        "inodesFree": used.inodes_free,
        "inodes": used.inodes,
        "inodesUsed": used.inodes - used.inodes_free,
    }


def _pod(pod: PodUsage, node: NodeUsage, told: str, *, brief: bool) -> dict[str, Any]:
    meta = pod.pod.metadata
    began = pod.pod.status.start_time or meta.creation_timestamp
    about: dict[str, Any] = {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "startTime": to_time(parse_time(began)) if began else told,
        "containers": [_container(pod, used, node, told, brief=brief) for used in pod.containers],
        "cpu": _cpu(pod.stats.linux.cpu),
        "memory": _memory(pod.stats.linux.memory),
    }
    if brief:
        return about
    about["process_stats"] = {"process_count": pod.processes}
    about["ephemeral-storage"] = _folder(node.nodefs, pod.ephemeral, told)
    if pod.stats.linux.HasField("network"):
        about["network"] = _network(pod.stats.linux.network)
    if pod.storage.volumes:
        about["volume"] = [
            {**_folder(node.nodefs, used, told), "name": name} for name, used in pod.storage.volumes.items()
        ]
    return about


def _container(
    pod: PodUsage, used: cri_v1.ContainerStats, node: NodeUsage, told: str, *, brief: bool
) -> dict[str, Any]:
    name = used.attributes.metadata.name
    about: dict[str, Any] = {
        "name": name,
        "startTime": to_time(datetime.fromtimestamp(pod.started_s(name), UTC)),
        "cpu": _cpu(used.cpu),
        "memory": _memory(used.memory),
    }
    if brief:
        return about
    layer = FolderUsage(used.writable_layer.used_bytes.value, used.writable_layer.inodes_used.value)
    about["rootfs"] = _folder(node.imagefs, layer, told)
    about["logs"] = _folder(node.nodefs, pod.storage.logs.get(name, FolderUsage()), told)
    return about


def _folder(disk: DiskUsage, used: FolderUsage, told: str) -> dict[str, Any]:
    return {**_disk(disk, told), "usedBytes": used.bytes, "inodesUsed": used.inodes}


def _cpu(usage: cri_v1.CpuUsage) -> dict[str, Any]:
    return {
        "time": _moment(usage.timestamp),
        "usageNanoCores": usage.usage_nano_cores.value,
        "usageCoreNanoSeconds": usage.usage_core_nano_seconds.value,
    }


def _memory(usage: cri_v1.MemoryUsage) -> dict[str, Any]:
    about = {
        "time": _moment(usage.timestamp),
        "workingSetBytes": usage.working_set_bytes.value,
        "usageBytes": usage.usage_bytes.value,
        "rssBytes": usage.rss_bytes.value,
        "pageFaults": usage.page_faults.value,
        "majorPageFaults": usage.major_page_faults.value,
    }
    if usage.available_bytes.value:
        about["availableBytes"] = usage.available_bytes.value
    return about


def _network(usage: cri_v1.NetworkUsage) -> dict[str, Any]:
    default = usage.default_interface
    return {
        "time": _moment(usage.timestamp),
        **_link(default),
        "interfaces": [_link(link) for link in usage.interfaces],
    }


def _link(link: cri_v1.NetworkInterfaceUsage) -> dict[str, Any]:
    return {
        "name": link.name,
        "rxBytes": link.rx_bytes.value,
        "rxErrors": link.rx_errors.value,
        "txBytes": link.tx_bytes.value,
        "txErrors": link.tx_errors.value,
    }


def _moment(nanos: int) -> str:
    """Return a time with its fraction: rates are made of the difference of two."""
    whole, rest = divmod(nanos, 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def running(pods: Iterable[PodRecord]) -> tuple[int, dict[str, int]]:
    """Return how many pods run, and how many containers are in each state."""
    records = list(pods)
    count = sum(1 for pod in records if pod.sandbox is not None and pod.sandbox.is_ready)
    states = {"created": 0, "running": 0, "exited": 0, "unknown": 0}
    for record in (container for pod in records for container in pod.containers):
        states[record.state.name.lower()] += 1
    return count, states
