"""What writes are refused with: code, reason, the form of the message, and causes, as a kube-apiserver 1.36 answers."""

from typing import Any

import pytest

from tests.apiserver.wire import Reply, Wire, config_map, deployment, pod

MAPS = "/api/v1/namespaces/default/configmaps"
MAP = f"{MAPS}/settings"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
YAML = "application/yaml"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
IMMUTABLE = "field is immutable"
OURS = "the server rejected our request due to an error in our request"


def with_meta(**metadata: Any) -> dict[str, Any]:
    """Return a ConfigMap with more metadata."""
    found = config_map()
    return {**found, "metadata": {**found["metadata"], **metadata}}


def lease(name: str, **metadata: Any) -> dict[str, Any]:
    """Return a Lease as a client writes it."""
    meta = {"name": name, **metadata}
    return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": {}}


def told(reply: Reply) -> tuple[int, str, str]:
    """Return what a refusal says."""
    return reply.status, reply.json.get("reason", ""), reply.json["message"]


@pytest.mark.parametrize(
    ("body", "code", "reason", "message"),
    [
        (b"null", 422, "Invalid", 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName'),
        (b"[]", 400, "BadRequest", "is no object"),
        (
            {**config_map(), "kind": "Secret"},
            400,
            "BadRequest",
            'Secret in version "v1" cannot be handled as a ConfigMap',
        ),
        (with_meta(namespace="other"), 400, "BadRequest", "namespace of the provided object does not match"),
        (
            with_meta(resourceVersion="7"),
            400,
            "BadRequest",
            "resourceVersion should not be set on objects to be created",
        ),
        (config_map("settings"), 409, "AlreadyExists", 'configmaps "settings" already exists'),
    ],
)
async def test_a_creation_is_refused(wire: Wire, body: Any, code: int, reason: str, message: str) -> None:
    await wire.send("POST", MAPS, config_map())

    found = told(await wire.send("POST", MAPS, body))

    assert found[:2] == (code, reason)
    assert message in found[2]


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        (MAP, b"{}", 400, "the name of the object (settings based on URL) was undeterminable: name must be provided"),
        (MAP, config_map("other"), 400, "the name of the object (other) does not match the name on the URL (settings)"),
        (MAP, with_meta(uid="x"), 409, "Precondition failed: UID in precondition: x, UID in object meta: "),
        (
            MAP,
            with_meta(resourceVersion="1"),
            409,
            "the object has been modified; please apply your changes to the latest",
        ),
        (MAP, with_meta(deletionTimestamp="2020-01-01T00:00:00Z"), 422, "metadata.deletionTimestamp: Invalid value: "),
        (f"{MAPS}/missing", config_map("missing"), 404, 'configmaps "missing" not found'),
        (
            f"{LEASES}/held",
            lease("held"),
            422,
            'leases.coordination.k8s.io "held" is invalid: metadata.resourceVersion',
        ),
        (f"{LEASES}/new", lease("new", uid="x"), 409, "UID in precondition: x, UID in object meta: "),
    ],
)
async def test_an_update_is_refused(wire: Wire, path: str, body: Any, code: int, message: str) -> None:
    await wire.send("POST", MAPS, config_map())
    await wire.send("POST", LEASES, lease("held"))

    reply = await wire.send("PUT", path, body)

    assert reply.status == code
    assert message in reply.json["message"]


async def test_an_update_that_creates_pays_no_heed_to_the_version(wire: Wire) -> None:
    reply = await wire.send("PUT", f"{LEASES}/new", lease("new", resourceVersion="5"))

    assert reply.status == 201


@pytest.mark.parametrize("content_type", [MERGE, STRATEGIC])
@pytest.mark.parametrize(
    ("patch", "code", "reason", "message"),
    [
        ({"metadata": {"name": "other"}}, 400, "BadRequest", "(other) does not match the name on the URL (settings)"),
        ({"metadata": {"name": None}}, 400, "BadRequest", "was undeterminable: name must be provided"),
        ({"metadata": {"namespace": "other"}}, 400, "BadRequest", "namespace of the provided object does not match"),
        ({"metadata": {"uid": "x"}}, 422, "Invalid", f'metadata.uid: Invalid value: "x": {IMMUTABLE}'),
        (
            {"metadata": {"deletionGracePeriodSeconds": 5}},
            422,
            "Invalid",
            "deletionGracePeriodSeconds: Invalid value: 5",
        ),
        ({"data": {"a": 1}}, 422, "Invalid", ' "" is invalid: patch: Invalid value: '),
        ({"metadata": {"resourceVersion": "1"}}, 409, "Conflict", "the object has been modified"),
    ],
)
async def test_a_merge_patch_is_refused(
    wire: Wire, content_type: str, patch: Any, code: int, reason: str, message: str
) -> None:
    await wire.send("POST", MAPS, config_map())

    found = told(await wire.send("PATCH", MAP, patch, content_type=content_type))

    assert found[:2] == (code, reason)
    assert message in found[2]


async def test_a_patch_that_takes_the_kind_away_changes_nothing(wire: Wire) -> None:
    before = (await wire.send("POST", MAPS, config_map())).json

    merged = await wire.send("PATCH", MAP, {"kind": None, "apiVersion": None}, content_type=MERGE)
    strategic = await wire.send("PATCH", MAP, {"kind": "Secret"}, content_type=STRATEGIC)

    assert (merged.json, strategic.json) == (before, before)


@pytest.mark.parametrize(
    ("operations", "code", "message"),
    [
        ([{"op": "test", "path": "/data/a", "value": "z"}], 422, f"{OURS}: operation 0: testing value /data/a failed"),
        ([{"op": "add", "path": "/nope/a", "value": "z"}], 422, f"{OURS}: operation 0: /nope: there is nothing"),
        ([{"op": "add", "path": "/data/a", "value": 1}], 422, ' "" is invalid: patch: Invalid value: "{'),
        ([{"op": "replace", "path": "/kind", "value": "Secret"}], 422, "a patch can't change kind"),
        ([{"op": "test", "path": ""}] * 10_001, 413, "maximum operations in a JSON patch is 10000, got 10001"),
    ],
    ids=["test", "path", "type", "kind", "many"],
)
async def test_a_json_patch_is_refused(wire: Wire, operations: Any, code: int, message: str) -> None:
    await wire.send("POST", MAPS, config_map(data={"a": "b"}))

    reply = await wire.send("PATCH", MAP, operations, content_type=JSON_PATCH)

    assert reply.status == code
    assert message in reply.json["message"]


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({**config_map(), "metadata": {}}, 400, "(settings based on URL) was undeterminable: name must be provided"),
        (
            with_meta(uid="x"),
            409,
            "uid mismatch: the provided object specified uid x, and no existing object was found",
        ),
        (with_meta(namespace="other"), 400, "the namespace of the provided object does not match"),
    ],
)
async def test_an_application_to_nothing_is_refused(wire: Wire, body: Any, code: int, message: str) -> None:
    reply = await wire.send("PATCH", f"{MAP}?fieldManager=me", body, content_type=APPLY)

    assert reply.status == code
    assert message in reply.json["message"]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (
            {"preconditions": {"uid": "x"}},
            409,
            'on ConfigMap "settings": the UID in the precondition (x) does not match',
        ),
        ({"preconditions": {"resourceVersion": "1"}}, 409, "The object might have been modified"),
        ({"dryRun": ["Some"]}, 422, 'dryRun: Unsupported value: ["Some"]: supported values: "All"'),
        ({"propagationPolicy": "None"}, 422, 'supported values: "Foreground", "Background", "Orphan", "nil"'),
        ({"propagationPolicy": "Orphan", "orphanDependents": True}, 422, "cannot be both set"),
    ],
)
async def test_a_deletion_is_refused(wire: Wire, options: Any, code: int, message: str) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("DELETE", MAP, options)

    assert reply.status == code
    assert message in reply.json["message"]
    assert (await wire.send("GET", MAP)).status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/v1/configmaps"), ("DELETE", "/api/v1/configmaps"), ("PUT", MAPS), ("POST", MAP)]
)
async def test_a_method_that_a_path_has_not_is_refused(wire: Wire, method: str, path: str) -> None:
    reply = await wire.send(method, path, config_map() if method != "DELETE" else None)

    assert told(reply)[:2] == (405, "MethodNotAllowed")
    assert reply.json["details"] == {}


async def test_a_class_of_the_system_s_own_is_not_deleted(wire: Wire) -> None:
    reply = await wire.send("DELETE", "/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical")

    assert told(reply)[:2] == (403, "Forbidden")
    assert "this is a system priority class and cannot be deleted" in reply.json["message"]


async def test_a_pod_that_ends_at_once_is_shown_as_terminating(wire: Wire) -> None:
    await wire.send("POST", "/api/v1/namespaces/default/pods", pod())

    deleted = (await wire.send("DELETE", "/api/v1/namespaces/default/pods/web")).json

    meta = deleted["metadata"]
    assert ("deletionTimestamp" in meta, meta["deletionGracePeriodSeconds"], meta["generation"]) == (True, 0, 2)


async def test_a_deletion_that_goes_on_says_so_to_old_clients(wire: Wire) -> None:
    await wire.send("POST", MAPS, with_meta(finalizers=["example.com/hold"]))

    reply = await wire.send("DELETE", MAP, {"orphanDependents": False})

    assert reply.status == 202


async def test_a_collection_that_is_deleted_is_answered_as_it_was(wire: Wire) -> None:
    await wire.send("POST", MAPS, with_meta(finalizers=["example.com/hold"]))

    reply = await wire.send("DELETE", f"{MAPS}?fieldSelector=metadata.name=settings")

    assert "deletionTimestamp" not in reply.json["items"][0]["metadata"]
    assert "deletionTimestamp" in (await wire.send("GET", MAP)).json["metadata"]


CLAIMS = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims"
CLAIM = {"kind": "ResourceClaim", "metadata": {"name": "web"}, "spec": {"devices": {}}}
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "u"}


@pytest.mark.parametrize(
    ("path", "obj", "ignored"),
    [
        (DEPLOYMENTS, deployment(), {"labels"}),
        ("/api/v1/namespaces/default/pods", pod(), {"ownerReferences"}),
        (CLAIMS, CLAIM, {"labels", "annotations", "ownerReferences"}),
    ],
    ids=["Deployment", "Pod", "ResourceClaim"],
)
async def test_what_a_status_write_changes_of_the_metadata_depends_on_the_kind(
    wire: Wire, path: str, obj: Any, ignored: set[str]
) -> None:
    await wire.send("POST", path, obj)
    meta = {"labels": {"a": "b"}, "annotations": {"a": "b"}, "ownerReferences": [OWNER]}

    patched = await wire.send("PATCH", f"{path}/web/status?fieldManager=s", {"metadata": meta}, content_type=MERGE)

    assert meta.keys() - patched.json["metadata"].keys() == ignored
    managed = [entry["fieldsV1"]["f:metadata"] for entry in patched.json["metadata"].get("managedFields", ())[1:]]
    assert [{f"f:{key}" for key in meta.keys() - ignored}] * len(managed) == [fields.keys() for fields in managed]


async def test_a_node_that_is_applied_begins_with_its_status(wire: Wire) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"capacity": {"cpu": "1"}}}

    made = await wire.send("PATCH", "/api/v1/nodes/n?fieldManager=me", node, content_type=APPLY)

    assert (made.status, made.json["status"]["capacity"]) == (201, {"cpu": "1"})
    assert "f:status" not in str(made.json["metadata"].get("managedFields"))
