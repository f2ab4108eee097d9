"""In which form an answer comes, by the Accept header and its like."""

import json
from typing import Any

import pytest

from apiserver.forms import TableForm
from kube import yaml
from kube.kinds import KINDS
from tests.apiserver.wire import Wire, config_map

MAPS = "/api/v1/namespaces/default/configmaps"
PLAIN = "application/json"


def as_kind(kind: str, version: str = "v1", media_type: str = PLAIN) -> str:
    """Return what asks for objects as a kind of meta.k8s.io."""
    return f"{media_type};as={kind};v={version};g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "path", "kind"),
    [
        ("", "", "ConfigMapList"),
        ("*/*", "", "ConfigMapList"),
        (as_kind("Table", "v2") + "," + PLAIN, "", "ConfigMapList"),
        (as_kind("Table", "v1beta1"), "", "Table"),
        (as_kind("Table") + ";q=0.3," + PLAIN + ";q=0.5", "", "ConfigMapList"),
        ("application/xml," + as_kind("PartialObjectMetadataList"), "", "PartialObjectMetadataList"),
        (as_kind("PartialObjectMetadata"), "/settings", "PartialObjectMetadata"),
        (as_kind("Table"), "/settings", "Table"),
    ],
)
async def test_the_best_alternative_that_can_be_given_is(wire: Wire, accept: str, path: str, kind: str) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("GET", MAPS + path, accept=accept)

    assert (reply.status, reply.json["kind"]) == (200, kind)


@pytest.mark.parametrize(
    ("accept", "path", "message"),
    [
        ("text/html", "", "only the following media types are accepted: application/json, application/yaml"),
        (as_kind("Chart"), "/settings", "only the following media types are accepted: application/json"),
        ("text/html", "/nobody", "only the following media types are accepted: application/json"),
        ("application/yaml", "?watch=1", "only the following media types are accepted: application/json;stream=watch"),
        (
            as_kind("PartialObjectMetadata"),
            "",
            "you requested PartialObjectMetadata, but the requested object is a list",
        ),
        (as_kind("PartialObjectMetadataList"), "/settings", "but the requested object is not a list"),
    ],
)
async def test_what_no_alternative_fits_is_refused(wire: Wire, accept: str, path: str, message: str) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("GET", MAPS + path, accept=accept)

    told = yaml.load(reply.body)  # A refusal is written as the client likes it, too.
    assert (reply.status, told["reason"]) == (406, "NotAcceptable")
    assert message in told["message"]


async def test_nothing_is_done_for_a_client_that_takes_no_answer(wire: Wire) -> None:
    refused = await wire.send("POST", MAPS, config_map(), accept="text/html")

    assert refused.status == 406
    assert (await wire.send("GET", f"{MAPS}/settings")).status == 404


async def test_the_answer_to_a_question_is_no_table(wire: Wire) -> None:
    review = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    refused = await wire.send("POST", path, review, accept=as_kind("Table"))
    plain = await wire.send("POST", path, review, accept=f"{as_kind('Table')},application/json")

    assert refused.status == 406
    assert plain.json["kind"] == "SelfSubjectAccessReview"


async def test_yaml_is_served_with_keys_in_order(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map(data={"on": "yes", "a": "1"}))

    as_json = await wire.send("GET", f"{MAPS}/settings")
    as_yaml = await wire.send("GET", f"{MAPS}/settings", accept="application/yaml")
    missing = await wire.send("GET", f"{MAPS}/nobody", accept="application/json;q=0.1,application/yaml")
    groups = await wire.send("GET", "/apis", accept="application/yaml")

    assert as_yaml.headers["Content-Type"] == "application/yaml"
    assert yaml.load(as_yaml.body) == as_json.json
    assert list(yaml.load(as_yaml.body)) == sorted(as_json.json)
    assert (missing.status, yaml.load(missing.body)["reason"]) == (404, "NotFound")
    assert yaml.load(groups.body)["kind"] == "APIGroupList"


@pytest.mark.parametrize(
    ("query", "agent", "is_pretty"),
    [
        ("?pretty=true", "informer", True),
        ("?pretty", "informer", True),
        ("", "curl/8.5.0", True),
        ("", "Mozilla/5.0 (X11)", True),
        ("?pretty=false", "curl/8.5.0", False),
        ("", "kubectl/v1.32.4", False),
    ],
)
async def test_people_get_line_breaks(wire: Wire, query: str, agent: str, is_pretty: bool) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("GET", f"{MAPS}/settings{query}", headers={"User-Agent": agent})

    assert (b"\n  " in reply.body) is is_pretty


@pytest.mark.parametrize(("include", "kind"), [("", "PartialObjectMetadata"), ("Object", "ConfigMap"), ("None", None)])
async def test_a_row_brings_what_is_asked_for_of_its_object(wire: Wire, include: str, kind: str | None) -> None:
    await wire.send("POST", MAPS, config_map())
    query = f"includeObject={include}"

    table = (await wire.send("GET", f"{MAPS}?{query}", accept=as_kind("Table"))).json
    async with wire.lines(f"{MAPS}?watch=1&{query}", accept=as_kind("Table")) as lines:
        line = await anext(lines)

    for row in (table["rows"][0], line["object"]["rows"][0]):
        found: Any = row["object"]
        assert (found and found["kind"]) == kind


async def test_a_row_cannot_bring_anything_else(wire: Wire) -> None:
    reply = await wire.send("GET", f"{MAPS}?includeObject=Everything", accept=as_kind("Table"))

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert "must be 'Metadata', 'Object', 'None', or empty" in reply.json["message"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PLAIN, {"kind": "ConfigMap", "apiVersion": "v1"}),
        (as_kind("PartialObjectMetadata"), {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}),
    ],
)
async def test_a_bookmark_has_the_form_of_the_watch(wire: Wire, accept: str, expected: dict[str, Any]) -> None:
    async with wire.lines(f"{MAPS}?watch=1&allowWatchBookmarks=true", accept=accept) as lines:
        mark = await anext(lines)

    meta = mark["object"].pop("metadata")
    assert (mark["type"], mark["object"]) == ("BOOKMARK", expected)
    assert set(meta) == {"resourceVersion", "annotations"}


@pytest.mark.parametrize(
    ("include", "kind"), [("Metadata", "PartialObjectMetadata"), ("Object", "ConfigMap"), ("None", None)]
)
async def test_a_bookmark_in_a_table_is_a_row_with_an_empty_object(wire: Wire, include: str, kind: str | None) -> None:
    path = f"{MAPS}?watch=1&allowWatchBookmarks=true&includeObject={include}"
    async with wire.lines(path, accept=as_kind("Table")) as lines:
        table = (await anext(lines))["object"]

    (row,) = table["rows"]
    assert (table["columnDefinitions"], row["cells"]) == (None, ["", 0, "<unknown>"])
    assert (row["object"] and row["object"]["kind"]) == kind
    if kind:
        version = table["metadata"]["resourceVersion"]
        marked = {"resourceVersion": version, "annotations": {"k8s.io/initial-events-end": "true"}}
        assert row["object"]["metadata"] == marked


def test_every_kind_can_be_marked_in_a_table() -> None:
    """Whatever a printer makes of an object without anything in it, it must not fail."""
    for kind in KINDS:
        if "watch" in kind.verbs:
            assert b'"rows":[{' in TableForm(kind, "v1").bookmark(7)


async def test_a_watch_is_never_packed(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map(data={"a": "x" * 200_000}))

    path, packed = f"{MAPS}?watch=1&timeoutSeconds=1", {"Accept-Encoding": "gzip"}
    reply = await wire.send("GET", path, headers=packed)

    assert "Content-Encoding" not in reply.headers
    assert json.loads(reply.body.splitlines()[0])["type"] == "ADDED"


@pytest.mark.parametrize("path", ["/api/v1/namespaces/default", "/api/v1/namespaces", "/apis", "/api/v1/pods/nosuch"])
async def test_json_ends_with_its_line(wire: Wire, path: str) -> None:
    """`kubectl get --raw` prints it as it comes, and what is printed next is to begin a line."""
    plain = await wire.send("GET", path)
    packed = await wire.send("GET", path, headers={"Accept-Encoding": "gzip"})

    assert plain.body.endswith(b"}\n")
    assert plain.headers["Content-Length"] == str(len(plain.body))
    assert packed.body == plain.body
