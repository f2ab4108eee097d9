"""Keep the built-in runtime running beside the node agent.

Keeps true: there is one runtime process; when it dies it is started again and finds its pods; it ends with the agent.
Writes the settings file that it reads.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from typing import Final

from kube.clock import Clock
from kube.files import write_private
from nodeagent.settings import AgentSettings, encode_settings

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
STOP_TIMEOUT_S: Final = 5.0

_log = logging.getLogger(__name__)


async def keep_runtime(settings: AgentSettings, clock: Clock, on_start: Callable[[], None]) -> None:
    """Run the runtime for ever; on_start is called each time after the first."""
    file = settings.told_file
    write_private(file, encode_settings(settings))
    pause_s = FIRST_PAUSE_S
    while True:
        began_s = clock.monotonic_s()
        code = await _run_once(
            [sys.executable, "-m", "nodeagent.runtime_process", "--settings", str(file), "--parent", str(os.getpid())]
        )
        if clock.monotonic_s() - began_s > LONGEST_PAUSE_S:
            pause_s = FIRST_PAUSE_S
        _log.warning("runtime: ended with %s: starting it again in %gs", code, pause_s)
        await clock.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        on_start()


async def _run_once(argv: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(*argv)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
