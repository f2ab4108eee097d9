"""What a pod takes of the node's disk: its logs and its volumes; the writable layers are the runtime's to tell.

Reads the pod's directories. Measuring walks through them, so it is done in a thread, and only when somebody asks.
Source: kubernetes.io/docs/concepts/configuration/manage-resources-containers, section on local ephemeral storage.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kube.api.core_v1 import Pod, Volume
from nodeagent.pods.volumes import NodeDirs

BLOCK_BYTES = 512


@dataclass(frozen=True, slots=True)
class FolderUsage:
    """What a folder and all below it takes."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: "FolderUsage") -> "FolderUsage":
        """Return both together."""
        return FolderUsage(self.bytes + other.bytes, self.inodes + other.inodes)


@dataclass(frozen=True, slots=True)
class PodStorage:
    """What a pod has on disk. logs: by container. volumes: those that are the pod's own, by name."""

    logs: Mapping[str, FolderUsage] = field(default_factory=dict)
    volumes: Mapping[str, FolderUsage] = field(default_factory=dict)


NO_STORAGE = PodStorage()


def folder_usage(folder: Path) -> FolderUsage:
    """Return what a folder takes on its file system; hard links to one file count once."""
    used, seen, pending = 0, set(), [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    if (status.st_dev, status.st_ino) in seen:
                        continue
                    seen.add((status.st_dev, status.st_ino))
                    used += status.st_blocks * BLOCK_BYTES
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
        except OSError:
            continue  # It went while it was being measured.
    return FolderUsage(used, len(seen))


def is_in_memory(volume: Volume) -> bool:
    """Say whether a volume that belongs to its pod lies in memory: what it takes is memory of the pod."""
    if volume.empty_dir is not None:
        return volume.empty_dir.medium == "Memory"
    return volume.secret is not None or volume.projected is not None


def is_local(volume: Volume) -> bool:
    """Say whether a volume is on the node's disk and goes with its pod."""
    own = (volume.empty_dir, volume.config_map, volume.downward_api)
    return any(source is not None for source in own) and not is_in_memory(volume)


def pod_storage(dirs: NodeDirs, pod: Pod) -> PodStorage:
    """Measure a pod. It waits for the disk: call it in a thread."""
    logs = dirs.logs(pod)
    names = [container.name for container in (*pod.spec.init_containers, *pod.spec.containers)]
    volumes = {}
    for volume in pod.spec.volumes:
        if is_local(volume) or is_in_memory(volume):
            parent = dirs.pod_in_memory(pod.metadata.uid) if is_in_memory(volume) else dirs.pod(pod.metadata.uid)
            volumes[volume.name] = folder_usage(parent / "volumes" / volume.name)
    return PodStorage({name: folder_usage(logs / name) for name in names}, volumes)
