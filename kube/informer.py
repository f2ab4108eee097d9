"""A copy of all objects of a selection, kept up to date: list, then watch, for ever.

Keeps true: what `get` returns was the object's state at some revision not older than `revision`; every change is told
to the handlers once, in order, and a list after a gap tells exactly what differs. Reads through a Client and writes
nothing.
"""

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, Generic, TypeVar

from kube.client import EVERYTHING, Client, ConnectionLost, EventType, Selection, WatchEvent
from kube.clock import Clock, SystemClock
from kube.errors import ApiError
from kube.kinds import Resource
from kube.objects import ObjectKey, key_of, revision_of

T = TypeVar("T", bound=Resource)

Handler = Callable[[T | None, T | None], None]

WATCH_TIMEOUT_S: Final = 300.0
FIRST_BACKOFF_S: Final = 0.05
LONGEST_BACKOFF_S: Final = 5.0
HEALTHY_AFTER_S: Final = 10.0

_log = logging.getLogger(__name__)


class Informer(Generic[T]):
    """The objects of one kind and selection, as last heard of. indexes: name -> the values to find an object by."""

    def __init__(
        self,
        client: Client,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        indexes: Mapping[str, Callable[[T], Iterable[Hashable]]] = {},
        clock: Clock | None = None,
    ) -> None:
        self.cls = cls
        self.selection = selection
        self.revision = 0
        """Everything up to this revision has been seen."""
        self._client = client
        self._clock = clock or SystemClock()
        self._objects: dict[ObjectKey, T] = {}
        self._index_values = dict(indexes)
        self._indexes: dict[str, dict[Hashable, dict[ObjectKey, T]]] = {name: {} for name in indexes}
        self._handlers: list[Handler[T]] = []
        self._synced = asyncio.Event()
        self._waiters: dict[asyncio.Future[None], int] = {}

    @property
    def synced(self) -> bool:
        """Whether the first list has arrived."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        """Return when the first list has arrived."""
        await self._synced.wait()

    def get(self, name: str, namespace: str = "") -> T | None:
        """Return one object, None where there is none."""
        return self._objects.get(ObjectKey(namespace, name))

    def all(self) -> Collection[T]:
        """Return all objects: a live view, not to be kept across an await."""
        return self._objects.values()

    def by_index(self, index: str, value: Hashable) -> Sequence[T]:
        """Return the objects for which `index` gives `value`."""
        return tuple(self._indexes[index].get(value, {}).values())

    def on_change(self, handler: Handler[T]) -> Callable[[], None]:
        """Have `handler(old, new)` called for each change from now on, and at once for each object that is there.

        old None: it is new; new None: it is gone. Called synchronously, in order; must neither wait nor raise.
        Returns what ends that: to be called once, by whoever ends before the informer does, but not by a handler.
        """
        self._handlers.append(handler)
        for obj in tuple(self._objects.values()):
            handler(None, obj)
        return lambda: self._handlers.remove(handler)

    def has_seen(self, revision: int) -> bool:
        """Say whether everything up to `revision` is in the cache."""
        return self.revision >= revision

    async def wait_seen(self, revision: int) -> None:
        """Return when everything up to `revision` is in the cache (so a writer can wait for its own write)."""
        if self.has_seen(revision):
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = revision
        try:
            await waiter
        finally:
            self._waiters.pop(waiter, None)

    async def run(self) -> None:
        """List and watch for ever. A gap in the watch is followed from where it began, or by a new list."""
        backoff_s = FIRST_BACKOFF_S
        must_list = True
        while True:
            before, started_s = self.revision, self._clock.monotonic_s()
            try:
                if must_list:
                    await self._list()
                    must_list = False
                await self._watch()
            except ConnectionLost as error:
                _log.info("informer %s: connection lost: %s", self.cls.__name__, error)
            except ApiError as error:
                must_list = must_list or error.code == 410
                _log.info("informer %s at revision %d: refused: %s", self.cls.__name__, self.revision, error)
            if self.revision > before or self._clock.monotonic_s() - started_s > HEALTHY_AFTER_S:
                backoff_s = FIRST_BACKOFF_S
            await self._clock.sleep(backoff_s * random.uniform(0.75, 1.25))
            backoff_s = min(backoff_s * 2, LONGEST_BACKOFF_S)

    async def _list(self) -> None:
        page = await self._client.list(self.cls, self.selection)
        found = {key_of(obj): obj for obj in page.items}
        token = page.continue_token
        while token:
            following = await self._client.list(self.cls, self.selection, continue_token=token)
            found.update((key_of(obj), obj) for obj in following.items)
            token = following.continue_token
        for key in [key for key in self._objects if key not in found]:
            self._remove(key)
        for key, obj in found.items():
            self._put(key, obj)
        self._synced.set()
        self._saw(int(page.resource_version or 0), may_go_back=True)

    async def _watch(self) -> None:
        """Follow one watch to its end, which the server or WATCH_TIMEOUT_S sets."""
        timeout_s = WATCH_TIMEOUT_S * random.uniform(1.0, 1.5)
        events = self._client.watch(self.cls, self.selection, resource_version=str(self.revision), timeout_s=timeout_s)
        async with _closing(events):
            async for event in events:
                self._apply(event)

    def _apply(self, event: WatchEvent[T]) -> None:
        if event.obj is not None:
            key = key_of(event.obj)
            if event.type is EventType.DELETED:
                self._remove(key, last=event.obj)
            else:
                self._put(key, event.obj)
        self._saw(int(event.resource_version or 0))

    def _put(self, key: ObjectKey, new: T) -> None:
        old = self._objects.get(key)
        if old is not None and old.metadata.uid != new.metadata.uid:
            self._remove(key)
            old = None
        if old is not None and revision_of(old) == revision_of(new) != 0:
            return
        self._reindex(key, old, new)
        self._objects[key] = new
        self._tell(old, new)

    def _remove(self, key: ObjectKey, last: T | None = None) -> None:
        """Forget an object. last: its final state, which the handlers are told instead of the one before it."""
        old = self._objects.pop(key, None)
        if old is not None:
            self._reindex(key, old, None)
            self._tell(last if last is not None else old, None)

    def _tell(self, old: T | None, new: T | None) -> None:
        for handler in self._handlers:
            handler(old, new)

    def _reindex(self, key: ObjectKey, old: T | None, new: T | None) -> None:
        for name, values_of in self._index_values.items():
            index = self._indexes[name]
            after = set(values_of(new)) if new is not None else set()
            for value in set(values_of(old)) - after if old is not None else ():
                entries = index[value]
                del entries[key]
                if not entries:
                    del index[value]
            if new is not None:
                for value in after:
                    index.setdefault(value, {})[key] = new

    def _saw(self, revision: int, *, may_go_back: bool = False) -> None:
        if revision > self.revision or may_go_back:
            self.revision = revision
        for waiter, wanted in list(self._waiters.items()):
            if wanted <= self.revision and not waiter.done():
                waiter.set_result(None)


@asynccontextmanager
async def _closing(events: AsyncIterator[WatchEvent[T]]) -> AsyncIterator[None]:
    """End a watch with its block, also where the block fails."""
    try:
        yield
    finally:
        if isinstance(events, AsyncGenerator):
            await events.aclose()
