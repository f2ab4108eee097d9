"""One thread that does what takes long, job after job, and tells the event loop how each of them ended.

A ThreadPoolExecutor does that too, with two futures, a lock and a semaphore for each job: as dear as a commit itself.
"""

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

Job = Callable[[], Any]
Done = Callable[[Any, Exception | None], None]
"""Is told what a job returned, or what it raised."""


class WriterThread:
    """To be used from one event loop."""

    def __init__(self, name: str) -> None:
        """Start the thread; it ends with `close`, or with the process."""
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Job, Done] | None] = SimpleQueue()
        Thread(target=self._work, name=name, daemon=True).start()

    def run(self, job: Job, done: Done) -> None:
        """Have a job done after those that wait, and `done` called on the event loop."""
        self._jobs.put((job, done))

    def close(self) -> None:
        """End the thread after the jobs that wait."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (asked := self._jobs.get()) is not None:
            job, done = asked
            result, raised = None, None
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - it is handed on.
                raised = error
            self._loop.call_soon_threadsafe(done, result, raised)
