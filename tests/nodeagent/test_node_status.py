"""What a node tells of itself."""

from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from kube.api.core_v1 import Node, NodeAddress, NodeCondition, NodeStatus, NodeSystemInfo
from kube.objects import condition
from kube.quantity import Quantity
from nodeagent.cri.values import RuntimeCondition
from nodeagent.machine import address_towards, capacity, huge_pages
from nodeagent.node_routes import routes_to
from nodeagent.node_status import NodeIdentity, NodeState, differs, new_node, node_labels, node_status, parse_taint
from tests.nodeagent.make import NOW

CALM: frozenset[str] = frozenset()
READY = (RuntimeCondition("RuntimeReady", True, "", ""), RuntimeCondition("NetworkReady", True, "", ""))
IDENTITY = NodeIdentity(
    "n1", ("192.0.2.1",), 10250, {"cpu": Quantity("2")}, {"cpu": Quantity("2")}, NodeSystemInfo(), node_labels("n1", {})
)


def ready(state: NodeState, before: NodeStatus = NodeStatus()) -> NodeCondition:  # noqa: B008 - a frozen value.
    """Return the Ready condition of a node."""
    found = condition(node_status(IDENTITY, state, before, NOW).conditions, "Ready")
    assert found is not None
    return found


def test_a_node_is_ready_when_its_runtime_and_network_are() -> None:
    assert ready(NodeState(READY, CALM)).status == "True"


@pytest.mark.parametrize(
    ("state", "part"),
    [
        (NodeState(None, CALM), "container runtime gives no answer"),
        (NodeState((RuntimeCondition("NetworkReady", False, "NoCidr", "no pod CIDR"),), CALM), "NetworkReady is false"),
        (NodeState(READY, CALM, has_pod_cidr=False), "has no pod CIDR yet"),
        (NodeState(READY, CALM, is_shutting_down=True), "node is shutting down"),
    ],
)
def test_a_node_that_is_not_ready_says_why(state: NodeState, part: str) -> None:
    told = ready(state)

    assert (told.status, told.reason) == ("False", "KubeletNotReady")
    assert part in told.message


def test_a_shortage_is_told_as_a_condition() -> None:
    status = node_status(IDENTITY, NodeState(READY, frozenset({"MemoryPressure", "DiskPressure"})), NodeStatus(), NOW)

    assert {c.type: c.status for c in status.conditions} == {
        "MemoryPressure": "True",
        "DiskPressure": "True",
        "PIDPressure": "False",
        "Ready": "True",
    }


def test_a_later_look_that_finds_the_same_tells_nothing_new() -> None:
    first = node_status(IDENTITY, NodeState(READY, CALM), NodeStatus(), NOW)
    second = node_status(IDENTITY, NodeState(READY, CALM), first, NOW + timedelta(seconds=9))
    lost = node_status(IDENTITY, NodeState(None, CALM), first, NOW)

    assert not differs(first, second)
    assert differs(first, lost)
    assert second.conditions[0].last_transition_time == first.conditions[0].last_transition_time


def test_a_status_that_somebody_else_changed_is_told_again() -> None:
    """The node lifecycle controller calls a node Unknown when its lease is late; the node must take that back."""
    stored = node_status(IDENTITY, NodeState(READY, CALM), NodeStatus(), NOW)
    unknown = tuple(replace(c, status="Unknown") if c.type == "Ready" else c for c in stored.conditions)

    assert differs(replace(stored, conditions=unknown), stored)


def test_taints_are_read_as_kubectl_writes_them() -> None:
    taint = parse_taint("key=value:NoSchedule")

    assert (taint.key, taint.value, taint.effect) == ("key", "value", "NoSchedule")
    with pytest.raises(ValueError, match="write key=value:NoSchedule"):
        parse_taint("nonsense")


def node(name: str, cidr: str, *addresses: str) -> Node:
    """Return a node with a range of pod addresses, and with addresses other than the usual one."""
    made = new_node(replace_name(name), node_status(replace_name(name), NodeState(READY, CALM), NodeStatus(), NOW))
    told = tuple(NodeAddress(type="InternalIP", address=address) for address in addresses)
    status = replace(made.status, addresses=told or made.status.addresses)
    return replace(made, spec=replace(made.spec, pod_cidr=cidr), status=status)


@pytest.mark.parametrize(("cidr", "address"), [("10.0.2.0/24", "host-2"), ("fd00:2::/64", "192.0.2.2")])
def test_a_node_that_can_not_be_reached_hides_no_other(cidr: str, address: str) -> None:
    """Anybody who may write a Node can write anything there; this node must go on all the same."""
    strange, usual = node("n2", cidr, address), node("n3", "10.0.3.0/24")

    assert [route.name for route in routes_to([strange, usual], "n1")] == ["n3"]


def test_a_node_with_addresses_of_both_families_is_reached_by_its_ipv4_one() -> None:
    (route,) = routes_to([node("n2", "10.0.2.0/24", "fd00::2", "192.0.2.2")], "n1")

    assert str(route.address) == "192.0.2.2"


def test_routes_lead_to_all_other_nodes_that_have_a_range() -> None:
    routes = routes_to([node("n1", "10.0.1.0/24"), node("n2", "10.0.2.0/24"), node("n3", "")], "n1")

    assert [(route.name, str(route.address), str(route.pod_cidr)) for route in routes] == [
        ("n2", "192.0.2.1", "10.0.2.0/24")
    ]


def replace_name(name: str) -> NodeIdentity:
    """Return the identity of a node of that name."""
    return NodeIdentity(name, IDENTITY.addresses, 10250, {}, {}, NodeSystemInfo(), {})


def test_huge_pages_are_a_resource_for_each_size(tmp_path: Path) -> None:
    for name, count in (("hugepages-2048kB", "8"), ("hugepages-1048576kB", "0"), ("hugepages-64kB", "1")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "nr_hugepages").write_text(f"{count}\n")

    assert {name: amount.whole for name, amount in huge_pages(tmp_path).items()} == {
        "hugepages-1Gi": 0,
        "hugepages-2Mi": 16 << 20,
        "hugepages-64Ki": 64 << 10,
    }


def test_the_machine_knows_what_it_has() -> None:
    has = capacity(Path("/"))

    assert has["cpu"].whole >= 1
    assert has["memory"].whole > 1 << 20
    assert address_towards("127.0.0.1") == "127.0.0.1"
