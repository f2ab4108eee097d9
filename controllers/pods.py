"""Readings of a pod that several controllers share, and the pod that a template makes.

Works on values alone.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import Pod, PodCondition, PodTemplateSpec
from kube.api.meta_v1 import ObjectMeta
from kube.kinds import Resource
from kube.objects import condition, condition_is_true, controller_reference, is_terminating
from kube.times import parse_time, to_time

FINISHED: Final = ("Succeeded", "Failed")


def is_finished(pod: Pod) -> bool:
    """Say whether all containers of the pod have ended for good."""
    return pod.status.phase in FINISHED


def is_active(pod: Pod) -> bool:
    """Say whether the pod counts towards what its owner wants: neither finished nor going away."""
    return not is_finished(pod) and not is_terminating(pod)


def is_ready(pod: Pod) -> bool:
    """Say whether the pod can serve."""
    return condition_is_true(pod.status.conditions, "Ready")


def ready_since(pod: Pod) -> datetime | None:
    """Return since when the pod is ready, None where it isn't or doesn't say."""
    ready = condition(pod.status.conditions, "Ready")
    if ready is None or ready.status != "True" or ready.last_transition_time is None:
        return None
    return parse_time(ready.last_transition_time)


def available_at(pod: Pod, min_ready_s: int) -> datetime | None:
    """Return when the pod counts, or began to count, as available: ready for `min_ready_s`; None while not ready."""
    since = ready_since(pod)
    return None if since is None else since + timedelta(seconds=min_ready_s)


def is_available(pod: Pod, min_ready_s: int, now: datetime) -> bool:
    """Say whether the pod is ready and has been for `min_ready_s`."""
    if min_ready_s <= 0:
        return is_ready(pod)
    moment = available_at(pod, min_ready_s)
    return moment is not None and moment <= now


def restarts(pod: Pod) -> int:
    """Return how often the containers of the pod were restarted, of that which was restarted most."""
    return max((status.restart_count for status in pod.status.container_statuses), default=0)


def pod_from_template(owner: Resource, template: PodTemplateSpec) -> Pod:
    """Return a new pod for `owner`; the server completes its name."""
    meta = template.metadata
    return Pod(
        metadata=ObjectMeta(
            generate_name=f"{owner.metadata.name}-",
            namespace=owner.metadata.namespace,
            labels=meta.labels,
            annotations=meta.annotations,
            finalizers=meta.finalizers,
            owner_references=(controller_reference(owner),),
        ),
        spec=template.spec,
    )


def with_condition(conditions: Iterable[PodCondition], new: PodCondition, now: datetime) -> tuple[PodCondition, ...]:
    """Return the conditions with `new` in place of that of its type; its time moves only if its status changed."""
    kept = list(conditions)
    for index, old in enumerate(kept):
        if old.type == new.type:
            same = old.status == new.status
            kept[index] = replace(new, last_transition_time=old.last_transition_time if same else to_time(now))
            return tuple(kept)
    return (*kept, replace(new, last_transition_time=to_time(now)))
