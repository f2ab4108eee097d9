"""metrics.k8s.io, as `kubectl top` and autoscalers read it, over pretended agents of nodes."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from apiserver.measuring import SUMMARY_MAX_BYTES
from apiserver.server import ApiServer
from kube.codec import encode
from tests.apiserver.agents import Handler, add_node, add_pod, node_tls, serving
from tests.apiserver.kubectl import binary, kubectl_for
from tests.apiserver.wire import TABLE, Wire

GROUP = "/apis/metrics.k8s.io/v1beta1"
KUBECTLS = ["1.27", "1.28", "1.29", "1.30", "1.31", "1.32", "1.33"]


def used(cores: float, memory_mib: int) -> dict[str, object]:
    """Return what uses so many cores all the time, as a Summary has it."""
    nanos = time.time_ns()
    moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(nanos // 10**9))}.{nanos % 10**9:09d}Z"
    cpu = {"time": moment, "usageCoreNanoSeconds": int(nanos * cores)}
    return {"cpu": cpu, "memory": {"workingSetBytes": memory_mib << 20}}


@asynccontextmanager
async def measured(server: ApiServer, wire: Wire, folder: Path) -> AsyncIterator[list[str]]:
    """A node that uses 1.5 cores, a quarter of one in its pod; yields the questions that it gets."""
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path_qs)
        started = "2026-01-01T00:00:00Z"
        main = {"name": "main", "startTime": started, **used(0.25, 10)}
        side = {"name": "side", "startTime": started, **used(0.5, 5)}
        pods = [{"podRef": {"name": "web", "namespace": "default", "uid": "1"}, "containers": [main, side]}]
        told = {"node": {"nodeName": "here", **used(1.5, 1024)}, "pods": pods}
        return web.Response(body=encode(told), content_type="application/json")

    tls: ssl.SSLContext = node_tls(server, folder)
    async with serving(answer, tls=tls) as port:
        await add_node(wire, port)
        capacity = {"status": {"capacity": {"cpu": "4"}, "allocatable": {"cpu": "3", "memory": "2Gi"}}}
        await wire.send("PATCH", "/api/v1/nodes/here/status", capacity, content_type="application/merge-patch+json")
        await add_pod(wire, "web", "10.0.0.1", 80, labels={"app": "web"})
        yield asked


async def test_what_nodes_and_pods_use_is_read_like_any_other_kind(
    server: ApiServer, wire: Wire, tmp_path: Path
) -> None:
    async with measured(server, wire, tmp_path) as asked:
        node = (await wire.send("GET", f"{GROUP}/nodes/here")).json
        pods = (await wire.send("GET", f"{GROUP}/pods?labelSelector=app%3Dweb")).json
        others = (await wire.send("GET", f"{GROUP}/pods?labelSelector=app!%3Dweb")).json
        there = (await wire.send("GET", f"{GROUP}/namespaces/kube-system/pods")).json
        pod = (await wire.send("GET", f"{GROUP}/namespaces/default/pods/web")).json
        missing = await wire.send("GET", f"{GROUP}/namespaces/default/pods/none")
        table = (await wire.send("GET", f"{GROUP}/namespaces/default/pods", accept=TABLE)).json

    assert node["usage"]["memory"] == "1Gi"
    assert node["usage"]["cpu"].rstrip("n").startswith(("1500", "1499")) or node["usage"]["cpu"] == "1500m"
    assert pods["kind"] == "PodMetricsList"
    assert [item["metadata"]["name"] for item in pods["items"]] == ["web"]
    assert (others["items"], there["items"]) == ([], [])
    assert {each["name"]: each["usage"]["memory"] for each in pod["containers"]} == {"main": "10Mi", "side": "5Mi"}
    assert missing.status == 404
    assert missing.json["message"] == 'pods.metrics.k8s.io "none" not found'
    assert table["rows"][0]["cells"][0] == "web"
    assert asked == ["/stats/summary?only_cpu_and_memory=true"] * 2, "two readings serve all of it"


async def test_nothing_can_be_written_or_watched_and_nothing_follows_from_it(wire: Wire) -> None:
    """The garbage collector and the end of a namespace go by the verbs that discovery tells."""
    resources = (await wire.send("GET", GROUP)).json["resources"]

    assert {resource["name"]: resource["verbs"] for resource in resources} == {
        "nodes": ["get", "list"],
        "pods": ["get", "list"],
    }
    assert (await wire.send("GET", f"{GROUP}/pods?watch=1")).status == 405
    assert (await wire.send("POST", f"{GROUP}/namespaces/default/pods", {"metadata": {"name": "x"}})).status == 405
    assert (await wire.send("DELETE", f"{GROUP}/namespaces/default/pods")).status == 405


async def test_a_silent_node_is_left_out_and_the_others_are_told(server: ApiServer, wire: Wire, tmp_path: Path) -> None:
    async with measured(server, wire, tmp_path):
        await add_node(wire, 1, "dead")
        nodes = (await wire.send("GET", f"{GROUP}/nodes")).json["items"]

    assert [node["metadata"]["name"] for node in nodes] == ["here"]


NONSENSE = (b"{", b"[]", b'{"node":{}}', b'{"node":{"cpu":{"time":"now"}}}', b" " * (SUMMARY_MAX_BYTES + 1) + b"{}")


async def test_nodes_that_tell_nonsense_are_left_out_too(server: ApiServer, wire: Wire, tmp_path: Path) -> None:
    def telling(nonsense: bytes) -> Handler:
        async def answer(_request: web.BaseRequest) -> web.StreamResponse:
            return web.Response(body=nonsense, content_type="application/json")

        return answer

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(measured(server, wire, tmp_path))
        for number, nonsense in enumerate(NONSENSE):
            tls = node_tls(server, tmp_path, f"odd-{number}")
            port = await stack.enter_async_context(serving(telling(nonsense), tls=tls))
            await add_node(wire, port, f"odd-{number}")
        nodes = await wire.send("GET", f"{GROUP}/nodes")

    assert [node["metadata"]["name"] for node in nodes.json["items"]] == ["here"]


async def test_kubectl_top_of_every_version_shows_it(server: ApiServer, wire: Wire, tmp_path: Path) -> None:
    programs = [program for version in KUBECTLS if (program := binary(version))]
    if not programs:
        pytest.skip("this machine has no kubectl of several versions")
    questions = (["top", "nodes"], ["top", "pods", "--containers"], ["top", "pods", "-A", "-l", "app=web", "--sum"])

    async with measured(server, wire, tmp_path):
        for program in programs:
            kubectl = kubectl_for(program, server, tmp_path)
            told = await asyncio.gather(*(kubectl(*question) for question in questions))

            rows = [[line.split() for line in output.splitlines()] for _, output in told]
            assert [code for code, _ in told] == [0, 0, 0], (program, told)
            assert rows[0][1][0] == "here", (program, told)
            assert rows[0][1][2:] == ["50%", "1024Mi", "50%"], (program, told)
            assert sorted(row[:2] for row in rows[1][1:]) == [["web", "main"], ["web", "side"]], (program, told)
            assert rows[2][1][:2] == ["default", "web"], (program, told)
            assert rows[2][1][3] == "15Mi", (program, told)
