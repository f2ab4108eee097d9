"""Pods as rows: how many containers are ready, and the one word that tells how the pod is.

Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, and what `kubectl get pods` has always shown.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

from kube.api.core_v1 import ContainerStateTerminated, ContainerStatus, Pod, PodTemplate
from kube.objects import condition, condition_is_true

from .column import AGE, NAME, NONE, Printer, age, containers, labels, since, text, wide

_ENDED: Final = ("Succeeded", "Failed")


class Story(NamedTuple):
    """What a pod's container statuses amount to. last_restart: when the latest of them happened, "" for never."""

    word: str
    ready: int
    restarts: int
    last_restart: str


def pod_cells(pod: Pod, now: datetime) -> list[Any]:
    """Return the cells of a pod."""
    status = pod.status
    story = pod_story(pod)
    restarts = str(story.restarts)
    if story.restarts and story.last_restart:
        restarts += f" ({since(story.last_restart, now)} ago)"
    address = status.pod_ips[0].ip if status.pod_ips else status.pod_ip
    return [
        pod.metadata.name,
        f"{story.ready}/{_total(pod)}",
        story.word,
        restarts,
        age(pod, now),
        address or NONE,
        pod.spec.node_name or NONE,
        status.nominated_node_name or NONE,
        _gates(pod),
    ]


def _total(pod: Pod) -> int:
    sidecars = sum(container.restart_policy == "Always" for container in pod.spec.init_containers)
    return len(pod.spec.containers) + sidecars


def _gates(pod: Pod) -> str:
    gates = pod.spec.readiness_gates
    if not gates:
        return NONE
    passed = sum(condition_is_true(pod.status.conditions, gate.condition_type) for gate in gates)
    return f"{passed}/{len(gates)}"


def pod_story(pod: Pod) -> Story:
    """Return the pod's state in one word, with its ready containers and restarts."""
    first = _first_word(pod)
    story, is_initializing = _init_story(pod, first)
    if not is_initializing or condition_is_true(pod.status.conditions, "Initialized"):
        story = _main_story(pod, first if is_initializing else story.word, _sidecar_story(pod, first))
    if pod.metadata.deletion_timestamp is None:
        return story
    if pod.status.reason == "NodeLost":
        return story._replace(word="Unknown")
    return story if pod.status.phase in _ENDED else story._replace(word="Terminating")


def _first_word(pod: Pod) -> str:
    scheduled = condition(pod.status.conditions, "PodScheduled")
    if scheduled is not None and scheduled.reason == "SchedulingGated":
        return "SchedulingGated"
    return pod.status.reason or pod.status.phase


def _init_story(pod: Pod, first: str) -> tuple[Story, bool]:
    """Return the story that the init containers tell, and whether one of them is still to finish."""
    sidecars = _sidecars(pod)
    ready = restarts = 0
    last = ""
    for index, status in enumerate(pod.status.init_container_statuses):
        restarts += status.restart_count
        last = max(last, _ended_before(status))
        if _is_past(status, is_sidecar=status.name in sidecars):
            ready += status.name in sidecars and status.ready
            continue
        word = _init_word(status, index, len(pod.spec.init_containers))
        return Story(word, ready, restarts, last), True
    return Story(first, ready, restarts, last), False


def _sidecars(pod: Pod) -> set[str]:
    return {container.name for container in pod.spec.init_containers if container.restart_policy == "Always"}


def _is_past(status: ContainerStatus, *, is_sidecar: bool) -> bool:
    ended = status.state.terminated
    if ended is not None and ended.exit_code == 0:
        return True
    return is_sidecar and bool(status.started)


def _init_word(status: ContainerStatus, index: int, count: int) -> str:
    state = status.state
    if state.terminated is not None:
        return f"Init:{_ended_word(state.terminated)}"
    if state.waiting is not None and state.waiting.reason not in ("", "PodInitializing"):
        return f"Init:{state.waiting.reason}"
    return f"Init:{index}/{count}"


def _ended_word(ended: ContainerStateTerminated) -> str:
    if ended.reason:
        return ended.reason
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"


def _ended_before(status: ContainerStatus) -> str:
    ended = status.last_state.terminated
    return ended.finished_at or "" if ended is not None else ""


def _sidecar_story(pod: Pod, first: str) -> Story:
    """Return what of the init containers still counts once the pod is initialized: those that keep running."""
    sidecars = _sidecars(pod)
    statuses = [status for status in pod.status.init_container_statuses if status.name in sidecars]
    return Story(
        first,
        sum(status.ready and bool(status.started) for status in statuses),
        sum(status.restart_count for status in statuses),
        max((_ended_before(status) for status in statuses), default=""),
    )


def _main_story(pod: Pod, word: str, sidecars: Story) -> Story:
    """Return the story that the main containers tell; the first one that is not running names it."""
    ready, restarts, last = sidecars.ready, sidecars.restarts, sidecars.last_restart
    is_running = False
    for status in reversed(pod.status.container_statuses):
        restarts += status.restart_count
        last = max(last, _ended_before(status))
        state = status.state
        if state.waiting is not None and state.waiting.reason:
            word = state.waiting.reason
        elif state.terminated is not None:
            word = _ended_word(state.terminated)
        elif status.ready and state.running is not None:
            is_running = True
            ready += 1
    if word == "Completed" and is_running:
        word = "Running" if condition_is_true(pod.status.conditions, "Ready") else "NotReady"
    return Story(word, ready, restarts, last)


def pod_template_cells(template: PodTemplate, _now: datetime) -> list[Any]:
    """Return the cells of a pod template."""
    spec = template.template.spec
    return [template.metadata.name, *containers(spec), labels(template.template.metadata.labels)]


POD: Final = Printer(
    (NAME, *text("Ready", "Status", "Restarts"), AGE, *wide("IP", "Node", "Nominated Node", "Readiness Gates")),
    pod_cells,
)
POD_TEMPLATE: Final = Printer((NAME, *text("Containers", "Images", "Pod Labels")), pod_template_cells)
