"""What is settled about a cluster when it is first brought up."""

import pytest

from wherry.cluster.shape import Shape, free_slot
from wherry.cluster.up import Wish, settle
from wherry.targets import UsageError


def test_a_first_up_without_wishes_has_one_node_and_the_usual_port() -> None:
    assert settle(Wish("a"), None, set(), 10250) == Shape(slot=0, nodes=1, store="", port=6443, node_port=10250)


def test_two_clusters_of_a_machine_share_no_addresses() -> None:
    first = settle(Wish("a"), None, set(), 10250)
    second = settle(Wish("b"), None, {first.slot}, 10251)

    assert first.cluster_cidr != second.cluster_cidr
    assert first.service_cidr != second.service_cidr


def test_the_lowest_slot_that_became_free_is_used_again() -> None:
    assert free_slot({0, 2}) == 1


def test_a_second_up_is_as_the_first_but_may_change_the_port() -> None:
    before = Shape(slot=3, nodes=2, store="", port=7000, node_port=10250)

    assert settle(Wish("a"), before, set(), 1) == before
    assert settle(Wish("a", port=8000), before, set(), 1).port == 8000


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (Wish("a", nodes=3), "--nodes 3: .* was made with 2"),
        (Wish("a", store="memory:"), "--store memory:: .* was made with the embedded store"),
        (Wish("a", cri="unix:///x"), "--cri unix:///x: .* was made with the built-in runtime"),
        (Wish("a", nodes=0), "--nodes 0: a cluster on one machine has 1 to 50 nodes"),
    ],
)
def test_what_contradicts_the_cluster_is_refused(wish: Wish, sentence: str) -> None:
    """Its objects are in the one store; quietly using another would look as if they were lost."""
    with pytest.raises(UsageError, match=sentence):
        settle(wish, Shape(slot=0, nodes=2, store="", port=7000, node_port=10250), set(), 1)


def test_another_runtime_serves_one_node() -> None:
    assert settle(Wish("a", cri="unix:///x"), None, set(), 1).cri == "unix:///x"
    with pytest.raises(UsageError, match="one runtime serves one node"):
        settle(Wish("a", nodes=2, cri="unix:///x"), None, set(), 1)
