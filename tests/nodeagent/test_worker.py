"""Pods live through their lives with a fake runtime behind the real CRI client: what is asked, and what is told."""

import asyncio
import gc
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from kube import codec
from kube.api import core_v1 as api_v1
from kube.api.core_v1 import ConfigMap, Event, Pod
from kube.client import Selection
from kube.clock import Clock, SystemClock
from kube.errors import stale
from kube.events import EventRecorder
from kube.informer import Informer
from kube.kinds import Resource, kind_of
from kube.objects import ObjectKey
from kube.quantity import Quantity
from kube.runner import Runner
from nodeagent.cri.client import Cri
from nodeagent.pods.images import ImagePuller
from nodeagent.pods.references import ReferenceCache
from nodeagent.pods.room import PodRoom, PodSettings
from nodeagent.pods.roster import Roster
from nodeagent.pods.static_keeper import StaticKeeper
from nodeagent.pods.status import NodeFacts
from nodeagent.pods.status_teller import StatusTeller
from nodeagent.pods.user_ranges import UserRanges
from nodeagent.pods.view import BackoffLimits, StartContainer, View
from nodeagent.pods.volumes import NodeDirs
from proto import cri_v1
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import MISSING, FakeRuntime
from tests.nodeagent.make import NOW, container, exited, found, pod, sandbox

WAIT_S = 5.0
ALLOCATABLE = {"cpu": Quantity("4"), "memory": Quantity("4Gi"), "pods": Quantity("20")}
HOOK = {"exec": {"command": ["hook"]}}
LOST = {"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeNotReady"}]}}
T = TypeVar("T", bound=Resource)


@dataclass
class Node:
    """A node agent's pods between a fake API and a fake runtime."""

    api: FakeClient
    runtime: FakeRuntime
    roster: Roster
    room: PodRoom

    def pod(self, name: str = "web") -> Pod:
        """Return the pod as it is stored."""
        return next(one for one in self.api.stored(Pod) if one.metadata.name == name)

    def is_ready(self, name: str = "web") -> bool:
        """Say whether the stored pod is ready."""
        return _is_ready(self.pod(name))

    def is_gone(self, name: str = "web") -> bool:
        """Say whether the pod is stored no more."""
        return all(one.metadata.name != name for one in self.api.stored(Pod))

    def reason(self, name: str = "web") -> str:
        """Return why the pod's first container waits."""
        statuses = self.pod(name).status.container_statuses
        waiting = statuses[0].state.waiting if statuses else None
        return waiting.reason if waiting is not None else ""

    def reasons(self) -> list[str]:
        """Return the reasons of all events."""
        return [event.reason for event in self.api.stored(Event)]


def _is_ready(found: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in found.status.conditions)


async def until(holds: Callable[[], bool], what: str = "") -> None:
    """Return when a condition holds; fail after a while."""
    end = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"never came true within {WAIT_S:g}s: {what or holds}")
        await asyncio.sleep(0.002)


@asynccontextmanager
async def agent(
    api: FakeClient, runtime: FakeRuntime, folder: Path, *, static: Path | None = None, clock: Clock | None = None
) -> AsyncIterator[Node]:
    """Run a node agent's pods for the length of a block. static: the folder of static pods."""
    cri = Cri(f"unix:{runtime.socket}")
    dirs = NodeDirs(folder / "state", folder / "run")
    for made in (dirs.state / "pods", dirs.state / "logs", dirs.run / "pods"):
        made.mkdir(parents=True, exist_ok=True)
    async with Runner() as runner:
        recorder = EventRecorder(api, "kubelet")
        room = PodRoom(
            client=api,
            cri=cri,
            clock=clock or SystemClock(),
            runner=runner,
            recorder=recorder,
            references=ReferenceCache(api, runner),
            images=ImagePuller(cri),
            dirs=dirs,
            users=UserRanges(dirs.pods),
            node=NodeFacts(("192.0.2.1",), "fake"),
            settings=PodSettings(ALLOCATABLE, 4 << 30, limits=BackoffLimits(0.05, 0.2)),
            services=lambda: (),
        )
        pods = Informer(api, Pod, Selection(field_selector="spec.nodeName=n1"))
        roster = Roster(room, pods)
        runner.start("events", recorder.run)
        runner.start("informer", pods.run)
        runner.start("roster", roster.run)
        if static is not None:
            nodes = Informer(api, api_v1.Node)
            runner.start("nodes", nodes.run)
            runner.start("static", StaticKeeper(static, room, roster, node="n1", nodes=nodes, pods=pods).run)
            await until(static.is_dir)
        yield Node(api, runtime, roster, room)
    await cri.close()


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[FakeRuntime]:
    """A fake runtime on a socket of its own."""
    async with FakeRuntime(tmp_path / "cri.sock") as fake:
        yield fake


@pytest.fixture
async def node(runtime: FakeRuntime, tmp_path: Path) -> AsyncIterator[Node]:
    """A node without pods."""
    async with agent(FakeClient(), runtime, tmp_path) as made:
        yield made


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


@pytest.mark.parametrize(
    ("wish", "can", "told"), [("IfPossible", False, False), ("IfPossible", True, True), ("Enabled", True, True)]
)
async def test_what_is_below_a_mount_is_read_only_where_the_runtime_can(
    node: Node, wish: str, can: bool, told: bool
) -> None:
    node.runtime.locks_mounts_below = can
    node.api.put(_locked(wish))
    await until(node.is_ready)

    (config,) = node.runtime.configs.values()
    (mount,) = [mount for mount in config.mounts if mount.container_path == "/v"]
    assert (mount.readonly, mount.recursive_read_only) == (True, told)


async def test_a_pod_that_must_have_it_waits_where_the_runtime_can_not(node: Node) -> None:
    node.api.put(_locked("Enabled"))
    await until(lambda: "Failed" in node.reasons())

    told = [event.message for event in node.api.stored(Event)]
    assert any("recursiveReadOnly, which fake can not give; use IfPossible" in message for message in told)
    assert not node.runtime.configs


def _locked(wish: str) -> Pod:
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": wish}
    return pod("web", container(command=["sleep"], volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])


async def test_a_pod_that_never_restarts_ends(node: Node) -> None:
    node.api.put(pod("web", container(command=["exit", "0"]), restartPolicy="Never"))

    await until(lambda: node.pod().status.phase == "Succeeded")
    await until(lambda: "stop sandbox-1" in node.runtime.calls)

    assert len(node.runtime.named("main")) == 1, "its container is kept for its log"


async def test_a_deleted_pod_leaves_nothing_behind(node: Node) -> None:
    node.api.put(pod(volumes=[{"name": "v", "emptyDir": {}}]))
    await until(node.is_ready)

    await node.api.delete(Pod, "web", namespace="default", grace_s=4)
    await until(node.is_gone)
    await until(lambda: not node.runtime.sandboxes)

    assert node.runtime.graces == [4]
    await until(lambda: not (node.room.dirs.state / "pods" / "uid-web").exists())
    await until(lambda: not list(node.roster.workers()))


async def test_the_hook_before_the_stop_runs_first(node: Node) -> None:
    node.api.put(pod("web", container(lifecycle={"preStop": HOOK})))
    await until(node.is_ready)

    await node.api.delete(Pod, "web", namespace="default", grace_s=4)
    await until(node.is_gone)

    assert node.runtime.calls.index("exec hook") < node.runtime.calls.index("kill main")


async def test_a_failed_hook_after_the_start_restarts_the_container(node: Node) -> None:
    node.runtime.commands[("hook",)] = 1
    node.api.put(pod("web", container(lifecycle={"postStart": HOOK})))

    await until(lambda: "start main 1" in node.runtime.calls)

    await until(lambda: "FailedPostStartHook" in node.reasons())


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
    node.api.put(pod())
    await until(node.is_ready)
    former = weakref.ref(next(node.roster.workers()))

    def is_forgotten() -> bool:
        caplog.clear()  # It holds errors, with all that was in sight of them.
        gc.collect()
        return former() is None

    node.api.put(pod(metadata={"uid": "another"}))

    await until(is_forgotten)


async def test_a_second_deletion_shortens_the_grace_period(node: Node) -> None:
    node.api.put(pod("web", container(command=["stubborn"]), terminationGracePeriodSeconds=60))
    await until(node.is_ready)
    await node.api.delete(Pod, "web", namespace="default", grace_s=60)
    await until(lambda: node.runtime.graces == [60])

    await node.api.delete(Pod, "web", namespace="default", grace_s=1)

    await until(lambda: node.runtime.graces == [60, 1])


async def test_a_deletion_by_force_leaves_only_a_moment(node: Node) -> None:
    node.api.put(pod("web", container(command=["stubborn"]), terminationGracePeriodSeconds=60))
    await until(node.is_ready)

    await node.api.delete(Pod, "web", namespace="default", grace_s=0)

    await until(lambda: node.runtime.graces == [2])


async def test_init_containers_run_before_the_others(node: Node) -> None:
    node.api.put(pod(init=(container("one", command=["exit", "0"]), container("two", command=["exit", "0"]))))

    await until(node.is_ready)

    starts = [call for call in node.runtime.calls if call.startswith("start")]
    assert starts == ["start one 0", "start two 0", "start main 0"]


async def test_a_missing_image_is_told_and_tried_again(node: Node) -> None:
    node.api.put(pod("web", container(image=MISSING)))

    await until(lambda: node.reason() in ("ErrImagePull", "ImagePullBackOff"))
    await until(lambda: node.runtime.calls.count(f"pull {MISSING}") >= 2)

    await until(lambda: "Failed" in node.reasons())


async def test_an_image_that_is_never_pulled_is_refused_without_asking(node: Node) -> None:
    node.api.put(pod("web", container(image="other:1", imagePullPolicy="Never")))

    await until(lambda: node.reason() == "ErrImageNeverPull")

    assert not [call for call in node.runtime.calls if call.startswith("pull")]


async def test_a_pull_under_way_does_not_keep_a_deleted_pod(node: Node) -> None:
    node.runtime.slow_pull.clear()
    node.api.put(pod("web", container(image="big:1")))
    await until(lambda: "pull big:1" in node.runtime.calls)

    await node.api.delete(Pod, "web", namespace="default", grace_s=30)
    await until(node.is_gone)

    node.runtime.slow_pull.set()


async def test_a_slow_pull_of_one_container_does_not_delay_another(node: Node) -> None:
    node.runtime.slow_pull.clear()
    node.api.put(pod("web", container("slow", image="big:1"), container("quick")))

    await until(lambda: "start quick 0" in node.runtime.calls)

    node.runtime.slow_pull.set()
    await until(node.is_ready)


async def test_a_command_that_is_not_there_is_a_run_container_error(node: Node) -> None:
    node.api.put(pod("web", container(command=["fail"])))

    await until(lambda: node.reason() == "RunContainerError")


async def test_a_missing_config_map_is_told_and_comes_right_when_it_is_made(node: Node) -> None:
    source = {"configMapKeyRef": {"name": "cm", "key": "a"}}
    node.api.put(pod("web", container(env=[{"name": "A", "valueFrom": source}])))
    await until(lambda: node.reason() == "CreateContainerConfigError")

    node.api.put(codec.from_plain({"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "1"}}, ConfigMap))

    await until(node.is_ready)


async def test_a_missing_volume_source_keeps_the_sandbox_from_being_made(node: Node) -> None:
    node.api.put(pod(volumes=[{"name": "v", "configMap": {"name": "cm"}}]))
    await until(lambda: "FailedMount" in node.reasons())

    assert node.runtime.calls == []


async def test_a_changed_config_map_reaches_its_volume(node: Node) -> None:
    def config(value: str) -> ConfigMap:
        return codec.from_plain({"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": value}}, ConfigMap)

    stored = node.api.put(config("1"))
    node.api.put(pod(volumes=[{"name": "v", "configMap": {"name": "cm"}}]))
    await until(node.is_ready)
    file = node.room.dirs.state / "pods" / "uid-web" / "volumes" / "v" / "a"
    assert file.read_text() == "1"

    await node.api.patch(ConfigMap, stored.metadata.name, {"data": {"a": "2"}}, namespace="default")

    await until(lambda: file.read_text() == "2")


async def test_a_volume_that_could_not_be_brought_up_to_date_is_tried_again(node: Node) -> None:
    settings = codec.from_plain({"metadata": {"name": "cm", "namespace": "default"}, "data": {"key": "1"}}, ConfigMap)
    node.api.put(settings)
    node.api.put(pod(volumes=[{"name": "v", "configMap": {"name": "cm"}}]))
    await until(node.is_ready)
    volumes = node.room.dirs.pod("uid-web") / "volumes"
    away = volumes.rename(volumes.with_name("away"))
    volumes.touch()

    node.api.put(replace(settings, data={"key": "2"}))
    await until(lambda: "FailedMount" in node.reasons())
    volumes.unlink()
    away.rename(volumes)

    await until(lambda: (volumes / "v" / "key").read_text() == "2")


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
        if isinstance(answer, Pod) and _is_ready(answer) and not self.is_overtaken:
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


async def test_a_pod_whose_object_vanished_is_stopped_all_the_same(node: Node) -> None:
    """Somebody deleted it by force: there is nothing to write to any more."""
    node.api.put(pod(terminationGracePeriodSeconds=1))
    await until(node.is_ready)

    node.api.drop(Pod, "web", "default")

    await until(lambda: not node.runtime.sandboxes)


async def test_a_new_agent_finds_its_pods_and_starts_nothing_twice(runtime: FakeRuntime, tmp_path: Path) -> None:
    api = FakeClient()
    probe = {"exec": {"command": ["ready"]}, "periodSeconds": 60}
    async with agent(api, runtime, tmp_path) as first:
        api.put(pod("web", container(readinessProbe=probe)))
        await until(first.is_ready)
    calls = [call for call in runtime.calls if not call.startswith("exec")]

    async with agent(api, runtime, tmp_path) as second:
        await until(lambda: any(worker.record.running for worker in second.roster.workers()))
        runtime.commands[("ready",)] = 1
        api.put(pod("other"))
        await until(lambda: second.is_ready("other"))

        assert second.is_ready("web"), "what was ready stays so until a probe says otherwise"
    assert [c for c in runtime.calls if not c.startswith("exec")][: len(calls)] == calls
    assert runtime.calls.count("start main 0") == 2, "one for each of the two pods"


async def test_a_pod_deleted_while_no_agent_ran_is_removed(runtime: FakeRuntime, tmp_path: Path) -> None:
    api = FakeClient()
    async with agent(api, runtime, tmp_path) as first:
        api.put(pod())
        await until(first.is_ready)
    api.drop(Pod, "web", "default")

    async with agent(api, runtime, tmp_path) as second:
        await until(lambda: not runtime.sandboxes)
        await until(lambda: not (second.room.dirs.state / "pods" / "uid-web").exists())


async def test_a_container_that_ended_while_no_agent_ran_is_accounted_for_once(
    runtime: FakeRuntime, tmp_path: Path
) -> None:
    api = FakeClient()
    async with agent(api, runtime, tmp_path) as first:
        api.put(pod())
        await until(first.is_ready)
    runtime.end(runtime.named("main")[0].id, 5)

    async with agent(api, runtime, tmp_path) as second:
        await until(lambda: second.pod().status.container_statuses[0].restart_count == 1 and second.is_ready())

    last = api.stored(Pod)[0].status.container_statuses[0].last_state.terminated
    assert last is not None
    assert last.exit_code == 5
    assert len(runtime.named("main")) == 2


async def test_a_start_that_was_cut_off_between_create_and_start_goes_on(runtime: FakeRuntime, tmp_path: Path) -> None:
    api = FakeClient()
    async with agent(api, runtime, tmp_path) as first:
        api.put(pod())
        await until(first.is_ready)
    (status,) = runtime.named("main")
    status.state = cri_v1.CONTAINER_CREATED
    api.put(pod())

    async with agent(api, runtime, tmp_path) as second:
        await until(lambda: runtime.calls.count("start main 0") == 2)
        await until(second.is_ready)

    assert runtime.named("main") == [status]
    assert f"remove {status.id}" not in runtime.calls


async def test_logs_of_a_pod_that_is_gone_are_removed(runtime: FakeRuntime, tmp_path: Path) -> None:
    """The agent was killed after it had made their folder, and before the sandbox: nothing else tells of the pod."""
    left = tmp_path / "state" / "logs" / "default_gone_uid-gone"
    left.mkdir(parents=True)

    async with agent(FakeClient(), runtime, tmp_path):
        await until(lambda: not left.exists())


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


async def test_a_pod_that_ends_before_it_was_told_of_keeps_its_address(node: Node) -> None:
    """Its sandbox is stopped by then, and has none any more."""
    wanted = pod("brief", restartPolicy="Never", nodeName="n2")
    node.api.put(wanted)
    teller = StatusTeller(node.room, wanted, lambda: None)
    starting = View(wanted, found(), volumes_ready=True, busy={"main": StartContainer("main", 0)})
    over = View(wanted, found(exited(), sandboxes=(sandbox(is_ready=False),)), volumes_ready=True)

    held_until = teller.tell(starting, NOW)
    teller.tell(over, NOW)
    await until(lambda: node.pod("brief").status.phase == "Succeeded")

    assert held_until is not None
    assert node.pod("brief").status.pod_ip == "10.0.0.7"


async def test_sidecars_get_what_the_others_have_left_of_the_time_to_end(node: Node) -> None:
    slow = container(lifecycle={"preStop": {"sleep": {"seconds": 1}}})
    beside = container("beside", restartPolicy="Always")
    node.api.put(pod("web", slow, init=(beside,), terminationGracePeriodSeconds=4))
    await until(node.is_ready)

    await node.api.delete(Pod, "web", namespace="default", grace_s=4)
    await until(node.is_gone)

    assert node.runtime.graces == [3, 3]
