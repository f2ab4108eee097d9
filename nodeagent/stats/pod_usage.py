"""What one pod uses, put together from the runtime's figures, the pod's directories and its object. Plain values."""

from collections.abc import Sequence
from dataclasses import dataclass

from kube.api.core_v1 import Pod
from nodeagent.cri.values import PodRecord
from nodeagent.pods.storage_usage import NO_STORAGE, FolderUsage, PodStorage, is_local
from proto import cri_v1


@dataclass(frozen=True, slots=True)
class PodUsage:
    """One pod and what it uses. stats: as the wire has them. storage: nothing where it wasn't measured."""

    pod: Pod
    record: PodRecord
    stats: cri_v1.PodSandboxStats
    storage: PodStorage = NO_STORAGE

    @property
    def containers(self) -> Sequence[cri_v1.ContainerStats]:
        """The figures of its containers that run."""
        running = {record.id for record in self.record.running}
        return [used for used in self.stats.linux.containers if used.attributes.id in running]

    @property
    def memory_bytes(self) -> int:
        """The memory that it works with."""
        return int(self.stats.linux.memory.working_set_bytes.value)

    @property
    def processes(self) -> int:
        """How many processes and threads it has."""
        return int(self.stats.linux.process.process_count.value)

    def started_s(self, container: str) -> float:
        """Return when a container was started, in seconds since 1970, 0 where it wasn't."""
        record = self.record.latest(container)
        return record.started_at / 1e9 if record is not None else 0.0

    @property
    def writable(self) -> FolderUsage:
        """What the writable layers of its containers take."""
        layers = (used.writable_layer for used in self.containers)
        return sum((FolderUsage(layer.used_bytes.value, layer.inodes_used.value) for layer in layers), FolderUsage())

    @property
    def ephemeral(self) -> FolderUsage:
        """What it takes of the node's disk and gives back when it goes."""
        local = {volume.name for volume in self.pod.spec.volumes if is_local(volume)}
        volumes = [used for name, used in self.storage.volumes.items() if name in local]
        return sum([*volumes, *self.storage.logs.values()], self.writable)
