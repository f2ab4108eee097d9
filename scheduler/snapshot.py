"""What the scheduler knows of the nodes: what each can give, and what the pods on it have taken.

Kept up to date change by change, from Nodes, from Pods that are bound, and from pods that the scheduler has just
decided about (assumed) and whose binding the watch has not told yet. Every change of a node gives it a new generation
and is noted in a log, so that whoever remembered something about nodes looks again at the changed ones alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from kube.api.core_v1 import Node, Pod
from kube.objects import controller_of, is_terminating
from kube.selectors import SelectorError
from scheduler.needs import Amounts, HostPort, Needs, amounts, needs_of
from scheduler.terms import Term, demands_of

K = TypeVar("K")

ANY_IP: Final = "0.0.0.0"
LOG_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class PlacedPod:
    """A pod that takes room on a node.

    owner: the uid of its controller, "" for none. apart: the pods that it keeps away. is_leaving: it is being deleted.
    """

    uid: str
    needs: Needs
    owner: str
    namespace: str
    labels: Mapping[str, str]
    apart: tuple[Term, ...]
    is_leaving: bool


def placed_pod(pod: Pod) -> PlacedPod:
    """Return what matters of a pod once it has a node."""
    meta = pod.metadata
    owner = controller_of(pod)
    try:
        apart = demands_of(pod).apart
    except SelectorError:
        apart = ()  # Another scheduler placed it by rules that are unknown here.
    return PlacedPod(
        uid=meta.uid,
        needs=needs_of(pod),
        owner=owner.uid if owner else "",
        namespace=meta.namespace,
        labels=meta.labels,
        apart=apart,
        is_leaving=is_terminating(pod),
    )


@dataclass(eq=False)
class NodeInfo:
    """One node and what its pods have taken. Changed by Snapshot alone.

    node: None while pods are known there but the node itself isn't.
    """

    name: str
    node: Node | None = None
    pods: dict[str, PlacedPod] = field(default_factory=dict)
    taken: Amounts = field(default_factory=dict)
    weights_cpu_millis: int = 0
    weights_memory_bytes: int = 0
    ports: dict[HostPort, int] = field(default_factory=dict)
    owners: dict[str, int] = field(default_factory=dict)
    allocatable: Amounts = field(default_factory=dict)
    generation: int = 0

    def has_free_port(self, wanted: HostPort) -> bool:
        """Say whether no pod here holds `wanted`, on this or on every address."""
        if not self.ports:
            return True
        return not any(
            held.port == wanted.port
            and held.protocol == wanted.protocol
            and (held.ip == wanted.ip or ANY_IP in (held.ip, wanted.ip))
            for held in self.ports
        )

    def _take(self, pod: PlacedPod, sign: int) -> None:
        for name, value in pod.needs.requests.items():
            self.taken[name] = self.taken.get(name, 0) + sign * value
        self.weights_cpu_millis += sign * pod.needs.weights_cpu_millis
        self.weights_memory_bytes += sign * pod.needs.weights_memory_bytes
        for port in pod.needs.host_ports:
            _count(self.ports, port, sign)
        if pod.owner:
            _count(self.owners, pod.owner, sign)

    def put(self, pod: PlacedPod) -> None:
        """Let `pod` take its room, in place of what it took before."""
        self.drop(pod.uid)
        self.pods[pod.uid] = pod
        self._take(pod, 1)

    def drop(self, uid: str) -> bool:
        """Give back what the pod `uid` took; return whether it was here."""
        pod = self.pods.pop(uid, None)
        if pod is not None:
            self._take(pod, -1)
        return pod is not None


def _count(counts: dict[K, int], key: K, sign: int) -> None:
    left = counts.get(key, 0) + sign
    if left:
        counts[key] = left
    else:
        counts.pop(key, None)


class Snapshot:
    """All nodes, as of the last change told. Reading it costs nothing: there is only one."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeInfo] = {}
        self._known: dict[str, NodeInfo] = {}
        self._where: dict[str, str] = {}
        self.repelling: dict[str, PlacedPod] = {}
        """The pods, by uid, that keep others away."""
        self._log: list[str] = []
        self._log_start = 0

    def __len__(self) -> int:
        return len(self._known)

    def __iter__(self) -> Iterator[NodeInfo]:
        return iter(self._known.values())

    def node(self, name: str) -> NodeInfo | None:
        """Return a node that exists, None for any other name."""
        return self._known.get(name)

    def node_of(self, uid: str) -> str:
        """Return the name of the node where the pod `uid` takes room, "" for none."""
        return self._where.get(uid, "")

    def pod(self, uid: str) -> PlacedPod | None:
        """Return what is known of a pod that takes room, None for one that takes none."""
        name = self._where.get(uid)
        return self._nodes[name].pods[uid] if name is not None else None

    @property
    def position(self) -> int:
        """How many changes there have been; see `changed_since`."""
        return self._log_start + len(self._log)

    def changed_since(self, position: int) -> set[str] | None:
        """Return the names of the nodes changed after `position`; None where that is too long ago to tell."""
        if position < self._log_start:
            return None
        return set(self._log[position - self._log_start :])

    def set_node(self, node: Node) -> None:
        """Take over a node as it is now."""
        info = self._info(node.metadata.name)
        info.node = node
        info.allocatable = amounts(node.status.allocatable or node.status.capacity)
        self._known[info.name] = info
        self._note(info)

    def remove_node(self, name: str) -> None:
        """Forget a node that is gone; its pods stay known until they are told to be gone too."""
        info = self._known.pop(name, None)
        if info is None:
            return
        info.node = None
        self._note(info)
        self._tidy(info)

    def put_pod(self, pod: PlacedPod, node: str) -> None:
        """Let `pod` take room on `node`; what it took before, there or elsewhere, is given back."""
        before = self._where.get(pod.uid, "")
        if before == node and self._nodes[node].pods.get(pod.uid) == pod:
            return
        if before and before != node:
            self.remove_pod(pod.uid)
        info = self._info(node)
        info.put(pod)
        if pod.apart:
            self.repelling[pod.uid] = pod
        self._where[pod.uid] = node
        self._note(info)

    def remove_pod(self, uid: str) -> str:
        """Give back the room of the pod `uid`; return the node it was on, "" where it had none."""
        name = self._where.pop(uid, "")
        self.repelling.pop(uid, None)
        if name:
            info = self._nodes[name]
            info.drop(uid)
            self._note(info)
            self._tidy(info)
        return name

    def _info(self, name: str) -> NodeInfo:
        return self._nodes.setdefault(name, NodeInfo(name))

    def _tidy(self, info: NodeInfo) -> None:
        if info.node is None and not info.pods:
            self._nodes.pop(info.name, None)

    def _note(self, info: NodeInfo) -> None:
        info.generation = self.position + 1
        self._log.append(info.name)
        if len(self._log) > 2 * LOG_MAX:
            del self._log[:LOG_MAX]
            self._log_start += LOG_MAX
