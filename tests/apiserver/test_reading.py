"""Lists over a store whose past is forgotten while somebody reads on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apiserver.cache import Cache
from apiserver.item import store_key
from apiserver.options import ListOptions
from apiserver.reading import Readings
from apiserver.selection import Selection
from apiserver.store.contract import Page
from apiserver.store.memory import MemoryStore
from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta
from kube.codec import encode
from kube.errors import ApiError
from kube.kinds import kind_of

MAP = kind_of(ConfigMap)
ALL = Selection("default")
PATIENCE_S = 5.0


async def write(store: MemoryStore, *names: str) -> None:
    for name in names:
        obj = ConfigMap(metadata=ObjectMeta(name=name, namespace="default"))
        await store.create(store_key(MAP, "default", name), encode(obj))


@asynccontextmanager
async def readings_of(store: MemoryStore) -> AsyncIterator[Readings]:
    cache = Cache(store)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(cache.run())
        async with asyncio.timeout(PATIENCE_S):
            await cache.loaded.wait()
            yield Readings(cache, store)
        running.cancel()


async def test_a_list_whose_revision_is_forgotten_can_go_on_from_where_it_was() -> None:
    """A client that reads page by page chooses between beginning anew and the rest as it is by now."""
    store = MemoryStore()
    await write(store, "a", "b", "c", "d")
    async with readings_of(store) as readings:
        first = await readings.list(MAP, ALL, ListOptions(limit=2))
        await write(store, "c2")
        await readings.compact(await store.current_revision())

        with pytest.raises(ApiError) as refused:
            await readings.list(MAP, ALL, ListOptions(limit=2, continue_token=first.info.continue_token))
        token = refused.value.status.metadata.continue_
        rest = await readings.list(MAP, ALL, ListOptions(continue_token=token))

    assert (refused.value.code, refused.value.reason) == (410, "Expired")
    assert refused.value.status.message.startswith("The provided continue parameter is too old")
    assert [item.name for item in rest.items] == ["c", "c2", "d"]
    assert rest.info.revision > first.info.revision


async def test_a_list_as_of_a_forgotten_revision_is_refused_without_a_token() -> None:
    store = MemoryStore()
    await write(store, "a", "b")
    async with readings_of(store) as readings:
        await write(store, "c")
        await readings.compact(await store.current_revision())

        with pytest.raises(ApiError) as refused:
            await readings.list(MAP, ALL, ListOptions(resource_version="2", resource_version_match="Exact"))

    assert (refused.value.code, refused.value.status.metadata.continue_) == (410, "")
    assert refused.value.status.message == "The resourceVersion for the provided list is too old."


class CountedStore(MemoryStore):
    """A store that knows how often it was read."""

    ranges = 0

    async def range(self, prefix: str, *, start_after: str = "", limit: int = 0, revision: int = 0) -> Page:
        self.ranges += 1
        return await super().range(prefix, start_after=start_after, limit=limit, revision=revision)


async def test_pages_of_one_state_cost_no_reading_of_the_store_while_objects_change() -> None:
    """A list of many pages is under way for as long as a busy cluster writes; each page would be read and decoded."""
    store = CountedStore()
    await write(store, "a", "b", "c", "d")
    async with readings_of(store) as readings:
        told: list[str] = []
        page = await readings.list(MAP, ALL, ListOptions(limit=1))
        remaining = [page.info.remaining]
        for name in ("a1", "c1", "d1"):
            told += [item.name for item in page.items]
            await write(store, name)
            page = await readings.list(MAP, ALL, ListOptions(limit=1, continue_token=page.info.continue_token))
            remaining.append(page.info.remaining)
        told += [item.name for item in page.items]

    assert told == ["a", "b", "c", "d"]
    assert remaining == [3, 2, 1, None]
    assert store.ranges == 1


async def test_a_list_as_of_an_earlier_revision_shows_what_was_then() -> None:
    store = MemoryStore()
    await write(store, "a", "b")
    async with readings_of(store) as readings:
        then = await readings.list(MAP, ALL, ListOptions())
        await write(store, "c")

        exact = ListOptions(resource_version=str(then.info.revision), resource_version_match="Exact")
        newer = ListOptions(resource_version=str(then.info.revision), resource_version_match="NotOlderThan")
        at, since = await readings.list(MAP, ALL, exact), await readings.list(MAP, ALL, newer)

    assert [item.name for item in at.items] == ["a", "b"]
    assert at.info.revision == then.info.revision
    assert since.info.revision >= then.info.revision
