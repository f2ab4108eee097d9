"""What a real node tells of itself and its pods, to whom it tells it, and by which names."""

import json
import ssl
from typing import Any

import aiohttp
import pytest

from tests.nodeagent.real_node import Cluster, authority_of, sh, until

pytestmark = pytest.mark.root

BUSY = "head -c 3000000 /dev/zero > /tmp/written; head -c 2000000 /dev/zero > /data/kept; while true; do :; done"


async def told(cluster: Cluster, path: str) -> str:
    """Return what the node answers through the API server's proxy."""
    raw = await cluster.client.request_raw("GET", f"/api/v1/nodes/n1/proxy/{path}", accept="*/*")
    return raw.decode()


def samples(text: str) -> dict[str, float]:
    """Return the figures of a text for Prometheus by name and labels."""
    rows = (line.rsplit("}", 1) for line in text.splitlines() if "}" in line and not line.startswith("#"))
    return {head + "}": float(rest.split()[0]) for head, rest in rows}


async def test_figures_of_pods_are_told_in_all_the_forms_that_tools_read(cluster: Cluster) -> None:
    volume = {"volumes": [{"name": "data", "emptyDir": {}}]}
    mounted = sh(BUSY, volumeMounts=[{"name": "data", "mountPath": "/data"}])
    await cluster.run("busy", mounted, **volume)
    await cluster.wait_ready("busy")
    key = '{container="main",namespace="default",pod="busy"}'

    async def figures() -> dict[str, float]:
        return samples(await told(cluster, "metrics/resource"))

    async def has_worked() -> bool:
        return (await figures()).get(f"container_cpu_usage_seconds_total{key}", 0) > 0.1

    await until(has_worked, "CPU time")
    seen = await figures()
    assert seen[f"container_memory_working_set_bytes{key}"] > 0
    assert seen[f"container_start_time_seconds{key}"] > 1.7e9
    assert seen['pod_cpu_usage_seconds_total{namespace="default",pod="busy"}'] > 0.1
    text = await told(cluster, "metrics/resource")
    assert "\nnode_cpu_usage_seconds_total " in text
    assert "\nnode_memory_working_set_bytes " in text

    cadvisor = await told(cluster, "metrics/cadvisor")
    assert "\nmachine_cpu_cores " in cadvisor
    own = [name for name in samples(cadvisor) if 'pod="busy"' in name and 'namespace="default"' in name]
    for name in ("container_cpu_usage_seconds_total", "container_memory_rss", "container_fs_usage_bytes"):
        assert [found for found in own if found.startswith(name + "{") and 'container="main"' in found], name
    assert [name for name in own if name.startswith("container_network_receive_bytes_total{")]

    summary: dict[str, Any] = json.loads(await told(cluster, "stats/summary"))
    assert summary["node"]["nodeName"] == "n1"
    assert summary["node"]["memory"]["workingSetBytes"] > 0
    assert summary["node"]["rlimit"]["curproc"] > 1
    (pod,) = (pod for pod in summary["pods"] if pod["podRef"]["name"] == "busy")
    assert pod["containers"][0]["rootfs"]["usedBytes"] >= 3_000_000
    assert {item["name"]: item["usedBytes"] >= 2_000_000 for item in pod["volume"]}["data"]
    assert pod["ephemeral-storage"]["usedBytes"] >= 5_000_000
    assert pod["network"]["interfaces"]
    brief = json.loads(await told(cluster, "stats/summary?only_cpu_and_memory=true"))
    assert "rootfs" not in brief["pods"][0]["containers"][0]

    assert "kubelet_running_pods " in await told(cluster, "metrics")
    assert json.loads(await told(cluster, "configz"))["kubeletconfig"]["nodeName"] == "n1"
    assert "busy" in [pod["metadata"]["name"] for pod in json.loads(await told(cluster, "pods"))["items"]]
    assert await told(cluster, "healthz") == "ok"
    await cluster.delete("busy")


async def asked(cluster: Cluster, path: str, token: str = "") -> int:
    """Return how the node itself answers somebody without a certificate."""
    tls = ssl.create_default_context(cadata=authority_of(cluster.machine.folder).certificate_pem)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"https://{cluster.machine.host.address}:10250/{path}"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=tls, headers=headers) as answer:
        return answer.status


async def test_a_node_answers_those_whom_the_api_server_knows_and_allows(cluster: Cluster) -> None:
    """Prometheus comes with a token, not with a certificate."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = "/api/v1/namespaces/default/serviceaccounts/default/token"
    raw = await cluster.client.request_raw("POST", path, body=json.dumps(body).encode())
    token = json.loads(raw)["status"]["token"]

    assert await asked(cluster, "metrics") == 401
    assert await asked(cluster, "metrics", "no.such.token") == 401
    assert await asked(cluster, "metrics", token) == 403
