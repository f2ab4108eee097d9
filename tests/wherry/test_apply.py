"""`wherry apply` as a server-side application."""

import json
from typing import Any

import pytest

from tests.apiserver.wire import Wire, config_map, deployment
from tests.wherry.conftest import Wherry
from wherry.commands.apply import LAST_APPLIED, migrated

MAPS = "/api/v1/namespaces/default/configmaps"


def manifest(**data: str) -> str:
    """Return the file of a ConfigMap."""
    return json.dumps(config_map(data=data))


async def stored(wire: Wire) -> Any:
    """Return the ConfigMap as it is."""
    return (await wire.send("GET", f"{MAPS}/settings")).json


def managers(obj: Any) -> list[tuple[str, str]]:
    """Return who manages an object."""
    return [(entry["manager"], entry["operation"]) for entry in obj["metadata"]["managedFields"]]


async def applied_of_old(wire: Wire, **data: str) -> None:
    """Leave a ConfigMap as this command did that worked patches out itself."""
    obj = config_map(data=data)
    text = json.dumps(obj)
    obj["metadata"]["annotations"] = {LAST_APPLIED: text}
    reply = await wire.send("POST", f"{MAPS}?fieldManager=wherry", obj)
    assert reply.status == 201


async def test_the_first_apply_creates_and_what_the_next_leaves_out_goes(wherry: Wherry, wire: Wire) -> None:
    first = await wherry("apply", "-f", "-", stdin=manifest(a="1", b="2"))
    second = await wherry("apply", "-f", "-", stdin=manifest(a="3"))

    assert (first, second) == ((0, "configmap/settings created\n"), (0, "configmap/settings applied\n"))
    assert (await stored(wire))["data"] == {"a": "3"}
    assert managers(await stored(wire)) == [("wherry", "Apply")]


async def test_a_conflict_tells_who_has_the_field_and_the_way_out(wherry: Wherry, wire: Wire) -> None:
    await wherry("apply", "-f", "-", stdin=manifest(a="1"))
    patch = {"data": {"a": "2", "b": "2"}}
    merge = "application/merge-patch+json"
    await wire.send("PATCH", f"{MAPS}/settings?fieldManager=hand", patch, content_type=merge)

    refused = await wherry("apply", "-f", "-", stdin=manifest(a="3"))
    forced = await wherry("apply", "--force-conflicts", "-f", "-", stdin=manifest(a="3"))

    assert refused == (
        1,
        'configmap/settings: .data.a is managed by "hand" using v1\n'
        "configmap/settings: leave these fields out of the file, or take them over with --force-conflicts\n",
    )
    assert forced == (0, "configmap/settings applied\n")
    assert (await stored(wire))["data"] == {"a": "3", "b": "2"}


async def test_what_our_own_scale_set_is_taken_back(wherry: Wherry, wire: Wire) -> None:
    """Who scales by hand and then applies the file means the file."""
    file = json.dumps(deployment(replicas=3))
    scale = "/apis/apps/v1/namespaces/default/deployments/web/scale"
    await wherry("apply", "-f", "-", stdin=file)
    merge = "application/merge-patch+json"
    scaled = await wire.send("PATCH", f"{scale}?fieldManager=wherry", {"spec": {"replicas": 5}}, content_type=merge)

    outcome = await wherry("apply", "-f", "-", stdin=file)

    assert scaled.json["spec"]["replicas"] == 5
    assert outcome == (0, "deployment.apps/web applied\n")
    assert (await wire.send("GET", scale)).json["spec"]["replicas"] == 3


async def test_what_was_applied_of_old_is_taken_over(wherry: Wherry, wire: Wire) -> None:
    await applied_of_old(wire, a="1", b="2", c="3")

    outcome = await wherry("apply", "-f", "-", stdin=manifest(a="1", b="9"))

    found = await stored(wire)
    assert outcome == (0, "configmap/settings applied\n")
    assert found["data"] == {"a": "1", "b": "9"}
    assert "annotations" not in found["metadata"]
    assert managers(found) == [("wherry", "Apply")]


async def test_a_dry_run_on_what_was_applied_of_old_stores_nothing(wherry: Wherry, wire: Wire) -> None:
    await applied_of_old(wire, a="1")
    before = await stored(wire)

    outcome = await wherry("apply", "--dry-run", "-f", "-", stdin=manifest(a="2"))

    assert outcome == (0, "configmap/settings applied (dry run)\n")
    assert await stored(wire) == before


async def test_an_unknown_field_is_refused(wherry: Wherry) -> None:
    outcome = await wherry("apply", "-f", "-", stdin=json.dumps(config_map(daata={})))

    assert outcome == (1, "configmap/settings: .daata: field not declared in schema\n")


@pytest.mark.parametrize(
    "entry",
    [
        {"manager": "wherry", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {}}},
        {"manager": "wherry", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:data": {}}},
        {"manager": "other", "operation": "Update", "apiVersion": "v1", "fieldsV1": {"f:data": {}}},
    ],
    ids=["created", "applied", "another's"],
)
def test_what_was_not_applied_of_old_is_left_alone(entry: dict[str, Any]) -> None:
    assert migrated([entry]) is None
