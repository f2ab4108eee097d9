"""Writes over HTTPS: what is stored, what is kept from it, and what a deletion leaves."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from tests.apiserver.wire import Wire, config_map, deployment, pod
from tests.kube.fake_clock import FakeClock

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PATIENCE_S = 10.0
MERGE = "application/merge-patch+json"


async def test_a_dry_run_answers_as_a_write_does_and_stores_nothing(wire: Wire) -> None:
    reply = await wire.send("POST", f"{MAPS}?dryRun=All", config_map())

    assert (reply.status, "resourceVersion" in reply.json["metadata"]) == (201, False)
    assert (await wire.send("GET", f"{MAPS}/settings")).status == 404


async def test_a_name_that_is_taken_is_taken_for_a_dry_run_too(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("POST", f"{MAPS}?dryRun=All", config_map())

    assert (reply.status, reply.reason) == (409, "AlreadyExists")
    assert reply.json["message"] == 'configmaps "settings" already exists'


async def test_a_write_that_changes_nothing_keeps_its_version(wire: Wire) -> None:
    stored = (await wire.send("POST", MAPS, config_map(data={"a": "b"}))).json

    again = (await wire.send("PUT", f"{MAPS}/settings", config_map(data={"a": "b"}))).json
    patched = (await wire.send("PATCH", f"{MAPS}/settings", {"data": {"a": "b"}}, content_type=MERGE)).json

    assert again == stored
    assert patched == stored


async def test_an_update_creates_only_kinds_that_allow_it(wire: Wire) -> None:
    lease = {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}

    created = await wire.send("PUT", "/apis/coordination.k8s.io/v1/namespaces/default/leases/l", lease)
    missing = await wire.send("PUT", f"{MAPS}/settings", config_map())

    assert (created.status, missing.status) == (201, 404)


async def test_the_names_in_body_and_path_must_agree(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map())
    elsewhere = config_map()
    elsewhere["metadata"]["namespace"] = "kube-system"

    renamed = await wire.send("PUT", f"{MAPS}/settings", config_map("other"))
    moved = await wire.send("POST", MAPS, elsewhere)

    assert renamed.json["message"] == "the name of the object (other) does not match the name on the URL (settings)"
    assert "namespace of the provided object does not match" in moved.json["message"]


async def test_an_object_needs_a_namespace_that_is_there(wire: Wire) -> None:
    reply = await wire.send("POST", "/api/v1/namespaces/nowhere/configmaps", config_map())

    assert (reply.status, reply.json["message"]) == (404, 'namespaces "nowhere" not found')


async def test_a_terminating_namespace_takes_nothing_new_and_ends_when_finalized(wire: Wire) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "old"}}
    await wire.send("POST", "/api/v1/namespaces", namespace)
    ending = (await wire.send("DELETE", "/api/v1/namespaces/old")).json

    refused = await wire.send("POST", "/api/v1/namespaces/old/configmaps", config_map())
    ending["spec"]["finalizers"] = []
    await wire.send("PUT", "/api/v1/namespaces/old/finalize", ending)

    assert ending["status"]["phase"] == "Terminating"
    assert (refused.status, refused.causes) == (403, [("metadata.namespace", "NamespaceTerminating")])
    assert (await wire.send("GET", "/api/v1/namespaces/old")).status == 404


async def test_status_and_spec_are_written_through_doors_of_their_own(wire: Wire) -> None:
    stored = (await wire.send("POST", DEPLOYMENTS, deployment(replicas=2))).json
    changed = {**stored, "spec": {**stored["spec"], "replicas": 5}, "status": {"replicas": 7, "observedGeneration": 1}}

    by_status = (await wire.send("PUT", f"{DEPLOYMENTS}/web/status", changed)).json
    changed["metadata"] = by_status["metadata"]
    by_spec = (await wire.send("PUT", f"{DEPLOYMENTS}/web", {**changed, "status": {}})).json

    assert (by_status["spec"]["replicas"], by_status["status"]["replicas"]) == (2, 7)
    assert (by_spec["spec"]["replicas"], by_spec["status"]["replicas"]) == (5, 7)
    assert [obj["metadata"]["generation"] for obj in (stored, by_status, by_spec)] == [1, 1, 2]


async def test_a_scale_is_read_and_written_alone(wire: Wire) -> None:
    await wire.send("POST", DEPLOYMENTS, deployment(replicas=2))

    scale = (await wire.send("GET", f"{DEPLOYMENTS}/web/scale")).json
    scale["spec"]["replicas"] = 4
    put = (await wire.send("PUT", f"{DEPLOYMENTS}/web/scale", scale)).json
    stale = await wire.send("PUT", f"{DEPLOYMENTS}/web/scale", scale)
    patched = await wire.send("PATCH", f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 5}}, content_type=MERGE)

    assert (scale["kind"], scale["status"]["selector"]) == ("Scale", "app=web")
    assert (put["spec"]["replicas"], stale.status, patched.json["spec"]["replicas"]) == (4, 409, 5)
    assert (await wire.send("GET", f"{DEPLOYMENTS}/web")).json["spec"]["replicas"] == 5


async def test_watchers_hear_that_a_pod_s_grace_is_over_before_it_is_gone(wire: Wire) -> None:
    """Who acts on the mark of deletion would else never see it on a pod that goes at once."""
    made = (await wire.send("POST", PODS, pod())).json

    deleted = await wire.send("DELETE", f"{PODS}/web", {"gracePeriodSeconds": 0})

    query = f"?watch=1&resourceVersion={made['metadata']['resourceVersion']}"
    async with asyncio.timeout(PATIENCE_S), wire.lines(PODS + query) as lines:
        heard = [await anext(lines), await anext(lines)]
    assert [event["type"] for event in heard] == ["MODIFIED", "DELETED"]
    for meta in (*(event["object"]["metadata"] for event in heard), deleted.json["metadata"]):
        assert (meta["deletionGracePeriodSeconds"], meta["generation"]) == (0, 2)
        assert meta["deletionTimestamp"]


async def test_a_deletion_answers_with_a_status_or_the_object_by_its_kind(wire: Wire) -> None:
    created = (await wire.send("POST", MAPS, config_map())).json
    await wire.send("POST", PODS, pod())

    status = (await wire.send("DELETE", f"{MAPS}/settings")).json
    gone = (await wire.send("DELETE", f"{PODS}/web")).json

    details = {"kind": "configmaps", "name": "settings", "uid": created["metadata"]["uid"]}
    assert (status["kind"], status["status"], status["details"]) == ("Status", "Success", details)
    assert (gone["kind"], gone["metadata"]["name"]) == ("Pod", "web")
    assert (await wire.send("GET", f"{PODS}/web")).status == 404


@pytest.mark.parametrize(
    ("options", "finalizers"),
    [
        ({"propagationPolicy": "Foreground"}, ["foregroundDeletion"]),
        ({"propagationPolicy": "Orphan"}, ["orphan"]),
        ({"orphanDependents": True}, ["orphan"]),
    ],
)
async def test_a_deletion_that_cares_for_dependents_waits_for_the_collector(
    wire: Wire, options: dict[str, Any], finalizers: list[str]
) -> None:
    await wire.send("POST", DEPLOYMENTS, deployment())

    kept = (await wire.send("DELETE", f"{DEPLOYMENTS}/web", {"kind": "DeleteOptions", **options})).json
    added = await wire.send("PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"finalizers": ["a.b/c"]}}, content_type=MERGE)
    last = await wire.send("PATCH", f"{DEPLOYMENTS}/web", {"metadata": {"finalizers": None}}, content_type=MERGE)

    assert (kept["metadata"]["finalizers"], "deletionTimestamp" in kept["metadata"]) == (finalizers, True)
    assert (added.status, added.causes[0][0]) == (422, "metadata.finalizers")
    assert last.status == 200
    assert (await wire.send("GET", f"{DEPLOYMENTS}/web")).status == 404


async def test_a_collection_is_deleted_by_selection(wire: Wire) -> None:
    for name, tier in (("a", "front"), ("b", "front"), ("c", "back")):
        made = config_map(name)
        made["metadata"]["labels"] = {"tier": tier}
        await wire.send("POST", MAPS, made)

    gone = (await wire.send("DELETE", f"{MAPS}?labelSelector=tier%3Dfront")).json

    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "b"]
    assert [item["metadata"]["name"] for item in (await wire.send("GET", MAPS)).json["items"]] == ["c"]


async def test_a_pod_is_bound_once(wire: Wire) -> None:
    await wire.send("POST", PODS, pod())
    binding = {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "node-a"}}

    first = await wire.send("POST", f"{PODS}/web/binding", binding)
    second = await wire.send("POST", f"{PODS}/web/binding", binding)
    stored = (await wire.send("GET", f"{PODS}/web")).json

    assert (first.status, second.status, second.reason) == (201, 409, "Conflict")
    assert stored["spec"]["nodeName"] == "node-a"
    assert [item["type"] for item in stored["status"]["conditions"]] == ["PodScheduled"]


async def test_an_eviction_is_refused_where_a_budget_does_not_allow_it(wire: Wire) -> None:
    made = pod()
    made["metadata"]["labels"] = {"app": "web"}
    await wire.send("POST", PODS, made)
    running = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    await wire.send("PATCH", f"{PODS}/web/status", running, content_type=MERGE)
    budget = {"metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    await wire.send("POST", budgets, budget)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}

    refused = await wire.send("POST", f"{PODS}/web/eviction", eviction)
    allowance = {"status": {"disruptionsAllowed": 1, "observedGeneration": 1}}
    await wire.send("PATCH", f"{budgets}/b/status", allowance, content_type=MERGE)
    tried = await wire.send("POST", f"{PODS}/web/eviction", eviction | {"deleteOptions": {"dryRun": ["All"]}})
    left = (await wire.send("GET", f"{budgets}/b")).json["status"]
    spared = (await wire.send("GET", f"{PODS}/web")).json["status"]
    await wire.send("DELETE", f"{budgets}/b")
    allowed = await wire.send("POST", f"{PODS}/web/eviction", eviction)

    assert (refused.status, refused.causes) == (429, [("", "DisruptionBudget")])
    assert refused.headers["Retry-After"] == "10"
    assert (tried.status, left["disruptionsAllowed"]) == (201, 1)
    assert [item["type"] for item in spared["conditions"]] == ["Ready"]
    assert allowed.status == 201
    assert (await wire.send("GET", f"{PODS}/web")).status == 404


async def test_the_older_autoscaler_keeps_what_it_cannot_say(wire: Wire) -> None:
    target = {"kind": "Deployment", "name": "web", "apiVersion": "apps/v1"}
    memory = {
        "type": "Resource",
        "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}},
    }
    spec = {"maxReplicas": 5, "scaleTargetRef": target, "metrics": [memory]}
    newer, older = (
        f"/apis/autoscaling/{version}/namespaces/default/horizontalpodautoscalers" for version in ("v2", "v1")
    )
    await wire.send("POST", newer, {"metadata": {"name": "web"}, "spec": spec})

    seen = (await wire.send("GET", f"{older}/web")).json
    seen["spec"]["maxReplicas"] = 7
    put = await wire.send("PUT", f"{older}/web", seen)
    kept = (await wire.send("GET", f"{newer}/web")).json

    assert (put.status, seen["apiVersion"]) == (200, "autoscaling/v1")
    assert (kept["spec"]["maxReplicas"], kept["spec"]["metrics"]) == (7, [memory])
    assert "annotations" not in kept["metadata"]


async def test_a_clock_that_is_set_back_stops_no_write(pki_dir: Path) -> None:
    clock = FakeClock(datetime.now(UTC))
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0), clock) as server, Wire.connect(server) as wire:
        await server.ready()
        made = await wire.send("POST", MAPS, config_map())
        await clock.advance(-3600)
        changed = await wire.send("PUT", f"{MAPS}/settings", config_map(data={"a": "b"}))
        second = await wire.send("POST", MAPS, config_map("second"))
        deleted = await wire.send("DELETE", f"{MAPS}/settings")

    versions = [int(reply.json["metadata"]["resourceVersion"]) for reply in (made, changed, second)]
    assert versions == sorted(set(versions))
    assert second.json["metadata"]["creationTimestamp"] < made.json["metadata"]["creationTimestamp"]
    assert deleted.status == 200
