"""Give every pod that has no node the best one that fits, and say why where none does.

Reads Nodes, Pods and what their claims are made of from the informers; writes bindings, and the condition PodScheduled
of pods that fit nowhere. A pod whose claims waited for it is bound after them.
Decides in `placement`, from a snapshot that the informers keep up to date; a pod takes its room in the snapshot as soon
as its node is chosen, and gives it back if the binding fails. A fault with one pod holds no other up.
Source: kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler, .../scheduling-framework
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from kube.api.core_v1 import Binding, Node, ObjectReference, Pod, PodCondition
from kube.api.meta_v1 import ObjectMeta
from kube.client import Client, ConnectionLost, PatchType
from kube.clock import Clock, SystemClock
from kube.codec import to_plain
from kube.errors import ApiError
from kube.events import EventRecorder
from kube.informers import Informers
from kube.objects import condition, is_terminating, key_of
from kube.runner import Runner, attempt
from kube.times import to_time
from scheduler.filters import ClusterEvent, node_events, pod_events
from scheduler.needs import requests_of
from scheduler.placement import Placement, Refusal
from scheduler.queue import SchedulingQueue, Waiting
from scheduler.shape import shape_of
from scheduler.snapshot import Snapshot, placed_pod
from scheduler.volume_binder import VolumeBinder, VolumesUnbound
from scheduler.volumes import Choice, choices, offers_volumes

FINISHED: Final = ("Succeeded", "Failed")
BREATH: Final = 32
"""After so many decisions in a row others get a turn."""


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """What can be chosen about the scheduler. name: of the pods that are its work. binders: bindings at a time."""

    name: str = "default-scheduler"
    binders: int = 16


class Scheduler:
    """The loop that decides, the binders, and the writer of refusals."""

    def __init__(self, client: Client, settings: SchedulerSettings, clock: Clock, informers: Informers) -> None:
        self.events = EventRecorder(client, settings.name, clock=clock)
        self.snapshot = Snapshot()
        self.queue = SchedulingQueue()
        self._client = client
        self._settings = settings
        self._clock = clock
        self._placement = Placement(self.snapshot)
        self._nodes = informers.of(Node)
        self._pods = informers.of(Pod)
        self._volumes = VolumeBinder(client, informers, self.snapshot.node_of)
        self._wake = asyncio.Event()
        self._chosen: asyncio.Queue[tuple[Waiting, str]] = asyncio.Queue(4 * settings.binders)
        self._refused: dict[str, tuple[Pod, str]] = {}
        self._refusal_wake = asyncio.Event()
        self._nodes.on_change(self._hear_node)
        self._pods.on_change(self._hear_pod)
        self._volumes.on_change(lambda: self._hear((ClusterEvent.STORAGE,)))

    async def run(self) -> None:
        """Decide, bind and tell, for ever."""
        await self._nodes.wait_synced()
        await self._pods.wait_synced()
        await self._volumes.wait_synced()
        async with asyncio.TaskGroup() as group:
            for number in range(self._settings.binders):
                group.create_task(self._bind_all(), name=f"scheduler binder {number}")
            group.create_task(self._tell_refusals(), name="scheduler refusals")
            await self._decide_all(group)

    def _hear_node(self, old: Node | None, new: Node | None) -> None:
        if new is not None:
            if old is None or _differs(old, new):
                self.snapshot.set_node(new)
                self._hear(node_events(old, new))
        elif old is not None:
            self.snapshot.remove_node(old.metadata.name)
            self._hear((ClusterEvent.NODE_GONE,))

    def _hear_pod(self, old: Pod | None, new: Pod | None) -> None:
        pod = new or old
        if pod is None:
            return
        uid = pod.metadata.uid
        if new is None or new.status.phase in FINISHED:
            self.queue.remove(uid)
            if self.snapshot.remove_pod(uid):
                self._hear((ClusterEvent.POD_GONE,))
        elif new.spec.node_name:
            self.queue.remove(uid)
            if old is None or not old.spec.node_name or _takes_or_means_other(old, new):
                before, after = self.snapshot.pod(uid), placed_pod(new)
                self.snapshot.put_pod(after, new.spec.node_name)
                self._hear(pod_events(before, after))
        elif new.spec.scheduler_name in ("", self._settings.name) and not self.snapshot.node_of(uid):
            self._hear_waiting(old, new)

    def _hear_waiting(self, old: Pod | None, new: Pod) -> None:
        if is_terminating(new) or new.spec.scheduling_gates:
            self.queue.remove(new.metadata.uid)
        elif old is None or _is_respecified(old, new) or old.metadata.labels != new.metadata.labels:
            self.queue.put(new)
            self._wake.set()
        else:
            self.queue.refresh(new)

    def _hear(self, events: Iterable[ClusterEvent]) -> None:
        self.queue.hear(events, self._clock.monotonic_s())
        self._wake.set()

    async def _decide_all(self, group: asyncio.TaskGroup) -> None:
        decided = 0
        while True:
            self._wake.clear()
            self.queue.tick(self._clock.monotonic_s())
            entry = self.queue.pop()
            if entry is None:
                await self._wait()
                continue
            if await attempt(f"scheduling of {key_of(entry.pod)}", partial(self._decide, entry, group)):
                self._give_back(entry)
            decided += 1
            if decided % BREATH == 0:
                await asyncio.sleep(0)

    async def _wait(self) -> None:
        """Return when something happened, or when the next pause of a pod is over."""
        due_s = self.queue.next_tick_s()
        if due_s is None:
            await self._wake.wait()
            return
        async with asyncio.TaskGroup() as group:
            tasks = (
                group.create_task(self._clock.sleep(max(0.0, due_s - self._clock.monotonic_s()))),
                group.create_task(self._wake.wait()),
            )
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()

    async def _decide(self, entry: Waiting, group: asyncio.TaskGroup) -> None:
        pod = entry.pod
        shape = shape_of(pod, self._volumes.needs(pod))
        choice = self._placement.choose(shape)
        if isinstance(choice, Refusal):
            if shape.volumes.is_coming:
                entry.attempts = 0  # It is no failure, and no reason to pause.
            self.queue.fail(entry, self._clock.monotonic_s(), choice.filters)
            self._refused[pod.metadata.uid] = (pod, choice.message)
            self._refusal_wake.set()
            return
        self.snapshot.put_pod(placed_pod(pod), choice)
        self._refused.pop(pod.metadata.uid, None)
        info = self.snapshot.node(choice)
        node = info.node if info is not None else None
        open_claims = choices(shape.volumes, node) if node is not None else None
        if open_claims:  # No binder is kept waiting for a provisioner.
            group.create_task(self._bind_after_claims(entry, choice, open_claims), name=f"claims of {pod.metadata.uid}")
        else:
            await self._chosen.put((entry, choice))

    async def _bind_after_claims(self, entry: Waiting, node: str, open_claims: list[Choice]) -> None:
        try:
            await self._volumes.bind(open_claims, node)
        except (ApiError, ConnectionLost, VolumesUnbound) as error:
            self._give_back(entry)
            if not (isinstance(error, ApiError) and error.reason == "Conflict"):
                self.events.record(entry.pod, "Warning", "FailedScheduling", f"binding volumes: {error}")
            return
        await self._chosen.put((entry, node))

    async def _bind_all(self) -> None:
        while True:
            entry, node = await self._chosen.get()
            if await attempt(f"binding of {key_of(entry.pod)} to {node}", partial(self._bind, entry, node)):
                self._give_back(entry)

    async def _bind(self, entry: Waiting, node: str) -> None:
        meta = entry.pod.metadata
        binding = Binding(
            metadata=ObjectMeta(name=meta.name, namespace=meta.namespace, uid=meta.uid),
            target=ObjectReference(kind="Node", name=node),
        )
        try:
            await self._client.create_subresource(Pod, meta.name, "binding", binding, namespace=meta.namespace)
        except (ApiError, ConnectionLost) as error:
            self._give_back(entry)
            self.events.record(entry.pod, "Warning", "FailedScheduling", f"binding to {node} failed: {error}")
            return
        text = f"Successfully assigned {meta.namespace}/{meta.name} to {node}"
        self.events.record(entry.pod, "Normal", "Scheduled", text)

    def _give_back(self, entry: Waiting) -> None:
        """Undo a choice that could not be bound; try again later if the pod still waits."""
        meta = entry.pod.metadata
        now = self._pods.get(meta.name, meta.namespace)
        if now is not None and now.metadata.uid == meta.uid and now.spec.node_name:
            return  # It is bound after all, here or elsewhere, and the informer has told the snapshot.
        self.snapshot.remove_pod(meta.uid)
        self._hear((ClusterEvent.POD_GONE,))
        if now is not None and now.metadata.uid == meta.uid and not is_terminating(now):
            entry.pod = now
            self.queue.fail(entry, self._clock.monotonic_s(), None)
            self._wake.set()

    async def _tell_refusals(self) -> None:
        while True:
            await self._refusal_wake.wait()
            self._refusal_wake.clear()
            while self._refused:
                uid = next(iter(self._refused))
                pod, message = self._refused.pop(uid)
                await self._tell_refusal(pod, message)

    async def _tell_refusal(self, pod: Pod, message: str) -> None:
        before = condition(pod.status.conditions, "PodScheduled")
        if before is not None and (before.status, before.message) == ("False", message):
            return
        since = before.last_transition_time if before is not None and before.status == "False" else None
        told = PodCondition(
            type="PodScheduled",
            status="False",
            reason="Unschedulable",
            message=message,
            observed_generation=pod.metadata.generation,
            last_transition_time=since or to_time(self._clock.now()),
        )
        self.events.record(pod, "Warning", "FailedScheduling", message)
        meta = pod.metadata
        body = {"metadata": {"uid": meta.uid}, "status": {"conditions": [to_plain(told)]}}
        try:
            await self._client.patch(
                Pod,
                meta.name,
                body,
                namespace=meta.namespace,
                subresource="status",
                patch_type=PatchType.STRATEGIC,
            )
        except (ApiError, ConnectionLost) as error:
            if not (isinstance(error, ApiError) and error.code in (404, 409)):
                self._refused.setdefault(meta.uid, (pod, message))
                await self._clock.sleep(1.0)
                self._refusal_wake.set()


def _differs(old: Node, new: Node) -> bool:
    """Say whether a change of a node matters here: heartbeats, which most are, don't."""
    return (
        old.spec != new.spec
        or old.metadata.labels != new.metadata.labels
        or offers_volumes(old) != offers_volumes(new)
        or old.status.allocatable != new.status.allocatable
        or old.status.capacity != new.status.capacity
    )


def _takes_or_means_other(old: Pod, new: Pod) -> bool:
    """Say whether a change of a placed pod matters to others."""
    return (
        _is_respecified(old, new)
        or old.metadata.labels != new.metadata.labels
        or is_terminating(old) != is_terminating(new)
        or (old.status != new.status and requests_of(old) != requests_of(new))
    )


def _is_respecified(old: Pod, new: Pod) -> bool:
    if new.metadata.generation:
        return old.metadata.generation != new.metadata.generation
    return old.spec != new.spec


async def run_scheduler(
    client: Client,
    settings: SchedulerSettings | None = None,
    clock: Clock | None = None,
    informers: Informers | None = None,
) -> None:
    """Run the scheduler until cancelled.

    informers: those of the process, run by whoever made them; None makes and runs some.
    """
    clock = clock or SystemClock()
    own = informers is None
    informers = informers or Informers(client, clock)
    scheduler = Scheduler(client, settings or SchedulerSettings(), clock, informers)
    async with Runner(clock) as runner:
        if own:
            runner.start("scheduler informers", informers.run)
        runner.start("scheduler", scheduler.run)
        runner.start("scheduler events", scheduler.events.run)
        await runner.stopped()
