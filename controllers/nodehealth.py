"""What the signs of life of a node say, and which taints follow.

Works on values alone.
Source: kubernetes.io/docs/concepts/architecture/nodes (heartbeats), /scheduling-eviction/taint-and-toleration
"""

from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import Node, NodeCondition, NodeStatus, Pod, Taint, Toleration
from kube.objects import condition
from kube.times import parse_time, to_time

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"
_REPORTED: Final = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_PRESSURE_TAINTS: Final = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_MANAGED: Final = frozenset({NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURE_TAINTS.values()})


def ready_status(node: Node) -> str:
    """Return "True", "False" or "Unknown"; a node that never said counts as "Unknown"."""
    found = condition(node.status.conditions, "Ready")
    return found.status if found else "Unknown"


def silent_status(node: Node, now: datetime) -> NodeStatus:
    """Return the status of a node that gave no sign of life for too long: what it reported is unknown now."""
    conditions = list(node.status.conditions)
    for kind in _REPORTED:
        found = condition(conditions, kind)
        if found is None:
            conditions.append(
                NodeCondition(
                    type=kind,
                    status="Unknown",
                    reason="NodeStatusNeverUpdated",
                    message="Kubelet never posted node status.",
                    last_heartbeat_time=node.metadata.creation_timestamp,
                    last_transition_time=to_time(now),
                )
            )
        elif found.status != "Unknown":
            conditions[conditions.index(found)] = replace(
                found,
                status="Unknown",
                reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
                last_transition_time=to_time(now),
            )
    return replace(node.status, conditions=tuple(conditions))


def taints_of(node: Node, now: datetime, *, may_evict: bool) -> tuple[Taint, ...]:
    """Return the taints that the node should have: those that somebody else set, and those its state asks for.

    may_evict: whether pods may be driven off a node that is not ready. A taint that stays keeps its time.
    """
    wanted = _wanted(node, may_evict=may_evict)
    kept = [taint for taint in node.spec.taints if taint.key not in _MANAGED or (taint.key, taint.effect) in wanted]
    there = {(taint.key, taint.effect) for taint in kept}
    fresh = [
        Taint(key=key, effect=effect, time_added=to_time(now) if effect == "NoExecute" else None)
        for key, effect in wanted
        if (key, effect) not in there
    ]
    return (*kept, *fresh)


def _wanted(node: Node, *, may_evict: bool) -> list[tuple[str, str]]:
    wanted = []
    key = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready_status(node))
    if key is not None:
        wanted.append((key, "NoSchedule"))
        if may_evict:
            wanted.append((key, "NoExecute"))
    for kind, pressure in _PRESSURE_TAINTS.items():
        found = condition(node.status.conditions, kind)
        if found is not None and found.status == "True":
            wanted.append((pressure, "NoSchedule"))
    if node.spec.unschedulable:
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    return wanted


def evicted_at(pod: Pod, taints: tuple[Taint, ...], now: datetime) -> datetime | None:
    """Return when the pod has to leave a node with these taints, None for never.

    A taint without a time counts from now, and none from before the pod came to the node. The shortest toleration of
    any taint decides.
    """
    came = _came_at(pod)
    moments = []
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        added = max(came, parse_time(taint.time_added)) if taint.time_added else now
        accepting = [toleration for toleration in pod.spec.tolerations if _tolerates(toleration, taint)]
        if not accepting:
            moments.append(added)
            continue
        limits = [item.toleration_seconds for item in accepting if item.toleration_seconds is not None]
        if limits:
            moments.append(datetime.fromtimestamp(added.timestamp() + max(0, min(limits)), tz=added.tzinfo))
    return min(moments, default=None)


def _came_at(pod: Pod) -> datetime:
    """Return when the pod was given its node; one that was made with it, when it was made."""
    scheduled = condition(pod.status.conditions, "PodScheduled")
    told = scheduled.last_transition_time if scheduled is not None and scheduled.status == "True" else None
    moment = told or pod.metadata.creation_timestamp
    return parse_time(moment) if moment else _LONG_AGO


def _tolerates(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect not in ("", taint.effect) or toleration.key not in ("", taint.key):
        return False
    if toleration.operator == "Exists":
        return True
    return bool(toleration.key) and toleration.value == taint.value
