"""Serve what is asked of a node: logs, streams, statistics, over HTTPS.

Keeps true: nobody is answered who may not ask (`access`). Reads logs, the runtime and the workers; changes nothing.
Source: the paths of a kubelet's server (port 10250).
"""

import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from kube.api.core_v1 import Pod
from kube.clock import Clock
from kube.codec import encode
from kube.objects import ObjectKey
from kube.times import parse_time
from nodeagent.access import Access
from nodeagent.container_logs import LogWish, follow_log, read_log
from nodeagent.cri.client import NOT_FOUND, Cri, CriError
from nodeagent.cri.values import ContainerRecord, ContainerState, PodRecord
from nodeagent.pods.containers import find_container
from nodeagent.pods.roster import Roster
from nodeagent.pods.volumes import NodeDirs
from nodeagent.pods.worker import PodWorker
from nodeagent.settings import AgentSettings, told_settings
from nodeagent.spdy_streams import EXEC_PROTOCOL, FORWARD_PROTOCOL, exec_streams, forward_streams, relay_spdy
from nodeagent.stats.doors import StatsDoors
from nodeagent.streams import relay

SHUTDOWN_S: Final = 1.0
LINE_MAX_BYTES: Final = 128 * 1024
"""More than an API server takes: what is to be run in a container is all in a request's first line."""

_WAITING: Final = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}
_TRUE: Final = ("1", "true", "t", "True")

_log = logging.getLogger(__name__)


class Refused(Exception):  # noqa: N818 - an answer, not a fault.
    """A request that gets no more than a sentence. code: HTTP's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class NodeServer:
    """The HTTPS server of one node."""

    def __init__(
        self,
        settings: AgentSettings,
        roster: Roster,
        cri: Cri,
        dirs: NodeDirs,
        clock: Clock,
        *,
        access: Access,
        stats: StatsDoors,
    ) -> None:
        self._settings = settings
        self._roster = roster
        self._access = access
        self._statistics = stats
        self._cri = cri
        self._dirs = dirs
        self._clock = clock
        self._doors: Mapping[str, Callable[[web.BaseRequest, list[str]], Awaitable[web.StreamResponse]]] = {
            "healthz": self._healthz,
            "configz": self._configz,
            "pods": self._pods,
            "containerLogs": self._container_logs,
            "exec": self._exec,
            "attach": self._attach,
            "portForward": self._port_forward,
            "stats": self._stats,
            "metrics": self._metrics,
        }

    async def run(self, address: str) -> None:
        """Serve until cancelled. Raises OSError where the port is taken."""
        server = web.Server(self.answer, access_log=None, handler_cancellation=True, max_line_size=LINE_MAX_BYTES)
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            site = web.TCPSite(runner, address, self._settings.port, ssl_context=_tls(self._settings))
            await site.start()
            _log.info("server: listening on %s:%d", address, self._settings.port)
            await self._clock_forever()
        finally:
            await runner.cleanup()

    async def _clock_forever(self) -> None:
        while True:
            await self._clock.sleep(3600)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, if it comes from whom it may."""
        authorization, certificate = request.headers.get("Authorization", ""), request.get_extra_info("peercert")
        refused = await self._access.refusal(request.method, request.path, authorization, certificate)
        if refused is not None:
            return refused
        door, *rest = request.path.strip("/").split("/")
        handler = self._doors.get(door)
        if handler is None:
            return web.Response(status=404, text="404 page not found\n")
        try:
            return await handler(request, rest)
        except Refused as refusal:
            return web.Response(status=refusal.code, text=f"{refusal}\n")
        except CriError as error:
            code = 404 if error.code == NOT_FOUND else 500
            return web.Response(status=code, text=f"container runtime: {error}\n")

    # What is told of pods.

    async def _healthz(self, request: web.BaseRequest, rest: list[str]) -> web.Response:  # noqa: ARG002
        return web.Response(text="ok")

    async def _pods(self, request: web.BaseRequest, rest: list[str]) -> web.Response:  # noqa: ARG002
        items = [worker.pod for worker in self._roster.workers()]
        body = encode({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
        return web.Response(body=body, content_type="application/json")

    async def _configz(self, request: web.BaseRequest, rest: list[str]) -> web.Response:  # noqa: ARG002
        told = {"kubeletconfig": told_settings(self._settings)}
        return web.Response(body=encode(told), content_type="application/json")

    async def _stats(self, request: web.BaseRequest, rest: list[str]) -> web.Response:
        if rest not in (["summary"], ["summary", ""]):
            raise Refused(404, "404 page not found")
        return await self._statistics.summary(request.query)

    async def _metrics(self, request: web.BaseRequest, rest: list[str]) -> web.Response:  # noqa: ARG002
        answer = await self._statistics.metrics("/".join(rest))
        if answer is None:
            raise Refused(404, "404 page not found")
        return answer

    # Containers.

    def _worker(self, rest: list[str]) -> PodWorker:
        worker = self._roster.worker(ObjectKey(rest[0], rest[1])) if len(rest) >= 2 else None
        if worker is None:
            raise Refused(404, f'pod "{"/".join(rest[:2])}" not found')
        return worker

    def _running(self, rest: list[str]) -> ContainerRecord:
        worker = self._worker(rest)
        record = worker.record.latest(rest[-1])
        if record is None:
            raise Refused(404, f"container not found ({rest[-1]!r})")
        if not record.is_running:
            raise Refused(404, f"container {rest[-1]} is not running: its state is {record.state.name}")
        return record

    async def _container_logs(self, request: web.BaseRequest, rest: list[str]) -> web.StreamResponse:
        worker = self._worker(rest)
        query = request.query
        wish = log_wish(query, self._clock.now())
        path, record = self._log_of(worker, rest[-1], previous=query.get("previous") in _TRUE)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if wish.follow:

            def is_running() -> bool:
                latest = worker.record.latest(record.name)
                return not worker.is_gone and latest is not None and latest.id == record.id and latest.is_running

            await _send(response, follow_log(path, wish, is_running))
        else:
            for piece in read_log(path, wish):
                await response.write(piece)
        await response.write_eof()
        return response

    def _log_of(self, worker: PodWorker, name: str, *, previous: bool) -> tuple[Path, ContainerRecord]:
        pod = worker.pod
        where = f'container "{name}" in pod "{pod.metadata.name}"'
        if find_container(pod, name) is None:
            raise Refused(400, f"container {name} is not valid for pod {pod.metadata.name}")
        record = worker.record.previous(name) if previous else _with_log(worker.record, name)
        if record is None and previous:
            raise Refused(400, f"previous terminated {where} not found")
        if record is None:
            raise Refused(400, f"{where} is waiting to start: {_waiting_for(pod, name)}")
        return self._dirs.logs(pod) / name / f"{record.restart_count}.log", record

    async def _exec(self, request: web.BaseRequest, rest: list[str]) -> web.StreamResponse:
        record = self._running(rest)
        command = request.query.getall("command", [])
        if not command:
            raise Refused(400, "you must specify at least 1 command")
        wanted = _streams_of(request)
        return await self._relay_command(request, await self._cri.exec_url(record.id, command, **wanted))

    async def _attach(self, request: web.BaseRequest, rest: list[str]) -> web.StreamResponse:
        record = self._running(rest)
        return await self._relay_command(request, await self._cri.attach_url(record.id, **_streams_of(request)))

    async def _relay_command(self, request: web.BaseRequest, url: str) -> web.StreamResponse:
        if not self._settings.cri_endpoint:
            return await relay(request, url)
        return await relay_spdy(request, url, EXEC_PROTOCOL, exec_streams(**_streams_of(request)))

    async def _port_forward(self, request: web.BaseRequest, rest: list[str]) -> web.StreamResponse:
        sandbox = self._worker(rest).record.sandbox
        if sandbox is None or not sandbox.is_ready:
            raise Refused(404, "the pod is not running")
        ports = _ports_of(request)
        url = await self._cri.port_forward_url(sandbox.id, ports)
        if not self._settings.cri_endpoint:
            return await relay(request, url)
        return await relay_spdy(request, url, FORWARD_PROTOCOL, forward_streams(ports))


def _with_log(record: PodRecord, name: str) -> ContainerRecord | None:
    """Return the newest container of that name that has begun: one that couldn't be started wrote nothing."""
    return next((r for r in record.containers if r.name == name and r.state is not ContainerState.CREATED), None)


def _waiting_for(pod: Pod, name: str) -> str:
    """Return why a container has not begun, in Kubernetes' words."""
    status = pod.status
    told = (*status.container_statuses, *status.init_container_statuses, *status.ephemeral_container_statuses)
    reason = next((s.state.waiting.reason for s in told if s.name == name and s.state.waiting), "")
    return _WAITING.get(reason, reason or "ContainerCreating")


def _tls(settings: AgentSettings) -> ssl.SSLContext:
    if settings.serving_cert is None or settings.serving_key is None or settings.client_ca is None:
        raise ValueError("server: has no certificate; set serving_cert, serving_key and client_ca")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(settings.client_ca))
    context.load_cert_chain(settings.serving_cert, settings.serving_key)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


def log_wish(query: Mapping[str, str], now: datetime) -> LogWish:
    """Read which lines a request wants. Raises Refused for what isn't a number or a time."""
    try:
        since = parse_time(query["sinceTime"]) if query.get("sinceTime") else None
        if query.get("sinceSeconds"):
            since = now - timedelta(seconds=int(query["sinceSeconds"]))
        tail = int(query["tailLines"]) if query.get("tailLines") else None
        limit = int(query.get("limitBytes") or 0)
    except ValueError as error:
        raise Refused(400, f"log options: {error}") from error
    if (tail is not None and tail < 0) or limit < 0:
        raise Refused(400, "log options: tailLines and limitBytes must be 0 or more")
    stream = query.get("stream", "")
    return LogWish(
        follow=query.get("follow") in _TRUE,
        tail=tail,
        since=since,
        timestamps=query.get("timestamps") in _TRUE,
        limit_bytes=limit,
        stream="" if stream == "All" else stream,
    )


def _streams_of(request: web.BaseRequest) -> dict[str, bool]:
    """Return which streams a request wants, by the names of a kubelet's options or of the API's."""
    query: Mapping[str, Any] = request.query
    names = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
    return {name: query.get(short) in _TRUE or query.get(name) in _TRUE for name, short in names.items()}


def _ports_of(request: web.BaseRequest) -> list[int]:
    """Return which ports a request wants. Raises Refused where there are none, or what is named is none."""
    texts = request.query.getall("port", request.query.getall("ports", []))
    if not texts or not all(text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16 for text in texts):
        raise Refused(400, f"port: {','.join(texts)[:100] or 'none'} named; name ports of 1 to 65535")
    return [int(text) for text in texts]


async def _send(response: web.StreamResponse, pieces: AsyncIterator[bytes]) -> None:
    async for piece in pieces:
        await response.write(piece)
