"""Ports of the host that lead to a pod."""

import errno
import subprocess

import pytest

from nodeagent.network.host_ports import HostPort
from nodeagent.network.network import PodNetwork
from tests.network.world import World, ask

pytestmark = pytest.mark.root

WEB = HostPort("TCP", 8088, 8080)


async def test_a_host_port_leads_to_the_pod_from_outside_from_pods_and_from_the_host(world: World) -> None:
    node = await world.add_node()
    pod, client = await world.add_pod(node, "pod"), await world.add_pod(node, "client")
    await node.network.attach("pod", pod.path, [WEB, HostPort("UDP", 5300, 53)])
    await world.serve(pod)
    await world.serve(pod, 53, udp=True)
    address, host = node.host.address, node.host.netns_path

    assert await ask(None, address, 8088) == ("pod", str(node.host.gateway))
    assert await ask(client.path, address, 8088) == ("pod", str(client.ip))
    assert (await ask(host, "127.0.0.1", 8088))[0] == "pod"
    assert (await ask(pod.path, address, 8088))[0] == "pod"
    assert (await ask(None, address, 5300, udp=True))[0] == "pod"


async def test_a_host_port_may_be_open_on_one_address_alone(world: World) -> None:
    node = await world.add_node()
    pod = await world.add_pod(node, "pod")
    await node.network.attach("pod", pod.path, [HostPort("TCP", 8088, 8080, node.network.gateway)])
    await world.serve(pod)

    assert (await ask(node.host.netns_path, node.network.gateway or "", 8088))[0] == "pod"
    with pytest.raises(ConnectionRefusedError):
        await ask(None, node.host.address, 8088)


async def test_a_host_port_that_another_pod_has_is_refused_and_leaves_nothing_behind(world: World) -> None:
    node = await world.add_node()
    first = await world.add_pod(node, "first")
    await node.network.attach("first", first.path, [WEB])

    with pytest.raises(OSError, match=f"host port 8088: the pod at {first.ip} has it") as caught:
        await node.network.attach("second", world.add_namespace("second"), [WEB, HostPort("TCP", 9, 9)])

    assert caught.value.errno == errno.EADDRINUSE
    assert await node.network.addresses() == {"first": first.ip}


async def test_host_ports_go_with_their_pod_and_survive_a_restarted_agent(world: World) -> None:
    node = await world.add_node()
    pod, other = await world.add_pod(node, "pod"), await world.add_pod(node, "other")
    await node.network.attach("pod", pod.path, [WEB])
    await world.serve(pod)
    await world.serve(other)
    restarted = PodNetwork(world.settings(0))
    await restarted.setup()
    await restarted.set_pod_cidr(node.pod_cidr)

    before = await ask(None, node.host.address, 8088)
    await restarted.detach("pod")
    await restarted.attach("other", other.path, [WEB])
    after = await ask(None, node.host.address, 8088)
    await restarted.close()

    assert (before[0], after[0]) == ("pod", "other")


async def test_nft_can_list_the_host_ports(world: World) -> None:
    node = await world.add_node()
    pod = await world.add_pod(node, "pod")
    await node.network.attach("pod", pod.path, [WEB])

    assert f"0.0.0.0 . tcp . 8088 : {pod.ip} . 8080" in listed(node.host.netns_path)


def listed(path: str) -> str:
    command = ["nsenter", f"--net={path}", "nft", "list", "ruleset"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
