"""Make what the plan wants: each action one operation, which ends well or raises OperationFailed with a reason.

How things end stands in `endings`, how they get other limits in `resizing`.

Keeps true: whatever is cut off in the middle is seen by the next look at the runtime and needs no memory here.
Asks the runtime, the API and the file system; tells people by Events.
Source: docs/pod-lifecycle.md; kubernetes.io/docs/concepts/containers/container-lifecycle-hooks.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from kube.api.core_v1 import Container, Pod, Secret
from kube.api.node_v1 import RuntimeClass
from kube.client import ConnectionLost
from kube.errors import ApiError
from nodeagent.cri.client import CriError
from nodeagent.cri.values import ImageRecord, PodRecord
from nodeagent.pods.containers import find_container, stop_signal_of, target_of
from nodeagent.pods.downward import PodFacts
from nodeagent.pods.environment import ConfigError, References, environment, referred, service_variables
from nodeagent.pods.failures import OperationFailed
from nodeagent.pods.hooks import HookPlace, run_hook
from nodeagent.pods.images import ImageError
from nodeagent.pods.persistent import persistent_volumes
from nodeagent.pods.projections import VolumeError, referred_by_volumes
from nodeagent.pods.resolver import NameTooLongError, dns_of, hostname_of, hosts_file
from nodeagent.pods.resources import kernel_limits
from nodeagent.pods.room import PodRoom
from nodeagent.pods.runtime_config import ContainerWish, Mount, container_config, sandbox_config
from nodeagent.pods.tokens import PodTokens
from nodeagent.pods.user_ranges import IdRange, UserRangeError
from nodeagent.pods.view import StartContainer
from nodeagent.pods.volumes import PodVolumes
from proto import cri_v1

POST_START_MAX_S: Final = 3600.0
HOSTS: Final = "/etc/hosts"
DEFAULT_MESSAGE_PATH: Final = "/dev/termination-log"


class Operations:
    """The operations on one pod."""

    def __init__(self, room: PodRoom, pod: Pod, on_reference_change: Callable[[], None]) -> None:
        self._room = room
        self._on_reference_change = on_reference_change
        self._volumes = PodVolumes(room.dirs, pod)
        self.tokens = PodTokens(room.client)

    # Volumes and sandbox.

    async def prepare_volumes(self, pod: Pod, record: PodRecord) -> None:
        """Make the pod's volumes, or bring them up to date."""
        maps, secrets, tokens = referred_by_volumes(pod.spec.volumes)
        facts = self._facts(pod, record)
        try:
            references = await self._references(pod, maps, secrets)
            held = await self.tokens.get(pod, tokens, self._room.clock.now())
            prepared = self._volumes.is_prepared
            persistent = await persistent_volumes(self._room.client, pod, lambda name: not prepared(name))
            if persistent:  # Their files may be many, and all may have to change hands.
                await asyncio.to_thread(self._volumes.prepare, facts, references, held, persistent)
            else:
                self._volumes.prepare(facts, references, held)
        except (VolumeError, OSError) as error:
            self._room.tell(pod, "Warning", "FailedMount", str(error))
            raise OperationFailed("FailedMount", str(error)) from error
        except (ApiError, ConnectionLost, TimeoutError) as error:
            told = f"MountVolume.SetUp failed: {error or 'the API gave no answer in time'}"
            self._room.tell(pod, "Warning", "FailedMount", told)
            raise OperationFailed("FailedMount", told) from error

    async def create_sandbox(self, pod: Pod, attempt: int) -> str:
        """Make the pod's sandbox; return its id."""
        try:
            self._room.dirs.logs(pod).mkdir(parents=True, exist_ok=True, mode=0o755)
            handler = await self._handler(pod)
            if pod.spec.host_users is False:
                self._room.users.started += 1
                if not await self._room.cri.gives_users(handler):
                    raise UserRangeError(_no_users(handler))
            return await self._room.cri.run_sandbox(self._sandbox_config(pod, attempt), handler)
        except (ApiError, ConnectionLost, CriError, OSError, NameTooLongError, UserRangeError) as error:
            self._count_failure(pod)
            told = f"Failed to create pod sandbox: {error}"
            self._room.tell(pod, "Warning", "FailedCreatePodSandBox", told)
            raise OperationFailed("FailedCreatePodSandBox", told) from error

    async def _handler(self, pod: Pod) -> str:
        """Return which of the runtime's handlers the pod's RuntimeClass names, "" for its default."""
        name = pod.spec.runtime_class_name
        return (await self._room.client.get(RuntimeClass, name)).handler if name else ""

    def _sandbox_config(self, pod: Pod, attempt: int) -> cri_v1.PodSandboxConfig:
        settings = self._room.settings
        return sandbox_config(
            pod,
            attempt,
            hostname=hostname_of(pod, settings.cluster_domain),
            log_directory=str(self._room.dirs.logs(pod)),
            dns=dns_of(pod, settings.host_dns, settings.cluster_dns, settings.cluster_domain),
            cgroup_parent=settings.pod_cgroup(pod.metadata.uid),
            users=self._users(pod),
        )

    def _count_failure(self, pod: Pod) -> None:
        self._room.users.failed += pod.spec.host_users is False

    def _users(self, pod: Pod) -> IdRange | None:
        return self._room.users.of(pod.metadata.uid) if pod.spec.host_users is False else None

    def _facts(self, pod: Pod, record: PodRecord) -> PodFacts:
        sandbox = record.sandbox
        ips = sandbox.ips if sandbox is not None else ()
        if pod.spec.host_network:
            ips = self._room.node.host_ips
        return PodFacts(pod, ips, self._room.node.host_ips, self._room.settings.allocatable)

    async def _references(self, pod: Pod, maps: set[str], secrets: set[str]) -> References:
        if not maps and not secrets:
            return References()
        meta = pod.metadata
        return await self._room.references.get(meta.namespace, maps, secrets, meta.uid, self._on_reference_change)

    # Containers.

    async def start_container(self, pod: Pod, record: PodRecord, action: StartContainer) -> str:
        """Get the image, create, start, run the postStart hook; return the container's id.

        What was created before is only started.
        """
        container = named_container(pod, action.name)
        sandbox = record.sandbox
        if sandbox is None:
            raise OperationFailed("CreateContainerError", "the sandbox is gone; it will be made again")
        container_id = action.made_id or await self._made(pod, record, container, action)
        try:
            await self._room.cri.start_container(container_id)
        except CriError as error:
            self._fail(pod, container, "RunContainerError", str(error).removeprefix(f"container {container_id}: "))
        self._room.tell(pod, "Normal", "Started", "Container started", container.name)
        await self._check_stop_signal(pod, container, container_id)
        await self._post_start(pod, container, container_id, next(iter(sandbox.ips), ""))
        return container_id

    async def _check_stop_signal(self, pod: Pod, container: Container, container_id: str) -> None:
        """Tell where the runtime leaves the signal out that the container is to be stopped with."""
        asked = stop_signal_of(container)
        if asked is None or await self._room.cri.stop_signal(container_id) == asked:
            return
        told = f"lifecycle.stopSignal: {self._room.node.runtime} knows no {asked}; name it in the image as STOPSIGNAL"
        self._room.tell(pod, "Warning", "StopSignalIgnored", told, container.name)

    async def _made(self, pod: Pod, record: PodRecord, container: Container, action: StartContainer) -> str:
        """Create a container; return its id. Raises OperationFailed."""
        try:
            container_id = await self._create(pod, record, container, action)
        except (ConfigError, VolumeError) as error:
            self._fail(pod, container, "CreateContainerConfigError", str(error))
        except (ApiError, ConnectionLost, TimeoutError) as error:
            self._fail(pod, container, "CreateContainerConfigError", str(error) or "the API gave no answer in time")
        except (CriError, OSError) as error:
            self._fail(pod, container, "CreateContainerError", str(error))
        self._room.tell(pod, "Normal", "Created", "Container created", container.name)
        return container_id

    def _fail(self, pod: Pod, container: Container, reason: str, message: str) -> NoReturn:
        self._count_failure(pod)
        self._room.tell(pod, "Warning", "Failed", f"Error: {message}", container.name)
        raise OperationFailed(reason, message)

    async def _create(self, pod: Pod, record: PodRecord, container: Container, action: StartContainer) -> str:
        room, meta, sandbox = self._room, pod.metadata, record.sandbox
        config = self._sandbox_config(pod, sandbox.attempt if sandbox is not None else 0)
        pull_names = {reference.name for reference in pod.spec.image_pull_secrets}
        maps, secrets = referred(pod)
        references = await self._references(pod, maps, secrets | pull_names)
        pull = [secret for name in sorted(pull_names) if (secret := references.secrets.get(name)) is not None]
        ensure = partial(self._image, pod, container.name, config, pull)
        image = await ensure(name=container.image, policy=container.image_pull_policy)
        for volume in self._volumes.images(container):
            await ensure(name=volume.reference, policy=volume.pull_policy)
        links = pod.spec.enable_service_links is not False
        services = service_variables(room.services(), meta.namespace, links=links)
        references = replace(references, files=self._volumes.variables(container))
        variables = environment(container, self._facts(pod, record), references, services)
        message_file = self._message_file(pod, container, action.restart_count)
        wish = ContainerWish(
            image=image,
            restart_count=action.restart_count,
            environment=variables,
            mounts=[
                *await self._volume_mounts(pod, container, variables),
                *self._own_mounts(pod, container, record),
                Mount(container.termination_message_path or DEFAULT_MESSAGE_PATH, message_file, is_relabelled=True),
            ],
            limits=kernel_limits(pod, container, room.settings.memory_bytes, room.settings.allocatable),
            message_file=message_file,
            default_seccomp=room.settings.default_seccomp,
            target_id=_target_id(pod, container, record),
            users=self._users(pod),
        )
        made = container_config(pod, container, wish)
        (room.dirs.logs(pod) / container.name).mkdir(parents=True, exist_ok=True, mode=0o755)
        return await room.cri.create_container(sandbox.id if sandbox is not None else "", made, config)

    async def _volume_mounts(self, pod: Pod, container: Container, variables: Mapping[str, str]) -> list[Mount]:
        """Return what of the volumes a container sees; only where it can is all below a mount made read-only too."""
        mounts = self._volumes.mounts(container, variables)
        is_wanted = any(mount.is_recursive for mount in mounts)
        if not is_wanted or await self._room.cri.locks_mounts_below(await self._handler(pod)):
            return mounts
        for mount in container.volume_mounts:
            if mount.recursive_read_only == "Enabled":
                told = f'volume "{mount.name}" wants recursiveReadOnly, which {self._room.node.runtime} can not give'
                raise ConfigError(f"{told}; use IfPossible, or another runtime")
        return [replace(mount, is_recursive=False) for mount in mounts]

    async def _image(
        self, pod: Pod, who: str, config: cri_v1.PodSandboxConfig, secrets: list[Secret], *, name: str, policy: str
    ) -> ImageRecord:
        def tell(event_type: str, reason: str, message: str) -> None:
            self._room.tell(pod, "Warning" if event_type == "Warning" else "Normal", reason, message, who)

        try:
            return await self._room.images.ensure(name, policy, config, secrets, tell)
        except ImageError as error:
            raise OperationFailed(error.reason, str(error)) from error

    def _message_file(self, pod: Pod, container: Container, restart_count: int) -> str:
        path = self._room.dirs.pod(pod.metadata.uid) / "messages" / container.name / str(restart_count)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.unlink(missing_ok=True)
        path.touch()
        path.chmod(0o666)
        return str(path)

    def _own_mounts(self, pod: Pod, container: Container, record: PodRecord) -> list[Mount]:
        if any(mount.mount_path == HOSTS for mount in container.volume_mounts):
            return []
        ips = record.sandbox.ips if record.sandbox is not None else ()
        host_file = Path(HOSTS).read_text(errors="replace") if pod.spec.host_network else ""
        text = hosts_file(pod, ips, self._room.settings.cluster_domain, host_file)
        path = self._room.dirs.pod(pod.metadata.uid) / "etc-hosts"
        if not path.exists() or path.read_text(errors="replace") != text:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            path.write_text(text)
            path.chmod(0o644)
        return [Mount(HOSTS, str(path), is_relabelled=True)]

    async def _post_start(self, pod: Pod, container: Container, container_id: str, ip: str) -> None:
        hook = container.lifecycle.post_start if container.lifecycle is not None else None
        if hook is None:
            return
        place = HookPlace(container, container_id, ip)
        outcome = await run_hook(hook, place, self._room.cri, self._room.clock, most_s=POST_START_MAX_S)
        if outcome.worked:
            return
        self._room.tell(pod, "Warning", "FailedPostStartHook", f"PostStartHook failed: {outcome.seen}", container.name)
        self._room.tell(pod, "Normal", "Killing", "FailedPostStartHook", container.name)
        await self._room.cri.stop_container(container_id, pod.spec.termination_grace_period_seconds or 0)
        raise OperationFailed("PostStartHookError", f"PostStartHook failed: {outcome.seen}")


def _no_users(handler: str) -> str:
    who = f"runtimeClassName's handler {handler!r}" if handler else "this node's runtime"
    return f"spec.hostUsers: {who} gives pods no users of their own; leave it out, or use another runtimeClassName"


def _target_id(pod: Pod, container: Container, record: PodRecord) -> str:
    """Return which container's processes an ephemeral one is to see, "" for its own alone. Raises ConfigError."""
    name = target_of(pod, container.name)
    target = record.current(name) if name else None
    if name and (target is None or not target.is_running):
        raise ConfigError(f'container "{container.name}": its target container "{name}" is not running')
    return target.id if target is not None else ""


def named_container(pod: Pod, name: str) -> Container:
    """Return the container of that name. Raises OperationFailed."""
    container = find_container(pod, name)
    if container is None:
        raise OperationFailed("CreateContainerError", f'container "{name}": is not in the pod')
    return container
