"""Writes that the store does not simply carry out: whose end nobody knows, or whose names are all taken."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from apiserver.allocators import IP_PREFIX, AddressRange, StoredAllocators
from apiserver.cache import Cache
from apiserver.identity import User
from apiserver.reading import CachedObjects
from apiserver.store.contract import Entry, KeyExists, StoreUnavailable
from apiserver.store.memory import MemoryStore
from apiserver.writing import Write, Writings
from kube.api.core_v1 import ConfigMap, Namespace, Service, ServicePort, ServiceSpec
from kube.api.meta_v1 import ObjectMeta
from kube.errors import ApiError
from kube.kinds import kind_of
from kube.runner import Runner
from tests.apiserver.material import NOW
from tests.kube.fake_clock import FakeClock

WEB = "/registry/services/default/web"
ADA = User("ada", ("system:masters",))


class DoubtfulStore(MemoryStore):
    """A store that does what `web` asks for, and then fails to say so."""

    def __init__(self, doubt: Callable[[], None]) -> None:
        super().__init__()
        self._doubt = doubt

    async def create(self, key: str, value: bytes) -> int:
        revision = await super().create(key, value)
        if key == WEB:
            self._doubt()
            await asyncio.sleep(0)
        return revision


@asynccontextmanager
async def writings_on(store: MemoryStore) -> AsyncIterator[Writings]:
    """Give a writer on a store that has the default namespace."""
    cache = Cache(store)
    objects = CachedObjects(cache)
    allocators = StoredAllocators(store, AddressRange.parse("10.96.0.0/24"), FakeClock(NOW))
    async with Runner() as runner:
        runner.start("cache", cache.run)
        await cache.loaded.wait()
        writings = Writings(cache, store, objects, allocators)
        namespace = Namespace(metadata=ObjectMeta(name="default"))
        await writings.create(Write(kind_of(Namespace), "", "default", ADA), namespace, NOW)
        yield writings


async def make_web(writings: Writings) -> None:
    """Create the Service `web`."""
    spec = ServiceSpec(ports=(ServicePort(port=80),))
    web = Service(metadata=ObjectMeta(name="web", namespace="default"), spec=spec)
    await writings.create(Write(kind_of(Service), "default", "web", ADA), web, NOW)


def go_silent() -> None:
    raise StoreUnavailable("etcd: no answer; read before writing again", is_uncertain=True)


def cancel_the_request() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


@pytest.mark.parametrize(
    ("doubt", "expected"), [(go_silent, ApiError), (cancel_the_request, asyncio.CancelledError)], ids=["504", "gone"]
)
async def test_a_service_that_may_have_been_stored_keeps_its_address(
    doubt: Callable[[], None], expected: type[BaseException]
) -> None:
    """It is stored here: were its address given back, the next Service could have the same."""
    store = DoubtfulStore(doubt)
    async with writings_on(store) as writings:
        making = asyncio.create_task(make_web(writings))
        with pytest.raises(expected):
            await making

    assert await store.get(WEB) is not None
    assert len((await store.range(IP_PREFIX)).entries) == 1


class FullStore(MemoryStore):
    """A store in which the first so many names of ConfigMaps are taken."""

    def __init__(self, taken: int) -> None:
        super().__init__()
        self.taken = taken

    async def create(self, key: str, value: bytes) -> int:
        if "/configmaps/" in key and self.taken:
            self.taken -= 1
            raise KeyExists(Entry(key, value, 1, 1))
        return await super().create(key, value)


async def make_any(writings: Writings) -> str:
    """Create a ConfigMap of a generated name, and return that."""
    obj = ConfigMap(metadata=ObjectMeta(generate_name="any-", namespace="default"))
    return (await writings.create(Write(kind_of(ConfigMap), "default", "", ADA), obj, NOW)).name


async def test_another_name_is_generated_while_one_is_taken() -> None:
    async with writings_on(FullStore(taken=7)) as writings:
        assert (await make_any(writings)).startswith("any-")


async def test_after_eight_names_that_are_taken_the_client_is_to_try_again() -> None:
    async with writings_on(FullStore(taken=8)) as writings:
        with pytest.raises(
            ApiError, match="the server was not able to generate a unique name for the object"
        ) as refused:
            await make_any(writings)

    status = refused.value.status
    assert (status.code, status.reason) == (409, "AlreadyExists")
    assert status.details is not None
    assert status.details.retry_after_seconds == 1
