"""What the runtime's tests need of the machine: an image, a runtime process, a client, and what must not be left."""

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc

from nodeagent.runtime.purge import purge
from nodeagent.runtime.settings import RuntimeSettings
from proto import cri_v1 as cri

BUSYBOX = Path("/usr/bin/busybox")
IMAGE = "test.local/busybox:1"
HOST_IMAGE = "wherry.local/host"
WAIT_S = 10.0
_NUMBERS = itertools.count(1)
_REPOSITORY = Path(__file__).parents[2]
_APPLETS = (
    "cat dd echo env grep head hostname id kill ln ls mkdir mknod mount nc ps rm sh sleep stat stty tail test touch tr "
    "true umount wc yes"
)


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until `condition` holds; fails the test after WAIT_S."""
    try:
        async with asyncio.timeout(WAIT_S):
            while not await condition():
                await asyncio.sleep(0.003)
    except TimeoutError:
        raise AssertionError(f"not within {WAIT_S} s: {what}") from None


def make_root(folder: Path) -> Path:
    """Make a root file system of busybox and a few users."""
    for part in ("bin", "etc", "tmp", "srv"):
        (folder / part).mkdir(parents=True)
    shutil.copy(BUSYBOX, folder / "bin" / "busybox")
    for applet in _APPLETS.split():
        (folder / "bin" / applet).symlink_to("busybox")
    (folder / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/srv:/bin/sh\n")
    (folder / "etc" / "group").write_text("root:x:0:\nweb:x:1001:\nextra:x:1002:web\n")
    (folder / "tmp").chmod(0o1777)
    return folder


def settings_in(folder: Path) -> RuntimeSettings:
    """Return settings whose every path and cgroup is the test's own."""
    return RuntimeSettings(
        socket_path=folder / "cri.sock",
        state_dir=folder / "state",
        run_dir=folder / "run",
        image_dir=folder / "images",
        cgroup_parent=f"/wherry-test-{os.getpid()}-{folder.name}",
        allow_host_image=True,
        hidden_paths=("/root", "/home", "/etc/shado?", "/var/log", str(folder)),
    )


class RuntimeProcess:
    """A runtime in a process of its own."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its pid."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it serves."""
        settings = self.settings
        command = [sys.executable, "-m", "nodeagent.runtime", "--allow-host-image"]
        command += ["--socket", str(settings.socket_path), "--state-dir", str(settings.state_dir)]
        command += ["--run-dir", str(settings.run_dir), "--image-dir", str(settings.image_dir)]
        command += ["--cgroup-parent", settings.cgroup_parent]
        for path in settings.hidden_paths:
            command += ["--hidden-path", path]
        for name, program in settings.handlers.items():
            command += ["--handler", f"{name}={program}"]
        settings.socket_path.unlink(missing_ok=True)
        log = (settings.image_dir.parent / "runtime.log").open("ab")
        self._process = subprocess.Popen(command, cwd=_REPOSITORY, stderr=log)
        log.close()
        until_s = time.monotonic() + WAIT_S
        while not settings.socket_path.exists():
            assert self._process.poll() is None, "the runtime ended at its start; see runtime.log"
            assert time.monotonic() < until_s, "the runtime doesn't serve"
            time.sleep(0.005)

    def zygote_pid(self) -> int:
        """The pid of its zygote: its only child."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        zygotes = [int(pid) for pid in children if b"zygote" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert len(zygotes) == 1
        return zygotes[0]

    def kill(self) -> None:
        """SIGKILL, as an out-of-memory kill would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(WAIT_S)

    def stop(self) -> None:
        """End it as an administrator would."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(WAIT_S)

    def purge(self) -> None:
        """End it and everything of it."""
        self.stop()
        purge(self.settings)


class Client:
    """A CRI client with short words for what tests do."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self.settings = settings
        self.channel = grpc.aio.insecure_channel(f"unix:{settings.socket_path}")
        self.runtime = cri.RuntimeServiceStub(self.channel)
        self.images = cri.ImageServiceStub(self.channel)

    async def pod(self, *, pid: cri.NamespaceMode = cri.CONTAINER, handler: str = "", **fields: Any) -> str:
        """Run a sandbox; fields: of its namespace options, or `sysctls`, `dns`, `hostname`, `name`."""
        name = fields.pop("name", f"pod{next(_NUMBERS)}")
        sysctls, dns = fields.pop("sysctls", {}), fields.pop("dns", None)
        hostname, resources = fields.pop("hostname", name), fields.pop("resources", None)
        security = cri.LinuxSandboxSecurityContext(namespace_options=cri.NamespaceOption(pid=pid, **fields))
        config = cri.PodSandboxConfig(
            metadata=cri.PodSandboxMetadata(name=name, uid=name, namespace="test"),
            hostname=hostname,
            log_directory=str(self.log_dir / name),
            dns_config=dns,
            linux=cri.LinuxPodSandboxConfig(security_context=security, sysctls=sysctls, resources=resources),
        )
        answer = await self.runtime.run_pod_sandbox(cri.RunPodSandboxRequest(config=config, runtime_handler=handler))
        return answer.pod_sandbox_id

    @property
    def log_dir(self) -> Path:
        """Where the containers' logs go."""
        return self.settings.image_dir.parent / "logs"

    async def create(self, pod: str, *command: str, name: str = "main", image: str = IMAGE, **fields: Any) -> str:
        """Create a container; fields: of its security context, or `resources`, or of the container's config."""
        resources = fields.pop("resources", None)
        known = {field.name for field in cri.LinuxContainerSecurityContext.DESCRIPTOR.fields}
        security = {key: fields.pop(key) for key in list(fields) if key in known}
        security.setdefault("namespace_options", cri.NamespaceOption(pid=cri.CONTAINER))
        security.setdefault("seccomp", cri.SecurityProfile(profile_type=cri.RuntimeDefault))
        config = cri.ContainerConfig(
            metadata=cri.ContainerMetadata(name=name),
            image=cri.ImageSpec(image=image),
            command=command,
            log_path=f"{name}.log",
            linux=cri.LinuxContainerConfig(
                security_context=cri.LinuxContainerSecurityContext(**security), resources=resources
            ),
            **fields,
        )
        request = cri.CreateContainerRequest(pod_sandbox_id=pod, config=config)
        return (await self.runtime.create_container(request)).container_id

    async def start(self, container: str) -> None:
        """Start a container."""
        await self.runtime.start_container(cri.StartContainerRequest(container_id=container))

    async def run(self, pod: str, *command: str, **fields: Any) -> str:
        """Create and start a container."""
        container = await self.create(pod, *command, **fields)
        await self.start(container)
        return container

    async def status(self, container: str) -> cri.ContainerStatus:
        """Return a container's status."""
        return (await self.runtime.container_status(cri.ContainerStatusRequest(container_id=container))).status

    async def ended(self, container: str) -> cri.ContainerStatus:
        """Wait for a container's end and return its status."""

        async def is_over() -> bool:
            return (await self.status(container)).state == cri.CONTAINER_EXITED

        await until(is_over, f"container {container} has ended")
        return await self.status(container)

    async def log(self, container: str) -> str:
        """Return the lines in a container's log, without times and tags."""
        text = Path((await self.status(container)).log_path).read_text()
        return "\n".join(line.split(" ", 3)[3] for line in text.splitlines())

    async def output(self, pod: str, *command: str, **fields: Any) -> str:
        """Run a container to its end and return what it wrote."""
        container = await self.run(pod, *command, **fields)
        await self.ended(container)
        return await self.log(container)

    async def exec(self, container: str, *command: str, timeout: int = 10) -> cri.ExecSyncResponse:
        """Run a command in a container."""
        return await self.runtime.exec_sync(cri.ExecSyncRequest(container_id=container, cmd=command, timeout=timeout))

    async def stop(self, container: str, timeout: int = 0) -> None:
        """Stop a container."""
        await self.runtime.stop_container(cri.StopContainerRequest(container_id=container, timeout=timeout))

    async def remove(self, container: str) -> None:
        """Remove a container."""
        await self.runtime.remove_container(cri.RemoveContainerRequest(container_id=container))

    async def remove_pod(self, pod: str) -> None:
        """Stop and remove a sandbox."""
        await self.runtime.stop_pod_sandbox(cri.StopPodSandboxRequest(pod_sandbox_id=pod))
        await self.runtime.remove_pod_sandbox(cri.RemovePodSandboxRequest(pod_sandbox_id=pod))

    async def remove_all(self) -> None:
        """Remove every sandbox."""
        for item in (await self.runtime.list_pod_sandbox(cri.ListPodSandboxRequest())).items:
            await self.remove_pod(item.id)

    async def refusal(self, call: Awaitable[Any]) -> tuple[str, str]:
        """Return the code and message that a call is refused with."""
        try:
            await call
        except grpc.aio.AioRpcError as error:
            return error.code().name, error.details() or ""
        raise AssertionError("the call was served")


def _group(folder: Path) -> str:
    """Name a cgroup with what is in it."""
    inside = [f"{item.name}/" for item in folder.iterdir() if item.is_dir()]
    inside += [f"process {pid}" for pid in (folder / "cgroup.procs").read_text().split()]
    return f"{folder} with {inside}"


def _is_shim(pid: str) -> bool:
    """Whether a process of their cgroup is one, and not the zygote or the shim that it keeps ahead."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() != "wherry-zygote"
    except FileNotFoundError:
        return False


def leftovers(settings: RuntimeSettings) -> list[str]:
    """Return what sandboxes and containers have left: mounts, cgroups, folders, shims."""
    found = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{settings.run_dir}/" in line]
    found += [
        line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{settings.state_dir}/" in line
    ]
    passing = (settings.covers_dir, settings.rehearsal_dir)
    for folder in (settings.sandboxes_dir, settings.containers_dir, settings.run_dir):
        found += [str(item) for item in folder.iterdir() if item not in passing]
    for hierarchy in Path("/sys/fs/cgroup").iterdir():
        top = hierarchy / settings.cgroup_parent.strip("/")
        found += [_group(item) for item in top.glob("*") if item.is_dir() and item.name != "shims"]
        shims = top / "shims" / "cgroup.procs"
        found += [f"shim {pid}" for pid in shims.read_text().split() if _is_shim(pid)] if shims.exists() else []
    return found
