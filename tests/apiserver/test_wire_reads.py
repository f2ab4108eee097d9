"""Lists, watches and forms over HTTPS, as clients see them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from apiserver.local import component
from apiserver.server import ApiServer
from tests.apiserver.wire import TABLE, Wire, config_map, deployment, pod

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PATIENCE_S = 5.0


async def take(lines: AsyncIterator[Any], count: int) -> list[Any]:
    """Return the next lines of a watch."""
    async with asyncio.timeout(PATIENCE_S):
        return [await anext(lines) for _ in range(count)]


def told(lines: list[Any]) -> list[tuple[str, str]]:
    return [(line["type"], line["object"]["metadata"]["name"]) for line in lines]


async def test_pages_come_from_one_revision_however_much_is_written_meanwhile(wire: Wire) -> None:
    for name in ("a", "b", "c", "d"):
        await wire.send("POST", MAPS, config_map(name))
    first = (await wire.send("GET", f"{MAPS}?limit=2")).json
    await wire.send("POST", MAPS, config_map("c2"))
    await wire.send("DELETE", f"{MAPS}/d")

    token = first["metadata"]["continue"]
    second = (await wire.send("GET", f"{MAPS}?limit=2&continue={token}")).json

    assert [item["metadata"]["name"] for item in (*first["items"], *second["items"])] == ["a", "b", "c", "d"]
    assert first["metadata"]["remainingItemCount"] == 2
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]


async def test_a_table_has_columns_and_rows(wire: Wire) -> None:
    await wire.send("POST", PODS, pod())

    table = (await wire.send("GET", PODS, accept=TABLE)).json

    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [column["name"] for column in table["columnDefinitions"]][:4] == ["Name", "Ready", "Status", "Restarts"]
    assert table["rows"][0]["cells"][:3] == ["web", "0/1", "Pending"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_metadata_alone_can_be_had(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map(data={"a": "b"}))

    one = (await wire.send("GET", f"{MAPS}/settings", accept=METADATA)).json
    many = (await wire.send("GET", MAPS, accept=METADATA_LIST)).json

    assert (one["kind"], one["metadata"]["name"], "data" in one) == ("PartialObjectMetadata", "settings", False)
    assert many["kind"] == "PartialObjectMetadataList"


async def test_a_watch_tells_what_enters_and_leaves_its_selection(wire: Wire) -> None:
    start = (await wire.send("GET", PODS)).json["metadata"]["resourceVersion"]

    path = f"{PODS}?watch=1&resourceVersion={start}&labelSelector=app%3Dweb"
    async with wire.lines(path) as lines:
        await wire.send("POST", PODS, pod())
        for value in ("web", "db"):
            patch = {"metadata": {"labels": {"app": value}}}
            await wire.send("PATCH", f"{PODS}/web", patch, content_type="application/merge-patch+json")
        seen = await take(lines, 2)

    assert told(seen) == [("ADDED", "web"), ("DELETED", "web")]
    assert seen[1]["object"]["metadata"]["labels"] == {"app": "web"}
    versions = [int(line["object"]["metadata"]["resourceVersion"]) for line in seen]
    assert versions[1] == versions[0] + 1


async def test_a_watch_list_ends_its_first_part_with_a_marked_bookmark(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map())
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

    async with wire.lines(f"{MAPS}?{query}") as lines:
        first, mark = await take(lines, 2)
        await wire.send("DELETE", f"{MAPS}/settings")
        (gone,) = await take(lines, 1)

    assert told([first, gone]) == [("ADDED", "settings"), ("DELETED", "settings")]
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_watch_of_tables_has_columns_in_the_first_line_only(wire: Wire) -> None:
    async with wire.lines(f"{MAPS}?watch=1", accept=TABLE) as lines:
        await wire.send("POST", MAPS, config_map("a"))
        await wire.send("POST", MAPS, config_map("b"))
        first, second = await take(lines, 2)

    assert [bool(line["object"]["columnDefinitions"]) for line in (first, second)] == [True, False]
    assert second["object"]["rows"][0]["cells"][0] == "b"


async def test_a_watch_ends_by_itself_and_the_connection_goes_on(wire: Wire) -> None:
    start = (await wire.send("GET", MAPS)).json["metadata"]["resourceVersion"]
    path = f"{MAPS}?watch=1&timeoutSeconds=1&allowWatchBookmarks=true&resourceVersion={start}"
    async with wire.lines(path) as lines:
        async with asyncio.timeout(PATIENCE_S):
            seen = [line async for line in lines]

    assert [line["type"] for line in seen] == ["BOOKMARK"]
    assert seen[0]["object"] == {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": start}}


async def test_pods_are_found_by_their_node(wire: Wire) -> None:
    for name in ("here", "there"):
        await wire.send("POST", PODS, pod(name))
        binding = {
            "kind": "Binding",
            "apiVersion": "v1",
            "metadata": {"name": name},
            "target": {"name": f"node-{name}"},
        }
        assert (await wire.send("POST", f"{PODS}/{name}/binding", binding)).status == 201

    found = (await wire.send("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode-here")).json

    assert [item["metadata"]["name"] for item in found["items"]] == ["here"]


async def test_an_event_is_served_in_both_groups(wire: Wire) -> None:
    involved = {"kind": "Pod", "name": "web", "namespace": "default"}
    event = {"metadata": {"name": "e"}, "involvedObject": involved, "message": "hello", "type": "Normal", "reason": "R"}
    await wire.send("POST", "/api/v1/namespaces/default/events", event)

    path = "/apis/events.k8s.io/v1/namespaces/default/events/e"
    newer = (await wire.send("GET", path)).json

    assert (newer["apiVersion"], newer["note"]) == ("events.k8s.io/v1", "hello")
    assert newer["regarding"]["name"] == "web"


async def test_large_answers_are_packed_for_those_who_ask(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map(data={"a": "x" * 200_000}))

    reply = await wire.send("GET", MAPS, headers={"Accept-Encoding": "gzip"})

    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.json["items"][0]["data"]["a"]) == 200_000


async def test_a_server_tells_its_health_and_version_to_anybody(server: ApiServer) -> None:
    async with Wire.connect(server, client="") as stranger:
        health = await stranger.send("GET", "/readyz?verbose")
        version = await stranger.send("GET", "/version")
        metrics = await stranger.send("GET", "/metrics")

    assert b"[+]store ok" in health.body
    assert (version.json["major"], version.json["minor"]) == ("1", "36")
    assert metrics.status == 403


async def test_metrics_count_requests_watches_and_objects(wire: Wire) -> None:
    await wire.send("GET", MAPS)

    async with wire.lines(f"{MAPS}?watch=1"):
        text = (await wire.send("GET", "/metrics")).body.decode()

    assert 'apiserver_request_total{code="200",group="",resource="configmaps",verb="GET"} 1' in text
    assert 'apiserver_longrunning_requests{resource="configmaps",verb="WATCH"} 1' in text
    assert 'apiserver_storage_objects{resource="namespaces"} 4' in text


@pytest.mark.parametrize(
    ("path", "warning"),
    [
        ("/api/v1/endpoints", "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        ("/api/v1/endpoints?watch=1&timeoutSeconds=1", "v1 Endpoints is deprecated in v1.33+"),
        ("/api/v1/componentstatuses", "v1 ComponentStatus is deprecated in v1.19+"),
        ("/api/v1/pods", ""),
    ],
)
async def test_who_uses_a_deprecated_kind_is_warned(wire: Wire, path: str, warning: str) -> None:
    reply = await wire.send("GET", path)

    assert reply.status == 200
    assert reply.headers.get("Warning", "").startswith(f'299 - "{warning}' if warning else "")
    assert bool(warning) is ("Warning" in reply.headers)


async def test_the_root_tells_what_is_served(wire: Wire) -> None:
    paths = (await wire.send("GET", "/")).json["paths"]

    assert {"/api/v1", "/apis/apps", "/apis/apps/v1", "/openapi/v3", "/readyz", "/version"} <= set(paths)
    for path in paths:
        assert (await wire.send("GET", path)).status == 200, path


async def test_a_description_of_the_api_is_kept_by_its_hash_and_confirmed_by_its_tag(wire: Wire) -> None:
    url = (await wire.send("GET", "/openapi/v3")).json["paths"]["apis/apps/v1"]["serverRelativeURL"]

    kept = await wire.send("GET", url)
    other = await wire.send("GET", "/openapi/v3/apis/apps/v1")
    confirmed = await wire.send("GET", "/openapi/v3/apis/apps/v1", headers={"If-None-Match": other.headers["Etag"]})

    assert kept.headers["Cache-Control"] == "public, immutable"
    assert other.headers["Cache-Control"] == "no-cache, private"
    assert (confirmed.status, confirmed.body) == (304, b"")


async def test_a_scale_is_a_row_of_wanted_and_present_pods(wire: Wire) -> None:
    await wire.send("POST", "/apis/apps/v1/namespaces/default/deployments", deployment(replicas=3))

    reply = await wire.send("GET", "/apis/apps/v1/namespaces/default/deployments/web/scale", accept=TABLE)

    assert [column["name"] for column in reply.json["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert reply.json["rows"][0]["cells"][:3] == ["web", 3, 0]


async def test_a_component_is_healthy_while_it_is_there(server: ApiServer, wire: Wire) -> None:
    """The scheduler of this process is there from the moment when it has a client; the controllers are nowhere."""
    server.client(component("system:kube-scheduler"))

    listed = (await wire.send("GET", "/api/v1/componentstatuses")).json
    one = (await wire.send("GET", "/api/v1/componentstatuses/etcd-0")).json

    found = {item["metadata"]["name"]: item["conditions"][0] for item in listed["items"]}
    assert {name: condition["status"] for name, condition in found.items()} == {
        "scheduler": "True",
        "controller-manager": "False",
        "etcd-0": "True",
    }
    assert found["controller-manager"]["message"].startswith("system:kube-controller-manager watches nothing")
    assert (listed["metadata"], one["conditions"][0]["message"]) == ({}, "ok")


async def test_the_rows_of_flow_schemas_stand_in_the_order_in_which_they_are_asked(wire: Wire) -> None:
    table = (await wire.send("GET", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", accept=TABLE)).json

    precedences = [int(row["cells"][2]) for row in table["rows"]]
    assert precedences == sorted(precedences)
    assert [table["rows"][at]["cells"][0] for at in (0, -1)] == ["exempt", "catch-all"]


async def test_a_list_that_is_never_left_out_is_null_where_it_is_empty(wire: Wire) -> None:
    """As in Kubernetes, whether it was sent as empty or not at all; so clients in Go and Python see it."""
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    gathered = {"aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}}
    for name, body in (("a", {}), ("b", {"rules": []}), ("c", {"rules": None}), ("d", gathered)):
        made = (await wire.send("POST", roles, {"metadata": {"name": name}, **body})).json
        read = (await wire.send("GET", f"{roles}/{name}")).json

        assert made["rules"] is read["rules"] is None
    partial = (await wire.send("GET", "/api/v1/namespaces/none/pods", accept=METADATA_LIST)).json
    assert partial["items"] is None
