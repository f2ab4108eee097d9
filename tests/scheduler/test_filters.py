"""Which nodes a pod can go to, and the words for why not."""

import pytest

from kube.api.core_v1 import (
    Affinity,
    ContainerPort,
    NodeAffinity,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    Taint,
    Toleration,
)
from scheduler.filters import Filter, objections
from scheduler.shape import shape_of
from scheduler.snapshot import NodeInfo, Snapshot, placed_pod
from tests import make


def info(*pods: Pod, **node: object) -> NodeInfo:
    snapshot = Snapshot()
    snapshot.set_node(make.node(**node))  # type: ignore[arg-type]
    for pod in pods:
        snapshot.put_pod(placed_pod(pod), "node-a")
    found = snapshot.node("node-a")
    assert found is not None
    return found


def reasons(pod: Pod, node: NodeInfo) -> tuple[str, ...]:
    found = objections(shape_of(pod), node)
    return found[1] if found else ()


def test_an_empty_node_takes_a_pod() -> None:
    assert objections(shape_of(make.pod(requests={"cpu": "1", "memory": "1Gi"})), info()) is None


def test_requests_of_the_pods_that_are_there_count() -> None:
    node = info(make.pod("a", requests={"cpu": "3500m"}))

    assert reasons(make.pod("b", requests={"cpu": "500m"}), node) == ()
    assert reasons(make.pod("b", requests={"cpu": "501m"}), node) == ("Insufficient cpu",)


def test_every_resource_that_lacks_is_named() -> None:
    pod = make.pod(requests={"cpu": "5", "memory": "9Gi", "example.com/gpu": "1", "ephemeral-storage": "1Gi"})

    assert reasons(pod, info()) == (
        "Insufficient cpu",
        "Insufficient memory",
        "Insufficient example.com/gpu",
        "Insufficient ephemeral-storage",
    )


def test_a_resource_of_which_nothing_is_asked_never_objects() -> None:
    assert reasons(make.pod(requests={"example.com/gpu": "0"}), info()) == ()


def test_a_full_node_takes_no_more_pods() -> None:
    node = info(make.pod("a"), make.pod("b"), allocatable={"pods": "2"})

    assert reasons(make.pod("c"), node) == ("Too many pods",)


def test_a_cordoned_node_takes_none_but_those_that_tolerate_it() -> None:
    node = info(unschedulable=True)

    assert reasons(make.pod(), node) == ("node(s) were unschedulable",)
    assert reasons(make.pod(tolerations=(make.tolerating("node.kubernetes.io/unschedulable"),)), node) == ()


def test_an_untolerated_taint_is_named_with_its_value() -> None:
    node = info(taints=[Taint(key="team", value="blue", effect="NoSchedule")])

    assert reasons(make.pod(), node) == ("node(s) had untolerated taint {team: blue}",)


def test_a_taint_that_only_prefers_keeps_nobody_away() -> None:
    assert reasons(make.pod(), info(taints=[Taint(key="team", effect="PreferNoSchedule")])) == ()


@pytest.mark.parametrize(
    ("toleration", "tolerates"),
    [
        (Toleration(key="team", value="blue"), True),
        (Toleration(key="team", operator="Equal", value="red"), False),
        (Toleration(key="team", operator="Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration(key="team", operator="Exists", effect="NoExecute"), False),
        (Toleration(value="blue"), False),
    ],
)
def test_a_toleration_must_match_key_value_and_effect(toleration: Toleration, tolerates: bool) -> None:
    node = info(taints=[Taint(key="team", value="blue", effect="NoSchedule")])

    assert (reasons(make.pod(tolerations=(toleration,)), node) == ()) is tolerates


def test_a_node_selector_must_match_the_labels() -> None:
    pod = make.pod(node_selector={"disk": "ssd"})

    assert reasons(pod, info(labels={"disk": "ssd"})) == ()
    assert reasons(pod, info(labels={"disk": "hdd"})) == ("node(s) didn't match Pod's node affinity/selector",)


def required(*terms: NodeSelectorTerm) -> Affinity:
    selector = NodeSelector(node_selector_terms=terms)
    return Affinity(node_affinity=NodeAffinity(required_during_scheduling_ignored_during_execution=selector))


@pytest.mark.parametrize(
    ("operator", "values", "matches"),
    [
        ("In", ("3", "4"), True),
        ("NotIn", ("4",), False),
        ("Exists", (), True),
        ("DoesNotExist", (), False),
        ("Gt", ("3",), True),
        ("Lt", ("4",), False),
        ("Gt", ("many",), False),
    ],
)
def test_node_affinity_knows_every_operator(operator: str, values: tuple[str, ...], matches: bool) -> None:
    test = NodeSelectorRequirement(key="cores", operator=operator, values=values)
    pod = make.pod(affinity=required(NodeSelectorTerm(match_expressions=(test,))))

    assert (reasons(pod, info(labels={"cores": "4"})) == ()) is matches


def test_one_term_of_a_node_affinity_is_enough() -> None:
    name = NodeSelectorRequirement(key="metadata.name", operator="In", values=("node-a",))
    other = NodeSelectorRequirement(key="zone", operator="Exists")
    pod = make.pod(
        affinity=required(NodeSelectorTerm(match_expressions=(other,)), NodeSelectorTerm(match_fields=(name,)))
    )

    assert reasons(pod, info()) == ()


def test_an_empty_term_matches_no_node() -> None:
    assert reasons(make.pod(affinity=required(NodeSelectorTerm())), info()) != ()


@pytest.mark.parametrize(
    ("held", "wanted", "fits"),
    [
        (("", 80, "TCP"), ("", 80, "TCP"), False),
        (("", 80, "TCP"), ("", 80, "UDP"), True),
        (("", 80, "TCP"), ("", 81, "TCP"), True),
        (("10.0.0.1", 80, "TCP"), ("10.0.0.2", 80, "TCP"), True),
        (("10.0.0.1", 80, "TCP"), ("0.0.0.0", 80, "TCP"), False),
    ],
)
def test_host_ports_collide_on_one_address_or_on_all(
    held: tuple[str, int, str], wanted: tuple[str, int, str], fits: bool
) -> None:
    def using(name: str, port: tuple[str, int, str]) -> Pod:
        entry = ContainerPort(host_ip=port[0], host_port=port[1], protocol=port[2], container_port=1)
        return make.pod(name, containers=[make.container(ports=(entry,))])

    found = objections(shape_of(using("b", wanted)), info(using("a", held)))

    assert (found is None) is fits
    if found is not None:
        assert found == (Filter.PORTS, ("node(s) didn't have free ports for the requested pod ports",))
