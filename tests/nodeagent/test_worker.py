"""Pods live through their lives with a fake runtime behind the real CRI client: what is asked, and what is told."""

import asyncio
import gc
import logging
import weakref
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kube.api.core_v1 import Event, Pod
from kube.errors import stale
from kube.kinds import Resource, kind_of
from kube.objects import ObjectKey
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.make import container, pod
from tests.nodeagent.one_node import Node, agent, is_ready, until

LOST = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeNotReady"}]}}
T = TypeVar("T", bound=Resource)


async def test_a_bound_pod_comes_up_with_one_status_write(node: Node) -> None:
    """Status writes are what pods cost the API server: a quick start is told once, when it is done."""
    node.api.put(pod())

    await until(node.is_ready)

    assert node.runtime.calls == ["run web", "create main 0", "start main 0"]
    assert node.pod().status.phase == "Running"
    writes = [request for request in node.api.requests if "patch status Pod" in str(request)]
    assert len(writes) == 1


async def test_what_happens_is_told_by_events(node: Node) -> None:
    node.api.put(pod())
    await until(lambda: len(node.api.stored(Event)) == 3)

    assert node.reasons() == ["Pulled", "Created", "Started"]


async def test_the_labels_by_which_a_container_is_found_again_are_on_it(node: Node) -> None:
    node.api.put(pod())
    await until(node.is_ready)

    (status,) = node.runtime.named("main")
    assert dict(status.labels) == {
        "io.kubernetes.pod.name": "web",
        "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.uid": "uid-web",
        "io.kubernetes.container.name": "main",
    }


async def test_a_container_that_ends_is_started_again_with_back_off(node: Node) -> None:
    node.api.put(pod("web", container(command=["exit", "3"])))

    await until(lambda: len(node.runtime.named("main")) > 0 and node.runtime.calls.count("start main 3") == 1)
    await until(lambda: node.pod().status.container_statuses[0].restart_count >= 3)

    await until(lambda: "BackOff" in node.reasons())


async def test_of_two_pods_of_one_name_that_were_made_in_one_second_the_later_is_meant(node: Node) -> None:
    """Whoever asks for a pod's streams must not get to one that is ending."""
    node.api.put(pod())
    await until(node.is_ready)

    node.api.put(pod(metadata={"uid": "another"}))

    key = ObjectKey("default", "web")
    await until(lambda: (worker := node.roster.worker(key)) is not None and worker.pod.metadata.uid == "another")


async def test_a_pod_that_is_gone_is_forgotten_though_another_has_its_name_by_now(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)  # What is logged is kept: errors, with all that was in sight of them.
    node.api.put(pod())
    await until(node.is_ready)
    former = weakref.ref(next(node.roster.workers()))

    def is_forgotten() -> bool:
        gc.collect()
        return former() is None

    node.api.put(pod(metadata={"uid": "another"}))

    await until(lambda: all(worker.uid == "another" for worker in node.roster.workers()))
    await until(is_forgotten)


async def test_init_containers_run_before_the_others(node: Node) -> None:
    node.api.put(pod(init=(container("one", command=["exit", "0"]), container("two", command=["exit", "0"]))))

    await until(node.is_ready)

    starts = [call for call in node.runtime.calls if call.startswith("start")]
    assert starts == ["start one 0", "start two 0", "start main 0"]


async def test_a_command_that_is_not_there_is_a_run_container_error(node: Node) -> None:
    node.api.put(pod("web", container(command=["fail"])))

    await until(lambda: node.reason() == "RunContainerError")


async def test_a_failing_liveness_probe_restarts_the_container(node: Node) -> None:
    probe = {"exec": {"command": ["alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    node.runtime.commands[("alive",)] = 1
    node.api.put(pod("web", container(livenessProbe=probe), terminationGracePeriodSeconds=1))

    await until(lambda: "start main 1" in node.runtime.calls)

    await until(lambda: {"Unhealthy", "Killing"} <= set(node.reasons()))


async def test_a_pod_is_ready_when_its_readiness_probe_says_so(node: Node) -> None:
    node.runtime.commands[("ready",)] = 1
    node.api.put(pod("web", container(readinessProbe={"exec": {"command": ["ready"]}, "periodSeconds": 1})))
    await until(lambda: node.runtime.calls.count("exec ready") >= 2)
    assert not node.is_ready()

    node.runtime.commands[("ready",)] = 0

    await until(node.is_ready)


async def test_a_pod_is_ready_again_after_its_node_seemed_lost(node: Node) -> None:
    """The node's controller marks the pods of a silent node; only the agent can take that back."""
    node.api.put(pod())
    await until(node.is_ready)

    await node.api.patch(Pod, "web", LOST, namespace="default", subresource="status")

    assert not node.is_ready()
    await until(node.is_ready)


async def test_a_stop_signal_that_the_runtime_does_not_know_is_told(node: Node) -> None:
    node.api.put(pod("web", container(lifecycle={"stopSignal": "SIGUSR1"})))

    await until(lambda: "StopSignalIgnored" in node.reasons())

    await until(node.is_ready)
    assert node.pod().status.container_statuses[0].stop_signal is None


class Overtaken(FakeClient):
    """The node is taken for lost right after its agent wrote Ready, which hears of that before its own answer."""

    def __init__(self) -> None:
        super().__init__()
        self.is_overtaken = False
        self.is_heard = lambda: True

    async def patch(self, cls: type[T], name: str, patch: Any, **options: Any) -> T:
        answer = await super().patch(cls, name, patch, **options)
        if isinstance(answer, Pod) and is_ready(answer) and not self.is_overtaken:
            self.is_overtaken = True
            await super().patch(cls, name, LOST, namespace="default", subresource="status")
            await until(self.is_heard)
        return answer


async def test_what_is_overwritten_while_it_is_told_is_told_again(runtime: FakeRuntime, tmp_path: Path) -> None:
    api = Overtaken()
    async with agent(api, runtime, tmp_path) as node:

        def is_heard() -> bool:
            worker = node.roster.worker(ObjectKey("default", "web"))
            return worker is not None and any(c.reason == "NodeNotReady" for c in worker.pod.status.conditions)

        api.is_heard = is_heard
        node.api.put(pod())

        await until(lambda: api.is_overtaken)

        await until(node.is_ready)


class Contended(FakeClient):
    """Gives some writes up, as a server does that others are always faster at."""

    def __init__(self) -> None:
        super().__init__()
        self.given_up: set[str] = set()

    async def patch(self, cls: type[T], name: str, *args: Any, **options: Any) -> T:
        """Refuse the first status of a pod."""
        self._give_up_once("patch", cls)
        return await super().patch(cls, name, *args, **options)

    async def delete(self, cls: type[T], name: str, **options: Any) -> T | None:
        """Refuse the first deletion of a pod that has ended."""
        if options.get("grace_s") == 0:
            self._give_up_once("delete", cls)
        return await super().delete(cls, name, **options)

    def _give_up_once(self, verb: str, cls: type[T]) -> None:
        if cls is Pod and verb not in self.given_up:
            self.given_up.add(verb)
            raise stale(kind_of(Pod), verb)


async def test_what_others_were_faster_than_is_written_all_the_same(runtime: FakeRuntime, tmp_path: Path) -> None:
    async with agent(Contended(), runtime, tmp_path) as node:
        node.api.put(pod())
        await until(node.is_ready)
        await node.api.delete(Pod, "web", namespace="default", grace_s=1)

        await until(node.is_gone)


async def test_a_lost_sandbox_is_made_again(node: Node) -> None:
    node.api.put(pod())
    await until(node.is_ready)

    node.runtime.lose_sandbox("sandbox-1")

    await until(lambda: node.is_ready() and node.pod().status.container_statuses[0].restart_count == 1)
    assert node.runtime.calls.count("run web") == 2


async def test_a_pod_that_does_not_fit_fails_at_once(node: Node) -> None:
    node.api.put(pod("web", container(resources={"requests": {"cpu": "5"}})))

    await until(lambda: node.pod().status.phase == "Failed")

    assert (node.pod().status.reason, node.runtime.calls) == ("OutOfcpu", [])


async def test_many_pods_come_and_go_at_once(node: Node) -> None:
    names = [f"p{number}" for number in range(12)]
    for name in names:
        node.api.put(pod(name))
    await until(lambda: all(node.is_ready(name) for name in names))

    await asyncio.gather(*(node.api.delete(Pod, name, namespace="default", grace_s=1) for name in names))

    await until(lambda: not node.api.stored(Pod) and not node.runtime.sandboxes)


async def test_an_end_is_seen_in_a_runtime_that_tells_no_events(runtime: FakeRuntime, tmp_path: Path) -> None:
    """As containerd's before 1.7: what its lists tell is enough."""
    runtime.tells_events = False
    async with agent(FakeClient(), runtime, tmp_path) as node:
        node.api.put(pod())
        await until(node.is_ready)

        runtime.end(runtime.named("main")[0].id, 3)

        await until(lambda: len(runtime.named("main")) == 2, "it was started again")
