"""The CRI's resources as limits of a cgroup, and one set of them laid over another. Plain functions."""

from nodeagent.runtime.cgroup_trees import Limits
from proto import cri_v1 as cri


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
