"""Keep the pods of a folder's files running, and their mirror pods in the API true.

Hears of changes of the folder and of mirror pods; starts and ends pods through the Roster. Decides in `static_pods`.
Source: docs/pod-lifecycle.md.
"""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Final

from kube.api.core_v1 import Node, Pod
from kube.client import ConnectionLost, Preconditions
from kube.errors import ApiError
from kube.informer import Informer
from kube.objects import key_of
from nodeagent.file_watch import FolderWatch
from nodeagent.pods.room import PodRoom
from nodeagent.pods.roster import Roster
from nodeagent.pods.static_pods import is_mirror, mirror_of, plan_mirrors, read_static_pods

LOOK_S: Final = 20.0
"""How long a change of the folder may go unheard."""
SOON_S: Final = 0.2

_log = logging.getLogger(__name__)


class StaticKeeper:
    """The static pods of one node."""

    def __init__(
        self, folder: Path, room: PodRoom, roster: Roster, *, node: str, nodes: Informer[Node], pods: Informer[Pod]
    ) -> None:
        self._folder = folder
        self._node = node
        self._room = room
        self._roster = roster
        self._nodes = nodes
        self._pods = pods
        self._problems: list[str] = []

    async def run(self) -> None:
        """Follow the folder and the mirror pods, for ever."""
        await self._roster.begun.wait()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        with FolderWatch(self._folder) as watch:
            unhear = self._pods.on_change(lambda old, new: watch.wake() if _concerns_mirrors(old, new) else None)
            try:
                while True:
                    is_settled = self.look()
                    is_mirrored = self._nodes.synced and self._pods.synced and await self._keep_mirrors()
                    await watch.wait(LOOK_S if is_settled and is_mirrored else SOON_S)
            finally:
                unhear()

    def look(self) -> bool:
        """Start and end pods after what the folder holds now; return whether all of it is so."""
        wanted, problems = read_static_pods(self._folder, self._node)
        for problem in problems:
            if problem not in self._problems:
                _log.warning("static pod: %s", problem)
        self._problems = problems
        running = {key_of(worker.pod): worker for worker in self._roster.static_workers()}
        for key, worker in running.items():
            if key not in wanted or wanted[key].metadata.uid != worker.uid:
                worker.end()
        for key, pod in wanted.items():
            if key not in running:
                self._roster.take_static(pod)
        return all(key in running and running[key].uid == pod.metadata.uid for key, pod in wanted.items())

    async def _keep_mirrors(self) -> bool:
        """Make and delete mirror pods; return whether they are as they should be."""
        mirrors = {key_of(pod): pod for pod in self._pods.all() if is_mirror(pod)}
        workers = [worker for worker in self._roster.static_workers() if not worker.is_ending]
        decided = plan_mirrors([worker.pod for worker in workers], mirrors)
        for worker in workers:
            worker.heed_mirror(mirrors.get(key_of(worker.pod)))
        node = self._nodes.get(self._node)
        try:
            for mirror in decided.doomed:
                await self._delete(mirror)
            if node is not None:
                for pod in decided.wanted:
                    await self._create(pod, node.metadata.uid)
        except (ApiError, ConnectionLost) as error:
            _log.debug("static pod: its mirror can't be written yet: %s", error)
        return not decided.doomed and not decided.wanted

    async def _create(self, pod: Pod, node_uid: str) -> None:
        try:
            await self._room.client.create(mirror_of(pod, node_uid))
        except ApiError as error:
            if error.code != 409:
                _log.warning("static pod %s/%s: no mirror pod: %s", *key_of(pod), error)
                raise

    async def _delete(self, mirror: Pod) -> None:
        meta = mirror.metadata
        with suppress(ApiError):  # It is gone, or another one by now: the next look tells.
            await self._room.client.delete(
                Pod, meta.name, namespace=meta.namespace, grace_s=0, preconditions=Preconditions(uid=meta.uid)
            )


def _concerns_mirrors(old: Pod | None, new: Pod | None) -> bool:
    """Say whether a mirror pod came, went, or is being deleted; a change of its status concerns nobody here."""
    pod = new or old
    if pod is None or not is_mirror(pod):
        return False
    return old is None or new is None or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp


async def follow(keeper: StaticKeeper) -> None:
    """Run the keeper; a folder that can't be watched is said and tried again."""
    while True:
        try:
            await keeper.run()
        except OSError as error:
            _log.warning("static pods: %s; trying again", error)
        await asyncio.sleep(LOOK_S)
