"""Rules in the kernel: real connections from pods, hosts and outside, counted by who answered."""

import asyncio
import errno
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

import pytest
from msgspec.structs import replace

from kube.api.core_v1 import (
    ClientIPConfig,
    LoadBalancerIngress,
    LoadBalancerStatus,
    Service,
    ServiceStatus,
    SessionAffinityConfig,
)
from kube.api.discovery_v1 import EndpointSlice
from kube.objects import ObjectKey
from nodeagent.network import hosts, namespaces
from nodeagent.proxy.rules import NodeView, Rules, plan
from nodeagent.proxy.table import ProxyTable
from tests.network.world import CLUSTER_CIDR, Node, Pod, World, ask, count, open_socket
from tests.proxy.make import endpoint, endpoints, port, service

pytestmark = pytest.mark.root

VIP = IPv4Address("10.150.0.10")


@dataclass
class Balanced:
    """A node with two servers and a client behind rules."""

    world: World
    node: Node
    table: ProxyTable
    a: Pod
    b: Pod
    client: Pod

    def apply(self, *objects: Service | EndpointSlice) -> Rules:
        services = [obj for obj in objects if isinstance(obj, Service)]
        slices = [obj for obj in objects if isinstance(obj, EndpointSlice)]
        rules = plan(services, slices, NodeView("node-0"))
        gone = {frontend: None for frontend in self.table.rules if frontend not in rules}
        self.table.update({**gone, **rules})
        return rules

    def both(self, **slice_of: Any) -> EndpointSlice:
        return endpoints(endpoint(self.a.ip), endpoint(self.b.ip), **slice_of)

    def ruleset(self) -> str:
        return run_on(self.node, "nft", "list", "table", "ip", self.table.name)


def run_on(node: Node, *command: str) -> str:
    path = f"--net={node.host.netns_path}"
    return subprocess.run(["nsenter", path, *command], capture_output=True, text=True, check=True).stdout


@pytest.fixture
async def balanced(world: World) -> AsyncIterator[Balanced]:
    node = await world.add_node()
    a, b, client = [await world.add_pod(node, name) for name in ("a", "b", "client")]
    await world.serve(a)
    await world.serve(b)
    table = namespaces.run_in(node.host.netns_path, lambda: ProxyTable(f"wherry-{world.prefix}-proxy", CLUSTER_CIDR))
    table.replace({})
    yield Balanced(world, node, table, a, b, client)
    table.remove()
    table.close()


async def refusal(path: str | None, address: IPv4Address | str, number: int) -> int:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the caller compares the number.
        await ask(path, address, number)
    return caught.value.errno or 0


async def test_connections_of_a_pod_spread_over_the_endpoints_under_the_pods_own_address(balanced: Balanced) -> None:
    balanced.apply(service(), balanced.both())

    spread = await count(60, balanced.client.path, VIP, 80)

    assert set(spread) == {"a", "b"}
    assert min(spread.values()) >= 10
    assert (await ask(balanced.client.path, VIP, 80))[1] == str(balanced.client.ip)


async def test_processes_of_the_node_itself_reach_services(balanced: Balanced) -> None:
    balanced.apply(service(), balanced.both())

    assert set(await count(30, balanced.node.host.netns_path, VIP, 80)) == {"a", "b"}


async def test_a_client_outside_the_cluster_comes_under_the_nodes_address(balanced: Balanced) -> None:
    """Its answer must come back through this node, which alone knows the Service's address."""
    outside = hosts.create_host(balanced.world.cluster, 7)
    by_node = ["ip", "-n", outside.name, "route", "add", f"{VIP}/32", "via", str(balanced.node.host.address)]
    run_on(balanced.node, *by_node)
    balanced.apply(service(), balanced.both())

    assert (await ask(outside.netns_path, VIP, 80))[1] == str(balanced.node.network.gateway)


async def test_udp_is_balanced_too(balanced: Balanced) -> None:
    await balanced.world.serve(balanced.a, 5353, udp=True)
    await balanced.world.serve(balanced.b, 5353, udp=True)
    balanced.apply(service(ports=[port(53, "dns", "UDP")]), balanced.both(number=5353, port_name="dns", protocol="UDP"))

    assert set(await count(30, balanced.client.path, VIP, 53, udp=True)) == {"a", "b"}


async def test_endpoints_of_both_nodes_answer_pods_of_either(balanced: Balanced) -> None:
    other = await balanced.world.add_node()
    far = await balanced.world.add_pod(other, "far")
    await balanced.world.serve(far)

    balanced.apply(service(), endpoints(endpoint(balanced.a.ip), endpoint(far.ip, "node-1")))

    assert set(await count(30, balanced.client.path, VIP, 80)) == {"a", "far"}
    assert set(await count(30, balanced.node.host.netns_path, VIP, 80)) == {"a", "far"}


async def test_a_pod_reaches_itself_through_its_service(balanced: Balanced) -> None:
    """Hairpin: without translation the answer would come from the pod's own address and be thrown away."""
    balanced.apply(service(), endpoints(endpoint(balanced.a.ip)))

    assert await ask(balanced.a.path, VIP, 80) == ("a", str(balanced.node.network.gateway))


async def test_a_service_without_endpoints_refuses_at_once(balanced: Balanced) -> None:
    """A client must not wait for a timeout to learn that nobody is there."""
    balanced.apply(service())

    assert await refusal(balanced.client.path, VIP, 80) == errno.ECONNREFUSED
    assert await refusal(balanced.node.host.netns_path, VIP, 80) == errno.ECONNREFUSED


async def test_a_port_that_the_service_does_not_have_refuses_at_once(balanced: Balanced) -> None:
    balanced.apply(service(), balanced.both())

    assert await refusal(balanced.client.path, VIP, 81) == errno.ECONNREFUSED
    assert await refusal(balanced.node.host.netns_path, VIP, 81) == errno.ECONNREFUSED


async def test_a_service_gets_and_loses_its_endpoints(balanced: Balanced) -> None:
    balanced.apply(service())
    balanced.apply(service(), endpoints(endpoint(balanced.a.ip)))
    one = await count(10, balanced.client.path, VIP, 80)
    balanced.apply(service(), balanced.both())
    two = await count(40, balanced.client.path, VIP, 80)
    balanced.apply(service())

    assert one == {"a": 10}
    assert set(two) == {"a", "b"}
    assert await refusal(balanced.client.path, VIP, 80) == errno.ECONNREFUSED


async def test_a_node_port_answers_on_the_nodes_address_from_everywhere(balanced: Balanced) -> None:
    balanced.apply(service(type="NodePort", ports=[port(80, node_port=30080)]), balanced.both())
    address = balanced.node.host.address

    from_outside = await count(30, None, address, 30080)
    from_pod = await count(30, balanced.client.path, address, 30080)
    from_node = await count(30, balanced.node.host.netns_path, address, 30080)
    from_loopback = await count(30, balanced.node.host.netns_path, "127.0.0.1", 30080)

    assert set(from_outside) == set(from_pod) == set(from_node) == set(from_loopback) == {"a", "b"}


async def test_a_node_port_leads_to_pods_of_another_node(balanced: Balanced) -> None:
    other = await balanced.world.add_node()
    far = await balanced.world.add_pod(other, "far")
    await balanced.world.serve(far)
    balanced.apply(service(type="NodePort", ports=[port(80, node_port=30080)]), endpoints(endpoint(far.ip, "node-1")))

    assert await ask(None, balanced.node.host.address, 30080) == ("far", str(balanced.node.host.address))


async def test_an_empty_node_port_refuses_and_others_are_left_alone(balanced: Balanced) -> None:
    await balanced.world.serve_at(balanced.node.host.netns_path, "daemon", "0.0.0.0", 9100)
    balanced.apply(service(type="NodePort", ports=[port(80, node_port=30080)]))

    assert await refusal(None, balanced.node.host.address, 30080) == errno.ECONNREFUSED
    assert (await ask(None, balanced.node.host.address, 9100))[0] == "daemon"


async def test_local_external_traffic_keeps_the_clients_address(balanced: Balanced) -> None:
    spec: dict[str, Any] = {
        "type": "NodePort",
        "ports": [port(80, node_port=30080)],
        "external_traffic_policy": "Local",
    }
    balanced.apply(service(**spec), endpoints(endpoint(balanced.a.ip), endpoint(balanced.b.ip, "node-1")))
    address = balanced.node.host.address

    outside = [await ask(None, address, 30080) for _ in range(20)]

    assert set(outside) == {("a", str(balanced.node.host.gateway))}
    assert set(await count(30, balanced.client.path, address, 30080)) == {"a", "b"}
    assert set(await count(30, balanced.node.host.netns_path, address, 30080)) == {"a", "b"}


async def test_an_external_address_leads_to_the_service(balanced: Balanced) -> None:
    balanced.apply(service(external_ips=("198.51.100.7",)), balanced.both())

    assert set(await count(20, balanced.client.path, "198.51.100.7", 80)) == {"a", "b"}


async def test_only_the_named_sources_may_come_through_a_load_balancer(balanced: Balanced) -> None:
    def allowed(source: str) -> Service:
        made = service(type="LoadBalancer", load_balancer_source_ranges=(source,))
        ingress = LoadBalancerStatus(ingress=(LoadBalancerIngress(ip="198.51.100.8"),))
        return replace(made, status=ServiceStatus(load_balancer=ingress))

    balanced.apply(allowed(f"{balanced.client.ip}/32"), balanced.both())
    welcome = await count(10, balanced.client.path, "198.51.100.8", 80)
    balanced.apply(allowed("203.0.113.0/24"), balanced.both())

    with open_socket(balanced.client.path) as sock, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await asyncio.get_running_loop().sock_connect(sock, ("198.51.100.8", 80))
    assert welcome.total() == 10


async def test_a_sticky_client_stays_with_its_endpoint_until_that_is_gone(balanced: Balanced) -> None:
    sticky = service(session_affinity="ClientIP")
    balanced.apply(sticky, balanced.both())
    (first,) = await count(20, balanced.client.path, VIP, 80)
    rest = balanced.b if first == "a" else balanced.a

    balanced.apply(sticky, endpoints(endpoint(rest.ip)))
    (second,) = await count(10, balanced.client.path, VIP, 80)
    balanced.apply(sticky, balanced.both())

    assert second == rest.name
    assert set(await count(10, balanced.client.path, VIP, 80)) == {second}


async def test_sticky_clients_are_shared_out_fairly_and_forgotten_in_time(balanced: Balanced) -> None:
    config = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=1))
    balanced.apply(service(session_affinity="ClientIP", session_affinity_config=config), balanced.both())
    clients = [await balanced.world.add_pod(balanced.node, f"c{number}") for number in range(16)]

    choices = {(await ask(client.path, VIP, 80))[0] for client in clients}

    assert choices == {"a", "b"}
    assert "timeout 1s" in balanced.ruleset()


async def test_local_internal_traffic_uses_only_this_nodes_endpoints(balanced: Balanced) -> None:
    local = service(internal_traffic_policy="Local")
    balanced.apply(local, endpoints(endpoint(balanced.a.ip), endpoint(balanced.b.ip, "node-1")))

    assert set(await count(20, balanced.client.path, VIP, 80)) == {"a"}


async def test_a_udp_flow_moves_on_when_its_endpoint_is_gone(balanced: Balanced) -> None:
    """The kernel would keep sending a client's packets to a dead pod for as long as the client keeps trying."""
    await balanced.world.serve(balanced.a, 5353, udp=True)
    await balanced.world.serve(balanced.b, 5353, udp=True)
    dns = service(ports=[port(53, protocol="UDP")])
    balanced.apply(dns, endpoints(endpoint(balanced.a.ip), number=5353, protocol="UDP"))
    loop = asyncio.get_running_loop()
    with open_socket(balanced.client.path, udp=True) as sock:
        async with asyncio.timeout(5):
            await loop.sock_connect(sock, (str(VIP), 53))
            await loop.sock_sendall(sock, b"?")
            before = await loop.sock_recv(sock, 100)
            balanced.apply(dns, endpoints(endpoint(balanced.b.ip), number=5353, protocol="UDP"))
            await loop.sock_sendall(sock, b"?")
            after = await loop.sock_recv(sock, 100)

    assert (before.split()[0], after.split()[0]) == (b"a", b"b")


async def test_an_open_connection_survives_changes_and_a_full_rewrite(balanced: Balanced) -> None:
    """A restarted proxy must not cut what is being said."""
    rules = balanced.apply(service(), endpoints(endpoint(balanced.a.ip)))
    loop = asyncio.get_running_loop()
    with open_socket(balanced.client.path) as sock:
        async with asyncio.timeout(5):
            await loop.sock_connect(sock, (str(VIP), 80))
            balanced.table.replace(rules)
            balanced.apply(service(), endpoints(endpoint(balanced.b.ip)))
            await loop.sock_sendall(sock, b"?")

            assert (await loop.sock_recv(sock, 100)).split()[0] == b"a"


async def test_changes_one_by_one_end_in_the_same_table_as_a_full_rewrite(balanced: Balanced) -> None:
    """Else rules would rot with every change until the next restart."""
    steps: list[list[Service | EndpointSlice]] = [
        [service(), balanced.both()],
        [service(session_affinity="ClientIP"), balanced.both()],
        [service(type="NodePort", ports=[port(80, node_port=30080)]), endpoints(endpoint(balanced.a.ip))],
        [service(external_traffic_policy="Local", type="NodePort", ports=[port(80, node_port=30080)]), balanced.both()],
        [service(), service("other", "10.150.0.11"), balanced.both(), balanced.both(of="other")],
        [service("other", "10.150.0.11"), endpoints(endpoint(balanced.b.ip), of="other")],
    ]
    for step in steps:
        rules = balanced.apply(*step)
        grown = balanced.ruleset()
        balanced.table.replace(rules)

        assert sorted(grown.split()) == sorted(balanced.ruleset().split())


async def test_a_table_that_somebody_deleted_is_written_anew_with_the_next_change(balanced: Balanced) -> None:
    balanced.apply(service(), balanced.both())
    run_on(balanced.node, "nft", "delete", "table", "ip", balanced.table.name)
    assert not balanced.table.is_present()

    balanced.apply(service(), service("other", "10.150.0.11"), balanced.both(), balanced.both(of="other"))

    assert set(await count(20, balanced.client.path, VIP, 80)) == {"a", "b"}
    assert set(await count(20, balanced.client.path, "10.150.0.11", 80)) == {"a", "b"}


async def test_removing_the_rules_leaves_other_tables_alone(balanced: Balanced) -> None:
    """Several clusters share a machine: removing one's rules is one table."""
    before = run_on(balanced.node, "nft", "list", "tables")

    balanced.table.remove()
    balanced.table.remove()

    after = run_on(balanced.node, "nft", "list", "tables")
    assert set(before.splitlines()) - set(after.splitlines()) == {f"table ip {balanced.table.name}"}


async def test_cluster_dns_has_one_address_for_all_and_the_own_node_answers(balanced: Balanced) -> None:
    """Pods know 10.150.0.10 on every node; no question crosses the network."""
    gateway = balanced.node.network.gateway
    assert gateway is not None
    await balanced.world.serve_at(balanced.node.host.netns_path, "dns", str(gateway), 53, udp=True)
    node = NodeView("node-0", {ObjectKey("kube-system", "kube-dns"): gateway})
    dns = service("kube-dns", ports=[port(53, "dns", "UDP")], namespace="kube-system")

    balanced.table.update(plan([dns], [], node))

    assert await ask(balanced.client.path, VIP, 53, udp=True) == ("dns", str(balanced.client.ip))
    assert (await ask(balanced.node.host.netns_path, VIP, 53, udp=True))[0] == "dns"
    assert (await ask(balanced.client.path, gateway, 53, udp=True))[0] == "dns"
