"""Bring a pod's volumes into being, keep them up to date, and let them go.

Keeps true: what may be secret lives in memory alone; a file that comes from an API object changes all at once, and no
container can write where we write such files; nothing stays mounted when a pod is gone.
Writes `STATE/pods/UID/` and `RUN/pods/UID/`.
Source: kubernetes.io/docs/concepts/storage/volumes.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kube.api.core_v1 import Container, EmptyDirVolumeSource, Pod, Volume, VolumeMount
from kube.files import remove_deep
from nodeagent.pods.downward import PodFacts
from nodeagent.pods.environment import References, expand
from nodeagent.pods.host_paths import host_path
from nodeagent.pods.mounts import is_tmpfs, mount_tmpfs, mounts_below, unmount
from nodeagent.pods.payload_dir import write_files
from nodeagent.pods.projections import TokenKey, VolumeError, is_secret, volume_files
from nodeagent.pods.runtime_config import Mount
from nodeagent.pods.subpaths import bind_subpath

_MEMORY: Final = "Memory"


@dataclass(frozen=True, slots=True)
class NodeDirs:
    """Where the files of pods are. state: survives a reboot. run: is in memory."""

    state: Path
    run: Path

    def pod(self, uid: str) -> Path:
        """Return the directory of what a pod keeps on disk."""
        return self.state / "pods" / uid

    def pod_in_memory(self, uid: str) -> Path:
        """Return the directory of what a pod keeps in memory."""
        return self.run / "pods" / uid

    def logs(self, pod: Pod) -> Path:
        """Return the directory of a pod's logs."""
        meta = pod.metadata
        return self.state / "logs" / f"{meta.namespace}_{meta.name}_{meta.uid}"

    def make(self) -> None:
        """Make the directories that pods' own are made in; put memory under `run` where it isn't there yet."""
        for folder in (self.state / "pods", self.state / "logs", self.run / "pods"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not is_tmpfs(self.run / "pods"):
            mount_tmpfs(self.run / "pods", mode=0o700)

    def pods_found(self) -> set[str]:
        """Return the uids of all pods that have left something."""
        folders = [self.state / "pods", self.run / "pods"]
        return {entry.name for folder in folders if folder.is_dir() for entry in folder.iterdir()}


class PodVolumes:
    """The volumes of one pod. Nothing is remembered but paths: the file system tells what is there."""

    def __init__(self, dirs: NodeDirs, pod: Pod) -> None:
        self._dirs = dirs
        self._uid = pod.metadata.uid
        self._paths: dict[str, Path] = {}
        self._written: set[str] = set()  # Whose files we write: a link planted among them would lead us out.

    def prepare(self, facts: PodFacts, references: References, tokens: Mapping[TokenKey, str]) -> None:
        """Make all volumes, or bring those that are there up to date. Raises VolumeError."""
        pod = facts.pod
        group = pod.spec.security_context.fs_group if pod.spec.security_context is not None else None
        for volume in pod.spec.volumes:
            self._paths[volume.name] = self._prepare(volume, facts, references, tokens, group=group)

    def _prepare(
        self,
        volume: Volume,
        facts: PodFacts,
        references: References,
        tokens: Mapping[TokenKey, str],
        *,
        group: int | None,
    ) -> Path:
        try:
            files = volume_files(volume, facts, references, tokens)
            if files is not None:
                folder = self._folder(volume, in_memory=is_secret(volume))
                write_files(folder, files, group)
                self._written.add(volume.name)
                return folder
            if volume.empty_dir is not None:
                return self._empty_dir(volume, volume.empty_dir, group)
            if volume.host_path is not None:
                return host_path(volume.host_path.path, volume.host_path.type or "")
        except VolumeError as error:
            raise VolumeError(f'MountVolume.SetUp failed for volume "{volume.name}" : {error}') from error
        raise VolumeError(
            f'volume "{volume.name}": is of a kind that this node can\'t mount; use emptyDir, hostPath, configMap,'
            " secret, downwardAPI or projected"
        )

    def _folder(self, volume: Volume, *, in_memory: bool) -> Path:
        parent = self._dirs.pod_in_memory(self._uid) if in_memory else self._dirs.pod(self._uid)
        folder = parent / "volumes" / volume.name
        folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        return folder

    def _empty_dir(self, volume: Volume, source: EmptyDirVolumeSource, group: int | None) -> Path:
        in_memory = source.medium == _MEMORY
        if source.medium not in ("", _MEMORY):
            raise VolumeError(f'emptyDir medium "{source.medium}": this node offers only "" and "Memory"')
        folder = self._folder(volume, in_memory=in_memory)
        if in_memory and source.size_limit is not None and not mounts_below(folder):
            mount_tmpfs(folder, source.size_limit.whole)
        folder.chmod(0o777 if group is None else 0o2777)
        if group is not None:
            os.chown(folder, -1, group)
        return folder

    def mounts(self, container: Container, environment: Mapping[str, str]) -> list[Mount]:
        """Return what of the volumes a container sees, and where. Raises VolumeError."""
        return [self._mount(container, i, mount, environment) for i, mount in enumerate(container.volume_mounts)]

    def _mount(self, container: Container, index: int, mount: VolumeMount, environment: Mapping[str, str]) -> Mount:
        source = self._paths.get(mount.name)
        if source is None:
            raise VolumeError(f'volumeMounts: there is no volume "{mount.name}" in this pod')
        subpath = mount.sub_path
        if mount.sub_path_expr:
            subpath = expand(mount.sub_path_expr, environment)
            if "$(" in subpath:
                raise VolumeError(f'subPathExpr "{mount.sub_path_expr}": names a variable that is not set')
        if subpath:
            target = self._dirs.pod(self._uid) / "subpaths" / mount.name / container.name / str(index)
            if not mounts_below(target):
                bind_subpath(source, subpath, target)
            source = target
        return Mount(
            container_path=mount.mount_path,
            host_path=str(source),
            is_readonly=mount.read_only or mount.name in self._written,
            is_recursive=mount.recursive_read_only in ("Enabled", "IfPossible"),
            propagation=mount.mount_propagation or "",
        )


def unmount_all(dirs: NodeDirs, uid: str) -> None:
    """Take away every mount of a pod's volumes."""
    for folder in (dirs.pod(uid), dirs.pod_in_memory(uid)):
        for point in mounts_below(folder):
            unmount(point)


def remove_pod_files(dirs: NodeDirs, uid: str) -> None:
    """Remove all that a pod has left, but never what is mounted there from elsewhere."""
    unmount_all(dirs, uid)
    for folder in (dirs.pod(uid), dirs.pod_in_memory(uid)):
        if not mounts_below(folder):
            try:
                shutil.rmtree(folder, ignore_errors=True)
            except RecursionError:
                remove_deep(folder)
