"""Writes that the store does not simply carry out: whose end nobody knows, or whose names are all taken."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from msgspec.structs import replace

from apiserver.allocators import IP_PREFIX, AddressRange, StoredAllocators
from apiserver.cache import Cache
from apiserver.identity import User
from apiserver.item import store_key
from apiserver.reading import CachedObjects
from apiserver.store.contract import Batch, Entry, KeyExists, StoreUnavailable, Watch
from apiserver.store.memory import MemoryStore
from apiserver.write import Write
from apiserver.writing import Writings
from kube.api.core_v1 import (
    ConfigMap,
    Container,
    Namespace,
    Pod,
    PodSpec,
    Service,
    ServiceAccount,
    ServicePort,
    ServiceSpec,
)
from kube.api.meta_v1 import ObjectMeta
from kube.codec import encode
from kube.errors import ApiError
from kube.kinds import Resource, kind_of
from kube.objects import with_metadata
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


async def test_pods_of_one_template_are_stored_as_what_each_of_them_is() -> None:
    store = MemoryStore()
    async with writings_on(store) as writings:
        account = ServiceAccount(metadata=ObjectMeta(name="default", namespace="default"))
        await writings.create(Write(kind_of(ServiceAccount), "default", "", ADA), account, NOW)
        spec = PodSpec(containers=(Container(name="main", image="web"),))
        pods = [Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=spec) for name in ("one", "other")]

        made = [await writings.create(Write(kind_of(Pod), "default", "", ADA), pod, NOW) for pod in pods]

    for item in made:
        stored = await store.get(item.key)
        assert _stored(stored) == encode(with_metadata(item.obj, resource_version=""))
    uids = [uuid.UUID(item.obj.metadata.uid) for item in made]
    assert [uid.version for uid in uids] == [4, 4]
    assert uids[0] != uids[1]


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


class LaggingStore(MemoryStore):
    """A store of which this server hears nothing new while it lags, until it asks how far the store is, or is refused.

    So it is where another server writes to an etcd cluster.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flows = asyncio.Event()
        self.flows.set()

    def watch(self, prefix: str, *, from_revision: int) -> Watch:
        return _Lagging(super().watch(prefix, from_revision=from_revision), self.flows)

    async def current_revision(self) -> int:
        self.flows.set()
        return await super().current_revision()

    async def update(self, key: str, value: bytes, *, expected_revision: int) -> int:
        try:
            return await super().update(key, value, expected_revision=expected_revision)
        finally:
            self.flows.set()

    async def write_elsewhere(self, obj: ConfigMap) -> None:
        """Store what another server was asked to."""
        self.flows.clear()
        key = store_key(kind_of(ConfigMap), "default", obj.metadata.name)
        entry = await self.get(key)
        if entry is None:
            await super().create(key, encode(obj))
        else:
            await super().update(key, encode(obj), expected_revision=entry.mod_revision)


class _Lagging:
    def __init__(self, watch: Watch, flows: asyncio.Event) -> None:
        self._watch = watch
        self._flows = flows

    @property
    def is_connected(self) -> bool:
        return self._watch.is_connected

    def __aiter__(self) -> "_Lagging":
        return self

    async def __anext__(self) -> Batch:
        batch = await anext(self._watch)
        await self._flows.wait()
        return batch

    async def request_progress(self) -> None:
        await self._watch.request_progress()

    async def aclose(self) -> None:
        await self._watch.aclose()


def colours(**data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="colours", namespace="default"), data=data)


async def set_colour(writings: Writings, name: str, value: str) -> ConfigMap:
    """Change one value of the ConfigMap `colours` and return that as stored."""

    def changed(old: Resource) -> Resource:
        return replace(cast("ConfigMap", old), data={**cast("ConfigMap", old).data, name: value})

    write = Write(kind_of(ConfigMap), "default", "colours", ADA, is_conditional=False)
    return cast("ConfigMap", (await writings.update(write, changed, NOW)).obj)


async def test_a_change_to_a_state_that_is_old_by_now_is_made_to_the_new_one() -> None:
    store = LaggingStore()
    async with writings_on(store) as writings:
        await writings.create(Write(kind_of(ConfigMap), "default", "colours", ADA), colours(sky="grey"), NOW)
        await store.write_elsewhere(colours(sky="grey", sea="green"))

        assert (await set_colour(writings, "sky", "blue")).data == {"sky": "blue", "sea": "green"}


async def test_nothing_to_change_of_an_old_state_does_not_mean_that_there_is_nothing_to_change() -> None:
    store = LaggingStore()
    async with writings_on(store) as writings:
        await writings.create(Write(kind_of(ConfigMap), "default", "colours", ADA), colours(sky="blue"), NOW)
        await store.write_elsewhere(colours(sky="grey"))

        assert (await set_colour(writings, "sky", "blue")).data == {"sky": "blue"}

    assert b'"sky":"blue"' in _stored(await store.get(store_key(kind_of(ConfigMap), "default", "colours")))


async def test_an_object_that_another_server_made_a_moment_ago_can_be_changed() -> None:
    store = LaggingStore()
    async with writings_on(store) as writings:
        await store.write_elsewhere(colours(sky="grey"))

        assert (await set_colour(writings, "sky", "blue")).data == {"sky": "blue"}


async def test_what_an_old_state_refuses_the_new_one_may_allow() -> None:
    store = LaggingStore()
    async with writings_on(store) as writings:
        fixed = replace(colours(sky="grey"), immutable=True)
        await writings.create(Write(kind_of(ConfigMap), "default", "colours", ADA), fixed, NOW)
        await store.write_elsewhere(colours(sky="grey"))

        assert (await set_colour(writings, "sky", "blue")).data == {"sky": "blue"}


async def test_what_an_old_state_allows_the_new_one_may_refuse() -> None:
    store = LaggingStore()
    async with writings_on(store) as writings:
        await writings.create(Write(kind_of(ConfigMap), "default", "colours", ADA), colours(sky="grey"), NOW)
        await store.write_elsewhere(replace(colours(sky="grey"), immutable=True))

        with pytest.raises(ApiError, match="field is immutable when `immutable` is set"):
            await set_colour(writings, "sky", "blue")


def _stored(entry: Entry | None) -> bytes:
    assert entry is not None
    return entry.value
