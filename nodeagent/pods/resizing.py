"""Have the runtime give other limits to what runs: a container, or a pod as a whole.

Each is one operation of the plan, as those in `operations`; what to do and when is decided in `resize`.
Source: CRI v1 UpdateContainerResources, UpdatePodSandboxResources.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from msgspec.structs import replace

from kube.api.core_v1 import Pod
from nodeagent.cri.client import UNKNOWN_CALL, CriError
from nodeagent.cri.values import PodRecord
from nodeagent.pods.containers import find_container
from nodeagent.pods.failures import OperationFailed
from nodeagent.pods.operations import named_container
from nodeagent.pods.resize import RESIZABLE, RESIZE_FAILED
from nodeagent.pods.resources import kernel_limits, pod_limits, unlimited_where_none
from nodeagent.pods.room import PodRoom
from nodeagent.pods.runtime_config import linux_resources
from nodeagent.pods.view import ResizeContainer, ResizeSandbox
from proto import cri_v1


async def resize_container(room: PodRoom, pod: Pod, action: ResizeContainer) -> None:
    """Give a running container the limits that its pod wants by now. Raises OperationFailed."""
    limits = kernel_limits(
        pod, named_container(pod, action.name), room.settings.memory_bytes, room.settings.allocatable
    )
    await _refuse_below_usage(
        room, pod, partial(room.cri.container_memory_bytes, action.id), limits.memory_bytes, action.name
    )
    update = room.cri.update_container(action.id, linux_resources(unlimited_where_none(limits)))
    await _asked(room, pod, update, action.name)
    room.tell(pod, "Normal", "ResizeCompleted", f"Resized container {action.name}", action.name)


async def resize_sandbox(room: PodRoom, pod: Pod, record: PodRecord, action: ResizeSandbox) -> None:
    """Give a whole pod other limits, and its containers that have none of their own. Raises OperationFailed."""
    limited = replace(pod, spec=replace(pod.spec, resources=action.resources))
    limits = pod_limits(limited)
    if not action.grows:
        await _refuse_below_usage(room, pod, partial(room.cri.sandbox_memory_bytes, action.id), limits.memory_bytes)
        await _resize_unlimited(room, limited, record)
    await _asked(room, pod, _update_sandbox(room, action.id, linux_resources(unlimited_where_none(limits))))
    if action.grows:
        await _resize_unlimited(room, limited, record)
    if action.resources == pod.spec.resources:
        room.tell(pod, "Normal", "ResizeCompleted", "Resized the pod as a whole")


async def _update_sandbox(room: PodRoom, sandbox_id: str, resources: cri_v1.LinuxContainerResources) -> None:
    """Give a sandbox other limits; where the runtime can't, those of a pod hold for its containers alone."""
    try:
        await room.cri.update_sandbox(sandbox_id, resources)
    except CriError as error:
        if error.code != UNKNOWN_CALL:
            raise


async def _resize_unlimited(room: PodRoom, pod: Pod, record: PodRecord) -> None:
    """Give the limits of a pod to those of its containers that have none of their own."""
    for running in record.running:
        container = find_container(pod, running.name)
        if container is not None and not set(RESIZABLE) <= container.resources.limits.keys():
            limits = unlimited_where_none(
                kernel_limits(pod, container, room.settings.memory_bytes, room.settings.allocatable)
            )
            await _asked(room, pod, room.cri.update_container(running.id, linux_resources(limits)), running.name)


async def _refuse_below_usage(
    room: PodRoom, pod: Pod, usage: Callable[[], Awaitable[int]], limit_bytes: int, name: str = ""
) -> None:
    """Refuse a limit that would have the kernel end what runs; 0 is none, and nothing is asked.

    usage: asks how many bytes are used. name: the container's.
    """
    used_bytes = await _known(usage()) if limit_bytes else 0
    if limit_bytes and used_bytes >= limit_bytes:
        whose = f'container "{name}"' if name else "pod"
        told = f"attempting to set {whose} memory limit ({limit_bytes}) below current usage ({used_bytes})"
        room.tell(pod, "Warning", RESIZE_FAILED, told, name)
        raise OperationFailed(RESIZE_FAILED, told)


async def _known(usage: Awaitable[int]) -> int:
    """Return a figure, 0 where the runtime can't tell it."""
    try:
        return await usage
    except CriError as error:
        if error.code != UNKNOWN_CALL:
            raise
        return 0


async def _asked(room: PodRoom, pod: Pod, request: Awaitable[None], container: str = "") -> None:
    """Wait for what the runtime was asked; its refusal is told and becomes a failure of the operation."""
    try:
        await request
    except CriError as error:
        room.tell(pod, "Warning", RESIZE_FAILED, str(error), container)
        raise OperationFailed(RESIZE_FAILED, str(error)) from error
