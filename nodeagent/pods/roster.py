"""All pods of this node: each has its worker, and what belongs to no pod is removed.

Keeps true: at most one worker per pod uid; a pod of the runtime that the API doesn't know of is stopped and removed.
Reads the node's Pods and the runtime's events; writes through the workers alone.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from kube.api.core_v1 import Pod
from kube.informer import Informer
from kube.objects import ObjectKey
from nodeagent.cri import values
from nodeagent.cri.client import UNKNOWN_CALL, CriError
from nodeagent.cri.values import PodRecord
from nodeagent.pods.admission import rejection
from nodeagent.pods.endings import remove_everything
from nodeagent.pods.failures import OperationFailed
from nodeagent.pods.plan import DEFAULT_GRACE_S, TERMINAL
from nodeagent.pods.resize import resize_refusal
from nodeagent.pods.room import PodRoom
from nodeagent.pods.security_modules import has_app_armor
from nodeagent.pods.static_pods import MIRROR, is_mirror, is_static
from nodeagent.pods.unsupported import unsupported
from nodeagent.pods.view import Failure
from nodeagent.pods.worker import PodWorker
from nodeagent.pressure.eviction import refusal

RECONNECT_S: Final = 0.2
RESYNC_S: Final = 60.0
RELIST_S: Final = 1.0
"""How often a runtime that tells no events is asked for all it has: with 30 pods, under 1 % of a core."""

_log = logging.getLogger(__name__)


def changed(before: Mapping[str, PodRecord], found: Mapping[str, PodRecord]) -> set[str]:
    """Return the pods of which two lists don't tell the same."""
    return {uid for uid in before.keys() | found.keys() if before.get(uid) != found.get(uid)}


class Roster:
    """The pods of one node. pods: an informer of those bound to it. static: the static ones there are at the start."""

    def __init__(self, room: PodRoom, pods: Informer[Pod], static: Iterable[Pod] = ()) -> None:
        self._room = room
        self._pods = pods
        self._static = static
        self._workers: dict[str, PodWorker] = {}
        self._found: dict[str, PodRecord] = {}
        self._orphans: set[str] = set()
        self.begun = asyncio.Event()
        """Set once the static pods of the start have been taken."""

    def workers(self) -> Iterator[PodWorker]:
        """Yield the workers of all pods that aren't gone."""
        return iter([worker for worker in self._workers.values() if not worker.is_gone])

    def worker(self, key: ObjectKey) -> PodWorker | None:
        """Return the worker of the pod of that name, the newest one where there are several.

        Of pods that were made in one second it is the one that was heard of last.
        """
        found = [w for w in self._workers.values() if (w.pod.metadata.namespace, w.pod.metadata.name) == key]
        return max(reversed(found), key=lambda worker: worker.pod.metadata.creation_timestamp or "", default=None)

    async def run(self) -> None:
        """Find what is there, then follow the API and the runtime for ever."""
        self._found = await self._list()
        for pod in self._static:
            self._take(pod)
        self.begun.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_events())
            group.create_task(self._follow_api())

    async def _follow_api(self) -> None:
        await self._pods.wait_synced()
        self._pods.on_change(self._changed)
        self._remove_orphans(self._found)
        self._found = {}
        await self._resync()

    async def _list(self) -> dict[str, PodRecord]:
        while True:
            try:
                return await self._room.cri.pods()
            except CriError as error:
                _log.debug("the runtime gives no answer yet: %s", error)
                await self._room.clock.sleep(RECONNECT_S)

    # The node's own files.

    def static_workers(self) -> list[PodWorker]:
        """Return the workers of static pods."""
        return [worker for worker in self.workers() if is_static(worker.pod)]

    def take_static(self, pod: Pod) -> None:
        """Begin to run a static pod."""
        self._take(pod)

    # The API's side.

    def _changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            worker = self._workers.get(old.metadata.uid)
            if worker is not None:
                worker.vanish(old)
                if worker.is_gone:
                    del self._workers[worker.uid]
        if new is None:
            return
        if is_mirror(new):  # It is told of a pod that runs already.
            self._mirror_changed(new)
            return
        worker = self._workers.get(new.metadata.uid)
        if worker is None:
            self._take(new)
        else:
            worker.update(new)

    def _mirror_changed(self, mirror: Pod) -> None:
        worker = self._workers.get(mirror.metadata.annotations[MIRROR])
        if worker is not None:
            worker.heed_overwritten(mirror)

    def _take(self, pod: Pod) -> None:
        record = self._found.get(pod.metadata.uid, PodRecord())
        worker = PodWorker(self._room, pod, record, self._rejection(pod, record), self._resize_refusal)
        self._workers[pod.metadata.uid] = worker

        async def job() -> None:
            await worker.run()
            known = self._pods.get(pod.metadata.name, pod.metadata.namespace)
            self._room.mirrors.pop(worker.uid, None)
            if worker.is_gone and (known is None or known.metadata.uid != worker.uid):
                self._workers.pop(worker.uid, None)

        self._room.runner.start(worker.story, job)

    def _rejection(self, pod: Pod, record: PodRecord) -> Failure | None:
        """Return why a pod that is new here isn't taken; what has begun once is never refused."""
        is_new = not record.sandboxes and pod.status.start_time is None
        if not is_new or pod.metadata.deletion_timestamp is not None or pod.status.phase in TERMINAL:
            return None
        refused = self._objection(pod)
        if refused is None:
            return None
        reason, message = refused
        self._room.tell(pod, "Warning", reason, message)
        return Failure(reason, message, self._room.clock.now())

    def _objection(self, pod: Pod) -> tuple[str, str] | None:
        settings, trouble = self._room.settings, self._room.trouble
        if trouble.is_shutting_down:
            return "NodeShutdown", "Pod was rejected as the node is shutting down."
        refused = unsupported(pod, settings.allowed_unsafe_sysctls, has_app_armor=has_app_armor())
        refused = refused or refusal(pod, trouble.pressure)
        return refused or rejection(pod, self._others(pod), settings.allocatable, settings.node_labels)

    def _others(self, pod: Pod) -> list[Pod]:
        """Return the pods beside one that the node has room for, with what was granted them."""
        uid = pod.metadata.uid
        others = [w for w in self.workers() if w.uid != uid and w.rejection is None]
        return [w.granted for w in others if w.pod.status.phase not in TERMINAL]

    def _resize_refusal(self, pod: Pod) -> Failure | None:
        refused = resize_refusal(pod, self._others(pod), self._room.settings.allocatable)
        return Failure(*refused, self._room.clock.now()) if refused is not None else None

    # The runtime's side.

    async def _follow_events(self) -> None:
        while True:
            try:
                async for event in self._room.cri.events(self._look_again):
                    worker = self._workers.get(event.uid)
                    if worker is not None:
                        worker.hear(event)
                    elif not event.uid:
                        self._look_again()
            except CriError as error:
                if error.code == UNKNOWN_CALL:
                    await self._compare_lists()
            await self._room.clock.sleep(RECONNECT_S)

    async def _compare_lists(self) -> None:
        """Hear from lists what a runtime doesn't tell by events, for ever: a pod that differs is looked at anew."""
        before: dict[str, PodRecord] = {}
        while True:
            await self._room.clock.sleep(RELIST_S)
            try:
                found = await self._room.cri.pods()
            except CriError:
                continue  # It is away; the next list tells what has happened meanwhile.
            for uid in changed(before, found):
                if uid in self._workers:
                    self._workers[uid].look_again()
            before = found

    async def _resync(self) -> None:
        while True:
            await self._room.clock.sleep(RESYNC_S)
            self._look_again()
            with suppress(CriError):
                self._remove_orphans(await self._room.cri.pods())

    def _look_again(self) -> None:
        for worker in self.workers():
            if worker.record.sandboxes:
                worker.look_again()

    def _remove_orphans(self, found: dict[str, PodRecord]) -> None:
        left = self._room.dirs.pods_found()
        for uid in (found.keys() | left) - self._workers.keys() - self._orphans:
            self._orphans.add(uid)
            orphan = found.get(uid, PodRecord())

            async def job(uid: str = uid, orphan: PodRecord = orphan) -> None:
                await self._remove_orphan(uid, orphan)

            self._room.runner.start(f"orphaned pod {uid}", job)

    async def _remove_orphan(self, uid: str, record: PodRecord) -> None:
        """Stop and remove what belongs to no pod of the API."""
        _log.info("pod %s: known to no API object: removing it", uid)
        sandbox = record.sandbox
        grace_s = DEFAULT_GRACE_S
        if sandbox is not None:
            grace_s = int(sandbox.annotations.get(values.GRACE_PERIOD, DEFAULT_GRACE_S))
        try:
            await asyncio.gather(*(self._room.cri.stop_container(c.id, grace_s) for c in record.running))
            for ready in record.sandboxes:
                await self._room.cri.stop_sandbox(ready.id)
            await remove_everything(self._room, uid, record, self._room.dirs.logs_found(uid))
        except (CriError, OperationFailed) as error:
            _log.warning("pod %s: could not be removed, the next round tries again: %s", uid, error)
        self._orphans.discard(uid)
