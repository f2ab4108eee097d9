"""What is wrong is refused with Kubernetes' code and reason, and a message that names the field."""

from pathlib import Path
from typing import Any

import pytest

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from tests.apiserver.wire import Wire, config_map, deployment, pod

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
SERVICES = "/api/v1/namespaces/default/services"


async def test_an_unknown_resource_is_not_found(wire: Wire) -> None:
    reply = await wire.send("POST", "/apis/example.org/v1/namespaces/default/widgets", {"kind": "Widget"})

    assert (reply.status, reply.reason) == (404, "NotFound")
    assert reply.json["message"] == "the server could not find the requested resource"


async def test_a_kind_that_is_not_the_path_s_is_a_bad_request(wire: Wire) -> None:
    reply = await wire.send("POST", PODS, deployment() | {"apiVersion": "v1"})

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert "Deployment" in reply.json["message"]


async def test_an_unknown_field_is_refused_where_validation_is_strict(wire: Wire) -> None:
    reply = await wire.send("POST", f"{MAPS}?fieldValidation=Strict", config_map(dataa={"a": "b"}))

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert reply.json["message"] == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dataa"'
    )


async def test_an_unknown_field_is_warned_of_by_default_and_ignored_on_request(wire: Wire) -> None:
    warned = await wire.send("POST", MAPS, config_map("warned", dataa={"a": "b"}))
    ignored = await wire.send("POST", f"{MAPS}?fieldValidation=Ignore", config_map("ignored", dataa={"a": "b"}))

    assert (warned.status, warned.headers["Warning"]) == (201, '299 - "unknown field \\"dataa\\""')
    assert (ignored.status, "Warning" in ignored.headers) == (201, False)


async def test_a_field_that_stands_twice_is_refused_where_validation_is_strict(wire: Wire) -> None:
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"k":"1","k":"2"}}'

    reply = await wire.send("POST", f"{MAPS}?fieldValidation=Strict", body)

    assert reply.status == 400
    assert reply.json["message"].endswith('strict decoding error: duplicate field "data.k"')


async def test_a_value_of_the_wrong_type_is_a_bad_request_that_names_the_field(wire: Wire) -> None:
    reply = await wire.send("POST", DEPLOYMENTS, deployment(replicas="three"))

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert "spec.replicas" in reply.json["message"]


async def test_a_number_that_32_bits_cannot_hold_is_refused(wire: Wire) -> None:
    """A slip of the finger must not ask for a hundred billion pods."""
    reply = await wire.send("POST", DEPLOYMENTS, deployment(replicas=99_999_999_999))

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert "spec.replicas: Expected a number that 32 bits hold" in reply.json["message"]


async def test_all_that_is_missing_or_out_of_range_is_told_at_once(wire: Wire) -> None:
    wrong = pod()
    wrong["spec"]["containers"] = [{"image": "web:1", "ports": [{"containerPort": 70000}]}]

    reply = await wire.send("POST", PODS, wrong)

    assert (reply.status, reply.reason) == (422, "Invalid")
    assert ("spec.containers[0].name", "FieldValueRequired") in reply.causes
    assert ("spec.containers[0].ports[0].containerPort", "FieldValueInvalid") in reply.causes
    assert reply.json["details"]["kind"] == "Pod"


async def test_a_quantity_that_is_none_is_refused(wire: Wire) -> None:
    wrong = pod()
    wrong["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "lots"}}

    reply = await wire.send("POST", PODS, wrong)

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert "resources.requests" in reply.json["message"]


async def test_a_name_that_is_too_long_is_invalid(wire: Wire) -> None:
    reply = await wire.send("POST", MAPS, config_map("a" * 254))

    assert (reply.status, reply.causes) == (422, [("metadata.name", "FieldValueInvalid")])
    assert "must be no more than 253" in reply.json["message"]


async def test_a_selector_that_does_not_match_its_template_is_invalid(wire: Wire) -> None:
    reply = await wire.send("POST", DEPLOYMENTS, deployment(selector={"matchLabels": {"app": "other"}}))

    assert reply.status == 422
    assert ("spec.template.metadata.labels", "FieldValueInvalid") in reply.causes


async def test_a_port_out_of_range_is_invalid(wire: Wire) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 65536}]}}

    reply = await wire.send("POST", SERVICES, service)

    assert reply.status == 422
    assert ("spec.ports[0].port", "FieldValueInvalid") in reply.causes


async def test_a_name_that_is_taken_already_exists(wire: Wire) -> None:
    await wire.send("POST", MAPS, config_map())

    reply = await wire.send("POST", MAPS, config_map())

    assert (reply.status, reply.reason) == (409, "AlreadyExists")
    assert reply.json["message"] == 'configmaps "settings" already exists'


async def test_a_stale_resource_version_is_a_conflict(wire: Wire) -> None:
    stored = (await wire.send("POST", MAPS, config_map())).json
    await wire.send("PUT", f"{MAPS}/settings", config_map(data={"a": "b"}))

    reply = await wire.send("PUT", f"{MAPS}/settings", stored)

    assert (reply.status, reply.reason) == (409, "Conflict")
    assert reply.json["message"].startswith(
        'Operation cannot be fulfilled on configmaps "settings": the object has been'
    )


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"a: b: c: [", "application/yaml"),
        (b"{not json", "application/json"),
        (b"\x00\x01\xff\xfe" * 64, "application/json"),
        (b"\xff\xfe\x00", "application/yaml"),
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'"text"', "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
async def test_what_is_no_object_is_a_bad_request(wire: Wire, body: bytes, content_type: str) -> None:
    reply = await wire.send("POST", MAPS, body, content_type=content_type)

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert reply.json["message"]


async def test_an_unknown_media_type_is_refused(wire: Wire) -> None:
    reply = await wire.send("POST", MAPS, b"<map/>", content_type="application/xml")
    patched = await wire.send("PATCH", f"{MAPS}/settings", b"{}", content_type="application/json")

    assert (reply.status, reply.reason) == (415, "UnsupportedMediaType")
    assert (patched.status, patched.reason) == (415, "UnsupportedMediaType")


async def test_a_form_that_nobody_can_give_is_not_acceptable(wire: Wire) -> None:
    reply = await wire.send("GET", MAPS, accept="application/vnd.kubernetes.protobuf")

    assert (reply.status, reply.reason) == (406, "NotAcceptable")
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_of_four_megabytes_is_too_large(wire: Wire, chunked: bool) -> None:
    """Whether its length is told, or only turns out while reading."""
    large = config_map(data={"a": "x" * (4 << 20)})

    reply = await wire.send("POST", MAPS, large, chunked=chunked)

    assert (reply.status, reply.reason) == (413, "RequestEntityTooLarge")


async def test_a_watch_from_a_revision_that_is_forgotten_is_gone(pki_dir: Path, tmp_path: Path) -> None:
    """A server that starts anew knows no change from before."""
    settings = ApiServerSettings(pki_dir=pki_dir, port=0, store=f"sqlite:{tmp_path}/store.db")
    async with ApiServer(settings) as before:
        await before.ready()

    async with ApiServer(settings) as server, Wire.connect(server) as wire:
        await server.ready()
        reply = await wire.send("GET", f"{MAPS}?watch=1&resourceVersion=1")

    told = reply.json
    assert (reply.status, told["type"]) == (200, "ERROR")
    assert (told["object"]["code"], told["object"]["reason"]) == (410, "Expired")
    assert told["object"]["message"].startswith("too old resource version: 1 (")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("resourceVersion=abc", 400),
        ("resourceVersionMatch=Exact", 422),
        ("resourceVersion=0&resourceVersionMatch=Exact", 422),
        ("resourceVersion=1&resourceVersionMatch=Never", 422),
        ("sendInitialEvents=true", 422),
        ("watch=1&sendInitialEvents=true", 422),
        ("limit=many", 400),
        ("continue=bm9uc2Vuc2U", 400),
        ("labelSelector=a+in+b", 400),
        ("fieldSelector=spec.colour%3Dblue", 400),
    ],
)
async def test_options_that_make_no_sense_are_refused(wire: Wire, query: str, code: int) -> None:
    reply = await wire.send("GET", f"{MAPS}?{query}")

    assert reply.status == code
    assert reply.json["kind"] == "Status"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/apis/apps/v1/nowhere", 404),
        ("GET", "/api/v1/namespaces/default/pods/web/nothing", 404),
        ("GET", "/api/v1/pods/web", 404),
        ("POST", f"{MAPS}/settings", 405),
        ("PUT", MAPS, 405),
        ("DELETE", "/api/v1/namespaces", 405),
        ("PATCH", "/api/v1/componentstatuses/x", 405),
        ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews", 405),
        ("TRACE", MAPS, 405),
    ],
)
async def test_paths_and_methods_that_are_not_served(wire: Wire, method: str, path: str, code: int) -> None:
    reply = await wire.send(method, path, {} if method in ("POST", "PUT") else None)

    assert reply.status == code
    assert reply.json["code"] == code


@pytest.mark.parametrize("path", ["/nowhere", "/apis/nowhere.example", "/healthz/nothing"])
async def test_what_is_no_path_of_the_api_is_a_page_that_is_not_there(wire: Wire, path: str) -> None:
    reply = await wire.send("GET", path)

    assert (reply.status, reply.body) == (404, b"404 page not found\n")


@pytest.mark.parametrize(
    ("patch", "content_type", "code"),
    [
        ([{"op": "test", "path": "/data/a", "value": "z"}], "application/json-patch+json", 422),
        ([{"op": "fly"}], "application/json-patch+json", 422),
        ({"op": "add"}, "application/json-patch+json", 400),
        ([1, 2], "application/merge-patch+json", 400),
        ({"kind": "Secret"}, "application/merge-patch+json", 422),
        ({"metadata": {"name": "another"}}, "application/merge-patch+json", 400),
        ({"data": 5}, "application/strategic-merge-patch+json", 422),
        ({"metadata": {"resourceVersion": "1"}}, "application/merge-patch+json", 409),
    ],
)
async def test_patches_that_cannot_be_applied(wire: Wire, patch: Any, content_type: str, code: int) -> None:
    await wire.send("POST", MAPS, config_map(data={"a": "b"}))

    reply = await wire.send("PATCH", f"{MAPS}/settings", patch, content_type=content_type)

    assert reply.status == code, reply.body
    assert reply.json["status"] == "Failure"
