"""How far ReplicaSets may grow or shrink."""

import pytest

from controllers.rollout import DESIRED, MAXIMUM, limits, new_size, scale, shrink_old
from kube.api.scalars import IntOrString
from tests import make


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, None, None, (3, 2)),
        (10, "0%", "10%", (0, 1)),
        (4, 1, 0, (1, 0)),
        (3, "0%", "0%", (0, 1)),
        (1, "25%", "25%", (1, 0)),
        (2, 0, 5, (0, 2)),
        (0, "0%", "0%", (0, 0)),
    ],
)
def test_percentages_of_surge_round_up_and_of_unavailable_down(
    replicas: int, surge: IntOrString | None, unavailable: IntOrString | None, expected: tuple[int, int]
) -> None:
    assert limits(make.deployment(replicas=replicas, surge=surge, unavailable=unavailable)) == expected


def test_the_new_set_grows_as_far_as_the_surge_allows() -> None:
    wanted = make.deployment(replicas=4, surge=1, unavailable=0)

    assert new_size(wanted, None, 4) == 1
    assert new_size(wanted, make.replicaset(replicas=1), 5) == 1
    assert new_size(wanted, make.replicaset(replicas=1), 4) == 2


def test_the_new_set_never_grows_beyond_what_is_wanted() -> None:
    assert new_size(make.deployment(replicas=4, surge=10), make.replicaset(replicas=3), 3) == 4
    assert new_size(make.deployment(replicas=2), make.replicaset(replicas=5), 5) == 2


def test_old_pods_go_only_as_new_ones_become_available() -> None:
    wanted = make.deployment(replicas=4, surge=1, unavailable=0)
    old = make.replicaset("old", replicas=4, ready=4)

    assert shrink_old(wanted, make.replicaset("new", replicas=1, ready=0), [old]) == {}
    assert shrink_old(wanted, make.replicaset("new", replicas=1, ready=1), [old]) == {"old": 3}


def test_old_pods_that_do_not_run_go_first() -> None:
    wanted = make.deployment(replicas=4, surge=1, unavailable=1)
    broken = make.replicaset("broken", replicas=2, ready=0, age_s=10)
    healthy = make.replicaset("healthy", replicas=3, ready=3, age_s=20)

    assert shrink_old(wanted, make.replicaset("new", replicas=0), [broken, healthy]) == {"broken": 0}


def test_scaling_the_only_set_is_simple() -> None:
    wanted = make.deployment(replicas=5)

    assert scale(wanted, make.replicaset("new", replicas=3), [make.replicaset("old", replicas=0)]) == {"new": 5}
    assert scale(wanted, make.replicaset("new", replicas=5), []) == {}


def test_scaling_during_a_rollout_is_shared_out_in_proportion() -> None:
    """Kubernetes' own example: 10 replicas at 8 old and 5 new of 13 at most, scaled to 15, become 11 and 7 of 18."""
    notes = {DESIRED: "10", MAXIMUM: "13"}
    wanted = make.deployment(replicas=15, surge=3, unavailable=2)
    old = make.replicaset("old", replicas=8, annotations=notes, age_s=10)
    new = make.replicaset("new", replicas=5, annotations=notes)

    assert scale(wanted, new, [old]) == {"old": 11, "new": 7}


def test_scaling_to_nothing_during_a_rollout_empties_all() -> None:
    notes = {DESIRED: "10", MAXIMUM: "13"}
    sets = [make.replicaset(name, replicas=5, annotations=notes) for name in ("old", "new")]

    assert scale(make.deployment(replicas=0), sets[1], sets[:1]) == {"old": 0, "new": 0}


@pytest.mark.parametrize("replicas", [1, 3, 7, 20, 100])
def test_proportional_scaling_always_adds_up(replicas: int) -> None:
    notes = {DESIRED: "12", MAXIMUM: "15"}
    wanted = make.deployment(replicas=replicas, surge=3)
    sets = [make.replicaset(name, replicas=size, annotations=notes) for name, size in (("a", 7), ("b", 5), ("c", 3))]

    sizes = scale(wanted, sets[2], sets[:2])

    assert sum(sizes.values()) == replicas + 3
    assert all(size >= 0 for size in sizes.values())


def test_a_finished_rollout_empties_what_is_left_of_the_old() -> None:
    wanted = make.deployment(replicas=3)
    new = make.replicaset("new", replicas=3, ready=3, annotations={DESIRED: "3"})

    assert scale(wanted, new, [make.replicaset("old", replicas=2)]) == {"old": 0}
