"""The volumes that are made, and what keeps claims and volumes from going too early."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from controllers.ephemeral_claims import claim_for
from controllers.local_path import refusal, volume_for
from controllers.storage_protection import ClaimProtection, attributes_classes, is_held, uses
from controllers.world import ControllerSettings, World
from kube.api.core_v1 import (
    EphemeralVolumeSource,
    PersistentVolumeClaim,
    PersistentVolumeClaimTemplate,
    PersistentVolumeClaimVolumeSource,
    Volume,
)
from kube.api.meta_v1 import LabelSelector
from kube.informers import Informers
from kube.objects import ObjectKey, is_controlled_by, with_metadata
from kube.volumes import CLAIM_PROTECTION, LOCAL_PATH, is_held_by, mismatch
from tests import make
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock, settle

NODE = with_metadata(make.node(), annotations={LOCAL_PATH: "/srv/volumes"})
CLASS = make.storage_class(waits=True, provisioner=LOCAL_PATH)
DATA = Volume(name="d", persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name="data"))
TEMPLATE = PersistentVolumeClaimTemplate(spec=make.claim().spec)
SCRATCH = Volume(name="scratch", ephemeral=EphemeralVolumeSource(volume_claim_template=TEMPLATE))


def test_a_volume_is_made_for_its_claim_on_the_node_of_the_pod() -> None:
    claim = make.claim(storage_class="fast", size="3Gi", modes=("ReadWriteMany",))

    volume = volume_for(claim, CLASS, NODE)

    assert volume.spec.local is not None
    assert volume.spec.local.path == "/srv/volumes/pvc-uid-data"
    assert is_held_by(volume, claim)
    assert mismatch(volume, claim) == ""
    assert volume.spec.persistent_volume_reclaim_policy == "Delete"


@pytest.mark.parametrize(
    ("claim", "storage_class", "word"),
    [
        ({}, make.storage_class(provisioner=LOCAL_PATH), "volumeBindingMode"),
        ({"volume_mode": "Block"}, CLASS, "volumeMode"),
        ({"selector": LabelSelector()}, CLASS, "selector"),
    ],
)
def test_a_claim_that_can_not_be_served_is_told_which_field_is_in_the_way(
    claim: dict[str, Any], storage_class: Any, word: str
) -> None:
    assert word in refusal(make.claim(**claim), storage_class, NODE)
    assert refusal(make.claim(), CLASS, NODE) == ""


def test_a_node_of_another_make_gets_no_volumes() -> None:
    assert "directory" in refusal(make.claim(), CLASS, make.node())


def test_a_claim_is_used_by_the_pods_that_have_a_node() -> None:
    claim = make.claim()

    assert uses(make.pod(node="node-a", volumes=(DATA,)), claim)
    assert not uses(make.pod(volumes=(DATA,)), claim)
    assert not uses(make.pod(node="node-a", namespace="other", volumes=(DATA,)), claim)
    assert not uses(make.pod(node="node-a"), claim)


def test_only_what_is_going_away_is_let_go() -> None:
    assert is_held(make.claim(terminating=True, finalizers=("example.com/mine", CLAIM_PROTECTION)), CLAIM_PROTECTION)
    assert not is_held(make.claim(terminating=True, finalizers=("example.com/mine",)), CLAIM_PROTECTION)
    assert not is_held(make.claim(finalizers=(CLAIM_PROTECTION,)), CLAIM_PROTECTION)


def test_the_claim_of_an_ephemeral_volume_belongs_to_its_pod() -> None:
    pod = make.pod("web", volumes=(SCRATCH, DATA))

    claim = claim_for(pod, SCRATCH)

    assert claim is not None
    assert claim.metadata.name == "web-scratch"
    assert is_controlled_by(claim, pod.metadata.uid)
    assert claim_for(pod, DATA) is None


async def test_a_claim_is_not_let_go_while_a_pod_has_it_of_which_the_cache_has_not_heard() -> None:
    """Else the pod would be left without its data."""
    client = FakeClient(make.claim(terminating=True, finalizers=(CLAIM_PROTECTION,)))
    world = World(client, Informers(client), FakeClock(), ControllerSettings())
    protection = ClaimProtection(world)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(world.informers.run())
        await settle()
        client.hold()
        client.put(make.pod(node="node-a", volumes=(DATA,)))

        await protection.reconcile(ObjectKey("default", "data"))
        running.cancel()

    assert client.stored(PersistentVolumeClaim)[0].metadata.finalizers == (CLAIM_PROTECTION,)


def test_a_class_of_attributes_is_had_by_the_claims_and_volumes_that_name_it() -> None:
    """A claim that asks for another one still has the old one until its driver has changed it."""
    claim = make.claim()
    asking = replace(claim, spec=replace(claim.spec, volume_attributes_class_name="gold"))
    having = replace(asking, status=replace(claim.status, current_volume_attributes_class_name="silver"))
    volume = make.volume()

    assert attributes_classes(claim) == set()
    assert attributes_classes(having) == {"gold", "silver"}
    assert attributes_classes(replace(volume, spec=replace(volume.spec, volume_attributes_class_name="gold"))) == {
        "gold"
    }
