"""Running containers get other limits: in place where their policy allows it, and only where the node has room."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kube import codec
from kube.api.core_v1 import Pod, PodStatus, ResourceRequirements
from kube.objects import condition
from kube.quantity import Quantity
from nodeagent.pods.plan import plan
from nodeagent.pods.resize import granted_pod, resize_refusal
from nodeagent.pods.status import pod_status
from nodeagent.pods.status_writer import status_patch
from nodeagent.pods.view import Action, Failure, KillContainer, ResizeContainer, View
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.make import NOW, after, container, found, pod, record
from tests.nodeagent.one_node import Node, agent, until
from tests.nodeagent.test_status import NODE

NODE_HAS = {"cpu": Quantity("2"), "memory": Quantity("1Gi")}
REFUSED = Failure("Deferred", "Node didn't have enough resource: cpu", NOW)


def resources(cpu: str, memory: str = "64Mi") -> dict[str, Any]:
    """Return resources whose requests are their limits."""
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": cpu, "memory": memory}}


def having(plain: dict[str, Any]) -> dict[str, ResourceRequirements]:
    """Return what the container main was given."""
    return {"main-0": codec.from_plain(plain, ResourceRequirements)}


def sized(cpu: str, memory: str = "64Mi", **fields: Any) -> Pod:
    """Return a pod that wants so much."""
    return pod("web", container(resources=resources(cpu, memory), **fields))


def actions(wanted: Pod, has: dict[str, Any], **fields: Any) -> list[Action]:
    """Return what the plan does of a running pod that was given `has`."""
    return list(plan(View(wanted, found(record()), volumes_ready=True, resources=having(has), **fields), NOW).actions)


def told(wanted: Pod, has: dict[str, Any], before: PodStatus | None = None, **fields: Any) -> PodStatus:
    """Return the status of a running pod that was given `has`."""
    view = View(wanted, found(record()), volumes_ready=True, resources=having(has), **fields)
    return pod_status(view, before or wanted.status, NODE, NOW)


def test_a_container_that_has_what_it_wants_is_left_alone() -> None:
    assert actions(sized("1"), resources("1000m")) == [], "the same amount, written otherwise"


def test_a_container_gets_other_limits_while_it_runs() -> None:
    wanted = sized("2")

    assert actions(wanted, resources("1")) == [ResizeContainer("main", "main-0", wanted.spec.containers[0].resources)]


def test_a_container_whose_policy_says_so_is_restarted_for_it() -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]

    (kill,) = actions(sized("1", "128Mi", resizePolicy=policy), resources("1"))
    (resize,) = actions(sized("2", resizePolicy=policy), resources("1"))

    assert isinstance(kill, KillContainer)
    assert kill.why == "Container main resize requires restart"
    assert isinstance(resize, ResizeContainer)


def test_a_resize_that_failed_waits_for_its_next_try() -> None:
    failed = {"main": Failure("ResizeError", "no", after(3))}

    assert actions(sized("2"), resources("1"), failures=failed) == []


def test_what_does_not_fit_waits_and_starts_nothing_bigger() -> None:
    view = View(sized("2"), found(record()), resources=having(resources("1")), resize_refusal=REFUSED)

    assert actions(sized("2"), resources("1"), resize_refusal=REFUSED) == []
    assert granted_pod(view).spec.containers[0].resources.limits["cpu"] == Quantity("1")


def test_the_status_tells_what_was_granted_and_what_is_in_force() -> None:
    waiting = told(sized("2"), resources("1"), resize_refusal=REFUSED)
    under_way = told(sized("2"), resources("1"))
    done = told(sized("2"), resources("2"))

    for status, granted, given in ((waiting, "1", "1"), (under_way, "2", "1"), (done, "2", "2")):
        (held,) = status.container_statuses
        assert held.resources is not None
        assert (held.allocated_resources["cpu"], held.resources.limits["cpu"]) == (Quantity(granted), Quantity(given))


def test_conditions_tell_of_a_resize_until_it_is_done() -> None:
    waiting = told(sized("2"), resources("1"), resize_refusal=REFUSED)
    under_way = told(sized("2"), resources("1"), waiting)
    done = told(sized("2"), resources("2"), under_way)

    pending, progress = (
        condition(waiting.conditions, "PodResizePending"),
        condition(under_way.conditions, "PodResizeInProgress"),
    )
    assert pending is not None
    assert pending.reason == "Deferred"
    assert progress is not None
    assert condition(under_way.conditions, "PodResizePending") is None
    assert {"$patch": "delete", "type": "PodResizePending"} in status_patch(waiting, under_way)["conditions"]
    assert not any(c.type.startswith("PodResize") for c in done.conditions)


def test_a_resize_that_the_runtime_refuses_is_told() -> None:
    failed = {"main": Failure("ResizeError", "memory: below its usage", after(3))}

    progress = condition(told(sized("2"), resources("1"), failures=failed).conditions, "PodResizeInProgress")

    assert progress is not None
    assert (progress.reason, progress.message) == ("Error", "memory: below its usage")


def test_the_node_says_whether_a_resize_can_ever_fit() -> None:
    neighbour = pod("other", container(resources=resources("1")))

    assert resize_refusal(sized("1"), [neighbour], NODE_HAS) is None
    assert resize_refusal(sized("1500m"), [neighbour], NODE_HAS) == (
        "Deferred",
        "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000",
    )
    assert resize_refusal(sized("3"), [], NODE_HAS) == (
        "Infeasible",
        "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000",
    )


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with a fake runtime."""
    async with FakeRuntime(tmp_path / "cri.sock") as runtime, agent(FakeClient(), runtime, tmp_path) as made:
        yield made


def given(node: Node) -> ResourceRequirements:
    """Return what the stored pod says its container runs with."""
    (held,) = node.pod().status.container_statuses
    assert held.resources is not None
    return held.resources


async def test_the_runtime_is_asked_to_resize_and_the_status_says_when_it_is_done(node: Node) -> None:
    node.api.put(sized("1"))
    await until(node.is_ready)

    await grow(node, "2")
    await until(lambda: given(node).limits["cpu"] == Quantity("2"))

    (main,) = node.runtime.named("main")
    assert node.runtime.calls[-1] == "resize main"
    assert node.runtime.configs[main.id].linux.resources.cpu_quota == 200_000
    assert not any(c.type.startswith("PodResize") for c in node.pod().status.conditions)


async def test_a_resize_that_did_not_fit_is_granted_once_there_is_room(node: Node) -> None:
    neighbour = pod("other", container(resources=resources("3")), metadata={"uid": "uid-other"})
    node.api.put(neighbour)
    node.api.put(sized("1"))
    await until(lambda: node.is_ready() and node.is_ready("other"))

    await grow(node, "2")
    await until(lambda: condition(node.pod().status.conditions, "PodResizePending") is not None)
    assert given(node).limits["cpu"] == Quantity("1")
    await node.api.delete(Pod, "other", namespace="default", grace_s=1)

    await until(lambda: given(node).limits["cpu"] == Quantity("2"))
    assert condition(node.pod().status.conditions, "PodResizePending") is None


async def grow(node: Node, cpu: str) -> None:
    """Ask for more of the stored pod's container."""
    stored = node.pod()
    await node.api.update(msgspec.structs.replace(stored, spec=sized(cpu).spec))
