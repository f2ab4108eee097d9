"""The objects that pods refer to: which are watched, and for how long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta
from kube.runner import Runner
from nodeagent.pods.references import ReferenceCache
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock


def words(text: str, *, immutable: bool) -> ConfigMap:
    """Return a ConfigMap."""
    return ConfigMap(metadata=ObjectMeta(name="words", namespace="default"), data={"a": text}, immutable=immutable)


@asynccontextmanager
async def caching(config_map: ConfigMap) -> AsyncIterator[tuple[FakeClient, ReferenceCache]]:
    """Run a cache on a client that has one ConfigMap."""
    clock = FakeClock()
    client = FakeClient(config_map, clock=clock)
    async with Runner(clock) as runner:
        yield client, ReferenceCache(client, runner)
        runner.stop()


async def text(cache: ReferenceCache, uid: str, news: asyncio.Event) -> str:
    """Return what the pod `uid` gets; from now on it hears of changes by `news`."""
    held = await cache.get("default", {"words"}, set(), uid, news.set)
    found = held.config_maps["words"]
    assert found is not None
    return found.data["a"]


async def test_a_pod_hears_of_a_change_of_what_it_refers_to() -> None:
    async with caching(words("old", immutable=False)) as (client, cache):
        news = asyncio.Event()
        await text(cache, "pod-1", news)

        client.put(words("new", immutable=False))

        await asyncio.wait_for(news.wait(), 5)
        assert await text(cache, "pod-1", news) == "new"


async def test_what_is_immutable_is_read_once_and_not_watched() -> None:
    """A node with thousands of pods would else hold as many watches for nothing."""
    async with caching(words("old", immutable=True)) as (client, cache):
        news = asyncio.Event()
        await text(cache, "pod-1", news)
        asked = len(client.requests)

        client.put(words("new", immutable=True))  # As a new object of the same name.

        assert await text(cache, "pod-1", news) == "old"
        assert len(client.requests) == asked
        assert not news.is_set()


async def test_a_new_pod_gets_an_immutable_object_as_it_is_now() -> None:
    async with caching(words("old", immutable=True)) as (client, cache):
        news = asyncio.Event()
        await text(cache, "pod-1", news)

        client.put(words("new", immutable=True))

        assert await text(cache, "pod-2", news) == "new"
