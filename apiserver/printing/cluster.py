"""What a cluster is made of, as rows: Nodes, Namespaces, Events, Leases, quotas, priorities, configuration.

Source: what `kubectl get` has always shown.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from kube.api.coordination_v1 import Lease
from kube.api.core_v1 import (
    ComponentStatus,
    ConfigMap,
    Event,
    Namespace,
    Node,
    NodeSystemInfo,
    ResourceQuota,
    Secret,
    ServiceAccount,
)
from kube.api.metrics_v1beta1 import NodeMetrics, PodMetrics
from kube.api.node_v1 import RuntimeClass
from kube.api.scheduling_v1 import PriorityClass
from kube.quantity import Quantity

from .column import AGE, NAME, NONE, UNKNOWN, Column, Printer, age, flags, joined, numbers, since, text, wide

ROLE_PREFIX: Final = "node-role.kubernetes.io/"
_ROLE_LABEL: Final = "kubernetes.io/role"
_ZERO: Final = Quantity("0")


def node_cells(obj: Node, now: datetime) -> list[Any]:
    """Return the cells of a Node."""
    info = obj.status.node_info
    return [
        obj.metadata.name,
        _node_word(obj),
        joined(node_roles(obj)),
        age(obj, now),
        info.kubelet_version,
        _node_address(obj, "InternalIP"),
        _node_address(obj, "ExternalIP"),
        info.os_image or UNKNOWN,
        _kernel(info),
        info.container_runtime_version or UNKNOWN,
    ]


def _kernel(info: NodeSystemInfo) -> str:
    machine = f" ({info.architecture})" if info.architecture else ""
    return f"{info.kernel_version}{machine}" if info.kernel_version else UNKNOWN


def _node_word(node: Node) -> str:
    ready = next((item for item in node.status.conditions if item.type == "Ready"), None)
    word = "Unknown" if ready is None else "Ready" if ready.status == "True" else "NotReady"
    return f"{word},SchedulingDisabled" if node.spec.unschedulable else word


def node_roles(node: Node) -> list[str]:
    """Return what a node is for, as its labels tell."""
    found = {key.removeprefix(ROLE_PREFIX) for key in node.metadata.labels if key.startswith(ROLE_PREFIX)}
    found.add(node.metadata.labels.get(_ROLE_LABEL, ""))
    return sorted(found - {""})


def _node_address(node: Node, wanted: str) -> str:
    return next((item.address for item in node.status.addresses if item.type == wanted), NONE)


def namespace_cells(obj: Namespace, now: datetime) -> list[Any]:
    """Return the cells of a Namespace."""
    return [obj.metadata.name, obj.status.phase, age(obj, now)]


def event_cells(obj: Event, now: datetime) -> list[Any]:
    """Return the cells of an Event."""
    first = obj.first_timestamp or obj.event_time
    last, count = obj.last_timestamp or first, obj.count or 1
    if obj.series is not None:
        last, count = obj.series.last_observed_time or last, obj.series.count
    involved = obj.involved_object
    component, host = obj.source.component or obj.reporting_component, obj.source.host or obj.reporting_instance
    return [
        since(last, now),
        obj.type,
        obj.reason,
        f"{involved.kind.lower()}/{involved.name}",
        involved.field_path,
        f"{component}, {host}" if host else component,
        obj.message.strip(),
        since(first, now),
        count,
        obj.metadata.name,
    ]


def lease_cells(obj: Lease, now: datetime) -> list[Any]:
    """Return the cells of a Lease."""
    return [obj.metadata.name, obj.spec.holder_identity or "", age(obj, now)]


def config_map_cells(obj: ConfigMap, now: datetime) -> list[Any]:
    """Return the cells of a ConfigMap."""
    return [obj.metadata.name, len(obj.data) + len(obj.binary_data), age(obj, now)]


def secret_cells(obj: Secret, now: datetime) -> list[Any]:
    """Return the cells of a Secret."""
    return [obj.metadata.name, obj.type, len(obj.data), age(obj, now)]


def service_account_cells(obj: ServiceAccount, now: datetime) -> list[Any]:
    """Return the cells of a ServiceAccount."""
    return [obj.metadata.name, age(obj, now)]


def resource_quota_cells(obj: ResourceQuota, now: datetime) -> list[Any]:
    """Return the cells of a ResourceQuota: what is used of each request and of each limit."""
    requests: list[str] = []
    limits: list[str] = []
    for name, hard in sorted(obj.status.hard.items()):
        told = f"{name}: {obj.status.used.get(name, _ZERO)}/{hard}"
        (limits if name.startswith("limits") else requests).append(told)
    return [obj.metadata.name, ", ".join(requests), ", ".join(limits), age(obj, now)]


def priority_class_cells(obj: PriorityClass, now: datetime) -> list[Any]:
    """Return the cells of a PriorityClass."""
    return [obj.metadata.name, obj.value, obj.global_default, age(obj, now), obj.preemption_policy or ""]


def runtime_class_cells(obj: RuntimeClass, now: datetime) -> list[Any]:
    """Return the cells of a RuntimeClass."""
    return [obj.metadata.name, obj.handler, age(obj, now)]


def component_status_cells(obj: ComponentStatus, _now: datetime) -> list[Any]:
    """Return the cells of a ComponentStatus."""
    healthy = next((item for item in obj.conditions if item.type == "Healthy"), None)
    if healthy is None:
        return [obj.metadata.name, "Unknown", "", ""]
    word = "Healthy" if healthy.status == "True" else "Unhealthy"
    return [obj.metadata.name, word, healthy.message, healthy.error]


def usage_cells(obj: NodeMetrics | PodMetrics, _now: datetime) -> list[Any]:
    """Return the cells of what a node or a pod uses."""
    used = _totals(obj)
    return [obj.metadata.name, str(used.get("cpu", _ZERO)), str(used.get("memory", _ZERO)), obj.window]


def _totals(obj: NodeMetrics | PodMetrics) -> Mapping[str, Quantity]:
    """Return what a node, or all containers of a pod, use together."""
    if isinstance(obj, NodeMetrics):
        return obj.usage
    used: dict[str, Quantity] = {}
    for name, amount in (pair for item in obj.containers for pair in item.usage.items()):
        used[name] = used[name] + amount if name in used else amount
    return used


NODE: Final = Printer(
    (
        NAME,
        *text("Status", "Roles"),
        AGE,
        *text("Version"),
        *wide("Internal-IP", "External-IP", "OS-Image", "Kernel-Version", "Container-Runtime"),
    ),
    node_cells,
)
NAMESPACE: Final = Printer((NAME, *text("Status"), AGE), namespace_cells)
EVENT: Final = Printer(
    (
        *text("Last Seen", "Type", "Reason", "Object"),
        *wide("Subobject", "Source"),
        *text("Message"),
        *wide("First Seen", "Count"),
        Column(name="Name", format="name", priority=1),
    ),
    event_cells,
)
LEASE: Final = Printer((NAME, *text("Holder"), AGE), lease_cells)
CONFIG_MAP: Final = Printer((NAME, *text("Data"), AGE), config_map_cells)
SECRET: Final = Printer((NAME, *text("Type", "Data"), AGE), secret_cells)
SERVICE_ACCOUNT: Final = Printer((NAME, AGE), service_account_cells)
RESOURCE_QUOTA: Final = Printer((NAME, *text("Request", "Limit"), AGE), resource_quota_cells)
PRIORITY_CLASS: Final = Printer(
    (NAME, *numbers("Value"), *flags("Global-Default"), AGE, *text("PreemptionPolicy")), priority_class_cells
)
RUNTIME_CLASS: Final = Printer((NAME, *text("Handler"), AGE), runtime_class_cells)
COMPONENT_STATUS: Final = Printer((NAME, *text("Status", "Message", "Error")), component_status_cells)
USAGE: Final = Printer((NAME, *text("CPU", "Memory", "Window")), usage_cells)
