"""Tell the state of one container in the words of its pod's status.

Plain functions of a View. A container that waits for a restart shows its last end in lastState.
Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, section on container states.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    ContainerUser,
    LinuxContainerUser,
    PodStatus,
    VolumeMountStatus,
)
from kube.times import to_time
from nodeagent.cri.values import ContainerRecord
from nodeagent.cri.values import ContainerState as Stage
from nodeagent.pods.containers import stop_signal_of
from nodeagent.pods.plan import TERMINAL, has_initialized
from nodeagent.pods.resize import with_resources
from nodeagent.pods.restart_all import RESTARTING, is_restarting_all
from nodeagent.pods.restarts import due_at, restarts
from nodeagent.pods.view import StartContainer, View, from_nanos, is_sidecar

LOST_EXIT_CODE: Final = 137


@dataclass(frozen=True, slots=True)
class Telling:
    """What every container's status of one pod is told from. before: the status last written."""

    view: View
    before: PodStatus
    runtime: str
    now: datetime


def container_status(telling: Telling, container: Container) -> ContainerStatus:
    """Return the status of a container of the pod's own."""
    old = _old(telling.before.container_statuses, container.name)
    waiting = "ContainerCreating" if has_initialized(telling.view) else "PodInitializing"
    return with_resources(telling.view, container, _status(telling, container, old, waiting, is_init=False))


def init_container_status(telling: Telling, container: Container) -> ContainerStatus:
    """Return the status of an init container or sidecar; a plain one is ready when it has succeeded."""
    old = _old(telling.before.init_container_statuses, container.name)
    return with_resources(telling.view, container, _status(telling, container, old, "PodInitializing", is_init=True))


def ephemeral_container_status(telling: Telling, container: Container) -> ContainerStatus:
    """Return the status of a container that was added for debugging; it has no part in the pod's readiness."""
    old = _old(telling.before.ephemeral_container_statuses, container.name)
    return replace(_status(telling, container, old, "ContainerCreating", is_init=False), started=None)


def _old(statuses: Sequence[ContainerStatus], name: str) -> ContainerStatus:
    return next((s for s in statuses if s.name == name), ContainerStatus(name=name))


def _status(
    telling: Telling, container: Container, old: ContainerStatus, waiting: str, *, is_init: bool
) -> ContainerStatus:
    view = telling.view
    record = view.record.latest(container.name)
    if record is None:
        return _unseen(telling, container, old, waiting)
    previous = view.record.previous(container.name)
    last = _ended_state(telling, previous) if previous is not None else _carried(old, _id(telling, record))
    state = _state(telling, container, record, waiting, is_init=is_init)
    if state.waiting is not None and record.has_ended:
        last = _ended_state(telling, record)
    is_running = state.running is not None
    succeeded = state.terminated is not None and state.terminated.exit_code == 0
    is_over = is_init and not is_sidecar(container)
    return ContainerStatus(
        name=container.name,
        image=record.image or container.image,
        image_id=record.image_id,
        container_id=_id(telling, record),
        restart_count=record.restart_count,
        started=is_running and view.has_started(container, record),
        ready=succeeded if is_over else is_running and view.is_ready(container, record),
        state=state,
        last_state=last,
        stop_signal=(record.stop_signal or None) if stop_signal_of(container) else None,
        user=_user(record),
        volume_mounts=_volume_mounts(container, record),
    )


def _user(record: ContainerRecord) -> ContainerUser | None:
    user = record.user
    if user is None:
        return None
    return ContainerUser(linux=LinuxContainerUser(uid=user.uid, gid=user.gid, supplemental_groups=user.groups))


def _volume_mounts(container: Container, record: ContainerRecord | None) -> tuple[VolumeMountStatus, ...]:
    """Return how the mounts of volumes turned out; whether what is below one is read-only too is the runtime's word."""
    locked = record.locked_paths if record is not None else frozenset[str]()
    return tuple(
        VolumeMountStatus(
            name=mount.name,
            mount_path=mount.mount_path,
            read_only=mount.read_only,
            recursive_read_only=("Enabled" if mount.mount_path in locked else "Disabled") if mount.read_only else None,
        )
        for mount in container.volume_mounts
    )


def _state(
    telling: Telling, container: Container, record: ContainerRecord, waiting: str, *, is_init: bool
) -> ContainerState:
    view = telling.view
    failure = view.failures.get(container.name)
    if record.is_running:
        hook = container.lifecycle.post_start if container.lifecycle is not None else None
        if hook is not None and isinstance(view.busy.get(container.name), StartContainer):
            return _waits("PodInitializing" if is_init else "ContainerCreating")
        started_at = to_time(from_nanos(record.started_at))
        return ContainerState(running=ContainerStateRunning(started_at=started_at))
    if record.state is Stage.CREATED:
        return _waits(failure.reason, failure.message) if failure is not None else _waits(waiting)
    if not _is_ending(telling) and restarts(view.pod, container, record.exit_code, is_init=is_init):
        if failure is not None:
            return _waits(failure.reason, failure.message)
        entry = view.backoff.get(container.name)
        due = due_at(entry, record)
        if entry is not None and due is not None and due > telling.now:
            return _waits("CrashLoopBackOff", crash_message(view, container, entry.delay_s))
    return _ended_state(telling, record)


def _is_ending(telling: Telling) -> bool:
    pod = telling.view.pod
    is_over = pod.status.phase in TERMINAL or telling.before.phase in TERMINAL
    return is_over or pod.metadata.deletion_timestamp is not None


def _id(telling: Telling, record: ContainerRecord) -> str:
    return f"{telling.runtime}://{record.id}"


def crash_message(view: View, container: Container, delay_s: float) -> str:
    """Return the sentence that tells how long a restart waits."""
    meta = view.pod.metadata
    delay = f"{delay_s:g}s" if delay_s < 60 else f"{int(delay_s) // 60}m{delay_s % 60:g}s"
    return f"back-off {delay} restarting failed container={container.name} pod={meta.name}_{meta.namespace}({meta.uid})"


def _waits(reason: str, message: str = "") -> ContainerState:
    return ContainerState(waiting=ContainerStateWaiting(reason=reason, message=message))


def _ended_state(telling: Telling, record: ContainerRecord) -> ContainerState:
    is_known = record.state is Stage.EXITED
    code = record.exit_code if is_known else LOST_EXIT_CODE
    reason = (record.reason or ("Completed" if code == 0 else "Error")) if is_known else "ContainerStatusUnknown"
    return ContainerState(
        terminated=ContainerStateTerminated(
            container_id=_id(telling, record),
            exit_code=code,
            reason=reason,
            message=telling.view.messages.get(record.id) or record.message,
            started_at=to_time(from_nanos(record.started_at)) if record.started_at else None,
            finished_at=to_time(from_nanos(record.finished_at)) if record.finished_at else None,
        )
    )


def _carried(old: ContainerStatus, own_id: str) -> ContainerState:
    """Return the end of an earlier run of which only the status written before still tells."""
    for state in (old.state, old.last_state):
        if state.terminated is not None and state.terminated.container_id != own_id:
            return ContainerState(terminated=state.terminated)
    return ContainerState()


def _unseen(telling: Telling, container: Container, old: ContainerStatus, waiting: str) -> ContainerStatus:
    """Return the status of a container of which the runtime has nothing."""
    last = old.last_state
    if old.state.terminated is not None:
        if _is_ending(telling):
            return old
        last = old.state
    elif old.state.running is not None:
        last = _lost(old, telling.now)
        if _is_ending(telling):
            return replace(old, state=last, ready=False, started=False)
    failure = telling.view.failures.get(container.name)
    if is_restarting_all(telling.view, telling.now):
        waiting = RESTARTING
    return ContainerStatus(
        name=container.name,
        image=container.image,
        started=False,
        restart_count=old.restart_count,
        state=_waits(failure.reason, failure.message) if failure is not None else _waits(waiting),
        last_state=last,
        volume_mounts=_volume_mounts(container, None),
    )


def _lost(old: ContainerStatus, now: datetime) -> ContainerState:
    """Return the end of a container that was running when last told of, and of which nothing is left."""
    return ContainerState(
        terminated=ContainerStateTerminated(
            container_id=old.container_id,
            exit_code=LOST_EXIT_CODE,
            reason="ContainerStatusUnknown",
            message="The container could not be located when the pod was terminated",
            finished_at=to_time(now),
        )
    )
