"""Every route that discovery tells of, with every method, query and content type, and objects that are nearly right.

Whatever comes in, nothing fails: no 5xx but those that are meant, no traceback in the log, and afterwards the server
holds no more tasks than before and shows every object it took. `FUZZ_SECONDS=600 FUZZ_SEED=7` searches for longer.
"""

import asyncio
import logging
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.server import ApiServer
from kube.kinds import KINDS, Kind
from tests.apiserver.mutation import (
    ACCEPTS,
    CONTENT_TYPES,
    ODD_CONTENT_TYPES,
    json_patch,
    mutated,
    mutated_bytes,
    mutated_query,
    written,
)
from tests.apiserver.odd_objects import odd_struct
from tests.apiserver.wire import TABLE, Wire

SECONDS = float(os.environ.get("FUZZ_SECONDS", "8"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
WORKERS = 4
PATIENCE_S = 30.0
MEANT = (503, 504)
"""Codes that say "not now": a revision that isn't there yet, say."""
MEANT_TEXTS = (b"has no address; its agent registers one", b"has no usable address")
"""What is said with a 500, as Kubernetes has it, of a node without an address to go to; HEAD says nothing."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
MANIFEST = Path(__file__).with_name("one_of_each.yaml")


@dataclass(frozen=True)
class Route:
    """A path that discovery tells of."""

    kind: Kind
    subresource: str = ""

    def path(self, name: str) -> str:
        """Return the path of an object, or of a part of it; name "": of the collection."""
        path = self.kind.path("default" if self.kind.namespaced else "", name)
        return f"{path}/{self.subresource}" if name and self.subresource else path


async def discovered(wire: Wire) -> list[Route]:
    """Return every route of every group that the server tells of."""
    groups = (await wire.send("GET", "/apis")).json["groups"]
    roots = ["/api/v1", *(f"/apis/{version['groupVersion']}" for group in groups for version in group["versions"])]
    kinds = {(kind.root, kind.plural): kind for kind in KINDS}
    routes = []
    for root in roots:
        for resource in (await wire.send("GET", root)).json["resources"]:
            plural, _, subresource = resource["name"].partition("/")
            routes.append(Route(kinds[root, plural], subresource))
    return routes


def seeds() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Return sound objects by apiVersion and kind."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for obj in yaml.safe_load_all(MANIFEST.read_text()):
        found.setdefault((obj["apiVersion"], obj["kind"]), []).append(obj)
    return found


def name_of(obj: Any) -> str:
    """Return the name that an object has, where it can stand in a path."""
    meta = obj.get("metadata") if isinstance(obj, dict) else None
    name = meta.get("name") if isinstance(meta, dict) else None
    return name if isinstance(name, str) and name.isascii() and name.isalnum() else "x"


class Requests:
    """An endless stream of requests, the same for the same seed."""

    def __init__(self, routes: list[Route], seed: int) -> None:
        self._routes = routes
        self._source = random.Random(seed)
        self._seeds = seeds()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self._request()

    def _request(self) -> dict[str, Any]:
        source = self._source
        route = source.choice(self._routes)
        obj = self._object(route.kind)
        name = name_of(obj)
        method = source.choice(METHODS)
        named = bool(route.subresource) or method in ("PUT", "PATCH") or source.random() < 0.5
        if method == "POST" and not route.subresource:
            named = False
        content_type = source.choice(CONTENT_TYPES if source.random() < 0.95 else ODD_CONTENT_TYPES)
        if method != "PATCH" and source.random() < 0.8:
            content_type = source.choice(CONTENT_TYPES[:3])
        return {
            "method": method,
            "path": f"{route.path(name if named else '')}?{mutated_query(source)}",
            "body": self._body(route, obj, content_type) if method not in ("GET", "HEAD", "OPTIONS") else None,
            "content_type": content_type,
            "accept": source.choice(ACCEPTS),
        }

    def _object(self, kind: Kind) -> Any:
        source = self._source
        sound = self._seeds.get((kind.api_version, kind.kind))
        if sound and source.random() < 0.8:
            obj = source.choice(sound)
            return obj if source.random() < 0.15 else mutated(obj, source)
        obj = odd_struct(kind.type, source)
        odd_metadata = obj.get("metadata", {}) if source.random() < 0.1 else {}
        obj["metadata"] = {"name": source.choice(("web", "x", "a")), **odd_metadata}
        return obj

    def _body(self, route: Route, obj: Any, content_type: str) -> bytes:
        source = self._source
        if content_type.endswith("json-patch+json") and source.random() < 0.9:
            obj = json_patch(obj, source)
        elif route.subresource == "scale" and source.random() < 0.5:
            obj = mutated({"metadata": {"name": "web"}, "spec": {"replicas": 3}}, source)
        body = written(obj, content_type, route.kind, source)
        return mutated_bytes(body, source) if source.random() < 0.15 else body


async def send_until(wire: Wire, requests: Iterator[dict[str, Any]], ends_s: float) -> tuple[int, list[str]]:
    """Send requests until a moment of the loop's clock; return how many there were, and what failed."""
    count, failures = 0, []
    while asyncio.get_running_loop().time() < ends_s:
        count += 1
        request = next(requests)
        async with asyncio.timeout(PATIENCE_S):
            reply = await wire.send(**request)
        is_meant = reply.status in MEANT or any(text in reply.body for text in MEANT_TEXTS)
        is_mute = request["method"] == "HEAD" and "/nodes/" in request["path"] and "/proxy" in request["path"]
        if reply.status >= 500 and not is_meant and not is_mute:
            failures.append(f"{request} was answered {reply.status} {reply.body[:300]!r}")
    return count, failures


async def test_nothing_that_is_nearly_right_makes_any_route_fail(
    server: ApiServer, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    routes = await discovered(wire)
    requests = iter(Requests(routes, SEED))
    ends_s = asyncio.get_running_loop().time() + SECONDS
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(send_until(wire, requests, ends_s)) for _ in range(WORKERS)]

    assert [failure for worker in workers for failure in worker.result()[1]] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert sum(worker.result()[0] for worker in workers) > len(routes)
    for route in routes:
        if not route.subresource and "list" in route.kind.verbs:
            for accept in ("application/json", TABLE):
                assert (await wire.send("GET", route.path(""), accept=accept)).status == 200
