"""What happened to sandboxes and containers, told to every stream of GetContainerEvents as it happens.

Keeps true: a subscriber hears every event from its subscription on, in order; one that doesn't listen is dropped with
an error rather than waited for, so that it lists again.
"""

import asyncio
from collections.abc import AsyncIterator

from nodeagent.runtime.errors import Reason, RuntimeRefusal
from proto import cri_v1 as cri

BACKLOG_MAX = 4096


class Events:
    """The open streams."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[cri.ContainerEventResponse | None]] = set()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens: making an event costs more than telling it."""
        return bool(self._queues)

    def publish(self, event: cri.ContainerEventResponse) -> None:
        """Tell everybody."""
        for queue in list(self._queues):
            if queue.qsize() >= BACKLOG_MAX:
                self._queues.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(event)

    async def subscribe(self) -> AsyncIterator[cri.ContainerEventResponse]:
        """Yield events until the caller stops asking or falls too far behind."""
        queue: asyncio.Queue[cri.ContainerEventResponse | None] = asyncio.Queue()
        self._queues.add(queue)
        try:
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._queues.discard(queue)
        found = f"more than {BACKLOG_MAX} events waited for this stream"
        raise RuntimeRefusal(Reason.RESOURCE_EXHAUSTED, f"events: {found}; list containers and open another")

    def close(self) -> None:
        """End every stream."""
        for queue in self._queues:
            queue.put_nowait(None)
        self._queues.clear()
