"""Starts whose caller goes away in the middle, as it does when a pod is deleted while it comes up."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from tests.runtime.machine import Client

pytestmark = pytest.mark.root

WORD = "98765"
MOMENTS = 24
MOMENT_S = 0.0007


@pytest.mark.parametrize("by", ["container", "pod"])
async def test_a_start_that_its_caller_gave_up_leaves_no_process(client: Client, by: str) -> None:
    """The command may run already though nobody heard of it: whatever moment the call ends at, removal ends it."""
    for moment in range(MOMENTS):
        pod = await client.pod()
        container = await client.create(pod, "sleep", WORD)
        start = asyncio.ensure_future(client.start(container))
        await asyncio.wait([start], timeout=moment * MOMENT_S)
        start.cancel()
        await asyncio.wait([start])

        if by == "container":
            await client.remove(container)
            assert _running() == []
        await client.remove_pod(pod)

        assert _running() == []


def _running() -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if WORD.encode() in file.read_bytes().split(b"\0"):
                found.append(file.parent.name)
    return found
