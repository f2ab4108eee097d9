"""Decide which pod has to leave, and say why in Kubernetes' words. Plain functions.

Keeps true: critical pods stay; of the others those that use more than they asked for go first, then those of lower
priority, then those that use the most beyond what they asked for.
Source: kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction, section on pod selection;
.../manage-resources-containers, section on local ephemeral storage.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kube.api.core_v1 import Container, Pod, Toleration
from kube.quantity import Quantity
from nodeagent.cri.values import ImageRecord, PodRecord
from nodeagent.pods.resources import ZERO, pod_requests, qos_class
from nodeagent.pods.storage_usage import FolderUsage
from nodeagent.pressure.thresholds import INODES, MEMORY, PIDS, SIGNALS, STORAGE, Observation, Threshold
from nodeagent.stats.pod_usage import PodUsage

REASON: Final = "Evicted"
HARD_GRACE_S: Final = 1
DEFAULT_GRACE_S: Final = 30
CRITICAL_PRIORITY: Final = 2_000_000_000
CONFIG_SOURCE: Final = "kubernetes.io/config.source"
_MEMORY_TAINT: Final = "node.kubernetes.io/memory-pressure"


@dataclass(frozen=True, slots=True)
class Eviction:
    """A pod has to leave. signal: why, as metrics count it. is_disruption: it goes for the sake of others."""

    pod: Pod
    message: str
    grace_s: int
    signal: str
    is_disruption: bool = False


def is_critical(pod: Pod) -> bool:
    """Say whether the node can't do without a pod: a static one, or of the highest priorities."""
    source = pod.metadata.annotations.get(CONFIG_SOURCE, "api")
    return source != "api" or (pod.spec.priority or 0) >= CRITICAL_PRIORITY


# Who leaves when the node is short of something.


def choose(
    due: Sequence[Threshold], seen: Mapping[str, Observation], pods: Iterable[PodUsage], most_grace_s: int
) -> Eviction | None:
    """Return who leaves for the most urgent threshold, None where nobody can. most_grace_s: for soft ones."""
    threshold = due[0]
    able = [pod for pod in pods if not is_critical(pod.pod)]
    if not able:
        return None
    usage = ranked(able, SIGNALS[threshold.signal].resource)[0]
    grace_s = HARD_GRACE_S
    if threshold.grace is not None:
        asked = usage.pod.spec.termination_grace_period_seconds
        grace_s = most_grace_s if asked is None else min(most_grace_s, asked)
    told = pressure_message(threshold, seen[threshold.signal], usage)
    return Eviction(usage.pod, told, grace_s, threshold.signal, is_disruption=True)


def ranked(pods: Iterable[PodUsage], resource: str) -> list[PodUsage]:
    """Return pods in the order in which they leave for want of a resource."""
    return sorted(pods, key=lambda usage: _rank(usage, resource))


def _rank(usage: PodUsage, resource: str) -> tuple[bool, int, int]:
    used, priority = _used(usage, resource), usage.pod.spec.priority or 0
    if resource == PIDS:
        return False, priority, -used
    asked = 0 if resource == INODES else pod_requests(usage.pod).get(resource, ZERO).whole
    return used <= asked, priority, asked - used


def _used(usage: PodUsage, resource: str) -> int:
    match resource:
        case "memory":
            return usage.memory_bytes
        case "pids":
            return usage.processes
        case "inodes":
            return usage.ephemeral.inodes
    return usage.ephemeral.bytes


def pressure_message(threshold: Threshold, seen: Observation, usage: PodUsage) -> str:
    """Return what a pod is told that leaves because the node is short of something."""
    resource = SIGNALS[threshold.signal].resource
    shown = binary if resource in (MEMORY, STORAGE) else str
    least, left = shown(threshold.least.of(seen.capacity)), shown(seen.available)
    told = [f"The node was low on resource: {resource}. Threshold quantity: {least}, available: {left}. "]
    spec = usage.pod.spec
    containers = {container.name: container for container in (*spec.containers, *spec.init_containers)}
    for name, container in containers.items():
        used = _container_used(usage, name, resource)
        asked = container.resources.requests.get(resource, ZERO)
        if used > asked.whole:
            told.append(
                f"Container {name} was using {binary(used)}, request is {asked}, has larger consumption of {resource}. "
            )
    return "".join(told)


def _container_used(usage: PodUsage, name: str, resource: str) -> int:
    used = next((item for item in usage.containers if item.attributes.metadata.name == name), None)
    if used is None or resource not in (MEMORY, STORAGE):
        return 0
    if resource == MEMORY:
        return int(used.memory.working_set_bytes.value)
    return int(used.writable_layer.used_bytes.value) + usage.storage.logs.get(name, FolderUsage()).bytes


def binary(number: int) -> str:
    """Return a number of bytes as Kubernetes writes it."""
    for suffix, power in (("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)):
        if number and number % (1 << power) == 0:
            return f"{number >> power}{suffix}"
    return str(number)


# Who leaves because it has more on disk than it may.


def is_limited(pod: Pod) -> bool:
    """Say whether a pod has a limit on what it may have on disk, so that it has to be measured.

    The limits of emptyDirs are kept by `empty_dirs`.
    """
    return any(_limit(container).value for container in (*pod.spec.containers, *pod.spec.init_containers))


def _limit(container: Container) -> Quantity:
    return container.resources.limits.get(STORAGE, ZERO)


def beyond_limits(usage: PodUsage) -> Eviction | None:
    """Return why a pod leaves that has more on disk than it may, None where it hasn't."""
    pod = usage.pod
    if is_critical(pod):
        return None
    for found in (_pod_beyond(usage), _container_beyond(usage)):
        if found:
            signal, told = found
            return Eviction(pod, told, HARD_GRACE_S, signal)
    return None


def _pod_beyond(usage: PodUsage) -> tuple[str, str] | None:
    """A pod has a limit as a whole as soon as one container has one: what all of theirs add up to."""
    first, *others = [_limit(container) for container in usage.pod.spec.containers]
    total = sum(others, first)
    if not total.value or usage.ephemeral.bytes <= total.whole:
        return None
    return (
        "ephemeralpodfs.limit",
        f"Pod ephemeral local storage usage exceeds the total limit of containers {total}. ",
    )


def _container_beyond(usage: PodUsage) -> tuple[str, str] | None:
    for container in usage.pod.spec.containers:
        limit = _limit(container)
        if limit.value and _container_used(usage, container.name, STORAGE) > limit.whole:
            told = f'Container {container.name} exceeded its local ephemeral storage limit "{limit}". '
            return "ephemeralcontainerfs.limit", told
    return None


# Which images can go.


def unneeded(images: Iterable[ImageRecord], pods: Sequence[tuple[Pod, PodRecord]]) -> list[ImageRecord]:
    """Return the images that none of the node's pods needs and that can be pulled again: imported ones can't."""
    specs = [pod.spec for pod, _ in pods]
    wanted = {container.image for spec in specs for container in (*spec.containers, *spec.init_containers)}
    records = [record for _, held in pods for record in held.containers]
    used = {name for record in records for name in (record.image, record.image_id)}
    return [
        image for image in images if image.digests and not {image.id, *image.tags, *image.digests} & (wanted | used)
    ]


# Who isn't taken while the node is short of something.


def refusal(pod: Pod, conditions: Collection[str]) -> tuple[str, str] | None:
    """Return why a node with these conditions doesn't take a pod, as (reason, message), None where it does."""
    if not conditions or is_critical(pod):
        return None
    if set(conditions) == {"MemoryPressure"} and (qos_class(pod) != "BestEffort" or _bears_little_memory(pod)):
        return None
    return REASON, f"The node had condition: [{' '.join(sorted(conditions))}]. "


def _bears_little_memory(pod: Pod) -> bool:
    return any(_accepts(toleration) for toleration in pod.spec.tolerations)


def _accepts(toleration: Toleration) -> bool:
    if toleration.effect not in ("", "NoSchedule") or toleration.key not in ("", _MEMORY_TAINT):
        return False
    return toleration.operator == "Exists" or (bool(toleration.key) and not toleration.value)
