"""What somebody wrote into the store that is no object: it is named, it can be deleted, and the rest goes on."""

import json
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from apiserver.fanout import Fanout, Told
from apiserver.forms import object_form
from apiserver.item import Item
from apiserver.selection import parse_selection
from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from apiserver.shelf import Change
from apiserver.store.memory import MemoryStore
from apiserver.store.sqlite import SqliteStore
from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta
from kube.client import EventType
from kube.codec import encode
from kube.kinds import kind_of
from tests.apiserver.wire import TABLE, Wire, config_map, pod

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
HEAD = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":'
BROKEN = {
    "no JSON": b"\xff\x00",
    "half an object": HEAD + b'{"name":"broken"',
    "a wrong type": HEAD + b'{"name":"broken","namespace":"default"},"data":5}',
    "another name": HEAD + b'{"name":"other","namespace":"default"}}',
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def write_by_hand(path: Path, key: str, value: bytes) -> None:
    """Put a value into a store that no server has open."""
    store = SqliteStore.open(path)
    found = await store.get(key)
    if found is None:
        await store.create(key, value)
    else:
        await store.update(key, value, expected_revision=found.mod_revision)
    await store.close()


@pytest.fixture(params=list(BROKEN.values()), ids=list(BROKEN))
async def wire(request: pytest.FixtureRequest, pki_dir: Path, path: Path) -> AsyncIterator[Wire]:
    """A server whose store has a broken ConfigMap in it, and a good one."""
    settings = ApiServerSettings(pki_dir=pki_dir, port=0, store=f"sqlite:{path}")
    async with ApiServer(settings) as server:
        await server.ready()
        async with Wire.connect(server) as first:
            await first.send("POST", MAPS, config_map("good"))
    await write_by_hand(path, "/registry/configmaps/default/broken", request.param)
    async with ApiServer(settings) as server:
        await server.ready()
        async with Wire.connect(server) as connected:
            yield connected


async def test_a_collection_with_a_broken_object_says_which_one_it_is_and_the_rest_goes_on(wire: Wire) -> None:
    refused = [
        await wire.send("GET", MAPS),
        await wire.send("GET", f"{MAPS}?limit=1", accept=TABLE),
        await wire.send("GET", f"{MAPS}/broken"),
        await wire.send("GET", "/api/v1/configmaps?watch=1"),
        await wire.send("PATCH", f"{MAPS}/broken", {"data": None}, content_type="application/merge-patch+json"),
        await wire.send("PUT", f"{MAPS}/broken", config_map("broken")),
    ]
    good = await wire.send("GET", f"{MAPS}/good")
    elsewhere = await wire.send("GET", "/api/v1/namespaces/kube-system/configmaps")
    pods = await wire.send("POST", PODS, pod(serviceAccountName=""))
    written = await wire.send("PUT", f"{MAPS}/good", config_map("good", data={"a": "b"}))
    taken = await wire.send("POST", MAPS, config_map("broken"))

    assert {(reply.status, reply.reason) for reply in refused} == {(500, "InternalError")}
    for reply in refused:
        assert "/registry/configmaps/default/broken at revision" in reply.json["message"]
        assert "can't be read as a ConfigMap: " in reply.json["message"]
        assert reply.json["message"].endswith("; delete it, or mend it in the store")
    assert [reply.status for reply in (good, elsewhere, written)] == [200] * 3
    assert pods.status in (201, 403)
    assert (taken.status, taken.reason) == (409, "AlreadyExists")


async def test_a_broken_object_can_be_deleted_and_then_made_anew(wire: Wire) -> None:
    tried = await wire.send("DELETE", f"{MAPS}/broken?dryRun=All")
    still = await wire.send("GET", MAPS)
    deleted = await wire.send("DELETE", f"{MAPS}/broken")
    listed = await wire.send("GET", MAPS)
    made = await wire.send("POST", MAPS, config_map("broken"))

    assert (tried.status, still.status, deleted.status, made.status) == (200, 500, 200, 201)
    assert [item["metadata"]["name"] for item in listed.json["items"]] == ["good"]


async def test_a_watcher_is_told_that_an_object_is_gone_when_it_breaks(pki_dir: Path) -> None:
    store = MemoryStore()
    server = StoredServer(ApiServerSettings(pki_dir=pki_dir, port=0), store)
    async with server, Wire.connect(server) as wire:
        await server.ready()
        made = await wire.send("POST", MAPS, config_map("good"))
        revision = int(made.json["metadata"]["resourceVersion"])
        async with wire.lines(f"{MAPS}?watch=1&timeoutSeconds=20&resourceVersion={revision}") as lines:
            broken = await store.update("/registry/configmaps/default/good", b"5", expected_revision=revision)
            gone = await anext(lines)
            await store.update("/registry/configmaps/default/good", whole("good"), expected_revision=broken)
            back = await anext(lines)

    assert (gone["type"], back["type"]) == ("DELETED", "ADDED")
    assert gone["object"]["metadata"]["resourceVersion"] == str(broken)


class StoredServer(ApiServer):
    """A server on a store that the test writes to as well."""

    def __init__(self, settings: ApiServerSettings, store: MemoryStore) -> None:
        super().__init__(settings)
        self._given = store

    async def _open_store(self) -> MemoryStore:
        return self._given


def whole(name: str) -> bytes:
    """Return a ConfigMap as the store has it."""
    return encode(ConfigMap(metadata=ObjectMeta(name=name, namespace="default")))


class Unwritable:
    """A form in which nothing can be written."""

    def payload(self, told: Iterable[Told]) -> Any:
        raise ZeroDivisionError

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> Any:
        return b""

    def after_first(self) -> "Unwritable":
        return self


class Heard:
    """A sink that remembers."""

    wants_bookmarks = True

    def __init__(self) -> None:
        self.payloads: list[Any] = []
        self.is_cut = False

    def send(self, payload: Any) -> None:
        self.payloads.append(payload)

    def cut(self) -> None:
        self.is_cut = True


async def test_a_form_that_fails_costs_its_own_watchers_and_nobody_else() -> None:
    kind = kind_of(ConfigMap)
    fanout = Fanout(kind, "")
    everything = parse_selection(kind, "", "", "")
    lost, well = Heard(), Heard()
    fanout.join(everything, Unwritable(), lost)
    fanout.join(everything, object_form(kind), well)
    for revision in (5, 6):
        item = Item(kind, "default", "a", revision, whole("a"))
        fanout.hear(Change(revision, EventType.ADDED, item, None))
        fanout.flush()

    assert (lost.is_cut, lost.payloads, well.is_cut) == (True, [], False)
    assert [json.loads(payload.split(b"\r\n")[1])["type"] for payload in well.payloads] == ["ADDED", "ADDED"]
