"""The CRI's resources as limits of a cgroup, and one set of them laid over another. Plain functions."""

from nodeagent.runtime.cgroup_trees import Limits
from nodeagent.runtime.errors import invalid
from proto import cri_v1 as cri

QUOTA_MIN_US, PERIOD_MIN_US, PERIOD_MAX_US = 1000, 1000, 1_000_000


def limits_of(resources: cri.LinuxContainerResources, *, pids: int = 0) -> Limits:
    """Return the limits that `resources` names; pids: the limit where they name none, 0 for no limit."""
    return Limits(
        cpu_shares=resources.cpu_shares,
        cpu_quota_us=resources.cpu_quota,
        cpu_period_us=resources.cpu_period,
        memory_bytes=resources.memory_limit_in_bytes,
        pids=pids,
        cpuset_cpus=resources.cpuset_cpus,
        cpuset_mems=resources.cpuset_mems,
        unified=dict(resources.unified),
        hugepages={item.page_size: item.limit for item in resources.hugepage_limits},
    )


def check(resources: cri.LinuxContainerResources, where: str) -> None:
    """Refuse limits that no kernel takes."""
    quota, period, memory = resources.cpu_quota, resources.cpu_period, resources.memory_limit_in_bytes
    if 0 < quota < QUOTA_MIN_US or quota < -1:
        raise invalid(where, f"cpu_quota {quota} is out of range; use {QUOTA_MIN_US} us or more, or -1 for no limit")
    if period and not PERIOD_MIN_US <= period <= PERIOD_MAX_US:
        raise invalid(where, f"cpu_period {period} is out of range; use {PERIOD_MIN_US} to {PERIOD_MAX_US} us")
    if memory < -1:
        raise invalid(where, f"memory_limit_in_bytes {memory} is negative; use some bytes, or -1 for no limit")


def overlaid(old: cri.LinuxContainerResources, new: cri.LinuxContainerResources) -> cri.LinuxContainerResources:
    """Return `old` with every field that `new` sets."""
    result = cri.LinuxContainerResources()
    result.CopyFrom(old)
    for field, value in new.ListFields():
        if field.name == "hugepage_limits":
            result.ClearField("hugepage_limits")
            result.hugepage_limits.extend(value)
        elif field.name == "unified":
            result.unified.update(value)
        else:
            setattr(result, field.name, value)
    return result
