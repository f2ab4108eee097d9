"""What a Deployment's status says: its counts, and the conditions Available, Progressing and ReplicaFailure.

Writes Deployment.status, through the controller. Reasons and messages are those that kubectl and other tools look for.
Source: kubernetes.io/docs/concepts/workloads/controllers/deployment (Deployment status).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from controllers.deployment_plan import Step
from controllers.rollout import limits, replicas_of
from kube.api.apps_v1 import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet
from kube.objects import condition
from kube.times import parse_time, to_time

NO_DEADLINE: Final = 2**31 - 1
TIMED_OUT: Final = "ProgressDeadlineExceeded"
AVAILABLE: Final = "NewReplicaSetAvailable"
PAUSED: Final = "DeploymentPaused"
RESUMED: Final = "DeploymentResumed"

Conditions = tuple[DeploymentCondition, ...]


def status_of(deployment: Deployment, step: Step, now: datetime) -> DeploymentStatus:
    """Return the status that holds once `step` has been begun."""
    status = replace(count(deployment, step), conditions=deployment.status.conditions)
    conditions = put(status.conditions, _availability(deployment, status), now)
    conditions = _with_progress(deployment, step, replace(status, conditions=conditions), now)
    everything = [item for item in (step.new, *step.old) if item is not None]
    return replace(status, conditions=_with_failures(conditions, everything, now))


def count(deployment: Deployment, step: Step) -> DeploymentStatus:
    """Return the counts, without conditions."""
    everything = [item for item in (step.new, *step.old) if item is not None]
    total = sum(item.status.replicas for item in everything)
    available = sum(item.status.available_replicas for item in everything)
    wanted = sum(map(replicas_of, everything))
    terminating = sum(item.status.terminating_replicas or 0 for item in everything)
    return DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=total,
        updated_replicas=step.new.status.replicas if step.new else 0,
        ready_replicas=sum(item.status.ready_replicas for item in everything),
        available_replicas=available,
        unavailable_replicas=max(0, wanted - available),
        collision_count=deployment.status.collision_count,
        terminating_replicas=terminating,
    )


def _availability(deployment: Deployment, status: DeploymentStatus) -> DeploymentCondition:
    if status.available_replicas >= replicas_of(deployment) - limits(deployment)[1]:
        return _condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return _condition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _with_progress(deployment: Deployment, step: Step, status: DeploymentStatus, now: datetime) -> Conditions:
    if not has_deadline(deployment):
        return without(status.conditions, "Progressing")
    found = condition(status.conditions, "Progressing")
    if deployment.spec.paused:
        if found is not None and found.reason == TIMED_OUT:
            return status.conditions
        return put(status.conditions, _condition("Progressing", "Unknown", PAUSED, "Deployment is paused"), now)
    if found is not None and found.reason == PAUSED:
        resumed = _condition("Progressing", "Unknown", RESUMED, "Deployment is resumed")
        return put(status.conditions, resumed, now)
    if step.create is not None:
        text = f'Created new replica set "{step.create.metadata.name}"'
        return put(status.conditions, _condition("Progressing", "True", "NewReplicaSetCreated", text), now)
    if found is not None and found.reason == AVAILABLE and status.replicas == status.updated_replicas:
        return status.conditions
    return _after_rollout(deployment, step, status, now)


def _after_rollout(deployment: Deployment, step: Step, status: DeploymentStatus, now: datetime) -> Conditions:
    found = condition(status.conditions, "Progressing")
    subject = f'ReplicaSet "{step.new.metadata.name}"' if step.new else f'Deployment "{deployment.metadata.name}"'
    if _is_complete(deployment, status):
        done = _condition("Progressing", "True", AVAILABLE, f"{subject} has successfully progressed.")
        return put(status.conditions, done, now)
    if _progressed(deployment.status, status):
        moving = _condition("Progressing", "True", "ReplicaSetUpdated", f"{subject} is progressing.")
        return put(status.conditions, moving, now, touch=True)
    if found is None:
        if step.new is None:
            return status.conditions
        text = f'Found new replica set "{step.new.metadata.name}"'
        return put(status.conditions, _condition("Progressing", "True", "FoundNewReplicaSet", text), now)
    if deadline_left_s(deployment, status, now) == 0:
        late = _condition("Progressing", "False", TIMED_OUT, f"{subject} has timed out progressing.")
        return put(status.conditions, late, now)
    return status.conditions


def _is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    wanted = replicas_of(deployment)
    return status.updated_replicas == status.replicas == status.available_replicas == wanted


def _progressed(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    return (
        new.updated_replicas > old.updated_replicas
        or new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        or new.ready_replicas > old.ready_replicas
        or new.available_replicas > old.available_replicas
    )


def has_deadline(deployment: Deployment) -> bool:
    """Say whether a rollout that stands still is to be called failed at some time."""
    return deployment.spec.progress_deadline_seconds not in (None, NO_DEADLINE)


def deadline_left_s(deployment: Deployment, status: DeploymentStatus, now: datetime) -> float | None:
    """Return in how many seconds a rollout that makes no progress times out, 0 if it has; None where it can't."""
    found = condition(status.conditions, "Progressing")
    deadline_s = deployment.spec.progress_deadline_seconds
    if found is None or deadline_s is None or not has_deadline(deployment) or found.reason in (AVAILABLE, PAUSED):
        return None
    if found.reason == TIMED_OUT:
        return 0.0
    since = found.last_update_time or found.last_transition_time
    if since is None:
        return float(deadline_s)
    return max(0.0, deadline_s - (now - parse_time(since)).total_seconds())


def _with_failures(conditions: Conditions, everything: Sequence[ReplicaSet], now: datetime) -> Conditions:
    found = next((f for item in everything if (f := condition(item.status.conditions, "ReplicaFailure"))), None)
    if found is None:
        return without(conditions, "ReplicaFailure")
    return put(conditions, _condition("ReplicaFailure", found.status, found.reason, found.message), now)


def with_creation_failure(status: DeploymentStatus, message: str, now: datetime) -> DeploymentStatus:
    """Return the status after the new ReplicaSet could not be created."""
    failed = _condition("Progressing", "False", "ReplicaSetCreateError", message)
    return replace(status, conditions=put(status.conditions, failed, now))


def _condition(kind: str, status: str, reason: str, message: str) -> DeploymentCondition:
    return DeploymentCondition(type=kind, status=status, reason=reason, message=message)


def put(conditions: Conditions, new: DeploymentCondition, now: datetime, *, touch: bool = False) -> Conditions:
    """Return the conditions with `new`, unless one of its status and reason is there already (touch: renew it)."""
    found = condition(conditions, new.type)
    if found and found.status == new.status and found.reason == new.reason and not touch:
        return conditions
    since = found.last_transition_time if found and found.status == new.status else to_time(now)
    fresh = replace(new, last_transition_time=since, last_update_time=to_time(now))
    return (*without(conditions, new.type), fresh)


def without(conditions: Iterable[DeploymentCondition], kind: str) -> Conditions:
    """Return the conditions but for that of type `kind`."""
    return tuple(item for item in conditions if item.type != kind)
