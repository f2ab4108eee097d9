"""Run a room's tasks: each has a name and a parent, comes back after a fault, and ends when the process is told to end.

The one place that catches every exception: a task that fails is logged with its story and started again after a pause
that grows; nothing that goes wrong in one task ends another.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self

from kube.clock import Clock, SystemClock

FIRST_RESTART_S: Final = 0.1
LONGEST_RESTART_S: Final = 30.0
HEALTHY_AFTER_S: Final = 60.0
STOP_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)

Job = Callable[[], Awaitable[None]]


async def attempt(story: str, job: Callable[[], Awaitable[None]]) -> Exception | None:
    """Run `job`. What it raises is logged with `story` (whose work it was) and returned, None where all went well."""
    try:
        await job()
    except Exception as error:  # noqa: BLE001 - this is the place.
        _log.exception("%s: failed: %s", story, _told(error))
        return error
    return None


def _told(error: BaseException) -> str:
    """Return an exception in one line, with the notes that were added on its way."""
    notes = "; ".join(getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {error}" + (f" ({notes})" if notes else "")


class Runner:
    """Named tasks that live as long as an `async with` block; at its end they stop, the last started first."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._group = asyncio.TaskGroup()
        self._stop = asyncio.Event()
        self._signals: set[signal.Signals] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for number in self._signals:
            asyncio.get_running_loop().remove_signal_handler(number)
        for task, name in reversed(list(self._tasks.items())):
            task.cancel()
            _, pending = await asyncio.wait((task,), timeout=STOP_TIMEOUT_S)
            if pending:
                _log.warning("task %s: still running %g s after it was told to stop", name, STOP_TIMEOUT_S)
        await self._group.__aexit__(kind, error, trace)

    def start(self, name: str, job: Job) -> asyncio.Task[None]:
        """Run `job` as a task of that name; it is restarted if it raises, and over when it returns.

        Cancel the task that is returned to end it early.
        """
        task = self._group.create_task(self._supervise(name, job), name=name)
        self._tasks[task] = name
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None))
        return task

    def stop(self) -> None:
        """Let `stopped` return."""
        self._stop.set()

    async def stopped(self) -> None:
        """Return when `stop` was called."""
        await self._stop.wait()

    def stop_on_signals(self) -> None:
        """Have SIGTERM and SIGINT call `stop`, once; a second one ends the process as usual."""
        loop = asyncio.get_running_loop()

        def stop(number: signal.Signals) -> None:
            _log.info("stopping: signal=%s", number.name)
            loop.remove_signal_handler(number)
            self.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop, number)
            self._signals.add(number)

    async def _supervise(self, name: str, job: Job) -> None:
        pause_s = FIRST_RESTART_S
        while True:
            started_s = self._clock.monotonic_s()
            if await attempt(f"task {name}", job) is None:
                return
            if self._clock.monotonic_s() - started_s > HEALTHY_AFTER_S:
                pause_s = FIRST_RESTART_S
            await self._clock.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_RESTART_S)
