"""The watch cache on its own: what it shows after it has lost the thread of its store."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apiserver import cache as caching
from apiserver.cache import Cache
from apiserver.fanout import Told
from apiserver.item import store_key
from apiserver.selection import Selection
from apiserver.store.contract import Compacted, Page, StoreUnavailable, Watch
from apiserver.store.memory import MemoryStore
from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta
from kube.codec import encode
from kube.errors import ApiError
from kube.kinds import kind_of

MAP = kind_of(ConfigMap)
PATIENCE_S = 5.0


class ForgetfulStore(MemoryStore):
    """A store whose watches break off, as after a compaction, when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.breaks = asyncio.Event()
        self.watches = 0

    def watch(self, prefix: str, *, from_revision: int) -> Watch:
        self.watches += 1
        return _Breaking(self) if self.watches == 1 else super().watch(prefix, from_revision=from_revision)


class _Breaking:
    def __init__(self, store: ForgetfulStore) -> None:
        self._store = store

    @property
    def is_connected(self) -> bool:
        return not self._store.breaks.is_set()

    def __aiter__(self) -> "_Breaking":
        return self

    async def __anext__(self) -> Any:
        await self._store.breaks.wait()
        raise Compacted(9, 2)

    async def request_progress(self) -> None: ...

    async def aclose(self) -> None: ...


class Names:
    """A form and sink in one: keeps the type and name of each event."""

    wants_bookmarks = False

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def payload(self, told: Iterable[Told]) -> list[tuple[str, str]]:
        return [(event.type.value, event.item.name) for event in told]

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> list[tuple[str, str]]:
        return []

    def cut(self) -> None:
        self.seen.append(("CUT", ""))

    def after_first(self) -> "Names":
        return self

    def send(self, payload: list[tuple[str, str]]) -> None:
        self.seen += payload


def stored(name: str, **data: str) -> tuple[str, bytes]:
    obj = ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)
    return store_key(MAP, "default", name), encode(obj)


async def test_a_cache_that_missed_changes_tells_watchers_the_differences() -> None:
    """A controller that heard nothing of a deletion would keep the object for ever."""
    store = ForgetfulStore()
    for name in ("changed", "gone", "kept", "replaced"):
        await store.create(*stored(name))
    cache, watcher = Cache(store), Names()
    task = asyncio.ensure_future(cache.run())
    async with asyncio.timeout(PATIENCE_S):
        await cache.loaded.wait()
        first, _ = cache.watch(MAP, Selection(), watcher, watcher, since=None)
        await store.create(*stored("new"))
        await store.update(*stored("changed", a="b"), expected_revision=2)
        await store.delete(store_key(MAP, "default", "gone"), expected_revision=3)
        await store.delete(store_key(MAP, "default", "replaced"), expected_revision=5)
        last = await store.create(*stored("replaced"))

        store.breaks.set()
        await cache.wait_seen(last)
    task.cancel()
    await asyncio.wait((task,))
    await store.close()

    assert [told.item.name for told in first] == ["changed", "gone", "kept", "replaced"]
    assert watcher.seen == [
        ("ADDED", "new"),
        ("MODIFIED", "changed"),
        ("DELETED", "replaced"),
        ("ADDED", "replaced"),
        ("DELETED", "gone"),
    ]
    assert [item.name for item in cache.shelf(MAP).in_order()] == ["changed", "kept", "new", "replaced"]


class InterruptedStore(MemoryStore):
    """A store that goes away after the first page of the first reading, and has lost a key when it is back."""

    def __init__(self, loses: str) -> None:
        super().__init__()
        self._loses = loses
        self._has_failed = False

    async def range(self, prefix: str, *, start_after: str = "", limit: int = 0, revision: int = 0) -> Page:
        if start_after and not self._has_failed:
            self._has_failed = True
            entry = await self.get(self._loses)
            assert entry is not None
            await self.delete(self._loses, expected_revision=entry.mod_revision)
            raise StoreUnavailable("store: is away; wait")
        return await super().range(prefix, start_after=start_after, limit=limit, revision=revision)


@asynccontextmanager
async def running(cache: Cache) -> AsyncIterator[None]:
    """Run a cache, and wait until it is filled."""
    task = asyncio.ensure_future(cache.run())
    async with asyncio.timeout(PATIENCE_S):
        await cache.loaded.wait()
    yield
    task.cancel()
    await asyncio.wait((task,))


async def test_a_first_reading_that_was_interrupted_leaves_no_ghosts() -> None:
    """What was read before the interruption, and deleted in it, is not there."""
    gone, value = stored("a-ghost")
    store = InterruptedStore(loses=gone)
    await store.create(gone, value)
    for number in range(caching.LOAD_PAGE):
        await store.create(*stored(f"map-{number:04}"))
    cache = Cache(store)

    async with running(cache):
        names = [item.name for item in cache.shelf(MAP).in_order()]

    assert len(names) == caching.LOAD_PAGE
    assert names[0] == "map-0000"


async def test_a_revision_that_never_comes_is_not_waited_for_for_ever() -> None:
    """Nor does asking for it leave anything behind."""
    cache = Cache(MemoryStore())

    async with running(cache):
        with pytest.raises(ApiError, match="Too large resource version"):
            await cache.wait_seen(10**9)

    assert cache.waiting == 0


async def test_who_gives_up_waiting_for_a_revision_leaves_nothing_behind() -> None:
    """A client that hangs up is no longer waiting, and no revision that comes will ever say so."""
    cache = Cache(MemoryStore())

    async with running(cache), asyncio.TaskGroup() as group:
        waiter = group.create_task(cache.wait_seen(10**9))
        while not cache.waiting:
            await asyncio.sleep(0)
        waiter.cancel()

    assert cache.waiting == 0
