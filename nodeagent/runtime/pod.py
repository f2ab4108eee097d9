"""A sandbox and its containers as the runtime holds them in memory.

Keeps true: what is here mirrors the records on disk (state.py); a container's phase only moves forward, and each move
is announced once. The one place where a container's records change.
"""

import asyncio
from pathlib import Path

from nodeagent.runtime import state
from nodeagent.runtime.shim_client import ShimClient
from nodeagent.runtime.state import ContainerRecord, ExitRecord, Phase, SandboxRecord, StartRecord
from nodeagent.runtime.user_mapping import mapped
from proto import cri_v1 as cri


class Container:
    """One container."""

    def __init__(self, record: ContainerRecord, bundle: Path) -> None:
        self.record = record
        self.bundle = bundle
        self.config = cri.ContainerConfig.FromString(record.config)
        self.started: StartRecord | None = None
        self.ended: ExitRecord | None = None
        self.is_starting = False
        self.was_begun = False  # Its start was asked for: it may run, though nobody waited for the answer.
        self.over = asyncio.Event()

    @property
    def id(self) -> str:
        """Its identifier."""
        return self.record.id

    @property
    def phase(self) -> Phase:
        """Where it is, computed from its records."""
        if self.ended is not None:
            return Phase.EXITED
        return Phase.RUNNING if self.started is not None else Phase.CREATED

    def read_records(self) -> bool:
        """Take over what the shim has written; return whether the container has ended by this."""
        self.started = self.started or state.load(self.bundle / "pid.json", StartRecord)
        if self.ended is not None:
            return False
        self.ended = state.load(self.bundle / "exit.json", ExitRecord)
        if self.ended is None:
            return False
        self.over.set()
        return True

    def give_up(self, exit_record: ExitRecord) -> None:
        """Account for the end of a container whose shim can't any more."""
        state.save(self.bundle / "exit.json", exit_record)
        self.read_records()


class Sandbox:
    """One pod sandbox; `lock` is held while it is made, stopped or removed."""

    def __init__(self, record: SandboxRecord, folder: Path, run_dir: Path) -> None:
        self.record = record
        self.folder = folder
        self.run_dir = run_dir
        self.config = cri.PodSandboxConfig.FromString(record.config)
        self.containers: dict[str, Container] = {}
        self.shim: ShimClient | None = None
        self.lock = asyncio.Lock()
        self._saved: SandboxRecord | None = None

    @property
    def id(self) -> str:
        """Its identifier."""
        return self.record.id

    @property
    def is_ready(self) -> bool:
        """Whether containers can be started in it."""
        return self.record.is_ready and self.shim is not None

    @property
    def netns_path(self) -> str:
        """The pin of its network namespace, or nothing where it has the node's."""
        return str(self.run_dir / "ns" / "net") if "net" in namespaces(self.config) else ""

    def save(self) -> None:
        """Write the record, where it has changed."""
        if self._saved != self.record:
            state.save(self.folder / "sandbox.json", self.record)
            self._saved = self.record


def namespaces(config: cri.PodSandboxConfig) -> list[str]:
    """Return which of net, uts and ipc the pod has for itself; a pod on the node's network has the node's name too."""
    options = config.linux.security_context.namespace_options
    own = [] if options.network == cri.NODE else ["net", "uts"]
    return own if options.ipc == cri.NODE else [*own, "ipc"]


def ids_of(config: cri.PodSandboxConfig) -> dict[str, int]:
    """Return the node's first `uid` and `gid` of a pod's user namespace and their `length`, or nothing."""
    wanted = config.linux.security_context.namespace_options.userns_options
    return mapped(wanted.uids, wanted.gids)


def identified(prefix: str, known: dict[str, "Container"] | dict[str, "Sandbox"]) -> list[str]:
    """Return the identifiers that `prefix` may stand for, as crictl abbreviates them."""
    return [prefix] if prefix in known else [item for item in known if prefix and item.startswith(prefix)]
