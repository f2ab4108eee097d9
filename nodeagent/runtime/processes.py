"""Processes that are no children of the runtime."""

import asyncio
import contextlib
import os
import signal

from nodeagent.runtime import state

END_TIMEOUT_S = 10.0


async def end(pid: int, start_time: int, *, kill: bool = True) -> None:
    """Wait until the very process that had `pid` at `start_time` has ended; kill: see to it."""
    if not state.is_alive(pid, start_time):
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        if kill and state.is_alive(pid, start_time):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        with contextlib.suppress(TimeoutError, ProcessLookupError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
