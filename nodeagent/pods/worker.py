"""Carry one pod through its life, turn by turn: observe, plan, begin operations, have the status told.

Keeps true: one turn at a time; whatever is remembered here may be lost at any moment.
Reads the pod's object and the runtime; at the very end deletes the pod's object.
Source: docs/pod-lifecycle.md.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from kube.api.core_v1 import Pod, ResourceRequirements
from kube.objects import with_metadata
from kube.times import to_time
from nodeagent.cri.client import NOT_FOUND, CriError
from nodeagent.cri.values import ContainerEvent, PodRecord
from nodeagent.pods import endings
from nodeagent.pods.failures import OperationFailed
from nodeagent.pods.notes import Notes
from nodeagent.pods.operations import Operations
from nodeagent.pods.plan import DEFAULT_GRACE_S, TERMINAL, plan
from nodeagent.pods.probes import Prober
from nodeagent.pods.resize import granted_pod, is_resized
from nodeagent.pods.resizing import resize_container, resize_sandbox
from nodeagent.pods.room import PodRoom
from nodeagent.pods.setbacks import Setbacks, rename_pull_failures, tell_restart_waits
from nodeagent.pods.sight import Sight
from nodeagent.pods.status_teller import StatusTeller
from nodeagent.pods.under_way import UnderWay
from nodeagent.pods.view import (
    END,
    Action,
    CleanUp,
    CreateSandbox,
    Ending,
    Failure,
    KillContainer,
    PrepareVolumes,
    RemoveContainer,
    RemoveSandbox,
    ResizeContainer,
    ResizeSandbox,
    StartContainer,
    StopSandbox,
    View,
)

LOOK_AGAIN: Final = timedelta(milliseconds=500)
ASK_AGAIN: Final = timedelta(seconds=1)
"""When a resize that didn't fit is tried again: others may have gone meanwhile."""
EVICTION_GRACE_S: Final = 1
FORCED_GRACE_S: Final = 2
"""What a pod gets to end in when its object was deleted by force."""

Refusal = Callable[[Pod], Failure | None]


class PodWorker:
    """The worker of one pod.

    record: what the runtime has of it, as of now. refusal: says why the node can't give a pod what it asks for by now.
    """

    def __init__(self, room: PodRoom, pod: Pod, record: PodRecord, rejection: Failure | None, refusal: Refusal) -> None:
        self.pod = pod
        self._refusal = refusal
        self.rejection = rejection
        self.is_gone = False
        self._eviction: Ending | None = None
        self._room = room
        self._sight = Sight(room.cri, room.clock, pod.metadata.uid, record)
        self._volumes_ready = False
        self._volumes_stale = False
        self._is_released = False
        self._stopped: set[str] = set()
        self._ending_since: datetime | None = None
        self._has_vanished = False
        self._setbacks = Setbacks(room.settings.limits)
        self._notes = Notes(room.node.runtime)
        self._resize_refused: Failure | None = None
        self._wake = asyncio.Event()
        self._wake_at: datetime | None = None
        self._operations = Operations(room, pod, self._reference_changed)
        self._prober = Prober(room, self._wake.set)
        self._teller = StatusTeller(room, pod, self._wake.set)
        self._under_way = UnderWay(
            room, self.story, self._do, setbacks=self._setbacks, sight=self._sight, wake=self._wake.set
        )

    @property
    def uid(self) -> str:
        """The pod's uid."""
        return self.pod.metadata.uid

    @property
    def is_ending(self) -> bool:
        """Whether the pod's object is being deleted, or gone."""
        return self.pod.metadata.deletion_timestamp is not None

    @property
    def is_evicted(self) -> bool:
        """Whether the pod has to leave."""
        return self._eviction is not None

    @property
    def is_over(self) -> bool:
        """Whether nothing of the pod runs, and its last phase was told."""
        return self.is_gone or (not self.record.running and self._teller.told.phase in TERMINAL)

    @property
    def record(self) -> PodRecord:
        """What the runtime had of the pod when it was last asked."""
        return self._sight.record

    @property
    def granted(self) -> Pod:
        """The pod with the resources that the node has granted it."""
        return granted_pod(self._view())

    @property
    def story(self) -> str:
        """The pod's name, for logs."""
        return f"pod {self.pod.metadata.namespace}/{self.pod.metadata.name}"

    # What happens to it from outside.

    def update(self, pod: Pod) -> None:
        """Hear of a change of the pod's object."""
        before, self.pod = self.pod.metadata, pod
        if pod.metadata.labels != before.labels or pod.metadata.annotations != before.annotations:
            self._volumes_stale = True
        self._teller.heed_overwritten(pod)
        self._wake.set()

    def vanish(self, pod: Pod, most_s: int = FORCED_GRACE_S) -> None:
        """Hear that the pod's object is gone: what runs ends within `most_s`, and nothing more is written."""
        self._has_vanished = True
        asked = pod.metadata.deletion_grace_period_seconds
        self.pod = with_metadata(
            pod,
            deletion_timestamp=pod.metadata.deletion_timestamp or to_time(self._room.clock.now()),
            deletion_grace_period_seconds=most_s if asked is None else min(asked, most_s),
        )
        self._wake.set()

    def evict(self, reason: str, message: str, grace_s: int = EVICTION_GRACE_S) -> None:
        """Hear that the node can't keep the pod: it fails, and what runs ends within `grace_s`."""
        if self._eviction is None:
            self._room.tell(self.pod, "Warning", reason, message)
            self._eviction = Ending(grace_s, phase_reason=reason, message=message)
            self._wake.set()

    def end(self) -> None:
        """End a static pod whose file is gone, with the grace that it asks for."""
        if not self.is_ending:
            asked = self.pod.spec.termination_grace_period_seconds
            self.vanish(self.pod, most_s=DEFAULT_GRACE_S if asked is None else asked)

    def heed_mirror(self, mirror: Pod | None) -> None:
        """Hear which pod of the API stands for this static pod; a new one is told everything."""
        uid = mirror.metadata.uid if mirror is not None else ""
        if uid == self._room.mirrors.get(self.uid, ""):
            return
        self._room.mirrors[self.uid] = uid
        if mirror is not None:
            self._teller.told = mirror.status
        self._wake.set()

    def heed_overwritten(self, mirror: Pod) -> None:
        """Hear that the mirror has changed: what somebody else has overwritten is told again."""
        self._teller.heed_overwritten(mirror)
        self._wake.set()

    def hear(self, event: ContainerEvent) -> None:
        """Hear that something happened in the runtime; what an operation brings about can wait for its end."""
        self._sight.hear(event)
        if event.is_stop or not self._under_way.is_starting:
            self._wake.set()

    def look_again(self) -> None:
        """Ask the runtime anew for all it has: events may have been missed."""
        self._sight.forget()
        self._wake.set()

    def _reference_changed(self) -> None:
        self._volumes_stale = True
        self._setbacks.hurry(self._room.clock.now())
        self._wake.set()

    # Turns.

    async def run(self) -> None:
        """Take turns until nothing of the pod is left."""
        try:
            while not self.is_gone:
                self._wake.clear()
                await self._turn()
                if not self.is_gone:
                    await self._sleep()
        finally:
            self._prober.stop()
            self._under_way.give_up()

    async def _sleep(self) -> None:
        delay_s = None
        if self._wake_at is not None:
            delay_s = max(0.0, (self._wake_at - self._room.clock.now()).total_seconds())
        try:
            async with asyncio.timeout(delay_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _turn(self) -> None:
        if self._sight.is_stale and END not in self._under_way.actions and not await self._sight.look():
            self._wake_at = self._room.clock.now() + LOOK_AGAIN
            return
        self._take_note()
        now = self._room.clock.now()
        self._wake_at = None
        self._heed_tokens(now)
        self._wake_by(rename_pull_failures(self._room, self.pod, self._setbacks, self._under_way.actions, now))
        self._ask_for_resources(now)
        view = self._view()
        self._prober.sync(view)
        decided = plan(view, now)
        self._ending_since = (self._ending_since or now) if decided.is_ending else None
        self._wake_by(decided.wake_at)
        for action in decided.actions:
            self._begin(action)
        if not self.is_gone and not self._has_vanished:
            self._wake_by(self._teller.tell(self._view(), now))

    def _wake_by(self, moment: datetime | None) -> None:
        if moment is not None and (self._wake_at is None or moment < self._wake_at):
            self._wake_at = moment

    def _heed_tokens(self, now: datetime) -> None:
        """Have the volumes brought up to date when a token is due. When that is tried again is the plan's to say."""
        renew_at = self._operations.tokens.renew_at
        if renew_at is not None and renew_at <= now:
            self._volumes_stale = True
        else:
            self._wake_by(renew_at)

    def _take_note(self) -> None:
        """Note what containers have left, and carry over what was told of those that run."""
        told = self._teller.told
        self._notes.take(self.record, told)
        for record in self.record.running:
            before = self._notes.told_of(record, told)
            if before is not None:
                self._prober.carry(record, started=bool(before.started), ready=before.ready)

    def _view(self) -> View:
        return View(
            pod=self.pod,
            record=self.record,
            probes=self._prober.verdicts,
            backoff=self._setbacks.backoff,
            failures=self._setbacks.failures,
            busy=self._under_way.actions,
            messages=self._notes.messages,
            volumes_ready=self._volumes_ready,
            volumes_stale=self._volumes_stale,
            rejection=self.rejection,
            resources=self._notes.resources,
            resize_refusal=self._resize_refused,
            eviction=self._eviction,
            stopped=self._stopped,
            ending_since=self._ending_since,
            counts=self._notes.counts,
            is_clean=self._is_released and self.pod.metadata.deletion_timestamp is None,
            limits=self._room.settings.limits,
        )

    def _ask_for_resources(self, now: datetime) -> None:
        """Ask whether the node can give the containers other resources, where they want some."""
        before, self._resize_refused = self._resize_refused, None
        if not is_resized(self._view()) or self.pod.metadata.deletion_timestamp is not None:
            return
        self._resize_refused = refused = self._refusal(self.pod)
        if refused is None:
            return
        if before is None or before.reason != refused.reason:
            self._room.tell(self.pod, "Warning", f"Resize{refused.reason}", refused.message)
        self._wake_by(now + ASK_AGAIN)

    # Operations.

    def _begin(self, action: Action) -> None:
        if isinstance(action, StartContainer | RemoveContainer) and action.backoff is not None:
            if action.name in self._setbacks.backoff:
                tell_restart_waits(self._room, self.pod, action.name)
            self._setbacks.backoff[action.name] = action.backoff
        self._under_way.begin(action)

    async def _do(self, action: Action) -> str:
        """Carry out an action; return the id of what runs by it, if anything does."""
        operations = self._operations
        try:
            match action:
                case PrepareVolumes():
                    await self._prepare_volumes()
                case CreateSandbox():
                    return await self._create_sandbox(action.attempt)
                case StartContainer():
                    return await operations.start_container(granted_pod(self._view()), self.record, action)
                case ResizeContainer():
                    await resize_container(self._room, self.pod, action)
                    self._notes.resources[action.id] = action.resources
                case ResizeSandbox():
                    await resize_sandbox(self._room, self.pod, self.record, action)
                    self._notes.resources[action.id] = action.resources
                case KillContainer():
                    await endings.kill_container(self._room, self.pod, self.record, action)
                case StopSandbox():
                    await endings.dispose(self._room, action)
                    self._stopped.add(action.id)
                case RemoveSandbox() | RemoveContainer():
                    await endings.dispose(self._room, action)
                case CleanUp():
                    await self._clean_up(is_deleted=action.is_deleted)
        except CriError as error:
            if error.code != NOT_FOUND:
                raise OperationFailed("RuntimeError", str(error)) from error
        return ""

    async def _prepare_volumes(self) -> None:
        self._volumes_stale = False
        try:
            await self._operations.prepare_volumes(self.pod, self.record)
        except OperationFailed:
            self._volumes_stale = True
            raise
        self._volumes_ready = True

    async def _create_sandbox(self, attempt: int) -> str:
        if attempt:
            told = "Pod sandbox changed, it will be killed and re-created."
            self._room.tell(self.pod, "Normal", "SandboxChanged", told)
        granted = granted_pod(self._view())
        made = await self._operations.create_sandbox(granted, attempt)
        self._notes.resources[made] = granted.spec.resources or ResourceRequirements()
        self._sight.expect(made)
        return made

    async def _clean_up(self, *, is_deleted: bool) -> None:
        if not self._is_released:
            await endings.release(self._room, self.uid)
            self._is_released = True
        if not is_deleted:
            return
        if not self._has_vanished:
            await self._teller.tell_last(self._view)
            await endings.delete(self._room, self.pod)
        await endings.remove_everything(self._room, self.uid, self.record, self._room.dirs.logs(self.pod))
        self.is_gone = True
