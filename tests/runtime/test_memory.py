"""What a pod costs outside its own processes, and what its reaper, a program of a few bytes, still does."""

import os
import signal
import struct
from pathlib import Path

import pytest

from nodeagent.runtime import reaper, state
from proto import cri_v1 as cri
from tests.runtime.machine import Client, RuntimeProcess, until

pytestmark = pytest.mark.root

POD_KB_MAX = 1024
LAYOUT_KB = 80
"""What differs from one zygote to the next: where things lie in its memory."""


def _private_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _shim(client: Client, pod: str) -> int:
    record = state.load(client.settings.sandboxes_dir / pod / "shim.json", state.ShimRecord)
    assert record is not None
    return record.pid


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def _renew_zygote(own_runtime: RuntimeProcess, client: Client) -> None:
    """Have a zygote that found its modules compiled, as all but a machine's first one do."""
    await client.remove_pod(await client.pod())
    os.kill(own_runtime.zygote_pid(), signal.SIGKILL)
    await client.remove_pod(await client.pod())


@pytest.mark.parametrize("pid", [cri.CONTAINER, cri.POD])
async def test_a_pod_costs_no_more_than_a_megabyte_beside_its_own_processes(
    own_runtime: RuntimeProcess, pid: cri.NamespaceMode
) -> None:
    client = Client(own_runtime.settings)
    await _renew_zygote(own_runtime, client)
    for _ in range(2):
        await client.pod()  # What shims share is no pod's own, as on any node with more than one.
    pod = await client.pod(pid=pid)
    container = await client.run(pod, "sh", "-c", "echo begun; exec sleep 1000")

    async def has_begun() -> bool:
        return await client.log(container) == "begun"

    await until(has_begun, "its line is in its log")
    record = state.load(client.settings.containers_dir / container / "pid.json", state.StartRecord)
    assert record is not None
    shim = _shim(client, pod)
    beside = [shim, *(child for child in _children(shim) if child != record.pid)]

    assert len(beside) == (2 if pid == cri.POD else 1)
    assert sum(_private_kb(process) for process in beside) < POD_KB_MAX + LAYOUT_KB
    await client.channel.close()


async def test_orphans_of_a_shared_pid_namespace_leave_no_zombies(client: Client) -> None:
    pod = await client.pod(pid=cri.POD)
    command = "(sh -c 'sleep 0.01 &'); sleep 1000"

    await client.run(pod, "sh", "-c", command, namespace_options=cri.NamespaceOption(pid=cri.POD))

    (process_1, *_) = _children(_shim(client, pod))

    async def is_collected() -> bool:
        return not _children(process_1)

    await until(is_collected, "the orphan has been collected")


async def test_nobody_may_look_into_the_reaper(client: Client) -> None:
    """It has no filter of system calls: who could trace it would have none either."""
    pod = await client.pod(pid=cri.POD)
    options = cri.NamespaceOption(pid=cri.POD)
    looks = ("head -c 13 /proc/1/cmdline", "echo", "cat /proc/1/maps | wc -c", "ls /proc/1/root/ || echo denied")
    command = f"exec 2>/dev/null; {'; '.join(looks)}"

    container = await client.run(pod, "sh", "-c", command, namespace_options=options)
    await client.ended(container)

    told = (await client.log(container)).splitlines()
    assert told[:2] == ["wherry-reaper", "0"]
    assert told[-1] == "denied"


def test_the_reapers_program_is_one_segment_that_can_be_run_but_not_written() -> None:
    program = reaper.elf(62, b"code")

    assert program.endswith(b"code")
    assert struct.unpack_from("<I", program, 64 + 4) == (5,)
