"""Which claim gets which volume, and what both are told."""

from typing import Any

import pytest

from controllers.binding import Bind, Free, Lose, Phase, Wait, is_stranded, plan_claim, plan_volume
from kube.api.meta_v1 import LabelSelector
from kube.volumes import BOUND_BY_CONTROLLER, LOCAL_PATH, NODE_LABEL, PROVISIONED_BY, SELECTED_NODE
from tests import make


def test_a_claim_gets_the_smallest_volume_that_is_large_enough() -> None:
    volumes = [make.volume("large", size="9Gi"), make.volume("right", size="2Gi"), make.volume("small", size="1Mi")]

    step = plan_claim(make.claim(size="2Gi"), volumes, None)

    assert step == Bind(volumes[1], chosen=True)


@pytest.mark.parametrize(
    "unfit",
    [
        {"size": "1Mi"},
        {"modes": ("ReadOnlyMany",)},
        {"storage_class": "other"},
        {"volume_mode": "Block"},
        {"phase": "Released"},
        {"terminating": True},
        {"of": make.claim("theirs")},
        {"labels": {"tier": "cold"}},
    ],
)
def test_a_claim_does_not_get_a_volume_that_does_not_suit_it(unfit: dict[str, Any]) -> None:
    claim = make.claim(selector=LabelSelector(match_labels={"tier": "hot"}))
    volume = make.volume(**{"labels": {"tier": "hot"}, **unfit})

    step = plan_claim(claim, [volume], None)

    assert isinstance(step, Wait)
    assert step.reason == "FailedBinding"


def test_a_volume_that_is_kept_for_a_claim_comes_before_one_that_would_suit_better() -> None:
    claim = make.claim()
    kept = make.volume("kept", size="100Gi", of=claim, phase="Available")

    assert plan_claim(claim, [make.volume(), kept], None) == Bind(kept)


def test_a_claim_that_names_a_volume_gets_that_one_or_none() -> None:
    claim = make.claim(volume="mine")

    assert plan_claim(claim, [make.volume("other")], None) == Wait()
    assert plan_claim(claim, [make.volume("mine")], None) == Bind(make.volume("mine"))


@pytest.mark.parametrize(
    ("volume", "reason"),
    [
        (make.volume("mine", of=make.claim("theirs")), "FailedBinding"),
        (make.volume("mine", size="1Mi"), "VolumeMismatch"),
    ],
)
def test_a_named_volume_that_can_not_be_had_is_told(volume: Any, reason: str) -> None:
    step = plan_claim(make.claim(volume="mine"), [volume], None)

    assert isinstance(step, Wait)
    assert (step.type, step.reason) == ("Warning", reason)


def test_a_claim_whose_class_waits_is_not_bound_before_a_pod_needs_it() -> None:
    storage_class = make.storage_class(waits=True)
    claim = make.claim(storage_class="fast")

    step = plan_claim(claim, [make.volume(storage_class="fast")], storage_class)

    assert isinstance(step, Wait)
    assert (step.reason, step.provisioner) == ("WaitForFirstConsumer", "")


def test_a_claim_whose_pod_has_a_node_asks_its_provisioner() -> None:
    claim = make.claim(storage_class="fast", annotations={SELECTED_NODE: "node-a"})

    step = plan_claim(claim, [], make.storage_class(waits=True))

    assert isinstance(step, Wait)
    assert (step.reason, step.provisioner) == ("ExternalProvisioning", "example.com/disks")


def test_a_claim_of_a_class_that_is_not_there_says_so() -> None:
    step = plan_claim(make.claim(storage_class="fast"), [], None)

    assert step == Wait("Warning", "ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found')


def test_a_claim_that_is_bound_is_lost_with_its_volume() -> None:
    claim = make.claim(volume="disk", bound=True)

    gone = plan_claim(claim, [], None)
    taken = plan_claim(claim, [make.volume(of=make.claim("theirs"))], None)

    assert isinstance(gone, Lose)
    assert isinstance(taken, Lose)
    assert (gone.reason, taken.reason) == ("ClaimLost", "ClaimMisbound")


def test_a_volume_follows_its_claim() -> None:
    claim = make.claim(volume="disk")
    volume = make.volume(of=claim)

    assert plan_volume(make.volume(), None) == Phase("Available")
    assert plan_volume(volume, claim) == Phase("Bound")
    assert plan_volume(volume, None) == Phase("Released")
    assert plan_volume(volume, make.claim()) is None


@pytest.mark.parametrize(("policy", "reason"), [("Recycle", "VolumeFailedRecycle"), ("Delete", "VolumeFailedDelete")])
def test_what_can_not_be_done_with_a_released_volume_is_refused(policy: str, reason: str) -> None:
    step = plan_volume(make.volume(of=make.claim(), policy=policy), None)

    assert isinstance(step, Phase)
    assert (step.phase, step.reason) == ("Failed", reason)


def test_a_volume_that_somebody_made_is_left_for_them_to_delete() -> None:
    volume = make.volume(of=make.claim(), policy="Delete", annotations={PROVISIONED_BY: "example.com/disks"})

    assert plan_volume(volume, None) == Phase("Released")


@pytest.mark.parametrize("chosen", [True, False])
def test_a_volume_whose_claim_went_another_way_is_free_again(chosen: bool) -> None:
    """One that a person kept for the claim stays kept for it."""
    volume = make.volume(of=make.claim(), annotations={BOUND_BY_CONTROLLER: "yes"} if chosen else {})

    assert plan_volume(volume, make.claim(volume="other")) == Free(forget=chosen)


@pytest.mark.parametrize(
    ("changes", "nodes", "expected"),
    [
        ({}, {"node-a"}, False),
        ({}, set(), True),
        ({"policy": "Retain"}, set(), False),
        ({"policy": "Retain", "terminating": True}, set(), True),
        ({"phase": "Bound"}, set(), False),
        ({"finalizers": ()}, set(), False),
    ],
)
def test_a_volume_goes_without_its_node_once_that_is_gone(
    changes: dict[str, Any],
    nodes: set[str],
    expected: bool,
) -> None:
    usual = {"policy": "Delete", "phase": "Released", "finalizers": (LOCAL_PATH,), "labels": {NODE_LABEL: "node-a"}}

    assert is_stranded(make.volume(**{**usual, **changes}), nodes) is expected
