"""The way to other nodes' pods, as a plan."""

from ipaddress import IPv4Address, IPv4Network

from nodeagent.network.routes import Changes, NodeRoute, Paths, Uplink, paths_to, plan
from nodeagent.network.rtnetlink import Neighbour, Route

NODE = NodeRoute("b", IPv4Address("192.0.2.12"), IPv4Network("10.1.2.0/24"))


def test_without_an_overlay_a_nodes_pods_are_behind_its_address() -> None:
    paths = paths_to([(NODE, Uplink(3, is_overlay=False))])

    assert paths == Paths(frozenset({Route(NODE.pod_cidr, NODE.address, 3)}))


def test_with_an_overlay_both_ends_of_the_tunnel_are_known_without_being_told() -> None:
    paths = paths_to([(NODE, Uplink(7, is_overlay=True))])

    end, mac = IPv4Address("10.1.2.0"), "0a:58:0a:01:02:00"
    assert paths.routes == {Route(NODE.pod_cidr, end, 7)}
    assert paths.neighbours == {
        Neighbour(7, end, mac, is_forwarding=False),
        Neighbour(7, NODE.address, mac, is_forwarding=True),
    }


def test_only_differences_are_applied() -> None:
    kept, gone = (Route(IPv4Network(f"10.1.{n}.0/24"), NODE.address, 3) for n in (4, 5))
    wanted = paths_to([(NODE, Uplink(3, is_overlay=False))])

    changes = plan(Paths(wanted.routes | {kept}), Paths(frozenset({kept, gone})))

    assert changes == Changes(frozenset({gone}), frozenset(), frozenset(), wanted.routes)
