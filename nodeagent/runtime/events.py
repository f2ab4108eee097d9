"""What happened to sandboxes and containers, told to every stream of GetContainerEvents as it happens.

Keeps true: a subscriber hears every event from its subscription on, in order; one that doesn't listen is dropped with
an error rather than waited for, so that it lists again.
"""

import asyncio
from collections.abc import AsyncIterator

from nodeagent.runtime.errors import Reason, RuntimeRefusal
from proto import cri_v1 as cri

BACKLOG_MAX = 4096


class Subscription:
    """One stream of events."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[cri.ContainerEventResponse | None] = asyncio.Queue()
        self._fell_behind = False

    def tell(self, event: cri.ContainerEventResponse) -> bool:
        """Take one more event; return False, and end the stream, where too many wait already."""
        if self._queue.qsize() < BACKLOG_MAX:
            self._queue.put_nowait(event)
            return True
        self._fell_behind = True
        self.end()
        return False

    def end(self) -> None:
        """End the stream after what is in it."""
        self._queue.put_nowait(None)

    async def events(self) -> AsyncIterator[cri.ContainerEventResponse]:
        """Yield events until the runtime ends; raises RESOURCE_EXHAUSTED once the caller has fallen too far behind."""
        while (event := await self._queue.get()) is not None:
            yield event
        if self._fell_behind:
            found = f"more than {BACKLOG_MAX} events waited for this stream"
            raise RuntimeRefusal(Reason.RESOURCE_EXHAUSTED, f"events: {found}; list containers and open another")


class Events:
    """The open streams."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens: making an event costs more than telling it."""
        return bool(self._subscriptions)

    def publish(self, event: cri.ContainerEventResponse) -> None:
        """Tell everybody."""
        self._subscriptions = {item for item in self._subscriptions if item.tell(event)}

    def subscribe(self) -> Subscription:
        """Return a stream that has begun: what is published from now on is in it."""
        subscription = Subscription()
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a stream whose client has gone."""
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End every stream."""
        for subscription in self._subscriptions:
            subscription.end()
        self._subscriptions.clear()
