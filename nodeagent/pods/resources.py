"""What a pod's requests and limits mean to the kernel, and how a pod ranks when the node is short of something.

Plain functions.
Source: kubernetes.io/docs/concepts/configuration/manage-resources-containers and .../workloads/pods/pod-qos.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from kube.api.core_v1 import Container, Pod, ResourceRequirements
from kube.quantity import Quantity
from kube.requests import add, container_requests

CPU_PERIOD_US: Final = 100_000
SHARES_MIN: Final = 2
SHARES_MAX: Final = 262_144
QUOTA_MIN_US: Final = 1000
_RANKED: Final = ("cpu", "memory")
ZERO: Final = Quantity("0")
HUGE_PAGES: Final = "hugepages-"
_NONE: Final = ResourceRequirements()


@dataclass(frozen=True, slots=True)
class KernelLimits:
    """What the cgroup of a container gets; 0 means no limit, but for huge pages (bytes by the CRI's name of a size)."""

    cpu_shares: int
    cpu_quota_us: int
    memory_bytes: int
    oom_score_adj: int
    huge_pages: Mapping[str, int] = field(default_factory=dict)


def _whole(pod: Pod) -> ResourceRequirements:
    """Return the resources that a pod names for all its containers together."""
    return pod.spec.resources or _NONE


def kernel_limits(
    pod: Pod, container: Container, memory_capacity_bytes: int, offered: Mapping[str, Quantity] | None = None
) -> KernelLimits:
    """Return the limits of one container, its pod's where it has none. offered: what the node has for pods."""
    limits, requests = {**_whole(pod).limits, **container.resources.limits}, container.resources.requests
    cpu = requests.get("cpu", limits.get("cpu", ZERO)).millis
    quota = limits["cpu"].millis * CPU_PERIOD_US // 1000 if "cpu" in limits else 0
    return KernelLimits(
        cpu_shares=_shares(cpu),
        cpu_quota_us=max(QUOTA_MIN_US, quota) if quota else 0,
        memory_bytes=limits["memory"].whole if "memory" in limits else 0,
        oom_score_adj=oom_score(pod, container, memory_capacity_bytes),
        huge_pages=_huge_pages(limits, offered or {}),
    )


def _huge_pages(limits: Mapping[str, Quantity], offered: Mapping[str, Quantity]) -> Mapping[str, int]:
    """Return the limit of each size that the node has or the container asks for: who asks for none gets none."""
    names = {name for name, amount in offered.items() if amount.whole} | set(limits)
    sizes = sorted(name for name in names if name.startswith(HUGE_PAGES))
    return {f"{name.removeprefix(HUGE_PAGES)[:-1]}B": limits.get(name, ZERO).whole for name in sizes}


def pod_limits(pod: Pod) -> KernelLimits:
    """Return the limits that all containers of a pod share: those that the pod itself names."""
    named = pod.spec.resources
    limits = _whole(pod).limits
    quota = limits["cpu"].millis * CPU_PERIOD_US // 1000 if "cpu" in limits else 0
    return KernelLimits(
        cpu_shares=_shares(named.requests.get("cpu", limits.get("cpu", ZERO)).millis) if named is not None else 0,
        cpu_quota_us=max(QUOTA_MIN_US, quota) if quota else 0,
        memory_bytes=limits["memory"].whole if "memory" in limits else 0,
        oom_score_adj=0,
    )


def _shares(millis: int) -> int:
    return min(SHARES_MAX, max(SHARES_MIN, millis * 1024 // 1000))


def unlimited_where_none(limits: KernelLimits) -> KernelLimits:
    """Return limits that also take away what a container had before: -1 is no limit, 0 would leave it as it is."""
    return replace(limits, cpu_quota_us=limits.cpu_quota_us or -1, memory_bytes=limits.memory_bytes or -1)


def qos_class(pod: Pod) -> str:
    """Return Guaranteed, Burstable or BestEffort."""
    if pod.status.qos_class:
        return pod.status.qos_class
    counted = [container.resources for container in (*pod.spec.init_containers, *pod.spec.containers)]
    if _whole(pod).requests or _whole(pod).limits:
        counted = [_whole(pod)]
    if not any(name in one.requests or name in one.limits for one in counted for name in _RANKED):
        return "BestEffort"
    return "Guaranteed" if all(_is_guaranteed(one) for one in counted) else "Burstable"


def _is_guaranteed(resources: ResourceRequirements) -> bool:
    limits, requests = resources.limits, resources.requests
    return all(name in limits and requests.get(name, limits[name]) == limits[name] for name in _RANKED)


def oom_score(pod: Pod, container: Container, memory_capacity_bytes: int) -> int:
    """Return how willingly the kernel ends a container when memory runs out: -997 (last) to 1000 (first)."""
    match qos_class(pod):
        case "Guaranteed":
            return -997
        case "BestEffort":
            return 1000
    request = container.resources.requests.get("memory", container.resources.limits.get("memory", ZERO)).whole
    request += _unclaimed_memory(pod)
    return min(999, max(3, 1000 - 1000 * request // max(1, memory_capacity_bytes)))


def _unclaimed_memory(pod: Pod) -> int:
    """Return each container's share of what its pod as a whole asks for beyond what they ask for by themselves."""
    whole = _whole(pod).requests.get("memory", ZERO)
    count = len(pod.spec.init_containers) + len(pod.spec.containers)
    return max(0, whole.whole - container_requests(pod.spec).get("memory", ZERO).whole) // count


def pod_requests(pod: Pod) -> Mapping[str, Quantity]:
    """Return what a pod asks of a node: its containers together; what the pod asks for as a whole goes over that."""
    total = container_requests(pod.spec)
    if pod.spec.resources is not None:
        total |= pod.spec.resources.requests
    add(total, pod.spec.overhead)
    return total


def memory_limit_bytes(pod: Pod) -> int:
    """Return how much memory a pod may take in all, 0 where neither it nor each of its containers has a limit."""
    whole = _whole(pod).limits.get("memory", ZERO).whole
    limits = [container.resources.limits.get("memory", ZERO).whole for container in pod.spec.containers]
    return whole or (sum(limits) if all(limits) else 0)
