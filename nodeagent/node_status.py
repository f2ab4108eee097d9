"""Tell the state of a node in the words of its status. Plain functions.

Keeps true: a condition's transition time changes with its status alone; a node is Ready only while its runtime and the
runtime's network are.
Source: kubernetes.io/docs/reference/node/node-status.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import (
    ContainerImage,
    DaemonEndpoint,
    Node,
    NodeAddress,
    NodeCondition,
    NodeDaemonEndpoints,
    NodeSpec,
    NodeStatus,
    NodeSystemInfo,
    Taint,
)
from kube.api.meta_v1 import ObjectMeta
from kube.objects import condition
from kube.quantity import Quantity
from kube.times import to_time
from nodeagent.cri.values import ImageRecord, RuntimeCondition
from nodeagent.machine import architecture

IMAGES_MAX: Final = 50
OWN_CONDITIONS: Final = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What of a node never changes while its agent runs."""

    name: str
    addresses: tuple[str, ...]
    port: int
    capacity: Mapping[str, Quantity]
    allocatable: Mapping[str, Quantity]
    info: NodeSystemInfo
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodeState:
    """What of a node was observed just now.

    runtime: None where the runtime gives no answer. pressure: the conditions of shortage that hold.
    """

    runtime: Sequence[RuntimeCondition] | None
    pressure: frozenset[str] = frozenset()
    images: Sequence[ImageRecord] = ()
    has_pod_cidr: bool = True
    is_shutting_down: bool = False


def node_labels(name: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that a node gives itself."""
    own = {"kubernetes.io/hostname": name}
    for prefix in ("", "beta."):
        own[f"{prefix}kubernetes.io/os"] = "linux"
        own[f"{prefix}kubernetes.io/arch"] = architecture()
    return {**own, **extra}


def parse_taint(text: str) -> Taint:
    """Read `key=value:Effect` or `key:Effect`. Raises ValueError."""
    rest, _, effect = text.rpartition(":")
    key, _, value = rest.partition("=")
    if not key or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError(f'taint "{text}": write key=value:NoSchedule (or PreferNoSchedule, NoExecute)')
    return Taint(key=key, value=value, effect=effect)


def new_node(identity: NodeIdentity, status: NodeStatus) -> Node:
    """Return the Node to register."""
    meta = ObjectMeta(name=identity.name, labels=identity.labels, annotations=identity.annotations)
    return Node(metadata=meta, spec=NodeSpec(taints=identity.taints), status=status)


def node_status(identity: NodeIdentity, state: NodeState, before: NodeStatus, now: datetime) -> NodeStatus:
    """Return the status of a node. before: as it is stored; conditions of others are left out of the result."""
    own = [
        _pressure("MemoryPressure", state, "sufficient memory available", "Memory"),
        _pressure("DiskPressure", state, "no disk pressure", "Disk"),
        _pressure("PIDPressure", state, "sufficient PID available", "PID"),
        _ready(state),
    ]
    host, *_ = identity.addresses
    return NodeStatus(
        addresses=(
            *(NodeAddress(address=address, type="InternalIP") for address in identity.addresses[:1] if host),
            NodeAddress(address=identity.name, type="Hostname"),
        ),
        capacity=identity.capacity,
        allocatable=identity.allocatable,
        conditions=tuple(_dated(new, condition(before.conditions, new.type), now) for new in own),
        daemon_endpoints=NodeDaemonEndpoints(kubelet_endpoint=DaemonEndpoint(port=identity.port)),
        images=tuple(_image(image) for image in _largest(state.images)),
        node_info=identity.info,
    )


def _pressure(kind: str, state: NodeState, good: str, what: str) -> NodeCondition:
    if kind in state.pressure:
        reason = f"KubeletHasInsufficient{what}" if what != "Disk" else "KubeletHasDiskPressure"
        bad = f"insufficient {what if what == 'PID' else 'memory'} available" if what != "Disk" else "disk pressure"
        return NodeCondition(type=kind, status="True", reason=reason, message=f"kubelet has {bad}")
    reason = f"KubeletHasSufficient{what}" if what != "Disk" else "KubeletHasNoDiskPressure"
    return NodeCondition(type=kind, status="False", reason=reason, message=f"kubelet has {good}")


def _ready(state: NodeState) -> NodeCondition:
    faults = []
    if state.runtime is None:
        faults.append("container runtime gives no answer")
    else:
        faults += [f"{c.type} is false: {c.reason}: {c.message}" for c in state.runtime if not c.is_true]
    if not state.has_pod_cidr:
        faults.append("the node has no pod CIDR yet")
    if state.is_shutting_down:
        faults.append("node is shutting down")
    if faults:
        return NodeCondition(type="Ready", status="False", reason="KubeletNotReady", message="; ".join(faults))
    return NodeCondition(
        type="Ready", status="True", reason="KubeletReady", message="node agent is posting ready status"
    )


def _dated(new: NodeCondition, old: NodeCondition | None, now: datetime) -> NodeCondition:
    changed_at = old.last_transition_time if old is not None and old.status == new.status else to_time(now)
    return replace(new, last_heartbeat_time=to_time(now), last_transition_time=changed_at)


def _largest(images: Sequence[ImageRecord]) -> list[ImageRecord]:
    return sorted(images, key=lambda image: (-image.size_bytes, image.id))[:IMAGES_MAX]


def _image(image: ImageRecord) -> ContainerImage:
    return ContainerImage(names=(*image.digests, *image.tags) or (image.id,), size_bytes=image.size_bytes)


def differs(stored: NodeStatus, wanted: NodeStatus) -> bool:
    """Say whether a status tells anything new beside the time of its heartbeat."""
    told = {c.type: replace(c, last_heartbeat_time=None) for c in stored.conditions}
    own = {c.type: replace(c, last_heartbeat_time=None) for c in wanted.conditions}
    if any(told.get(kind) != new for kind, new in own.items()):
        return True
    fields = ("addresses", "capacity", "allocatable", "daemon_endpoints", "images", "node_info")
    return any(getattr(stored, field) != getattr(wanted, field) for field in fields)
