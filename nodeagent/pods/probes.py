"""Ask running containers again and again whether they have started, live, and are ready.

Keeps true: every probe is a task of its own, so a slow one never delays another; a verdict changes only after as many
like answers in a row as its threshold says; a container's probes end with it.
Source: kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kube.api.core_v1 import Container, Pod, Probe
from nodeagent.cri.values import ContainerRecord
from nodeagent.pods.checks import Outcome, check_exec, check_tcp
from nodeagent.pods.grpc_health import check_grpc
from nodeagent.pods.http_check import check_http
from nodeagent.pods.room import PodRoom
from nodeagent.pods.view import KillContainer, ProbeKind, StartContainer, View, from_nanos

ProbeKey = tuple[str, ProbeKind]
EARLY_PAUSES_S: Final = (0.025, 0.05, 0.1, 0.2, 0.4)


@dataclass(frozen=True, slots=True)
class Tally:
    """How a probe stands: its verdict (None: not decided) and how many like answers came in a row."""

    verdict: bool | None = None
    last: bool | None = None
    count: int = 0


def tallied(tally: Tally, worked: bool, probe: Probe) -> Tally:
    """Return how a probe stands after one more answer."""
    count = tally.count + 1 if tally.last is worked else 1
    threshold = (probe.success_threshold if worked else probe.failure_threshold) or (1 if worked else 3)
    return Tally(worked if count >= threshold else tally.verdict, worked, count)


def early_looks(kind: ProbeKind, probe: Probe, tally: Tally) -> list[float]:
    """Return the pauses between the looks that a container gets before its first regular probe.

    A container that is up within milliseconds needn't wait a whole period to be called ready. Only good answers count
    here, and only where one is enough; an initial delay is respected, as the looks begin after it.
    """
    if kind is ProbeKind.LIVENESS or tally.verdict is not None or probe.success_threshold > 1:
        return []
    period_s = probe.period_seconds or 10
    return [pause_s for pause_s in EARLY_PAUSES_S if pause_s <= period_s / 2]


def wanted_probes(view: View) -> Iterator[tuple[ProbeKey, Container, Probe, ContainerRecord]]:
    """Yield the probes that should be running now: of running containers, the others only after the startup probe."""
    spec = view.pod.spec
    for container in (*spec.init_containers, *spec.containers):
        record = view.record.latest(container.name)
        operation = view.busy.get(container.name)
        if record is None or not record.is_running or isinstance(operation, StartContainer):
            continue
        is_stopping = isinstance(operation, KillContainer)
        if container.startup_probe is not None and view.verdict(record, ProbeKind.STARTUP) is not True:
            if view.verdict(record, ProbeKind.STARTUP) is None and not is_stopping:
                yield (record.id, ProbeKind.STARTUP), container, container.startup_probe, record
            continue
        lives = container.liveness_probe
        if lives is not None and not is_stopping and view.verdict(record, ProbeKind.LIVENESS) is not False:
            yield (record.id, ProbeKind.LIVENESS), container, lives, record
        if container.readiness_probe is not None:
            yield (record.id, ProbeKind.READINESS), container, container.readiness_probe, record


class Prober:
    """The probes of one pod. on_verdict is called when a verdict changes."""

    def __init__(self, room: PodRoom, on_verdict: Callable[[], None]) -> None:
        self._room = room
        self._on_verdict = on_verdict
        self._verdicts: dict[ProbeKey, bool] = {}
        self._tasks: dict[ProbeKey, asyncio.Task[None]] = {}

    @property
    def verdicts(self) -> Mapping[ProbeKey, bool]:
        """What was decided so far."""
        return self._verdicts

    def carry(self, record: ContainerRecord, *, started: bool, ready: bool) -> None:
        """Begin from what the status said before this node agent was started, for a container that still runs."""
        if started:
            self._verdicts.setdefault((record.id, ProbeKind.STARTUP), True)
        if ready:
            self._verdicts.setdefault((record.id, ProbeKind.READINESS), True)

    def sync(self, view: View) -> None:
        """Begin the probes that should be running and end the others."""
        wanted = {key: (container, probe, record) for key, container, probe, record in wanted_probes(view)}
        for key in self._tasks.keys() - wanted.keys():
            self._tasks.pop(key).cancel()
        alive = {record.id for record in view.record.running}
        for key in [key for key in self._verdicts if key[0] not in alive]:
            del self._verdicts[key]
        for key in wanted.keys() - self._tasks.keys():
            container, probe, record = wanted[key]
            self._start(key, container, probe, record, view)

    def stop(self) -> None:
        """End all probes."""
        for task in self._tasks.values():
            task.cancel()
        self._tasks.clear()

    def _start(self, key: ProbeKey, container: Container, probe: Probe, record: ContainerRecord, view: View) -> None:
        meta = view.pod.metadata
        ips = view.record.sandbox.ips if view.record.sandbox is not None else ()
        ip = self._room.node.host_ips[0] if view.pod.spec.host_network else next(iter(ips), "")
        name = f"{key[1].value} probe {meta.namespace}/{meta.name}/{container.name}"

        async def job() -> None:
            age = self._room.clock.now() - from_nanos(record.started_at)
            await self._room.clock.sleep(max(0.0, probe.initial_delay_seconds - age.total_seconds()))
            await self._probe(key, container, probe, ip, view.pod)

        self._tasks[key] = self._room.runner.start(name, job)

    async def _probe(self, key: ProbeKey, container: Container, probe: Probe, ip: str, pod: Pod) -> None:
        clock = self._room.clock
        period_s = float(probe.period_seconds or 10)
        tally = Tally(self._verdicts.get(key))
        for early_s in early_looks(key[1], probe, tally):
            outcome = await self._check(key, container, probe, ip)
            if outcome.worked:
                self._tell(key[1], pod, container, outcome)
                self._decide(key, True)
                tally = Tally(True, True, 1)
                await clock.sleep(period_s)
                break
            await clock.sleep(early_s)
        while True:
            outcome = await self._check(key, container, probe, ip)
            self._tell(key[1], pod, container, outcome)
            tally = tallied(tally, outcome.worked, probe)
            if tally.verdict is not None:
                self._decide(key, tally.verdict)
            await clock.sleep(period_s)

    def _tell(self, kind: ProbeKind, pod: Pod, container: Container, outcome: Outcome) -> None:
        name = kind.value.capitalize()
        if not outcome.worked:
            self._room.tell(pod, "Warning", "Unhealthy", f"{name} probe failed: {outcome.seen}", container.name)
        elif outcome.is_warning:
            self._room.tell(pod, "Warning", "ProbeWarning", f"{name} probe warning: {outcome.seen}", container.name)

    def _decide(self, key: ProbeKey, verdict: bool) -> None:
        if self._verdicts.get(key) is not verdict:
            self._verdicts[key] = verdict
            self._on_verdict()

    async def _check(self, key: ProbeKey, container: Container, probe: Probe, ip: str) -> Outcome:
        timeout_s = probe.timeout_seconds or 1
        if probe.http_get is not None:
            return await check_http(probe.http_get, container, ip, timeout_s)
        if probe.tcp_socket is not None:
            return await check_tcp(probe.tcp_socket, container, ip, timeout_s)
        if probe.grpc is not None:
            return await check_grpc(ip, probe.grpc.port, probe.grpc.service or "", timeout_s)
        if probe.exec is not None:
            return await check_exec(self._room.cri, key[0], probe.exec.command, timeout_s)
        return Outcome(False, "the probe says nothing to ask; give it exec, httpGet, tcpSocket or grpc")
