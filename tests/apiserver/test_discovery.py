"""What clients are told is served."""

import json
from typing import Any

import pytest

from apiserver.discovery import find

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
