"""Whether a container that ended starts again, and when.

Plain functions of what is wanted and what is seen.
Source: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, sections on restart policy and back-off.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from kube.api.core_v1 import Container, Pod
from nodeagent.cri.values import ContainerRecord
from nodeagent.pods.view import Action, Backoff, BackoffLimits, View, from_nanos, is_sidecar

RESTART: Final = "Restart"
RESTART_ALL: Final = "RestartAllContainers"
_OPERATORS: Final = {"In": True, "NotIn": False}


def matching_action(container: Container, exit_code: int) -> str:
    """Return what the first rule that matches an end asks for, "" where none does."""
    for rule in container.restart_policy_rules:
        if rule.exit_codes is not None:
            is_listed = exit_code in rule.exit_codes.values
            if is_listed == _OPERATORS.get(rule.exit_codes.operator, True):
                return rule.action
    return ""


def restarts(pod: Pod, container: Container, exit_code: int, *, is_init: bool) -> bool:
    """Say whether a container that ended so is to run again."""
    if matching_action(container, exit_code) in (RESTART, RESTART_ALL):
        return True
    policy = pod.spec.restart_policy or "Always"
    if is_init:
        if is_sidecar(container):
            return True
        return exit_code != 0 and (container.restart_policy or policy) != "Never"
    policy = container.restart_policy or policy
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def due_at(entry: Backoff | None, record: ContainerRecord) -> datetime | None:
    """Return when an ended container may start again, None where it may at once."""
    if entry is None:
        return None
    ended_at = from_nanos(record.finished_at or record.created_at)
    if ended_at <= entry.since:
        return None  # The entry was made by this very end: it was already let through.
    return ended_at + timedelta(seconds=entry.delay_s)


def raised(entry: Backoff | None, record: ContainerRecord, now: datetime, limits: BackoffLimits) -> Backoff:
    """Return the entry after one more restart: the first is free, the next waits, the following twice as long."""
    ended_at = from_nanos(record.finished_at or record.created_at)
    ran_long = entry is not None and (ended_at - entry.since).total_seconds() > limits.reset_s
    if entry is None or ran_long:
        return Backoff(limits.first_s, now)
    return Backoff(min(entry.delay_s * 2, limits.most_s), now)


def retried(view: View, key: str, action: Action, now: datetime) -> Iterator[Action | datetime]:
    """Yield the action unless it failed a short while ago; then the time at which to try again."""
    failure = view.failures.get(key)
    if failure is not None and failure.retry_at > now:
        yield failure.retry_at
    else:
        yield action
