"""Decide which claim gets which volume, and what both are told.

Plain functions: a claim or a volume and what surrounds it in, what to do out. The tables of states stand in
docs/storage.md.
Source: kubernetes.io/docs/concepts/storage/persistent-volumes (lifecycle of a volume and claim).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

from kube.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from kube.api.storage_v1 import StorageClass
from kube.volumes import (
    BOUND_BY_CONTROLLER,
    LOCAL_PATH,
    NO_PROVISIONER,
    NODE_LABEL,
    PROVISIONED_BY,
    SELECTED_NODE,
    class_of,
    is_bound,
    is_held_by,
    matching,
    mismatch,
    waits_for_consumer,
)

EventType = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Bind:
    """Make volume and claim each other's. chosen: it was the controller that brought them together."""

    volume: PersistentVolume
    chosen: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave the claim pending, and tell why. provisioner: who is asked to make a volume, "" for nobody."""

    type: EventType = "Normal"
    reason: str = ""
    message: str = ""
    provisioner: str = ""


@dataclass(frozen=True, slots=True)
class Lose:
    """The claim's volume is gone, or is somebody else's."""

    reason: str
    message: str


ClaimStep = Bind | Wait | Lose
_QUIET: Final = Wait()


def plan_claim(
    claim: PersistentVolumeClaim, volumes: Collection[PersistentVolume], storage_class: StorageClass | None
) -> ClaimStep:
    """Return the next step of a claim. storage_class: the one it names, None where there is none of that name."""
    if is_bound(claim):
        return _plan_bound(claim, volumes)
    if claim.spec.volume_name:
        return _plan_named(claim, volumes)
    kept = next((volume for volume in volumes if is_held_by(volume, claim)), None)
    if kept is not None:
        why = mismatch(kept, claim)
        if not why:
            return Bind(kept)
        told = f'volume "{kept.metadata.name}" is kept for this claim, but can\'t be bound to it: {why}'
        return Wait("Warning", "FailedBinding", told)
    if waits_for_consumer(storage_class) and SELECTED_NODE not in claim.metadata.annotations:
        return Wait(reason="WaitForFirstConsumer", message="waiting for first consumer to be created before binding")
    free = matching(claim, volumes) if not waits_for_consumer(storage_class) else []
    return Bind(free[0], chosen=True) if free else _plan_provision(claim, storage_class)


def _plan_bound(claim: PersistentVolumeClaim, volumes: Collection[PersistentVolume]) -> ClaimStep:
    volume = _named(volumes, claim.spec.volume_name)
    if volume is None:
        return Lose("ClaimLost", "Bound claim has lost its PersistentVolume. Data on the volume is lost!")
    if volume.spec.claim_ref is None or is_held_by(volume, claim):
        return Bind(volume)
    return Lose("ClaimMisbound", "Two claims are bound to the same volume, this one is bound incorrectly")


def _plan_named(claim: PersistentVolumeClaim, volumes: Collection[PersistentVolume]) -> ClaimStep:
    volume = _named(volumes, claim.spec.volume_name)
    if volume is None:
        return _QUIET
    name = volume.metadata.name
    if volume.spec.claim_ref is not None and not is_held_by(volume, claim):
        return Wait("Warning", "FailedBinding", f'volume "{name}" already bound to a different claim.')
    why = mismatch(volume, claim)
    if why:
        return Wait("Warning", "VolumeMismatch", f'Cannot bind to requested volume "{name}": {why}')
    return Bind(volume)


def _plan_provision(claim: PersistentVolumeClaim, storage_class: StorageClass | None) -> Wait:
    name = class_of(claim)
    if not name:
        told = "no persistent volumes available for this claim and no storage class is set"
        return Wait(reason="FailedBinding", message=told)
    if storage_class is None:
        return Wait("Warning", "ProvisioningFailed", f'storageclass.storage.k8s.io "{name}" not found')
    provisioner = storage_class.provisioner
    if provisioner == NO_PROVISIONER:
        return Wait("Warning", "ProvisioningFailed", f"no volume plugin matched name: {provisioner}; add a volume")
    told = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    return Wait(reason="ExternalProvisioning", message=told, provisioner=provisioner)


def _named(volumes: Collection[PersistentVolume], name: str) -> PersistentVolume | None:
    return next((volume for volume in volumes if volume.metadata.name == name), None)


@dataclass(frozen=True, slots=True)
class Phase:
    """What a volume's status should say; where `reason` is set, people are told too."""

    phase: str
    message: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Free:
    """The claim went another way: cross it out. forget: whom the volume is kept for, not the uid alone."""

    forget: bool


VolumeStep = Phase | Free | None


def plan_volume(volume: PersistentVolume, claim: PersistentVolumeClaim | None) -> VolumeStep:
    """Return the next step of a volume, None for none. claim: the one it names, None where that is gone."""
    held = volume.spec.claim_ref
    if held is None or not held.uid:
        return Phase("Available")
    if claim is None or claim.metadata.uid != held.uid:
        return _plan_released(volume)
    if claim.spec.volume_name == volume.metadata.name:
        return Phase("Bound")
    if not claim.spec.volume_name:
        return None  # The claim's own turn binds it.
    if _is_provisioned(volume) and volume.spec.persistent_volume_reclaim_policy == "Delete":
        return _plan_released(volume)
    return Free(forget=BOUND_BY_CONTROLLER in volume.metadata.annotations)


def _plan_released(volume: PersistentVolume) -> Phase:
    policy = volume.spec.persistent_volume_reclaim_policy
    if policy == "Recycle":
        told = "Recycle is not supported; use Retain, or Delete with a provisioner"
        return Phase("Failed", told, "VolumeFailedRecycle")
    if policy == "Delete" and not _is_provisioned(volume):
        told = (
            f'no deletable volume plugin matched; delete "{volume.metadata.name}" and its data by hand, or use Retain'
        )
        return Phase("Failed", told, "VolumeFailedDelete")
    return Phase("Released")


def _is_provisioned(volume: PersistentVolume) -> bool:
    return PROVISIONED_BY in volume.metadata.annotations


def is_stranded(volume: PersistentVolume, nodes: Collection[str]) -> bool:
    """Say whether a volume of the built-in provisioner waits for a node to let go of it that is no longer there.

    nodes: the names of those that are.
    """
    is_held = LOCAL_PATH in volume.metadata.finalizers and volume.metadata.labels.get(NODE_LABEL) not in nodes
    is_going = volume.spec.persistent_volume_reclaim_policy == "Delete" or volume.metadata.deletion_timestamp
    return is_held and bool(is_going) and volume.status.phase not in ("Bound", "Available", "Pending")
