"""The rules of what storage drivers tell of themselves and are told: CSI kinds, attachments, attributes classes.

Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources; kubernetes-csi.github.io/docs
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube import names
from kube.api.storage_v1 import (
    CSIDriver,
    CSIDriverSpec,
    CSINode,
    CSINodeDriver,
    CSIStorageCapacity,
    TokenRequest,
    VolumeAttachment,
    VolumeAttributesClass,
)
from kube.errors import FieldError, duplicate, forbidden_field, immutable, invalid, not_supported, required
from kube.objects import with_finalizer, with_metadata
from kube.quantity import Quantity
from kube.volumes import ATTRIBUTES_PROTECTION

from .checks import Errors, fits, label_selector, not_negative, one_of_if_given, unchanged
from .filling import where_none
from .plain import StorageOfNodes
from .volumes import driver_name_errors

LIFECYCLES: Final = ("Ephemeral", "Persistent")
GROUP_POLICIES: Final = ("File", "None", "ReadWriteOnceWithFSType")
_NODE_ID_MAX: Final = 256
_ATTRIBUTES_MAX_BYTES: Final = 256 * 1024
_PARAMETERS_MAX: Final = 512
_TOKEN_MIN_S: Final = 600
_TOKEN_MAX_S: Final = 1 << 32
_ZERO: Final = Quantity("0")


class DriverStrategy(StorageOfNodes[CSIDriver]):
    """CSIDrivers: some of what they say of themselves stays as it is; changes of spec count as generations."""

    def default(self, obj: CSIDriver) -> CSIDriver:
        spec = where_none(
            obj.spec,
            attach_required=True,
            pod_info_on_mount=False,
            storage_capacity=False,
            fs_group_policy="ReadWriteOnceWithFSType",
            requires_republish=False,
            se_linux_mount=False,
        )
        if not spec.volume_lifecycle_modes:
            spec = replace(spec, volume_lifecycle_modes=("Persistent",))
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def prepare_update(self, new: CSIDriver, old: CSIDriver, context: Context) -> CSIDriver:
        return with_metadata(new, generation=old.metadata.generation + (_counted(new.spec) != _counted(old.spec)))

    def validate(self, obj: CSIDriver) -> list[FieldError]:
        return [*driver_name_errors(obj.metadata.name, "metadata.name"), *_driver_errors(obj.spec)]

    def validate_update(self, new: CSIDriver, old: CSIDriver) -> list[FieldError]:
        errors = list(_driver_errors(new.spec))
        errors += unchanged("spec.attachedRequired", new.spec.attach_required, old.spec.attach_required)
        modes = new.spec.volume_lifecycle_modes
        return [*errors, *unchanged("spec.volumeLifecycleModes", modes, old.spec.volume_lifecycle_modes)]


def _counted(spec: CSIDriverSpec) -> tuple[Any, ...]:
    return spec.token_requests, spec.requires_republish, spec.se_linux_mount


def _driver_errors(spec: CSIDriverSpec) -> Errors:
    yield from one_of_if_given("spec.fsGroupPolicy", spec.fs_group_policy, GROUP_POLICIES)
    for mode in spec.volume_lifecycle_modes:
        if mode not in LIFECYCLES:
            yield not_supported("spec.volumeLifecycleModes", mode, LIFECYCLES)
    yield from _tokens_errors(spec.token_requests, "spec.tokenRequests")
    seconds = spec.node_allocatable_update_period_seconds
    if seconds is not None and seconds < 10:
        yield invalid("spec.nodeAllocatableUpdatePeriodSeconds", seconds, "must be greater than or equal to 10 seconds")


def _tokens_errors(requests: tuple[TokenRequest, ...], path: str) -> Errors:
    seen: set[str] = set()
    for index, request in enumerate(requests):
        here = f"{path}[{index}]"
        if request.audience in seen:
            yield duplicate(f"{here}.audience", request.audience)
        seen.add(request.audience)
        seconds = request.expiration_seconds
        if seconds is not None and seconds < _TOKEN_MIN_S:
            yield invalid(f"{here}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        elif seconds is not None and seconds > _TOKEN_MAX_S:
            yield invalid(f"{here}.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")


class CSINodeStrategy(StorageOfNodes[CSINode]):
    """CSINodes: what a driver says of a node stays, until the driver is taken off it."""

    def validate(self, obj: CSINode) -> list[FieldError]:
        return list(_node_errors(obj))

    def validate_update(self, new: CSINode, old: CSINode) -> list[FieldError]:
        before = {driver.name: driver for driver in old.spec.drivers}
        errors = list(_node_errors(new))
        for driver in new.spec.drivers:
            known = before.get(driver.name)
            if known is not None and replace(driver, allocatable=known.allocatable) != known:
                errors.append(immutable("spec.drivers", driver))
        return errors


def _node_errors(node: CSINode) -> Errors:
    seen: set[str] = set()
    for index, driver in enumerate(node.spec.drivers):
        here = f"spec.drivers[{index}]"
        yield from _node_driver_errors(driver, here)
        if driver.name and driver.name in seen:
            yield duplicate(f"{here}.name", driver.name)
        seen.add(driver.name)


def _node_driver_errors(driver: CSINodeDriver, path: str) -> Errors:
    yield from driver_name_errors(driver.name, f"{path}.name")
    if not driver.node_id:
        yield required(f"{path}.nodeID")
    elif len(driver.node_id) > _NODE_ID_MAX:
        yield invalid(f"{path}.nodeID", driver.node_id, f"must be {_NODE_ID_MAX} characters or less")
    if driver.allocatable is not None:
        yield from not_negative(f"{path}.allocatable.count", driver.allocatable.count)
    seen: set[str] = set()
    for key in driver.topology_keys:
        if not key:
            yield required(path)
        elif key in seen:
            yield duplicate(path, key)
        seen.add(key)
        yield from fits(path, key, names.check_label_key)


class CapacityStrategy(Strategy[CSIStorageCapacity]):
    """CSIStorageCapacities: of which class and where they are stays."""

    def validate(self, obj: CSIStorageCapacity) -> list[FieldError]:
        return list(_capacity_errors(obj))

    def validate_update(self, new: CSIStorageCapacity, old: CSIStorageCapacity) -> list[FieldError]:
        return [
            *self.validate(new),
            *unchanged("nodeTopology", new.node_topology, old.node_topology),
            *unchanged("storageClassName", new.storage_class_name, old.storage_class_name),
        ]


def _capacity_errors(obj: CSIStorageCapacity) -> Errors:
    yield from fits("storageClassName", obj.storage_class_name, names.check_dns_subdomain)
    yield from label_selector("nodeTopology", obj.node_topology)
    if obj.capacity is not None and obj.capacity < _ZERO:
        yield invalid("capacity", obj.capacity.text, "must be greater than or equal to 0")


class AttachmentStrategy(StorageOfNodes[VolumeAttachment]):
    """VolumeAttachments: what is to be attached where does not change."""

    def validate(self, obj: VolumeAttachment) -> list[FieldError]:
        return list(_attachment_errors(obj))

    def validate_update(self, new: VolumeAttachment, old: VolumeAttachment) -> list[FieldError]:
        errors = self.validate(new)
        return [*errors, immutable("spec", new.spec)] if new.spec != old.spec else errors

    def validate_status_update(self, new: VolumeAttachment, old: VolumeAttachment) -> list[FieldError]:
        return list(_metadata_errors(new.status.attachment_metadata, "status.attachmentMetadata"))


def _attachment_errors(obj: VolumeAttachment) -> Errors:
    spec = obj.spec
    yield from driver_name_errors(spec.attacher, "spec.attacher")
    yield from fits("spec.nodeName", spec.node_name, names.check_dns_subdomain)
    name, inline = spec.source.persistent_volume_name, spec.source.inline_volume_spec
    if inline is None and name is None:
        yield required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif inline is not None and name is not None:
        yield forbidden_field("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")
    elif name is not None:
        if not name:
            yield required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")
        yield from fits("spec.source.persistentVolumeName", name, names.check_dns_subdomain)


def _metadata_errors(values: Mapping[str, str], path: str) -> Errors:
    size = sum(len(key) + len(value) for key, value in values.items())
    if size > _ATTRIBUTES_MAX_BYTES:
        yield invalid(path, size, f"must have at most {_ATTRIBUTES_MAX_BYTES} bytes")


class AttributesClassStrategy(Strategy[VolumeAttributesClass]):
    """VolumeAttributesClasses: what they stand for does not change."""

    returns_deleted = True

    def prepare_create(self, obj: VolumeAttributesClass, context: Context) -> VolumeAttributesClass:
        return with_finalizer(super().prepare_create(obj, context), ATTRIBUTES_PROTECTION)

    def validate(self, obj: VolumeAttributesClass) -> list[FieldError]:
        return list(_attributes_errors(obj))

    def validate_update(self, new: VolumeAttributesClass, old: VolumeAttributesClass) -> list[FieldError]:
        errors = self.validate(new)
        if new.driver_name != old.driver_name:
            errors.append(forbidden_field("driverName", "updates to driverName are forbidden."))
        if new.parameters != old.parameters:
            errors.append(forbidden_field("parameters", "updates to parameters are forbidden."))
        return errors


def _attributes_errors(obj: VolumeAttributesClass) -> Errors:
    if not obj.driver_name:
        yield required("driverName")
    else:
        for problem in names.check_label_key(obj.driver_name.lower()):
            yield invalid("driverName", obj.driver_name.lower(), problem)
    if not obj.parameters:
        yield required("parameters", "must contain at least one key/value pair")
    if len(obj.parameters) > _PARAMETERS_MAX:
        yield invalid("parameters", len(obj.parameters), f"must have at most {_PARAMETERS_MAX} items")
    for key in obj.parameters:
        if not key:
            yield invalid("parameters", key, "field can not be empty.")
