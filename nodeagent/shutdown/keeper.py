"""End the pods of a machine that is about to be switched off, the least important first, each with its grace.

Keeps true: from the announcement on the node says that it isn't ready and takes no pod; the machine is held until the
pods have ended or their time is over. Hears of it from the machine (`Power`) or by a request; writes an event about
the node and the condition DisruptionTarget of its pods, and tells their workers. Decides in `periods`.
Source: docs/node-shutdown.md
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

from kube.api.core_v1 import Node
from kube.informer import Informer
from nodeagent.pods.disruption import mark_disrupted
from nodeagent.pods.room import PodRoom
from nodeagent.pods.roster import Roster
from nodeagent.pods.worker import PodWorker
from nodeagent.shutdown.periods import UNLESS_SET, Period, grace_of, grouped

REASON: Final = "Terminated"
MESSAGE: Final = "Pod was terminated in response to imminent node shutdown."
EVENT: Final = "Shutdown"
MARK_S: Final = 2.0
"""How long the API may take to hear that a pod is disrupted, before the pod ends all the same."""
TOLD_S: Final = 2.0
"""How long the last statuses may take beyond the pods' time."""
LOOK_S: Final = 0.05

_log = logging.getLogger(__name__)


class Power(Protocol):
    """What tells that the machine is about to be switched off, and can be held back for a while."""

    async def most_s(self) -> float:
        """Return how long the machine can be held at most."""

    async def hold(self) -> Callable[[], None]:
        """Hold the machine from now on; return what lets it go."""

    def announcements(self) -> AsyncIterator[bool]:
        """Yield True when the machine is about to be switched off, False when that was called off."""


class ShutdownKeeper:
    """Shuts one node down. nodes: an informer in which its Node appears."""

    def __init__(
        self, name: str, periods: Sequence[Period], room: PodRoom, roster: Roster, nodes: Informer[Node]
    ) -> None:
        self._name = name
        self._periods = periods or UNLESS_SET
        self._room = room
        self._roster = roster
        self._nodes = nodes
        self._lock = asyncio.Lock()

    async def heed_signal(self, end: Callable[[], None]) -> None:
        """Shut the node down when this process is sent SIGPWR, then call `end`."""
        asked, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGPWR, asked.set)
        try:
            await asked.wait()
            await self.shut_down()
        finally:
            loop.remove_signal_handler(signal.SIGPWR)
        end()

    async def follow(self, power: Power) -> None:
        """Heed what the machine announces, until it announces no more."""
        wanted_s, most_s = sum(period.grace_s for period in self._periods), await power.most_s()
        if most_s < wanted_s:
            _log.warning("shutdown: wants %d s, but logind waits %g s; set its InhibitDelayMaxSec", wanted_s, most_s)
        let_go = await power.hold()
        try:
            async for is_coming in power.announcements():
                if is_coming:
                    await self.shut_down()
                    let_go()
                else:
                    let_go()
                    let_go = await power.hold()
                    self._tell(is_coming=False)
        finally:
            let_go()

    async def shut_down(self) -> None:
        """Refuse new pods and end those there are; return when they have ended, or their time is over."""
        async with self._lock:
            self._tell(is_coming=True)
            workers = {worker.uid: worker for worker in self._roster.workers()}
            living = [worker.pod for worker in workers.values() if not worker.is_over]
            for period, pods in grouped(self._periods, living):
                group = [workers[pod.metadata.uid] for pod in pods]
                await asyncio.gather(*(self._end(worker, period) for worker in group))
                if not await self._are_over(group, period.grace_s):
                    _log.warning("shutdown: priority %d: pods run on after %d s", period.priority, period.grace_s)
            await self._are_over(list(workers.values()), TOLD_S)
            _log.info("shutdown: the pods have ended, or had their time")

    def _tell(self, *, is_coming: bool) -> None:
        what = "event" if is_coming else "cancellation"
        _log.info("shutdown: %s", what)
        self._room.trouble.tell_shutdown(is_coming=is_coming)
        node = self._nodes.get(self._name)
        if node is not None:
            self._room.recorder.record(node, "Normal", EVENT, f"Shutdown manager detected shutdown {what}")

    async def _end(self, worker: PodWorker, period: Period) -> None:
        try:
            async with asyncio.timeout(MARK_S):
                await mark_disrupted(self._room, worker.pod, MESSAGE)
        except TimeoutError:
            _log.warning("%s: can't be marked as disrupted: the API gave no answer in time", worker.story)
        worker.evict(REASON, MESSAGE, grace_of(worker.pod, period))

    async def _are_over(self, workers: Sequence[PodWorker], most_s: float) -> bool:
        """Wait for pods to be over, and their last status to be told; return whether they are."""
        try:
            async with asyncio.timeout(most_s):
                while not all(worker.is_over for worker in workers):
                    await self._room.clock.sleep(LOOK_S)
        except TimeoutError:
            return False
        return True
