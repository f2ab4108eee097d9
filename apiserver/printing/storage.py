"""Storage as rows: volumes, claims, classes, drivers.

Source: what `kubectl get` has always shown.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from kube.api.core_v1 import PersistentVolume, PersistentVolumeClaim
from kube.api.storage_v1 import (
    CSIDriver,
    CSINode,
    StorageClass,
    VolumeAttachment,
    VolumeAttributesClass,
)
from kube.volumes import DEFAULT_CLASS

from .column import AGE, NAME, UNSET, Column, Printer, age, flags, numbers, text, wide

_SHORT: Final = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _modes(modes: Iterable[str]) -> str:
    present = set(modes)
    return ",".join(short for mode, short in _SHORT.items() if mode in present)


def volume_cells(obj: PersistentVolume, now: datetime) -> list[Any]:
    """Return the cells of a PersistentVolume."""
    spec, claim = obj.spec, obj.spec.claim_ref
    capacity = spec.capacity.get("storage")
    return [
        obj.metadata.name,
        capacity.text if capacity is not None else "",
        _modes(spec.access_modes),
        spec.persistent_volume_reclaim_policy,
        _phase(obj),
        f"{claim.namespace}/{claim.name}" if claim is not None else "",
        spec.storage_class_name,
        spec.volume_attributes_class_name or UNSET,
        obj.status.reason,
        age(obj, now),
        spec.volume_mode or UNSET,
    ]


def _phase(obj: PersistentVolume | PersistentVolumeClaim) -> str:
    return obj.status.phase if obj.metadata.deletion_timestamp is None else "Terminating"


def claim_cells(obj: PersistentVolumeClaim, now: datetime) -> list[Any]:
    """Return the cells of a PersistentVolumeClaim."""
    spec = obj.spec
    capacity = obj.status.capacity.get("storage") if spec.volume_name else None
    return [
        obj.metadata.name,
        _phase(obj),
        spec.volume_name,
        capacity.text if capacity is not None else "",
        _modes(obj.status.access_modes) if spec.volume_name else "",
        spec.storage_class_name or "",
        spec.volume_attributes_class_name or UNSET,
        age(obj, now),
        spec.volume_mode or UNSET,
    ]


def class_cells(obj: StorageClass, now: datetime) -> list[Any]:
    """Return the cells of a StorageClass."""
    is_default = obj.metadata.annotations.get(DEFAULT_CLASS) == "true"
    return [
        f"{obj.metadata.name} (default)" if is_default else obj.metadata.name,
        obj.provisioner,
        obj.reclaim_policy or "Delete",
        obj.volume_binding_mode or "Immediate",
        bool(obj.allow_volume_expansion),
        age(obj, now),
    ]


def attributes_class_cells(obj: VolumeAttributesClass, now: datetime) -> list[Any]:
    """Return the cells of a VolumeAttributesClass."""
    return [obj.metadata.name, obj.driver_name, age(obj, now)]


def attachment_cells(obj: VolumeAttachment, now: datetime) -> list[Any]:
    """Return the cells of a VolumeAttachment."""
    spec = obj.spec
    volume = spec.source.persistent_volume_name or ""
    return [obj.metadata.name, spec.attacher, volume, spec.node_name, obj.status.attached, age(obj, now)]


def driver_cells(obj: CSIDriver, now: datetime) -> list[Any]:
    """Return the cells of a CSIDriver."""
    spec = obj.spec
    modes = ",".join(spec.volume_lifecycle_modes) or UNSET
    tokens = ",".join(request.audience for request in spec.token_requests) or UNSET
    return [
        obj.metadata.name,
        spec.attach_required is not False,
        bool(spec.pod_info_on_mount),
        bool(spec.storage_capacity),
        tokens,
        bool(spec.requires_republish),
        modes,
        age(obj, now),
    ]


def csi_node_cells(obj: CSINode, now: datetime) -> list[Any]:
    """Return the cells of a CSINode."""
    return [obj.metadata.name, len(obj.spec.drivers), age(obj, now)]


_VOLUME_HEAD: Final = ("Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass")
VOLUME: Final = Printer(
    (NAME, *text(*_VOLUME_HEAD, "VolumeAttributesClass", "Reason"), AGE, *wide("VolumeMode")), volume_cells
)
_CLAIM_HEAD: Final = ("Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass")
CLAIM: Final = Printer((NAME, *text(*_CLAIM_HEAD), AGE, *wide("VolumeMode")), claim_cells)
CLASS: Final = Printer(
    (NAME, *text("Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion"), AGE), class_cells
)
ATTRIBUTES_CLASS: Final = Printer((NAME, *text("DriverName"), AGE), attributes_class_cells)
ATTACHMENT: Final = Printer(
    (NAME, Column(name="Attacher", format="name"), *text("PV", "Node"), *flags("Attached"), AGE), attachment_cells
)
DRIVER: Final = Printer(
    (
        NAME,
        *flags("AttachRequired", "PodInfoOnMount", "StorageCapacity"),
        *text("TokenRequests"),
        *flags("RequiresRepublish"),
        *text("Modes"),
        AGE,
    ),
    driver_cells,
)
CSI_NODE: Final = Printer((NAME, *numbers("Drivers"), AGE), csi_node_cells)
