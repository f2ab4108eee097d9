"""Rounds of random kills, from a seed: whatever dies, every container is found or accounted for, and nothing leaks."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
from typing import NamedTuple

import grpc
import pytest

from nodeagent.runtime import state
from nodeagent.runtime.cgroups import detect_here
from proto import cri_v1 as cri
from tests.runtime.machine import Client, RuntimeProcess, leftovers, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

SEED = 20
HANDLERS = ("", "runc") if shutil.which("runc") else ("",)
ROUNDS = int(os.environ.get("WHERRY_KILL_ROUNDS", "8"))


def _shim_pid(runtime: RuntimeProcess, pod: str) -> int:
    record = state.load(runtime.settings.sandboxes_dir / pod / "shim.json", state.ShimRecord)
    assert record is not None
    return record.pid


async def _half_made(client: Client) -> None:
    """Begin pods whose making a kill will cut off at any step."""

    async def make() -> None:
        try:
            await client.run(await client.pod(), "sleep", "1000")
        except grpc.aio.AioRpcError:
            return  # The runtime has been killed over it.

    await asyncio.gather(*(make() for _ in range(3)))


class Life(NamedTuple):
    """A container of a round. is_short: it ends by itself, with 7, while things are killed."""

    pod: str
    container: str
    is_short: bool


async def _begin(client: Client, handler: str, is_short: bool) -> Life:
    """Run a container until its first line is in its log."""
    pod = await client.pod(handler=handler)
    command = "echo begun; sleep 0.0$((RANDOM % 10)); echo over; exit 7" if is_short else "echo begun; exec sleep 1000"
    container = await client.run(pod, "sh", "-c", command)

    async def has_begun() -> bool:
        return (await client.log(container)).startswith("begun")

    await until(has_begun, "its first line is in its log")
    return Life(pod, container, is_short)


def _pull_the_cord(runtime: RuntimeProcess) -> None:
    """Kill all there is: the runtime, its zygote, every shim, every process of every container."""
    groups = detect_here().processes(runtime.settings.cgroup_parent)
    for pid in [runtime.zygote_pid(), runtime.pid, *groups]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_random_kills_lose_and_leak_nothing(own_runtime: RuntimeProcess) -> None:
    """A container whose shim lives goes on or has ended as it would; one whose shim died is over, once, with 137."""
    chance = random.Random(SEED)
    client = Client(own_runtime.settings)
    for _ in range(ROUNDS):
        lives = [await _begin(client, chance.choice(HANDLERS), is_short) for is_short in (False, False, True)]
        is_cord = chance.random() < 0.25
        lost = {life.pod for life in lives if is_cord or chance.random() < 0.3}
        making = asyncio.ensure_future(_half_made(client))
        await asyncio.sleep(chance.random() * 0.03)  # The point of this test: a moment nobody chose.
        if is_cord:
            _pull_the_cord(own_runtime)
        elif chance.random() < 0.5:
            os.kill(own_runtime.zygote_pid(), signal.SIGKILL)
        for pod in () if is_cord else lost:
            os.kill(_shim_pid(own_runtime, pod), signal.SIGKILL)
        own_runtime.kill()
        await making
        await client.channel.close()
        own_runtime.start()
        client = Client(own_runtime.settings)

        for life in lives:
            await _check(client, own_runtime, life, is_lost=life.pod in lost)
        await client.remove_all()
        assert leftovers(own_runtime.settings) == []
    await client.channel.close()


async def _check(client: Client, runtime: RuntimeProcess, life: Life, *, is_lost: bool) -> None:
    if life.is_short:
        status = await client.ended(life.container)
        assert status.exit_code in ({7, 137} if is_lost else {7})
        assert await client.log(life.container) == "begun\nover" or status.exit_code == 137
        return
    status = await client.status(life.container)
    started = state.load(runtime.settings.containers_dir / life.container / "pid.json", state.StartRecord)
    assert started is not None
    assert await client.log(life.container) == "begun"
    if is_lost:
        assert (status.state, status.exit_code) == (cri.CONTAINER_EXITED, 137)
        await until(lambda: _is_gone(started), "no process of it is left")
    else:
        assert status.state == cri.CONTAINER_RUNNING
        assert state.is_alive(started.pid, started.start_time)
        assert (await client.exec(life.container, "echo", "alive")).stdout == b"alive\n"


async def _is_gone(started: state.StartRecord) -> bool:
    return not state.is_alive(started.pid, started.start_time)
