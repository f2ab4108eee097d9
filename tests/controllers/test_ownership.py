"""Who owns whom, and what follows from it."""

import pytest

from controllers.ownership import (
    Action,
    Delete,
    Graph,
    Keep,
    LetGo,
    OwnerState,
    RemoveFinalizer,
    SetOwners,
    entry_of,
    plan,
)
from kube.api.core_v1 import Pod
from kube.api.meta_v1 import OwnerReference
from kube.objects import with_metadata
from tests import make

ONE = make.replicaset("one")
REF_TWO = OwnerReference(api_version="apps/v1", kind="ReplicaSet", name="two", uid="uid-two")


def decided(states: dict[str, OwnerState], *dependents: Pod) -> Action:
    return plan(make.pod(of=ONE, owners=[REF_TWO]), states, [entry_of(pod) for pod in dependents])


A, W, X, U = OwnerState.ALIVE, OwnerState.WAITING, OwnerState.ABSENT, OwnerState.UNKNOWN


@pytest.mark.parametrize(
    ("one", "two", "action"),
    [
        (A, A, Keep()),
        (X, X, Delete("Background")),
        (X, W, Delete("Background")),
        (X, A, SetOwners((REF_TWO,))),
        (W, A, SetOwners((REF_TWO,))),
        (U, X, Keep()),
        (U, A, Keep()),
    ],
)
def test_an_object_lives_as_long_as_one_of_its_owners(one: OwnerState, two: OwnerState, action: Action) -> None:
    assert decided({"uid-one": one, "uid-two": two}) == action


def test_who_waits_for_a_dependent_that_waits_too_no_longer_blocks_its_owner() -> None:
    """Three that own each other in a circle would each wait for the next one for ever."""
    waiting = with_metadata(make.pod("child", of=make.pod(), terminating=True), finalizers=("foregroundDeletion",))
    states = {"uid-one": W, "uid-two": X}

    unblocked = decided(states, waiting)

    assert isinstance(unblocked, SetOwners)
    assert [owner.block_owner_deletion for owner in unblocked.owners] == [False, False]
    live = with_metadata(make.pod(), owner_references=unblocked.owners)
    assert plan(live, states, [entry_of(waiting)]) == Delete("Foreground")


def test_an_owner_that_waits_makes_dependents_wait_for_theirs() -> None:
    child = make.pod("child", of=make.pod())

    assert decided({"uid-one": W, "uid-two": X}, child) == Delete("Foreground")


def test_an_owner_of_which_nothing_is_known_counts_as_unknown() -> None:
    assert decided({}) == Keep()


def test_an_object_deleted_in_the_foreground_waits_for_those_that_block_it() -> None:
    owner = with_metadata(ONE, deletion_timestamp=make.ago(1), finalizers=("foregroundDeletion",))
    blocking = make.pod(of=ONE)
    reference = blocking.metadata.owner_references[0]
    free = with_metadata(
        blocking, owner_references=(OwnerReference(api_version="v1", kind="X", name="one", uid=reference.uid),)
    )

    assert plan(owner, {}, [entry_of(blocking)]) == Keep()
    assert plan(owner, {}, [entry_of(free)]) == RemoveFinalizer("foregroundDeletion")
    assert plan(owner, {}, []) == RemoveFinalizer("foregroundDeletion")


def test_an_object_that_orphans_lets_its_dependents_go_first() -> None:
    owner = with_metadata(ONE, deletion_timestamp=make.ago(1), finalizers=("orphan",))
    child = entry_of(make.pod(of=ONE))

    assert plan(owner, {}, [child]) == LetGo((child,))


def test_an_object_that_is_going_already_is_left_alone() -> None:
    assert plan(make.pod(of=ONE, terminating=True), {"uid-one": X}, []) == Keep()


def test_an_object_that_nobody_owns_is_left_alone() -> None:
    assert plan(make.pod(), {}, []) == Keep()


def test_the_graph_looks_at_dependents_when_their_owner_goes() -> None:
    graph = Graph()
    graph.put(entry_of(ONE))
    graph.put(entry_of(make.pod("a", of=ONE)))
    graph.put(entry_of(make.pod("b")))

    assert graph.remove("uid-one") == {"uid-a"}


def test_the_graph_looks_at_an_object_whose_owner_it_does_not_know() -> None:
    graph = Graph()

    assert graph.put(entry_of(make.pod("a", of=ONE))) == {"uid-a"}
    graph.put(entry_of(ONE))
    assert graph.put(entry_of(make.pod("b", of=ONE))) == set()


def test_the_graph_looks_at_a_waiting_owner_when_a_dependent_goes() -> None:
    graph = Graph()
    graph.put(entry_of(with_metadata(ONE, deletion_timestamp=make.ago(1), finalizers=("foregroundDeletion",))))
    graph.put(entry_of(make.pod("a", of=ONE)))

    assert graph.remove("uid-a") == {"uid-one"}


def test_the_graph_looks_at_owner_and_dependents_when_a_foreground_deletion_begins() -> None:
    graph = Graph()
    graph.put(entry_of(ONE))
    graph.put(entry_of(make.pod("a", of=ONE)))

    deleted = with_metadata(ONE, deletion_timestamp=make.ago(1), finalizers=("foregroundDeletion",))

    assert graph.put(entry_of(deleted)) == {"uid-one", "uid-a"}


def test_the_graph_looks_at_a_waiting_owner_that_was_crossed_out() -> None:
    graph = Graph()
    graph.put(entry_of(with_metadata(ONE, deletion_timestamp=make.ago(1), finalizers=("foregroundDeletion",))))
    child = make.pod("a", of=ONE)
    graph.put(entry_of(child))

    assert "uid-one" in graph.put(entry_of(with_metadata(child, owner_references=())))
    assert graph.dependents("uid-one") == []
