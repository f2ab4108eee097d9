"""What claims mean for where a pod can go."""

from collections.abc import Sequence
from typing import Any

import pytest

from kube.api.core_v1 import (
    EphemeralVolumeSource,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimVolumeSource,
    Pod,
    TopologySelectorLabelRequirement,
    TopologySelectorTerm,
    Volume,
)
from kube.api.storage_v1 import StorageClass
from kube.volumes import NO_PROVISIONER, SELECTED_NODE
from scheduler.filters import Filter, objections
from scheduler.placement import Placement, Refusal
from scheduler.shape import shape_of
from scheduler.snapshot import Snapshot
from scheduler.volumes import VolumeNeeds, choices, needs_of_claims, reaches
from tests import make


def a_pod(*claims: str) -> Pod:
    """Return a pod with these claims."""
    sources = [PersistentVolumeClaimVolumeSource(claim_name=name) for name in claims]
    return make.pod(volumes=tuple(Volume(name=s.claim_name, persistent_volume_claim=s) for s in sources))


def a_node(name: str) -> Any:
    """Return a node that bears its name as a label."""
    return make.node(name, labels={"kubernetes.io/hostname": name})


def needs(
    pod: Pod,
    claims: Sequence[PersistentVolumeClaim],
    volumes: Sequence[PersistentVolume] = (),
    classes: Sequence[StorageClass] = (),
    *,
    taken: bool = False,
) -> VolumeNeeds:
    """Return what the pod's claims ask, in a cluster that has these objects."""
    by_name = {claim.metadata.name: claim for claim in claims}
    by_class = {item.metadata.name: item for item in classes}
    return needs_of_claims(pod, by_name, volumes, by_class, lambda _: taken)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ([], 'persistentvolumeclaim "data" not found'),
        ([make.claim(terminating=True)], "is being deleted"),
        ([make.claim()], "unbound immediate PersistentVolumeClaims"),
        ([make.claim(volume="gone", bound=True)], 'persistentvolume "gone" not found'),
        ([make.claim(volume="gone", bound=True, phase="Lost")], "bound to non-existent persistentvolume"),
    ],
)
def test_a_pod_waits_with_the_reason_while_its_claim_can_not_be_used(
    claims: list[PersistentVolumeClaim], words: str
) -> None:
    assert words in needs(a_pod("data"), claims).objection


def test_an_objection_to_the_claims_is_told_for_the_whole_cluster() -> None:
    snapshot = Snapshot()
    snapshot.set_node(a_node("node-a"))

    choice = Placement(snapshot).choose(shape_of(a_pod("data"), needs(a_pod("data"), [make.claim()])))

    assert isinstance(choice, Refusal)
    assert choice.message == "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."


def test_a_claim_of_one_pod_alone_is_refused_to_a_second() -> None:
    claim = make.claim(modes=("ReadWriteOncePod",), volume="disk", bound=True)

    assert "ReadWriteOncePod" in needs(a_pod("data"), [claim], [make.volume(of=claim)], taken=True).objection
    assert needs(a_pod("data"), [claim], [make.volume(of=claim)]).objection == ""


def test_a_pod_goes_to_a_node_that_reaches_its_volume() -> None:
    claim = make.claim(volume="disk", bound=True)
    found = needs(a_pod("data"), [claim], [make.volume(of=claim, node="node-b")])
    snapshot = Snapshot()
    snapshot.set_node(a_node("node-a"))
    (info,) = snapshot

    assert reaches(found, a_node("node-b"))
    assert objections(shape_of(a_pod("data"), found), info) == (
        Filter.VOLUMES,
        ("node(s) didn't match PersistentVolume's node affinity",),
    )


def test_a_waiting_claim_gets_a_volume_that_the_node_reaches() -> None:
    claim = make.claim(storage_class="fast")
    volumes = [make.volume(n, storage_class="fast", node=n) for n in ("node-a", "node-b")]
    classes = [make.storage_class(waits=True, provisioner=NO_PROVISIONER)]

    found = needs(a_pod("data"), [claim], volumes, classes)

    assert choices(found, a_node("node-b")) == [(claim, volumes[1])]
    assert choices(found, a_node("node-c")) is None


def test_two_claims_of_a_pod_never_get_one_volume() -> None:
    claims = [make.claim("one", storage_class="fast"), make.claim("two", storage_class="fast")]
    classes = [make.storage_class(waits=True, provisioner=NO_PROVISIONER)]

    found = needs(a_pod("one", "two"), claims, [make.volume(storage_class="fast")], classes)

    assert choices(found, a_node("node-a")) is None


def test_a_volume_is_made_where_none_is_free() -> None:
    claim = make.claim(storage_class="fast")

    found = needs(a_pod("data"), [claim], [], [make.storage_class(waits=True)])

    assert choices(found, a_node("node-a")) == [(claim, None)]


def test_a_volume_is_made_on_the_node_that_was_told_before_or_nowhere() -> None:
    """Its provisioner may be at work there: another node would get a second volume."""
    claim = make.claim(storage_class="fast", annotations={SELECTED_NODE: "node-a"})

    found = needs(a_pod("data"), [claim], [], [make.storage_class(waits=True)])

    assert choices(found, a_node("node-a")) == [(claim, None)]
    assert choices(found, a_node("node-b")) is None


def test_a_class_may_say_where_its_volumes_can_be_made() -> None:
    test = TopologySelectorLabelRequirement(key="kubernetes.io/hostname", values=("node-a",))
    here = (TopologySelectorTerm(match_label_expressions=(test,)),)

    found = needs(
        a_pod("data"), [make.claim(storage_class="fast")], [], [make.storage_class(waits=True, allowed_topologies=here)]
    )

    assert choices(found, a_node("node-a")) is not None
    assert choices(found, a_node("node-b")) is None


def test_the_claim_of_an_ephemeral_volume_is_waited_for_and_must_be_the_pods_own() -> None:
    pod = make.pod("web", volumes=(Volume(name="scratch", ephemeral=EphemeralVolumeSource()),))
    own, foreign = make.claim("web-scratch", of=pod), make.claim("web-scratch")

    missing = needs(pod, [])

    assert missing.is_coming
    assert "waiting for ephemeral volume controller" in missing.objection
    assert "not owner" in needs(pod, [foreign]).objection
    assert "unbound immediate" in needs(pod, [own]).objection
