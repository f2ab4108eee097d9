"""Evict pods whose emptyDir volumes hold more than they may.

Keeps true: a pod that goes over a sizeLimit is ended within a round or two. What lives in memory can't go over: its
file system is only as large as that.
Reads the directories of emptyDirs that have a limit; tells the workers of their pods.
Source: kubernetes.io/docs/concepts/storage/volumes, section emptyDir; .../scheduling-eviction/node-pressure-eviction.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from kube.api.core_v1 import Pod
from kube.clock import Clock
from kube.quantity import Quantity
from nodeagent.pods.volumes import NodeDirs
from nodeagent.pods.worker import PodWorker

ROUND_S: Final = 5.0
REASON: Final = "Evicted"
_BLOCK_BYTES: Final = 512


def limits_of(pod: Pod) -> Iterator[tuple[str, Quantity]]:
    """Yield the emptyDirs on disk that have a limit, with it."""
    for volume in pod.spec.volumes:
        source = volume.empty_dir
        if source is not None and source.medium == "" and source.size_limit is not None and source.size_limit.whole:
            yield volume.name, source.size_limit


def used_bytes(folder: Path) -> int:
    """Return how much of the disk a directory takes, each file once however many names it has."""
    seen: set[int] = set()
    total = 0
    for parent, _, files in os.walk(folder):
        for path in (parent, *(f"{parent}/{name}" for name in files)):
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                continue
            if found.st_ino not in seen:
                seen.add(found.st_ino)
                total += found.st_blocks * _BLOCK_BYTES
    return total


def excess(pod: Pod, dirs: NodeDirs) -> str:
    """Return which of a pod's emptyDirs holds too much, as people are told it; "" where none does."""
    for name, limit in limits_of(pod):
        if used_bytes(dirs.pod(pod.metadata.uid) / "volumes" / name) > limit.whole:
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}".'
    return ""


async def keep_limits(workers: Callable[[], Iterator[PodWorker]], dirs: NodeDirs, clock: Clock) -> None:
    """Look after the emptyDirs of all pods, for ever."""
    while True:
        await clock.sleep(ROUND_S)
        for worker in list(workers()):
            if not worker.is_evicted and next(limits_of(worker.pod), None) is not None:
                why = await asyncio.to_thread(excess, worker.pod, dirs)
                if why:
                    worker.evict(REASON, why)
