"""What must hold of the volumes of a pod.

Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/volume
"""

from collections.abc import Callable, Collection, Mapping
from functools import cache
from typing import Any, Final

from kube import names
from kube.api.core_v1 import (
    AzureDiskVolumeSource,
    EmptyDirVolumeSource,
    HostPathVolumeSource,
    Volume,
)
from kube.api.meta_v1 import ObjectMeta
from kube.errors import FieldError, duplicate, forbidden_field, invalid, not_supported, required, too_long
from kube.quantity import Quantity

from .checks import Errors, between, fits, named, one_of_if_set
from .claims import claim_spec_errors
from .metadata import template_metadata_errors
from .volume_files import downward_files_errors, keys_errors, mode_errors, projected_errors

HOST_PATH_TYPES: Final = (
    "",
    "DirectoryOrCreate",
    "Directory",
    "FileOrCreate",
    "File",
    "Socket",
    "CharDevice",
    "BlockDevice",
)
_DRIVER_NAME_MAX: Final = 63
_ISCSI_NAMES: Final = ("iqn.", "eui.", "naa.")
_ISCSI_NAME: Final = "must be valid format starting with iqn, eui, or naa"
_BLOB: Final = ("https://", "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd")
_MANAGED: Final = (
    "/subscriptions/",
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}",
)
_DISK_KINDS: Final = {"Dedicated": _BLOB, "Managed": _MANAGED, "Shared": _BLOB}
"""What the address of an Azure disk begins with, and what one looks like."""


def check_volumes(volumes: tuple[Volume, ...], path: str) -> tuple[list[FieldError], frozenset[str]]:
    """Check all volumes of a pod, and return the names of the sound ones: those that containers can mount."""
    wrong: list[FieldError] = []
    sound: set[str] = set()
    for index, volume in enumerate(volumes):
        found = list(_volume_errors(volume, sound, f"{path}[{index}]"))
        wrong += found
        if not found:
            sound.add(volume.name)
    return wrong, frozenset(sound)


def _volume_errors(volume: Volume, taken: Collection[str], path: str) -> Errors:
    """Check one volume: it has one source and a name of its own."""
    yield from _source_errors(volume, path)
    yield from named(f"{path}.name", volume.name, names.check_dns_label)
    if volume.name in taken:
        yield duplicate(f"{path}.name", volume.name)


@cache
def _source_fields() -> tuple[tuple[str, str], ...]:
    """Return the fields of sources with their names on the wire, in the order in which the first one set counts."""
    wire = dict(zip(Volume.__struct_fields__, Volume.__struct_encode_fields__, strict=True))
    return tuple((field, wire[field]) for field in _SOURCES)


def _source_errors(volume: Volume, path: str) -> Errors:
    found = [(field, wire) for field, wire in _source_fields() if getattr(volume, field) is not None]
    if not found:
        yield required(path, "must specify a volume type")
        return
    for _, wire in found[1:]:
        yield forbidden_field(f"{path}.{_MISSPELT.get(wire, wire)}", "may not specify more than 1 volume type")
    field, wire = found[0]
    source, here = getattr(volume, field), f"{path}.{_RENAMED.get(wire, wire)}"
    for name, wire in _NEEDED.get(field, {}).items():
        if not getattr(source, name):
            yield required(f"{here}.{wire}")
    check = _CHECKS.get(field)
    if check is not None:
        yield from check(source, here)


def _azure_disk_errors(source: AzureDiskVolumeSource, path: str) -> Errors:
    kind = source.kind or "Shared"
    if kind not in _DISK_KINDS:
        yield not_supported(f"{path}.kind", kind, tuple(_DISK_KINDS))
    begin, example = _DISK_KINDS.get(kind, _DISK_KINDS["Shared"])
    if not source.disk_uri.startswith(begin):
        yield not_supported(f"{path}.diskURI", source.disk_uri, (example,))


def _empty_dir_errors(source: EmptyDirVolumeSource, path: str) -> Errors:
    if source.size_limit is not None and source.size_limit < Quantity("0"):
        yield forbidden_field(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path_errors(source: HostPathVolumeSource, path: str) -> Errors:
    if not source.path:
        yield required(f"{path}.path")
    elif ".." in source.path.split("/"):
        yield invalid(f"{path}.path", source.path, "must not contain '..'")
    yield from one_of_if_set(f"{path}.type", source.type, HOST_PATH_TYPES)


def _config_map_errors(source: Any, path: str) -> Errors:
    if not source.name:
        yield required(f"{path}.name")
    yield from mode_errors(source.default_mode, f"{path}.defaultMode")
    yield from keys_errors(source.items, f"{path}.items")


def _secret_errors(source: Any, path: str) -> Errors:
    if not source.secret_name:
        yield required(f"{path}.secretName")
    yield from mode_errors(source.default_mode, f"{path}.defaultMode")
    yield from keys_errors(source.items, f"{path}.items")


def _downward_errors(source: Any, path: str) -> Errors:
    yield from mode_errors(source.default_mode, f"{path}.defaultMode")
    yield from downward_files_errors(source.items, path)


def _claim_errors(source: Any, path: str) -> Errors:
    if not source.claim_name:
        yield required(f"{path}.claimName")


def _nfs_errors(source: Any, path: str) -> Errors:
    if not source.server:
        yield required(f"{path}.server")
    if not source.path:
        yield required(f"{path}.path")
    if not source.path.startswith("/"):
        yield invalid(f"{path}.path", source.path, "must be an absolute path")


def _csi_errors(source: Any, path: str) -> Errors:
    yield from driver_name_errors(source.driver, f"{path}.driver")
    secret = source.node_publish_secret_ref
    if secret is not None:
        if secret.name:
            yield from fits(f"{path}.name", secret.name, names.check_dns_subdomain)
        else:
            yield required(f"{path}.nodePublishSecretRef.name")


def driver_name_errors(name: str, path: str) -> Errors:
    """Check the name of a CSI driver, in which capitals do not count."""
    if not name:
        yield required(path)
    if len(name) > _DRIVER_NAME_MAX:
        yield too_long(path, _DRIVER_NAME_MAX)
    for problem in names.check_dns_subdomain(name.lower()) if name else ():
        yield invalid(path, name, problem)


def _iscsi_errors(source: Any, path: str) -> Errors:
    if not source.target_portal:
        yield required(f"{path}.targetPortal")
    if not source.iqn:
        yield required(f"{path}.iqn")
    elif not source.iqn.startswith(_ISCSI_NAMES):
        yield invalid(f"{path}.iqn", source.iqn, _ISCSI_NAME)
    yield from between(f"{path}.lun", source.lun, 0, 255)
    if (source.chap_auth_discovery or source.chap_auth_session) and source.secret_ref is None:
        yield required(f"{path}.secretRef")
    if source.initiator_name is not None and not source.initiator_name.startswith(_ISCSI_NAMES):
        yield invalid(f"{path}.initiatorname", source.initiator_name, _ISCSI_NAME)


def _fc_errors(source: Any, path: str) -> Errors:
    if not source.target_wwns and not source.wwids:
        yield required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    elif source.target_wwns and source.wwids:
        detail = "targetWWNs and wwids can not be specified simultaneously"
        yield invalid(f"{path}.targetWWNs", source.target_wwns, detail)
    elif source.target_wwns and source.lun is None:
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif source.target_wwns:
        yield from between(f"{path}.lun", source.lun, 0, 255)


def _flocker_errors(source: Any, path: str) -> Errors:
    if not source.dataset_name and not source.dataset_uuid:
        yield required(path, "one of datasetName and datasetUUID is required")


def _git_errors(source: Any, path: str) -> Errors:
    if not source.repository:
        yield required(f"{path}.repository")


def _ephemeral_errors(source: Any, path: str) -> Errors:
    template = source.volume_claim_template
    here = f"{path}.volumeClaimTemplate"
    if template is None:
        yield required(here)
    else:
        yield from template_metadata_errors(template.metadata, f"{here}.metadata")
        yield from _only_told_errors(template.metadata, f"{here}.metadata")
        yield from claim_spec_errors(template.spec, f"{here}.spec")


def _only_told_errors(meta: ObjectMeta, path: str) -> Errors:
    """Check that a template of a claim says no more of the claim's metadata than labels and annotations."""
    nothing = ObjectMeta()
    for field, wire in zip(meta.__struct_fields__, meta.__struct_encode_fields__, strict=True):
        if field not in ("labels", "annotations") and getattr(meta, field) != getattr(nothing, field):
            yield forbidden_field(f"{path}.{wire}", "cannot be set")


def _image_errors(source: Any, path: str) -> Errors:
    if not source.reference:
        yield required(f"{path}.reference")
    yield from one_of_if_set(f"{path}.pullPolicy", source.pull_policy, ("Always", "IfNotPresent", "Never"))


_CHECKS: Final[Mapping[str, Callable[[Any, str], Errors]]] = {
    "azure_disk": _azure_disk_errors,
    "empty_dir": _empty_dir_errors,
    "host_path": _host_path_errors,
    "config_map": _config_map_errors,
    "secret": _secret_errors,
    "downward_api": _downward_errors,
    "persistent_volume_claim": _claim_errors,
    "nfs": _nfs_errors,
    "csi": _csi_errors,
    "iscsi": _iscsi_errors,
    "fc": _fc_errors,
    "git_repo": _git_errors,
    "ephemeral": _ephemeral_errors,
    "image": _image_errors,
    "projected": projected_errors,
    "flocker": _flocker_errors,
}
_SOURCES: Final = (
    *("empty_dir", "host_path", "git_repo", "gce_persistent_disk", "aws_elastic_block_store", "secret", "nfs"),
    *("iscsi", "glusterfs", "flocker", "persistent_volume_claim", "rbd", "cinder", "cephfs", "quobyte"),
    *("downward_api", "fc", "flex_volume", "config_map", "azure_file", "vsphere_volume", "photon_persistent_disk"),
    *("portworx_volume", "azure_disk", "storageos", "projected", "scale_io", "csi", "ephemeral", "image"),
)
_MISSPELT: Final = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""Fields that Kubernetes spells so where a volume has more than one source, and whoever compares causes with it."""
_RENAMED: Final = {"gcePersistentDisk": "persistentDisk"}
"""Fields that Kubernetes calls so where it speaks of what is in them."""
_NEEDED: Final[Mapping[str, Mapping[str, str]]] = {
    "gce_persistent_disk": {"pd_name": "pdName"},
    "aws_elastic_block_store": {"volume_id": "volumeID"},
    "glusterfs": {"endpoints": "endpoints", "path": "path"},
    "rbd": {"monitors": "monitors", "image": "image"},
    "cinder": {"volume_id": "volumeID"},
    "cephfs": {"monitors": "monitors"},
    "quobyte": {"registry": "registry", "volume": "volume"},
    "flex_volume": {"driver": "driver"},
    "azure_file": {"secret_name": "secretName", "share_name": "shareName"},
    "vsphere_volume": {"volume_path": "volumePath"},
    "photon_persistent_disk": {"pd_id": "pdID"},
    "portworx_volume": {"volume_id": "volumeID"},
    "azure_disk": {"disk_name": "diskName", "disk_uri": "diskURI"},
    "storageos": {"volume_name": "volumeName"},
    "scale_io": {"gateway": "gateway", "system": "system", "volume_name": "volumeName"},
}
"""What must be said of sources of which nothing else is checked: the fields and their names on the wire."""
