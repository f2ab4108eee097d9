"""Which node is chosen, and what is said where none is."""

import random
from collections import Counter

from kube.api.core_v1 import (
    Affinity,
    NodeAffinity,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    Pod,
    PodResourceClaim,
    PreferredSchedulingTerm,
    Taint,
)
from scheduler.filters import Filter, objections
from scheduler.placement import Placement, Refusal
from scheduler.scores import score
from scheduler.shape import shape_of
from scheduler.snapshot import Snapshot, placed_pod
from tests import make


def place(snapshot: Snapshot, placement: Placement, pod: Pod) -> str:
    choice = placement.choose(shape_of(pod))
    assert isinstance(choice, str), choice
    snapshot.put_pod(placed_pod(pod), choice)
    return choice


def refusal(snapshot: Snapshot, pod: Pod) -> Refusal:
    choice = Placement(snapshot).choose(shape_of(pod))
    assert isinstance(choice, Refusal), choice
    return choice


def cluster(count: int, **node: object) -> Snapshot:
    snapshot = Snapshot()
    for number in range(count):
        snapshot.set_node(make.node(f"node-{number}", **node))  # type: ignore[arg-type]
    return snapshot


def test_the_emptiest_node_is_chosen() -> None:
    snapshot = cluster(3)
    for name in ("node-0", "node-2"):
        snapshot.put_pod(placed_pod(make.pod(f"on-{name}", requests={"cpu": "2", "memory": "4Gi"})), name)

    assert Placement(snapshot).choose(shape_of(make.pod())) == "node-1"


def test_pods_of_one_owner_are_spread() -> None:
    snapshot = cluster(3)
    placement = Placement(snapshot)
    owner = make.replicaset()

    chosen = Counter(place(snapshot, placement, make.pod(f"web-{n}", of=owner)) for n in range(6))

    assert chosen == {"node-0": 2, "node-1": 2, "node-2": 2}


def test_a_preferred_node_wins_over_an_emptier_one() -> None:
    snapshot = cluster(2)
    snapshot.set_node(make.node("fast", labels={"disk": "ssd"}))
    snapshot.put_pod(placed_pod(make.pod("other", requests={"cpu": "1"})), "fast")
    wish = NodeSelectorTerm(match_expressions=(NodeSelectorRequirement(key="disk", operator="In", values=("ssd",)),))
    affinity = NodeAffinity(
        preferred_during_scheduling_ignored_during_execution=(PreferredSchedulingTerm(preference=wish, weight=100),)
    )

    assert Placement(snapshot).choose(shape_of(make.pod(affinity=Affinity(node_affinity=affinity)))) == "fast"


def test_a_node_that_would_rather_not_is_taken_last() -> None:
    snapshot = cluster(1, taints=[Taint(key="spot", effect="PreferNoSchedule")])
    snapshot.set_node(make.node("plain"))
    snapshot.put_pod(placed_pod(make.pod("other", requests={"cpu": "2"})), "plain")

    assert Placement(snapshot).choose(shape_of(make.pod())) == "plain"


def test_every_reason_is_counted_in_kubernetes_words() -> None:
    snapshot = cluster(3, allocatable={"cpu": "1"})
    snapshot.set_node(make.node("control", taints=[Taint(key="node-role", value="", effect="NoSchedule")]))

    found = refusal(snapshot, make.pod(requests={"cpu": "2"}))

    assert found.message == (
        "0/4 nodes are available: 1 node(s) had untolerated taint {node-role: }, 3 Insufficient cpu."
    )
    assert found.filters == {Filter.TAINTS, Filter.RESOURCES}


def test_a_cluster_without_nodes_says_so() -> None:
    assert refusal(Snapshot(), make.pod()).message == "no nodes available to schedule pods"


def test_what_is_not_supported_is_refused_and_never_ignored() -> None:
    found = refusal(cluster(1), make.pod(resource_claims=(PodResourceClaim(name="gpu"),)))

    assert "resource claims are not supported" in found.message
    assert found.filters == {Filter.UNSUPPORTED}


def test_room_that_is_given_back_is_seen() -> None:
    snapshot = cluster(1, allocatable={"pods": "1"})
    placement = Placement(snapshot)
    first = make.pod("a")
    place(snapshot, placement, first)
    assert isinstance(placement.choose(shape_of(make.pod("b"))), Refusal)

    snapshot.remove_pod(first.metadata.uid)

    assert placement.choose(shape_of(make.pod("b"))) == "node-0"


def test_a_node_that_is_gone_is_not_chosen_and_not_counted() -> None:
    snapshot = cluster(2)
    placement = Placement(snapshot)
    placement.choose(shape_of(make.pod()))

    snapshot.remove_node("node-0")

    assert placement.choose(shape_of(make.pod())) == "node-1"
    found = placement.choose(shape_of(make.pod(requests={"cpu": "64"})))
    assert found == Refusal(frozenset({Filter.RESOURCES}), "0/1 nodes are available: 1 Insufficient cpu.")


def test_the_remembered_ranking_chooses_as_a_fresh_look_at_all_nodes_would() -> None:
    """The ranking is kept up to date change by change; it must never drift from what the nodes are worth now."""
    chance = random.Random(7)
    snapshot = cluster(12)
    placement = Placement(snapshot)
    kinds = [{"cpu": "100m"}, {"cpu": "700m", "memory": "1Gi"}, {"memory": "2Gi"}]
    there: list[Pod] = []
    for number in range(400):
        if there and chance.random() < 0.4:
            snapshot.remove_pod(there.pop(chance.randrange(len(there))).metadata.uid)
        pod = make.pod(f"p{number}", requests=chance.choice(kinds))
        shape = shape_of(pod)
        fitting = [info for info in snapshot if objections(shape, info) is None]
        choice = placement.choose(shape)
        if not fitting:
            assert isinstance(choice, Refusal)
            continue
        best = max(score(shape, info) for info in fitting)
        chosen = snapshot.node(choice) if isinstance(choice, str) else None
        assert chosen is not None
        assert score(shape, chosen) == best
        snapshot.put_pod(placed_pod(pod), chosen.name)
        there.append(pod)
