"""What all pods of a node share: the ways out (API, runtime, events), and the facts of the node."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from kube.api.core_v1 import Pod, Service
from kube.client import Client
from kube.clock import Clock
from kube.events import EventRecorder
from kube.quantity import Quantity
from kube.runner import Runner
from nodeagent.cri.client import Cri
from nodeagent.pods.containers import field_path
from nodeagent.pods.images import ImagePuller
from nodeagent.pods.references import ReferenceCache
from nodeagent.pods.resolver import DnsSettings
from nodeagent.pods.static_pods import is_static
from nodeagent.pods.status import NodeFacts
from nodeagent.pods.user_ranges import UserRanges
from nodeagent.pods.view import BackoffLimits
from nodeagent.pods.volumes import NodeDirs


@dataclass(frozen=True, slots=True)
class PodSettings:
    """How this node treats its pods. allocatable: what it has for them. host_dns: its own resolv.conf.

    removes_cgroups: whether a pod's cgroup is left to us, as runtimes other than the built-in one do.
    """

    allocatable: Mapping[str, Quantity]
    memory_bytes: int
    node_labels: Mapping[str, str] = field(default_factory=dict)
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"
    host_dns: DnsSettings = field(default_factory=DnsSettings)
    cgroup_parent: str = "/wherry"
    removes_cgroups: bool = False
    limits: BackoffLimits = field(default_factory=BackoffLimits)
    default_seccomp: str = "RuntimeDefault"
    allowed_unsafe_sysctls: tuple[str, ...] = ()

    def pod_cgroup(self, uid: str) -> str:
        """Return the cgroup of a pod."""
        return f"{self.cgroup_parent}/pod{uid}"


class NodeTrouble:
    """Why the node may not take pods.

    pressure: what it is short of, the conditions that hold of MemoryPressure, DiskPressure and PIDPressure.
    """

    def __init__(self) -> None:
        self.pressure: frozenset[str] = frozenset()
        self.is_shutting_down = False
        self._listeners: list[Callable[[], object]] = []

    def on_change(self, listener: Callable[[], object]) -> None:
        """Have `listener` called whenever any of it changes."""
        self._listeners.append(listener)

    def tell_pressure(self, conditions: frozenset[str]) -> None:
        """Set what the node is short of."""
        self.pressure = conditions
        self._tell()

    def tell_shutdown(self, *, is_coming: bool) -> None:
        """Set whether the node is shutting down."""
        self.is_shutting_down = is_coming
        self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


@dataclass(frozen=True, slots=True)
class PodRoom:
    """Handed to every pod's worker. mirrors: which pod of the API stands for a static one, by the static one's uid."""

    client: Client
    cri: Cri
    clock: Clock
    runner: Runner
    recorder: EventRecorder
    references: ReferenceCache
    images: ImagePuller
    dirs: NodeDirs
    users: UserRanges
    node: NodeFacts
    settings: PodSettings
    services: Callable[[], Iterable[Service]]
    trouble: NodeTrouble = field(default_factory=NodeTrouble)
    mirrors: dict[str, str] = field(default_factory=dict)

    def uid_in_api(self, pod: Pod) -> str:
        """Return the uid of a pod's object, "" for a static pod of which the API has no picture yet."""
        return self.mirrors.get(pod.metadata.uid, "") if is_static(pod) else pod.metadata.uid

    def tell(
        self, pod: Pod, event_type: Literal["Normal", "Warning"], reason: str, message: str, container: str = ""
    ) -> None:
        """Record an Event about a pod or one of its containers."""
        path = field_path(pod, container) if container else ""
        self.recorder.record(pod, event_type, reason, message, field_path=path)
