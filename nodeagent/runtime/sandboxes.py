"""Sandboxes: make one, stop it, remove it, and find the living ones again after a restart.

Keeps true: RunPodSandbox either succeeds or leaves nothing behind; Stop and Remove may be repeated and pick up where
an earlier attempt was cut off; a sandbox is ready only while its shim lives. Writes `sandbox.json`, `resolv.conf`,
`hostname`, the cgroup of the pod; the shim writes the rest (docs/runtime.md).
"""

import asyncio
import contextlib
import logging
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nodeagent.runtime import processes, sandbox_config, sandbox_mounts, shim_client, state, statuses
from nodeagent.runtime.cgroup_trees import Limits
from nodeagent.runtime.errors import Reason, RuntimeRefusal, not_found, precondition
from nodeagent.runtime.host import Host
from nodeagent.runtime.pod import Container, Sandbox, identified, ids_of, namespaces
from nodeagent.runtime.resources import limits_of
from nodeagent.runtime.shim_client import ShimClient
from nodeagent.runtime.state import ExitRecord, SandboxRecord, ShimRecord
from proto import cri_v1 as cri

_LOG = logging.getLogger(__name__)
_CGROUP_ATTEMPTS = 100
_CGROUP_PAUSE_S = 0.01
_EXIT_CODE_LOST = 137
_ZYGOTE_ATTEMPTS = 3


class Sandboxes:
    """Every sandbox of this runtime."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.known: dict[str, Sandbox] = {}
        self._lost: asyncio.Queue[Sandbox] = asyncio.Queue()

    def get(self, identifier: str) -> Sandbox:
        """Return a sandbox; raises NOT_FOUND."""
        matches = identified(identifier, self.known)
        if len(matches) != 1:
            raise not_found("sandbox", identifier)
        return self.known[matches[0]]

    async def run(self, config: cri.PodSandboxConfig, handler: str) -> Sandbox:
        """Make a sandbox that is ready for containers."""
        where = sandbox_config.where(config)
        sandbox_config.check(config, handler, self._host.settings.handlers)
        self._refuse_twin(config)
        label = self._host.selinux.labels_of(config.linux.security_context.selinux_options, where).files
        sandbox = self._record(config, handler)
        async with sandbox.lock:
            try:
                await self._set_up(sandbox, label)
            except BaseException:
                await self._dismantle(sandbox)
                await self.remove_cgroup(sandbox.record.cgroup, owned=sandbox.record.owns_cgroup)
                self._forget(sandbox)
                raise
        _LOG.info("sandbox %s (%s/%s): made", sandbox.id, config.metadata.namespace, config.metadata.name)
        self.announce(cri.CONTAINER_CREATED_EVENT, sandbox.id, sandbox)
        self.announce(cri.CONTAINER_STARTED_EVENT, sandbox.id, sandbox)
        return sandbox

    async def stop(self, identifier: str) -> None:
        """End every process of a sandbox and give its network back; done before is done."""
        matches = identified(identifier, self.known)
        if len(matches) != 1:
            return
        sandbox = self.known[matches[0]]
        async with sandbox.lock:
            was_ready = sandbox.record.is_ready
            await self._dismantle(sandbox)
        if was_ready:
            self.announce(cri.CONTAINER_STOPPED_EVENT, sandbox.id, sandbox)

    def update_limits(self, sandbox: Sandbox, resources: cri.LinuxContainerResources) -> None:
        """Change the limits of a whole pod, where its cgroup is the runtime's own."""
        if not sandbox.is_ready:
            raise precondition(f"sandbox {sandbox.id}", "it is not ready; its limits can't be changed")
        if not sandbox.record.owns_cgroup:
            return
        try:
            self._host.cgroups.apply(sandbox.record.cgroup, limits_of(resources))
        except OSError as error:
            raise precondition(f"sandbox {sandbox.id}", str(error)) from None

    async def remove(self, identifier: str) -> Sandbox | None:
        """Remove a sandbox whose containers have been removed; what is not here is no error."""
        matches = identified(identifier, self.known)
        if len(matches) != 1:
            return None
        sandbox = self.known[matches[0]]
        async with sandbox.lock:
            await self._dismantle(sandbox)
            await self.remove_cgroup(sandbox.record.cgroup, owned=sandbox.record.owns_cgroup)
            await asyncio.to_thread(self._forget, sandbox)
        self.announce(cri.CONTAINER_DELETED_EVENT, sandbox.id, sandbox)
        return sandbox

    def announce(self, kind: cri.ContainerEventType, identifier: str, sandbox: Sandbox) -> None:
        """Tell the event streams about a sandbox or container of it."""
        if self._host.events.has_listeners:
            self._host.events.publish(statuses.event(kind, identifier, sandbox, self._host.now_ns()))

    async def recover(self) -> None:
        """Find what an earlier runtime made; end what it left half made."""
        for folder in self._host.settings.sandboxes_dir.iterdir():
            record = state.load(folder / "sandbox.json", SandboxRecord)
            if record is None:
                await asyncio.to_thread(state.remove_tree, folder)
                continue
            self.known[record.id] = Sandbox(record, folder, self._run_dir(record.id))

    async def reconnect(self, sandbox: Sandbox) -> None:
        """Take up with the shim of a sandbox found on disk, or account for its loss; containers must be known."""
        if not sandbox.record.is_ready:
            async with sandbox.lock:
                await self._dismantle_if_possible(sandbox)
            return
        if state.is_alive(sandbox.record.shim_pid, sandbox.record.shim_start_time):
            with contextlib.suppress(OSError):
                self._adopt(sandbox, shim_client.connect(sandbox.run_dir / "shim.sock"))
        for container in sandbox.containers.values():
            container.read_records()
        if sandbox.shim is None:
            await self._on_lost_shim(sandbox)

    async def watch_losses(self) -> None:
        """Account for every sandbox whose shim was lost, for as long as the runtime runs."""
        while True:
            sandbox = await self._lost.get()
            if self.known.get(sandbox.id) is sandbox and sandbox.record.is_ready and sandbox.shim is None:
                await self._on_lost_shim(sandbox)

    def close(self) -> None:
        """Leave the shims to themselves."""
        for sandbox in self.known.values():
            if sandbox.shim is not None:
                sandbox.shim.close()

    async def remove_cgroup(self, path: str, *, owned: bool = True) -> None:
        """Remove a group once its last process has ended."""
        for _ in range(_CGROUP_ATTEMPTS if owned else 0):
            if self._host.cgroups.remove(path):
                return
            await asyncio.sleep(_CGROUP_PAUSE_S)

    def _refuse_twin(self, config: cri.PodSandboxConfig) -> None:
        metadata = config.metadata
        key = (metadata.namespace, metadata.name, metadata.uid, metadata.attempt)
        for other in self.known.values():
            known = other.config.metadata
            if (known.namespace, known.name, known.uid, known.attempt) == key:
                found = f"attempt {metadata.attempt} exists as {other.id}"
                where = sandbox_config.where(config)
                raise RuntimeRefusal(Reason.ALREADY_EXISTS, f"{where}: {found}; remove it or raise attempt")

    def _record(self, config: cri.PodSandboxConfig, handler: str) -> Sandbox:
        identifier = secrets.token_hex(32)
        parent = config.linux.cgroup_parent
        cgroup = parent or f"{self._host.settings.cgroup_parent}/{identifier}"
        record = SandboxRecord(
            id=identifier,
            created_at_ns=self._host.now_ns(),
            config=config.SerializeToString(),
            cgroup=cgroup,
            owns_cgroup=not self._host.cgroups.exists(cgroup),
            has_network="net" in namespaces(config),
            handler=handler,
        )
        folder = self._host.settings.sandboxes_dir / identifier
        folder.mkdir(mode=0o700)
        sandbox = Sandbox(record, folder, self._run_dir(identifier))
        sandbox.save()
        self.known[identifier] = sandbox
        return sandbox

    def _run_dir(self, identifier: str) -> Path:
        return self._host.settings.run_dir / identifier

    async def _set_up(self, sandbox: Sandbox, label: str) -> None:
        """label: SELinux's, of the files that all its containers share."""
        config, host = sandbox.config, self._host
        ids, own = ids_of(config), namespaces(config)
        sandbox_mounts.prepare(sandbox.run_dir, [*own, *(["user"] if ids else [])])
        request = {"run": str(sandbox.run_dir), "state": str(sandbox.folder), **sandbox_config.for_shim(config)}
        shim = self._adopt(sandbox, host.zygote.fork_shim(request))  # It is busy while we do the rest.
        _write_readable(sandbox.folder / "hostname", f"{sandbox_config.hostname(config)}\n")
        _write_readable(sandbox.folder / "resolv.conf", sandbox_config.resolv_conf(config.dns_config))
        limits = limits_of(config.linux.resources) if sandbox.record.owns_cgroup else Limits()
        host.cgroups.create(sandbox.record.cgroup, limits)
        if "ipc" in own:
            sandbox_mounts.mount_shm(sandbox.run_dir, ids, label)
        told = await self._first_answer(sandbox, shim, request)
        if not ids and not sandbox_mounts.pin(sandbox.run_dir, own, told["pid"], told["start_time"]):
            raise _ended_at_once(sandbox)
        addresses = await self._attach_network(sandbox)
        sandbox.record = msgspec.structs.replace(
            sandbox.record,
            shim_pid=told["pid"],
            shim_start_time=told["start_time"],
            addresses=tuple(addresses),
            is_ready=True,
        )
        sandbox.save()

    async def _first_answer(self, sandbox: Sandbox, shim: ShimClient, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what the new shim says of itself; a zygote that died over the request is asked again, once renewed."""
        for _ in range(_ZYGOTE_ATTEMPTS):
            try:
                return (await shim.first_answer()).content
            except shim_client.ShimLostError:
                if (sandbox.folder / "shim.json").exists():
                    break
                shim = self._adopt(sandbox, self._host.zygote.fork_shim(request))
        raise _ended_at_once(sandbox)

    async def _attach_network(self, sandbox: Sandbox) -> Sequence[str]:
        if not sandbox.netns_path:
            return ()
        ports = sandbox_config.host_ports(sandbox.config)
        try:
            return await self._host.network.attach(sandbox.id, sandbox.netns_path, ports)
        except (OSError, RuntimeError, ValueError) as error:
            raise RuntimeRefusal(Reason.UNKNOWN, f"sandbox network: {error}") from error

    def _adopt(self, sandbox: Sandbox, connection: socket.socket) -> ShimClient:
        def on_event(event: Mapping[str, Any]) -> None:
            container = sandbox.containers.get(event["container"])
            if container is not None and container.read_records():
                self.note_end(container, sandbox)

        def on_lost() -> None:
            sandbox.shim = None
            self._lost.put_nowait(sandbox)

        sandbox.shim = ShimClient(connection, on_event, on_lost)
        return sandbox.shim

    def note_end(self, container: Container, sandbox: Sandbox) -> None:
        """Announce that a container has ended."""
        ended = container.ended
        if ended is not None:
            _LOG.info("container %s: running -> exited, %s, code %d", container.id, ended.reason, ended.exit_code)
        self.announce(cri.CONTAINER_STOPPED_EVENT, container.id, sandbox)

    async def _on_lost_shim(self, sandbox: Sandbox) -> None:
        """End what a lost shim has left running, account for it, and declare the sandbox not ready."""
        async with sandbox.lock:
            if sandbox.shim is not None or not sandbox.record.is_ready:
                return
            _LOG.warning("sandbox %s: ready -> not ready, its shim has gone", sandbox.id)
            await self._dismantle_if_possible(sandbox)
        self.announce(cri.CONTAINER_STOPPED_EVENT, sandbox.id, sandbox)

    async def _dismantle_if_possible(self, sandbox: Sandbox) -> None:
        """Dismantle with nobody to tell of a failure: StopPodSandbox will come, and goes on where this stopped."""
        try:
            await self._dismantle(sandbox)
        except (OSError, RuntimeError, RuntimeRefusal) as error:
            _LOG.error("sandbox %s: it could not be dismantled (%s); StopPodSandbox tries again", sandbox.id, error)

    async def _dismantle(self, sandbox: Sandbox) -> None:
        """End the processes, the network and the pins of a sandbox; every step may have been done before."""
        if sandbox.record.is_dismantled:
            return
        sandbox.record = msgspec.structs.replace(sandbox.record, is_ready=False)
        await self._end_containers(sandbox)
        if sandbox.record.has_network:
            await self._host.network.detach(sandbox.id, str(sandbox.run_dir / "ns" / "net"))
        await self._end_shim(sandbox)
        await self._end_strays(sandbox)
        sandbox_mounts.release(sandbox.run_dir)
        sandbox.record = msgspec.structs.replace(sandbox.record, is_dismantled=True)
        sandbox.save()

    async def _end_containers(self, sandbox: Sandbox) -> None:
        for container in sandbox.containers.values():
            container.read_records()  # Its start may have been cut off: then nobody has looked yet.
        running = [container for container in sandbox.containers.values() if container.started and not container.ended]
        if sandbox.shim is not None:
            for container in running:
                with contextlib.suppress(shim_client.ShimLostError, shim_client.ShimRefusalError):
                    await sandbox.shim.call("kill", container=container.id)
        for container in running:
            if sandbox.shim is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(processes.END_TIMEOUT_S):
                        await container.over.wait()
            if not container.ended:
                await self._give_up(container, sandbox)

    async def _end_strays(self, sandbox: Sandbox) -> None:
        """End what runs all the same of containers whose start was cut off: no record names it."""
        for container in (container for container in sandbox.containers.values() if container.started is None):
            for pid in self._host.cgroups.processes(container.record.cgroup):
                await processes.end(pid, state.start_time_of(pid))

    async def _give_up(self, container: Container, sandbox: Sandbox) -> None:
        """Kill what is left of a container that no shim keeps, and account for its end unless that has been done."""
        if container.read_records():
            self.note_end(container, sandbox)
            return
        if container.started is not None:
            await processes.end(container.started.pid, container.started.start_time)
        for pid in self._host.cgroups.processes(container.record.cgroup):
            await processes.end(pid, state.start_time_of(pid))
        message = "its shim was killed while it ran; how it would have ended is not known"
        now = self._host.now_ns()
        container.give_up(ExitRecord(exit_code=_EXIT_CODE_LOST, finished_at=now, reason="Unknown", message=message))
        self.note_end(container, sandbox)

    async def _end_shim(self, sandbox: Sandbox) -> None:
        shim, sandbox.shim = sandbox.shim, None
        if shim is not None:
            with contextlib.suppress(shim_client.ShimLostError, shim_client.ShimRefusalError):
                await shim.call("leave")
            shim.close()
        state.save_first(sandbox.folder / "shim.json", ShimRecord(pid=0, start_time=0))
        written = state.load(sandbox.folder / "shim.json", ShimRecord)
        if written is not None:
            await processes.end(written.pid, written.start_time, kill=shim is None)

    def _forget(self, sandbox: Sandbox) -> None:
        for folder in (sandbox.run_dir, sandbox.folder):
            if folder.exists():
                state.remove_tree(folder)
        self.known.pop(sandbox.id, None)


def _ended_at_once(sandbox: Sandbox) -> RuntimeRefusal:
    found = "sandbox: its shim ended at once"
    return RuntimeRefusal(Reason.UNAVAILABLE, f"{found}; look into {sandbox.run_dir}/shim.log and try again")


def _write_readable(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o644)
