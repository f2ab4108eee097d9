"""What a pod's claims mean for where it can go, and which volumes they get there. Plain functions.

A claim that is bound ties the pod to the nodes that reach its volume. One that waits for its first consumer gets, on
each node, a volume that is free and can be reached from there, or one that is made there.
Source: kubernetes.io/docs/concepts/storage/storage-classes (volume binding mode), .../persistent-volumes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kube.api.core_v1 import Node, NodeSelectorTerm, PersistentVolume, PersistentVolumeClaim, Pod, Volume
from kube.api.storage_v1 import StorageClass
from kube.objects import is_terminating
from kube.volumes import (
    LOCAL_PATH,
    NO_PROVISIONER,
    SELECTED_NODE,
    claim_name,
    class_of,
    is_bound,
    is_foreign,
    is_held_by,
    matching,
    waits_for_consumer,
)
from scheduler.node_terms import matches_term

ONCE: Final = "ReadWriteOncePod"


@dataclass(frozen=True, slots=True)
class OpenClaim:
    """A claim that is bound once its pod has a node. free: what would suit it. node: "" or where its volume is made."""

    claim: PersistentVolumeClaim
    free: tuple[PersistentVolume, ...] = ()
    storage_class: StorageClass | None = None
    node: str = ""


@dataclass(frozen=True, slots=True)
class VolumeNeeds:
    """What the claims of a pod ask of a node.

    reach: one entry for each volume that there is. objection: why no node will do. is_coming: but one soon may, since
    all that lacks is a claim that a controller is making.
    """

    reach: tuple[tuple[NodeSelectorTerm, ...], ...] = ()
    open: tuple[OpenClaim, ...] = ()
    objection: str = ""
    is_coming: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        """All that a node is judged by."""
        waiting = tuple(
            (one.claim.metadata.uid, one.node, tuple((v.metadata.uid, v.metadata.resource_version) for v in one.free))
            for one in self.open
        )
        return (self.reach, waiting, self.objection)


NO_VOLUMES: Final = VolumeNeeds()
Choice = tuple[PersistentVolumeClaim, PersistentVolume | None]
"""A claim and the volume it gets; None where one is to be made."""


def needs_of_claims(
    pod: Pod,
    claims: Mapping[str, PersistentVolumeClaim],
    volumes: Sequence[PersistentVolume],
    classes: Mapping[str, StorageClass],
    is_taken: Callable[[PersistentVolumeClaim], bool],
) -> VolumeNeeds:
    """Return what a pod's claims ask of a node. is_taken: another pod has a claim that only one may have."""
    reach, waiting = [], []
    for name, volume in _claimed(pod):
        claim = claims.get(name)
        why = _objection(pod, volume, name, claim)
        if why or claim is None:
            return VolumeNeeds(objection=why, is_coming=claim is None and volume.ephemeral is not None)
        if ONCE in claim.spec.access_modes and is_taken(claim):
            told = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
            return VolumeNeeds(objection=told)
        storage_class = classes.get(class_of(claim))
        if is_bound(claim):
            found = next((v for v in volumes if v.metadata.name == claim.spec.volume_name), None)
            if found is None:
                return VolumeNeeds(objection=f'persistentvolume "{claim.spec.volume_name}" not found')
            reach.append(_terms(found))
        elif waits_for_consumer(storage_class) and not claim.spec.volume_name:
            waiting.append(_open(claim, volumes, storage_class))
        else:
            return VolumeNeeds(objection="pod has unbound immediate PersistentVolumeClaims")
    return VolumeNeeds(tuple(terms for terms in reach if terms), tuple(waiting))


def _claimed(pod: Pod) -> Iterator[tuple[str, Volume]]:
    for volume in pod.spec.volumes:
        name = claim_name(pod, volume)
        if name:
            yield name, volume


def _objection(pod: Pod, volume: Volume, name: str, claim: PersistentVolumeClaim | None) -> str:
    if claim is None:
        if volume.ephemeral is not None:
            return f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
        return f'persistentvolumeclaim "{name}" not found'
    if is_foreign(pod, volume, claim):
        meta = pod.metadata
        told = f"PVC {meta.namespace}/{name} was not created for pod {meta.namespace}/{meta.name}"
        return f"{told} (pod is not owner)"
    if is_terminating(claim):
        return f'persistentvolumeclaim "{name}" is being deleted'
    if claim.status.phase == "Lost":
        return f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{claim.spec.volume_name}"'
    return ""


def _terms(volume: PersistentVolume) -> tuple[NodeSelectorTerm, ...]:
    affinity = volume.spec.node_affinity
    return affinity.required.node_selector_terms if affinity is not None and affinity.required is not None else ()


def _open(
    claim: PersistentVolumeClaim, volumes: Sequence[PersistentVolume], storage_class: StorageClass | None
) -> OpenClaim:
    kept = tuple(volume for volume in volumes if is_held_by(volume, claim))
    if kept:
        return OpenClaim(claim, kept[:1])
    chosen = claim.metadata.annotations.get(SELECTED_NODE, "")
    can_be_made = storage_class is not None and storage_class.provisioner != NO_PROVISIONER
    return OpenClaim(claim, tuple(matching(claim, volumes)), storage_class if can_be_made else None, chosen)


def reaches(needs: VolumeNeeds, node: Node) -> bool:
    """Say whether a node reaches all volumes that the pod has already."""
    meta = node.metadata
    return all(any(matches_term(term, meta.labels, meta.name) for term in terms) for terms in needs.reach)


def choices(needs: VolumeNeeds, node: Node) -> list[Choice] | None:
    """Return what each open claim gets if the pod goes to a node; None where one would get nothing there."""
    chosen: list[Choice] = []
    taken: set[str] = set()
    for one in needs.open:
        if one.node and one.node != node.metadata.name:
            return None
        fitting = (v for v in one.free if v.metadata.name not in taken and _is_reached(v, node))
        volume = None if one.node else next(fitting, None)
        if volume is None and (one.storage_class is None or not _allows(one.storage_class, node)):
            return None
        if volume is not None:
            taken.add(volume.metadata.name)
        chosen.append((one.claim, volume))
    return chosen


def offers_volumes(node: Node) -> bool:
    """Say whether the built-in provisioner can make volumes on a node."""
    return bool(node.metadata.annotations.get(LOCAL_PATH))


def _is_reached(volume: PersistentVolume, node: Node) -> bool:
    return reaches(VolumeNeeds((_terms(volume),)) if _terms(volume) else NO_VOLUMES, node)


def _allows(storage_class: StorageClass, node: Node) -> bool:
    """Say whether volumes of a class can be made on a node, as far as that can be known before it is tried."""
    if storage_class.provisioner == LOCAL_PATH and not offers_volumes(node):
        return False
    terms = storage_class.allowed_topologies
    labels = node.metadata.labels
    return not terms or any(
        all(labels.get(test.key) in test.values for test in term.match_label_expressions) for term in terms
    )
