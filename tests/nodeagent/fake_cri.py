"""A container runtime without containers: keeps the CRI's contract over a real unix socket, in this process.

What a container does is told by its command: `sleep` runs until it is stopped, `exit N` ends at once with N, `fail`
can't be started. Everything else a test does by hand: `end`, `lose_sandbox`.
"""

from __future__ import annotations  # grpc's classes take no parameters at run time, only in their stubs.

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import grpc
import grpc.aio

from proto import cri_v1

MISSING = "missing.example/image:1"


class FakeRuntime(cri_v1.RuntimeServiceServicer, cri_v1.ImageServiceServicer):
    """Sandboxes and containers as values; `calls` tells what was asked, in order."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.calls: list[str] = []
        self.sandboxes: dict[str, cri_v1.PodSandboxStatus] = {}
        self.containers: dict[str, cri_v1.ContainerStatus] = {}
        self.configs: dict[str, cri_v1.ContainerConfig] = {}
        self.sandbox_of: dict[str, str] = {}
        self.images = {"wherry.local/host"}
        self.graces: list[int] = []
        self.tells_events = True
        self.begins_to_tell = asyncio.Event()
        self.begins_to_tell.set()
        self.gives_users = True
        self.locks_mounts_below = False
        self.sandbox_configs: list[cri_v1.PodSandboxConfig] = []
        self.slow_pull = asyncio.Event()
        self.slow_pull.set()
        self.commands: dict[tuple[str, ...], int] = {}
        self.used_bytes = 1 << 20
        self._numbers = itertools.count(1)
        self._listeners: list[asyncio.Queue[cri_v1.ContainerEventResponse]] = []
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers(
            (cri_v1.runtime_service_handler(self), cri_v1.image_service_handler(self))
        )
        self._server.add_insecure_port(f"unix:{self.socket}")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await self._server.stop(None)

    # What a test does.

    def named(self, name: str) -> list[cri_v1.ContainerStatus]:
        """Return the containers of that name, the oldest first."""
        found = [status for status in self.containers.values() if status.metadata.name == name]
        return sorted(found, key=lambda status: status.created_at)

    def end(self, container_id: str, exit_code: int, reason: str = "") -> None:
        """Let a container's process end."""
        status = self.containers[container_id]
        if status.state == cri_v1.CONTAINER_RUNNING:
            status.state = cri_v1.CONTAINER_EXITED
            status.exit_code = exit_code
            status.reason = reason or ("Completed" if exit_code == 0 else "Error")
            status.finished_at = time.time_ns()
            self._tell(container_id, cri_v1.CONTAINER_STOPPED_EVENT)

    def lose_sandbox(self, sandbox_id: str) -> None:
        """Let a sandbox die with all that is in it."""
        self.sandboxes[sandbox_id].state = cri_v1.SANDBOX_NOTREADY
        for container_id, owner in self.sandbox_of.items():
            if owner == sandbox_id:
                self.end(container_id, 137)
        self._tell(sandbox_id, cri_v1.CONTAINER_STOPPED_EVENT)

    def _tell(self, identifier: str, kind: Any) -> None:
        sandbox = self.sandboxes.get(self.sandbox_of.get(identifier, identifier))
        event = cri_v1.ContainerEventResponse(
            container_id=identifier,
            container_event_type=kind,
            created_at=time.time_ns(),
            pod_sandbox_status=sandbox,
            containers_statuses=self._held(sandbox.id) if sandbox is not None else [],
        )
        for listener in self._listeners:
            listener.put_nowait(event)

    def _held(self, sandbox_id: str) -> list[cri_v1.ContainerStatus]:
        return [self.containers[c] for c, owner in self.sandbox_of.items() if owner == sandbox_id]

    def _new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    # What the node agent asks. The types of the contexts are grpc's own.

    async def version(self, request: Any, context: Any) -> Any:
        return cri_v1.VersionResponse(
            version="0.1.0", runtime_name="fake", runtime_version="1.0", runtime_api_version="v1"
        )

    async def status(self, request: Any, context: Any) -> Any:
        conditions = [cri_v1.RuntimeCondition(type=kind, status=True) for kind in ("RuntimeReady", "NetworkReady")]
        features = cri_v1.RuntimeHandlerFeatures(
            user_namespaces=self.gives_users, recursive_read_only_mounts=self.locks_mounts_below
        )
        return cri_v1.StatusResponse(
            status=cri_v1.RuntimeStatus(conditions=conditions),
            runtime_handlers=[cri_v1.RuntimeHandler(features=features)],
        )

    async def run_pod_sandbox(self, request: Any, context: Any) -> Any:
        self.calls.append(f"run {request.config.metadata.name}")
        identifier = self._new_id("sandbox")
        config = request.config
        self.sandbox_configs.append(config)
        self.sandboxes[identifier] = cri_v1.PodSandboxStatus(
            id=identifier,
            metadata=config.metadata,
            state=cri_v1.SANDBOX_READY,
            created_at=time.time_ns(),
            network=cri_v1.PodSandboxNetworkStatus(ip="127.0.0.1"),
            labels=dict(config.labels),
            annotations=dict(config.annotations),
        )
        return cri_v1.RunPodSandboxResponse(pod_sandbox_id=identifier)

    async def stop_pod_sandbox(self, request: Any, context: Any) -> Any:
        self.calls.append(f"stop {request.pod_sandbox_id}")
        if request.pod_sandbox_id in self.sandboxes:
            self.lose_sandbox(request.pod_sandbox_id)
        return cri_v1.StopPodSandboxResponse()

    async def remove_pod_sandbox(self, request: Any, context: Any) -> Any:
        self.calls.append(f"remove {request.pod_sandbox_id}")
        self.sandboxes.pop(request.pod_sandbox_id, None)
        for container_id in [c for c, owner in self.sandbox_of.items() if owner == request.pod_sandbox_id]:
            self.containers.pop(container_id, None)
            self.sandbox_of.pop(container_id)
        return cri_v1.RemovePodSandboxResponse()

    async def pod_sandbox_status(self, request: Any, context: Any) -> Any:
        if request.pod_sandbox_id not in self.sandboxes:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"sandbox {request.pod_sandbox_id}: not found")
        return cri_v1.PodSandboxStatusResponse(
            status=self.sandboxes[request.pod_sandbox_id],
            containers_statuses=self._held(request.pod_sandbox_id),
            timestamp=time.time_ns(),
        )

    async def list_pod_sandbox(self, request: Any, context: Any) -> Any:
        wanted = dict(request.filter.label_selector)
        items = [
            cri_v1.PodSandbox(
                id=s.id, metadata=s.metadata, state=s.state, created_at=s.created_at, annotations=dict(s.annotations)
            )
            for s in self.sandboxes.values()
            if wanted.items() <= dict(s.labels).items()
        ]
        return cri_v1.ListPodSandboxResponse(items=items)

    async def create_container(self, request: Any, context: Any) -> Any:
        config = request.config
        self.calls.append(f"create {config.metadata.name} {config.metadata.attempt}")
        identifier = self._new_id("container")
        self.configs[identifier] = config
        self.sandbox_of[identifier] = request.pod_sandbox_id
        self.containers[identifier] = cri_v1.ContainerStatus(
            id=identifier,
            metadata=config.metadata,
            state=cri_v1.CONTAINER_CREATED,
            created_at=time.time_ns(),
            image=config.image,
            image_ref=config.image.image,
            labels=dict(config.labels),
            annotations=dict(config.annotations),
        )
        self._tell(identifier, cri_v1.CONTAINER_CREATED_EVENT)
        return cri_v1.CreateContainerResponse(container_id=identifier)

    async def start_container(self, request: Any, context: Any) -> Any:
        status = self.containers[request.container_id]
        config = self.configs[request.container_id]
        self.calls.append(f"start {status.metadata.name} {status.metadata.attempt}")
        if list(config.command) == ["fail"]:
            await context.abort(grpc.StatusCode.UNKNOWN, 'exec: "fail": executable file not found in $PATH')
        status.state = cri_v1.CONTAINER_RUNNING
        status.started_at = time.time_ns()
        self._tell(request.container_id, cri_v1.CONTAINER_STARTED_EVENT)
        if list(config.command[:1]) == ["exit"]:
            self.end(request.container_id, int(config.command[1]))
        return cri_v1.StartContainerResponse()

    async def update_container_resources(self, request: Any, context: Any) -> Any:
        self.calls.append(f"resize {self.containers[request.container_id].metadata.name}")
        self.configs[request.container_id].linux.resources.CopyFrom(request.linux)
        return cri_v1.UpdateContainerResourcesResponse()

    async def update_pod_sandbox_resources(self, request: Any, context: Any) -> Any:
        self.calls.append(f"resize pod {request.resources.cpu_quota}")
        return cri_v1.UpdatePodSandboxResourcesResponse()

    async def stop_container(self, request: Any, context: Any) -> Any:
        self.calls.append(f"kill {self.containers[request.container_id].metadata.name}")
        self.graces.append(request.timeout)
        stubborn = list(self.configs[request.container_id].command) == ["stubborn"]
        if stubborn and request.timeout:
            await asyncio.sleep(request.timeout)
        self.end(request.container_id, 137 if stubborn else 143)
        return cri_v1.StopContainerResponse()

    async def remove_container(self, request: Any, context: Any) -> Any:
        self.calls.append(f"remove {request.container_id}")
        self.containers.pop(request.container_id, None)
        self.sandbox_of.pop(request.container_id, None)
        return cri_v1.RemoveContainerResponse()

    async def list_containers(self, request: Any, context: Any) -> Any:
        wanted = dict(request.filter.label_selector)
        items = [
            cri_v1.Container(
                id=s.id,
                pod_sandbox_id=self.sandbox_of[s.id],
                metadata=s.metadata,
                state=s.state,
                created_at=s.created_at,
                labels=dict(s.labels),
                annotations=dict(s.annotations),
            )
            for s in self.containers.values()
            if wanted.items() <= dict(s.labels).items()
        ]
        return cri_v1.ListContainersResponse(containers=items)

    async def container_status(self, request: Any, context: Any) -> Any:
        if request.container_id not in self.containers:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"container {request.container_id}: not found")
        return cri_v1.ContainerStatusResponse(status=self.containers[request.container_id])

    async def exec_sync(self, request: Any, context: Any) -> Any:
        self.calls.append(f"exec {' '.join(request.cmd)}")
        return cri_v1.ExecSyncResponse(exit_code=self.commands.get(tuple(request.cmd), 0))

    async def get_container_events(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if not self.tells_events:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "unknown method GetContainerEvents")
        queue: asyncio.Queue[cri_v1.ContainerEventResponse] = asyncio.Queue()
        await self.begins_to_tell.wait()
        self._listeners.append(queue)
        try:
            await context.send_initial_metadata(())
            while True:
                yield await queue.get()
        finally:
            self._listeners.remove(queue)

    async def container_stats(self, request: Any, context: Any) -> Any:
        return cri_v1.ContainerStatsResponse(stats=cri_v1.ContainerStats(memory=self._memory()))

    async def pod_sandbox_stats(self, request: Any, context: Any) -> Any:
        linux = cri_v1.LinuxPodSandboxStats(memory=self._memory())
        return cri_v1.PodSandboxStatsResponse(stats=cri_v1.PodSandboxStats(linux=linux))

    def _memory(self) -> cri_v1.MemoryUsage:
        """Every sandbox and every container uses the same."""
        return cri_v1.MemoryUsage(usage_bytes=cri_v1.UInt64Value(value=self.used_bytes))

    async def image_status(self, request: Any, context: Any) -> Any:
        name = request.image.image
        if name not in self.images:
            return cri_v1.ImageStatusResponse()
        return cri_v1.ImageStatusResponse(image=cri_v1.Image(id=name, repo_tags=[name], size=1))

    async def pull_image(self, request: Any, context: Any) -> Any:
        self.calls.append(f"pull {request.image.image}")
        await self.slow_pull.wait()
        if request.image.image == MISSING:
            await context.abort(grpc.StatusCode.NOT_FOUND, "the registry has no such image")
        self.images.add(request.image.image)
        return cri_v1.PullImageResponse(image_ref=request.image.image)

    async def list_images(self, request: Any, context: Any) -> Any:
        return cri_v1.ListImagesResponse()
