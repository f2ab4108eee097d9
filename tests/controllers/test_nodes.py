"""Nodes: their health, their taints, their addresses, and the pods that outlive them."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from controllers import nodecidr, podgc
from controllers.nodehealth import NOT_READY, UNREACHABLE, evicted_at, silent_status, taints_of
from kube.api.core_v1 import NodeCondition, PodCondition, Taint, Toleration
from kube.objects import condition
from tests import make


def pairs(*taints: Taint) -> list[tuple[str, str]]:
    return [(taint.key.removeprefix("node.kubernetes.io/"), taint.effect) for taint in taints]


def test_what_a_silent_node_reported_is_unknown_from_now_on() -> None:
    status = silent_status(make.node(), make.NOW)

    found = condition(status.conditions, "Ready")
    assert found is not None
    assert (found.status, found.reason, found.last_transition_time) == ("Unknown", "NodeStatusUnknown", make.ago(0))
    never = condition(status.conditions, "DiskPressure")
    assert never is not None
    assert (never.status, never.reason) == ("Unknown", "NodeStatusNeverUpdated")


def test_a_node_known_to_be_silent_is_not_written_again() -> None:
    node = make.node()
    silent = replace(node, status=silent_status(node, make.NOW))

    assert silent_status(silent, make.NOW + timedelta(seconds=9)) == silent.status


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        ("True", []),
        ("False", [("not-ready", "NoSchedule"), ("not-ready", "NoExecute")]),
        ("Unknown", [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]),
        (None, [("unreachable", "NoSchedule"), ("unreachable", "NoExecute")]),
    ],
)
def test_a_node_that_is_not_ready_repels_pods(ready: str | None, expected: list[tuple[str, str]]) -> None:
    assert pairs(*taints_of(make.node(ready=ready), make.NOW, may_evict=True)) == expected


def test_taints_of_others_stay_and_those_that_stay_keep_their_time() -> None:
    mine = Taint(key=UNREACHABLE, effect="NoExecute", time_added=make.ago(60))
    users = Taint(key="team", value="blue", effect="NoSchedule")
    outdated = Taint(key=NOT_READY, effect="NoExecute", time_added=make.ago(90))

    found = taints_of(make.node(ready="Unknown", taints=[mine, users, outdated]), make.NOW, may_evict=True)

    assert found == (mine, users, Taint(key=UNREACHABLE, effect="NoSchedule"))


def test_pressure_and_cordoning_are_taints_too() -> None:
    node = make.node(unschedulable=True)
    pressure = NodeCondition(type="MemoryPressure", status="True")
    node = replace(node, status=replace(node.status, conditions=(*node.status.conditions, pressure)))

    found = taints_of(node, make.NOW, may_evict=True)

    assert pairs(*found) == [("memory-pressure", "NoSchedule"), ("unschedulable", "NoSchedule")]


EVICT = Taint(key=UNREACHABLE, effect="NoExecute", time_added=make.ago(100))


@pytest.mark.parametrize(
    ("tolerations", "after_s"),
    [
        ((), -100),
        ((make.tolerating(UNREACHABLE),), None),
        ((make.tolerating(UNREACHABLE, seconds=300),), 200),
        ((make.tolerating(UNREACHABLE, seconds=300), make.tolerating(UNREACHABLE, seconds=30)), -70),
        ((make.tolerating(UNREACHABLE, seconds=-5),), -100),
        ((make.tolerating(NOT_READY),), -100),
        ((Toleration(operator="Exists"),), None),
    ],
)
def test_a_pod_stays_as_long_as_it_tolerates(tolerations: tuple[Toleration, ...], after_s: float | None) -> None:
    expected = None if after_s is None else make.NOW + timedelta(seconds=after_s)

    assert evicted_at(make.pod(tolerations=tolerations, age_s=3600), (EVICT,), make.NOW) == expected


def test_a_pod_that_comes_to_a_node_with_a_taint_stays_for_all_the_time_that_it_tolerates() -> None:
    """Else its owner would make it, and the taint would end it, again and again."""
    pod = make.pod(tolerations=(make.tolerating(UNREACHABLE, seconds=30),), age_s=3600)
    bound = PodCondition(type="PodScheduled", status="True", last_transition_time=make.ago(10))
    pod = replace(pod, status=replace(pod.status, conditions=(bound,)))

    assert evicted_at(pod, (EVICT,), make.NOW) == make.NOW + timedelta(seconds=20)


def test_taints_that_only_keep_new_pods_away_evict_nobody() -> None:
    assert evicted_at(make.pod(), (Taint(key="team", effect="NoSchedule"),), make.NOW) is None


def test_the_first_free_range_is_given() -> None:
    assert nodecidr.plan("10.244.0.0/16", 24, []) == "10.244.0.0/24"
    assert nodecidr.plan("10.244.0.0/16", 24, ["10.244.0.0/24", "10.244.2.0/24"]) == "10.244.1.0/24"


def test_a_range_that_overlaps_one_of_another_size_is_not_given() -> None:
    assert nodecidr.plan("10.244.0.0/16", 24, ["10.244.0.0/22", "10.244.4.128/25"]) == "10.244.5.0/24"


def test_ranges_outside_the_clusters_are_no_hindrance() -> None:
    assert nodecidr.plan("10.244.0.0/24", 24, ["192.168.0.0/24", "fd00::/64"]) == "10.244.0.0/24"


def test_a_cluster_that_is_full_gives_none() -> None:
    assert nodecidr.plan("10.244.0.0/23", 24, ["10.244.0.0/24", "10.244.1.0/24"]) is None


def test_a_cluster_smaller_than_a_node_is_refused() -> None:
    with pytest.raises(ValueError, match="smaller than a node's /24"):
        nodecidr.plan("10.244.0.0/25", 24, [])


def test_only_pods_that_nobody_else_clears_away_are() -> None:
    stranded = make.pod("stranded", node="gone")
    unplaced = make.pod("unplaced", terminating=True)
    others = [make.pod("waiting"), make.pod("running", ready=True), make.pod("leaving", ready=True, terminating=True)]

    found = podgc.plan([stranded, unplaced, *others], {"node-a"}, 10)

    assert found == podgc.Clearance((stranded,), (unplaced,), ())


def test_of_too_many_finished_pods_the_oldest_go() -> None:
    pods = [make.pod(f"p{age}", node="node-a", phase="Succeeded", age_s=age) for age in (5, 50, 500)]

    found = podgc.plan(pods, {"node-a"}, 2)

    assert [pod.metadata.name for pod in found.surplus] == ["p500"]
