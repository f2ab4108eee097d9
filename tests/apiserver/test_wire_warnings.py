"""What writes are warned of, or refused for where they want it strict, in the words of a kube-apiserver 1.36."""

import json

import pytest

from apiserver.server import ApiServer
from tests.apiserver.wire import JSON, Reply, Wire, config_map, connection, deployment, pod

MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
YAML = "application/yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"


def told(reply: Reply) -> tuple[int, str, str]:
    """Return what a refusal says."""
    return reply.status, reply.json.get("reason", ""), reply.json["message"]


def odd_deployment() -> bytes:
    """Return a Deployment with unknown fields and one that stands twice."""
    odd = {**deployment(replicas=2), "foo": 1}
    odd["spec"]["bar"] = {"a": 1}
    return json.dumps(odd).replace('"replicas": 2', '"replicas": 1, "replicas": 2').encode()


ODD = ['duplicate field "spec.replicas"', 'unknown field "spec.bar"', 'unknown field "foo"']


async def test_all_that_is_strange_in_a_body_is_told_in_its_order(wire: Wire) -> None:
    strict = await wire.send("POST", f"{DEPLOYMENTS}?fieldValidation=Strict", odd_deployment())
    warned = await wire.send("POST", DEPLOYMENTS, odd_deployment())

    form = 'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
    assert told(strict) == (400, "BadRequest", form + ", ".join(ODD))
    assert warned.status == 201
    assert [part in warned.warnings for part in ODD] == [True] * 3


async def test_a_refusal_carries_the_warnings_too(wire: Wire) -> None:
    await wire.send("POST", DEPLOYMENTS, odd_deployment())

    again = await wire.send("POST", DEPLOYMENTS, odd_deployment())

    assert (again.status, ODD[0] in again.warnings) == (409, True)


async def test_a_key_that_stands_twice_in_yaml_is_told_by_its_line(wire: Wire) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b, a: c}\n"

    strict = await wire.send("POST", f"{MAPS}?fieldValidation=Strict", body, content_type=YAML)
    warned = await wire.send("POST", MAPS, body, content_type=YAML)

    assert (strict.status, 'line 4: key "a" already set in map' in strict.json["message"]) == (400, True)
    assert (warned.status, warned.json["data"]) == (201, {"a": "c"})
    assert 'line 4: key "a" already set in map' in warned.warnings


@pytest.mark.parametrize(
    ("patch", "content_type", "found"),
    [
        (b'{"spec":{"foo":1},"bar":2}', MERGE, ['unknown field "bar"', 'unknown field "spec.foo"']),
        (b'{"spec":{"foo":1},"bar":2}', STRATEGIC, ['unknown field "bar"', 'unknown field "spec.foo"']),
        (b'{"spec":{"paused":true,"paused":false}}', STRATEGIC, ['duplicate field "spec.paused"']),
        (
            b'[{"op":"add","path":"/spec/paused","value":true,"value":false,"foo":1}]',
            JSON_PATCH,
            ['json patch duplicate field "[0].value"', 'json patch unknown field "[0].foo"'],
        ),
    ],
)
async def test_what_is_strange_in_a_patch_is_told(
    wire: Wire, patch: bytes, content_type: str, found: list[str]
) -> None:
    await wire.send("POST", DEPLOYMENTS, deployment())
    path = f"{DEPLOYMENTS}/web"

    strict = await wire.send("PATCH", f"{path}?fieldValidation=Strict", patch, content_type=content_type)
    warned = await wire.send("PATCH", path, patch, content_type=content_type)
    ignored = await wire.send("PATCH", f"{path}?fieldValidation=Ignore", patch, content_type=content_type)

    assert told(strict)[:2] == (422, "Invalid")
    assert strict.json["message"].endswith(f"strict decoding error: {', '.join(found)}")
    assert strict.causes == [("patch", "FieldValueInvalid")]
    assert (warned.status, [part in warned.warnings for part in found]) == (200, [True] * len(found))
    assert (ignored.status, ignored.warnings) == (200, "")


async def test_a_null_in_a_map_of_texts_is_an_empty_text(wire: Wire) -> None:
    reply = await wire.send("POST", MAPS, config_map(data={"a": None}))

    assert (reply.status, reply.json["data"]) == (201, {"a": ""})


async def test_a_deprecated_kind_is_warned_of_whatever_the_answer(wire: Wire) -> None:
    found = await wire.send("GET", "/api/v1/namespaces/default/endpoints")
    missing = await wire.send("GET", "/api/v1/namespaces/default/endpoints/nobody")

    assert (found.status, missing.status) == (200, 404)
    assert "v1 Endpoints is deprecated in v1.33+" in found.warnings
    assert found.warnings == missing.warnings


async def test_a_deletion_that_leaves_dependents_to_the_default_is_warned_of(wire: Wire) -> None:
    jobs = "/apis/batch/v1/namespaces/default/jobs"
    template = {"spec": {**pod()["spec"], "restartPolicy": "Never"}}
    await wire.send("POST", jobs, {"kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}})

    tried = await wire.send("DELETE", f"{jobs}/j?dryRun=All&propagationPolicy=Background")
    deleted = await wire.send("DELETE", f"{jobs}/j")

    assert (tried.status, tried.warnings) == (200, "")
    assert "child pods are preserved by default when jobs are deleted" in deleted.warnings
    assert deleted.json["metadata"]["finalizers"] == ["orphan"]


async def test_a_warning_has_nothing_in_it_that_a_header_can_not_have(server: ApiServer) -> None:
    """A client that reads the head of an answer by the book would refuse all of the answer."""
    body = json.dumps({**config_map(), "odd\0\nkind: é": 1}).encode()
    head = (
        f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nConnection: close\r\nContent-Length: {len(body)}"
    )

    async with connection(server) as (reader, writer):
        writer.write(f"{head}\r\n\r\n".encode() + body)
        answer = await reader.read()

    assert b'\r\nWarning: 299 - "unknown field \\"odd  kind: \xc3\xa9\\""\r\n' in answer


async def test_many_long_warnings_are_cut_and_the_last_of_them_left_out(wire: Wire) -> None:
    """kubectl takes heads of up to a megabyte."""
    odd = {f"{number:02}{'x' * 198}": 1 for number in range(100)}

    few = await wire.send("POST", f"{MAPS}?dryRun=All", {**config_map(), **dict(list(odd.items())[:10])})
    many = await wire.send("POST", f"{MAPS}?dryRun=All", {**config_map(), **odd})

    assert (few.status, few.warnings.count("unknown field")) == (201, 10)
    assert (many.status, many.warnings.count("unknown field")) == (201, 19)
