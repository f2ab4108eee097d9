"""Say whether a pod that was bound to this node fits here, before anything of it is made.

A plain function of the pod, the pods already here, and what the node has. A refused pod fails at once, with a reason
per Kubernetes' words, so that whoever owns it makes another one.
Source: kubernetes.io/docs/concepts/scheduling-eviction; the kubelet's admission of pods.
"""

from collections.abc import Iterable, Iterator, Mapping

from kube.api.core_v1 import Pod
from kube.quantity import Quantity
from nodeagent.pods.resources import ZERO, pod_requests

PortUse = tuple[str, str, int]


def rejection(
    pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, Quantity], node_labels: Mapping[str, str]
) -> tuple[str, str] | None:
    """Return why the node doesn't take a pod, as (reason, message); None where it does. others: those it has taken."""
    taken = list(others)
    missing = {k: v for k, v in pod.spec.node_selector.items() if node_labels.get(k) != v}
    if missing:
        return "NodeAffinity", "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match node selector"
    busy = {use for other in taken for use in _host_ports(other)}
    if any(_collides(use, busy) for use in _host_ports(pod)):
        return "NodePorts", "Pod was rejected: Predicate NodePorts failed"
    room = allocatable.get("pods")
    if room is not None and len(taken) + 1 > room.whole:
        return "OutOfpods", _short("pods", 1, len(taken), room.whole)
    return _lacking(pod, taken, allocatable)


def _lacking(pod: Pod, taken: list[Pod], allocatable: Mapping[str, Quantity]) -> tuple[str, str] | None:
    used = [pod_requests(other) for other in taken]
    for name, wanted in pod_requests(pod).items():
        if not wanted.value:
            continue
        have = allocatable.get(name, ZERO)
        total = sum((requests.get(name, ZERO).value for requests in used), ZERO.value)
        if total + wanted.value > have.value:
            unit = 1000 if name == "cpu" else 1
            told = (int(wanted.value * unit), int(total * unit), int(have.value * unit))
            return f"OutOf{name}", _short(name, *told)
    return None


def _short(name: str, asked: int, used: int, have: int) -> str:
    room = f"requested: {asked}, used: {used}, capacity: {have}"
    return f"Pod was rejected: Node didn't have enough resource: {name}, {room}"


def _host_ports(pod: Pod) -> Iterator[PortUse]:
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        for port in container.ports:
            if port.host_port:
                yield port.protocol or "TCP", port.host_ip or "0.0.0.0", port.host_port


def _collides(use: PortUse, busy: set[PortUse]) -> bool:
    protocol, ip, port = use
    wild = "0.0.0.0"
    return any(p == protocol and n == port and (ip in (i, wild) or i == wild) for p, i, n in busy)
