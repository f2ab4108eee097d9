"""What a new node agent finds, and what it makes of it."""

from pathlib import Path

from kube.api.core_v1 import Pod
from proto import cri_v1
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.make import container, pod
from tests.nodeagent.one_node import agent, until


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


async def test_an_end_between_the_first_look_and_the_first_event_is_not_missed(
    runtime: FakeRuntime, tmp_path: Path
) -> None:
    """Otherwise it would be seen a minute later."""
    api = FakeClient()
    async with agent(api, runtime, tmp_path) as first:
        api.put(pod())
        await until(first.is_ready)
    runtime.begins_to_tell.clear()

    async with agent(api, runtime, tmp_path) as second:
        await until(lambda: any(worker.record.running for worker in second.roster.workers()))
        api.put(pod("other"))
        await until(lambda: second.is_ready("other"), "its operations are seen without events")
        runtime.end(runtime.named("main")[0].id, 5)
        runtime.begins_to_tell.set()
        await until(lambda: second.pod().status.container_statuses[0].restart_count == 1 and second.is_ready())


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
