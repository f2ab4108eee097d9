"""What claims and volumes say to each other: who wants what, what suits, and the marks they bear.

Plain functions that the API server, the scheduler, the controllers and the nodes all read alike.
Source: kubernetes.io/docs/concepts/storage/persistent-volumes, .../storage-classes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kube.api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod, Volume
from kube.api.storage_v1 import StorageClass
from kube.objects import default_among, is_controlled_by, is_terminating
from kube.quantity import Quantity
from kube.selectors import SelectorError, label_selector_from_object

BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
CLAIM_PROTECTION: Final = "kubernetes.io/pvc-protection"
VOLUME_PROTECTION: Final = "kubernetes.io/pv-protection"
ATTRIBUTES_PROTECTION: Final = "kubernetes.io/vac-protection"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"

LOCAL_PATH: Final = "wherry.dev/local-path"
"""The built-in provisioner; on a Node, the annotation that says where it keeps the volumes of that node."""
NODE_LABEL: Final = "wherry.dev/node"
"""On a volume of the built-in provisioner: the node on which it lies."""

_OLD_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
_ZERO: Final = Quantity("0")


def class_of(obj: PersistentVolume | PersistentVolumeClaim) -> str:
    """Return the name of the class of a claim or a volume, "" for none."""
    return obj.metadata.annotations.get(_OLD_CLASS) or obj.spec.storage_class_name or ""


def waits_for_consumer(storage_class: StorageClass | None) -> bool:
    """Say whether claims of this class are bound only once a pod that uses them is given a node."""
    return storage_class is not None and storage_class.volume_binding_mode == "WaitForFirstConsumer"


def default_class(classes: Iterable[StorageClass]) -> StorageClass | None:
    """Return the class that claims get which name none."""
    return default_among(classes, DEFAULT_CLASS)


def asked_of(claim: PersistentVolumeClaim) -> Quantity:
    """Return how much a claim asks for."""
    return claim.spec.resources.requests.get("storage", _ZERO)


def size_of(volume: PersistentVolume) -> Quantity:
    """Return how much a volume holds."""
    return volume.spec.capacity.get("storage", _ZERO)


def is_bound(claim: PersistentVolumeClaim) -> bool:
    """Say whether a claim has its volume, as far as the claim knows."""
    return bool(claim.spec.volume_name) and BIND_COMPLETED in claim.metadata.annotations


def is_held_by(volume: PersistentVolume, claim: PersistentVolumeClaim) -> bool:
    """Say whether a volume is bound to this claim, or kept for it by name."""
    held = volume.spec.claim_ref
    meta = claim.metadata
    return (
        held is not None and (held.namespace, held.name) == (meta.namespace, meta.name) and held.uid in ("", meta.uid)
    )


def mismatch(volume: PersistentVolume, claim: PersistentVolumeClaim) -> str:
    """Return why a volume that is named by, or kept for, a claim can't be its volume; "" where it can."""
    if size_of(volume) < asked_of(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if (volume.spec.volume_mode or "Filesystem") != (claim.spec.volume_mode or "Filesystem"):
        return "incompatible volumeMode"
    if not set(claim.spec.access_modes) <= set(volume.spec.access_modes):
        return "incompatible accessMode"
    return ""


def matching(claim: PersistentVolumeClaim, volumes: Iterable[PersistentVolume]) -> list[PersistentVolume]:
    """Return the free volumes that suit a claim, the one that wastes least first."""
    try:
        selector = label_selector_from_object(claim.spec.selector) if claim.spec.selector is not None else None
    except SelectorError:
        return []
    found = [
        volume
        for volume in volumes
        if volume.spec.claim_ref is None
        and volume.status.phase == "Available"
        and not is_terminating(volume)
        and not mismatch(volume, claim)
        and (selector is None or selector.matches(volume.metadata.labels))
    ]
    return sorted(found, key=lambda volume: (size_of(volume), volume.metadata.name))


def claim_name(pod: Pod, volume: Volume) -> str:
    """Return the name of the claim that a pod's volume is, "" for a volume of another kind."""
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else ""


def claim_names(pod: Pod) -> Iterator[str]:
    """Yield the names of all claims that a pod uses."""
    for volume in pod.spec.volumes:
        name = claim_name(pod, volume)
        if name:
            yield name


def is_foreign(pod: Pod, volume: Volume, claim: PersistentVolumeClaim) -> bool:
    """Say whether an ephemeral volume's claim belongs to somebody else who has taken its name."""
    return volume.ephemeral is not None and not is_controlled_by(claim, pod.metadata.uid)


def with_annotations(present: Mapping[str, str], added: Mapping[str, str]) -> dict[str, str] | None:
    """Return the annotations to write, None where all that should be added is there."""
    wanted = {**present, **added}
    return wanted if wanted != present else None
