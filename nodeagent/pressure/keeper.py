"""Watch what is left of memory, disk and processes, tell the conditions, and make pods leave one at a time.

Keeps true: a pod is only evicted for want of something after unused images were given up where that may help, and
the next one only when the last one's processes are gone. Reads the machine, and the runtime's figures where needed;
writes events and the condition DisruptionTarget of who has to leave, and tells its worker. Decides in `pressure` and
`eviction`.
Source: docs/node-pressure.md
"""

import asyncio
import logging
from collections import Counter
from datetime import timedelta
from typing import Final

from kube.api.core_v1 import Node
from kube.informer import Informer
from nodeagent.cri.client import CriError
from nodeagent.cri.values import ImageRecord
from nodeagent.pods.disruption import mark_disrupted
from nodeagent.pods.room import PodRoom
from nodeagent.pods.roster import Roster
from nodeagent.pressure.eviction import REASON, Eviction, beyond_limits, choose, is_limited, unneeded
from nodeagent.pressure.pressure import Pressure, advance
from nodeagent.pressure.thresholds import INODES, SIGNALS, STORAGE, Observation, observe, parse_thresholds
from nodeagent.settings import AgentSettings
from nodeagent.stats.meter import Meter

GONE_S: Final = 30.0
"""How long is waited for an evicted pod to be gone before anybody else has to leave."""
GONE_LOOK_S: Final = 0.1

_log = logging.getLogger(__name__)


class PressureKeeper:
    """Looks after one node. evicted: how many pods had to leave, by signal."""

    def __init__(
        self, settings: AgentSettings, room: PodRoom, roster: Roster, meter: Meter, nodes: Informer[Node]
    ) -> None:
        """Raises ValueError for thresholds that are none."""
        self._settings = settings
        self._room = room
        self._roster = roster
        self._meter = meter
        self._nodes = nodes
        self._thresholds = parse_thresholds(settings)
        self._transition = timedelta(seconds=settings.eviction_pressure_transition_s)
        self._pressure = Pressure()
        self.evicted: Counter[str] = Counter()

    async def run(self) -> None:
        """Look again and again, for ever; at once where somebody has just left."""
        while True:
            try:
                has_evicted = await self.look()
            except (CriError, OSError) as error:
                _log.warning("pressure: can't be measured: %s", error)
                has_evicted = False
            if not has_evicted:
                await self._room.clock.sleep(self._settings.pressure_look_s)

    async def look(self) -> bool:
        """Measure and act once; return whether somebody has to leave. Raises CriError."""
        seen = await self._observe()
        leaving = await self._beyond_limits() or await self._for_want(seen)
        for one in leaving:
            await self._evict(one)
        await self._wait_gone(leaving)
        return bool(leaving)

    async def _observe(self) -> dict[str, Observation]:
        """Measure the node, and tell the conditions that follow."""
        seen = dict(observe(await self._meter.node()))
        now = self._room.clock.now()
        before, self._pressure = self._pressure, advance(self._pressure, self._thresholds, seen, now, self._transition)
        if before.conditions != self._pressure.conditions:
            shown = ", ".join(sorted(self._pressure.conditions)) or "none"
            _log.info("pressure: %s -> %s", ", ".join(sorted(before.conditions)) or "none", shown)
            self._room.trouble.tell_pressure(self._pressure.conditions)
        return seen

    async def _beyond_limits(self) -> list[Eviction]:
        """Return the pods that have more on disk than they may."""
        limited = {w.uid for w in self._roster.workers() if is_limited(w.pod) and not w.is_evicted}
        if not limited:
            return []
        pods = await self._meter.pods(with_storage=True, only=limited)
        return [found for pod in pods if (found := beyond_limits(pod)) is not None]

    async def _for_want(self, seen: dict[str, Observation]) -> list[Eviction]:
        """Return the pod that leaves because the node is short of something, if one must."""
        if not self._pressure.due:
            return []
        resource = SIGNALS[self._pressure.due[0].signal].resource
        self._tell_node(f"Attempting to reclaim {resource}")
        if resource in (STORAGE, INODES) and await self._drop_images():
            seen = await self._observe()
            if not self._pressure.due:
                return []
        pods = await self._meter.pods(with_storage=resource in (STORAGE, INODES))
        staying = [pod for pod in pods if not self._is_leaving(pod.pod.metadata.uid)]
        found = choose(self._pressure.due, seen, staying, self._settings.eviction_max_pod_grace_s)
        if found is None:
            _log.warning("pressure: the node is short of %s, and no pod can leave", resource)
        return [found] if found is not None else []

    def _is_leaving(self, uid: str) -> bool:
        return any(worker.uid == uid and worker.is_evicted for worker in self._roster.workers())

    def _tell_node(self, message: str) -> None:
        node = self._nodes.get(self._settings.node_name)
        if node is not None:
            self._room.recorder.record(node, "Warning", "EvictionThresholdMet", message)

    async def _drop_images(self) -> bool:
        """Remove the images that no pod needs and that can be pulled again; return whether any is gone."""
        images = unneeded(await self._room.cri.images(), [(w.pod, w.record) for w in self._roster.workers()])
        return any([await self._drop(image) for image in images])

    async def _drop(self, image: ImageRecord) -> bool:
        name = ", ".join(image.tags) or image.id
        try:
            await self._room.cri.remove_image(image.id)
        except CriError as error:
            _log.warning("pressure: image %s can't be removed: %s", name, error)
            return False
        _log.info("pressure: removed image %s, which no pod uses", name)
        return True

    async def _evict(self, leaving: Eviction) -> None:
        pod = leaving.pod
        worker = next((w for w in self._roster.workers() if w.uid == pod.metadata.uid), None)
        if worker is None:
            return
        _log.info("%s: evicted for %s: %s", worker.story, leaving.signal, leaving.message)
        self.evicted[leaving.signal] += 1
        if leaving.is_disruption:
            await mark_disrupted(self._room, pod, leaving.message)
        worker.evict(REASON, leaving.message, leaving.grace_s)

    async def _wait_gone(self, leaving: list[Eviction]) -> None:
        uids = {one.pod.metadata.uid for one in leaving}
        try:
            async with asyncio.timeout(GONE_S):
                while any(w.uid in uids and w.record.running for w in self._roster.workers()):
                    await self._room.clock.sleep(GONE_LOOK_S)
        except TimeoutError:
            _log.warning("pressure: pods that have to leave still run after %g s", GONE_S)
