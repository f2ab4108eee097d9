"""Rounds of random kills, from a seed: whatever dies, every container is found or accounted for, and nothing leaks."""

import asyncio
import os
import random
import signal

import grpc
import pytest

from nodeagent.runtime import state
from proto import cri_v1 as cri
from tests.runtime.machine import Client, RuntimeProcess, leftovers, until

pytestmark = [pytest.mark.root, pytest.mark.slow]

SEED = 20
ROUNDS = int(os.environ.get("WHERRY_KILL_ROUNDS", "12"))


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


async def test_random_kills_lose_and_leak_nothing(own_runtime: RuntimeProcess) -> None:
    """A container whose shim lives is running with its process; one whose shim died is over, once, with 137."""
    chance = random.Random(SEED)
    client = Client(own_runtime.settings)
    for _ in range(ROUNDS):
        pods = {await client.pod(): "" for _ in range(2)}
        for pod in pods:
            pods[pod] = await client.run(pod, "sleep", "1000")
        lost = {pod for pod in pods if chance.random() < 0.3}
        making = asyncio.ensure_future(_half_made(client))
        await asyncio.sleep(chance.random() * 0.03)  # The point of this test: a moment nobody chose.
        if chance.random() < 0.5:
            os.kill(own_runtime.zygote_pid(), signal.SIGKILL)
        for pod in lost:
            os.kill(_shim_pid(own_runtime, pod), signal.SIGKILL)
        own_runtime.kill()
        await making
        await client.channel.close()
        own_runtime.start()
        client = Client(own_runtime.settings)

        for pod, container in pods.items():
            await _check(client, own_runtime, container, is_lost=pod in lost)
        await client.remove_all()
        assert leftovers(own_runtime.settings) == []
    await client.channel.close()


async def _check(client: Client, runtime: RuntimeProcess, container: str, *, is_lost: bool) -> None:
    status = await client.status(container)
    started = state.load(runtime.settings.containers_dir / container / "pid.json", state.StartRecord)
    assert started is not None
    if is_lost:
        assert (status.state, status.exit_code) == (cri.CONTAINER_EXITED, 137)
        await until(lambda: _is_gone(started), "no process of it is left")
    else:
        assert status.state == cri.CONTAINER_RUNNING
        assert state.is_alive(started.pid, started.start_time)
        assert (await client.exec(container, "echo", "alive")).stdout == b"alive\n"


async def _is_gone(started: state.StartRecord) -> bool:
    return not state.is_alive(started.pid, started.start_time)
