"""Measure this node and its pods when somebody asks.

Keeps true: nothing is measured otherwise, but for a look at the disk now and then where something has a limit on it.
Reads the runtime's figures, the pods' directories, /proc and the file systems.
"""

import asyncio
from collections.abc import Collection
from pathlib import Path

from kube.clock import Clock
from nodeagent.cri.client import Cri
from nodeagent.pods.roster import Roster
from nodeagent.pods.storage_usage import pod_storage
from nodeagent.pods.volumes import NodeDirs
from nodeagent.stats import machine_usage
from nodeagent.stats.machine_usage import CpuRate, NodeUsage
from nodeagent.stats.pod_usage import PodUsage


class Meter:
    """Measures one node. image_dir: on the file system of the images, where that is known beforehand."""

    def __init__(self, roster: Roster, cri: Cri, dirs: NodeDirs, clock: Clock, image_dir: Path | None) -> None:
        self._roster = roster
        self._cri = cri
        self._dirs = dirs
        self._clock = clock
        self._image_dir = image_dir
        self._rate = CpuRate()

    async def node(self) -> NodeUsage:
        """Return what the whole node uses. Raises CriError."""
        if self._image_dir is None:
            self._image_dir = await self._told_image_dir()
        used_ns = machine_usage.cpu_ns()
        return NodeUsage(
            cpu_ns=used_ns,
            cpu_nano_cores=self._rate.rate(self._clock.monotonic_s(), used_ns),
            memory=machine_usage.memory(),
            nodefs=machine_usage.disk(self._dirs.state),
            imagefs=machine_usage.disk(self._image_dir),
            processes=machine_usage.processes(),
            links=tuple(machine_usage.links()),
            booted_at_s=machine_usage.booted_at_s(),
        )

    async def _told_image_dir(self) -> Path:
        """Return where the runtime says that its images are; the node's own directory where that isn't seen here."""
        return first_folder(await self._cri.image_mountpoint(), self._dirs.state)

    async def pods(self, *, with_storage: bool = False, only: Collection[str] | None = None) -> list[PodUsage]:
        """Return what each pod that runs uses. Raises CriError.

        with_storage: look at their directories too. only: uids of those that are wanted, None for all.
        """
        stats = {told.attributes.id: told for told in await self._cri.pod_stats()}
        found = []
        for worker in self._roster.workers():
            sandbox = worker.record.sandbox
            if only is not None and worker.uid not in only:
                continue
            if sandbox is None or not sandbox.is_ready or sandbox.id not in stats:
                continue
            usage = PodUsage(worker.pod, worker.record, stats[sandbox.id])
            if with_storage:
                storage = await asyncio.to_thread(pod_storage, self._dirs, worker.pod)
                usage = PodUsage(worker.pod, worker.record, stats[sandbox.id], storage)
            found.append(usage)
        return found


def first_folder(path: str, other: Path) -> Path:
    """Return the folder at a path, `other` where there is none."""
    return Path(path) if path and Path(path).is_dir() else other
