"""Containers: create, start, stop, remove; change their limits; find them again after a restart.

Keeps true: a container's command runs at most once; its exit is announced once; Remove leaves no mount, cgroup,
process or file. Writes `container.json`, `config.json`, `launch.json` of each bundle; the shim writes the rest.
"""

import asyncio
import json
import logging
import os
import secrets
from pathlib import Path

import msgspec

from nodeagent.runtime import (
    bundle,
    devices,
    handlers,
    resources,
    security_profiles,
    selinux,
    shim_client,
    signals,
    state,
)
from nodeagent.runtime.bundle import Place
from nodeagent.runtime.errors import Reason, RuntimeRefusal, invalid, not_found, precondition
from nodeagent.runtime.host import Host
from nodeagent.runtime.images.model import Image, ImageConfig
from nodeagent.runtime.images.store import HOST_IMAGE_ID
from nodeagent.runtime.pod import Container, Sandbox, identified, ids_of, namespaces
from nodeagent.runtime.resources import limits_of, overlaid
from nodeagent.runtime.sandboxes import Sandboxes
from nodeagent.runtime.shim_container import LAUNCH_KEYS
from nodeagent.runtime.state import ContainerRecord, Phase
from proto import cri_v1 as cri

_LOG = logging.getLogger(__name__)
KILL_TIMEOUT_S = 30.0
_OCI_NAMES = {"net": "network", "ipc": "ipc", "uts": "uts", "user": "user"}


class Containers:
    """Every container of this runtime."""

    def __init__(self, host: Host, sandboxes: Sandboxes) -> None:
        self._host = host
        self._sandboxes = sandboxes
        self.known: dict[str, Container] = {}

    def get(self, identifier: str) -> Container:
        """Return a container; raises NOT_FOUND."""
        matches = identified(identifier, self.known)
        if len(matches) != 1:
            raise not_found("container", identifier)
        return self.known[matches[0]]

    def sandbox_of(self, container: Container) -> Sandbox:
        """Return the sandbox that a container is in."""
        return self._sandboxes.known[container.record.sandbox_id]

    def shim_of(self, container: Container) -> shim_client.ShimClient:
        """Return the shim of a running container; raises FAILED_PRECONDITION."""
        shim = self.sandbox_of(container).shim
        if shim is None or container.phase is not Phase.RUNNING:
            raise precondition(f"container {container.id}", f"it is {container.phase.name}, not RUNNING")
        return shim

    def create(self, sandbox: Sandbox, config: cri.ContainerConfig) -> Container:
        """Prepare a container: everything but its process exists afterwards."""
        where = f"container {config.metadata.name!r}"
        if not config.metadata.name:
            raise invalid("container", "its metadata lacks a name; set it")
        if not sandbox.is_ready:
            raise precondition(where, f"sandbox {sandbox.id} is not ready; run another")
        for other in sandbox.containers.values():
            known = other.config.metadata
            if (known.name, known.attempt) == (config.metadata.name, config.metadata.attempt):
                found = f"attempt {known.attempt} exists as {other.id}"
                raise RuntimeRefusal(Reason.ALREADY_EXISTS, f"{where}: {found}; remove it or raise attempt")
        image = self._image(config.image.image, where)
        volumes = self._volumes(config, where)
        security = config.linux.security_context
        labels = self._host.selinux.labels_of(security.selinux_options, where, privileged=security.privileged)
        record = self._record(sandbox, config, image)
        folder = self._host.settings.containers_dir / record.id
        place = self._place(sandbox, config, image, record, folder)
        layers = {path: self._host.images.root_layers(volume) for path, volume in volumes.items()}
        seccomp_profile = security_profiles.seccomp_of(config, where)
        place = msgspec.structs.replace(
            place,
            volumes=tuple(layers.items()),
            seccomp=seccomp_profile,
            apparmor=self._host.apparmor.profile_of(security, where),
            labels=labels,
        )
        oci, launch = bundle.oci_config(config, image.config, place), bundle.launch(config, image.config, place)
        self._check_mounts(config, where)
        resources.check(config.linux.resources, where)
        devices.check(config, where)
        handlers.check_container(config, sandbox.record.handler, where)
        launch["handler"] = handlers.command_of(sandbox.record.handler, self._host.settings.handlers)
        launch["own_kernel"] = handlers.has_own_kernel(launch["handler"])
        container = Container(record, folder)
        try:
            for mount in config.mounts if labels.files else ():
                if mount.selinux_relabel:
                    selinux.relabel(mount.host_path, labels.files, where)
            self._write_bundle(container, [image, *volumes.values()])
            limits = limits_of(config.linux.resources, pids=self._host.settings.pids_per_container)
            kept_to = devices.rules(config, oci["process"]["capabilities"]["bounding"])
            is_everywhere = security_profiles.may_mount(config)
            limits = msgspec.structs.replace(limits, devices=kept_to, is_swap_off=True, is_everywhere=is_everywhere)
            self._host.cgroups.create(record.cgroup, limits)
            launch["cgroups"] = self._host.cgroups.entry_files(record.cgroup)
            state.save_json(folder / "config.json", oci)
            state.save_json(folder / "launch.json", launch)
        except (OSError, RuntimeRefusal) as error:
            self._host.cgroups.remove(record.cgroup)
            self._discard(container)
            if isinstance(error, RuntimeRefusal):
                raise
            raise invalid(where, _words(error)) from error
        self.known[record.id] = sandbox.containers[record.id] = container
        self._sandboxes.announce(cri.CONTAINER_CREATED_EVENT, record.id, sandbox)
        return container

    async def start(self, container: Container) -> None:
        """Run the container's command; raises UNKNOWN with the reason when it can't be run."""
        where, sandbox = f"container {container.id}", self.sandbox_of(container)
        if container.phase is not Phase.CREATED or container.is_starting:
            raise precondition(where, f"it is {container.phase.name}; only a CREATED one can be started")
        if sandbox.shim is None:
            raise precondition(where, f"sandbox {sandbox.id} is not ready; run another")
        container.is_starting = container.was_begun = True
        try:
            launch = json.loads((container.bundle / "launch.json").read_text())
            known = {key: launch[key] for key in LAUNCH_KEYS}
            await sandbox.shim.call("start", container=container.id, bundle=str(container.bundle), launch=known)
        except shim_client.ShimRefusalError as refusal:
            raise RuntimeRefusal(Reason.UNKNOWN, f"{where}: {refusal}") from None
        except shim_client.ShimLostError as error:
            raise RuntimeRefusal(Reason.UNAVAILABLE, f"{where}: {error}") from None
        finally:
            container.is_starting = False
        has_ended = container.read_records()
        for warning in container.started.warnings if container.started else ():
            _LOG.warning("%s: %s", where, warning)
        self._sandboxes.announce(cri.CONTAINER_STARTED_EVENT, container.id, sandbox)
        if (
            has_ended
        ):  # So soon that its end was on record before we looked: the shim's word of it will tell us no more.
            self._sandboxes.note_end(container, sandbox)

    async def stop(self, container: Container, timeout_s: int) -> None:
        """Ask the container to end, and end all of it after `timeout_s`; one that doesn't run is stopped already."""
        sandbox = self.sandbox_of(container)
        container.read_records()  # Its start may have been cut off: then nobody has looked yet.
        may_run = container.phase is Phase.RUNNING or (container.phase is Phase.CREATED and container.was_begun)
        if not may_run or sandbox.shim is None:
            return
        try:
            if timeout_s > 0 and container.phase is Phase.RUNNING:
                await sandbox.shim.call("signal", container=container.id, signal=container.record.stop_signal)
                if await _is_over(container, timeout_s):
                    return
            await sandbox.shim.call("kill", container=container.id)
        except shim_client.ShimRefusalError:
            if container.phase is Phase.CREATED:
                return  # Its start never reached the shim.
            # Else it has just ended: the event is on its way.
        except shim_client.ShimLostError as error:
            raise RuntimeRefusal(Reason.UNAVAILABLE, f"container {container.id}: {error}; ask again") from None
        if not await _is_over(container, KILL_TIMEOUT_S):
            found = f"it has not ended {KILL_TIMEOUT_S:.0f} s after SIGKILL; a process may hang in the kernel"
            raise RuntimeRefusal(Reason.DEADLINE_EXCEEDED, f"container {container.id}: {found}")

    async def remove(self, container: Container) -> None:
        """Remove a container, ending it first."""
        sandbox = self.sandbox_of(container)
        await self.stop(container, 0)
        await self._sandboxes.remove_cgroup(container.record.cgroup)
        await asyncio.to_thread(self._discard, container)
        self.known.pop(container.id, None)
        sandbox.containers.pop(container.id, None)
        self._sandboxes.announce(cri.CONTAINER_DELETED_EVENT, container.id, sandbox)

    def update_limits(self, container: Container, wanted: cri.LinuxContainerResources) -> None:
        """Change the limits of a container that has not ended."""
        if container.phase is Phase.EXITED:
            raise precondition(f"container {container.id}", "it has EXITED; its limits can't be changed")
        resources.check(wanted, f"container {container.id}")
        try:
            self._host.cgroups.apply(container.record.cgroup, limits_of(wanted))
        except OSError as error:
            raise precondition(f"container {container.id}", _words(error)) from None
        config = container.config
        config.linux.resources.CopyFrom(overlaid(config.linux.resources, wanted))
        container.record = msgspec.structs.replace(container.record, config=config.SerializeToString())
        state.save(container.bundle / "container.json", container.record)

    def recover(self) -> None:
        """Find the containers on disk; one whose sandbox has gone is removed."""
        for folder in self._host.settings.containers_dir.iterdir():
            record = state.load(folder / "container.json", ContainerRecord)
            sandbox = self._sandboxes.known.get(record.sandbox_id) if record else None
            if record is None or sandbox is None:
                if record is not None:
                    self._host.cgroups.remove(record.cgroup)
                self._host.images.release(folder.name)
                state.remove_tree(folder)
                continue
            container = Container(record, folder)
            container.read_records()
            self.known[record.id] = sandbox.containers[record.id] = container

    def _image(self, name: str, where: str) -> Image:
        try:
            image = self._host.images.find(name)
        except ValueError as error:
            raise invalid(where, str(error)) from None
        if image is None:
            raise RuntimeRefusal(Reason.NOT_FOUND, f"{where}: image {name!r} is not here; pull it first")
        return image

    def _volumes(self, config: cri.ContainerConfig, where: str) -> dict[str, Image]:
        """Return the image of each volume that is one, by its path; notes in `config` which it is."""
        found: dict[str, Image] = {}
        for mount in config.mounts:
            if not mount.image.image:
                continue
            image = self._image(mount.image.image, where)
            if image.id == HOST_IMAGE_ID or not self._host.images.has_path(image, mount.image_sub_path):
                what = f"image volume {mount.container_path!r}: {mount.image.image} has no {mount.image_sub_path!r}"
                raise invalid(where, f"{what} that can be mounted; name a folder or file of the image, not a link")
            mount.image.image_ref = image.id
            found[mount.container_path] = image
        return found

    def _record(self, sandbox: Sandbox, config: cri.ContainerConfig, image: Image) -> ContainerRecord:
        identifier = secrets.token_hex(32)
        log_path = ""
        if config.log_path and sandbox.config.log_directory:
            log_path = str(Path(sandbox.config.log_directory) / config.log_path)
        return ContainerRecord(
            id=identifier,
            sandbox_id=sandbox.id,
            created_at_ns=self._host.now_ns(),
            config=config.SerializeToString(),
            image=config.image.image,
            image_id=image.id,
            image_ref=image.repo_digests[0] if image.repo_digests else image.id,
            log_path=log_path,
            cgroup=f"{sandbox.record.cgroup.rstrip('/')}/{identifier}",
            stop_signal=stop_signal(config, image.config),
        )

    def _place(
        self, sandbox: Sandbox, config: cri.ContainerConfig, image: Image, record: ContainerRecord, folder: Path
    ) -> Place:
        options = sandbox.config.linux.security_context.namespace_options
        mine = config.linux.security_context.namespace_options
        if mine.pid == cri.POD and options.pid != cri.POD:
            found = "it wants the pod's pid namespace, which its sandbox doesn't have"
            raise invalid(f"container {config.metadata.name!r}", f"{found}; give both the same pid mode")
        target = self.get(mine.target_id).id if mine.pid == cri.TARGET else ""
        cgroups = self._host.cgroups
        return Place(
            bundle=str(folder),
            hostname=(sandbox.folder / "hostname").read_text().strip(),
            resolv_conf=str(sandbox.folder / "resolv.conf"),
            hostname_file=str(sandbox.folder / "hostname"),
            shm=bundle.SHM if options.ipc == cri.NODE else str(sandbox.run_dir / "shm"),
            cgroup=record.cgroup,
            entry_files=(),
            oom_file=cgroups.oom_file(record.cgroup),
            cgroup_mounts=tuple(cgroups.mounted_in_containers()),
            layers=self._host.images.root_layers(image),
            log_path=record.log_path,
            pid_target=target,
            ids=ids_of(sandbox.config),
            pins=_pins(sandbox),
        )

    def _check_mounts(self, config: cri.ContainerConfig, where: str) -> None:
        shared: set[str] | None = None
        for mount in config.mounts:
            if mount.image.image:
                continue
            source = Path(mount.host_path)
            if not source.exists():
                raise invalid(where, f"mount source {mount.host_path!r} does not exist; make it first")
            if mount.propagation == cri.PROPAGATION_BIDIRECTIONAL:
                shared = _shared_mounts(Path("/proc/self/mountinfo").read_text()) if shared is None else shared
                place = next(str(parent) for parent in (source, *source.parents) if parent.is_mount())
                if place not in shared:
                    found = f"mount {mount.host_path!r} can't propagate both ways: {place} is not a shared mount"
                    raise invalid(where, f"{found}; run: mount --make-rshared {place}")

    def _write_bundle(self, container: Container, images: list[Image]) -> None:
        container.bundle.mkdir(mode=0o711)
        for name in ("upper", "work", "rootfs"):
            (container.bundle / name).mkdir(mode=0o755)
        if ids := ids_of(self.sandbox_of(container).config):
            os.chown(container.bundle / "upper", ids["uid"], ids["gid"])
        if container.record.log_path:
            Path(container.record.log_path).parent.mkdir(parents=True, exist_ok=True)
        self._host.images.use(images, container.id)
        state.save(container.bundle / "container.json", container.record)

    def _discard(self, container: Container) -> None:
        self._host.images.release(container.id)
        if container.bundle.exists():
            state.remove_tree(container.bundle)


def _pins(sandbox: Sandbox) -> tuple[tuple[str, str], ...]:
    """Return OCI's name and the file of each namespace that the pod has for itself."""
    own = [*namespaces(sandbox.config), *(["user"] if ids_of(sandbox.config) else [])]
    return tuple((_OCI_NAMES[name], str(sandbox.run_dir / "ns" / name)) for name in own)


def _words(error: OSError) -> str:
    """Return what an error says, without its number; where it names no file in its words, with that."""
    said = error.strerror or str(error)
    return said if said.startswith("cgroup: ") or not error.filename else f"{said}: {error.filename}"


async def _is_over(container: Container, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await container.over.wait()
    except TimeoutError:
        return False
    return True


def stop_signal(config: cri.ContainerConfig, image: ImageConfig) -> int:
    """Return the signal that asks a container to end: its own, its image's, or SIGTERM."""
    try:
        named = config.stop_signal != cri.RUNTIME_DEFAULT
        return signals.number_of((signals.name_of(config.stop_signal) if named else image.stop_signal) or "SIGTERM")
    except ValueError as error:
        raise invalid(f"container {config.metadata.name!r}", f"stop signal: {error}") from None


def _shared_mounts(mountinfo: str) -> set[str]:
    rows = (line.split(" - ")[0].split() for line in mountinfo.splitlines())
    return {row[4] for row in rows if any(tag.startswith("shared:") for tag in row[6:])}


def inspect(container: Container) -> dict[str, str]:
    """Return what `crictl inspect` shows beyond the status."""
    started = container.started
    details = {
        "pid": started.pid if started else 0,
        "warnings": list(started.warnings) if started else [],
        "bundle": str(container.bundle),
        "cgroup": container.record.cgroup,
    }
    return {"info": json.dumps(details)}
