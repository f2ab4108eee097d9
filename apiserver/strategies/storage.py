"""The rules of PersistentVolumes and StorageClasses.

Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube.api.core_v1 import (
    CSIPersistentVolumeSource,
    PersistentVolume,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    TopologySelectorTerm,
    VolumeNodeAffinity,
)
from kube.api.storage_v1 import StorageClass
from kube.errors import FieldError, duplicate, forbidden_field, immutable, invalid, not_supported, required
from kube.names import check_dns_label, check_dns_subdomain, check_label_key
from kube.objects import with_defaults, with_finalizer
from kube.quantity import Quantity
from kube.times import to_time
from kube.volumes import VOLUME_PROTECTION

from .checks import Errors, fits, named, named_if_set, one_of_if_given, one_of_if_set, unchanged
from .claims import access_modes_errors
from .filling import where_none
from .generations import Ungenerated
from .placement import node_selector_errors
from .volumes import driver_name_errors

_SOURCES: Final = (
    "aws_elastic_block_store", "azure_disk", "azure_file", "cephfs", "cinder", "csi", "fc", "flex_volume", "flocker",
    "gce_persistent_disk", "glusterfs", "host_path", "iscsi", "local", "nfs", "photon_persistent_disk",
    "portworx_volume", "quobyte", "rbd", "scale_io", "storageos", "vsphere_volume",
)  # fmt: skip
_WIRE_NAMES: Final = dict(
    zip(PersistentVolumeSpec.__struct_fields__, PersistentVolumeSpec.__struct_encode_fields__, strict=True)
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
        status = PersistentVolumeStatus(phase="Pending", last_phase_transition_time=to_time(context.now))
        return replace(with_finalizer(obj, VOLUME_PROTECTION), status=status)

    def prepare_status_update(self, new: PersistentVolume, old: PersistentVolume, context: Context) -> PersistentVolume:
        """The moment at which a volume changed its phase is known where that is written."""
        prepared = super().prepare_status_update(new, old, context)
        given = prepared.status.last_phase_transition_time
        if prepared.status.phase == old.status.phase or given != old.status.last_phase_transition_time:
            return prepared
        return replace(prepared, status=replace(prepared.status, last_phase_transition_time=to_time(context.now)))

    def validate(self, obj: PersistentVolume) -> list[FieldError]:
        return list(_volume_errors(obj.spec))

    def validate_update(self, new: PersistentVolume, old: PersistentVolume) -> list[FieldError]:
        return [*self.validate(new), *_volume_change_errors(new.spec, old.spec)]


def _volume_change_errors(new: PersistentVolumeSpec, old: PersistentVolumeSpec) -> Errors:
    """Check that a volume stays what it is and where it is; the secret by which it grows may be added."""
    source = new.csi
    if source is not None and old.csi is not None and old.csi.controller_expand_secret_ref is None:
        source = replace(source, controller_expand_secret_ref=None)
    compared = replace(new, csi=source)
    if any(getattr(compared, field) != getattr(old, field) for field in _SOURCES):
        detail = "spec.persistentvolumesource is immutable after creation"
        yield forbidden_field("spec.persistentvolumesource", detail)
    if new.volume_mode != old.volume_mode:
        yield immutable("volumeMode", new.volume_mode)
    if old.node_affinity is not None and new.node_affinity != old.node_affinity:
        detail = "field is immutable, except for updating from beta label to GA"
        yield invalid("nodeAffinity", new.node_affinity, detail)
    if old.volume_attributes_class_name is not None and new.volume_attributes_class_name is None:
        detail = "update from non-nil value to nil is forbidden"
        yield forbidden_field("spec.volumeAttributesClassName", detail)


def _volume_errors(spec: PersistentVolumeSpec) -> Errors:
    yield from access_modes_errors(spec.access_modes, "spec.accessModes")
    if not spec.capacity:
        yield required("spec.capacity")
    if set(spec.capacity) != {"storage"}:
        yield not_supported("spec.capacity", spec.capacity or None, ("storage",))
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
        yield forbidden_field(f"spec.{_WIRE_NAMES[source]}", "may not specify more than 1 volume type")
    if spec.local is not None:
        yield from _local_errors(spec.local.path, spec.node_affinity)
    if spec.host_path is not None and not spec.host_path.path:
        yield required("spec.hostPath.path")
    if spec.csi is not None:
        yield from _csi_errors(spec.csi, "spec.csi")
    if spec.volume_attributes_class_name is not None:
        yield from _attributes_errors(spec)
    if spec.node_affinity is not None and spec.node_affinity.required is not None:
        yield from node_selector_errors(spec.node_affinity.required, "spec.nodeAffinity.required")


def _attributes_errors(spec: PersistentVolumeSpec) -> Errors:
    path = "spec.volumeAttributesClassName"
    if not spec.volume_attributes_class_name:
        yield required(path, "an empty string is disallowed")
    else:
        yield from fits(path, spec.volume_attributes_class_name, check_dns_subdomain)
    if spec.csi is None:
        yield required("spec.csi", "has to be specified when using volumeAttributesClassName")


def _csi_errors(source: CSIPersistentVolumeSource, path: str) -> Errors:
    yield from driver_name_errors(source.driver, f"{path}.driver")
    if not source.volume_handle:
        yield required(f"{path}.volumeHandle")
    for field, secret in (
        ("controllerPublishSecretRef", source.controller_publish_secret_ref),
        ("controllerExpandSecretRef", source.controller_expand_secret_ref),
        ("nodePublishSecretRef", source.node_publish_secret_ref),
        ("nodeExpandSecretRef", source.node_expand_secret_ref),
    ):
        if secret is not None:
            yield from named(f"{path}.{field}.name", secret.name, check_dns_subdomain)
            yield from named(f"{path}.{field}.namespace", secret.namespace, check_dns_label)


class StorageClassStrategy(Strategy[StorageClass]):
    """StorageClasses: what they stand for does not change."""

    returns_deleted = True

    def default(self, obj: StorageClass) -> StorageClass:
        return where_none(obj, reclaim_policy="Delete", volume_binding_mode="Immediate")

    def validate(self, obj: StorageClass) -> list[FieldError]:
        return list(_class_errors(obj))

    def validate_update(self, new: StorageClass, old: StorageClass) -> list[FieldError]:
        return [
            *self.validate(new),
            *unchanged("parameters", new.parameters, old.parameters),
            *unchanged("provisioner", new.provisioner, old.provisioner),
            *unchanged("reclaimPolicy", new.reclaim_policy, old.reclaim_policy),
            *unchanged("volumeBindingMode", new.volume_binding_mode, old.volume_binding_mode),
        ]


def _class_errors(obj: StorageClass) -> Errors:
    if not obj.provisioner:
        yield required("provisioner")
    else:
        for problem in check_label_key(obj.provisioner.lower()):
            yield invalid("provisioner", obj.provisioner.lower(), problem)
    for key in obj.parameters:
        if not key:
            yield invalid("parameters", key, "field can not be empty.")
    yield from one_of_if_given("reclaimPolicy", obj.reclaim_policy, ("Delete", "Retain"))
    yield from one_of_if_given("volumeBindingMode", obj.volume_binding_mode, ("Immediate", "WaitForFirstConsumer"))
    yield from _topologies_errors(obj.allowed_topologies, "allowedTopologies")


def _local_errors(path: str, affinity: VolumeNodeAffinity | None) -> Errors:
    if affinity is None or affinity.required is None:
        yield required("spec.nodeAffinity", "Local volume requires node affinity")
    if not path:
        yield required("spec.local.path")
    elif ".." in path.split("/"):
        yield invalid("spec.local.path", path, "must not contain '..'")


def _topologies_errors(terms: tuple[TopologySelectorTerm, ...], path: str) -> Errors:
    """Check where volumes of a class may be made: no key twice in a term, no value twice in a key."""
    for index, term in enumerate(terms):
        if term in terms[:index]:
            yield duplicate(f"{path}[{index}].matchLabelExpressions", "")
        keys: set[str] = set()
        for place, requirement in enumerate(term.match_label_expressions):
            here = f"{path}[{index}].matchLabelExpressions[{place}]"
            yield from fits(f"{here}.key", requirement.key, check_label_key)
            if requirement.key in keys:
                yield duplicate(f"{here}.key", requirement.key)
            keys.add(requirement.key)
            if not requirement.values:
                yield required(f"{here}.values")
            for spot, value in enumerate(requirement.values):
                if value in requirement.values[:spot]:
                    yield duplicate(f"{here}.values[{spot}]", value)
