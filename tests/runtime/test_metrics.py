"""Metrics by name, and lists as streams."""

import pytest

from nodeagent.runtime import streamed_lists
from proto import cri_v1 as cri
from tests.runtime.machine import Client

pytestmark = pytest.mark.root


def _values(metrics: list[cri.Metric]) -> dict[str, int]:
    return {metric.name: metric.value.value for metric in metrics}


async def test_a_container_is_measured_under_the_names_that_dashboards_know(client: Client) -> None:
    limits = cri.LinuxContainerResources(memory_limit_in_bytes=64 << 20, cpu_quota=50000, cpu_period=100000)
    pod = await client.pod(name="web")
    container = await client.run(pod, "sh", "-c", "sleep 1000 & sleep 1000", resources=limits)
    await client.exec(container, "dd", "if=/dev/zero", "of=/file", "bs=1048576", "count=3")

    told = (await client.runtime.list_pod_sandbox_metrics(cri.ListPodSandboxMetricsRequest())).pod_metrics
    values = _values(list(told[0].container_metrics[0].metrics))

    assert (told[0].pod_sandbox_id, told[0].container_metrics[0].container_id) == (pod, container)
    assert values["container_memory_usage_bytes"] >= values["container_memory_working_set_bytes"] > 0
    assert values["container_fs_usage_bytes"] >= 3 << 20
    assert values["container_spec_memory_limit_bytes"] == 64 << 20
    assert values["container_processes"] == values["container_threads"] >= 2
    assert values["container_file_descriptors"] > 0
    assert values["container_ulimits_soft"] > 0


async def test_every_metric_is_described_and_labelled_as_described(client: Client) -> None:
    pod = await client.pod(name="web")
    await client.run(pod, "sleep", "1000", name="main")

    described = (await client.runtime.list_metric_descriptors(cri.ListMetricDescriptorsRequest())).descriptors
    keys = {item.name: list(item.label_keys) for item in described}
    (told,) = (await client.runtime.list_pod_sandbox_metrics(cri.ListPodSandboxMetricsRequest())).pod_metrics
    metrics = [*told.metrics, *told.container_metrics[0].metrics]

    assert all(item.help for item in described)
    assert all(len(metric.label_values) == len(keys[metric.name]) for metric in metrics)
    labels = dict(zip(keys["container_processes"], told.container_metrics[0].metrics[0].label_values, strict=False))
    assert (labels["container"], labels["namespace"], labels["pod"]) == ("main", "test", "web")


async def test_streams_tell_what_the_lists_tell(client: Client) -> None:
    pods = {await client.pod(), await client.pod()}
    container = await client.run(min(pods), "sleep", "1000")
    runtime = client.runtime

    sandboxes = [
        s.id async for r in runtime.stream_pod_sandboxes(cri.StreamPodSandboxesRequest()) for s in r.pod_sandboxes
    ]
    containers = [c.id async for r in runtime.stream_containers(cri.StreamContainersRequest()) for c in r.containers]
    stats = [
        item.attributes.id
        async for answer in runtime.stream_container_stats(cri.StreamContainerStatsRequest())
        for item in answer.container_stats
    ]
    pod_stats = [
        item.attributes.id
        async for answer in runtime.stream_pod_sandbox_stats(cri.StreamPodSandboxStatsRequest())
        for item in answer.pod_sandbox_stats
    ]
    metrics = [
        item.pod_sandbox_id
        async for answer in runtime.stream_pod_sandbox_metrics(cri.StreamPodSandboxMetricsRequest())
        for item in answer.pod_sandbox_metrics
    ]
    images = [item.id async for r in client.images.stream_images(cri.StreamImagesRequest()) for item in r.images]

    assert set(sandboxes) == set(pod_stats) == set(metrics) == pods
    assert containers == stats == [container]
    assert images == [item.id for item in (await client.images.list_images(cri.ListImagesRequest())).images]


def test_a_long_list_is_cut_into_pieces_without_a_loss() -> None:
    items = list(range(2 * streamed_lists.PIECE_ITEMS + 1))

    cut = list(streamed_lists.pieces(items))

    assert [len(piece) for piece in cut] == [streamed_lists.PIECE_ITEMS, streamed_lists.PIECE_ITEMS, 1]
    assert [item for piece in cut for item in piece] == items


async def test_a_pods_limits_can_be_changed_in_place(client: Client) -> None:
    pod = await client.pod(resources=cri.LinuxContainerResources(memory_limit_in_bytes=64 << 20))
    resources = cri.LinuxContainerResources(memory_limit_in_bytes=96 << 20)

    await client.runtime.update_pod_sandbox_resources(
        cri.UpdatePodSandboxResourcesRequest(pod_sandbox_id=pod, resources=resources)
    )
    (stats,) = (await client.runtime.list_pod_sandbox_stats(cri.ListPodSandboxStatsRequest())).stats
    absent, _ = await client.refusal(
        client.runtime.update_pod_sandbox_resources(cri.UpdatePodSandboxResourcesRequest(pod_sandbox_id="absent"))
    )

    memory = stats.linux.memory
    assert memory.available_bytes.value + memory.working_set_bytes.value == 96 << 20
    assert absent == "NOT_FOUND"


async def test_the_status_tells_the_signal_that_ends_a_container(client: Client) -> None:
    pod = await client.pod()
    usual, own = await client.create(pod, "true"), await client.create(pod, "true", name="own", stop_signal=cri.SIGUSR1)

    assert (await client.status(usual)).stop_signal == cri.SIGTERM
    assert (await client.status(own)).stop_signal == cri.SIGUSR1
