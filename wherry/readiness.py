"""When applied objects are ready, and why they never will be.

`verdict` decides from what was read, `wait_until_ready` reads and prints. A cause is told as soon as it is known: an
image that can't be had, a container that crashes (with its last lines), a probe that fails, pods that fit on no node.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kube.errors import ApiError
from kube.kinds import find_kind
from wherry.commands.rollout import progress
from wherry.connection import Connection, Json
from wherry.context import Context
from wherry.manifests import kind_of_manifest
from wherry.selection import own_pods
from wherry.targets import Target, UsageError, kind_named

POLL_S: Final = 0.15
UNSCHEDULABLE_GRACE_S: Final = 3.0
"""How long "no room" may last: a node that is just coming up makes it go away."""

CRASH_TAIL_LINES: Final = 5
BROKEN: Final = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
RUNNING_KINDS: Final = frozenset({"Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet"})


@dataclass(frozen=True)
class Verdict:
    """Where an object stands. cause: why it can't get ready, "" while it may. crashed: (pod, container) with a log."""

    is_ready: bool
    progress: str
    cause: str = ""
    crashed: tuple[str, str] | None = None


def verdict(obj: Json, pods: Sequence[Json], waited_s: float) -> Verdict:
    """Return where an object stands, given the pods that it made."""
    if obj["kind"] == "Pod":
        ready = _is_true(obj, "Ready") or obj.get("status", {}).get("phase") == "Succeeded"
        return _with_cause(ready, "ready" if ready else _phase(obj), [obj], waited_s)
    if obj["kind"] == "Deployment":
        try:
            done, sentence = progress(obj)
        except UsageError as error:
            found = _with_cause(False, str(error), pods, waited_s)
            return found if found.cause else Verdict(False, str(error), cause=str(error))
        return _with_cause(done, sentence, pods, waited_s)
    if obj["kind"] in RUNNING_KINDS:
        wanted = obj["spec"].get("replicas", 1)
        ready_count = obj.get("status", {}).get("readyReplicas", 0)
        return _with_cause(ready_count >= wanted, f"{ready_count} of {wanted} pods are ready", pods, waited_s)
    return Verdict(True, "stored")


def _with_cause(is_ready: bool, sentence: str, pods: Sequence[Json], waited_s: float) -> Verdict:
    if is_ready:
        return Verdict(True, sentence)
    for pod in pods:
        cause, crashed = _cause(pod, waited_s)
        if cause:
            return Verdict(False, sentence, f"pod {pod['metadata']['name']}: {cause}", crashed)
    return Verdict(False, sentence)


def _cause(pod: Json, waited_s: float) -> tuple[str, tuple[str, str] | None]:
    status = pod.get("status", {})
    for condition in status.get("conditions") or []:
        is_unschedulable = condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable"
        if is_unschedulable and waited_s > UNSCHEDULABLE_GRACE_S:
            return f"fits on no node: {condition.get('message', '')}", None
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = container.get("state", {}).get("waiting") or {}
        if waiting.get("reason") in BROKEN:
            return f"container {container['name']}: {waiting['reason']}: {waiting.get('message', '')}", None
        ended = _failure(container)
        if ended:
            crashed = (pod["metadata"]["name"], container["name"])
            return f"container {container['name']}: {_end(ended)}", crashed
    return "", None


def _failure(container: Json) -> Json | None:
    """Return how a container that has not come back ended, where it ended badly."""
    if container.get("ready"):
        return None
    for state in (container.get("state", {}), container.get("lastState", {})):
        ended: Json | None = state.get("terminated")
        if ended and ended.get("exitCode", 0) != 0:
            return ended
    return None


def _end(ended: Json) -> str:
    detail = f": {ended['message'].strip()}" if ended.get("message") else ""
    return f"{ended.get('reason', 'Error')}, exit code {ended.get('exitCode')}{detail}"


def _is_true(obj: Json, condition_type: str) -> bool:
    conditions = obj.get("status", {}).get("conditions") or []
    return any(item["type"] == condition_type and item["status"] == "True" for item in conditions)


def _phase(pod: Json) -> str:
    phase: str = pod.get("status", {}).get("phase", "Pending")
    return phase


def wait_until_ready(context: Context, objects: Sequence[Json], timeout_s: float) -> int:
    """Wait until all objects are ready, printing what changes; return 0, or 1 with the cause once there is one."""
    started = time.monotonic()
    told: dict[str, str] = {}
    while True:
        waited_s = time.monotonic() - started
        found = [(obj, _current_verdict(context.connection, obj, waited_s)) for obj in objects]
        for obj, now in found:
            name = Target(kind_of_manifest(obj), obj["metadata"]["name"]).title
            if told.get(name) != now.progress and now.progress != "stored":
                context.say(f"{name}: {now.progress}")
            told[name] = now.progress
        broken = [now for _, now in found if now.cause]
        if broken:
            _tell(context, objects, broken[0])
            return 1
        if all(now.is_ready for _, now in found):
            return 0
        if waited_s > timeout_s:
            _tell_timeout(context, objects, [obj for obj, now in found if not now.is_ready], timeout_s)
            return 1
        time.sleep(POLL_S)


def _current_verdict(connection: Connection, obj: Json, waited_s: float) -> Verdict:
    kind = kind_of_manifest(obj)
    if kind.kind != "Pod" and kind.kind not in RUNNING_KINDS:
        return Verdict(True, "stored")
    namespace = obj["metadata"]["namespace"]
    current = connection.get(kind.path(namespace, obj["metadata"]["name"]))
    pods = [] if kind.kind == "Pod" else own_pods(connection, current)
    return verdict(current, pods, waited_s)


def _tell(context: Context, objects: Sequence[Json], broken: Verdict) -> None:
    context.warn(f"not ready: {broken.cause}")
    if broken.crashed is None:
        return
    namespaces = {obj["metadata"].get("namespace", "") for obj in objects} - {""}
    for namespace in sorted(namespaces):
        for line in _last_lines(context.connection, namespace, *broken.crashed):
            context.warn(f"  | {line}")


def _last_lines(connection: Connection, namespace: str, pod: str, container: str) -> list[str]:
    path = Target(kind_named("pod"), pod).path(namespace, "log")
    query = {"container": container, "tailLines": str(CRASH_TAIL_LINES)}
    for variant in ({**query, "previous": "true"}, query):
        try:
            lines = connection.request("GET", path, query=variant).body.decode(errors="replace").splitlines()
        except ApiError:
            continue
        if lines:
            return lines
    return []


def _tell_timeout(context: Context, objects: Sequence[Json], unready: Sequence[Json], timeout_s: float) -> None:
    names = ", ".join(Target(kind_of_manifest(obj), obj["metadata"]["name"]).title for obj in unready)
    context.warn(f"not ready after {timeout_s:g} s: {names}")
    for namespace in sorted({obj["metadata"].get("namespace", "") for obj in objects} - {""}):
        for message in _unhealthy(context.connection, namespace):
            context.warn(f"  {message}")


def _unhealthy(connection: Connection, namespace: str) -> list[str]:
    """Return what probes that fail have said lately."""
    kind = find_kind("v1", "Event")
    assert kind is not None
    events = connection.get(kind.path(namespace), {"fieldSelector": "reason=Unhealthy"})["items"]
    return sorted({f"pod {event['involvedObject']['name']}: {event.get('message', '')}" for event in events})
