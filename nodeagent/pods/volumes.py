"""Bring a pod's volumes into being, keep them up to date, and let them go.

Keeps true: what may be secret lives in memory alone; a file that comes from an API object changes all at once, and no
container can write where we write such files; nothing stays mounted when a pod is gone.
Writes `STATE/pods/UID/` and `RUN/pods/UID/`.
Source: kubernetes.io/docs/concepts/storage/volumes.
"""

import os
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kube.api.core_v1 import (
    Container,
    EmptyDirVolumeSource,
    ImageVolumeSource,
    PersistentVolume,
    Pod,
    Volume,
    VolumeMount,
)
from kube.files import remove_deep
from nodeagent.memory import keep_in_memory, mount_tmpfs
from nodeagent.pods.downward import PodFacts
from nodeagent.pods.env_files import EnvFileError, parse_variable, read_env_file
from nodeagent.pods.environment import FileKey, References, expand, file_key, referred_files
from nodeagent.pods.host_paths import host_path
from nodeagent.pods.mounts import mounts_below, unmount
from nodeagent.pods.ownership import give_to_group, group_of
from nodeagent.pods.payload_dir import write_files
from nodeagent.pods.persistent import NONE, Persistent, folder_of, source_name
from nodeagent.pods.projections import TokenKey, VolumeError, is_secret, volume_files
from nodeagent.pods.resources import ZERO, memory_limit_bytes
from nodeagent.pods.runtime_config import Mount
from nodeagent.pods.subpaths import bind_subpath

_MEMORY: Final = "Memory"
_UNFINISHED: Final = 0
"""The mode of an emptyDir that is only just being made."""


@dataclass(frozen=True, slots=True)
class NodeDirs:
    """Where the files of pods are. state: survives a reboot. run: is in memory."""

    state: Path
    run: Path

    @property
    def pods(self) -> Path:
        """The directory of the directories of what pods keep on disk."""
        return self.state / "pods"

    def pod(self, uid: str) -> Path:
        """Return the directory of what a pod keeps on disk."""
        return self.pods / uid

    def pod_in_memory(self, uid: str) -> Path:
        """Return the directory of what a pod keeps in memory."""
        return self.run / "pods" / uid

    @property
    def local_volumes(self) -> Path:
        """The directory of the persistent volumes that are made on this node."""
        return self.state / "volumes"

    def logs(self, pod: Pod) -> Path:
        """Return the directory of a pod's logs."""
        meta = pod.metadata
        return self.state / "logs" / f"{meta.namespace}_{meta.name}_{meta.uid}"

    def make(self) -> None:
        """Make the directories that pods' own are made in."""
        keep_in_memory(self.run / "pods")
        for folder in (self.pods, self.state / "logs"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def pods_found(self) -> set[str]:
        """Return the uids of all pods that have left something."""
        folders = [self.pods, self.run / "pods", self.state / "logs"]
        names = (entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir())
        return {name.rpartition("_")[2] for name in names}

    def logs_found(self, uid: str) -> Path | None:
        """Return the directory of the logs that a pod has left, None where there is none."""
        return next((self.state / "logs").glob(f"*_{uid}"), None)


class PodVolumes:
    """The volumes of one pod. Nothing is remembered but paths: the file system tells what is there."""

    def __init__(self, dirs: NodeDirs, pod: Pod) -> None:
        self._dirs = dirs
        self._uid = pod.metadata.uid
        self._paths: dict[str, Path] = {}
        self._images: dict[str, ImageVolumeSource] = {}
        self._readonly: set[str] = set()
        """Claims that ask for it, and whatever we write files to: a link planted among them would lead us out."""

    def is_prepared(self, name: str) -> bool:
        """Say whether a volume has been made before."""
        return name in self._paths

    def prepare(
        self,
        facts: PodFacts,
        references: References,
        tokens: Mapping[TokenKey, str],
        persistent: Persistent = NONE,
    ) -> None:
        """Make all volumes, or bring those that are there up to date. Raises VolumeError.

        persistent: what is behind the claims of volumes that have not been made before.
        """
        _refuse_devices(facts.pod)
        for volume in facts.pod.spec.volumes:
            if volume.image is not None:
                self._images[volume.name] = volume.image
                continue
            try:
                self._paths[volume.name] = self._prepare(volume, facts, references, tokens, persistent)
            except VolumeError as error:
                raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error

    def _prepare(
        self,
        volume: Volume,
        facts: PodFacts,
        references: References,
        tokens: Mapping[TokenKey, str],
        persistent: Persistent,
    ) -> Path:
        files = volume_files(volume, facts, references, tokens)
        if files is not None:
            folder = self._folder(volume, in_memory=is_secret(volume))
            write_files(folder, files, group_of(facts.pod))
            self._readonly.add(volume.name)
            return folder
        if volume.empty_dir is not None:
            return self._empty_dir(volume, volume.empty_dir, facts)
        if volume.host_path is not None:
            return host_path(volume.host_path.path, volume.host_path.type or "")
        if volume.name in self._paths:
            return self._paths[volume.name]
        if volume.name in persistent:
            return self._persistent(volume, persistent[volume.name], facts.pod)
        raise VolumeError(
            f"{source_name(volume)} can't be mounted by this node; use emptyDir, hostPath, configMap, secret,"
            " downwardAPI, projected, image, or a persistentVolumeClaim"
        )

    def _persistent(self, volume: Volume, behind: PersistentVolume, pod: Pod) -> Path:
        folder = folder_of(behind, self._dirs.local_volumes)
        claim = volume.persistent_volume_claim
        group = group_of(pod)
        if claim is not None and claim.read_only:
            self._readonly.add(volume.name)
        elif group is not None and behind.spec.host_path is None and not _has_begun(pod):
            security = pod.spec.security_context
            give_to_group(folder, group, (security.fs_group_change_policy if security is not None else "") or "")
        return folder

    def _folder(self, volume: Volume, *, in_memory: bool, mode: int = 0o755) -> Path:
        parent = self._dirs.pod_in_memory(self._uid) if in_memory else self._dirs.pod(self._uid)
        folder = parent / "volumes" / volume.name
        folder.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        folder.mkdir(exist_ok=True, mode=mode)
        return folder

    def _empty_dir(self, volume: Volume, source: EmptyDirVolumeSource, facts: PodFacts) -> Path:
        if source.medium not in ("", _MEMORY):
            raise VolumeError(f'emptyDir medium "{source.medium}": this node offers only "" and "Memory"')
        folder = self._folder(volume, in_memory=source.medium == _MEMORY, mode=_UNFINISHED)
        if folder.stat().st_mode & 0o777 != _UNFINISHED:
            return folder  # What its containers have made of it since is theirs.
        if source.medium == _MEMORY and not mounts_below(folder):
            mount_tmpfs(folder, _memory_bytes(source, facts), _UNFINISHED)
        group = group_of(facts.pod)
        if group is not None:
            os.chown(folder, -1, group)
        sticky = stat.S_ISVTX if source.medium == _MEMORY else 0  # As every fresh tmpfs is.
        folder.chmod(0o777 | sticky | (stat.S_ISGID if group is not None else 0))
        return folder

    def images(self, container: Container) -> list[ImageVolumeSource]:
        """Return the images that a container mounts as volumes."""
        return [self._images[mount.name] for mount in container.volume_mounts if mount.name in self._images]

    def variables(self, container: Container) -> dict[FileKey, str | None]:
        """Return what the environment of a container takes from files of its volumes. Raises VolumeError."""
        found: dict[FileKey, str | None] = {}
        for wanted in referred_files(container):
            folder = self._paths.get(wanted.volume_name)
            if folder is None:
                raise VolumeError(f'env: cannot find the volume "{wanted.volume_name}" referenced by fileKeyRef')
            try:
                text = read_env_file(folder, wanted.path)
                found[file_key(wanted)] = parse_variable(text, wanted.key) if text is not None else None
            except EnvFileError as error:
                raise VolumeError(f'env: file "{wanted.path}" of volume "{wanted.volume_name}": {error}') from error
        return found

    def mounts(self, container: Container, environment: Mapping[str, str]) -> list[Mount]:
        """Return what of the volumes a container sees, and where. Raises VolumeError."""
        return [self._mount(container, i, mount, environment) for i, mount in enumerate(container.volume_mounts)]

    def _mount(self, container: Container, index: int, mount: VolumeMount, environment: Mapping[str, str]) -> Mount:
        subpath = _subpath(mount, environment)
        if mount.name in self._images:
            reference = self._images[mount.name].reference
            return Mount(mount.mount_path, is_readonly=True, image=reference, image_sub_path=subpath)
        source = self._paths.get(mount.name)
        if source is None:
            raise VolumeError(f'volumeMounts: there is no volume "{mount.name}" in this pod')
        if subpath:
            target = self._dirs.pod(self._uid) / "subpaths" / mount.name / container.name / str(index)
            bind_subpath(source, subpath, target)
            source = target
        return Mount(
            container_path=mount.mount_path,
            host_path=str(source),
            is_readonly=mount.read_only or mount.name in self._readonly,
            is_recursive=mount.recursive_read_only in ("Enabled", "IfPossible"),
            propagation=mount.mount_propagation or "",
            is_relabelled=any(
                source.is_relative_to(own(self._uid)) for own in (self._dirs.pod, self._dirs.pod_in_memory)
            ),
        )


def _has_begun(pod: Pod) -> bool:
    """Say whether containers have run: after a restart of the node agent, what they made of their volumes stays."""
    return any(told.container_id for told in (*pod.status.init_container_statuses, *pod.status.container_statuses))


def _subpath(mount: VolumeMount, environment: Mapping[str, str]) -> str:
    if not mount.sub_path_expr:
        return mount.sub_path
    expanded = expand(mount.sub_path_expr, environment)
    if "$(" in expanded:
        raise VolumeError(f'subPathExpr "{mount.sub_path_expr}": names a variable that is not set')
    return expanded


def _refuse_devices(pod: Pod) -> None:
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        for device in container.volume_devices:
            raise VolumeError(
                f'volumeDevices "{device.name}" of container "{container.name}": block volumes can\'t be had on this'
                " node; use volumeMode Filesystem and volumeMounts"
            )


def _memory_bytes(source: EmptyDirVolumeSource, facts: PodFacts) -> int:
    """Return how much an emptyDir in memory may hold: what it says, and no more than its pod or its node has."""
    asked = source.size_limit.whole if source.size_limit is not None else 0
    node = (facts.allocatable or {}).get("memory", ZERO).whole
    limits = (asked, memory_limit_bytes(facts.pod), node)
    return min((limit for limit in limits if limit), default=0)


def unmount_all(dirs: NodeDirs, uid: str) -> None:
    """Take away every mount of a pod's volumes."""
    for point in mounts_below(dirs.pod(uid), dirs.pod_in_memory(uid)):
        unmount(point)


def remove_pod_files(dirs: NodeDirs, uid: str) -> None:
    """Remove all that a pod has left, but never what is mounted there from elsewhere."""
    unmount_all(dirs, uid)
    folders = (dirs.pod(uid), dirs.pod_in_memory(uid))
    still_there = mounts_below(*folders)
    for folder in folders:
        if any(point.is_relative_to(folder) for point in still_there):
            continue
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except RecursionError:
            remove_deep(folder)
