"""How many pods to create or delete, and which."""

import random

import pytest
from msgspec.structs import replace

from controllers.replication import BURST_MAX, Difference, count, least_useful_first, plan, wanted_by
from kube.api.core_v1 import ContainerStatus, Pod, ReplicationController, ReplicationControllerSpec
from kube.api.meta_v1 import LabelSelector, LabelSelectorRequirement, ObjectMeta
from kube.objects import with_metadata
from kube.selectors import SelectorError
from tests import make


def planned(replicas: int, *pods: Pod) -> Difference:
    return plan(wanted_by(make.replicaset(replicas=replicas)), pods)


def test_missing_pods_are_created() -> None:
    assert planned(3, make.pod("a")) == Difference(create=2)


def test_nothing_is_done_when_the_count_is_right() -> None:
    assert planned(2, make.pod("a"), make.pod("b")) == Difference()


def test_at_most_a_burst_is_created_at_once() -> None:
    assert planned(10_000) == Difference(create=BURST_MAX)


def test_finished_and_terminating_pods_no_longer_count() -> None:
    assert planned(2, make.pod("a", phase="Failed"), make.pod("b", terminating=True)) == Difference(create=2)


def test_a_set_that_is_going_away_changes_nothing() -> None:
    owner = with_metadata(make.replicaset(replicas=3), deletion_timestamp=make.ago(1))

    assert plan(wanted_by(owner), []) == Difference()


def test_scale_down_removes_the_unready_pod_first() -> None:
    """A ready pod outlives an unready one, so capacity never dips without need."""
    ready, starting = make.pod("ready", ready=True), make.pod("starting", node="node-a")

    assert planned(1, ready, starting) == Difference(delete=(starting,))


def restarted(name: str, times: int) -> Pod:
    pod = make.pod(name, ready=True)
    return replace(pod, status=replace(pod.status, container_statuses=(ContainerStatus(restart_count=times),)))


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        (make.pod("unplaced"), make.pod("placed", node="node-a")),
        (make.pod("pending", node="node-a"), make.pod("running", node="node-a", phase="Running")),
        (make.pod("unready", node="node-a", phase="Running"), make.pod("ready", ready=True)),
        (
            make.pod("cheap", ready=True, annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}),
            make.pod("dear", ready=True, ready_for_s=0),
        ),
        (make.pod("fresh", ready=True, ready_for_s=5), make.pod("proven", ready=True, ready_for_s=500)),
        (restarted("shaky", 9), restarted("steady", 0)),
        (make.pod("young", ready=True, age_s=1), make.pod("old", ready=True, age_s=100)),
    ],
    ids=lambda pod: pod.metadata.name,
)
def test_what_is_missed_least_goes_first(goes: Pod, stays: Pod) -> None:
    assert planned(1, stays, goes) == Difference(delete=(goes,))


def test_the_fullest_node_is_thinned_first() -> None:
    crowded = [make.pod(f"c{n}", ready=True, node="node-a") for n in range(2)]
    lonely = make.pod("a-lonely", ready=True, node="node-b")

    found = plan(wanted_by(make.replicaset(replicas=2)), [lonely, *crowded], related=[lonely, *crowded])

    assert found.delete[0].spec.node_name == "node-a"


def test_a_deletion_cost_that_is_no_number_counts_as_none() -> None:
    pod = make.pod(annotations={"controller.kubernetes.io/pod-deletion-cost": "cheap"})

    assert least_useful_first({})(pod) == least_useful_first({})(make.pod())


def test_creating_and_deleting_always_ends_at_the_wanted_count() -> None:
    chance = random.Random(3)
    for _ in range(200):
        pods = [
            make.pod(f"p{n}", ready=chance.random() < 0.5, terminating=chance.random() < 0.2)
            for n in range(chance.randrange(12))
        ]
        wanted = chance.randrange(8)
        found = planned(wanted, *pods)
        active = [pod for pod in pods if not pod.metadata.deletion_timestamp]
        assert found.create == 0 or not found.delete
        assert len(active) + found.create - len(found.delete) == wanted
        assert all(pod in active for pod in found.delete)


def test_counts_tell_ready_available_and_terminating_apart() -> None:
    owner = make.replicaset(replicas=4, min_ready_s=30)
    pods = [
        make.pod("proven", ready=True, ready_for_s=60),
        make.pod("fresh", ready=True, ready_for_s=10),
        make.pod("starting"),
        make.pod("leaving", ready=True, terminating=True),
    ]

    found = count(wanted_by(owner), pods, make.NOW)

    assert (found.replicas, found.ready, found.available, found.terminating) == (3, 2, 1, 1)
    assert found.look_again_s == 20


def test_pods_with_all_labels_of_the_template_are_counted() -> None:
    owner = make.replicaset(labels={"app": "web", "tier": "front"})
    pods = [make.pod("a", labels={"app": "web", "tier": "front", "more": "x"}), make.pod("b", labels={"app": "web"})]

    assert count(wanted_by(owner), pods, make.NOW).fully_labeled == 1


def test_a_replication_controller_wants_the_same_things() -> None:
    owner = ReplicationController(
        metadata=ObjectMeta(name="rc", namespace="default"),
        spec=ReplicationControllerSpec(replicas=2, selector={"app": "web"}, template=make.template()),
    )

    wanted = wanted_by(owner)

    assert wanted.replicas == 2
    assert wanted.selector.matches({"app": "web", "x": "y"})
    assert not wanted.selector.matches({"app": "other"})


def test_a_selector_that_is_none_is_refused() -> None:
    owner = make.replicaset()
    selector = LabelSelector(match_expressions=(LabelSelectorRequirement(key="app", operator="Nearly"),))

    with pytest.raises(SelectorError, match="Nearly"):
        wanted_by(replace(owner, spec=replace(owner.spec, selector=selector)))
