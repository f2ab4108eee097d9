"""The types of storage.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.core_v1 import PersistentVolumeSpec, TopologySelectorTerm
from kube.api.meta_v1 import LabelSelector, ListMeta, ObjectMeta
from kube.api.object import ListMap, ListSet, Object, always, renamed
from kube.api.scalars import Int32, Int64, Time
from kube.quantity import Quantity


class TokenRequest(Object, frozen=True):
    """A service account token a CSI driver wants, by audience and lifetime."""

    audience: str = always("")
    expiration_seconds: Int64 | None = None


class CSIDriverSpec(Object, frozen=True):
    """What a CSI driver needs and supports."""

    attach_required: bool | None = None
    fs_group_policy: str | None = None
    node_allocatable_update_period_seconds: Int64 | None = None
    pod_info_on_mount: bool | None = None
    prevent_pod_scheduling_if_missing: bool | None = None
    requires_republish: bool | None = None
    se_linux_mount: bool | None = None
    service_account_token_in_secrets: bool | None = None
    storage_capacity: bool | None = None
    token_requests: tuple[TokenRequest, ...] = ()
    volume_lifecycle_modes: Annotated[tuple[str, ...], ListSet()] = ()


class CSIDriver(Object, frozen=True):
    """Tells the cluster that a CSI driver exists and how to treat it."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("CSIDriver")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: CSIDriverSpec = always(CSIDriverSpec())


class CSIDriverList(Object, frozen=True):
    """A list of CSI drivers."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("CSIDriverList")
    items: tuple[CSIDriver, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class VolumeNodeResources(Object, frozen=True):
    """How many volumes of a driver a node can hold."""

    count: Int32 | None = None


class CSINodeDriver(Object, frozen=True, rename=renamed(node_id="nodeID")):
    """One driver on a node, with its node id, topology and volume limit."""

    allocatable: VolumeNodeResources | None = None
    name: str = always("")
    node_id: str = always("")
    topology_keys: tuple[str, ...] = always(())


class CSINodeSpec(Object, frozen=True):
    """The drivers registered on a node."""

    drivers: Annotated[tuple[CSINodeDriver, ...], ListMap(keys=("name",), patch="name")] = always(())


class CSINode(Object, frozen=True):
    """The CSI drivers installed on a node."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("CSINode")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: CSINodeSpec = always(CSINodeSpec())


class CSINodeList(Object, frozen=True):
    """A list of CSI nodes."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("CSINodeList")
    items: tuple[CSINode, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class CSIStorageCapacity(Object, frozen=True):
    """How much room a storage class has left in one part of the cluster."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("CSIStorageCapacity")
    capacity: Quantity | None = None
    maximum_volume_size: Quantity | None = None
    metadata: ObjectMeta = always(ObjectMeta())
    node_topology: LabelSelector | None = None
    storage_class_name: str = always("")


class CSIStorageCapacityList(Object, frozen=True):
    """A list of CSI storage capacities."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("CSIStorageCapacityList")
    items: tuple[CSIStorageCapacity, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class StorageClass(Object, frozen=True):
    """A kind of storage and how volumes of it are made."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("StorageClass")
    allow_volume_expansion: bool | None = None
    allowed_topologies: tuple[TopologySelectorTerm, ...] = ()
    metadata: ObjectMeta = always(ObjectMeta())
    mount_options: tuple[str, ...] = ()
    parameters: Mapping[str, str] = {}
    provisioner: str = always("")
    reclaim_policy: str | None = None
    volume_binding_mode: str | None = None


class StorageClassList(Object, frozen=True):
    """A list of storage classes."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("StorageClassList")
    items: tuple[StorageClass, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class VolumeAttachmentSource(Object, frozen=True):
    """The volume that is to be attached."""

    inline_volume_spec: PersistentVolumeSpec | None = None
    persistent_volume_name: str | None = None


class VolumeAttachmentSpec(Object, frozen=True):
    """Which volume to attach, to which node, and by which driver."""

    attacher: str = always("")
    node_name: str = always("")
    source: VolumeAttachmentSource = always(VolumeAttachmentSource())


class VolumeError(Object, frozen=True):
    """What went wrong with attaching or detaching, and when."""

    error_code: Int32 | None = None
    message: str = ""
    time: Time | None = always(None)


class VolumeAttachmentStatus(Object, frozen=True):
    """Whether a volume is attached, and the last errors."""

    attach_error: VolumeError | None = None
    attached: bool = always(False)
    attachment_metadata: Mapping[str, str] = {}
    detach_error: VolumeError | None = None


class VolumeAttachment(Object, frozen=True):
    """Asks for a volume to be attached to a node, and tracks it."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("VolumeAttachment")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: VolumeAttachmentSpec = always(VolumeAttachmentSpec())
    status: VolumeAttachmentStatus = always(VolumeAttachmentStatus())


class VolumeAttachmentList(Object, frozen=True):
    """A list of volume attachments."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("VolumeAttachmentList")
    items: tuple[VolumeAttachment, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class VolumeAttributesClass(Object, frozen=True):
    """A set of volume settings that can be changed after creation."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("VolumeAttributesClass")
    driver_name: str = always("")
    metadata: ObjectMeta = always(ObjectMeta())
    parameters: Mapping[str, str] = {}


class VolumeAttributesClassList(Object, frozen=True):
    """A list of volume attributes classes."""

    api_version: str = always("storage.k8s.io/v1")
    kind: str = always("VolumeAttributesClassList")
    items: tuple[VolumeAttributesClass, ...] = always(())
    metadata: ListMeta = always(ListMeta())
