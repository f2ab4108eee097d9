"""What the runtime tells about sandboxes and containers, as plain values, and the labels by which pods are found again.

Keeps true: everything needed to find a pod's containers after a restart is on the sandbox and the containers
themselves. Nothing here asks or waits.
Source: the labels and annotations that kubelets give (kubernetes.io/docs/reference/labels-annotations-taints), CRI v1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeVar

import msgspec

POD_NAME: Final = "io.kubernetes.pod.name"
POD_NAMESPACE: Final = "io.kubernetes.pod.namespace"
POD_UID: Final = "io.kubernetes.pod.uid"
CONTAINER_NAME: Final = "io.kubernetes.container.name"

RESTART_COUNT: Final = "io.kubernetes.container.restartCount"
SPEC_HASH: Final = "io.kubernetes.container.hash"
RESOURCES: Final = "wherry.dev/resources"
MESSAGE_PATH: Final = "io.kubernetes.container.terminationMessagePath"
MESSAGE_FILE: Final = "wherry.dev/termination-message-file"
MESSAGE_POLICY: Final = "io.kubernetes.container.terminationMessagePolicy"
GRACE_PERIOD: Final = "io.kubernetes.pod.terminationGracePeriod"


class ContainerState(Enum):
    """Where a container is in its life; it only ever moves forward."""

    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class SandboxRecord:
    """One sandbox, as the runtime tells of it. created_at: nanoseconds since 1970. ips: the first is the pod's own."""

    id: str
    uid: str
    name: str
    namespace: str
    attempt: int
    is_ready: bool
    created_at: int
    ips: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerUser:
    """Who a container's first process became."""

    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ContainerRecord:
    """One container, as the runtime tells of it. Times are nanoseconds since 1970, 0 where it hasn't happened.

    resources: those that its pod gave it when it was made, as JSON. stop_signal: with which it is asked to end, ""
    where the runtime doesn't tell. user: None likewise. locked_paths: where mounts are read-only with all below them.
    """

    id: str
    sandbox_id: str
    name: str
    restart_count: int
    state: ContainerState
    created_at: int
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    image: str = ""
    image_id: str = ""
    log_path: str = ""
    spec_hash: str = ""
    resources: str = ""
    message_file: str = ""
    message_policy: str = ""
    stop_signal: str = ""
    user: ContainerUser | None = None
    locked_paths: frozenset[str] = frozenset()

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self.state is ContainerState.RUNNING

    @property
    def has_ended(self) -> bool:
        """Whether its process is over; a container of which the runtime has lost track counts as ended."""
        return self.state in (ContainerState.EXITED, ContainerState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class PodRecord:
    """All that the runtime has of one pod, newest first."""

    sandboxes: tuple[SandboxRecord, ...] = ()
    containers: tuple[ContainerRecord, ...] = ()

    @property
    def sandbox(self) -> SandboxRecord | None:
        """The newest sandbox."""
        return self.sandboxes[0] if self.sandboxes else None

    def latest(self, name: str) -> ContainerRecord | None:
        """Return the newest container of that name in any sandbox."""
        return next((record for record in self.containers if record.name == name), None)

    def current(self, name: str) -> ContainerRecord | None:
        """Return the newest container of that name in the newest sandbox."""
        sandbox_id = self.sandboxes[0].id if self.sandboxes else ""
        return next(
            (record for record in self.containers if record.name == name and record.sandbox_id == sandbox_id), None
        )

    def previous(self, name: str) -> ContainerRecord | None:
        """Return the newest container of that name that has ended, beside the latest."""
        latest = self.latest(name)
        return next((r for r in self.containers if r.name == name and r is not latest and r.has_ended), None)

    @property
    def running(self) -> tuple[ContainerRecord, ...]:
        """The containers whose process lives, in any sandbox."""
        return tuple(record for record in self.containers if record.is_running)


class LayerProgress(msgspec.Struct, frozen=True):
    """One layer of a pull: of how many bytes how many have come; is_here: it is in the node's store."""

    digest: str
    size_bytes: int
    done_bytes: int
    is_here: bool


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image that the node has. user: the uid it runs as, None where it names a user instead (or nobody).

    is_pinned: it must not be removed.
    """

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size_bytes: int
    user_id: int | None
    user_name: str
    is_pinned: bool = False


@dataclass(frozen=True, slots=True)
class RuntimeCondition:
    """Whether the runtime, or its network, can work."""

    type: str
    is_true: bool
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RuntimeVersion:
    """Which runtime this is."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """Something happened to a container or sandbox of the pod `uid` ("" where the runtime doesn't say).

    at: nanoseconds since 1970. record: all that the pod's sandbox held then, None where the runtime doesn't say.
    """

    container_id: str
    uid: str
    is_stop: bool
    at: int = 0
    record: PodRecord | None = None


def with_sandbox(known: PodRecord, told: PodRecord) -> PodRecord:
    """Return what is known of a pod with all that concerns the one sandbox of `told` replaced."""
    (sandbox,) = told.sandboxes
    sandboxes = [*told.sandboxes, *(other for other in known.sandboxes if other.id != sandbox.id)]
    containers = [*told.containers, *(other for other in known.containers if other.sandbox_id != sandbox.id)]
    return PodRecord(newest(sandboxes), newest(containers))


Record = TypeVar("Record", SandboxRecord, ContainerRecord)


def newest(records: Sequence[Record]) -> tuple[Record, ...]:
    """Return records with the newest first."""
    return tuple(sorted(records, key=lambda record: record.created_at, reverse=True))
