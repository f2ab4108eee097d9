"""What clients are told is served."""

import json
from typing import Any

import pytest

from apiserver.discovery import find, paths
from kube.errors import ApiError

KUBECTL = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


def content(path: str, accept: str = "application/json") -> Any:
    document = find(path, accept)
    assert document is not None
    return json.loads(document.body)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (KUBECTL, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"),
        (KUBECTL.split(",", 1)[1], "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"),
        ("application/json", "application/json"),
        ("application/vnd.kubernetes.protobuf, */*", "application/json"),
        ("", "application/json"),
    ],
)
def test_a_client_gets_the_form_that_it_prefers(accept: str, content_type: str) -> None:
    """Clients tell the forms apart by this header alone."""
    document = find("/apis", accept)

    assert document is not None
    assert document.content_type == content_type
    assert document.headers["Vary"] == "Accept"


def test_the_core_group_stands_alone_and_without_a_name() -> None:
    (group,) = content("/api", KUBECTL)["items"]

    assert "name" not in group["metadata"]
    assert [version["version"] for version in group["versions"]] == ["v1"]


def test_a_resource_tells_its_names_verbs_and_subresources() -> None:
    groups = {item["metadata"]["name"]: item for item in content("/apis", KUBECTL)["items"]}
    (version,) = groups["apps"]["versions"]

    (found,) = [item for item in version["resources"] if item["resource"] == "deployments"]

    assert found["responseKind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert (found["scope"], found["singularResource"], found["shortNames"]) == ("Namespaced", "deployment", ["deploy"])
    assert {item["subresource"] for item in found["subresources"]} == {"scale", "status"}
    (scale,) = [item for item in found["subresources"] if item["subresource"] == "scale"]
    assert scale["responseKind"] == {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def test_the_newest_version_of_a_group_is_preferred() -> None:
    group = content("/apis/autoscaling")

    assert group["preferredVersion"] == {"groupVersion": "autoscaling/v2", "version": "v2"}


def test_the_older_list_has_eviction_as_drain_looks_for_it() -> None:
    (found,) = [item for item in content("/api/v1")["resources"] if item["name"] == "pods/eviction"]

    assert (found["group"], found["version"], found["kind"]) == ("policy", "v1", "Eviction")


@pytest.mark.parametrize(
    "path", ["/apis/nothing.example", "/apis/apps/v9", "/api/v2", "/apis/apps/v1/deployments", "/x"]
)
def test_there_is_no_document_for_what_is_not_served(path: str) -> None:
    assert find(path, KUBECTL) is None


def test_documents_are_made_once_and_carry_their_tag() -> None:
    document = find("/api/v1", "application/json")

    assert document is find("/api/v1/", "*/*")
    assert document is not None
    assert document.etag.startswith('"')


def test_groups_stand_as_kubernetes_ranks_them() -> None:
    """Where two groups have a resource of one name, as with events, clients take that of the first."""
    names = [group["name"] for group in content("/apis")["groups"]]

    assert names[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
    assert names[-2:] == ["flowcontrol.apiserver.k8s.io", "metrics.k8s.io"]


@pytest.mark.parametrize(
    ("path", "plural", "expected"),
    [
        ("/api/v1", "configmaps", "qFsyl6wFWjQ="),
        ("/apis/apps/v1", "deployments", "8aSe+NMegvE="),
        ("/apis/events.k8s.io/v1", "events", "r2yiGXH7wu8="),
        ("/apis/autoscaling/v1", "horizontalpodautoscalers", "qwQve8ut294="),
        ("/api/v1", "componentstatuses", None),
        ("/api/v1", "pods/status", None),
    ],
)
def test_what_is_stored_tells_the_hash_of_its_stored_version(path: str, plural: str, expected: str | None) -> None:
    (found,) = [item for item in content(path)["resources"] if item["name"] == plural]

    assert found.get("storageVersionHash") == expected


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        ("/api", "text/html"),
        ("/apis/apps/v1", "application/xml"),
        ("/apis", "application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList"),
    ],
)
def test_a_form_that_is_not_served_is_refused(path: str, accept: str) -> None:
    with pytest.raises(ApiError) as refused:
        find(path, accept)

    assert refused.value.code == 406


def test_all_documents_are_found_at_their_paths() -> None:
    assert all(find(path, "application/json") for path in paths())
    assert {"/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1"} <= set(paths())
