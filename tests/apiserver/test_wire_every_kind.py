"""Every kind can be stored, read back, listed, watched for, patched and deleted; and no body makes the server fail."""

from typing import Any

import pytest

from apiserver.server import ApiServer
from kube.kinds import KINDS, Kind
from tests.apiserver.wire import TABLE, Wire

SERVED = [kind for kind in KINDS if "create" in kind.verbs and "get" in kind.verbs]
NAMESPACE = "default"
TYPE = ("apiVersion", "kind")
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

ODD_BODIES: list[Any] = [
    {},
    {"metadata": {}},
    {"metadata": None, "spec": None, "status": None},
    {"metadata": {"name": "x", "labels": {"a": "b" * 100}}},
    {"metadata": {"name": "x"}, "spec": {}},
    {"metadata": {"name": "x", "ownerReferences": [{}]}, "spec": {"selector": {}, "template": {}}},
    {"metadata": {"name": "x", "finalizers": ["a"], "annotations": {"": ""}}, "spec": {"ports": [{}]}},
    {"metadata": {"generateName": "x-"}, "spec": {"containers": [{}], "rules": [{}]}, "data": {"a": "b"}},
    {"metadata": {"name": "x", "creationTimestamp": "yesterday"}},
    {"metadata": {"name": "x", "generation": 1 << 80}},
]


def ids(kind: Kind) -> str:
    return f"{kind.api_version}.{kind.kind}"


async def test_no_odd_body_makes_any_kind_fail(server: ApiServer) -> None:
    async with Wire.connect(server) as wire:
        for kind in KINDS:
            path = kind.path(NAMESPACE)
            for body in ODD_BODIES:
                created = await wire.send("POST", path, body)
                replaced = await wire.send("PUT", f"{path}/x", body)
                patched = await wire.send("PATCH", f"{path}/x", body, content_type=MERGE)
                merged = await wire.send("PATCH", f"{path}/x", body, content_type=STRATEGIC)
                status = await wire.send("PATCH", f"{path}/x/status", body, content_type=STRATEGIC)
                for reply in (created, replaced, patched, merged, status):
                    assert reply.status < 500, (kind, body, reply.body)


@pytest.mark.parametrize("accept", ["application/json", TABLE])
async def test_every_kind_can_be_listed_in_every_form(wire: Wire, accept: str) -> None:
    for kind in KINDS:
        if "list" in kind.verbs:
            reply = await wire.send("GET", kind.path(), accept=accept)
            assert reply.status == 200, (kind, reply.body)


@pytest.mark.parametrize(
    "kind", [kind for kind in SERVED if kind.kind in ("Lease", "ConfigMap", "Secret", "PodTemplate", "Role")], ids=ids
)
async def test_what_is_stored_is_what_is_read(wire: Wire, kind: Kind) -> None:
    body: dict[str, Any] = {"metadata": {"name": "x", "labels": {"a": "b"}}}
    if kind.kind == "PodTemplate":
        body["template"] = {"spec": {"containers": [{"name": "main", "image": "web:1"}]}}

    created = await wire.send("POST", kind.path(NAMESPACE), body)
    read = await wire.send("GET", kind.path(NAMESPACE, "x"))
    listed = await wire.send("GET", f"{kind.path(NAMESPACE)}?labelSelector=a%3Db")

    assert (created.status, read.json) == (201, created.json)
    assert listed.json["items"] == [{key: part for key, part in created.json.items() if key not in TYPE}]
