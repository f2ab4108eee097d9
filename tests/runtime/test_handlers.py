"""Sandboxes of another OCI runtime: Debian's runc or crun makes their containers, and all else is as ever."""

import os
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nodeagent.runtime import state
from proto import cri_v1 as cri
from tests.runtime.machine import Client, RuntimeProcess, leftovers, until

pytestmark = pytest.mark.root


@pytest.fixture(params=["runc", "crun"])
def handler(request: pytest.FixtureRequest) -> str:
    """A runtime that this machine has."""
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    if name == "crun" and _is_split():
        pytest.skip("crun runs no containers where cgroup v2 has controllers beside v1")
    return name


def _is_split() -> bool:
    """Say whether this machine's cgroups are of both versions, each with controllers."""
    beside = Path("/sys/fs/cgroup/unified/cgroup.controllers")
    return beside.exists() and bool(beside.read_text().split())


@pytest.fixture
async def pod(client: Client, handler: str) -> str:
    """A sandbox whose containers another runtime makes."""
    return await client.pod(handler=handler)


@pytest.fixture
async def own_client(own_runtime: RuntimeProcess) -> AsyncIterator[Client]:
    """A client of a runtime that a test may kill."""
    client = Client(own_runtime.settings)
    yield client
    await client.channel.close()


def _own_state(client: Client, container: str) -> Path:
    """Return the folder that the other runtime itself keeps of a container."""
    return client.settings.containers_dir / container / "oci" / "state" / container


async def test_it_makes_the_container_whose_log_and_exit_code_are_kept(client: Client, pod: str) -> None:
    container = await client.run(pod, "sh", "-c", "echo out; echo err >&2; exit 3")

    ended = await client.ended(container)
    assert (ended.exit_code, ended.reason) == (3, "Error")
    assert sorted((await client.log(container)).splitlines()) == ["err", "out"]
    assert _own_state(client, container).exists()


async def test_a_command_runs_in_the_container_beside_its_own(client: Client, pod: str) -> None:
    container = await client.run(pod, "sleep", "1000")

    assert (await client.exec(container, "sh", "-c", "echo $$; exit 4")).exit_code == 4
    assert b"sleep" in (await client.exec(container, "cat", "/proc/1/cmdline")).stdout


async def test_its_user_root_and_limits_are_what_was_asked_for(client: Client, pod: str) -> None:
    limits = cri.LinuxContainerResources(memory_limit_in_bytes=64 << 20)
    fields = {"run_as_username": "web", "readonly_rootfs": True, "no_new_privs": True, "resources": limits}

    told = await client.output(pod, "sh", "-c", "id; touch /x; grep -E 'CapEff|NoNewPrivs' /proc/self/status", **fields)

    assert "uid=1000(web) gid=1001(web) groups=1001(web),1002(extra)" in told
    assert "Read-only file system" in told
    assert "CapEff:\t0000000000000000" in told
    assert "NoNewPrivs:\t1" in told


async def test_it_uses_the_devices_it_has_and_makes_none(client: Client, pod: str) -> None:
    command = "echo gone > /dev/null; head -c 4 /dev/zero | wc -c; mknod /tmp/m c 1 1 && cat /tmp/m"

    told = await client.output(pod, "sh", "-c", command)

    assert told.splitlines()[0] == "4"
    assert "m" in told.splitlines()[-1]
    assert "ermitted" in told or "denied" in told


async def test_stop_ends_it_by_its_signal_or_by_force(client: Client, pod: str) -> None:
    heeds = await client.run(pod, "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.01; done", name="heeds")
    deaf = await client.run(pod, "sh", "-c", "trap '' TERM; while :; do sleep 0.01; done", name="deaf")
    await client.stop(heeds, 10)
    await client.stop(deaf, 0)

    assert (await client.status(heeds)).exit_code == 5
    assert (await client.status(deaf)).exit_code == 137


async def test_a_command_that_is_not_there_is_told_in_its_words(client: Client, pod: str) -> None:
    container = await client.create(pod, "nothing-like-it")

    code, message = await client.refusal(client.start(container))

    assert code == "UNKNOWN"
    assert "nothing-like-it" in message
    assert (await client.status(container)).reason == "StartError"


async def test_containers_that_end_at_once_are_all_accounted_for(client: Client, pod: str) -> None:
    """Such a one may be over before its pid is told."""
    started = [await client.run(pod, "true", name=f"quick{number}") for number in range(8)]

    assert [(await client.ended(container)).exit_code for container in started] == [0] * 8


@pytest.mark.parametrize("field", ["tty", "privileged"])
async def test_what_a_handler_can_t_give_is_refused(client: Client, pod: str, field: str) -> None:
    asked: dict[str, Any] = {field: True}

    code, message = await client.refusal(client.create(pod, "true", **asked))

    assert code == "INVALID_ARGUMENT"
    assert field in message


async def test_it_lives_on_when_the_runtime_is_killed_and_ends_with_its_shim(
    own_runtime: RuntimeProcess, own_client: Client, handler: str
) -> None:
    pod = await own_client.pod(handler=handler)
    container = await own_client.run(pod, "sleep", "1000")
    own_runtime.kill()
    own_runtime.start()
    client = Client(own_runtime.settings)

    assert (await client.status(container)).state == cri.CONTAINER_RUNNING
    shim = state.load(own_runtime.settings.sandboxes_dir / pod / "shim.json", state.ShimRecord)
    assert shim is not None
    os.kill(shim.pid, signal.SIGKILL)
    await until(lambda: _is_over(client, container), "its end is on record")
    assert (await client.status(container)).exit_code == 137
    await client.remove_all()
    await client.channel.close()
    assert leftovers(own_runtime.settings) == []


async def _is_over(client: Client, container: str) -> bool:
    return (await client.status(container)).state == cri.CONTAINER_EXITED
