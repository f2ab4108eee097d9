"""Find the persistent volume behind each claim of a pod, and what of the node it is.

Keeps true: a pod is given a volume only while claim and volume name each other; what lies on another kind of storage is
refused by its name. The directory of a volume that the built-in provisioner made is made when it is first needed.
Reads claims and volumes, each when a pod is prepared; writes nothing but that directory.
Source: kubernetes.io/docs/concepts/storage/persistent-volumes.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from kube.api.core_v1 import PersistentVolume, PersistentVolumeClaim, PersistentVolumeSpec, Pod, Volume
from kube.client import Client
from kube.errors import ApiError
from kube.objects import is_terminating
from kube.volumes import LOCAL_PATH, PROVISIONED_BY, claim_name, is_bound, is_foreign, is_held_by
from nodeagent.pods.host_paths import host_path
from nodeagent.pods.projections import VolumeError

T = TypeVar("T", PersistentVolume, PersistentVolumeClaim)

Persistent = Mapping[str, PersistentVolume]
"""The persistent volume of each volume of a pod that has one, by the name of the pod's volume."""
NONE: Final[Persistent] = {}


async def persistent_volumes(client: Client, pod: Pod, wanted: Callable[[str], bool]) -> Persistent:
    """Return the persistent volumes behind those of a pod's volumes that are wanted, by name.

    Raises VolumeError, and what the API refuses.
    """
    claimed = [volume for volume in pod.spec.volumes if claim_name(pod, volume) and wanted(volume.name)]
    found = await asyncio.gather(*(_persistent_volume(client, pod, volume) for volume in claimed))
    return {volume.name: behind for volume, behind in zip(claimed, found, strict=True)}


async def _persistent_volume(client: Client, pod: Pod, volume: Volume) -> PersistentVolume:
    name, namespace = claim_name(pod, volume), pod.metadata.namespace
    claim = await _get(client, PersistentVolumeClaim, name, namespace)
    why = claim_objection(pod, volume, claim)
    if why or claim is None:
        raise VolumeError(f"error processing PVC {namespace}/{name}: {why}")
    behind = await _get(client, PersistentVolume, claim.spec.volume_name, "")
    if behind is None or not is_held_by(behind, claim):
        raise VolumeError(f'error processing PVC {namespace}/{name}: PV "{claim.spec.volume_name}" is not bound to it')
    return behind


async def _get(client: Client, cls: type[T], name: str, namespace: str) -> T | None:
    try:
        return await client.get(cls, name, namespace=namespace)
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def claim_objection(pod: Pod, volume: Volume, claim: PersistentVolumeClaim | None) -> str:
    """Return why a pod can't have its claim's volume now, "" where it can."""
    if claim is None:
        return "it is not there"
    if is_foreign(pod, volume, claim):
        return "it was not created for the pod (pod is not owner)"
    if is_terminating(claim) and pod.status.start_time is None:
        return "can't start pod because PVC is being deleted"
    return "" if is_bound(claim) else "PVC is not bound"


def folder_of(volume: PersistentVolume, own: Path) -> Path:
    """Return where on this node a volume lies. own: where the node keeps those it makes. Raises VolumeError."""
    spec = volume.spec
    if spec.volume_mode == "Block":
        raise VolumeError(f'volumeMode Block of PV "{volume.metadata.name}": can\'t be mounted here; use Filesystem')
    if spec.host_path is not None:
        return host_path(spec.host_path.path, spec.host_path.type or "")
    if spec.local is None:
        raise VolumeError(
            f'PV "{volume.metadata.name}": {source_name(spec)} can\'t be mounted by this node;'
            ' use hostPath, local, or a claim of storageClassName "local-path"'
        )
    folder = Path(spec.local.path)
    if volume.metadata.annotations.get(PROVISIONED_BY) == LOCAL_PATH and folder.parent == own:
        _make(folder)
    if not folder.exists():
        raise VolumeError(f'path "{folder}" of PV "{volume.metadata.name}" does not exist; make it on this node')
    return folder


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o777)


def source_name(spec: Volume | PersistentVolumeSpec) -> str:
    """Return what a volume is made of, as its manifest calls it; "" where it names nothing."""
    for name, wire in zip(spec.__struct_fields__, spec.__struct_encode_fields__, strict=True):
        if type(getattr(spec, name)).__name__.endswith("VolumeSource"):
            return wire
    return ""
