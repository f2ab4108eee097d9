"""How containers, sandboxes and whole pods end: each function one operation of the plan, as those in `operations`.

Keeps true: all of it may be done again, in part or as a whole; what is gone already is no failure.
Asks the runtime, the API and the file system; tells people by Events.
Source: docs/pod-lifecycle.md; kubernetes.io/docs/concepts/containers/container-lifecycle-hooks.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from kube.api.core_v1 import Container, LifecycleHandler, Pod
from kube.client import ConnectionLost, Preconditions
from kube.errors import ApiError
from nodeagent.cri.client import NOT_FOUND, CriError
from nodeagent.cri.values import PodRecord
from nodeagent.pods import pod_cgroups
from nodeagent.pods.containers import find_container
from nodeagent.pods.failures import OperationFailed
from nodeagent.pods.hooks import HookPlace, run_hook
from nodeagent.pods.room import PodRoom
from nodeagent.pods.view import KillContainer, RemoveContainer, RemoveSandbox, StopSandbox
from nodeagent.pods.volumes import remove_pod_files, unmount_all

HOOK_REST_S: Final = 2
"""What a container gets to end in, at least, after its preStop hook has used up the grace period."""


async def kill_container(room: PodRoom, pod: Pod, record: PodRecord, action: KillContainer) -> None:
    """Run the preStop hook, then end the container. Raises OperationFailed."""
    room.tell(pod, "Normal", "Killing", action.why, action.name)
    container, grace_s = find_container(pod, action.name), action.grace_s
    hook = container.lifecycle.pre_stop if container is not None and container.lifecycle is not None else None
    if hook is not None and container is not None and grace_s > 0:
        began_s = room.clock.monotonic_s()
        wrong = await _pre_stop(room, hook, _place(container, record, action.id), grace_s)
        if wrong:
            room.tell(pod, "Warning", "FailedPreStopHook", f"PreStopHook failed: {wrong}", action.name)
        grace_s = max(HOOK_REST_S, round(grace_s - (room.clock.monotonic_s() - began_s)))
    try:
        await room.cri.stop_container(action.id, grace_s)
    except CriError as error:
        if error.code != NOT_FOUND:
            raise OperationFailed("FailedKillContainer", str(error)) from error


def _place(container: Container, record: PodRecord, container_id: str) -> HookPlace:
    ips = record.sandbox.ips if record.sandbox is not None else ()
    return HookPlace(container, container_id, next(iter(ips), ""))


async def _pre_stop(room: PodRoom, hook: LifecycleHandler, place: HookPlace, grace_s: int) -> str:
    """Run a hook; return what went wrong, "" where all went well."""
    try:
        async with asyncio.timeout(grace_s):
            outcome = await run_hook(hook, place, room.cri, room.clock, most_s=grace_s)
    except TimeoutError:
        return f"it did not end within the grace period of {grace_s}s"
    return "" if outcome.worked else outcome.seen


async def dispose(room: PodRoom, action: StopSandbox | RemoveSandbox | RemoveContainer) -> None:
    """Have the runtime stop or remove what has served its time. Raises CriError."""
    match action:
        case StopSandbox():
            await room.cri.stop_sandbox(action.id)
        case RemoveSandbox():
            await room.cri.stop_sandbox(action.id)
            await room.cri.remove_sandbox(action.id)
        case RemoveContainer():
            await room.cri.remove_container(action.id)


async def release(room: PodRoom, uid: str) -> None:
    """Let go of what an ended pod no longer needs: its volumes, but neither its logs nor its last containers."""
    room.references.release(uid)
    await asyncio.to_thread(unmount_all, room.dirs, uid)


async def delete(room: PodRoom, pod: Pod) -> None:
    """Delete the pod's object for good; whoever has taken its name is left alone. Raises OperationFailed."""
    meta = pod.metadata
    only = Preconditions(uid=meta.uid)
    try:
        await room.client.delete(Pod, meta.name, namespace=meta.namespace, grace_s=0, preconditions=only)
    except ApiError as error:
        if error.code != 404:
            raise OperationFailed("FailedDelete", str(error)) from error
    except ConnectionLost as error:
        raise OperationFailed("FailedDelete", str(error)) from error


async def remove_everything(room: PodRoom, uid: str, record: PodRecord, logs: Path | None) -> None:
    """Remove every trace of a pod from the node: sandboxes, files and logs. Raises OperationFailed."""
    room.references.release(uid)
    try:
        for sandbox in record.sandboxes:
            await room.cri.remove_sandbox(sandbox.id)
    except CriError as error:
        raise OperationFailed("FailedRemove", str(error)) from error
    if room.settings.removes_cgroups:
        await asyncio.to_thread(pod_cgroups.remove, room.settings.pod_cgroup(uid))
    await asyncio.to_thread(remove_pod_files, room.dirs, uid)
    if logs is not None:
        await asyncio.to_thread(shutil.rmtree, logs, ignore_errors=True)
