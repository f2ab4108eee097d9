"""What the life of one pod is decided from, and the actions that decisions are made of.

Plain values: the worker fills a View from what it observes, `plan` and `status` read it, the worker applies actions.
Source: docs/pod-lifecycle.md.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from kube.api.core_v1 import Container, Pod, ResourceRequirements
from nodeagent.cri.values import ContainerRecord, PodRecord, SandboxRecord

SANDBOX: Final = "/sandbox"
VOLUMES: Final = "/volumes"
END: Final = "/end"
"""Keys of the operations that belong to no single container; no container's name has a slash."""


class ProbeKind(Enum):
    """What a probe is asked for."""

    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


@dataclass(frozen=True, slots=True)
class BackoffLimits:
    """How long a container that keeps ending waits: doubling from first to most, forgotten after a long good run."""

    first_s: float = 10.0
    most_s: float = 300.0

    @property
    def reset_s(self) -> float:
        """How long a run must last for the past to be forgotten."""
        return max(600.0, 2 * self.most_s) if self.first_s >= 1 else 2 * self.most_s


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a container waits after its next end, counted from then. since: when this was last raised."""

    delay_s: float
    since: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something that was tried last didn't work, and when it is tried again."""

    reason: str
    message: str
    retry_at: datetime
    failed_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a pod ends. is_deleted: its object goes too. phase_reason: told in the status as the cause of its failure."""

    grace_s: int
    is_deleted: bool = False
    phase_reason: str = ""
    message: str = ""
    is_finished: bool = False


@dataclass(frozen=True, slots=True)
class CreateSandbox:
    """Make the pod's sandbox."""

    attempt: int


@dataclass(frozen=True, slots=True)
class StopSandbox:
    """End what is left in a sandbox and give its network back."""

    id: str


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    """Remove a sandbox that nobody needs."""

    id: str


@dataclass(frozen=True, slots=True)
class PrepareVolumes:
    """Bring all volumes into being."""


@dataclass(frozen=True, slots=True)
class StartContainer:
    """Get the image, create the container, start it, run its postStart hook.

    backoff: in force from now on. made_id: of the container that is to be started where it has been created already.
    """

    name: str
    restart_count: int
    backoff: Backoff | None = None
    made_id: str = ""


@dataclass(frozen=True, slots=True)
class KillContainer:
    """Run the preStop hook, ask the container to end, force it after `grace_s`. why: for people, in an Event."""

    name: str
    id: str
    grace_s: int
    why: str


@dataclass(frozen=True, slots=True)
class ResizeContainer:
    """Give a running container other limits."""

    name: str
    id: str
    resources: ResourceRequirements


@dataclass(frozen=True, slots=True)
class ResizeSandbox:
    """Give a whole pod other limits, and with it the containers that have none of their own.

    grows: a container's limit must never be beyond its pod's, so a pod grows before its containers, else after them.
    """

    id: str
    resources: ResourceRequirements
    grows: bool


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Remove a container that has ended, or that was never started. backoff: in force from now on."""

    name: str
    id: str
    backoff: Backoff | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give up an operation under way."""

    key: str


@dataclass(frozen=True, slots=True)
class CleanUp:
    """Nothing runs any more: let go of volumes, and where the pod is deleted of everything, its object last."""

    is_deleted: bool


Action = (
    CreateSandbox
    | StopSandbox
    | RemoveSandbox
    | PrepareVolumes
    | StartContainer
    | KillContainer
    | ResizeContainer
    | ResizeSandbox
    | RemoveContainer
    | Cancel
    | CleanUp
)


def key_of_action(action: Action) -> str:
    """Return the key under which at most one operation runs at a time."""
    match action:
        case (
            StartContainer(name=name)
            | KillContainer(name=name)
            | ResizeContainer(name=name)
            | RemoveContainer(name=name)
        ):
            return name
        case PrepareVolumes():
            return VOLUMES
        case CleanUp():
            return END
        case Cancel(key=key):
            return key
        case _:
            return SANDBOX


NOTHING: Final = PodRecord()
_USUAL: Final = BackoffLimits()


@dataclass(frozen=True, slots=True)
class View:
    """One pod as it is wanted and as it is found.

    probes: the verdict of each probe that has one, by container id. failures, backoff: by container name (or SANDBOX,
    VOLUMES). busy: operations under way, by key. messages: the termination message of ended containers, by id.
    rejection: why the node doesn't take the pod, None where it does. eviction: why it has to leave, None where it may
    stay. is_clean: volumes and sandboxes are let go of.
    counts: how often each container had been started anew when it was last seen running or ended.
    volumes_stale: what they are made of has changed. resources: those that containers and sandboxes were given, by id.
    resize_refusal: why the node doesn't give the pod the resources that it wants by now, None where it does.
    stopped: the sandboxes that this worker has had stopped, by id; what else isn't ready may still hold its network.
    ending_since: when the pod was first found to be on the way to its end.
    """

    pod: Pod
    record: PodRecord = NOTHING
    probes: Mapping[tuple[str, ProbeKind], bool] = field(default_factory=dict)
    backoff: Mapping[str, Backoff] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    busy: Mapping[str, Action] = field(default_factory=dict)
    messages: Mapping[str, str] = field(default_factory=dict)
    volumes_ready: bool = False
    volumes_stale: bool = False
    rejection: Failure | None = None
    eviction: Ending | None = None
    resources: Mapping[str, ResourceRequirements] = field(default_factory=dict)
    resize_refusal: Failure | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    is_clean: bool = False
    stopped: Collection[str] = ()
    ending_since: datetime | None = None
    limits: BackoffLimits = _USUAL

    def is_stopped(self, sandbox: SandboxRecord) -> bool:
        """Say whether nothing is left of a sandbox but its name: its containers have ended, its network is gone."""
        return not sandbox.is_ready and sandbox.id in self.stopped

    def verdict(self, record: ContainerRecord, kind: ProbeKind) -> bool | None:
        """Return what a probe found so far, None where it hasn't decided."""
        return self.probes.get((record.id, kind))

    def has_started(self, container: Container, record: ContainerRecord) -> bool:
        """Say whether a running container is past its start: postStart hook and startup probe."""
        if not record.is_running or isinstance(self.busy.get(container.name), StartContainer):
            return False
        return container.startup_probe is None or self.verdict(record, ProbeKind.STARTUP) is True

    def is_ready(self, container: Container, record: ContainerRecord) -> bool:
        """Say whether a container is ready for traffic."""
        if not self.has_started(container, record):
            return False
        return container.readiness_probe is None or self.verdict(record, ProbeKind.READINESS) is True


def is_sidecar(container: Container) -> bool:
    """Say whether an init container keeps running beside the others."""
    return container.restart_policy == "Always"


def from_nanos(nanos: int) -> datetime:
    """Return the time that a runtime gives as nanoseconds since 1970."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=nanos // 1000)
