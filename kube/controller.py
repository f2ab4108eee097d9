"""The loop that all controllers share: hear of a key, reconcile it, look again when it says so.

Keeps true: one key is reconciled by one worker at a time; a failure is tried again after a pause that grows; and a key
is not reconciled before the informers have seen what this controller last wrote for it, so that it never repeats an
action whose result it merely hasn't heard of.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeVar

from kube.clock import Clock, SystemClock
from kube.informer import Informer
from kube.kinds import Resource
from kube.objects import ObjectKey, key_of, revision_of
from kube.runner import attempt
from kube.workqueue import WorkQueue

T = TypeVar("T", bound=Resource)

Reconcile = Callable[[ObjectKey], Awaitable[float | None]]

OWN_WRITE_TIMEOUT_S: Final = 10.0

_log = logging.getLogger(__name__)


class Controller:
    """Reconciles keys. `reconcile` moves one a step closer and returns the seconds until it wants to look again."""

    def __init__(self, name: str, reconcile: Reconcile, *, workers: int = 2, clock: Clock | None = None) -> None:
        self.name = name
        self.queue: WorkQueue[ObjectKey] = WorkQueue(clock or SystemClock())
        self._reconcile = reconcile
        self._workers = workers
        self._informers: dict[type[Any], Informer[Any]] = {}
        self._written: dict[ObjectKey, dict[type[Any], int]] = {}

    def hear(self, informer: Informer[T], keys: Callable[[T], Iterable[ObjectKey]] | None = None) -> None:
        """Look at `keys(obj)` (the object's own key by default) whenever an object of the informer changes.

        After a change both the keys of the old and of the new object are looked at.
        """
        self._informers[informer.cls] = informer
        keys_of = keys or _own_key

        def changed(old: T | None, new: T | None) -> None:
            for obj in (old, new):
                if obj is not None:
                    for key in keys_of(obj):
                        self.queue.add(key)

        informer.on_change(changed)

    def know(self, informer: Informer[Any]) -> None:
        """Wait for this informer's first list, and for own writes to show in it, without looking when it changes."""
        self._informers[informer.cls] = informer

    def wrote(self, key: ObjectKey, obj: Resource) -> None:
        """Remember that work on `key` wrote `obj`, which is as the API answered it (for a deletion, its last state).

        Forgotten when work on `key` begins again: for keys that hear of what they write, so that it does.
        """
        if type(obj) in self._informers:
            written = self._written.setdefault(key, {})
            written[type(obj)] = max(written.get(type(obj), 0), revision_of(obj))

    async def run(self) -> None:
        """Reconcile for ever, once all informers have their first list."""
        for informer in list(self._informers.values()):
            await informer.wait_synced()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run(), name=f"{self.name} timer")
            for number in range(self._workers):
                group.create_task(self._work(), name=f"{self.name} worker {number}")

    async def _work(self) -> None:
        while True:
            key = await self.queue.take()
            try:
                await self._turn(key)
            finally:
                self.queue.done(key)

    async def _turn(self, key: ObjectKey) -> None:
        await self._see_own_writes(key)
        again_s: float | None = None

        async def reconcile() -> None:
            nonlocal again_s
            again_s = await self._reconcile(key)

        if await attempt(f"{self.name} {key}", reconcile) is not None:
            self.queue.retry(key)
            return
        self.queue.forget(key)
        if again_s is not None:
            self.queue.add_after(key, again_s)

    async def _see_own_writes(self, key: ObjectKey) -> None:
        for cls, revision in self._written.pop(key, {}).items():
            try:
                async with asyncio.timeout(OWN_WRITE_TIMEOUT_S):
                    await self._informers[cls].wait_seen(revision)
            except TimeoutError:
                _log.warning(
                    "%s %s: own write of a %s at revision %d was not heard of in %g s; going on without",
                    self.name,
                    key,
                    cls.__name__,
                    revision,
                    OWN_WRITE_TIMEOUT_S,
                )


def _own_key(obj: Resource) -> tuple[ObjectKey]:
    return (key_of(obj),)
