"""What a pod asks of a node, as plain numbers that can be added and compared.

Init containers run before the others and one after another, so the pod needs the larger of their largest and the sum of
the rest; those that restart (sidecars) stay and count all the way. Overhead is added, and requests of the pod as a
whole stand in for those of its containers. What is being resized takes the larger of what it has and what it asks for;
a size that its node will never give takes nothing.
Source: kubernetes.io/docs/concepts/workloads/pods/sidecar-containers (resource sharing), KEP-753, KEP-688, KEP-2837,
KEP-1287.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from kube.api.core_v1 import Container, Pod, ResourceRequirements
from kube.objects import condition
from kube.quantity import Quantity

UNSTATED_CPU_MILLIS: Final = 100
UNSTATED_MEMORY_BYTES: Final = 200 << 20
"""What scores take a container without requests for, so that such pods spread too."""

_ZERO: Final = Quantity("0")
_ONCE_PER_POD: Final = ("cpu", "memory", "ephemeral-storage")

Quantities = Mapping[str, Quantity]
Amounts = dict[str, int]
"""Resource name to amount: "cpu" in thousandths of a core, all others in whole units (bytes, devices)."""


class HostPort(NamedTuple):
    """A port of the node that a container wants. ip: "0.0.0.0" is every address."""

    ip: str
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Needs:
    """What a pod takes from the node it runs on.

    requests: what must be free. weights_cpu_millis, weights_memory_bytes: the same for scores, where a container that
    states nothing still counts.
    """

    requests: Mapping[str, int]
    weights_cpu_millis: int
    weights_memory_bytes: int
    host_ports: tuple[HostPort, ...]


def needs_of(pod: Pod) -> Needs:
    """Return what `pod` asks of a node."""
    requests = requests_of(pod)
    containers = pod.spec.containers
    unstated_cpu = sum(1 for container in containers if "cpu" not in container.resources.requests)
    unstated_memory = sum(1 for container in containers if "memory" not in container.resources.requests)
    whole = pod.spec.resources.requests if pod.spec.resources else {}
    cpu = 0 if "cpu" in whole else unstated_cpu * UNSTATED_CPU_MILLIS
    memory = 0 if "memory" in whole else unstated_memory * UNSTATED_MEMORY_BYTES
    return Needs(
        requests=requests,
        weights_cpu_millis=requests.get("cpu", 0) + cpu,
        weights_memory_bytes=requests.get("memory", 0) + memory,
        host_ports=_host_ports(pod),
    )


def requests_of(pod: Pod) -> Amounts:
    """Return the amounts that must be free on a node for `pod` to run there."""
    total: Amounts = {}
    sizes = _sizes(pod)
    for container in pod.spec.containers:
        _add(total, sizes.get(container.name, container.resources.requests))
    if pod.spec.init_containers:
        total = _with_init_containers(total, pod.spec.init_containers, sizes)
    if pod.spec.resources is not None:
        whole = _size(pod, pod.spec.resources, pod.status.resources)
        for name in _ONCE_PER_POD:
            if name in whole:
                total[name] = amount(name, whole[name])
    _add(total, pod.spec.overhead)
    return total


def _sizes(pod: Pod) -> dict[str, Quantities]:
    """Return what the containers take that are being resized, by name."""
    told = {status.name: status for status in (*pod.status.container_statuses, *pod.status.init_container_statuses)}
    sizes = {}
    for container in (*pod.spec.containers, *pod.spec.init_containers) if told else ():
        status = told.get(container.name)
        has = status.resources if status is not None else None
        if has is not None and has.requests != container.resources.requests:
            sizes[container.name] = _size(pod, container.resources, has)
    return sizes


def _size(pod: Pod, wants: ResourceRequirements, has: ResourceRequirements | None) -> Quantities:
    """Return what is taken by who has some resources and wants others. has: None where that isn't told."""
    if has is None:
        return wants.requests
    pending = condition(pod.status.conditions, "PodResizePending")
    if pending is not None and pending.reason == "Infeasible":
        return has.requests
    names = wants.requests.keys() | has.requests.keys()
    return {name: max(wants.requests.get(name, _ZERO), has.requests.get(name, _ZERO)) for name in names}


def _with_init_containers(
    running: Amounts, containers: Iterable[Container], sizes: Mapping[str, Quantities]
) -> Amounts:
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in containers:
        requests = sizes.get(container.name, container.resources.requests)
        if container.restart_policy == "Always":
            _add(sidecars, requests)
            at_once = sidecars
        else:
            at_once = dict(sidecars)
            _add(at_once, requests)
        _raise_to(peak, at_once)
    for name, value in sidecars.items():
        running[name] = running.get(name, 0) + value
    _raise_to(running, peak)
    return running


def _add(total: Amounts, requests: Quantities) -> None:
    for name, quantity in requests.items():
        total[name] = total.get(name, 0) + amount(name, quantity)


def _raise_to(total: Amounts, floor: Amounts) -> None:
    for name, value in floor.items():
        total[name] = max(total.get(name, 0), value)


def amounts(quantities: Quantities) -> Amounts:
    """Return quantities as amounts."""
    return {name: amount(name, quantity) for name, quantity in quantities.items()}


def amount(name: str, quantity: Quantity) -> int:
    """Return one quantity as an amount: thousandths for cpu, whole units for all else."""
    return _millis(quantity) if name == "cpu" else _whole(quantity)


@lru_cache(maxsize=4096)
def _millis(quantity: Quantity) -> int:
    return quantity.millis


@lru_cache(maxsize=4096)
def _whole(quantity: Quantity) -> int:
    return quantity.whole


def _host_ports(pod: Pod) -> tuple[HostPort, ...]:
    sidecars = (container for container in pod.spec.init_containers if container.restart_policy == "Always")
    return tuple(
        HostPort(port.host_ip or "0.0.0.0", port.protocol or "TCP", port.host_port)
        for container in (*pod.spec.containers, *sidecars)
        for port in container.ports
        if port.host_port
    )
