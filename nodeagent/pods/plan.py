"""Decide what to do next for one pod.

Keeps true: one sandbox at a time; volumes before the sandbox, init containers in order before the others; nothing
starts twice; what ends stays ended unless the restart policy says otherwise. plan() is a plain function of a View.
Source: docs/pod-lifecycle.md; kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from kube.api.core_v1 import Container, Pod
from kube.times import parse_time
from nodeagent.cri.values import ContainerRecord, ContainerState
from nodeagent.pods.containers import ephemeral_containers
from nodeagent.pods.resize import resize_action, whole_resize
from nodeagent.pods.restart_all import is_restarting_all, restart_all
from nodeagent.pods.restarts import due_at, raised, restarts, retried
from nodeagent.pods.spec_hash import spec_hash
from nodeagent.pods.view import (
    END,
    SANDBOX,
    VOLUMES,
    Action,
    Cancel,
    CleanUp,
    CreateSandbox,
    Ending,
    KillContainer,
    PrepareVolumes,
    ProbeKind,
    RemoveContainer,
    RemoveSandbox,
    StartContainer,
    StopSandbox,
    View,
    is_sidecar,
    key_of_action,
)

DEFAULT_GRACE_S: Final = 30
LEAST_GRACE_S: Final = 2
START_PATIENCE: Final = timedelta(seconds=8)
"""How long the pause between two tries to start what was created gets, at most: the fourth or fifth."""
TERMINAL: Final = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and when to look again though nothing happens (None: not needed). is_ending: on the way out."""

    actions: tuple[Action, ...] = ()
    wake_at: datetime | None = None
    is_ending: bool = False


def plan(view: View, now: datetime) -> Plan:
    """Return the operations to begin now; those whose key is busy are left out."""
    ending = ending_of(view, now)
    wishes = list(_end(view, ending, now) if ending is not None else _run(view, now))
    actions = tuple(action for action in wishes if not isinstance(action, datetime) and _may_begin(view, action))
    moments = [wish for wish in wishes if isinstance(wish, datetime)]
    deadline = _deadline(view.pod)
    if deadline is not None and ending is None:
        moments.append(deadline)
    return Plan(actions, min(moments, default=None), ending is not None)


def ending_of(view: View, now: datetime) -> Ending | None:
    """Return why the pod is to end, None while it is to run."""
    pod = view.pod
    grace_s = DEFAULT_GRACE_S
    if pod.spec.termination_grace_period_seconds is not None:
        grace_s = pod.spec.termination_grace_period_seconds
    if pod.metadata.deletion_timestamp is not None:
        asked = pod.metadata.deletion_grace_period_seconds
        return Ending(grace_s if asked is None else asked, is_deleted=True)
    if view.rejection is not None:
        return Ending(0, phase_reason=view.rejection.reason, message=view.rejection.message)
    if view.eviction is not None:
        return view.eviction
    if pod.status.phase in TERMINAL:
        return Ending(grace_s, phase_reason=pod.status.reason, message=pod.status.message, is_finished=True)
    deadline = _deadline(pod)
    if deadline is not None and deadline <= now:
        message = "Pod was active on the node longer than the specified deadline"
        return Ending(grace_s, phase_reason="DeadlineExceeded", message=message)
    return Ending(grace_s, is_finished=True) if is_finished(view, now) else None


def is_finished(view: View, now: datetime) -> bool:
    """Say whether every container has ended for good: nothing will start again."""
    pod = view.pod
    if is_restarting_all(view, now):
        return False
    for container in pod.spec.init_containers:
        record = view.record.latest(container.name)
        if record is None or not record.has_ended or record.exit_code == 0 or container.name in view.busy:
            continue
        if not restarts(pod, container, record.exit_code, is_init=True):
            return True
    for container in pod.spec.containers:
        record = view.record.latest(container.name)
        if record is None or not record.has_ended or container.name in view.busy:
            return False
        if restarts(pod, container, record.exit_code, is_init=False):
            return False
    return bool(pod.spec.containers)


def _deadline(pod: Pod) -> datetime | None:
    if pod.spec.active_deadline_seconds is None or pod.status.start_time is None:
        return None
    return parse_time(pod.status.start_time) + timedelta(seconds=pod.spec.active_deadline_seconds)


def _may_begin(view: View, action: Action) -> bool:
    """Say whether no operation of the same key is under way; a kill with less grace replaces one with more."""
    current = view.busy.get(key_of_action(action))
    if isinstance(action, Cancel):
        return current is not None
    if isinstance(action, KillContainer) and isinstance(current, KillContainer):
        return action.id == current.id and action.grace_s < current.grace_s
    return current is None


# Ending: containers, sidecars in reverse order, sandbox, the rest.


def _end(view: View, ending: Ending, now: datetime) -> Iterator[Action | datetime]:
    begun = [key for key, action in view.busy.items() if not isinstance(action, KillContainer | StopSandbox | CleanUp)]
    for key in begun:
        yield Cancel(key)
    running = view.record.running
    if running:
        yield from _kill_in_order(view, running, ending.grace_s, now)
        return
    if begun or view.is_clean:
        return
    left = [sandbox for sandbox in view.record.sandboxes if not view.is_stopped(sandbox)]
    for sandbox in left[:1]:
        yield from retried(view, SANDBOX, StopSandbox(sandbox.id), now)
    if not left and not view.busy:
        yield from retried(view, END, CleanUp(ending.is_deleted), now)


def _kill_in_order(view: View, running: Sequence[ContainerRecord], grace_s: int, now: datetime) -> Iterator[Action]:
    """Yield the kills that are due: all but sidecars first; then the sidecars one by one, the last first."""
    sidecars = [container.name for container in view.pod.spec.init_containers if is_sidecar(container)]
    main = [record for record in running if record.name not in sidecars]
    for record in main:
        yield KillContainer(record.name, record.id, grace_s, f"Stopping container {record.name}")
    if not main:
        last = max(running, key=lambda record: sidecars.index(record.name))
        yield KillContainer(last.name, last.id, _rest_s(view, last, grace_s, now), f"Stopping container {last.name}")


def _rest_s(view: View, sidecar: ContainerRecord, grace_s: int, now: datetime) -> int:
    """Return how long a sidecar has to end: what the others have left of the pod's time, but always a moment."""
    current = view.busy.get(sidecar.name)
    if isinstance(current, KillContainer) and current.id == sidecar.id:
        return min(current.grace_s, grace_s)
    passed_s = (now - (view.ending_since or now)).total_seconds()
    return max(min(grace_s, LEAST_GRACE_S), round(grace_s - passed_s))


# Running: volumes, sandbox, init containers, containers.


def _run(view: View, now: datetime) -> Iterator[Action | datetime]:
    sandbox = view.record.sandbox
    if sandbox is None or not sandbox.is_ready:
        yield from _make_sandbox(view, now)
        return
    for old in view.record.sandboxes[2:]:
        yield RemoveSandbox(old.id)
    if not view.volumes_ready:  # After a restart of the node agent: they are there, but must be kept up to date.
        yield from retried(view, VOLUMES, PrepareVolumes(), now)
        return
    if view.volumes_stale:
        yield from retried(view, VOLUMES, PrepareVolumes(), now)
    resize = whole_resize(view)
    if resize is not None:
        yield from retried(view, SANDBOX, resize, now)
    for container in ephemeral_containers(view.pod):
        yield from _run_added(view, container, now)
    if is_restarting_all(view, now):
        yield from restart_all(view, now)
        return
    initialized = has_initialized(view)
    for container in view.pod.spec.init_containers:
        if initialized and not is_sidecar(container):
            continue
        yield from _run_container(view, container, now, is_init=True)
        if not initialized and not _lets_next_start(view, container):
            return
    for container in view.pod.spec.containers:
        yield from _run_container(view, container, now, is_init=False)


def _run_added(view: View, container: Container, now: datetime) -> Iterator[Action | datetime]:
    """Yield the start of an ephemeral container: it runs once, whatever becomes of it."""
    record = view.record.latest(container.name)
    if record is None and not _is_told_of(view, container):
        yield from retried(view, container.name, StartContainer(container.name, 0), now)
    elif record is not None and record.state is ContainerState.CREATED:
        yield from retried(view, container.name, _go_on(view, container, record), now)


def _is_told_of(view: View, container: Container) -> bool:
    told = next((s for s in view.pod.status.ephemeral_container_statuses if s.name == container.name), None)
    return told is not None and (told.state.running or told.state.terminated) is not None


def _make_sandbox(view: View, now: datetime) -> Iterator[Action | datetime]:
    if view.record.running:
        why = "Pod sandbox changed, it will be killed and re-created."
        yield from (KillContainer(record.name, record.id, 0, why) for record in view.record.running)
    elif view.record.sandbox is not None and not view.is_stopped(view.record.sandbox):
        yield from retried(view, SANDBOX, StopSandbox(view.record.sandbox.id), now)
    elif not view.volumes_ready:
        yield from retried(view, VOLUMES, PrepareVolumes(), now)
    else:
        attempt = 1 + max((sandbox.attempt for sandbox in view.record.sandboxes), default=-1)
        yield from retried(view, SANDBOX, CreateSandbox(attempt), now)


def has_initialized(view: View) -> bool:
    """Say whether the init containers of this sandbox are done: a later container was seen, or all have succeeded."""
    if any(view.record.current(container.name) is not None for container in view.pod.spec.containers):
        return True
    return all(_lets_next_start(view, container) for container in view.pod.spec.init_containers)


def _lets_next_start(view: View, container: Container) -> bool:
    record = view.record.current(container.name)
    if record is None:
        return False
    if is_sidecar(container):
        return view.has_started(container, record)
    return record.state is ContainerState.EXITED and record.exit_code == 0


def _run_container(view: View, container: Container, now: datetime, *, is_init: bool) -> Iterator[Action | datetime]:
    yield from _remove_old(view, container)
    record = view.record.current(container.name)
    if record is None and not is_init and _ended_for_good(view, container):
        return  # It did its work in an earlier sandbox.
    if record is None:
        yield from retried(view, container.name, StartContainer(container.name, restart_count(view, container)), now)
    elif record.is_running:
        yield from _keep(view, container, record, now)
    elif record.state is ContainerState.CREATED:
        yield from retried(view, container.name, _go_on(view, container, record), now)
    elif restarts(view.pod, container, record.exit_code, is_init=is_init):
        yield from _restart(view, container, record, now)


def _go_on(view: View, container: Container, record: ContainerRecord) -> Action:
    """Return what becomes of a container whose start was cut off, as when the node agent was killed.

    The runtime may be about to start it nevertheless: then it refuses a second start, where a removal would end it.
    One that it has refused to start for long is removed.
    """
    failure = view.failures.get(container.name)
    is_stuck = failure is not None and failure.retry_at - failure.failed_at >= START_PATIENCE
    if is_stuck or record.spec_hash not in ("", spec_hash(container)):
        return RemoveContainer(container.name, record.id)
    return StartContainer(container.name, record.restart_count, made_id=record.id)


def _ended_for_good(view: View, container: Container) -> bool:
    record = view.record.latest(container.name)
    if record is None or not record.has_ended:
        return False
    return not restarts(view.pod, container, record.exit_code, is_init=False)


def _restart(view: View, container: Container, record: ContainerRecord, now: datetime) -> Iterator[Action | datetime]:
    entry = view.backoff.get(container.name)
    due = due_at(entry, record)
    if due is not None and due > now:
        yield due
        return
    entry = raised(entry, record, now, view.limits)
    yield from retried(view, container.name, StartContainer(container.name, record.restart_count + 1, entry), now)


def _keep(view: View, container: Container, record: ContainerRecord, now: datetime) -> Iterator[Action | datetime]:
    """Yield the kill of a running container that fails its probes, or what makes it the one that is wanted."""
    grace_s = view.pod.spec.termination_grace_period_seconds
    usual_s = DEFAULT_GRACE_S if grace_s is None else grace_s
    if record.spec_hash and record.spec_hash != spec_hash(container):
        yield KillContainer(
            container.name, record.id, usual_s, f"Container {container.name} definition changed, will be restarted"
        )
    resize = resize_action(view, container, record, usual_s)
    if resize is not None:
        yield from retried(view, container.name, resize, now)
    for kind, probe in (
        (ProbeKind.STARTUP, container.startup_probe),
        (ProbeKind.LIVENESS, container.liveness_probe),
    ):
        if probe is not None and view.verdict(record, kind) is False:
            own_s = probe.termination_grace_period_seconds
            why = f"Container {container.name} failed {kind.value} probe, will be restarted"
            yield KillContainer(container.name, record.id, usual_s if own_s is None else own_s, why)
            return


def restart_count(view: View, container: Container) -> int:
    """Return how often a container that isn't in this sandbox has been started before."""
    record, seen = view.record.latest(container.name), view.counts.get(container.name)
    if record is not None or seen is not None:
        return 1 + max(record.restart_count if record is not None else 0, seen or 0)
    told = [*view.pod.status.container_statuses, *view.pod.status.init_container_statuses]
    for status in told:
        began = status.state.running or status.state.terminated or status.last_state.terminated
        if status.name == container.name and began:
            return status.restart_count + 1
    return 0


def _remove_old(view: View, container: Container) -> Iterator[Action]:
    """Yield the removal of what is older than the last run before the current one."""
    ended = [r for r in view.record.containers if r.name == container.name and not r.is_running]
    current = view.record.latest(container.name)
    kept = 1 if current is not None and current.is_running else 2
    for record in ended[kept:]:
        yield RemoveContainer(container.name, record.id)
