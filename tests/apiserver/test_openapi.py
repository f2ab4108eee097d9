"""OpenAPI as kubectl reads it: field validation, merge rules, explanations."""

import json
import re
from typing import Any

import pytest

from apiserver.schema.openapi import ROOT, code_hash, find
from apiserver.schema.tables import DEFAULTS, ENUMS, OPTIONAL, REQUIRED, UNIONS
from apiserver.schema.words import EVERYWHERE, FIELDS
from kube.kinds import KINDS

PATHS = sorted({kind.root.removeprefix("/") for kind in KINDS})
POD_SPEC = "io.k8s.api.core.v1.PodSpec"


def document(path: str) -> Any:
    found = find(f"{ROOT}/{path}", "application/json", {})
    assert found is not None
    return json.loads(found.body)


def schema(path: str, name: str) -> Any:
    return document(path)["components"]["schemas"][name]


def test_the_root_names_a_document_for_each_group_version_with_its_hash() -> None:
    found = find(ROOT, "application/json", {})

    assert found is not None
    paths = json.loads(found.body)["paths"]
    assert set(PATHS) < set(paths)
    assert paths["api/v1"]["serverRelativeURL"] == f"/openapi/v3/api/v1?hash={code_hash()}"


@pytest.mark.parametrize("path", PATHS)
def test_every_reference_leads_to_a_schema(path: str) -> None:
    """kubectl refuses to create anything of a group whose document has a hole."""
    content = document(path)

    named = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(content)))

    assert named - set(content["components"]["schemas"]) == set()


@pytest.mark.parametrize("path", PATHS)
def test_every_patch_lets_the_server_validate_fields(path: str) -> None:
    """Without this parameter kubectl validates by itself, from what it was built with."""
    patches = [item["patch"] for item in document(path)["paths"].values() if "patch" in item]

    for patch in (patch for patch in patches if patch["x-kubernetes-action"] == "patch"):
        assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
        assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
        assert set(patch["x-kubernetes-group-version-kind"]) == {"group", "version", "kind"}


@pytest.mark.parametrize(
    ("at", "method", "name", "action", "kind"),
    [
        ("namespaces/{namespace}/pods", "delete", "deleteCoreV1CollectionNamespacedPod", "deletecollection", "Pod"),
        ("pods", "get", "listCoreV1PodForAllNamespaces", "list", "Pod"),
        ("namespaces/{namespace}/pods/{name}/status", "put", "replaceCoreV1NamespacedPodStatus", "put", "Pod"),
        (
            "namespaces/{namespace}/pods/{name}/eviction",
            "post",
            "createCoreV1NamespacedPodEviction",
            "post",
            "Eviction",
        ),
        (
            "namespaces/{namespace}/replicationcontrollers/{name}/scale",
            "get",
            "readCoreV1NamespacedReplicationControllerScale",
            "get",
            "Scale",
        ),
        (
            "nodes/{name}/proxy/{path}",
            "head",
            "connectCoreV1HeadNodeProxyWithPath",
            "connect",
            "NodeProxyOptions",
        ),
        ("watch/namespaces/{namespace}/pods/{name}", "get", "watchCoreV1NamespacedPod", "watch", "Pod"),
        ("watch/pods", "get", "watchCoreV1PodListForAllNamespaces", "watchlist", "Pod"),
    ],
)
def test_what_can_be_done_at_a_path_has_the_name_that_clients_know(
    at: str, method: str, name: str, action: str, kind: str
) -> None:
    operation = document("api/v1")["paths"][f"/api/v1/{at}"][method]

    assert (operation["operationId"], operation["x-kubernetes-action"]) == (name, action)
    assert operation["x-kubernetes-group-version-kind"]["kind"] == kind


@pytest.mark.parametrize("path", PATHS)
def test_no_two_operations_share_a_name(path: str) -> None:
    """Clients that are made from the document have a function for each."""
    items = document(path)["paths"].values()
    names = [operation["operationId"] for item in items for method, operation in item.items() if method != "parameters"]

    assert len(names) == len(set(names))


def test_lists_tell_how_they_merge() -> None:
    containers = schema("api/v1", POD_SPEC)["properties"]["containers"]

    assert containers["x-kubernetes-patch-strategy"] == "merge"
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-type"] == "map"
    assert containers["x-kubernetes-list-map-keys"] == ["name"]


def test_the_sources_of_a_volume_are_retained_by_their_keys() -> None:
    volumes = schema("api/v1", POD_SPEC)["properties"]["volumes"]

    assert volumes["x-kubernetes-patch-strategy"] == "merge,retainKeys"


def test_a_list_that_says_nothing_is_one_value() -> None:
    assert schema("api/v1", POD_SPEC)["properties"]["tolerations"]["x-kubernetes-list-type"] == "atomic"


def test_kinds_and_fields_are_explained_in_our_words() -> None:
    pod = schema("api/v1", "io.k8s.api.core.v1.Pod")

    assert pod["description"] == "A group of containers that run together on one node and share an address."
    assert pod["properties"]["spec"]["description"] == "What a pod runs, with which volumes, and how it is placed."
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]


@pytest.mark.parametrize(
    ("path", "name", "field", "expected"),
    [
        ("apis/apps/v1", "apps.v1.DeploymentSpec", "template", {}),
        ("api/v1", "core.v1.ContainerStatus", "ready", False),
        ("api/v1", "core.v1.Container", "name", ""),
        ("api/v1", "core.v1.Container", "workingDir", None),
        ("api/v1", "core.v1.PodSpec", "securityContext", None),
    ],
)
def test_what_is_always_written_tells_what_is_written_where_nothing_is_given(
    path: str, name: str, field: str, expected: Any
) -> None:
    assert schema(path, f"io.k8s.api.{name}")["properties"][field].get("default") == expected


def test_moments_to_the_microsecond_and_raw_objects_have_types_of_their_own() -> None:
    event = schema("api/v1", "io.k8s.api.core.v1.Event")["properties"]
    revision = schema("apis/apps/v1", "io.k8s.api.apps.v1.ControllerRevision")["properties"]

    assert "meta.v1.MicroTime" in json.dumps(event["eventTime"])
    assert "meta.v1.Time" in json.dumps(event["firstTimestamp"])
    assert "runtime.RawExtension" in json.dumps(revision["data"])


def test_only_what_cannot_be_left_out_is_required() -> None:
    assert schema("api/v1", POD_SPEC)["required"] == ["containers"]
    assert "required" not in schema("api/v1", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")


def test_a_document_asked_for_by_its_hash_may_be_kept_for_ever() -> None:
    """Else kubectl fetches it again on every run."""
    kept = find(f"{ROOT}/api/v1", "application/json", {"hash": [code_hash()]})
    other = find(f"{ROOT}/api/v1", "application/json", {})

    assert kept is not None
    assert other is not None
    assert "immutable" in kept.headers["Cache-Control"]
    assert "immutable" not in other.headers["Cache-Control"]
    assert (kept.etag, kept.body) == (other.etag, other.body)


def test_who_asks_by_an_older_hash_is_sent_to_the_document_of_now() -> None:
    found = find(f"{ROOT}/api/v1", "application/json", {"hash": ["old"]})

    assert found is not None
    assert (found.status, found.body) == (301, b"")
    assert found.headers["Location"] == f"{ROOT}/api/v1?hash={code_hash()}"


def test_the_older_version_is_served_in_the_form_that_kubectl_reads() -> None:
    found = find("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", {})

    assert found is not None
    assert found.body.startswith(b"\n\x032.0\x12")
    assert found.content_type == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def test_every_reference_of_the_older_version_leads_to_a_definition() -> None:
    """kubectl refuses a document with a hole as a whole."""
    found = find("/openapi/v2", "application/json", {})

    assert found is not None
    content = json.loads(found.body)
    named = set(re.findall(r'"#/definitions/([^"]+)"', found.body.decode()))
    assert named - set(content["definitions"]) == set()
    assert b"#/components" not in found.body
    metadata = content["definitions"]["io.k8s.api.core.v1.Pod"]["properties"]["metadata"]
    assert metadata["$ref"] == "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    assert metadata["description"]


@pytest.mark.parametrize("path", ["/openapi/v3/apis/nothing/v1", "/openapi/v4", "/openapi"])
def test_there_is_no_document_for_what_is_not_served(path: str) -> None:
    assert find(path, "application/json", {}) is None


@pytest.mark.parametrize(
    ("path", "name", "field", "expected"),
    [
        ("api/v1", "core.v1.ContainerPort", "containerPort", {"type": "integer", "format": "int32", "default": 0}),
        ("api/v1", "core.v1.PodSecurityContext", "runAsUser", {"type": "integer", "format": "int64"}),
        (
            "api/v1",
            "core.v1.ContainerPort",
            "protocol",
            {"type": "string", "default": "TCP", "enum": ["SCTP", "TCP", "UDP"]},
        ),
        ("api/v1", "core.v1.HTTPGetAction", "scheme", {"type": "string", "enum": ["HTTP", "HTTPS"]}),
        (
            "apis/networking.k8s.io/v1",
            "networking.v1.NetworkPolicySpec",
            "policyTypes",
            {
                "type": "array",
                "items": {"type": "string", "enum": ["Egress", "Ingress"]},
                "x-kubernetes-list-type": "atomic",
            },
        ),
    ],
)
def test_a_field_tells_its_size_default_and_values(path: str, name: str, field: str, expected: Any) -> None:
    found = schema(path, f"io.k8s.api.{name}")["properties"][field]

    assert {name: value for name, value in found.items() if name != "description"} == expected


@pytest.mark.parametrize(
    ("path", "name", "required"),
    [
        ("api/v1", "core.v1.HTTPGetAction", {"port"}),
        ("api/v1", "core.v1.NodeCondition", {"status", "type"}),
        ("api/v1", "core.v1.Event", {"involvedObject", "metadata"}),
        ("api/v1", "core.v1.Service", set()),
        ("apis/apps/v1", "apps.v1.DeploymentSpec", {"selector", "template"}),
        ("apis/rbac.authorization.k8s.io/v1", "rbac.v1.Role", set()),
        ("apis/rbac.authorization.k8s.io/v1", "rbac.v1.Subject", {"kind", "name"}),
    ],
)
def test_what_has_to_be_given_is_told(path: str, name: str, required: set[str]) -> None:
    assert set(schema(path, f"io.k8s.api.{name}").get("required", ())) == required


def test_a_list_of_a_kind_has_a_schema_too() -> None:
    content = document("api/v1")

    answer = content["paths"]["/api/v1/nodes"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    pods = content["components"]["schemas"]["io.k8s.api.core.v1.PodList"]

    assert answer["$ref"].endswith("io.k8s.api.core.v1.NodeList")
    assert pods["required"] == ["items"]
    assert pods["properties"]["items"]["items"] == {"$ref": "#/components/schemas/io.k8s.api.core.v1.Pod"}
    assert "x-kubernetes-list-type" not in pods["properties"]["items"]


def test_the_tables_name_only_fields_that_there_are() -> None:
    """A slip of the pen in a table would silently say nothing."""
    known = {
        (name.removeprefix("io.k8s.").split("apis.")[-1].removeprefix("api."), field)
        for path in PATHS
        for name, found in document(path)["components"]["schemas"].items()
        for field in found.get("properties", ())
    }

    told = {tuple(path.rsplit(".", 1)) for path in FIELDS}
    named = {*OPTIONAL, *REQUIRED, *DEFAULTS, *ENUMS, *told}

    assert named - known == set()
    assert set(EVERYWHERE) <= {field for _, field in known}
    assert set(UNIONS) <= {name for name, _ in known}


def test_a_schema_of_schemas_can_be_followed_to_its_end() -> None:
    """What may be a node or something simpler is told by name, so that nobody who follows references goes round."""
    node = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    schemas = document("apis/apiextensions.k8s.io/v1")["components"]["schemas"]

    properties = schemas[node]["properties"]

    assert properties["additionalProperties"]["allOf"] == [{"$ref": f"#/components/schemas/{node}OrBool"}]
    assert properties["items"]["allOf"] == [{"$ref": f"#/components/schemas/{node}OrArray"}]
    assert properties["enum"]["items"]["$ref"].endswith("apiextensions.v1.JSON")
    assert "properties" not in schemas[f"{node}OrBool"]


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        ("api", "getCoreAPIVersions"),
        ("apis", "getAPIVersions"),
        ("apis/apps", "getAppsAPIGroup"),
        ("apis/rbac.authorization.k8s.io", "getRbacAuthorizationAPIGroup"),
        ("version", "getCodeVersion"),
    ],
)
def test_what_lies_above_the_group_versions_has_a_document_too(path: str, operation: str) -> None:
    (listed,) = document(path)["paths"].items()

    assert listed[0] == f"/{path}/"
    assert listed[1]["get"]["operationId"] == operation
