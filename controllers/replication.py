"""How many pods to create or delete, and which: what ReplicaSets and ReplicationControllers share.

Plain functions over one owner and its pods.
Source: kubernetes.io/docs/concepts/workloads/controllers/replicaset, sections on scaling down and on pod deletion cost.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from controllers.pods import available_at, is_active, is_available, is_ready, ready_since, restarts
from kube.api.apps_v1 import ReplicaSet
from kube.api.core_v1 import Pod, PodTemplateSpec, ReplicationController
from kube.objects import is_terminating
from kube.selectors import LabelSelector, label_selector_from_map, label_selector_from_object
from kube.times import parse_time

BURST_MAX: Final = 500
DELETION_COST: Final = "controller.kubernetes.io/pod-deletion-cost"
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_PHASE_USE: Final = {"Pending": 0, "Unknown": 1, "Running": 2}

PodSet = ReplicaSet | ReplicationController


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an owner wants, whichever of the two kinds it is."""

    owner: PodSet
    replicas: int
    selector: LabelSelector
    template: PodTemplateSpec
    min_ready_s: int


def wanted_by(owner: PodSet) -> Wanted:
    """Return what `owner` wants. Raises SelectorError."""
    selector = (
        label_selector_from_object(owner.spec.selector)
        if isinstance(owner, ReplicaSet)
        else label_selector_from_map(owner.spec.selector)
    )
    replicas = 1 if owner.spec.replicas is None else owner.spec.replicas
    template = owner.spec.template or PodTemplateSpec()
    return Wanted(owner, replicas, selector, template, owner.spec.min_ready_seconds)


@dataclass(frozen=True, slots=True)
class Difference:
    """What brings the pods to the wanted count: some to create, or some to delete, never both."""

    create: int = 0
    delete: tuple[Pod, ...] = ()


def plan(wanted: Wanted, pods: Sequence[Pod], related: Iterable[Pod] = ()) -> Difference:
    """Return what to create or delete.

    pods: those that are owned, any order; finished and terminating ones no longer count. related: the active pods of
    all sets of the same Deployment, so that scaling down thins the fullest node first. At most BURST_MAX at a time:
    seeing the results starts the next round. An owner that is going away changes nothing.
    """
    if is_terminating(wanted.owner):
        return Difference()
    active = [pod for pod in pods if is_active(pod)]
    missing = wanted.replicas - len(active)
    if missing >= 0:
        return Difference(create=min(missing, BURST_MAX))
    crowd = Counter(pod.spec.node_name for pod in related if is_active(pod))
    doomed = sorted(active, key=least_useful_first(crowd))[: min(-missing, BURST_MAX)]
    return Difference(delete=tuple(doomed))


def least_useful_first(crowd: Mapping[str, int]) -> Callable[[Pod], tuple[object, ...]]:
    """Return the sort key that puts first what is missed least. crowd: related pods on each node.

    In this order: without a node, pending, unready, cheap to delete, on a crowded node, ready for a short time, often
    restarted, young.
    """

    def key(pod: Pod) -> tuple[object, ...]:
        since = ready_since(pod)
        created = pod.metadata.creation_timestamp
        return (
            bool(pod.spec.node_name),
            _PHASE_USE.get(pod.status.phase, 0),
            is_ready(pod),
            deletion_cost(pod),
            -crowd.get(pod.spec.node_name, 0) if pod.spec.node_name else 0,
            -(since.timestamp()) if since else 0.0,
            -restarts(pod),
            -(parse_time(created) if created else _LATEST).timestamp(),
        )

    return key


def deletion_cost(pod: Pod) -> int:
    """Return what the user says it costs to delete the pod; 0 where that is not said, or not a number."""
    text = pod.metadata.annotations.get(DELETION_COST, "0")
    return int(text) if text.removeprefix("-").isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Counts:
    """What the status of the owner tells of its pods. look_again_s: until the next one becomes available."""

    replicas: int
    fully_labeled: int
    ready: int
    available: int
    terminating: int
    look_again_s: float | None


def count(wanted: Wanted, pods: Sequence[Pod], now: datetime) -> Counts:
    """Count the owned pods."""
    active = [pod for pod in pods if is_active(pod)]
    template_labels = wanted.template.metadata.labels.items()
    ready = [pod for pod in active if is_ready(pod)]
    available = [pod for pod in ready if is_available(pod, wanted.min_ready_s, now)]
    soon = [moment for pod in ready if (moment := available_at(pod, wanted.min_ready_s)) and moment > now]
    return Counts(
        replicas=len(active),
        fully_labeled=sum(1 for pod in active if template_labels <= pod.metadata.labels.items()),
        ready=len(ready),
        available=len(available),
        terminating=sum(1 for pod in pods if is_terminating(pod)),
        look_again_s=(min(soon) - now).total_seconds() if soon and wanted.min_ready_s > 0 else None,
    )
