"""What every Client promises: one suite, run on each that there is.

A new kind of client joins by one more branch of the fixture.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from kube.api.core_v1 import Binding, ConfigMap, Container, ObjectReference, Pod, PodSpec, ServiceAccount
from kube.api.meta_v1 import ObjectMeta
from kube.client import Client, ConnectionLost, EventType, PatchType, Preconditions, Selection, WatchEvent
from kube.config import Access
from kube.errors import ApiError
from kube.http_client import HttpClient
from kube.objects import with_metadata
from tests.kube.fake_client import FakeClient
from tests.kube.fake_server import FakeServer

PATIENCE_S = 5.0


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all API servers of the run keep their keys."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(params=["fake", "http", "local", "https"])
async def client(request: pytest.FixtureRequest, keys: Path) -> AsyncIterator[Client]:
    """An API with nothing but namespaces, seen through one of the clients."""
    if request.param in ("local", "https"):
        async with ApiServer(ApiServerSettings(pki_dir=keys, port=0)) as server:
            await server.ready()
            await server.client().create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
            if request.param == "local":
                yield server.client()
                return
            async with HttpClient(server.access("admin")) as https:
                yield https
        return
    fake = FakeClient()
    if request.param == "fake":
        yield fake
        return
    async with FakeServer(fake).serve() as address, HttpClient(Access(address)) as http:
        yield http


def config_map(name: str = "settings", namespace: str = "default", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=namespace), data=data)


def pod(name: str = "web") -> Pod:
    spec = PodSpec(containers=(Container(name="web", image="web:1"),))
    return Pod(metadata=ObjectMeta(name=name, namespace="default", labels={"app": name}), spec=spec)


async def take(events: AsyncIterator[WatchEvent[ConfigMap]], count: int) -> list[tuple[EventType, str]]:
    """Return the next events, without bookmarks."""
    found: list[tuple[EventType, str]] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(found) < count:
            event = await anext(events)
            if event.obj is not None:
                found.append((event.type, event.obj.metadata.name))
    return found


async def test_what_is_created_can_be_read_back(client: Client) -> None:
    created = await client.create(config_map(colour="blue"))

    assert created.metadata.uid
    assert created.metadata.creation_timestamp
    assert int(created.metadata.resource_version) > 0
    assert await client.get(ConfigMap, "settings", namespace="default") == created


async def test_a_name_can_be_taken_once(client: Client) -> None:
    await client.create(config_map())

    with pytest.raises(ApiError) as refused:
        await client.create(config_map())

    assert (refused.value.code, refused.value.reason) == (409, "AlreadyExists")


async def test_a_missing_object_is_not_found(client: Client) -> None:
    with pytest.raises(ApiError) as refused:
        await client.get(ConfigMap, "nobody", namespace="default")

    assert refused.value.reason == "NotFound"
    assert str(refused.value) == 'configmaps "nobody" not found'


async def test_a_generated_name_begins_with_its_prefix(client: Client) -> None:
    unnamed = ConfigMap(metadata=ObjectMeta(generate_name="web-", namespace="default"))

    first, second = await client.create(unnamed), await client.create(unnamed)

    assert first.metadata.name.startswith("web-")
    assert len(first.metadata.name) == len("web-") + 5
    assert first.metadata.name != second.metadata.name


async def test_an_update_of_a_stale_object_is_refused(client: Client) -> None:
    """Or else the write in between would be undone unseen."""
    old = await client.create(config_map(colour="blue"))
    await client.update(replace(old, data={"colour": "red"}))

    with pytest.raises(ApiError) as refused:
        await client.update(replace(old, data={"colour": "green"}))

    assert (refused.value.code, refused.value.reason) == (409, "Conflict")


async def test_a_write_that_changes_nothing_has_no_revision(client: Client) -> None:
    created = await client.create(config_map(colour="blue"))

    assert await client.update(created) == created


async def test_spec_and_status_have_doors_of_their_own(client: Client) -> None:
    created = await client.create(pod())
    changed = replace(
        created,
        spec=replace(created.spec, active_deadline_seconds=60),
        status=replace(created.status, phase="Running"),
    )

    after_status = await client.update(changed, subresource="status")
    after_spec = await client.update(with_metadata(changed, resource_version=""))

    assert (after_status.status.phase, after_status.spec.active_deadline_seconds) == ("Running", None)
    assert (after_spec.status.phase, after_spec.spec.active_deadline_seconds) == ("Running", 60)


@pytest.mark.parametrize(
    ("patch_type", "patch"),
    [
        (PatchType.MERGE, {"metadata": {"labels": {"tier": "front"}}}),
        (PatchType.STRATEGIC, {"metadata": {"labels": {"tier": "front"}}}),
        (PatchType.JSON, [{"op": "add", "path": "/metadata/labels/tier", "value": "front"}]),
    ],
)
async def test_each_patch_changes_only_what_it_names(
    client: Client, patch_type: PatchType, patch: dict[str, object]
) -> None:
    created = await client.create(pod())

    patched = await client.patch(Pod, "web", patch, namespace="default", patch_type=patch_type)

    assert patched.metadata.labels == {"app": "web", "tier": "front"}
    assert patched.spec == created.spec


async def test_a_list_comes_in_pages(client: Client) -> None:
    for name in ("a", "b", "c"):
        await client.create(config_map(name))

    first = await client.list(ConfigMap, Selection("default"), limit=2)
    second = await client.list(ConfigMap, Selection("default"), limit=2, continue_token=first.continue_token)

    assert [obj.metadata.name for obj in first.items] == ["a", "b"]
    assert [(obj.kind, obj.metadata.name) for obj in second.items] == [("ConfigMap", "c")]
    assert second.continue_token == ""


async def test_a_selection_narrows_a_list(client: Client) -> None:
    await client.create(pod("web"))
    await client.create(pod("db"))

    by_label = await client.list(Pod, Selection(label_selector="app in (db)"))
    by_field = await client.list(Pod, Selection("default", field_selector="metadata.name=web"))
    elsewhere = await client.list(Pod, Selection("kube-system"))

    assert [obj.metadata.name for obj in by_label.items] == ["db"]
    assert [obj.metadata.name for obj in by_field.items] == ["web"]
    assert elsewhere.items == []


async def test_a_watch_tells_every_change_after_its_revision(client: Client) -> None:
    await client.create(config_map("before"))
    start = (await client.list(ConfigMap)).resource_version
    created = await client.create(config_map("a"))
    await client.update(replace(created, data={"colour": "red"}))
    await client.delete(ConfigMap, "a", namespace="default")

    events = client.watch(ConfigMap, resource_version=start, timeout_s=30)
    told = await take(events, 3)

    assert told == [(EventType.ADDED, "a"), (EventType.MODIFIED, "a"), (EventType.DELETED, "a")]


async def test_a_watch_without_a_revision_begins_with_what_exists(client: Client) -> None:
    await client.create(config_map("a"))

    events = client.watch(ConfigMap, timeout_s=30)
    told = await take(events, 1)

    assert told == [(EventType.ADDED, "a")]


async def test_an_object_that_leaves_the_selection_is_told_as_deleted(client: Client) -> None:
    start = (await client.list(Pod)).resource_version
    await client.create(pod())
    await client.patch(Pod, "web", {"metadata": {"labels": {"app": "old"}}}, namespace="default")

    events = client.watch(Pod, Selection(label_selector="app=web"), resource_version=start, timeout_s=30)
    async with asyncio.timeout(PATIENCE_S):
        first, second = await anext(events), await anext(events)

    assert (first.type, second.type) == (EventType.ADDED, EventType.DELETED)
    assert int(second.resource_version) > int(first.resource_version)


async def test_a_finalizer_keeps_a_deleted_object_until_it_is_taken_away(client: Client) -> None:
    await client.create(with_metadata(config_map(), finalizers=("wherry.local/hold",)))

    marked = await client.delete(ConfigMap, "settings", namespace="default")
    assert marked is not None
    assert marked.metadata.deletion_timestamp
    await client.update(with_metadata(marked, finalizers=()))

    with pytest.raises(ApiError) as refused:
        await client.get(ConfigMap, "settings", namespace="default")
    assert refused.value.code == 404


async def test_a_deletion_holds_to_its_preconditions(client: Client) -> None:
    await client.create(config_map())

    with pytest.raises(ApiError) as refused:
        await client.delete(ConfigMap, "settings", namespace="default", preconditions=Preconditions(uid="another"))

    assert refused.value.code == 409
    assert await client.get(ConfigMap, "settings", namespace="default")


async def test_a_bound_pod_ends_with_grace_and_at_once_without(client: Client) -> None:
    await client.create(pod())
    target = Binding(metadata=ObjectMeta(name="web", namespace="default"), target=ObjectReference(name="node-1"))
    await client.create_subresource(Pod, "web", "binding", target, namespace="default")

    ending = await client.delete(Pod, "web", namespace="default", grace_s=5)
    assert ending is not None
    assert (ending.spec.node_name, ending.metadata.deletion_grace_period_seconds) == ("node-1", 5)
    await client.delete(Pod, "web", namespace="default", grace_s=0)

    assert (await client.list(Pod)).items == []


async def test_a_server_that_is_not_there_is_a_lost_connection() -> None:
    async with HttpClient(Access("http://127.0.0.1:9")) as nobody:
        with pytest.raises(ConnectionLost, match=r"GET /api/v1/nodes/a: no answer from http://127.0.0.1:9"):
            await nobody.request_raw("GET", "/api/v1/nodes/a")
