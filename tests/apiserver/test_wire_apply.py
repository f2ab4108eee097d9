"""Server-side apply and managedFields over HTTPS."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from apiserver.local import component
from apiserver.server import ApiServer
from kube.api.core_v1 import ConfigMap
from kube.client import PatchType
from kube.errors import ApiError
from tests.apiserver.wire import Reply, Wire, config_map, deployment, pod

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
AUTOSCALERS = "namespaces/default/horizontalpodautoscalers/web"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


async def apply(
    wire: Wire, path: str, config: Any, manager: str = "me", *, query: str = "", content_type: str = APPLY
) -> Reply:
    """Apply a configuration."""
    return await wire.send("PATCH", f"{path}?fieldManager={manager}{query}", config, content_type=content_type)


async def merge(wire: Wire, path: str, patch: Any, manager: str, query: str = "") -> Any:
    """Patch an object and return it."""
    reply = await wire.send("PATCH", f"{path}?fieldManager={manager}{query}", patch, content_type=MERGE)
    assert reply.status == 200, reply.json
    return reply.json


def entries(obj: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return whom an object's entries are about."""
    found = obj["metadata"].get("managedFields", [])
    return [
        (entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", "")) for entry in found
    ]


def fields(obj: dict[str, Any], manager: str) -> Any:
    """Return the fields of a manager."""
    return next(entry["fieldsV1"] for entry in obj["metadata"]["managedFields"] if entry["manager"] == manager)


async def test_the_first_application_creates_and_the_second_changes_nothing(wire: Wire) -> None:
    config = deployment(replicas=2)

    created = await apply(wire, f"{DEPLOYMENTS}/web", config)
    again = await apply(wire, f"{DEPLOYMENTS}/web", config)

    assert (created.status, again.status) == (201, 200)
    assert again.json == created.json
    assert entries(created.json) == [("me", "Apply", "apps/v1", "")]
    assert fields(created.json, "me")["f:spec"]["f:replicas"] == {}
    assert "f:progressDeadlineSeconds" not in fields(created.json, "me")["f:spec"]


async def test_a_configuration_may_be_yaml(wire: Wire) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n  a: b\n"

    reply = await apply(wire, f"{MAPS}/settings", body)

    assert (reply.status, reply.json["data"]) == (201, {"a": "b"})


async def test_a_configuration_may_be_yaml_that_looks_like_json(wire: Wire) -> None:
    """YAML takes a comma after the last item, which JSON does not."""
    config = b'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}, "data": {"a": "1",},}'

    reply = await apply(wire, f"{MAPS}/web", config)

    assert (reply.status, reply.json["data"]) == (201, {"a": "1"})


async def test_a_conflict_names_who_manages_the_field(wire: Wire) -> None:
    await apply(wire, f"{DEPLOYMENTS}/web", deployment(replicas=2))
    await merge(wire, f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}}, "hand")

    refused = await apply(wire, f"{DEPLOYMENTS}/web", deployment(replicas=2))
    forced = await apply(wire, f"{DEPLOYMENTS}/web", deployment(replicas=2), query="&force=true")

    status = refused.json
    assert (refused.status, status["reason"]) == (409, "Conflict")
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "hand" using apps/v1: .spec.replicas'
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "hand" using apps/v1', "field": ".spec.replicas"}
    ]
    assert (forced.status, forced.json["spec"]["replicas"]) == (200, 2)
    assert entries(forced.json) == [("me", "Apply", "apps/v1", "")]


async def test_what_is_no_longer_applied_gets_its_default_or_goes(wire: Wire) -> None:
    await apply(wire, f"{DEPLOYMENTS}/web", deployment(replicas=2, paused=True))

    reply = await apply(wire, f"{DEPLOYMENTS}/web", deployment())

    assert (reply.json["spec"]["replicas"], "paused" in reply.json["spec"]) == (1, False)


@pytest.mark.parametrize(
    ("query", "content_type", "code", "message"),
    [
        ("", APPLY, 422, "fieldManager: Required value: is required for apply patch"),
        ("?force=true", MERGE, 422, "force: Forbidden: may not be specified for non-apply patch"),
        (f"?fieldManager={'x' * 129}", APPLY, 422, "fieldManager: Too long: may not be more than 128 bytes"),
        ("?fieldManager=a%00b", MERGE, 422, "invalid character U+0000 (at position 1)"),
        ("?fieldManager=me&fieldValidation=Often", APPLY, 422, "fieldValidation: Unsupported value"),
    ],
)
async def test_the_options_of_a_patch_are_checked(
    wire: Wire, query: str, content_type: str, code: int, message: str
) -> None:
    reply = await wire.send("PATCH", f"{MAPS}/settings{query}", config_map(), content_type=content_type)

    assert reply.status == code
    assert message in reply.json["message"]
    assert 'PatchOptions.meta.k8s.io "" is invalid' in reply.json["message"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"[]", "error decoding YAML"),
        (b"{", "error decoding YAML"),
        (b"a: [", "error decoding YAML"),
        (b"\xff", "error decoding YAML"),
        ({**config_map(), "apiVersion": "v2"}, "invalid object type: /v2, Kind=ConfigMap"),
        ({**config_map(), "kind": "Secret"}, "invalid object type: /v1, Kind=Secret"),
        (config_map("other"), "the name of the object (other) does not match the name on the URL (settings)"),
        ({**config_map(), "metadata": {"managedFields": []}}, "metadata.managedFields must be nil"),
        ({**config_map(), "metadata": "x"}, "metadata: is no object"),
        (config_map(daata={}), "(/settings; /v1, Kind=ConfigMap): .daata: field not declared in schema"),
        (config_map(data={"a": 1}), "Expected `str`, got `int`"),
    ],
)
async def test_a_configuration_that_makes_no_sense_is_refused(wire: Wire, config: Any, message: str) -> None:
    reply = await apply(wire, f"{MAPS}/settings", config)

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert message in reply.json["message"].replace("data.a: ", "")


async def test_items_with_one_key_twice_are_refused(wire: Wire) -> None:
    twice = [{"name": "main", "image": "a"}, {"name": "main", "image": "b"}]

    reply = await apply(wire, f"{PODS}/web", pod(containers=twice))

    assert reply.status == 400
    assert 'duplicate entries for key [name="main"]' in reply.json["message"]


async def test_keys_that_stand_twice_are_told_or_refused(wire: Wire) -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"},"data":{"a":"1","a":"2"}}'

    strict = await apply(wire, f"{MAPS}/settings", body, query="&fieldValidation=Strict")
    warned = await apply(wire, f"{MAPS}/settings", body, query="&fieldValidation=Warn")

    told = 'line 1: key "a" already set in map'
    assert (strict.status, told in strict.json["message"]) == (400, True)
    assert (warned.status, warned.headers["Warning"]) == (201, '299 - "line 1: key \\"a\\" already set in map"')
    assert warned.json["data"] == {"a": "2"}


async def test_a_dry_run_of_an_application_stores_nothing(wire: Wire) -> None:
    tried = await apply(wire, f"{MAPS}/settings", config_map(data={"a": "b"}), query="&dryRun=All")
    missing = await wire.send("GET", f"{MAPS}/settings")
    stored = (await apply(wire, f"{MAPS}/settings", config_map(data={"a": "b"}))).json
    changed = await apply(wire, f"{MAPS}/settings", config_map(data={"a": "c"}), query="&dryRun=All")

    assert (tried.status, entries(tried.json)) == (201, [("me", "Apply", "v1", "")])
    assert (missing.status, changed.json["data"]) == (404, {"a": "c"})
    assert (await wire.send("GET", f"{MAPS}/settings")).json == stored


async def test_a_configuration_for_another_version_conflicts(wire: Wire) -> None:
    await apply(wire, f"{MAPS}/settings", config_map())
    config = config_map()
    config["metadata"]["resourceVersion"] = "1"

    reply = await apply(wire, f"{MAPS}/settings", config)

    assert (reply.status, reply.reason) == (409, "Conflict")
    assert "the object has been modified" in reply.json["message"]


async def test_status_is_applied_through_its_own_door_alone(wire: Wire) -> None:
    config = {**deployment(replicas=2), "status": {"replicas": 7}}
    missing = await apply(wire, f"{DEPLOYMENTS}/web/status", config)

    created = (await apply(wire, f"{DEPLOYMENTS}/web", config)).json
    by_status = (await apply(wire, f"{DEPLOYMENTS}/web/status", {**config, "spec": {"replicas": 9}}, "it")).json

    assert missing.status == 404
    assert (created["status"].get("replicas"), "f:status" in fields(created, "me")) == (None, False)
    assert (by_status["spec"]["replicas"], by_status["status"]["replicas"]) == (2, 7)
    assert sorted(entries(by_status)) == [("it", "Apply", "apps/v1", "status"), ("me", "Apply", "apps/v1", "")]
    assert fields(by_status, "it") == {"f:status": {"f:replicas": {}}}


async def test_a_scale_is_applied_and_its_replicas_are_managed(wire: Wire) -> None:
    await apply(wire, f"{DEPLOYMENTS}/web", deployment(replicas=2))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}}

    refused = await apply(wire, f"{DEPLOYMENTS}/web/scale", scale, "scaler")
    forced = await apply(wire, f"{DEPLOYMENTS}/web/scale", scale, "scaler", query="&force=true")
    back = await apply(wire, f"{DEPLOYMENTS}/web", deployment(replicas=2))

    assert (refused.status, refused.causes) == (409, [(".spec.replicas", "FieldManagerConflict")])
    assert (forced.status, forced.json["kind"], forced.json["spec"]["replicas"]) == (200, "Scale", 5)
    assert back.json["message"] == (
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale": .spec.replicas'
    )


async def test_every_write_is_booked_under_its_manager_or_user_agent(wire: Wire) -> None:
    agent = {"User-Agent": "kubectl/v1.32.4 (linux/amd64)"}
    created = (await wire.send("POST", DEPLOYMENTS, deployment(replicas=1), headers=agent)).json
    status = {**created, "status": {"replicas": 1}}
    await wire.send("PUT", f"{DEPLOYMENTS}/web/status?fieldManager=controller", status)
    await wire.send(
        "PATCH", f"{DEPLOYMENTS}/web/scale?fieldManager=hand", {"spec": {"replicas": 4}}, content_type=MERGE
    )
    found = await merge(wire, f"{DEPLOYMENTS}/web", {"metadata": {"labels": {"a": "b"}}}, "labeller")

    assert sorted(entries(found)) == [
        ("controller", "Update", "apps/v1", "status"),
        ("hand", "Update", "apps/v1", "scale"),
        ("kubectl", "Update", "apps/v1", ""),
        ("labeller", "Update", "apps/v1", ""),
    ]
    assert fields(found, "hand") == {"f:spec": {"f:replicas": {}}}
    assert fields(found, "controller") == {"f:status": {"f:replicas": {}}}
    assert fields(found, "labeller") == {"f:metadata": {"f:labels": {".": {}, "f:a": {}}}}
    assert "f:replicas" not in fields(found, "kubectl")["f:spec"]


async def test_a_client_that_leaves_the_entries_out_keeps_them(wire: Wire) -> None:
    stored = (await wire.send("POST", MAPS, config_map(data={"a": "b"}))).json

    unsaid = (await wire.send("PUT", f"{MAPS}/settings", config_map(data={"a": "b"}))).json
    nonsense = await merge(wire, f"{MAPS}/settings", {"metadata": {"managedFields": [{"operation": "Steal"}]}}, "x")

    assert unsaid == nonsense == stored


@pytest.mark.parametrize("nobody", [[], [{}]])
async def test_an_empty_list_and_one_empty_entry_forget_who_manages_what(wire: Wire, nobody: Any) -> None:
    await wire.send("POST", MAPS, config_map(data={"a": "b"}))

    forgotten = await merge(wire, f"{MAPS}/settings", {"metadata": {"managedFields": nobody}}, "x")
    changed = await merge(wire, f"{MAPS}/settings", {"data": {"c": "d"}}, "x")
    applied = (await apply(wire, f"{MAPS}/settings", config_map(data={"a": "b"}))).json

    assert (entries(forgotten), entries(changed)) == ([], [])
    assert entries(applied) == [("me", "Apply", "v1", ""), ("before-first-apply", "Update", "v1", "")]


async def test_the_entries_can_be_rewritten_as_kubectl_migrates_them(wire: Wire) -> None:
    """A manager that changed its ways hands its fields to the one it applies as."""
    stored = (
        await wire.send("POST", f"{MAPS}?fieldManager=kubectl-client-side-apply", config_map(data={"a": "b"}))
    ).json
    [entry] = stored["metadata"]["managedFields"]
    migrated = {**entry, "manager": "kubectl", "operation": "Apply"}
    operations = [
        {"op": "replace", "path": "/metadata/managedFields", "value": [migrated]},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": stored["metadata"]["resourceVersion"]},
    ]

    patched = await wire.send("PATCH", f"{MAPS}/settings?fieldManager=x", operations, content_type=JSON_PATCH)
    applied = await apply(wire, f"{MAPS}/settings", config_map(data={"c": "d"}), "kubectl")

    assert (patched.status, entries(patched.json)) == (200, [("kubectl", "Apply", "v1", "")])
    assert (applied.status, applied.json["data"]) == (200, {"c": "d"})


async def test_kubectl_may_take_what_its_annotation_says_and_keeps_it_up_to_date(wire: Wire) -> None:
    config = config_map(data={"a": "1"})
    annotated = {**config, "metadata": {"name": "settings", "annotations": {LAST_APPLIED: json.dumps(config)}}}
    await wire.send("POST", f"{MAPS}?fieldManager=kubectl-client-side-apply", annotated)
    changed = config_map(data={"a": "2"})

    refused = await apply(wire, f"{MAPS}/settings", changed, "another")
    taken = await apply(wire, f"{MAPS}/settings", changed, "kubectl")

    assert (refused.status, taken.status) == (409, 200)
    assert json.loads(taken.json["metadata"]["annotations"][LAST_APPLIED]) == changed


async def test_managers_of_two_versions_meet_at_the_same_field(wire: Wire) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    head = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}}
    old = {
        **head,
        "apiVersion": "autoscaling/v1",
        "spec": {"maxReplicas": 5, "minReplicas": 2, "scaleTargetRef": target},
    }
    new = {**head, "apiVersion": "autoscaling/v2", "spec": {"maxReplicas": 7, "scaleTargetRef": target}}

    created = await apply(wire, f"/apis/autoscaling/v1/{AUTOSCALERS}", old, "old")
    refused = await apply(wire, f"/apis/autoscaling/v2/{AUTOSCALERS}", new, "new")
    forced = await apply(wire, f"/apis/autoscaling/v2/{AUTOSCALERS}", new, "new", query="&force=true")
    less = {**old, "spec": {"scaleTargetRef": target}}
    left = await apply(wire, f"/apis/autoscaling/v1/{AUTOSCALERS}", less, "old")

    assert (created.status, entries(created.json)) == (201, [("old", "Apply", "autoscaling/v1", "")])
    assert refused.json["message"] == 'Apply failed with 1 conflict: conflict with "old": .spec.maxReplicas'
    assert fields(forced.json, "old")["f:spec"] == {"f:minReplicas": {}, "f:scaleTargetRef": {}}
    assert (left.json["spec"]["maxReplicas"], left.json["spec"].get("minReplicas")) == (7, 1)


async def test_a_binding_and_the_node_it_sets_are_nobodys(wire: Wire) -> None:
    await wire.send("POST", f"{PODS}?fieldManager=creator", pod())

    await wire.send("POST", f"{PODS}/web/binding", {"metadata": {"name": "web"}, "target": {"name": "node-a"}})

    found = (await wire.send("GET", f"{PODS}/web")).json
    assert (found["spec"]["nodeName"], entries(found)) == ("node-a", [("creator", "Update", "v1", "")])
    assert "f:nodeName" not in fields(found, "creator")["f:spec"]


async def test_a_watch_tells_nothing_of_an_application_that_changes_nothing(wire: Wire) -> None:
    first = (await apply(wire, f"{MAPS}/settings", config_map(data={"a": "b"}))).json
    version = first["metadata"]["resourceVersion"]

    async with wire.lines(f"{MAPS}?watch=1&resourceVersion={version}") as lines:
        await apply(wire, f"{MAPS}/settings", config_map(data={"a": "b"}))
        await apply(wire, f"{MAPS}/settings", config_map(data={"a": "c"}))
        event = await anext(lines)

    assert (event["type"], event["object"]["data"]) == ("MODIFIED", {"a": "c"})


async def test_rooms_of_the_same_process_apply_and_are_booked_by_name(server: ApiServer) -> None:
    client = server.client(component("system:kube-controller-manager"))
    config = config_map(data={"a": "b"})

    created = await client.patch(
        ConfigMap, "settings", config, namespace="default", patch_type=PatchType.APPLY, field_manager="it"
    )
    updated = await client.update(replace(created, data={"a": "b", "c": "d"}))
    other = config_map(data={"c": "e"})
    with pytest.raises(ApiError) as refused:
        await client.patch(ConfigMap, "settings", other, namespace="default", patch_type=PatchType.APPLY)

    found = [(entry.manager, entry.operation) for entry in updated.metadata.managed_fields]
    assert found == [("it", "Apply"), ("kube-controller-manager", "Update")]
    assert (refused.value.code, refused.value.reason) == (409, "Conflict")
