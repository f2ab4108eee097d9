"""What load balancers hear of a node's endpoints."""

import asyncio
import json
from pathlib import Path

import pytest

from kube.api.core_v1 import Service
from kube.objects import ObjectKey
from kube.runner import Runner
from nodeagent.network import namespaces
from nodeagent.proxy.health_ports import WEIGHT_HEADER, Health, HealthPorts, health_of
from nodeagent.proxy.services import service_informers
from tests.kube.fake_client import FakeClient
from tests.network.world import Node, World, open_socket
from tests.proxy.make import endpoint, endpoints, service


def balanced(name: str = "web", port: int = 30_999) -> Service:
    return service(name, type="LoadBalancer", external_traffic_policy="Local", health_check_node_port=port)


def test_only_ready_endpoints_on_this_node_count_each_address_once() -> None:
    slices = [
        endpoints(
            endpoint("10.180.0.2"),
            endpoint("10.180.0.3", ready=None),
            endpoint("10.180.0.4", ready=False, serving=True, terminating=True),
            endpoint("10.180.1.2", node="node-1"),
        ),
        endpoints(endpoint("10.180.0.2"), name="web-2", number=8443),
    ]

    assert health_of(balanced(), slices, "node-0") == Health(ObjectKey("default", "web"), 30_999, 2)


def test_a_service_without_a_health_port_is_not_spoken_of() -> None:
    assert health_of(service(), [endpoints(endpoint("10.180.0.2"))], "node-0") is None
    assert health_of(None, [], "node-0") is None


async def asked(node: Node, port: int) -> tuple[int, dict[str, str], dict[str, object]]:
    """Return status, headers and body of what the node says on a port."""
    with open_socket(node.host.netns_path) as sock:
        await asyncio.get_running_loop().sock_connect(sock, (str(node.host.address), port))
        reader, writer = await asyncio.open_connection(sock=sock.dup())
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    first, *lines = head.split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


async def until_told(node: Node, port: int, status: int) -> tuple[dict[str, str], dict[str, object]]:
    async with asyncio.timeout(10):
        while True:
            try:
                found, headers, body = await asked(node, port)
                if found == status:
                    return headers, body
            except ConnectionRefusedError:
                pass  # Not open yet.
            await asyncio.sleep(0.01)


async def until_closed(node: Node, port: int) -> None:
    """Wait until nobody listens on a port, without connecting: whoever comes while it closes may wait for ever."""
    async with asyncio.timeout(10):
        while f":{port:04X} 00000000:0000 0A" in namespaces.run_in(node.host.netns_path, _connections):
            await asyncio.sleep(0.01)


def _connections() -> str:
    return Path("/proc/thread-self/net/tcp").read_text()


@pytest.mark.root
async def test_a_node_tells_whether_it_has_endpoints_for_as_long_as_there_is_a_port(world: World) -> None:
    node = await world.add_node()
    api = FakeClient(balanced(), endpoints(endpoint("10.180.0.2")))
    informers = service_informers(api)
    async with Runner() as runner:
        informers.start(runner)
        runner.start("health ports", HealthPorts(informers, "node-0", node.host.netns_path).run)

        headers, body = await until_told(node, 30_999, 200)
        assert headers[WEIGHT_HEADER.lower()] == "1"
        assert body == {
            "service": {"namespace": "default", "name": "web"},
            "localEndpoints": 1,
            "serviceProxyHealthy": True,
        }

        api.put(endpoints(endpoint("10.180.0.2", ready=False, serving=True, terminating=True)))
        await until_told(node, 30_999, 503)

        api.put(balanced(port=31_000))
        await until_told(node, 31_000, 503)
        await until_closed(node, 30_999)

        await api.delete(Service, "web", namespace="default")
        await until_closed(node, 31_000)
