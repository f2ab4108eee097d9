"""What survives SIGKILL of the runtime, its zygote and its shims: containers, output, exit codes; and what must not."""

import os
import signal
from pathlib import Path

import pytest

from nodeagent.runtime import state
from nodeagent.runtime.images.archive import import_archive
from nodeagent.runtime.purge import purge
from nodeagent.runtime.sandbox_network import LoopbackOnly
from nodeagent.runtime.server import serving
from proto import cri_v1 as cri
from tests.runtime.machine import IMAGE, Client, RuntimeProcess, leftovers, settings_in, until

pytestmark = pytest.mark.root

_COUNTING = """
count() { while test $n -lt $1; do n=$((n+1)); echo line $n; sleep 0.01; done; }
n=0; count 30; while ! test -e /go; do sleep 0.01; done; count 100; exit 7
"""


async def _reconnect(client: Client, runtime: RuntimeProcess) -> Client:
    await client.channel.close()
    runtime.start()
    return Client(runtime.settings)


async def test_killing_the_runtime_stops_no_container_and_loses_nothing(own_runtime: RuntimeProcess) -> None:
    client = Client(own_runtime.settings)
    pod = await client.pod()
    container = await client.run(pod, "sh", "-c", _COUNTING)
    before = await client.status(container)

    own_runtime.kill()
    await until(lambda: _has_line(before.log_path, "line 30"), "it goes on without a runtime")
    client = await _reconnect(client, own_runtime)
    found = await client.status(container)
    await client.exec(container, "touch", "/go")
    ended = await client.ended(container)

    assert found.state == cri.CONTAINER_RUNNING
    assert found.started_at == before.started_at
    assert ended.exit_code == 7
    assert (await client.log(container)).splitlines() == [f"line {number}" for number in range(1, 101)]
    await client.remove_pod(pod)
    assert leftovers(own_runtime.settings) == []
    await client.channel.close()


async def _has_line(path: str, text: str) -> bool:
    return text in Path(path).read_text()


async def test_an_end_while_nobody_looks_is_found_later(own_runtime: RuntimeProcess, tmp_path: Path) -> None:
    client = Client(own_runtime.settings)
    volume = tmp_path / "volume"
    volume.mkdir()
    mount = cri.Mount(container_path="/volume", host_path=str(volume))
    script = "while ! test -e /volume/go; do sleep 0.01; done; echo end; exit 9"
    container = await client.run(await client.pod(), "sh", "-c", script, mounts=[mount])
    bundle = own_runtime.settings.containers_dir / container

    own_runtime.kill()
    (volume / "go").touch()
    await until(lambda: _exists(bundle / "exit.json"), "the shim has written the exit")
    client = await _reconnect(client, own_runtime)

    ended = await client.status(container)
    assert (ended.state, ended.exit_code, ended.reason) == (cri.CONTAINER_EXITED, 9, "Error")
    assert await client.log(container) == "end"
    await client.channel.close()


async def _exists(path: Path) -> bool:
    return path.exists()


async def test_killing_runtime_and_zygote_together_stops_no_container(own_runtime: RuntimeProcess) -> None:
    client = Client(own_runtime.settings)
    pod = await client.pod()
    container = await client.run(pod, "sleep", "1000")

    os.kill(own_runtime.zygote_pid(), signal.SIGKILL)
    own_runtime.kill()
    client = await _reconnect(client, own_runtime)

    assert (await client.status(container)).state == cri.CONTAINER_RUNNING
    assert (await client.exec(container, "echo", "alive")).stdout == b"alive\n"
    status = await client.runtime.pod_sandbox_status(cri.PodSandboxStatusRequest(pod_sandbox_id=pod))
    assert status.status.state == cri.SANDBOX_READY
    await client.channel.close()


async def test_a_killed_zygote_is_replaced_for_the_next_pod(own_runtime: RuntimeProcess) -> None:
    client = Client(own_runtime.settings)
    first = await client.run(await client.pod(), "sleep", "1000")

    os.kill(own_runtime.zygote_pid(), signal.SIGKILL)
    second = await client.run(await client.pod(), "sleep", "1000")

    assert (await client.status(first)).state == cri.CONTAINER_RUNNING
    assert (await client.status(second)).state == cri.CONTAINER_RUNNING
    await client.channel.close()


async def test_a_killed_shim_ends_its_pod_and_every_end_is_accounted_for(own_runtime: RuntimeProcess) -> None:
    """Its containers have nobody to read their output or their end: they must not linger unseen."""
    client = Client(own_runtime.settings)
    pod = await client.pod()
    container = await client.run(pod, "sleep", "1000")
    verbose = cri.PodSandboxStatusRequest(pod_sandbox_id=pod, verbose=True)
    shim = int((await client.runtime.pod_sandbox_status(verbose)).info["shim"])

    os.kill(shim, signal.SIGKILL)
    ended = await client.ended(container)

    assert (ended.exit_code, ended.reason) == (137, "Unknown")
    assert "shim" in ended.message

    async def is_not_ready() -> bool:
        return (await client.runtime.pod_sandbox_status(verbose)).status.state == cri.SANDBOX_NOTREADY

    await until(is_not_ready, "the sandbox is not ready")
    await client.remove_pod(pod)
    assert leftovers(own_runtime.settings) == []
    await client.channel.close()


async def test_a_shim_that_died_with_the_runtime_is_accounted_for_at_the_next_start(
    own_runtime: RuntimeProcess,
) -> None:
    client = Client(own_runtime.settings)
    pod = await client.pod()
    container = await client.run(pod, "sleep", "1000")
    started = state.load(own_runtime.settings.containers_dir / container / "pid.json", state.StartRecord)
    shim = state.load(own_runtime.settings.sandboxes_dir / pod / "shim.json", state.ShimRecord)
    assert started is not None
    assert shim is not None

    own_runtime.kill()
    os.kill(shim.pid, signal.SIGKILL)
    client = await _reconnect(client, own_runtime)

    assert (await client.status(container)).exit_code == 137
    assert not state.is_alive(started.pid, started.start_time)
    await client.remove_pod(pod)
    assert leftovers(own_runtime.settings) == []
    await client.channel.close()


async def test_purge_leaves_nothing_of_pods_that_ran_without_a_runtime(own_runtime: RuntimeProcess) -> None:
    client = Client(own_runtime.settings)
    pods = [await client.pod() for _ in range(3)]
    containers = [await client.run(pod, "sleep", "1000") for pod in pods]
    folder = own_runtime.settings.containers_dir
    started = [state.load(folder / container / "pid.json", state.StartRecord) for container in containers]
    await client.channel.close()
    own_runtime.kill()

    done = purge(own_runtime.settings)

    assert any("processes: ended" in line for line in done)
    assert not any(state.is_alive(item.pid, item.start_time) for item in started if item)
    assert not own_runtime.settings.state_dir.exists()
    assert str(own_runtime.settings.run_dir) not in Path("/proc/self/mountinfo").read_text()
    assert not list(Path("/sys/fs/cgroup").glob(f"*{own_runtime.settings.cgroup_parent}"))
    assert purge(own_runtime.settings) == []


class _BrokenNetwork(LoopbackOnly):
    """A network whose first detach fails."""

    failures = 1

    async def detach(self, sandbox_id: str, netns_path: str) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("netlink: no buffer space")


async def test_a_network_that_fails_while_a_lost_pod_is_cleared_away_takes_nothing_else_down(
    tmp_path: Path, busybox_root: Path
) -> None:
    settings = settings_in(tmp_path)
    import_archive(settings.image_dir, busybox_root, IMAGE)
    async with serving(settings, _BrokenNetwork()):
        client = Client(settings)
        pod = await client.pod()
        container = await client.run(pod, "sleep", "1000")
        shim = state.load(settings.sandboxes_dir / pod / "shim.json", state.ShimRecord)
        assert shim is not None

        os.kill(shim.pid, signal.SIGKILL)
        ended = await client.ended(container)
        await client.remove_pod(pod)

        assert ended.exit_code == 137
        assert leftovers(settings) == []
        await client.channel.close()
    purge(settings)


async def test_a_second_runtime_on_the_same_socket_is_refused(own_runtime: RuntimeProcess) -> None:
    """Two runtimes over one state would each undo what the other does."""
    with pytest.raises(RuntimeError, match="another one has"):
        async with serving(own_runtime.settings, LoopbackOnly()):
            pass
