"""The RuntimeService of CRI v1: requests in, answers out, refusals with their gRPC codes.

A thin shell: `Sandboxes`, `Containers`, `execs` and `Stats` do the work.
Source: CRI v1; kubelet's expectations of idempotence.
"""

import asyncio
import functools
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar

import grpc

from nodeagent.runtime import containers as containers_module
from nodeagent.runtime import execs, metrics, statuses, user_namespace
from nodeagent.runtime.containers import Containers
from nodeagent.runtime.errors import Reason, RuntimeRefusal, invalid, precondition
from nodeagent.runtime.host import Host
from nodeagent.runtime.pod import Container, Sandbox
from nodeagent.runtime.sandboxes import Sandboxes
from nodeagent.runtime.shim_client import ShimLostError, ShimRefusalError
from nodeagent.runtime.stats import Stats
from nodeagent.runtime.streamed_lists import StreamedLists
from nodeagent.runtime.streams import Streams
from proto import cri_v1 as cri

NAME = "wherry"
VERSION = "0.1.0"
_LOG = logging.getLogger(__name__)
_Self = TypeVar("_Self")
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")
_Context = grpc.aio.ServicerContext[Any, Any]


async def abort(context: _Context, error: Exception) -> NoReturn:
    """Answer a call with the gRPC status that `error` stands for."""
    if isinstance(error, RuntimeRefusal):
        await context.abort(grpc.StatusCode[error.reason.value], str(error))
    if isinstance(error, (ShimLostError, ShimRefusalError)):
        await context.abort(grpc.StatusCode.UNAVAILABLE, f"{error}; ask again")
    _LOG.error("call failed", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def answering(
    method: Callable[[_Self, _Request], Coroutine[Any, Any, _Answer]],
) -> Callable[[_Self, _Request, _Context], Coroutine[Any, Any, _Answer]]:
    """Make a gRPC method of one that takes a request and raises its refusals."""

    @functools.wraps(method)
    async def call(self: _Self, request: _Request, context: _Context) -> _Answer:
        try:
            return await method(self, request)
        except (RuntimeRefusal, ShimLostError, ShimRefusalError, OSError, ValueError) as error:
            await abort(context, error)

    return call


class RuntimeService(StreamedLists):
    """What a node agent calls."""

    def __init__(self, host: Host, sandboxes: Sandboxes, containers: Containers, streams: Streams) -> None:
        self._host = host
        self._sandboxes = sandboxes
        self._containers = containers
        self._streams = streams
        self._stats = Stats(host)

    @answering
    async def version(self, request: cri.VersionRequest) -> cri.VersionResponse:
        """Say who answers."""
        return cri.VersionResponse(
            version="0.1.0", runtime_name=NAME, runtime_version=VERSION, runtime_api_version="v1"
        )

    @answering
    async def status(self, request: cri.StatusRequest) -> cri.StatusResponse:
        """Say what works; a missing cgroup controller is a condition of its own."""
        network, missing = self._host.network.missing(), self._host.cgroups.missing
        found = f"this host's kernel offers no {', '.join(missing)} controller; such limits have no effect"
        conditions = [
            cri.RuntimeCondition(type="RuntimeReady", status=True),
            cri.RuntimeCondition(
                type="NetworkReady",
                status=not network,
                reason="NetworkPluginNotReady" if network else "",
                message=network,
            ),
            cri.RuntimeCondition(
                type="CgroupControllersReady",
                status=not missing,
                reason="CgroupControllersMissing" if missing else "",
                message=found if missing else "",
            ),
        ]
        users = user_namespace.can_be_made(os.uname().release)
        handler = cri.RuntimeHandler(
            features=cri.RuntimeHandlerFeatures(recursive_read_only_mounts=True, user_namespaces=users)
        )
        others = [cri.RuntimeHandler(name=name) for name in sorted(self._host.settings.handlers)]
        return cri.StatusResponse(
            status=cri.RuntimeStatus(conditions=conditions),
            runtime_handlers=[handler, *others],
            features=cri.RuntimeFeatures(supplemental_groups_policy=True),
        )

    @answering
    async def runtime_config(self, request: cri.RuntimeConfigRequest) -> cri.RuntimeConfigResponse:
        """Name the cgroup driver."""
        return cri.RuntimeConfigResponse(linux=cri.LinuxRuntimeConfiguration(cgroup_driver=cri.CGROUPFS))

    @answering
    async def update_runtime_config(self, request: cri.UpdateRuntimeConfigRequest) -> cri.UpdateRuntimeConfigResponse:
        """Hand the pod CIDR to the network."""
        cidr = request.runtime_config.network_config.pod_cidr
        if cidr:
            await self._host.network.set_pod_cidr(cidr)
        return cri.UpdateRuntimeConfigResponse()

    @answering
    async def run_pod_sandbox(self, request: cri.RunPodSandboxRequest) -> cri.RunPodSandboxResponse:
        """Make a sandbox."""
        sandbox = await self._sandboxes.run(request.config, request.runtime_handler)
        await _events_first()
        return cri.RunPodSandboxResponse(pod_sandbox_id=sandbox.id)

    @answering
    async def stop_pod_sandbox(self, request: cri.StopPodSandboxRequest) -> cri.StopPodSandboxResponse:
        """Stop a sandbox and everything in it."""
        await self._sandboxes.stop(request.pod_sandbox_id)
        return cri.StopPodSandboxResponse()

    @answering
    async def remove_pod_sandbox(self, request: cri.RemovePodSandboxRequest) -> cri.RemovePodSandboxResponse:
        """Remove a sandbox and everything in it."""
        await self._sandboxes.stop(request.pod_sandbox_id)
        sandbox = self._sandboxes.known.get(request.pod_sandbox_id)
        for container in list(sandbox.containers.values()) if sandbox else []:
            await self._remove(container)
        await self._sandboxes.remove(request.pod_sandbox_id)
        if sandbox is not None:
            self._stats.rates.forget(sandbox.record.cgroup)
        return cri.RemovePodSandboxResponse()

    @answering
    async def pod_sandbox_status(self, request: cri.PodSandboxStatusRequest) -> cri.PodSandboxStatusResponse:
        """Describe a sandbox and its containers."""
        sandbox = self._sandboxes.get(request.pod_sandbox_id)
        return cri.PodSandboxStatusResponse(
            status=statuses.sandbox_status(sandbox),
            info={"netns": sandbox.netns_path, "shim": str(sandbox.record.shim_pid)} if request.verbose else {},
            containers_statuses=[statuses.container_status(item) for item in sandbox.containers.values()],
            timestamp=self._host.now_ns(),
        )

    @answering
    async def list_pod_sandbox(self, request: cri.ListPodSandboxRequest) -> cri.ListPodSandboxResponse:
        """List sandboxes."""
        wanted = request.filter
        items = [
            statuses.sandbox_summary(sandbox)
            for sandbox in self._chosen_sandboxes(wanted.id, wanted.label_selector)
            if not wanted.HasField("state") or statuses.sandbox_state(sandbox) == wanted.state.state
        ]
        return cri.ListPodSandboxResponse(items=items)

    @answering
    async def update_pod_sandbox_resources(
        self, request: cri.UpdatePodSandboxResourcesRequest
    ) -> cri.UpdatePodSandboxResourcesResponse:
        """Change a pod's limits; the cgroup of one that names its parent is its caller's to change."""
        self._sandboxes.update_limits(self._sandboxes.get(request.pod_sandbox_id), request.resources)
        return cri.UpdatePodSandboxResourcesResponse()

    @answering
    async def create_container(self, request: cri.CreateContainerRequest) -> cri.CreateContainerResponse:
        """Prepare a container."""
        container = self._containers.create(self._sandboxes.get(request.pod_sandbox_id), request.config)
        return cri.CreateContainerResponse(container_id=container.id)

    @answering
    async def start_container(self, request: cri.StartContainerRequest) -> cri.StartContainerResponse:
        """Run a container's command."""
        await self._containers.start(self._containers.get(request.container_id))
        await _events_first()
        return cri.StartContainerResponse()

    @answering
    async def stop_container(self, request: cri.StopContainerRequest) -> cri.StopContainerResponse:
        """Stop a container; one that is gone is stopped."""
        container = self._containers.known.get(request.container_id)
        if container is not None:
            await self._containers.stop(container, request.timeout)
        return cri.StopContainerResponse()

    @answering
    async def remove_container(self, request: cri.RemoveContainerRequest) -> cri.RemoveContainerResponse:
        """Remove a container; one that is gone is removed."""
        container = self._containers.known.get(request.container_id)
        if container is not None:
            await self._remove(container)
        return cri.RemoveContainerResponse()

    @answering
    async def list_containers(self, request: cri.ListContainersRequest) -> cri.ListContainersResponse:
        """List containers."""
        wanted = request.filter
        chosen = self._chosen_containers(wanted.id, wanted.pod_sandbox_id, wanted.label_selector)
        items = [statuses.container_summary(container) for container in chosen]
        if wanted.HasField("state"):
            items = [item for item in items if item.state == wanted.state.state]
        return cri.ListContainersResponse(containers=items)

    @answering
    async def container_status(self, request: cri.ContainerStatusRequest) -> cri.ContainerStatusResponse:
        """Describe a container."""
        container = self._containers.get(request.container_id)
        info = containers_module.inspect(container) if request.verbose else {}
        return cri.ContainerStatusResponse(status=statuses.container_status(container), info=info)

    @answering
    async def update_container_resources(
        self, request: cri.UpdateContainerResourcesRequest
    ) -> cri.UpdateContainerResourcesResponse:
        """Change a container's limits."""
        self._containers.update_limits(self._containers.get(request.container_id), request.linux)
        return cri.UpdateContainerResourcesResponse()

    @answering
    async def reopen_container_log(self, request: cri.ReopenContainerLogRequest) -> cri.ReopenContainerLogResponse:
        """Continue a rotated log in a new file."""
        container = self._containers.get(request.container_id)
        await self._containers.shim_of(container).call("reopen-log", container=container.id)
        return cri.ReopenContainerLogResponse()

    @answering
    async def exec_sync(self, request: cri.ExecSyncRequest) -> cri.ExecSyncResponse:
        """Run a command in a container to its end."""
        if not request.cmd:
            raise invalid(f"container {request.container_id}", "no command was given; set cmd")
        container = self._containers.get(request.container_id)
        shim = self._containers.shim_of(container)
        return await execs.run(shim, container.id, request.cmd, request.timeout)

    @answering
    async def exec(self, request: cri.ExecRequest) -> cri.ExecResponse:
        """Return a URL where a command runs with streams."""
        container = self._containers.get(request.container_id)
        shim = self._containers.shim_of(container)
        if not request.cmd:
            raise invalid(f"container {container.id}", "no command was given; set cmd")
        return cri.ExecResponse(url=await self._streams.exec(shim, request, container.id))

    @answering
    async def attach(self, request: cri.AttachRequest) -> cri.AttachResponse:
        """Return a URL where a container's own streams are."""
        container = self._containers.get(request.container_id)
        shim = self._containers.shim_of(container)
        if request.tty != container.config.tty:
            has = "has" if container.config.tty else "has no"
            raise precondition(f"container {container.id}", f"it {has} terminal; ask with tty={container.config.tty}")
        return cri.AttachResponse(url=await self._streams.attach(shim, request, container))

    @answering
    async def port_forward(self, request: cri.PortForwardRequest) -> cri.PortForwardResponse:
        """Return a URL where ports of a pod are reached."""
        sandbox = self._sandboxes.get(request.pod_sandbox_id)
        if not sandbox.is_ready:
            raise precondition(f"sandbox {sandbox.id}", "it is not ready; run another")
        ports = list(request.port)
        if not all(0 < port < 65536 for port in ports):
            raise invalid(f"sandbox {sandbox.id}", f"ports {ports} can't be forwarded; name some of 1 to 65535")
        return cri.PortForwardResponse(url=await self._streams.port_forward(sandbox.netns_path, ports))

    @answering
    async def container_stats(self, request: cri.ContainerStatsRequest) -> cri.ContainerStatsResponse:
        """Measure a container."""
        return cri.ContainerStatsResponse(
            stats=await asyncio.to_thread(self._stats.container, self._containers.get(request.container_id))
        )

    @answering
    async def list_container_stats(self, request: cri.ListContainerStatsRequest) -> cri.ListContainerStatsResponse:
        """Measure the running containers."""
        wanted = request.filter
        chosen = self._chosen_containers(wanted.id, wanted.pod_sandbox_id, wanted.label_selector)
        running = [item for item in chosen if item.started and not item.ended]
        return cri.ListContainerStatsResponse(
            stats=await asyncio.to_thread(lambda: [self._stats.container(item) for item in running])
        )

    @answering
    async def pod_sandbox_stats(self, request: cri.PodSandboxStatsRequest) -> cri.PodSandboxStatsResponse:
        """Measure a pod."""
        return cri.PodSandboxStatsResponse(
            stats=await asyncio.to_thread(self._stats.sandbox, self._sandboxes.get(request.pod_sandbox_id))
        )

    @answering
    async def list_pod_sandbox_stats(self, request: cri.ListPodSandboxStatsRequest) -> cri.ListPodSandboxStatsResponse:
        """Measure the ready pods."""
        wanted = request.filter
        ready = [item for item in self._chosen_sandboxes(wanted.id, wanted.label_selector) if item.is_ready]
        return cri.ListPodSandboxStatsResponse(
            stats=await asyncio.to_thread(lambda: [self._stats.sandbox(item) for item in ready])
        )

    @answering
    async def list_metric_descriptors(
        self, request: cri.ListMetricDescriptorsRequest
    ) -> cri.ListMetricDescriptorsResponse:
        """Say which metrics there are."""
        return cri.ListMetricDescriptorsResponse(descriptors=metrics.descriptors())

    @answering
    async def list_pod_sandbox_metrics(
        self, request: cri.ListPodSandboxMetricsRequest
    ) -> cri.ListPodSandboxMetricsResponse:
        """Tell the metrics of the ready pods."""
        ready = [item for item in self._sandboxes.known.values() if item.is_ready]
        told = await asyncio.to_thread(lambda: [metrics.of_sandbox(self._host, item) for item in ready])
        return cri.ListPodSandboxMetricsResponse(pod_metrics=told)

    async def get_container_events(
        self, request: cri.GetEventsRequest, context: _Context
    ) -> AsyncIterator[cri.ContainerEventResponse]:
        """Stream what happens from now on; the headers go out once that is certain."""
        subscription = self._host.events.subscribe()
        try:
            await context.send_initial_metadata(())
            async for event in subscription.events():
                yield event
        except RuntimeRefusal as refusal:
            await abort(context, refusal)
        finally:
            self._host.events.unsubscribe(subscription)

    @answering
    async def checkpoint_container(self, request: cri.CheckpointContainerRequest) -> cri.CheckpointContainerResponse:
        """Refuse: nothing here can freeze a process into a file."""
        found = f"container {request.container_id}: checkpoints are not supported"
        raise RuntimeRefusal(Reason.UNIMPLEMENTED, f"{found}; stop the container and start another")

    async def _remove(self, container: Container) -> None:
        await self._containers.remove(container)
        self._stats.rates.forget(container.record.cgroup)

    def _chosen_sandboxes(self, identifier: str, labels: Mapping[str, str]) -> list[Sandbox]:
        return [
            sandbox
            for sandbox in self._sandboxes.known.values()
            if sandbox.id.startswith(identifier) and labels.items() <= dict(sandbox.config.labels).items()
        ]

    def _chosen_containers(self, identifier: str, sandbox_id: str, labels: Mapping[str, str]) -> list[Container]:
        return [
            container
            for container in self._containers.known.values()
            if container.id.startswith(identifier)
            and container.record.sandbox_id.startswith(sandbox_id)
            and labels.items() <= dict(container.config.labels).items()
        ]


async def _events_first() -> None:
    """Let the events that were just published leave before the answer: who hears both need not ask."""
    await asyncio.sleep(0)
