"""Remove the directories of persistent volumes that were made on this node and that nobody wants any more.

Keeps true: a directory goes only when its volume is released and to be deleted, and before the volume's object does;
only directories below the node's own are touched, by the volume's name.
Reads the PersistentVolumes labelled with this node; writes their finalizer, and deletes them.
Source: docs/storage.md.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from kube.api.core_v1 import PersistentVolume
from kube.client import Client, Preconditions, Selection
from kube.clock import Clock
from kube.controller import Controller
from kube.errors import ApiError
from kube.informer import Informer
from kube.objects import ObjectKey, is_terminating, without_finalizer
from kube.volumes import LOCAL_PATH, NODE_LABEL


@dataclass(frozen=True, slots=True)
class Farewell:
    """What to do about a volume: remove its directory, then delete its object, which its finalizer has held."""

    remove_files: bool
    delete: bool


def plan(volume: PersistentVolume) -> Farewell | None:
    """Return how to let go of a volume, None where it stays."""
    if LOCAL_PATH not in volume.metadata.finalizers:
        return None
    is_deleted = volume.spec.persistent_volume_reclaim_policy == "Delete"
    if is_deleted and volume.status.phase == "Released":
        return Farewell(remove_files=True, delete=not is_terminating(volume))
    if is_terminating(volume) and volume.status.phase != "Bound":
        return Farewell(remove_files=is_deleted, delete=False)
    return None


class LocalVolumes:
    """The controller of the volumes that lie on one node. folder: where."""

    def __init__(self, client: Client, clock: Clock, node: str, folder: Path) -> None:
        self._client = client
        self._folder = folder
        selection = Selection(label_selector=f"{NODE_LABEL}={node}")
        self.informer = Informer(client, PersistentVolume, selection)
        self.controller = Controller("local volumes", self.reconcile, workers=1, clock=clock)
        self.controller.hear(self.informer)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Let go of one volume, if it is time."""
        volume = self.informer.get(key.name)
        farewell = plan(volume) if volume is not None else None
        if volume is None or farewell is None:
            return None
        if farewell.remove_files:
            await asyncio.to_thread(remove_files, self._folder / key.name)
        try:
            await self._let_go(volume, farewell)
        except ApiError as error:
            if error.code != 404:
                raise
        return None

    async def _let_go(self, volume: PersistentVolume, farewell: Farewell) -> None:
        meta = volume.metadata
        if farewell.delete:
            await self._client.delete(PersistentVolume, meta.name, preconditions=Preconditions(uid=meta.uid))
            return  # Its end comes back as a change, and takes the finalizer away.
        freed = await self._client.update(without_finalizer(volume, LOCAL_PATH))
        self.controller.wrote(ObjectKey("", meta.name), freed)


def remove_files(folder: Path) -> None:
    """Remove a directory and all below it. Raises OSError where something of it stays."""
    if folder.exists():
        shutil.rmtree(folder)
