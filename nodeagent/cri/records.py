"""Read what a runtime says: messages of the CRI as plain values.

Source: proto/cri_v1.proto.
"""

from collections.abc import Sequence
from typing import Any, Final

from nodeagent.cri import values
from nodeagent.cri.values import (
    ContainerEvent,
    ContainerRecord,
    ContainerState,
    ImageRecord,
    PodRecord,
    SandboxRecord,
    newest,
)
from proto import cri_v1

_CREATED: Final = 0
_STARTED: Final = 1
_DELETED: Final = 3
"""The types of events (ContainerEventType) that tell no stop."""


def event_of(event: Any) -> ContainerEvent:
    """Read a ContainerEventResponse; what the runtime has is told by it only where it speaks of the event itself."""
    sandbox = event.pod_sandbox_status
    kind = event.container_event_type
    held = {sandbox.id, *(status.id for status in event.containers_statuses)}
    is_whole = sandbox.id and (event.container_id in held) != (kind == _DELETED)
    told = pod_of(sandbox, event.containers_statuses) if is_whole else None
    is_stop = kind not in (_CREATED, _STARTED, _DELETED)
    return ContainerEvent(event.container_id, sandbox.metadata.uid, is_stop, event.created_at, told)


def pod_of(sandbox: Any, statuses: Sequence[Any]) -> PodRecord:
    """Read a PodSandboxStatus with the ContainerStatuses of its containers."""
    containers = [container_of(status, sandbox.id) for status in statuses]
    return PodRecord((sandbox_of(sandbox),), newest(containers))


def sandbox_of(item: Any) -> SandboxRecord:
    """Read a PodSandbox or a PodSandboxStatus; only the latter has addresses."""
    network = getattr(item, "network", None)
    ips = [network.ip, *(extra.ip for extra in network.additional_ips)] if network is not None else []
    return SandboxRecord(
        id=item.id,
        uid=item.metadata.uid,
        name=item.metadata.name,
        namespace=item.metadata.namespace,
        attempt=item.metadata.attempt,
        is_ready=item.state == 0,
        created_at=item.created_at,
        ips=tuple(ip for ip in ips if ip),
        annotations=dict(item.annotations),
    )


def listed_container_of(item: Any) -> ContainerRecord:
    """Read a Container of a list, which tells neither times nor an exit code."""
    return ContainerRecord(
        id=item.id,
        sandbox_id=item.pod_sandbox_id,
        name=item.metadata.name,
        restart_count=int(item.annotations.get(values.RESTART_COUNT, item.metadata.attempt)),
        state=ContainerState(item.state),
        created_at=item.created_at,
        log_path="",
    )


def container_of(status: Any, sandbox_id: str) -> ContainerRecord:
    """Read a ContainerStatus, which does not name its sandbox."""
    annotations = status.annotations
    return ContainerRecord(
        id=status.id,
        sandbox_id=sandbox_id,
        name=status.metadata.name,
        restart_count=int(annotations.get(values.RESTART_COUNT, status.metadata.attempt)),
        state=ContainerState(status.state),
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        reason=status.reason,
        message=status.message,
        image=status.image.user_specified_image or status.image.image,
        image_id=status.image_ref or status.image_id,
        log_path=status.log_path,
        spec_hash=annotations.get(values.SPEC_HASH, ""),
        resources=annotations.get(values.RESOURCES, ""),
        message_file=annotations.get(values.MESSAGE_FILE, ""),
        message_policy=annotations.get(values.MESSAGE_POLICY, ""),
        user=_user(status.user.linux) if status.user.HasField("linux") else None,
        locked_paths=frozenset(mount.container_path for mount in status.mounts if mount.recursive_read_only),
        stop_signal=signal_of(status.stop_signal),
    )


def _user(user: Any) -> values.ContainerUser:
    return values.ContainerUser(user.uid, user.gid, tuple(user.supplemental_groups))


def signal_of(number: int) -> str:
    """Return a signal as the API has it, "" where the runtime tells none."""
    name = str(cri_v1.Signal.Name(number)) if number else ""
    return name.replace("PLUS", "+").replace("MINUS", "-")


def image_of(image: Any) -> ImageRecord:
    """Read an Image."""
    user_id = image.uid.value if image.HasField("uid") else None
    names = (tuple(image.repo_tags), tuple(image.repo_digests))
    return ImageRecord(image.id, *names, image.size, user_id, image.username, image.pinned)
