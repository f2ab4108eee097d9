"""Tell what the node, its pods and the agent use, by the names that Prometheus users know. Plain functions.

Source: the kubelet's /metrics/resource, /metrics/cadvisor and /metrics; KEP-2371.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from nodeagent.cri.values import PodRecord
from nodeagent.pods.user_ranges import UserRanges
from nodeagent.stats import machine_usage
from nodeagent.stats.exposition import Family, Sample
from nodeagent.stats.machine_usage import NodeUsage
from nodeagent.stats.pod_usage import PodUsage
from nodeagent.stats.summary import running
from proto import cri_v1

Labels = Mapping[str, str]


def resource_metrics(node: NodeUsage, pods: Sequence[PodUsage], now: datetime) -> Iterator[Family]:
    """Yield the CPU and memory of containers, pods and the node, each with the time of its reading."""
    now_ms = int(now.timestamp() * 1000)
    used = [(pod, item, _of_container(pod, item)) for pod in pods for item in pod.containers]
    linux = [(pod.stats.linux, _of_pod(pod)) for pod in pods]
    yield Family(
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the container in core-seconds",
        [_cpu(item.cpu, labels) for _, item, labels in used],
    )
    yield Family(
        "container_memory_working_set_bytes",
        "gauge",
        "Current working set of the container in bytes",
        [_working_set(item.memory, labels) for _, item, labels in used],
    )
    yield Family(
        "container_start_time_seconds",
        "gauge",
        "Start time of the container since unix epoch in seconds",
        [Sample(pod.started_s(labels["container"]), labels) for pod, _, labels in used],
    )
    yield Family(
        "node_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the node in core-seconds",
        [Sample(node.cpu_ns / 1e9, at_ms=now_ms)],
    )
    yield Family(
        "node_memory_working_set_bytes",
        "gauge",
        "Current working set of the node in bytes",
        [Sample(node.memory.working_set_bytes, at_ms=now_ms)],
    )
    yield Family(
        "pod_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed by the pod in core-seconds",
        [_cpu(figures.cpu, labels) for figures, labels in linux],
    )
    yield Family(
        "pod_memory_working_set_bytes",
        "gauge",
        "Current working set of the pod in bytes",
        [_working_set(figures.memory, labels) for figures, labels in linux],
    )
    yield Family("resource_scrape_error", "gauge", "1 if there was an error while getting metrics", [Sample(0)])


def _of_container(pod: PodUsage, used: cri_v1.ContainerStats) -> Labels:
    return {"container": used.attributes.metadata.name, **_of_pod(pod)}


def _of_pod(pod: PodUsage) -> Labels:
    return {"namespace": pod.pod.metadata.namespace, "pod": pod.pod.metadata.name}


def _cpu(used: cri_v1.CpuUsage, labels: Labels) -> Sample:
    return Sample(used.usage_core_nano_seconds.value / 1e9, labels, used.timestamp // 1_000_000)


def _working_set(used: cri_v1.MemoryUsage, labels: Labels) -> Sample:
    return Sample(used.working_set_bytes.value, labels, used.timestamp // 1_000_000)


def container_metrics(
    descriptors: Iterable[cri_v1.MetricDescriptor], told: Iterable[cri_v1.PodSandboxMetrics]
) -> Iterator[Family]:
    """Yield what the runtime measures of pods and containers. Names that it doesn't describe are left out.

    Counts of seconds come as whole numbers: the wire has no others.
    """
    described = {descriptor.name: descriptor for descriptor in descriptors}
    families: dict[str, Family] = {}
    for metric in _metrics_of(told):
        descriptor = described.get(metric.name)
        if descriptor is None:
            continue
        kind = "counter" if metric.metric_type == cri_v1.COUNTER else "gauge"
        family = families.setdefault(metric.name, Family(metric.name, kind, descriptor.help))  # type: ignore[arg-type]
        labels = dict(zip(descriptor.label_keys, metric.label_values, strict=False))
        family.samples.append(Sample(metric.value.value, labels, metric.timestamp // 1_000_000))
    yield from families.values()


def _metrics_of(told: Iterable[cri_v1.PodSandboxMetrics]) -> Iterator[cri_v1.Metric]:
    for pod in told:
        yield from pod.metrics
        for container in pod.container_metrics:
            yield from container.metrics


_CONTAINER_GAUGES = {
    "container_memory_rss": ("Size of RSS in bytes.", "rss_bytes"),
    "container_memory_usage_bytes": (
        "Current memory usage in bytes, including all memory regardless of when it was accessed",
        "usage_bytes",
    ),
    "container_memory_working_set_bytes": ("Current working set in bytes.", "working_set_bytes"),
}
_LINK_COUNTERS = {
    "container_network_receive_bytes_total": ("Cumulative count of bytes received", "rx_bytes"),
    "container_network_receive_errors_total": ("Cumulative count of errors encountered while receiving", "rx_errors"),
    "container_network_transmit_bytes_total": ("Cumulative count of bytes transmitted", "tx_bytes"),
    "container_network_transmit_errors_total": (
        "Cumulative count of errors encountered while transmitting",
        "tx_errors",
    ),
}


def derived_metrics(pods: Sequence[PodUsage]) -> Iterator[Family]:
    """Yield what can be told of containers and pods where the runtime has figures but no metrics."""
    used = [(pod, item, _named(pod, item)) for pod in pods for item in pod.containers]
    yield Family(
        "container_cpu_usage_seconds_total",
        "counter",
        "Cumulative cpu time consumed in seconds.",
        [_cpu(item.cpu, {**labels, "cpu": "total"}) for _, item, labels in used],
    )
    yield Family(
        "container_fs_usage_bytes",
        "gauge",
        "Number of bytes that are consumed by the container on this filesystem.",
        [
            Sample(item.writable_layer.used_bytes.value, {**labels, "device": item.writable_layer.fs_id.mountpoint})
            for _, item, labels in used
        ],
    )
    for name, (about, attribute) in _CONTAINER_GAUGES.items():
        figures = [(getattr(item.memory, attribute).value, item.memory.timestamp, labels) for _, item, labels in used]
        samples = [Sample(value, labels, at_ns // 1_000_000) for value, at_ns, labels in figures]
        yield Family(name, "gauge", about, samples)
    for name, (about, attribute) in _LINK_COUNTERS.items():
        yield Family(name, "counter", about, [sample for pod in pods for sample in _links(pod, attribute)])
    yield Family(
        "container_start_time_seconds",
        "gauge",
        "Start time of the container since unix epoch in seconds.",
        [Sample(pod.started_s(labels["container"]), labels) for pod, _, labels in used],
    )


def _named(pod: PodUsage, used: cri_v1.ContainerStats) -> Labels:
    attributes = used.attributes
    record = pod.record.latest(attributes.metadata.name)
    image = record.image if record is not None else ""
    return {**_of_container(pod, used), "id": attributes.id, "name": attributes.id, "image": image}


def _links(pod: PodUsage, attribute: str) -> Iterator[Sample]:
    network = pod.stats.linux.network
    sandbox_id = pod.stats.attributes.id
    for link in network.interfaces or [network.default_interface]:
        if link.name:
            labels = {**_of_pod(pod), "container": "", "id": sandbox_id, "name": sandbox_id, "image": ""}
            value = getattr(link, attribute).value
            yield Sample(value, {**labels, "interface": link.name}, network.timestamp // 1_000_000)


def machine_metrics(node: NodeUsage, cores: int) -> Iterator[Family]:
    """Yield what the machine has."""
    yield Family("machine_cpu_cores", "gauge", "Number of logical CPU cores.", [Sample(cores)])
    yield Family(
        "machine_memory_bytes",
        "gauge",
        "Amount of memory installed on the machine.",
        [Sample(node.memory.capacity_bytes)],
    )


def agent_metrics(
    name: str, pods: Iterable[PodRecord], evictions: Mapping[str, int], users: UserRanges
) -> Iterator[Family]:
    """Yield what the agent itself does. evictions: how many pods it evicted, by signal."""
    count, states = running(pods)
    containers = [Sample(number, {"container_state": state}) for state, number in states.items()]
    yield Family("kubelet_node_name", "gauge", "The node's name. The count is always 1.", [Sample(1, {"node": name})])
    yield Family("kubelet_running_pods", "gauge", "Number of pods that have a running pod sandbox", [Sample(count)])
    yield Family("kubelet_running_containers", "gauge", "Number of containers currently running", containers)
    evicted = [Sample(number, {"eviction_signal": signal}) for signal, number in evictions.items()]
    yield Family("kubelet_evictions", "counter", "Cumulative number of pod evictions by eviction signal", evicted)
    started = "Cumulative number of pods with user namespaces started."
    yield Family("kubelet_started_user_namespaced_pods_total", "counter", started, [Sample(users.started)])
    failed = "Cumulative number of errors when starting pods with user namespaces."
    yield Family("kubelet_started_user_namespaced_pods_errors_total", "counter", failed, [Sample(users.failed)])
    yield Family(
        "process_cpu_seconds_total",
        "counter",
        "Total user and system CPU time spent in seconds.",
        [Sample(machine_usage.own_cpu_s())],
    )
    yield Family(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory size in bytes.",
        [Sample(machine_usage.own_memory_bytes())],
    )
