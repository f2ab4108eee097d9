"""The rules of PersistentVolumes, their claims, and StorageClasses.

Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube.api.core_v1 import (
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
)
from kube.api.storage_v1 import StorageClass
from kube.errors import FieldError, forbidden_field, immutable, invalid, required
from kube.names import check_dns_subdomain
from kube.objects import with_defaults
from kube.quantity import Quantity

from .checks import Errors, label_selector, named_if_set, one_of, one_of_if_set
from .filling import where_none
from .generations import Ungenerated
from .pod_defaults import default_claim_spec

ACCESS_MODES: Final = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_SOURCES: Final = (
    "aws_elastic_block_store", "azure_disk", "azure_file", "cephfs", "cinder", "csi", "fc", "flex_volume", "flocker",
    "gce_persistent_disk", "glusterfs", "host_path", "iscsi", "local", "nfs", "photon_persistent_disk",
    "portworx_volume", "quobyte", "rbd", "scale_io", "storageos", "vsphere_volume",
)  # fmt: skip
_CHANGEABLE: Final = (
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
)
_ZERO: Final = Quantity("0")


class VolumeStrategy(Ungenerated[PersistentVolume]):
    """PersistentVolumes."""

    returns_deleted = True

    def default(self, obj: PersistentVolume) -> PersistentVolume:
        spec = with_defaults(obj.spec, persistent_volume_reclaim_policy="Retain")
        spec = where_none(spec, volume_mode="Filesystem")
        if spec.host_path is not None and spec.host_path.type is None:
            spec = replace(spec, host_path=replace(spec.host_path, type=""))
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def prepare_create(self, obj: PersistentVolume, context: Context) -> PersistentVolume:
        return replace(obj, status=PersistentVolumeStatus(phase="Pending"))

    def validate(self, obj: PersistentVolume) -> list[FieldError]:
        return list(_volume_errors(obj.spec))

    def validate_update(self, new: PersistentVolume, old: PersistentVolume) -> list[FieldError]:
        errors = self.validate(new)
        if any(getattr(new.spec, source) != getattr(old.spec, source) for source in _SOURCES):
            errors.append(
                forbidden_field(
                    "spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"
                )
            )
        if new.spec.volume_mode != old.spec.volume_mode:
            errors.append(immutable("spec.volumeMode", new.spec.volume_mode))
        return errors


def _volume_errors(spec: PersistentVolumeSpec) -> Errors:
    yield from _modes_errors(spec.access_modes, "spec.accessModes")
    if not spec.capacity:
        yield required("spec.capacity")
    elif set(spec.capacity) != {"storage"}:
        yield invalid("spec.capacity", sorted(spec.capacity), "supported values: storage")
    for name, amount in spec.capacity.items():
        if amount <= _ZERO:
            yield invalid(f"spec.capacity[{name}]", amount.text, "must be greater than zero")
    policies = ("Delete", "Recycle", "Retain")
    yield from one_of_if_set("spec.persistentVolumeReclaimPolicy", spec.persistent_volume_reclaim_policy, policies)
    yield from one_of_if_set("spec.volumeMode", spec.volume_mode, ("Block", "Filesystem"))
    yield from named_if_set("spec.storageClassName", spec.storage_class_name, check_dns_subdomain)
    found = [source for source in _SOURCES if getattr(spec, source) is not None]
    if not found:
        yield required("spec", "must specify a volume type")
    for source in found[1:]:
        yield forbidden_field(f"spec.{source}", "may not specify more than 1 volume type")
    if spec.local is not None and (spec.node_affinity is None or spec.node_affinity.required is None):
        yield required("spec.nodeAffinity", "Local volume requires node affinity")
    if spec.host_path is not None and not spec.host_path.path:
        yield required("spec.hostPath.path")


def _modes_errors(modes: tuple[str, ...], path: str) -> Errors:
    if not modes:
        yield required(path, "at least 1 access mode is required")
    for index, mode in enumerate(modes):
        yield from one_of(f"{path}[{index}]", mode, ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield forbidden_field(path, "may not use ReadWriteOncePod with other access modes")


class ClaimStrategy(Ungenerated[PersistentVolumeClaim]):
    """PersistentVolumeClaims; one that names no class gets the default one."""

    returns_deleted = True

    def default(self, obj: PersistentVolumeClaim) -> PersistentVolumeClaim:
        spec = default_claim_spec(obj.spec)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    async def admit(
        self, obj: PersistentVolumeClaim, old: PersistentVolumeClaim | None, context: Context
    ) -> PersistentVolumeClaim:
        if old is not None or obj.spec.storage_class_name is not None:
            return obj
        classes = [
            item for item in context.objects.all(StorageClass) if item.metadata.annotations.get(DEFAULT_CLASS) == "true"
        ]
        if not classes:
            return obj
        newest = max(classes, key=lambda item: (item.metadata.creation_timestamp or "", item.metadata.name))
        return replace(obj, spec=replace(obj.spec, storage_class_name=newest.metadata.name))

    def prepare_create(self, obj: PersistentVolumeClaim, context: Context) -> PersistentVolumeClaim:
        return replace(obj, status=PersistentVolumeClaimStatus(phase="Pending"))

    def validate(self, obj: PersistentVolumeClaim) -> list[FieldError]:
        return list(_claim_errors(obj.spec))

    def validate_update(self, new: PersistentVolumeClaim, old: PersistentVolumeClaim) -> list[FieldError]:
        errors = self.validate(new)
        kept = replace(
            new.spec,
            resources=old.spec.resources,
            volume_attributes_class_name=old.spec.volume_attributes_class_name,
            volume_name=old.spec.volume_name or new.spec.volume_name,
            storage_class_name=new.spec.storage_class_name
            if old.spec.storage_class_name is None
            else old.spec.storage_class_name,
        )
        same_name = old.spec.volume_name in ("", new.spec.volume_name)
        same_class = old.spec.storage_class_name in (None, new.spec.storage_class_name)
        expected = replace(old.spec, volume_name=kept.volume_name, storage_class_name=kept.storage_class_name)
        if kept != expected or not same_name or not same_class:
            errors.append(forbidden_field("spec", _CHANGEABLE))
        asked, before = (s.resources.requests.get("storage", _ZERO) for s in (new.spec, old.spec))
        if asked < before:
            detail = "field can not be less than previous value"
            errors.append(forbidden_field("spec.resources.requests.storage", detail))
        return errors


def _claim_errors(spec: PersistentVolumeClaimSpec) -> Errors:
    yield from _modes_errors(spec.access_modes, "spec.accessModes")
    yield from label_selector("spec.selector", spec.selector)
    amount = spec.resources.requests.get("storage")
    if amount is None:
        yield required("spec.resources[storage]")
    elif amount <= _ZERO:
        yield invalid("spec.resources[storage]", amount.text, "must be greater than zero")
    yield from named_if_set("spec.storageClassName", spec.storage_class_name, check_dns_subdomain)
    yield from one_of_if_set("spec.volumeMode", spec.volume_mode, ("Block", "Filesystem"))


class StorageClassStrategy(Strategy[StorageClass]):
    """StorageClasses: what they stand for does not change."""

    returns_deleted = True

    def default(self, obj: StorageClass) -> StorageClass:
        return where_none(obj, reclaim_policy="Delete", volume_binding_mode="Immediate")

    def validate(self, obj: StorageClass) -> list[FieldError]:
        return list(_class_errors(obj))

    def validate_update(self, new: StorageClass, old: StorageClass) -> list[FieldError]:
        errors = self.validate(new)
        if new.parameters != old.parameters:
            errors.append(forbidden_field("parameters", "updates to parameters are forbidden."))
        if new.provisioner != old.provisioner:
            errors.append(forbidden_field("provisioner", "updates to provisioner are forbidden."))
        if new.reclaim_policy != old.reclaim_policy:
            errors.append(forbidden_field("reclaimPolicy", "updates to reclaimPolicy are forbidden."))
        if new.volume_binding_mode != old.volume_binding_mode:
            errors.append(immutable("volumeBindingMode", new.volume_binding_mode))
        return errors


def _class_errors(obj: StorageClass) -> Errors:
    if not obj.provisioner:
        yield required("provisioner")
    yield from one_of_if_set("reclaimPolicy", obj.reclaim_policy, ("Delete", "Retain"))
    yield from one_of_if_set("volumeBindingMode", obj.volume_binding_mode, ("Immediate", "WaitForFirstConsumer"))
