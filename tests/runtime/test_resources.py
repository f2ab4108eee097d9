"""Limits and figures of real cgroups."""

from pathlib import Path

import pytest

from nodeagent.runtime import cgroups
from proto import cri_v1 as cri
from tests.runtime.machine import Client

pytestmark = pytest.mark.root

_HUGE_LIMITS = {f"hugetlb.2MB{kind}.{name}" for kind in ("", ".rsvd") for name in ("max", "limit_in_bytes")}
_EATER = "x=x; while true; do x=$x$x; done"


async def test_a_container_that_takes_too_much_memory_is_oom_killed(client: Client) -> None:
    limits = cri.LinuxContainerResources(memory_limit_in_bytes=32 << 20)

    container = await client.run(await client.pod(), "sh", "-c", _EATER, resources=limits)
    ended = await client.ended(container)

    assert (ended.exit_code, ended.reason) == (137, "OOMKilled")


async def test_a_child_that_is_oom_killed_is_reported_too(client: Client) -> None:
    """The first process may survive and even succeed: whoever asks must still learn why work was lost."""
    limits = cri.LinuxContainerResources(memory_limit_in_bytes=32 << 20)

    container = await client.run(await client.pod(), "sh", "-c", f"sh -c '{_EATER}'; exit 0", resources=limits)
    ended = await client.ended(container)

    assert ended.reason == "OOMKilled"


async def test_limits_are_in_the_kernel_and_can_be_changed(client: Client) -> None:
    groups = cgroups.detect_here()
    limits = cri.LinuxContainerResources(
        memory_limit_in_bytes=64 << 20, cpu_quota=50000, cpu_period=100000, cpu_shares=512, unified={"pids.max": "50"}
    )
    container = await client.run(await client.pod(), "sleep", "1000", resources=limits)
    verbose = await client.runtime.container_status(cri.ContainerStatusRequest(container_id=container, verbose=True))

    path = next(word for word in verbose.info["info"].split('"') if word.startswith("/wherry-test"))
    before = groups.measure(path).limit_bytes
    await client.runtime.update_container_resources(
        cri.UpdateContainerResourcesRequest(
            container_id=container, linux=cri.LinuxContainerResources(memory_limit_in_bytes=96 << 20)
        )
    )
    after = groups.measure(path).limit_bytes
    told = (await client.status(container)).resources.linux

    assert (before, after) == (64 << 20, 96 << 20)
    assert (told.memory_limit_in_bytes, told.cpu_shares) == (96 << 20, 512)
    assert groups.number(path, "pids.max") == 50


async def test_too_many_processes_are_refused_by_the_kernel(client: Client) -> None:
    limits = cri.LinuxContainerResources(unified={"pids.max": "5"})
    script = "for n in 1 2 3 4 5 6 7 8; do sleep 100 & done; echo all"

    container = await client.run(await client.pod(), "sh", "-c", script, resources=limits)
    ended = await client.ended(container)

    assert ended.exit_code != 0


async def test_a_limit_below_what_is_in_use_is_refused_with_its_reason(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")
    tiny = cri.LinuxContainerResources(unified={"pids.max": "nonsense"})

    code, message = await client.refusal(
        client.runtime.update_container_resources(
            cri.UpdateContainerResourcesRequest(container_id=container, linux=tiny)
        )
    )

    assert (code, "pids.max" in message) == ("FAILED_PRECONDITION", True)


async def test_figures_of_a_container_and_its_pod_are_real(client: Client) -> None:
    pod = await client.pod()
    container = await client.run(pod, "sh", "-c", "dd if=/dev/zero of=/file bs=1048576 count=3 2>/dev/null; sleep 1000")

    await client.exec(container, "sh", "-c", "while ! test $(stat -c %s /file) = 3145728; do sleep 0.01; done")
    one = (await client.runtime.container_stats(cri.ContainerStatsRequest(container_id=container))).stats
    listed = (await client.runtime.list_container_stats(cri.ListContainerStatsRequest())).stats
    whole = (await client.runtime.pod_sandbox_stats(cri.PodSandboxStatsRequest(pod_sandbox_id=pod))).stats

    assert one.cpu.usage_core_nano_seconds.value > 1_000_000
    assert one.memory.usage_bytes.value > one.memory.working_set_bytes.value > 0
    assert one.writable_layer.used_bytes.value >= 3 << 20
    assert [item.attributes.id for item in listed] == [container]
    assert whole.linux.process.process_count.value >= 1
    assert [item.attributes.id for item in whole.linux.containers] == [container]


async def test_all_pods_are_measured_in_one_call(client: Client) -> None:
    pods = {await client.pod(), await client.pod()}

    listed = (await client.runtime.list_pod_sandbox_stats(cri.ListPodSandboxStatsRequest())).stats

    assert {item.attributes.id for item in listed} == pods


async def test_an_oom_score_that_root_may_not_set_is_told_and_not_fatal(client: Client) -> None:
    limits = cri.LinuxContainerResources(oom_score_adj=-999)

    container = await client.run(await client.pod(), "sh", "-c", "cat /proc/self/oom_score_adj", resources=limits)
    await client.ended(container)

    shown = int(await client.log(container))
    info = await client.runtime.container_status(cri.ContainerStatusRequest(container_id=container, verbose=True))
    assert shown == -999 or "CAP_SYS_RESOURCE" in info.info["info"]


def _can_limit_huge_pages() -> bool:
    """Whether the controller is there, and handed down where that has to be done (v2)."""
    for hierarchy in cgroups.detect_here().hierarchies:
        if "hugetlb" in hierarchy.controllers:
            hierarchy.create("/wherry-test-looks")
            handed = hierarchy.root / "cgroup.subtree_control"
            (hierarchy.root / "wherry-test-looks").rmdir()
            return not handed.exists() or "hugetlb" in handed.read_text().split()
    return False


async def test_huge_pages_are_those_that_were_asked_for(client: Client) -> None:
    if not _can_limit_huge_pages():
        pytest.skip("these cgroups have no hugetlb controller")
    limits = cri.LinuxContainerResources(hugepage_limits=[cri.HugepageLimit(page_size="2MB", limit=4 << 20)])
    container = await client.run(await client.pod(), "sleep", "1000", resources=limits)
    unknown = cri.LinuxContainerResources(hugepage_limits=[cri.HugepageLimit(page_size="3MB", limit=1)])

    code, message = await client.refusal(client.create(await client.pod(), "true", resources=unknown))

    files = [file for file in Path("/sys/fs/cgroup").glob(f"**/{container}/hugetlb.2MB*") if file.name in _HUGE_LIMITS]
    assert {file.read_text() for file in files} == {f"{4 << 20}\n"}
    assert len(files) == 2
    assert (code, "3MB" in message) == ("INVALID_ARGUMENT", True)


async def test_nothing_of_a_container_is_swapped_out(client: Client) -> None:
    container = await client.run(await client.pod(), "sleep", "1000")

    names = ("memory.swap.max", "memory.swappiness")
    told = [file.read_text() for name in names for file in Path("/sys/fs/cgroup").glob(f"**/{container}/{name}")]
    assert told in ([], ["0\n"])  # A kernel without swap accounting tells nothing.
