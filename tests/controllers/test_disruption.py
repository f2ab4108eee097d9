"""How many pods of a budget may be taken down."""

from typing import Any

import pytest
from msgspec.structs import replace

from controllers.disruption import DELETION_S, counts_owners, failed, plan
from kube.api.core_v1 import Pod
from kube.api.meta_v1 import LabelSelector, ObjectMeta
from kube.api.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetSpec, PodDisruptionBudgetStatus
from kube.objects import condition
from tests import make
from tests.make import NOW, ago


def budget(disrupted: dict[str, str] | None = None, **spec: Any) -> PodDisruptionBudget:
    return PodDisruptionBudget(
        metadata=ObjectMeta(name="web", namespace="default", generation=3),
        spec=PodDisruptionBudgetSpec(selector=LabelSelector(match_labels=make.WEB), **spec),
        status=PodDisruptionBudgetStatus(disrupted_pods=disrupted or {}),
    )


def ready(count: int) -> list[Pod]:
    return [make.pod(f"p{number}", ready=True) for number in range(count)]


@pytest.mark.parametrize(
    ("spec", "pods", "wanted", "told"),
    [
        ({"min_available": 1}, 3, 0, (3, 3, 1, 2)),
        ({"min_available": 2}, 2, 0, (2, 2, 2, 0)),
        ({"min_available": 5}, 2, 0, (2, 2, 5, 0)),
        ({"min_available": "90%"}, 10, 10, (10, 10, 9, 1)),
        ({"min_available": "91%"}, 10, 10, (10, 10, 10, 0)),
        ({"max_unavailable": 1}, 10, 10, (10, 10, 9, 1)),
        ({"max_unavailable": 1}, 9, 10, (10, 9, 9, 0)),
        ({"max_unavailable": "1%"}, 10, 10, (10, 10, 9, 1)),
        ({"max_unavailable": "100%"}, 3, 3, (3, 3, 0, 3)),
        ({"min_available": 0}, 0, 0, (0, 0, 0, 0)),
        ({}, 3, 0, (0, 3, 0, 0)),
    ],
)
def test_what_is_healthy_beyond_what_is_wanted_may_go(
    spec: dict[str, Any], pods: int, wanted: int, told: tuple[int, int, int, int]
) -> None:
    status = plan(budget(**spec), ready(pods), {"owner": wanted}, NOW)

    found = (status.expected_pods, status.current_healthy, status.desired_healthy, status.disruptions_allowed)
    assert found == told
    assert status.observed_generation == 3


def test_pods_that_go_or_are_not_ready_are_not_healthy() -> None:
    pods = [*ready(2), make.pod("going", ready=True, terminating=True), make.pod("waiting")]

    status = plan(budget(min_available=1), pods, {}, NOW)

    assert (status.current_healthy, status.disruptions_allowed) == (2, 1)


def test_an_evicted_pod_is_not_healthy_until_its_deletion_is_overdue() -> None:
    evicted = {"p0": ago(DELETION_S - 1), "p1": ago(DELETION_S + 1), "nobody": ago(0)}

    status = plan(budget(evicted, min_available=1), ready(3), {}, NOW)

    assert status.disrupted_pods == {"p0": evicted["p0"]}
    assert status.current_healthy == 2


def test_the_condition_says_whether_any_pod_may_go_and_since_when() -> None:
    tight = budget(min_available=3)
    before = replace(tight, status=plan(tight, ready(3), {}, NOW.replace(year=2025)))

    same = condition(plan(before, ready(3), {}, NOW).conditions, "DisruptionAllowed")
    other = condition(plan(before, ready(4), {}, NOW).conditions, "DisruptionAllowed")

    assert same is not None
    assert other is not None
    assert (same.status, same.reason, same.last_transition_time) == (
        "False",
        "InsufficientPods",
        "2025-01-02T03:04:05Z",
    )
    assert (other.status, other.reason, other.last_transition_time) == ("True", "SufficientPods", ago(0))


def test_a_budget_that_cant_be_worked_out_allows_nothing_and_says_why() -> None:
    before = replace(budget(max_unavailable=1), status=PodDisruptionBudgetStatus(disruptions_allowed=2))

    status = failed(before, 'found no controllers for pod "p0"', NOW)

    told = condition(status.conditions, "DisruptionAllowed")
    assert status.disruptions_allowed == 0
    assert told is not None
    assert (told.status, told.reason, told.message) == ("False", "SyncFailed", 'found no controllers for pod "p0"')


def test_who_owns_the_pods_matters_for_shares_and_for_what_may_be_missing() -> None:
    assert counts_owners(budget(min_available="10%"))
    assert counts_owners(budget(max_unavailable=1))
    assert not counts_owners(budget(min_available=1))
