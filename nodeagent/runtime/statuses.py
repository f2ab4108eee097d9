"""Say in the CRI's words how a sandbox or container is. Plain functions."""

from nodeagent.runtime import signals
from nodeagent.runtime.pod import Container, Sandbox
from nodeagent.runtime.state import Phase
from proto import cri_v1 as cri

_STATES = {
    Phase.CREATED: cri.CONTAINER_CREATED,
    Phase.RUNNING: cri.CONTAINER_RUNNING,
    Phase.EXITED: cri.CONTAINER_EXITED,
}


def sandbox_state(sandbox: Sandbox) -> cri.PodSandboxState:
    """Return READY while its namespaces and shim stand."""
    return cri.SANDBOX_READY if sandbox.is_ready else cri.SANDBOX_NOTREADY


def sandbox_status(sandbox: Sandbox) -> cri.PodSandboxStatus:
    """Return the full status of a sandbox."""
    config, addresses = sandbox.config, sandbox.record.addresses
    status = cri.PodSandboxStatus(
        id=sandbox.id,
        metadata=config.metadata,
        state=sandbox_state(sandbox),
        created_at=sandbox.record.created_at_ns,
        labels=config.labels,
        annotations=config.annotations,
        network=cri.PodSandboxNetworkStatus(
            ip=addresses[0] if addresses else "", additional_ips=[cri.PodIP(ip=ip) for ip in addresses[1:]]
        ),
        runtime_handler=sandbox.record.handler,
    )
    status.linux.namespaces.options.CopyFrom(config.linux.security_context.namespace_options)
    return status


def sandbox_summary(sandbox: Sandbox) -> cri.PodSandbox:
    """Return a sandbox as lists show it."""
    return cri.PodSandbox(
        id=sandbox.id,
        metadata=sandbox.config.metadata,
        state=sandbox_state(sandbox),
        created_at=sandbox.record.created_at_ns,
        labels=sandbox.config.labels,
        annotations=sandbox.config.annotations,
        runtime_handler=sandbox.record.handler,
    )


def container_status(container: Container) -> cri.ContainerStatus:
    """Return the full status of a container."""
    record, config, started, ended = container.record, container.config, container.started, container.ended
    status = cri.ContainerStatus(
        id=record.id,
        metadata=config.metadata,
        state=_STATES[container.phase],
        created_at=record.created_at_ns,
        image=cri.ImageSpec(image=record.image, user_specified_image=config.image.user_specified_image),
        image_ref=record.image_ref,
        image_id=record.image_id,
        labels=config.labels,
        annotations=config.annotations,
        mounts=config.mounts,
        log_path=record.log_path,
        resources=cri.ContainerResources(linux=config.linux.resources),
        stop_signal=signals.told(record.stop_signal),
    )
    if started:
        status.started_at = started.started_at
        user = started.user
        status.user.linux.CopyFrom(cri.LinuxContainerUser(uid=user.uid, gid=user.gid, supplemental_groups=user.groups))
    if ended:
        status.finished_at = ended.finished_at
        status.exit_code = ended.exit_code
        status.reason = ended.reason
        status.message = ended.message
    return status


def container_summary(container: Container) -> cri.Container:
    """Return a container as lists show it."""
    record = container.record
    return cri.Container(
        id=record.id,
        pod_sandbox_id=record.sandbox_id,
        metadata=container.config.metadata,
        image=cri.ImageSpec(image=record.image),
        image_ref=record.image_ref,
        image_id=record.image_id,
        state=_STATES[container.phase],
        created_at=record.created_at_ns,
        labels=container.config.labels,
        annotations=container.config.annotations,
    )


def event(kind: cri.ContainerEventType, identifier: str, sandbox: Sandbox, now_ns: int) -> cri.ContainerEventResponse:
    """Return an event with the state of everything in its pod."""
    return cri.ContainerEventResponse(
        container_id=identifier,
        container_event_type=kind,
        created_at=now_ns,
        pod_sandbox_status=sandbox_status(sandbox),
        containers_statuses=[container_status(container) for container in sandbox.containers.values()],
    )
