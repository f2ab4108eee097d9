"""Hosts in network namespaces of this machine."""

import subprocess
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from nodeagent.network import hosts
from tests.network.world import World, ask

pytestmark = pytest.mark.root


async def test_hosts_see_the_machine_and_each_other(world: World) -> None:
    first, second = hosts.create_host(world.cluster, 0), hosts.create_host(world.cluster, 1)
    await world.serve_at("/proc/self/ns/net", "machine", str(first.gateway), 18443)
    await world.serve_at(second.netns_path, "second", str(second.address), 10250)

    assert await ask(first.netns_path, first.gateway, 18443) == ("machine", str(first.address))
    assert await ask(first.netns_path, second.address, 10250) == ("second", str(first.address))
    assert (await ask(None, second.address, 10250))[0] == "second"


async def test_the_machine_reaches_the_pods_on_hosts_once_it_is_led_to_them(world: World) -> None:
    node = await world.add_node()
    pod = await world.add_pod(node, "web")
    address, port = await world.serve(pod)

    hosts.lead_to_pods(world.cluster, [node.route])
    hosts.lead_to_pods(world.cluster, [node.route])

    assert (await ask(None, address, port))[0] == "web"


def test_making_a_host_again_returns_it_as_it_is(world: World) -> None:
    first = hosts.create_host(world.cluster, 0)
    inside = subprocess.run(["ip", "-n", first.name, "link"], capture_output=True, text=True, check=True).stdout

    assert hosts.create_host(world.cluster, 0) == first
    assert subprocess.run(["ip", "-n", first.name, "link"], capture_output=True, text=True, check=True).stdout == inside


def test_two_clusters_have_networks_of_their_own(world: World) -> None:
    other = f"{world.cluster}-other"
    try:
        mine, theirs = hosts.create_host(world.cluster, 0), hosts.create_host(other, 0)

        assert theirs.address not in IPv4Network((int(mine.address), 24), strict=False)

        hosts.remove_hosts(other)
        assert not Path(theirs.netns_path).exists()
        assert Path(mine.netns_path).exists()
    finally:
        hosts.remove_hosts(other)


def test_removing_hosts_may_be_repeated(world: World) -> None:
    hosts.create_host(world.cluster, 0)

    hosts.remove_hosts(world.cluster)
    hosts.remove_hosts(world.cluster)

    assert world.leftovers() == []


def test_a_host_number_out_of_range_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="use 0 to 199"):
        hosts.create_host(world.cluster, 200)
