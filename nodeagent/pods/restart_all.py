"""Start all of a pod's containers anew in the pod that stands, where a rule of one that ended asks for it.

Keeps true: what goes on is seen from the runtime alone. As long as the container that asked is there, the others are
ended and removed; it is removed last, and then the pod starts as if it had never run, in the sandbox and with the
volumes that it has. Ephemeral containers have no part in it. Plain functions of a View.
Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, section on restarting all containers; KEP-5532.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from kube.api.core_v1 import Container, Pod, PodCondition
from nodeagent.cri.values import ContainerRecord
from nodeagent.pods.restarts import RESTART_ALL, due_at, matching_action, raised, retried
from nodeagent.pods.view import Action, Cancel, KillContainer, RemoveContainer, ResizeContainer, StartContainer, View

CONDITION: Final = "AllContainersRestarting"
RESTARTING: Final = "RestartingAllContainers"
"""The reason with which a container that was removed waits."""


def _own(pod: Pod) -> dict[str, Container]:
    return {container.name: container for container in (*pod.spec.init_containers, *pod.spec.containers)}


def _sources(view: View) -> list[ContainerRecord]:
    """Return the containers of the newest sandbox that have ended so that all are to start anew."""
    found = []
    for name, container in _own(view.pod).items():
        record = view.record.current(name) if container.restart_policy_rules else None
        if record is not None and record.has_ended and matching_action(container, record.exit_code) == RESTART_ALL:
            found.append(record)
    return found


def is_restarting_all(view: View, now: datetime) -> bool:
    """Say whether all containers are on their way to a new start: the back-off of one that asked for it is over."""
    dues = [due_at(view.backoff.get(source.name), source) for source in _sources(view)]
    return any(due is None or due <= now for due in dues)


def restart_all(view: View, now: datetime) -> Iterator[Action | datetime]:
    """Yield what is next on the way to a new start: cancel what begins, end what runs, remove what has ended."""
    own, sources = _own(view.pod), _sources(view)
    for key, action in view.busy.items():
        if key in own and isinstance(action, StartContainer | ResizeContainer):
            yield Cancel(key)
    others = [record for record in view.record.containers if record.name in own and record not in sources]
    running = [record for record in others if record.is_running]
    for record in running:
        yield KillContainer(record.name, record.id, 0, f"Container {record.name} will be restarted with all others")
    if running:
        return
    for record in {record.name: record for record in others or sources}.values():  # One of each name at a time.
        backoff = raised(view.backoff.get(record.name), record, now, view.limits) if record in sources else None
        yield from retried(view, record.name, RemoveContainer(record.name, record.id, backoff), now)


def restarting_condition(view: View, now: datetime) -> tuple[PodCondition, ...]:
    """Return the condition that tells of it; none where no container of the pod may ask for it."""
    rules = [rule for container in _own(view.pod).values() for rule in container.restart_policy_rules]
    if not any(rule.action == RESTART_ALL for rule in rules):
        return ()
    if not is_restarting_all(view, now):
        return (PodCondition(type=CONDITION, status="False"),)
    message = "container exited with restart policy rule"
    return (PodCondition(type=CONDITION, status="True", reason="RestartAllContainersStarted", message=message),)
