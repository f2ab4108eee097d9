"""Builders that state only what a test is about."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from kube import codec
from kube.api.core_v1 import Pod
from nodeagent.cri.values import ContainerRecord, ContainerState, PodRecord, SandboxRecord
from nodeagent.pods.spec_hash import spec_hash

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IMAGE = "wherry.local/host"


def after(seconds: float) -> datetime:
    """Return the time so many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def nanos(moment: datetime) -> int:
    """Return a time as a runtime gives it."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000


def container(name: str = "main", **fields: Any) -> dict[str, Any]:
    """Return a container as plain JSON."""
    return {"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent", **fields}


def pod(
    name: str = "web",
    *containers: Mapping[str, Any],
    init: tuple[Mapping[str, Any], ...] = (),
    status: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Pod:
    """Return a pod that is bound to node n1."""
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": "2026-01-02T03:04:00Z"}
    plain = {
        "metadata": {**meta, **(metadata or {})},
        "spec": {
            "nodeName": "n1",
            "containers": list(containers) or [container()],
            "initContainers": list(init),
            **spec,
        },
        "status": {"phase": "Pending", **(status or {})},
    }
    return codec.from_plain(plain, Pod)


def sandbox(attempt: int = 0, *, is_ready: bool = True, uid: str = "uid-web") -> SandboxRecord:
    """Return a sandbox with an address."""
    ips = ("10.0.0.7",) if is_ready else ()
    return SandboxRecord(f"sandbox-{attempt}", uid, "web", "default", attempt, is_ready, attempt, ips)


def record(
    name: str = "main",
    state: ContainerState = ContainerState.RUNNING,
    *,
    exit_code: int = 0,
    count: int = 0,
    attempt: int = 0,
    ended_at: datetime = NOW,
    reason: str = "",
) -> ContainerRecord:
    """Return a container of the runtime, in sandbox number `attempt`."""
    has_ended = state is ContainerState.EXITED
    wanted = codec.from_plain(container(name), type_of_container())
    return ContainerRecord(
        id=f"{name}-{count}",
        sandbox_id=f"sandbox-{attempt}",
        name=name,
        restart_count=count,
        state=state,
        created_at=count + 1,
        started_at=nanos(after(-60)) if state is not ContainerState.CREATED else 0,
        finished_at=nanos(ended_at) if has_ended else 0,
        exit_code=exit_code,
        reason=reason,
        spec_hash=spec_hash(wanted),
    )


def type_of_container() -> Any:
    """Return the type of a container, for the codec."""
    from kube.api.core_v1 import Container  # noqa: PLC0415 - its name is taken by the builder above.

    return Container


def exited(name: str = "main", exit_code: int = 0, **fields: Any) -> ContainerRecord:
    """Return a container that has ended."""
    return record(name, ContainerState.EXITED, exit_code=exit_code, **fields)


def found(*containers: ContainerRecord, sandboxes: tuple[SandboxRecord, ...] | None = None) -> PodRecord:
    """Return what the runtime has of a pod, the newest container first; one ready sandbox unless said otherwise."""
    newest = tuple(sorted(containers, key=lambda one: one.created_at, reverse=True))
    return PodRecord((sandbox(),) if sandboxes is None else sandboxes, newest)
