"""Say in what a pod, or what the machine has of all pods, is not as it should be. Plain functions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nodeagent.cri.values import PodRecord
from tests.e2e.kills.shapes import ENDED, HOOK, Shape
from tests.e2e.kills.traces import Traces

Json = Mapping[str, Any]


def of_status(found: Json, shape: Shape) -> Iterator[str]:
    """Yield what a pod's status should say and doesn't. found: its object."""
    status = found["status"]
    if (status.get("phase"), status.get("reason", "")) != (shape.phase, shape.reason):
        states = {told["name"]: told["state"] for told in container_statuses(found)}
        yield f"is {status.get('phase')} {status.get('reason', '')}, not {shape.phase} {shape.reason}: {states}"
        return
    for told in container_statuses(found):
        restarts = shape.restarts.get(told["name"], 0)
        if told["restartCount"] != restarts:
            yield f"container {told['name']}: {told['restartCount']} restarts, not {restarts}: {told}"
        ended = told["state"].get("terminated")
        if ended and not shape.reason and ended["exitCode"] != shape.codes.get(told["name"], 0):
            yield f"container {told['name']}: ended with {ended['exitCode']} ({ended.get('reason')})"
    if shape.phase == "Running" and not _is_ready(status):
        yield f"is not ready: {status}"


def of_story(lines: Sequence[str], shape: Shape) -> Iterator[str]:
    """Yield what the containers of a living pod should have written and haven't."""
    told = [line for line in lines if line not in shape.extra]
    if told != list(shape.story)[: len(told) if shape.is_cut_short else None]:
        yield f"its story is {list(lines)}, not {list(shape.story)}"
    yield from _twice(lines, shape)


def of_cut_story(lines: Sequence[str], shape: Shape, *, had_time: bool) -> Iterator[str]:
    """Yield what containers of a pod that was deleted at some moment can't have written.

    had_time: they could end in peace, so that each has heard its hook before its signal.
    """
    runs = [line for line in lines if not line.endswith(ENDED) and line not in (HOOK, *shape.extra)]
    most = [line for line in shape.story if not line.endswith(ENDED)]
    if runs != most[: len(runs)]:
        yield f"its runs are {runs}, not a beginning of {most}"
    counts = Counter(lines)
    for line in lines:
        if line.endswith(ENDED) and counts[line] > counts[line.removesuffix(ENDED)]:
            yield f"it ended more often than it ran: {list(lines)}"
    if had_time and shape.has_hook and f"main{ENDED}" in lines and HOOK not in lines:
        yield f"its hook was left out: {list(lines)}"
    yield from _twice(lines, shape)


def _twice(lines: Sequence[str], shape: Shape) -> Iterator[str]:
    yield from (f"{line} was told twice: {list(lines)}" for line in shape.extra if lines.count(line) > 1)


def of_traces(pods: Sequence[Json], traces: Traces) -> Iterator[str]:
    """Yield what the machine has and shouldn't, or should have and doesn't. pods: those of the API, as it has them."""
    by_uid = {uid_of(pod): pod for pod in pods}
    yield from (f"{uid}: in the runtime, unknown to the API" for uid in traces.records.keys() - by_uid.keys())
    yield from (f"{uid}: has traces, unknown to the API" for uid in traces.uids - by_uid.keys())
    yield from (f"{uid}: has processes, unknown to the API" for uid in traces.processes.keys() - by_uid.keys())
    for uid, pod in by_uid.items():
        record = traces.records.get(uid, PodRecord())
        name, running = pod["metadata"]["name"], sorted(container.name for container in record.running)
        if running != sorted(told["name"] for told in container_statuses(pod) if told["state"].get("running")):
            yield f"pod {name}: its status and the runtime differ about what runs: {running}"
        if traces.processes[uid] != len(running):
            yield f"pod {name}: {traces.processes[uid]} containers by the kernel, {len(running)} by the runtime"
    records = traces.records.values()
    known = {sandbox.id for record in records for sandbox in record.sandboxes}
    known |= {container.id for record in records for container in record.containers}
    yield from (f"{found}: a sandbox or container of which the runtime knows nothing" for found in traces.ids - known)
    ready = sum(sandbox.is_ready for record in records for sandbox in record.sandboxes)
    if traces.links != ready:
        yield f"{traces.links} links for {ready} sandboxes"


def container_statuses(pod: Json) -> list[Json]:
    """Return the statuses of all containers of a pod."""
    return [*pod["status"].get("initContainerStatuses", ()), *pod["status"].get("containerStatuses", ())]


def uid_of(pod: Json) -> str:
    """Return the uid by which the node knows a pod: a static one's is its file's."""
    meta = pod["metadata"]
    return str(meta.get("annotations", {}).get("kubernetes.io/config.hash") or meta["uid"])


def _is_ready(status: Json) -> bool:
    return any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions", ()))
