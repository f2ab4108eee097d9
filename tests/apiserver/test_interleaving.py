"""Several writers at one object at the same time: what is left is what one of their orders would have left."""

import asyncio
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from apiserver.server import ApiServer
from tests.apiserver.wire import Reply, Wire, config_map

MAPS = "/api/v1/namespaces/default/configmaps"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
WRITERS = 4
KEYS = "abc"


@dataclass(frozen=True)
class Step:
    """One write. body: without the name of the object, which differs from order to order."""

    manager: str
    content_type: str
    body: Any

    async def send(self, wire: Wire, name: str) -> Reply:
        """Write to the object called `name`; what is refused is part of the order too."""
        body = self.body
        if isinstance(body, dict) and self.content_type == APPLY:
            body = {**config_map(name), **body}
        force = "&force=true" if self.content_type == APPLY else ""
        path = f"{MAPS}/{name}?fieldManager={self.manager}{force}"
        return await wire.send("PATCH", path, body, content_type=self.content_type)


def some_step(choice: random.Random, writer: int) -> Step:
    """Return a write as one of several writers might do it."""
    data = {key: str(writer) for key in choice.sample(KEYS, choice.randint(1, 2))}
    match choice.randint(0, 2):
        case 0:
            return Step(f"applier-{writer}", APPLY, {"data": data})
        case 1:
            return Step(f"merger-{writer}", MERGE, {"data": {**data, choice.choice(KEYS): None}})
    first = choice.choice(KEYS)
    operations = [
        {"op": "copy", "from": f"/data/{first}", "path": "/data/d"},
        {"op": "remove", "path": f"/data/{first}"},
    ]
    return Step(f"patcher-{writer}", JSON_PATCH, operations)


async def left_by(wire: Wire, name: str) -> tuple[Any, ...]:
    """Return what an object holds and who manages what in it."""
    obj = (await wire.send("GET", f"{MAPS}/{name}")).json
    entries = [
        (entry["manager"], entry["operation"], str(sorted(entry["fieldsV1"].get("f:data", {}))))
        for entry in obj["metadata"]["managedFields"]
    ]
    return obj.get("data", {}), sorted(entries)


async def start(wire: Wire, name: str) -> None:
    """Make the object that the writers meet."""
    await wire.send("POST", f"{MAPS}?fieldManager=maker", config_map(name, data={"a": "0", "b": "0"}))


async def outcomes(wire: Wire, steps: Sequence[Step], prefix: str) -> list[tuple[Any, ...]]:
    """Return what each order of the steps leaves."""
    found = []
    for number, order in enumerate(itertools.permutations(steps)):
        name = f"{prefix}-{number}"
        await start(wire, name)
        for step in order:
            await step.send(wire, name)
        found.append(await left_by(wire, name))
    return found


@pytest.mark.parametrize("seed", range(8))
async def test_writers_at_once_leave_what_one_order_leaves(server: ApiServer, seed: int) -> None:
    choice = random.Random(seed)
    steps = [some_step(choice, writer) for writer in range(WRITERS)]
    async with Wire.connect(server) as wire:
        await start(wire, "met")
        await asyncio.gather(*(step.send(wire, "met") for step in steps))

        assert await left_by(wire, "met") in await outcomes(wire, steps, "ordered")
