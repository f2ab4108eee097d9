"""The informer: a cache that misses nothing, whatever happens to the connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from msgspec.structs import replace

from kube.api.core_v1 import ConfigMap, Pod, PodSpec
from kube.api.meta_v1 import ObjectMeta
from kube.client import ConnectionLost, Selection
from kube.errors import internal
from kube.informer import Informer
from kube.objects import revision_of
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock, settle

PATIENCE_S = 5.0

Heard = list[tuple[str | None, str | None]]


def config_map(name: str, colour: str = "blue", **metadata: object) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data={"colour": colour})


@asynccontextmanager
async def running(informer: Informer[ConfigMap]) -> AsyncIterator[Informer[ConfigMap]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(informer.run())
        async with asyncio.timeout(PATIENCE_S):
            await informer.wait_synced()
        yield informer
        task.cancel()


def colours(heard: Heard) -> Callable[[ConfigMap | None, ConfigMap | None], None]:
    def note(old: ConfigMap | None, new: ConfigMap | None) -> None:
        heard.append((old.data["colour"] if old else None, new.data["colour"] if new else None))

    return note


async def test_it_holds_what_the_list_had_and_what_the_watch_told() -> None:
    client = FakeClient(config_map("a"))

    async with running(Informer(client, ConfigMap)) as informer:
        created = await client.create(config_map("b"))
        async with asyncio.timeout(PATIENCE_S):
            await informer.wait_seen(revision_of(created))

        assert informer.get("b", "default") == created
        assert sorted(obj.metadata.name for obj in informer.all()) == ["a", "b"]
        assert informer.get("a") is None


async def test_handlers_are_told_of_additions_changes_and_deletions_in_order() -> None:
    client, heard = FakeClient(), Heard()
    informer = Informer(client, ConfigMap)
    informer.on_change(colours(heard))

    async with running(informer):
        created = await client.create(config_map("a", "blue"))
        await client.update(replace(created, data={"colour": "red"}))
        await client.delete(ConfigMap, "a", namespace="default")
        async with asyncio.timeout(PATIENCE_S):
            await informer.wait_seen(client.revision)

    assert heard == [(None, "blue"), ("blue", "red"), ("red", None)]


async def test_a_late_handler_is_told_of_what_is_there() -> None:
    heard = Heard()

    async with running(Informer(FakeClient(config_map("a")), ConfigMap)) as informer:
        informer.on_change(colours(heard))

    assert heard == [(None, "blue")]


async def test_a_handler_that_was_ended_hears_no_more_and_the_others_do() -> None:
    client, ended, other = FakeClient(config_map("a")), Heard(), Heard()

    async with running(Informer(client, ConfigMap)) as informer:
        stop = informer.on_change(colours(ended))
        informer.on_change(colours(other))
        stop()
        await client.create(config_map("b", "red"))
        async with asyncio.timeout(PATIENCE_S):
            await informer.wait_seen(client.revision)

    assert (ended, other) == ([(None, "blue")], [(None, "blue"), (None, "red")])


async def test_a_broken_connection_costs_no_event() -> None:
    client, clock, heard = FakeClient(config_map("a")), FakeClock(), Heard()
    informer = Informer(client, ConfigMap, clock=clock)
    informer.on_change(colours(heard))

    async with running(informer):
        await settle()
        client.disconnect()
        client.failures = [ConnectionLost("still away"), internal("starting")]
        client.put(config_map("a", "red"))
        client.put(config_map("a", "green"))
        await clock.advance(1)

        assert informer.has_seen(client.revision)
    assert heard == [(None, "blue"), ("blue", "red"), ("red", "green")]
    assert client.requests.count("list ConfigMap") == 1


async def test_a_lost_revision_is_made_good_by_a_list_that_tells_the_differences() -> None:
    """410: what happened in between is gone, but not what came of it."""
    client, clock, heard = FakeClient(config_map("a"), config_map("b"), config_map("same")), FakeClock(), Heard()
    informer = Informer(client, ConfigMap, clock=clock)

    async with running(informer):
        await settle()
        informer.on_change(colours(heard))
        heard.clear()
        client.disconnect()
        await settle()
        client.put(config_map("a", "red"))
        client.put(config_map("c", "new"))
        client.drop(ConfigMap, "b", "default")
        client.compact()
        await clock.advance(2)

        assert informer.has_seen(client.revision)
    assert sorted(heard, key=str) == [("blue", "red"), ("blue", None), (None, "new")]
    assert client.requests.count("list ConfigMap") == 2


async def test_an_object_made_anew_in_the_gap_is_told_as_gone_and_new() -> None:
    """A controller must not take the new object for the old one with other fields."""
    client, clock, heard = FakeClient(config_map("a", "old")), FakeClock(), Heard()
    informer = Informer(client, ConfigMap, clock=clock)
    informer.on_change(colours(heard))

    async with running(informer):
        await settle()
        client.disconnect()
        await settle()
        client.drop(ConfigMap, "a", "default")
        client.put(config_map("a", "new"))
        client.compact()
        await clock.advance(2)

    assert heard == [(None, "old"), ("old", None), (None, "new")]


async def test_a_bookmark_counts_as_seen() -> None:
    client = FakeClient(config_map("a"))

    async with running(Informer(client, ConfigMap)) as informer:
        other = client.put(Pod(metadata=ObjectMeta(name="p", namespace="default"), spec=PodSpec()))
        async with asyncio.timeout(PATIENCE_S):
            await informer.wait_seen(revision_of(other))

        assert [obj.metadata.name for obj in informer.all()] == ["a"]


async def test_an_index_follows_the_objects() -> None:
    client = FakeClient(config_map("a"), config_map("b"))
    informer = Informer(client, ConfigMap, indexes={"colour": lambda obj: [obj.data["colour"]]})

    async with running(informer):
        assert {obj.metadata.name for obj in informer.by_index("colour", "blue")} == {"a", "b"}
        client.put(config_map("a", "red"))
        client.drop(ConfigMap, "b", "default")
        async with asyncio.timeout(PATIENCE_S):
            await informer.wait_seen(client.revision)

        assert [obj.metadata.name for obj in informer.by_index("colour", "red")] == ["a"]
        assert informer.by_index("colour", "blue") == ()


async def test_it_sees_only_its_selection() -> None:
    elsewhere = ConfigMap(metadata=ObjectMeta(name="x", namespace="other"), data={"colour": "blue"})

    async with running(Informer(FakeClient(config_map("a"), elsewhere), ConfigMap, Selection("default"))) as informer:
        assert [obj.metadata.name for obj in informer.all()] == ["a"]


async def test_it_lets_go_of_its_watch_when_it_ends() -> None:
    client = FakeClient()

    async with running(Informer(client, ConfigMap)):
        await settle()
        assert client.connections == 1

    assert client.connections == 0
