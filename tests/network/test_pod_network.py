"""Pods on a bridge, in real namespaces."""

import asyncio
import json
import socket
import struct
import subprocess
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

import pytest

from nodeagent.network import namespaces
from nodeagent.network.addresses import NoAddressLeft
from nodeagent.network.netlink import NetlinkError
from nodeagent.network.network import NetworkSettings, PodNetwork
from nodeagent.network.routes import NodeRoute
from nodeagent.network.rtnetlink import mac_bytes
from tests.network.world import CLUSTER_CIDR, World, ask, open_socket

pytestmark = pytest.mark.root


def shell(path: str, *command: str) -> str:
    """Run a command of the machine in a namespace: the oracle."""
    ran = subprocess.run(["nsenter", f"--net={path}", *command], capture_output=True, text=True, check=True)
    return ran.stdout


async def test_pods_of_one_node_see_each_other_under_their_own_addresses(world: World) -> None:
    node = await world.add_node()
    server, client = await world.add_pod(node, "server"), await world.add_pod(node, "client")
    await world.serve(server)

    assert await ask(client.path, server.ip, 8080) == ("server", str(client.ip))


@pytest.mark.parametrize("overlay", ["routes", "vxlan"])
async def test_pods_of_two_nodes_see_each_other_under_their_own_addresses(
    world: World, overlay: Literal["routes", "vxlan"]
) -> None:
    """Kubernetes' network model: no address translation between pods."""
    first, second = await world.add_node(overlay), await world.add_node(overlay)
    server, client = await world.add_pod(first, "server"), await world.add_pod(second, "client")
    await world.serve(server)

    assert await ask(client.path, server.ip, 8080) == ("server", str(client.ip))
    assert await ask(second.host.netns_path, server.ip, 8080) is not None


async def test_a_large_packet_fits_through_the_overlay(world: World) -> None:
    """A pod's largest packet leaves room for the vxlan header, or connections would hang in the middle."""
    node = await world.add_node("vxlan")
    pod = await world.add_pod(node, "pod")

    assert "mtu 1450" in shell(pod.path, "ip", "link", "show", "eth0")


async def test_a_pod_reaches_what_is_outside_under_its_nodes_address(world: World) -> None:
    node = await world.add_node()
    pod = await world.add_pod(node, "pod")
    await world.serve_at("/proc/self/ns/net", "outside", str(node.host.gateway), 18080)

    assert await ask(pod.path, node.host.gateway, 18080) == ("outside", str(node.host.address))


async def test_a_node_reaches_its_pods_and_pods_their_node(world: World) -> None:
    """Probes come from the node, and host-network daemons are asked by pods."""
    node = await world.add_node()
    pod = await world.add_pod(node, "pod")
    await world.serve(pod)
    await world.serve_at(node.host.netns_path, "node", "0.0.0.0", 9100)

    assert (await ask(node.host.netns_path, pod.ip, 8080))[0] == "pod"
    assert await ask(pod.path, node.host.address, 9100) == ("node", str(pod.ip))


def links(namespace: str) -> list[tuple[str, str]]:
    """Return the names and hardware addresses of links: whether one is up yet changes by itself."""
    words = (line.split() for line in shell(namespace, "ip", "-br", "link").splitlines())
    return [(name, address) for name, _, address, *_ in words]


async def test_attaching_a_pod_again_changes_nothing(world: World) -> None:
    node = await world.add_node()
    pod = await world.add_pod(node, "pod")
    before = links(pod.path)

    again = await node.network.attach("pod", pod.path)

    assert again.ip == pod.ip
    assert links(pod.path) == before


async def test_a_restarted_node_agent_knows_the_address_of_every_living_pod(world: World) -> None:
    """No address is given twice and none is lost, with no file to keep in step."""
    node = await world.add_node()
    living, gone = await world.add_pod(node, "living"), await world.add_pod(node, "gone")
    await node.network.detach("gone")
    await node.network.settle()
    restarted = PodNetwork(world.settings(0))
    await restarted.setup()
    await restarted.set_pod_cidr("10.180.0.0/24")

    known = await restarted.addresses()
    others = [await restarted.attach(f"new-{n}", world.add_namespace(f"new-{n}")) for n in range(3)]
    again = await restarted.attach("living", living.path)
    await restarted.close()

    assert known == {"living": living.ip}
    assert again.ip == living.ip
    assert living.ip not in {other.ip for other in others}
    assert gone.ip != living.ip


async def test_a_link_whose_making_was_cut_short_is_removed_at_the_next_start(world: World) -> None:
    node = await world.add_node()
    stray = f"{world.prefix}p00000000"
    shell(node.host.netns_path, "ip", "link", "add", stray, "type", "veth", "peer", "name", "stray")
    restarted = PodNetwork(world.settings(0))

    await restarted.setup()
    await restarted.set_pod_cidr("10.180.0.0/24")
    await restarted.close()

    assert stray not in shell(node.host.netns_path, "ip", "link")


async def test_a_pod_whose_namespace_came_anew_gets_its_link_anew(world: World) -> None:
    """A sandbox that is made again under the same id must not be left without a network."""
    node = await world.add_node()
    pod = await world.add_pod(node, "pod")
    fresh = world.add_namespace("fresh")

    again = await node.network.attach("pod", fresh)

    assert again.ip == pod.ip
    assert str(pod.ip) in shell(fresh, "ip", "address")


async def test_detaching_removes_the_link_and_may_be_repeated(world: World) -> None:
    node = await world.add_node()
    pod = await world.add_pod(node, "pod")

    await node.network.detach("pod")
    await node.network.detach("pod")
    await node.network.settle()

    assert "eth0" not in shell(pod.path, "ip", "link")
    assert f"{world.prefix}p" not in shell(node.host.netns_path, "ip", "link")


async def test_an_address_is_taken_until_its_link_is_gone(world: World) -> None:
    """Otherwise two pods would answer for it."""
    node = await world.add_node()
    await world.add_pod(node, "pod")

    await node.network.detach("pod")
    known = await node.network.addresses()
    is_linked = f"{world.prefix}p" in shell(node.host.netns_path, "ip", "link")
    await node.network.settle()

    assert "pod" in known or not is_linked
    assert await node.network.addresses() == {}


async def test_pods_that_leave_at_once_leave_together(world: World) -> None:
    node = await world.add_node()
    stays, *leaving = [await world.add_pod(node, f"pod-{number}") for number in range(6)]

    await asyncio.gather(*(node.network.detach(pod.name) for pod in leaving), node.network.detach("unknown"))
    await node.network.settle()

    assert await node.network.addresses() == {stays.name: stays.ip}
    assert shell(node.host.netns_path, "ip", "-o", "link").count(f"{world.prefix}p") == 1


async def test_a_failed_attach_leaves_no_link_and_no_address_behind(world: World) -> None:
    node = await world.add_node()

    with pytest.raises(OSError, match="No such file"):
        await node.network.attach("pod", "/run/netns/there-is-no-such-namespace")

    assert await node.network.addresses() == {}
    assert f"{world.prefix}p" not in shell(node.host.netns_path, "ip", "link")


async def test_a_pod_beyond_the_last_address_is_told_so(world: World) -> None:
    network = PodNetwork(world.settings(0))
    await network.setup()
    await network.set_pod_cidr("10.180.0.0/29")
    for number in range(5):
        await network.attach(f"pod-{number}", world.add_namespace(str(number)))

    with pytest.raises(NoAddressLeft, match=r"10\.180\.0\.0/29: all 5 addresses have pods"):
        await network.attach("one-more", world.add_namespace("one-more"))

    await network.teardown()
    await network.close()


async def test_teardown_finds_everything_by_name_without_any_state(world: World) -> None:
    """`down --purge` works after a crash, and with the state directory deleted."""
    first, second = await world.add_node("vxlan"), await world.add_node("vxlan")
    await world.add_pod(first, "pod")
    stranger = PodNetwork(world.settings(0, "vxlan"))

    await stranger.teardown()
    await stranger.teardown()
    await stranger.close()

    path = first.host.netns_path
    assert world.prefix not in shell(path, "ip", "link")
    assert "10.180" not in shell(path, "ip", "route")
    assert shell(path, "nft", "list", "ruleset") == ""
    assert "10.180" in shell(second.host.netns_path, "ip", "route")


async def test_routes_to_a_node_that_has_gone_are_removed(world: World) -> None:
    first, second = await world.add_node("vxlan"), await world.add_node("vxlan")
    path = first.host.netns_path
    before = shell(path, "bridge", "fdb", "show", "dev", f"{world.prefix}v")

    await first.network.sync_routes([])

    assert str(second.host.address) in before
    assert str(second.host.address) not in shell(path, "bridge", "fdb", "show", "dev", f"{world.prefix}v")
    assert "10.180.1.0/24" not in shell(path, "ip", "route")
    assert "10.180.0.0/24" in shell(path, "ip", "route")
    assert "10.150.0.0/16" in shell(path, "ip", "route")


async def test_a_node_that_can_not_be_reached_keeps_no_other_from_it(world: World) -> None:
    first, second = await world.add_node(), await world.add_node()
    far = NodeRoute("far", IPv4Address("198.51.100.9"), IPv4Network("10.180.77.0/24"))
    shell(first.host.netns_path, "ip", "route", "add", "unreachable", "198.51.100.0/24")
    await first.network.sync_routes([])

    left_out = await first.network.sync_routes([far, second.route])

    assert [route.name for route in left_out] == ["far"]
    assert "10.180.1.0/24" in shell(first.host.netns_path, "ip", "route")
    assert await first.network.sync_routes([second.route]) == []


async def test_a_service_range_that_has_a_route_already_is_refused_by_name(world: World) -> None:
    settings = world.settings(0)
    assert settings.namespace is not None
    shell(settings.namespace, "ip", "route", "add", "10.150.0.0/16", "dev", "eth0")
    network = PodNetwork(settings)
    await network.setup()

    with pytest.raises(OSError, match=r"service CIDR 10\.150\.0\.0/16: this machine has a route there already"):
        await network.set_pod_cidr("10.180.0.0/24")

    await network.teardown()
    await network.close()


async def test_a_pod_range_that_another_link_uses_is_refused_by_name(world: World) -> None:
    """Two clusters on one machine with one range would take each other's packets."""
    settings = world.settings(0)
    assert settings.namespace is not None
    shell(settings.namespace, "ip", "link", "add", "other0", "type", "bridge")
    shell(settings.namespace, "ip", "address", "add", "10.180.0.1/24", "dev", "other0")
    network = PodNetwork(settings)
    await network.setup()

    with pytest.raises(OSError, match=r"pod CIDR 10\.180\.0\.0/24: link other0 of this machine has 10\.180\.0\.1"):
        await network.set_pod_cidr("10.180.0.0/24")

    await network.teardown()
    await network.close()


async def test_setup_may_be_repeated_and_the_pod_cidr_cannot_change(world: World) -> None:
    node = await world.add_node()

    await node.network.setup()
    await node.network.set_pod_cidr("10.180.0.0/24")

    with pytest.raises(ValueError, match=r"this node has 10\.180\.0\.0/24, not 10\.9\.0\.0/24"):
        await node.network.set_pod_cidr("10.9.0.0/24")


async def test_a_neighbour_cannot_reach_what_listens_on_loopback(world: World) -> None:
    """route_localnet would open 127.0.0.1 to the network (CVE-2020-8558); the guard keeps it shut."""
    node = await world.add_node()
    pod = await world.add_pod(node, "pod")
    with open_socket(node.host.netns_path, udp=True) as private:
        private.bind(("127.0.0.1", 9999))
        with namespaces.run_in(pod.path, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)) as wire:
            bridge = json.loads(shell(node.host.netns_path, "ip", "-j", "link", "show", f"{world.prefix}0"))
            gateway = "eth0", 0x0800, 0, 0, mac_bytes(bridge[0]["address"])
            wire.sendto(udp_packet(pod.ip, IPv4Address("127.0.0.1"), 9999), gateway)
        with open_socket(node.host.netns_path, udp=True) as own:
            own.sendto(b"own", ("127.0.0.1", 9999))

        assert private.recv(100) == b"own"


def udp_packet(source: IPv4Address, destination: IPv4Address, port: int) -> bytes:
    """Build an IP packet that no honest stack would send."""
    udp = struct.pack("!HHHH", 4000, port, 14, 0) + b"forged"
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 34, 0, 0, 64, 17, 0, source.packed, destination.packed)
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack("!H", 0xFFFF - total) + head[12:] + udp


def test_a_bad_prefix_and_an_overlay_without_an_address_are_refused() -> None:
    with pytest.raises(ValueError, match="use a letter and up to five more"):
        NetworkSettings(prefix="much-too-long", cluster_cidr=CLUSTER_CIDR)
    with pytest.raises(ValueError, match="vxlan needs the node's own address"):
        NetworkSettings(prefix="w", cluster_cidr=IPv4Network("10.180.0.0/16"), overlay="vxlan")


async def test_the_kernels_own_reason_is_in_the_error(world: World) -> None:
    network = PodNetwork(world.settings(0))

    with pytest.raises(NetlinkError, match="not there; set the node's network up first"):
        await network.set_pod_cidr("10.180.0.0/24")

    await network.close()


async def test_pods_of_one_node_are_never_told_a_shorter_way(world: World) -> None:
    """Answers must come back through the gateway, which translates service addresses: no ICMP redirects."""
    node = await world.add_node()
    switches = ("all", f"{world.prefix}0")

    assert {
        shell(node.host.netns_path, "cat", f"/proc/sys/net/ipv4/conf/{name}/send_redirects").strip()
        for name in switches
    } == {"0"}
