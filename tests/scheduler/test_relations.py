"""Where pods can go because of the pods that are there."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from kube.api.core_v1 import (
    Affinity,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    Taint,
    TopologySpreadConstraint,
)
from kube.api.meta_v1 import LabelSelector
from scheduler.filters import Filter
from scheduler.placement import Placement, Refusal
from scheduler.shape import shape_of
from scheduler.snapshot import Snapshot, placed_pod
from tests import make

ZONES = {"a1": "a", "a2": "a", "b1": "b"}


def cluster(zones: Mapping[str, str] = ZONES) -> Snapshot:
    snapshot = Snapshot()
    for name, zone in zones.items():
        snapshot.set_node(make.node(name, labels={"zone": zone, "kubernetes.io/hostname": name}))
    return snapshot


def there(snapshot: Snapshot, pod: Pod, node: str) -> None:
    snapshot.put_pod(placed_pod(pod), node)


def choice(snapshot: Snapshot, pod: Pod) -> str | Refusal:
    return Placement(snapshot).choose(shape_of(pod))


def term(key: str, app: str, **fields: object) -> PodAffinityTerm:
    return PodAffinityTerm(topology_key=key, label_selector=LabelSelector(match_labels={"app": app}), **fields)  # type: ignore[arg-type]


def near(*terms: PodAffinityTerm) -> Affinity:
    return Affinity(pod_affinity=PodAffinity(required_during_scheduling_ignored_during_execution=terms))


def apart(*terms: PodAffinityTerm) -> Affinity:
    return Affinity(pod_anti_affinity=PodAntiAffinity(required_during_scheduling_ignored_during_execution=terms))


def named(name: str, app: str, affinity: Affinity | None = None, **fields: Any) -> Pod:
    return make.pod(name, labels={"app": app}, affinity=affinity, **fields)


def test_a_pod_goes_to_the_zone_of_the_pods_it_wants_to_be_near() -> None:
    snapshot = cluster()
    there(snapshot, named("db", "db"), "b1")

    assert choice(snapshot, named("web", "web", near(term("zone", "db")))) == "b1"


def test_nobody_to_be_near_is_a_reason_unless_it_is_one_of_them_itself() -> None:
    alone = choice(cluster(), named("web", "web", near(term("zone", "db"))))
    first = choice(cluster(), named("db-0", "db", near(term("zone", "db"))))

    assert alone == Refusal(
        frozenset({Filter.PODS}), "0/3 nodes are available: 3 node(s) didn't match pod affinity rules."
    )
    assert first in ZONES


def test_a_pod_of_another_namespace_is_not_meant_unless_it_is_named() -> None:
    snapshot = cluster()
    there(snapshot, named("db", "db", namespace="data"), "b1")

    assert isinstance(choice(snapshot, named("w", "web", near(term("zone", "db")))), Refusal)
    assert choice(snapshot, named("w", "web", near(term("zone", "db", namespaces=("data",))))) == "b1"
    assert choice(snapshot, named("w", "web", near(term("zone", "db", namespace_selector=LabelSelector())))) == "b1"


def test_pods_that_keep_apart_take_one_node_each_and_then_wait() -> None:
    snapshot = cluster()
    placement = Placement(snapshot)
    affinity = apart(term("kubernetes.io/hostname", "db"))
    for number in range(3):
        pod = named(f"db-{number}", "db", affinity)
        chosen = placement.choose(shape_of(pod))
        assert isinstance(chosen, str)
        there(snapshot, pod, chosen)

    refused = placement.choose(shape_of(named("db-3", "db", affinity)))

    assert Counter(snapshot.node_of(f"uid-db-{number}") for number in range(3)) == dict.fromkeys(ZONES, 1)
    assert isinstance(refused, Refusal)
    assert refused.message == "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules."
    snapshot.remove_pod("uid-db-1")
    assert isinstance(placement.choose(shape_of(named("db-3", "db", affinity))), str)


def test_a_pod_that_is_there_keeps_away_those_it_does_not_want() -> None:
    snapshot = cluster()
    there(snapshot, named("quiet", "quiet", apart(term("zone", "noisy"))), "a1")

    assert choice(snapshot, named("n", "noisy")) == "b1"
    there(snapshot, named("quiet-b", "quiet", apart(term("zone", "noisy"))), "b1")
    refused = choice(snapshot, named("n", "noisy"))
    assert isinstance(refused, Refusal)
    assert "3 node(s) didn't satisfy existing pods anti-affinity rules" in refused.message
    snapshot.remove_pod("uid-quiet")
    assert choice(snapshot, named("n", "noisy")) in {"a1", "a2"}


def spread(key: str = "zone", **fields: object) -> TopologySpreadConstraint:
    plain: dict[str, object] = {"max_skew": 1, "when_unsatisfiable": "DoNotSchedule"}
    selector = LabelSelector(match_labels={"app": "web"})
    return TopologySpreadConstraint(topology_key=key, label_selector=selector, **{**plain, **fields})  # type: ignore[arg-type]


def spreading(name: str, *constraints: TopologySpreadConstraint, **fields: Any) -> Pod:
    return named(name, "web", topology_spread_constraints=constraints, **fields)


def test_pods_are_spread_over_zones_within_the_skew() -> None:
    snapshot = cluster()
    placement = Placement(snapshot)
    for number in range(6):
        pod = spreading(f"web-{number}", spread())
        chosen = placement.choose(shape_of(pod))
        assert isinstance(chosen, str)
        there(snapshot, pod, chosen)

    assert Counter(ZONES[snapshot.node_of(f"uid-web-{number}")] for number in range(6)) == {"a": 3, "b": 3}


def test_a_skew_that_no_node_can_keep_is_a_reason() -> None:
    snapshot = cluster({"a1": "a", "b1": "b"})
    there(snapshot, named("web-0", "web"), "a1")
    snapshot.set_node(make.node("b1", labels={"zone": "b"}, unschedulable=True))

    refused = choice(snapshot, spreading("web-1", spread()))

    assert isinstance(refused, Refusal)
    assert refused.message == (
        "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, 1 node(s) were unschedulable."
    )
    assert refused.filters == {Filter.SPREAD, Filter.UNSCHEDULABLE}


def test_a_node_without_the_label_is_out() -> None:
    snapshot = Snapshot()
    snapshot.set_node(make.node("bare"))

    refused = choice(snapshot, spreading("web", spread()))

    assert isinstance(refused, Refusal)
    assert "1 node(s) didn't match pod topology spread constraints (missing required label)" in refused.message


def test_pods_that_are_leaving_no_longer_count() -> None:
    snapshot = cluster({"a1": "a", "b1": "b"})
    there(snapshot, named("leaving", "web", terminating=True), "a1")
    there(snapshot, named("big", "other", requests={"cpu": "3500m"}), "b1")

    assert choice(snapshot, spreading("web", spread())) == "a1"


def test_too_few_domains_count_as_an_empty_one() -> None:
    snapshot = cluster({"a1": "a"})
    there(snapshot, named("web-0", "web"), "a1")

    assert choice(snapshot, spreading("web-1", spread())) == "a1"
    assert isinstance(choice(snapshot, spreading("web-1", spread(min_domains=2))), Refusal)


def test_nodes_that_the_pod_cannot_go_to_are_left_out_of_the_count() -> None:
    snapshot = cluster({"a1": "a"})
    snapshot.set_node(make.node("b1", labels={"zone": "b"}, taints=[Taint(key="t", effect="NoSchedule")]))
    snapshot.set_node(make.node("c1", labels={"zone": "c"}))
    there(snapshot, named("web-0", "web"), "a1")

    only_a = {"node_selector": {"zone": "a"}}
    assert choice(snapshot, spreading("w", spread(), **only_a)) == "a1"
    assert isinstance(choice(snapshot, spreading("w", spread(node_affinity_policy="Ignore"), **only_a)), Refusal)
    there(snapshot, named("web-1", "web"), "c1")
    assert isinstance(choice(snapshot, spreading("w", spread())), Refusal)
    assert choice(snapshot, spreading("w", spread(node_taints_policy="Honor"))) in {"a1", "c1"}


def test_a_selector_over_namespaces_by_label_is_refused_and_never_ignored() -> None:
    selector = LabelSelector(match_labels={"team": "blue"})

    refused = choice(cluster(), named("w", "web", near(term("zone", "db", namespace_selector=selector))))

    assert isinstance(refused, Refusal)
    assert "namespaceSelector with labels is not supported" in refused.message
