"""Speak CRI v1 with a container runtime.

Keeps true: everything beyond this module sees plain values (`nodeagent.cri.values`) and CriError, never grpc.
Reads and writes the runtime's unix socket.
Source: proto/cri_v1.proto.
"""

from __future__ import annotations  # grpc's classes take no parameters at run time, only in their stubs.

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Final, TypeVar

import grpc
import grpc.aio
import msgspec

from nodeagent.cri import records, values
from nodeagent.cri.values import (
    ContainerEvent,
    ContainerRecord,
    ContainerState,
    ImageRecord,
    LayerProgress,
    PodRecord,
    RuntimeCondition,
    RuntimeVersion,
    SandboxRecord,
    newest,
)
from proto import cri_v1

CALL_TIMEOUT_S: Final = 120.0
PULL_TIMEOUT_S: Final = 3600.0
PULL_STREAM: Final = "/wherry.v1.Images/PullImage"
"""Our own runtime's PullImage that tells how far it is."""
STOP_SLACK_S: Final = 30.0
BEGUN_S: Final = 0.2
"""After how long a runtime that takes a call for events is sure to tell them, though it has not said so."""
_MESSAGE_MAX: Final = 16 * 1024 * 1024

Answer = TypeVar("Answer")


class CriError(Exception):
    """The runtime refused or didn't answer. code: grpc's word ("NOT_FOUND", "UNAVAILABLE")."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


UNAVAILABLE: Final = "UNAVAILABLE"
"""The code where nobody answers at the socket."""
NOT_FOUND: Final = "NOT_FOUND"
"""The code where the runtime has no container, sandbox or image of that name."""
UNKNOWN_CALL: Final = "UNIMPLEMENTED"
"""The code where the runtime's CRI is older than a call (for GetContainerEvents, before containerd 1.7)."""


class Cri:
    """A connection to one runtime. It reconnects by itself; calls made meanwhile raise CriError UNAVAILABLE."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.tells_events = False
        """Whether whoever follows `events` has heard of one since they began."""
        options = [("grpc.max_receive_message_length", _MESSAGE_MAX), ("grpc.max_reconnect_backoff_ms", 1000)]
        options += [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(endpoint, options=options)
        self._runtime = cri_v1.RuntimeServiceStub(self._channel)
        self._images = cri_v1.ImageServiceStub(self._channel)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._channel.close()

    async def _call(self, method: Callable[..., Any], request: Any, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        try:
            return await method(request, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise _told(error) from error

    async def _call_unless_gone(self, method: Callable[..., Any], request: Any) -> Any:
        """Return the answer, None where the runtime has no such thing any more."""
        try:
            return await self._call(method, request)
        except CriError as error:
            if error.code == NOT_FOUND:
                return None
            raise

    async def version(self) -> RuntimeVersion:
        """Return the runtime's name and version."""
        answer = await self._call(self._runtime.version, cri_v1.VersionRequest(version="v1"), 10)
        return RuntimeVersion(answer.runtime_name, answer.runtime_version)

    async def conditions(self) -> list[RuntimeCondition]:
        """Return what the runtime says of its own readiness."""
        answer = await self._call(self._runtime.status, cri_v1.StatusRequest(), 10)
        return [RuntimeCondition(c.type, c.status, c.reason, c.message) for c in answer.status.conditions]

    async def gives_users(self, handler: str) -> bool:
        """Say whether a pod that this runtime handler makes can have a user namespace of its own."""
        return bool((await self._features(handler)).user_namespaces)

    async def locks_mounts_below(self, handler: str) -> bool:
        """Say whether this runtime handler can make a mount read-only with all that is mounted below it."""
        return bool((await self._features(handler)).recursive_read_only_mounts)

    async def _features(self, handler: str) -> cri_v1.RuntimeHandlerFeatures:
        answer = await self._call(self._runtime.status, cri_v1.StatusRequest(), 10)
        found = (known.features for known in answer.runtime_handlers if known.name == handler)
        return next(found, cri_v1.RuntimeHandlerFeatures())

    async def info(self) -> dict[str, str]:
        """Return what the runtime tells of itself beyond the CRI: JSON by keys of its own choice."""
        answer = await self._call(self._runtime.status, cri_v1.StatusRequest(verbose=True), 10)
        return dict(answer.info)

    async def set_pod_cidr(self, pod_cidr: str) -> None:
        """Tell the runtime's network the node's range of pod addresses."""
        config = cri_v1.RuntimeConfig(network_config=cri_v1.NetworkConfig(pod_cidr=pod_cidr))
        await self._call(self._runtime.update_runtime_config, cri_v1.UpdateRuntimeConfigRequest(runtime_config=config))

    async def pods(self) -> dict[str, PodRecord]:
        """Return all that the runtime has, by pod uid, without addresses and exit codes."""
        sandboxes, containers = await asyncio.gather(
            self._call(self._runtime.list_pod_sandbox, cri_v1.ListPodSandboxRequest()),
            self._call(self._runtime.list_containers, cri_v1.ListContainersRequest()),
        )
        listed: dict[str, PodRecord] = {}
        for item in sandboxes.items:
            record = listed.get(item.metadata.uid, PodRecord())
            listed[item.metadata.uid] = PodRecord(newest([*record.sandboxes, records.sandbox_of(item)]), ())
        for item in containers.containers:
            uid = item.labels.get(values.POD_UID, "")
            if uid in listed:
                record = listed[uid]
                listed[uid] = PodRecord(
                    record.sandboxes, newest([*record.containers, records.listed_container_of(item)])
                )
        return listed

    async def pod(self, uid: str, ended: dict[str, ContainerRecord]) -> PodRecord:
        """Return all that the runtime has of one pod.

        ended: containers that have ended, by id; they never change again, so they are asked for once. Grows and
        shrinks here.
        """
        by_uid = {values.POD_UID: uid}
        sandboxes, containers = await asyncio.gather(
            self._call(
                self._runtime.list_pod_sandbox,
                cri_v1.ListPodSandboxRequest(filter=cri_v1.PodSandboxFilter(label_selector=by_uid)),
            ),
            self._call(
                self._runtime.list_containers,
                cri_v1.ListContainersRequest(filter=cri_v1.ContainerFilter(label_selector=by_uid)),
            ),
        )
        seen_sandboxes = newest([records.sandbox_of(item) for item in sandboxes.items])
        statuses = [self._sandbox_status(s) if s.is_ready else _itself(s) for s in seen_sandboxes]
        asked = [self._container_status(item, ended) for item in containers.containers]
        told: Sequence[Any] = await asyncio.gather(*statuses, *asked)
        found = [record for record in told[len(statuses) :] if record is not None]
        for container_id in ended.keys() - {record.id for record in found}:
            del ended[container_id]
        return PodRecord(tuple(s for s in told[: len(statuses)] if s is not None), newest(found))

    async def _sandbox_status(self, listed: SandboxRecord) -> SandboxRecord | None:
        request = cri_v1.PodSandboxStatusRequest(pod_sandbox_id=listed.id)
        answer = await self._call_unless_gone(self._runtime.pod_sandbox_status, request)
        return records.sandbox_of(answer.status) if answer is not None else None

    async def _container_status(self, listed: Any, ended: dict[str, ContainerRecord]) -> ContainerRecord | None:
        if listed.id in ended:
            return ended[listed.id]
        request = cri_v1.ContainerStatusRequest(container_id=listed.id)
        answer = await self._call_unless_gone(self._runtime.container_status, request)
        if answer is None:
            return None
        record = records.container_of(answer.status, listed.pod_sandbox_id)
        if record.state is ContainerState.EXITED:
            ended[record.id] = record
        return record

    async def pod_in(self, sandbox_id: str) -> tuple[PodRecord, int] | None:
        """Return all that one sandbox holds, and as of when, in one call; None where the runtime can't tell so."""
        request = cri_v1.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        answer = await self._call_unless_gone(self._runtime.pod_sandbox_status, request)
        if answer is None or not answer.timestamp:
            return None
        return records.pod_of(answer.status, answer.containers_statuses), int(answer.timestamp)

    async def run_sandbox(self, config: cri_v1.PodSandboxConfig, handler: str = "") -> str:
        """Make a sandbox with its network; return its id."""
        request = cri_v1.RunPodSandboxRequest(config=config, runtime_handler=handler)
        answer = await self._call(self._runtime.run_pod_sandbox, request)
        return str(answer.pod_sandbox_id)

    async def update_sandbox(self, sandbox_id: str, resources: cri_v1.LinuxContainerResources) -> None:
        """Give a whole pod other limits."""
        request = cri_v1.UpdatePodSandboxResourcesRequest(pod_sandbox_id=sandbox_id, resources=resources)
        await self._call(self._runtime.update_pod_sandbox_resources, request)

    async def sandbox(self, sandbox_id: str) -> SandboxRecord:
        """Return one sandbox with its addresses."""
        request = cri_v1.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        return records.sandbox_of((await self._call(self._runtime.pod_sandbox_status, request)).status)

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """End what runs in a sandbox and give its network back."""
        await self._call(self._runtime.stop_pod_sandbox, cri_v1.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Remove a sandbox with all its containers."""
        await self._call(self._runtime.remove_pod_sandbox, cri_v1.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id))

    async def create_container(
        self, sandbox_id: str, config: cri_v1.ContainerConfig, sandbox_config: cri_v1.PodSandboxConfig
    ) -> str:
        """Make a container ready to start; return its id."""
        request = cri_v1.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config)
        return str((await self._call(self._runtime.create_container, request)).container_id)

    async def start_container(self, container_id: str) -> None:
        """Start a created container."""
        await self._call(self._runtime.start_container, cri_v1.StartContainerRequest(container_id=container_id))

    async def stop_container(self, container_id: str, grace_s: int) -> None:
        """Ask a container to end, force it after `grace_s`; returns when it is over."""
        request = cri_v1.StopContainerRequest(container_id=container_id, timeout=grace_s)
        await self._call(self._runtime.stop_container, request, grace_s + STOP_SLACK_S)

    async def update_container(self, container_id: str, resources: cri_v1.LinuxContainerResources) -> None:
        """Give a running container other limits."""
        request = cri_v1.UpdateContainerResourcesRequest(container_id=container_id, linux=resources)
        await self._call(self._runtime.update_container_resources, request)

    async def remove_container(self, container_id: str) -> None:
        """Remove a container."""
        await self._call(self._runtime.remove_container, cri_v1.RemoveContainerRequest(container_id=container_id))

    async def stop_signal(self, container_id: str) -> str:
        """Return the signal with which a container is asked to end, "" where the runtime doesn't tell."""
        request = cri_v1.ContainerStatusRequest(container_id=container_id)
        return records.signal_of((await self._call(self._runtime.container_status, request)).status.stop_signal)

    async def reopen_log(self, container_id: str) -> None:
        """Have the runtime open the container's log file anew, after it was renamed."""
        request = cri_v1.ReopenContainerLogRequest(container_id=container_id)
        await self._call(self._runtime.reopen_container_log, request)

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout_s: int) -> tuple[int, bytes]:
        """Run a command in a container; return its exit code and what it wrote. CriError DEADLINE_EXCEEDED if slow."""
        request = cri_v1.ExecSyncRequest(container_id=container_id, cmd=command, timeout=timeout_s)
        answer = await self._call(self._runtime.exec_sync, request, (timeout_s or 3600) + 5)
        return int(answer.exit_code), bytes(answer.stdout + answer.stderr)

    async def exec_url(
        self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool, stdout: bool, stderr: bool
    ) -> str:
        """Return where the runtime streams a command that it is about to run."""
        request = cri_v1.ExecRequest(
            container_id=container_id, cmd=command, tty=tty, stdin=stdin, stdout=stdout, stderr=stderr
        )
        return str((await self._call(self._runtime.exec, request)).url)

    async def attach_url(self, container_id: str, *, tty: bool, stdin: bool, stdout: bool, stderr: bool) -> str:
        """Return where the runtime streams the container's own input and output."""
        request = cri_v1.AttachRequest(container_id=container_id, tty=tty, stdin=stdin, stdout=stdout, stderr=stderr)
        return str((await self._call(self._runtime.attach, request)).url)

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int]) -> str:
        """Return where the runtime streams connections to ports of the pod."""
        request = cri_v1.PortForwardRequest(pod_sandbox_id=sandbox_id, port=ports)
        return str((await self._call(self._runtime.port_forward, request)).url)

    async def image(self, name: str) -> ImageRecord | None:
        """Return an image that the node has, None where it hasn't."""
        request = cri_v1.ImageStatusRequest(image=cri_v1.ImageSpec(image=name))
        answer = await self._call(self._images.image_status, request)
        return records.image_of(answer.image) if answer.HasField("image") else None

    async def pull(self, name: str, auth: cri_v1.AuthConfig | None, sandbox: cri_v1.PodSandboxConfig) -> str:
        """Fetch an image; return its reference."""
        request = cri_v1.PullImageRequest(image=cri_v1.ImageSpec(image=name), auth=auth, sandbox_config=sandbox)
        return str((await self._call(self._images.pull_image, request, PULL_TIMEOUT_S)).image_ref)

    async def pull_telling(self, name: str, tell: Callable[[list[LayerProgress]], None]) -> str:
        """Fetch an image, telling how far that is; return its reference. Other runtimes than our own tell nothing."""
        request = cri_v1.PullImageRequest(image=cri_v1.ImageSpec(image=name))
        pull: Any = self._channel.unary_stream(
            PULL_STREAM, request_serializer=cri_v1.PullImageRequest.SerializeToString, response_deserializer=None
        )
        try:
            async for message in pull(request, timeout=PULL_TIMEOUT_S):
                told = msgspec.json.decode(message, type=str | list[LayerProgress])
                if isinstance(told, str):
                    return told
                tell(told)
        except grpc.aio.AioRpcError as error:
            if error.code().name != UNKNOWN_CALL:
                raise _told(error) from error
        return await self.pull(name, None, cri_v1.PodSandboxConfig())

    async def images(self) -> list[ImageRecord]:
        """Return all images that the node has."""
        answer = await self._call(self._images.list_images, cri_v1.ListImagesRequest())
        return [records.image_of(image) for image in answer.images]

    async def images_in_use(self) -> frozenset[str]:
        """Return what the containers that exist were made from, by id and by name."""
        answer = await self._call(self._runtime.list_containers, cri_v1.ListContainersRequest())
        named = {name for item in answer.containers for name in (item.image.image, item.image_ref, item.image_id)}
        return frozenset(named - {""})

    async def remove_image(self, name: str) -> None:
        """Remove an image; nothing happens where there is none of that name."""
        await self._call(self._images.remove_image, cri_v1.RemoveImageRequest(image=cri_v1.ImageSpec(image=name)))

    async def container_memory_bytes(self, container_id: str) -> int:
        """Return how much memory a container uses."""
        request = cri_v1.ContainerStatsRequest(container_id=container_id)
        answer = await self._call(self._runtime.container_stats, request)
        return int(answer.stats.memory.usage_bytes.value)

    async def sandbox_memory_bytes(self, sandbox_id: str) -> int:
        """Return how much memory all that is in a sandbox uses."""
        request = cri_v1.PodSandboxStatsRequest(pod_sandbox_id=sandbox_id)
        answer = await self._call(self._runtime.pod_sandbox_stats, request)
        return int(answer.stats.linux.memory.usage_bytes.value)

    async def pod_stats(self) -> Sequence[cri_v1.PodSandboxStats]:
        """Return what every sandbox uses, as the wire has it."""
        answer = await self._call(self._runtime.list_pod_sandbox_stats, cri_v1.ListPodSandboxStatsRequest())
        return list(answer.stats)

    async def pod_metrics(self) -> tuple[Sequence[cri_v1.MetricDescriptor], Sequence[cri_v1.PodSandboxMetrics]]:
        """Return the metrics of every sandbox, as the wire has them, with what they mean."""
        described = await self._call(self._runtime.list_metric_descriptors, cri_v1.ListMetricDescriptorsRequest())
        told = await self._call(self._runtime.list_pod_sandbox_metrics, cri_v1.ListPodSandboxMetricsRequest())
        return list(described.descriptors), list(told.pod_metrics)

    async def image_mountpoint(self) -> str:
        """Return where the runtime keeps images, "" where it doesn't say."""
        answer = await self._call(self._images.image_fs_info, cri_v1.ImageFsInfoRequest())
        return next((str(found.fs_id.mountpoint) for found in answer.image_filesystems), "")

    async def events(self, on_begin: Callable[[], None]) -> AsyncIterator[ContainerEvent]:
        """Yield what happens to containers and sandboxes until the runtime goes away (CriError).

        on_begin: called when the runtime has begun to tell: what happened before has to be asked for.
        """
        call: Any = self._runtime.get_container_events(cri_v1.GetEventsRequest())
        beginning = asyncio.create_task(_await_beginning(call, on_begin))
        try:
            async for event in call:
                self.tells_events = True
                yield records.event_of(event)
        except grpc.aio.AioRpcError as error:
            raise _told(error) from error
        finally:
            beginning.cancel()
            self.tells_events = False


async def _await_beginning(call: Any, on_begin: Callable[[], None]) -> None:
    """Wait for the head of the answer; containerd sends it with its first event, so it isn't waited for alone."""
    head = asyncio.ensure_future(call.initial_metadata())
    with contextlib.suppress(grpc.aio.AioRpcError):
        done, _ = await asyncio.wait((head,), timeout=BEGUN_S)
        if not done:
            on_begin()
        await head
        on_begin()


def _told(error: grpc.aio.AioRpcError) -> CriError:
    return CriError(error.code().name, error.details() or error.code().name)


async def _itself(record: SandboxRecord) -> SandboxRecord:
    return record
