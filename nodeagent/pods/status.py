"""Tell the state of a pod in the words of its status.

Keeps true: the phase never goes back from Succeeded or Failed; a condition's transition time changes with its status
alone; conditions that others write are left to them. pod_status() is a plain function of a View.
Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, sections on phase and conditions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from kube.api.core_v1 import ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodStatus
from kube.objects import condition, condition_is_true
from kube.times import to_time
from nodeagent.pods.container_status import (
    Telling,
    container_status,
    ephemeral_container_status,
    init_container_status,
)
from nodeagent.pods.containers import ephemeral_containers
from nodeagent.pods.plan import TERMINAL, ending_of, has_initialized
from nodeagent.pods.resize import IN_PROGRESS, PENDING, actuated_whole, granted_pod, resize_conditions
from nodeagent.pods.resources import pod_requests
from nodeagent.pods.restart_all import CONDITION as RESTARTING_ALL
from nodeagent.pods.restart_all import is_restarting_all, restarting_condition
from nodeagent.pods.restarts import restarts
from nodeagent.pods.view import View, is_sidecar

OWN_CONDITIONS = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    PENDING,
    IN_PROGRESS,
    RESTARTING_ALL,
)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a pod's status tells of its node. runtime: the scheme of container ids ("wherry")."""

    host_ips: tuple[str, ...]
    runtime: str


def pod_status(view: View, before: PodStatus, node: NodeFacts, now: datetime) -> PodStatus:
    """Return the status of a pod.

    before: the status last written; what can't be observed (start time, transition times, the end of containers that
    are gone) is carried over from it.
    """
    pod = view.pod
    telling = Telling(view, before, node.runtime, now)
    inits = tuple(init_container_status(telling, container) for container in pod.spec.init_containers)
    mains = tuple(container_status(telling, container) for container in pod.spec.containers)
    added = tuple(ephemeral_container_status(telling, container) for container in ephemeral_containers(pod))
    was_over, is_down = before.phase in TERMINAL, not view.record.running
    keeps_phase = was_over or is_restarting_all(view, now)
    phase = before.phase if keeps_phase else pod_phase(pod, inits, mains)
    reason, message = before.reason, before.message
    ending = ending_of(view, now)
    if ending is not None and ending.phase_reason and is_down and not was_over:
        phase, reason, message = "Failed", ending.phase_reason, ending.message
    elif ending is not None and ending.is_deleted and is_down and phase not in TERMINAL:
        phase = _phase_of_deleted(phase, mains)
    ips = _pod_ips(view, before, node)
    changed = replace(
        before,
        phase=phase,
        reason=reason,
        message=message,
        start_time=before.start_time or to_time(now),
        host_ip=node.host_ips[0] if node.host_ips else "",
        host_ips=tuple(HostIP(ip=ip) for ip in node.host_ips),
        pod_ip=ips[0] if ips else "",
        pod_ips=tuple(PodIP(ip=ip) for ip in ips),
        init_container_statuses=inits,
        container_statuses=mains,
        ephemeral_container_statuses=added,
        observed_generation=pod.metadata.generation,
        resources=actuated_whole(view) if pod.spec.resources is not None else None,
        allocated_resources=pod_requests(granted_pod(view)),
    )
    return replace(changed, conditions=_conditions(view, changed, before, now))


def _phase_of_deleted(phase: str, mains: Sequence[ContainerStatus]) -> str:
    """Return the last phase of a deleted pod whose containers are down: it succeeded only if all of them did."""
    ended = [status.state.terminated for status in mains]
    if any(state is None for state in ended):
        return phase if phase == "Pending" else "Failed"
    return "Succeeded" if all(state is not None and state.exit_code == 0 for state in ended) else "Failed"


def _pod_ips(view: View, before: PodStatus, node: NodeFacts) -> tuple[str, ...]:
    if view.pod.spec.host_network:
        return node.host_ips if view.record.sandbox is not None or before.pod_ip else ()
    sandbox = view.record.sandbox
    if sandbox is not None and sandbox.is_ready:
        return sandbox.ips
    return tuple(ip.ip for ip in before.pod_ips)


def pod_phase(pod: Pod, inits: Sequence[ContainerStatus], mains: Sequence[ContainerStatus]) -> str:
    """Return the phase that the states of the containers add up to."""
    if any(mains_began(status) for status in mains):
        return _running_phase(pod, mains)
    for container, status in zip(pod.spec.init_containers, inits, strict=True):
        ended = status.state.terminated
        if is_sidecar(container):
            if not status.started:
                return "Pending"
        elif ended is None or ended.exit_code != 0:
            is_last_try = ended is not None and not restarts(pod, container, ended.exit_code, is_init=True)
            return "Failed" if is_last_try else "Pending"
    return _running_phase(pod, mains)


def mains_began(status: ContainerStatus) -> bool:
    """Say whether a container ever ran."""
    return bool(status.state.running or status.state.terminated or status.last_state.terminated)


def _running_phase(pod: Pod, mains: Sequence[ContainerStatus]) -> str:
    if any(not mains_began(status) for status in mains):
        return "Pending"
    codes = [status.state.terminated.exit_code for status in mains if status.state.terminated is not None]
    if len(codes) < len(mains):
        return "Running"
    ends = zip(pod.spec.containers, codes, strict=True)
    if any(restarts(pod, container, code, is_init=False) for container, code in ends):
        return "Running"
    return "Failed" if any(codes) else "Succeeded"


def _conditions(view: View, status: PodStatus, before: PodStatus, now: datetime) -> tuple[PodCondition, ...]:
    sandbox = view.record.sandbox
    has_sandbox = sandbox is not None and sandbox.is_ready
    own = [
        _condition("PodReadyToStartContainers", has_sandbox),
        _initialized(view, status),
        _ready(view, status, before),
        _containers_ready(view, status),
        *resize_conditions(view),
        *restarting_condition(view, now),
    ]
    dated = [_dated(new, condition(before.conditions, new.type), view.pod, now) for new in own]
    others = tuple(c for c in before.conditions if c.type not in OWN_CONDITIONS)
    return (*dated, *others)


def _dated(new: PodCondition, old: PodCondition | None, pod: Pod, now: datetime) -> PodCondition:
    changed_at = old.last_transition_time if old is not None and old.status == new.status else to_time(now)
    return replace(new, last_transition_time=changed_at, observed_generation=pod.metadata.generation)


def _condition(kind: str, is_true: bool, reason: str = "", message: str = "") -> PodCondition:
    return PodCondition(type=kind, status="True" if is_true else "False", reason=reason, message=message)


def _initialized(view: View, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return _condition("Initialized", True, "PodCompleted")
    if has_initialized(view) or any(mains_began(main) for main in status.container_statuses):
        return _condition("Initialized", True)
    missing = [
        container.name
        for container, told in zip(view.pod.spec.init_containers, status.init_container_statuses, strict=True)
        if not (told.started if is_sidecar(container) else told.ready)
    ]
    message = f"containers with incomplete status: [{' '.join(missing)}]"
    return _condition("Initialized", False, "ContainersNotInitialized", message)


def _containers_ready(view: View, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return _condition("ContainersReady", False, "PodCompleted")
    if status.phase == "Failed":
        return _condition("ContainersReady", False, "PodFailed")
    sidecars = {container.name for container in view.pod.spec.init_containers if is_sidecar(container)}
    counted = [told for told in status.init_container_statuses if told.name in sidecars]
    unready = [told.name for told in [*counted, *status.container_statuses] if not told.ready]
    if not unready:
        return _condition("ContainersReady", True)
    message = f"containers with unready status: [{' '.join(unready)}]"
    return _condition("ContainersReady", False, "ContainersNotReady", message)


def _ready(view: View, status: PodStatus, before: PodStatus) -> PodCondition:
    containers = _containers_ready(view, status)
    if containers.status != "True":
        return replace(containers, type="Ready")
    gates = [gate.condition_type for gate in view.pod.spec.readiness_gates]
    missing = [gate for gate in gates if not condition_is_true(before.conditions, gate)]
    if not missing:
        return _condition("Ready", True)
    told = [f'corresponding condition of pod readiness gate "{gate}" does not exist.' for gate in missing]
    return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(told))
