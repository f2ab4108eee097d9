"""What a pod is given as a whole: how its containers share it, and how it changes while they run."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kube import codec
from kube.api.core_v1 import Pod, ResourceRequirements
from kube.quantity import Quantity
from nodeagent.pods.downward import PodFacts
from nodeagent.pods.environment import References, environment
from nodeagent.pods.plan import plan
from nodeagent.pods.resources import kernel_limits, memory_limit_bytes, pod_limits, pod_requests, qos_class
from nodeagent.pods.status import pod_status
from nodeagent.pods.view import Action, Failure, ResizeContainer, ResizeSandbox, View
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.make import NOW, container, found, pod, record
from tests.nodeagent.one_node import Node, agent, until
from tests.nodeagent.test_status import NODE

GIB = 1 << 30


def amounts(cpu: str, memory: str = "1Gi") -> dict[str, Any]:
    """Return resources whose requests are their limits."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


def whole(cpu: str, memory: str = "1Gi", *containers: dict[str, Any]) -> Pod:
    """Return a pod that is to have so much as a whole."""
    return pod("web", *(containers or (container(),)), resources=amounts(cpu, memory))


def having(cpu: str, memory: str = "1Gi", **containers: dict[str, Any]) -> dict[str, ResourceRequirements]:
    """Return what a pod and its containers were given."""
    given = {"sandbox-0": amounts(cpu, memory), **{f"{name}-0": had for name, had in containers.items()}}
    return {key: codec.from_plain(plain, ResourceRequirements) for key, plain in given.items()}


def test_a_container_without_limits_has_its_pods() -> None:
    wanted = whole("2", "1Gi", container("free"), container("own", resources={"limits": {"memory": "64Mi"}}))
    free, own = (kernel_limits(wanted, one, 8 * GIB) for one in wanted.spec.containers)

    assert (free.cpu_quota_us, free.memory_bytes) == (200_000, GIB)
    assert (own.cpu_quota_us, own.memory_bytes) == (200_000, 64 << 20)
    assert (pod_limits(wanted).cpu_quota_us, pod_limits(wanted).memory_bytes) == (200_000, GIB)
    assert memory_limit_bytes(wanted) == GIB


def test_what_the_pod_asks_for_counts_for_all() -> None:
    mains = (container("free"), container("own", resources={"requests": {"memory": "2Gi"}}))
    burstable = pod("web", *mains, resources={"requests": {"memory": "4Gi"}})

    free, own = (kernel_limits(burstable, one, 8 * GIB).oom_score_adj for one in burstable.spec.containers)

    assert pod_requests(burstable)["memory"] == Quantity("4Gi")
    assert (qos_class(whole("2", "4Gi", *mains)), qos_class(burstable)) == ("Guaranteed", "Burstable")
    assert (free, own) == (875, 625), "each has half of the 2 GiB that none of them asks for by itself"


def test_a_container_is_told_its_pods_limit_where_it_has_none() -> None:
    source = {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}
    wanted = whole("2", "1Gi", container(env=[{"name": "M", "valueFrom": source}]))
    facts = PodFacts(wanted, allocatable={"memory": Quantity("8Gi")})

    assert environment(wanted.spec.containers[0], facts, References(), {}) == {"M": "1024"}


def actions(wanted: Pod, has: dict[str, ResourceRequirements], **fields: Any) -> list[Action]:
    """Return what the plan does of a running pod."""
    running = found(*(record(one.name) for one in wanted.spec.containers))
    return list(plan(View(wanted, running, volumes_ready=True, resources=has, **fields), NOW).actions)


def resized(cpu: str, memory: str, *, grows: bool) -> ResizeSandbox:
    """Return the resize of the whole pod to those limits; what it asks for is 1 CPU and 512 MiB."""
    plain = {"requests": {"cpu": "1", "memory": "512Mi"}, "limits": {"cpu": cpu, "memory": memory}}
    return ResizeSandbox("sandbox-0", codec.from_plain(plain, ResourceRequirements), grows)


def test_a_pod_grows_before_its_containers_and_shrinks_after_them() -> None:
    small, big = amounts("500m", "64Mi"), amounts("1500m", "64Mi")
    growing = whole("2", "1Gi", container(resources=big))
    shrinking = whole("1", "1Gi", container(resources=small))

    (grow,) = actions(growing, having("1", main=small))
    (then,) = actions(growing, having("2", main=small))
    (shrink,) = actions(shrinking, having("2", main=big))
    (last,) = actions(shrinking, having("2", main=small))

    assert isinstance(grow, ResizeSandbox)
    assert grow.grows
    assert isinstance(then, ResizeContainer)
    assert isinstance(shrink, ResizeContainer)
    assert isinstance(last, ResizeSandbox)
    assert not last.grows


def test_where_one_limit_grows_and_another_shrinks_the_pod_has_both_for_a_while() -> None:
    wanted = whole("1", "512Mi")
    main: dict[str, Any] = {}

    assert actions(wanted, having("500m", "1Gi", main=main)) == [resized("1", "1Gi", grows=True)]
    assert actions(wanted, having("1", "1Gi", main=main)) == [resized("1", "512Mi", grows=False)]
    assert actions(wanted, having("1", "512Mi", main=main)) == []


def test_what_the_node_cannot_give_changes_nothing_and_is_told() -> None:
    refusal = Failure("Deferred", "Node didn't have enough resource: cpu", NOW)
    view = View(whole("2"), found(record()), volumes_ready=True, resources=having("1"), resize_refusal=refusal)

    status = pod_status(view, view.pod.status, NODE, NOW)

    assert actions(whole("2"), having("1"), resize_refusal=refusal) == []
    assert status.resources is not None
    assert (status.resources.limits["cpu"], status.allocated_resources["cpu"]) == (Quantity("1"), Quantity("1"))
    assert [c.reason for c in status.conditions if c.type == "PodResizePending"] == ["Deferred"]


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[FakeRuntime]:
    """A fake runtime on a socket of its own."""
    async with FakeRuntime(tmp_path / "cri.sock") as fake:
        yield fake


async def ask_for(node: Node, cpu: str) -> None:
    """Ask for more of the stored pod as a whole."""
    stored = node.pod()
    await node.api.update(msgspec.structs.replace(stored, spec=whole(cpu).spec))


def given(node: Node) -> Quantity:
    """Return the CPUs that the stored pod says it has."""
    told = node.pod().status.resources
    return told.limits["cpu"] if told is not None else Quantity("0")


async def test_the_runtime_is_asked_and_an_agent_that_starts_again_knows_it(
    runtime: FakeRuntime, tmp_path: Path
) -> None:
    api = FakeClient()
    async with agent(api, runtime, tmp_path) as node:
        api.put(whole("1"))
        await until(node.is_ready)
        await ask_for(node, "2")
        await until(lambda: given(node) == Quantity("2"))

    async with agent(api, runtime, tmp_path) as second:
        await ask_for(second, "1")
        await until(lambda: given(second) == Quantity("1"))

    assert [call for call in runtime.calls if call.startswith("resize")] == [
        "resize pod 200000",
        "resize main",
        "resize main",
        "resize pod 100000",
    ]


async def test_memory_that_is_in_use_is_not_taken_away(runtime: FakeRuntime, tmp_path: Path) -> None:
    """The kernel would end the pod for it."""
    api = FakeClient()
    async with agent(api, runtime, tmp_path) as node:
        api.put(whole("1"))
        await until(node.is_ready)
        runtime.used_bytes = 100 << 20

        stored = node.pod()
        await api.update(msgspec.structs.replace(stored, spec=whole("1", "64Mi").spec))
        await until(lambda: progress(node) != "")

        assert progress(node) == "attempting to set pod memory limit (67108864) below current usage (104857600)"
        assert not any(call.startswith("resize") for call in runtime.calls)
        runtime.used_bytes = 10 << 20
        await until(lambda: progress(node) == "")


def progress(node: Node) -> str:
    """Return why the stored pod's resize doesn't go on, "" where it does or there is none."""
    conditions = node.pod().status.conditions
    return next((c.message for c in conditions if c.type == "PodResizeInProgress" and c.reason == "Error"), "")
