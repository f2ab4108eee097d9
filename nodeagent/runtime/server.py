"""The runtime process: put the parts together, find what lives, serve the CRI socket.

Keeps true: the zygote is started before grpc; nothing is served before recovery is complete; when this process ends,
pods go on. `python -m nodeagent.runtime` runs it alone, with pods that have no network but their loopback.
"""

import asyncio
import fcntl
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from nodeagent.runtime import cgroups
from nodeagent.runtime.cgroup_trees import Limits
from nodeagent.runtime.cgroups import Cgroups
from nodeagent.runtime.containers import Containers
from nodeagent.runtime.events import Events
from nodeagent.runtime.host import Host
from nodeagent.runtime.image_service import ImageService
from nodeagent.runtime.images.covers import Covers
from nodeagent.runtime.images.store import ImageStore
from nodeagent.runtime.pull_stream import PullStream
from nodeagent.runtime.sandbox_network import Network
from nodeagent.runtime.sandboxes import Sandboxes
from nodeagent.runtime.service import RuntimeService
from nodeagent.runtime.settings import RuntimeSettings
from nodeagent.runtime.streams import Streams
from nodeagent.runtime.zygote_client import Zygote
from proto import cri_v1 as cri

_LOG = logging.getLogger(__name__)
_MESSAGE_BYTES_MAX = 32 << 20
_GRACE_S = 1.0


async def serve(settings: RuntimeSettings, network: Network) -> None:
    """Serve until SIGTERM, SIGINT or cancellation."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings, network):
        await stop.wait()


@asynccontextmanager
async def serving(settings: RuntimeSettings, network: Network) -> AsyncIterator[Host]:
    """Serve for the length of a block."""
    settings.make_dirs()
    claim = _claim(settings)
    groups = cgroups.detect_here()
    zygote = Zygote(settings.rehearsal_dir, lambda: _shims_group(groups, f"{settings.cgroup_parent}/shims"))
    zygote.start()
    try:
        host = _host(settings, network, zygote, groups)
        sandboxes = Sandboxes(host)
        containers = Containers(host, sandboxes)
        await sandboxes.recover()
        containers.recover()
        for sandbox in list(sandboxes.known.values()):
            await sandboxes.reconnect(sandbox)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(sandboxes.watch_losses())
            async with _listening(host, sandboxes, containers):
                _LOG.info("runtime: serving on %s, %d sandboxes found", settings.socket_path, len(sandboxes.known))
                gc.freeze()  # What is here now stays: no need to look through it again.
                yield host
            watching.cancel()
        sandboxes.close()
    finally:
        zygote.close()
        os.close(claim)


def _shims_group(groups: Cgroups, path: str) -> list[str]:
    """Make the cgroup of the zygote and all shims; return the files by which to enter it."""
    groups.create(path, Limits())
    return groups.entry_files(path)


def _host(settings: RuntimeSettings, network: Network, zygote: Zygote, groups: Cgroups) -> Host:
    covers = Covers(settings.covers_dir, settings.hidden_paths) if settings.allow_host_image else None
    images = ImageStore(settings.image_dir, settings.state_dir, covers)
    return Host(settings, groups, images, network, zygote, Events())


@asynccontextmanager
async def _listening(host: Host, sandboxes: Sandboxes, containers: Containers) -> AsyncIterator[None]:
    streams = Streams(host.settings.streaming_address)
    options = [("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX), ("grpc.max_send_message_length", -1)]
    server = grpc.aio.server(options=options)
    service = RuntimeService(host, sandboxes, containers, streams)
    images = ImageService(host)
    server.add_generic_rpc_handlers(
        (cri.runtime_service_handler(service), cri.image_service_handler(images), PullStream(images).handler())
    )
    path = host.settings.socket_path
    fresh = path.with_name(f"{path.name}.new")  # Renamed once it answers: who sees the socket can use it.
    fresh.unlink(missing_ok=True)
    server.add_insecure_port(f"unix:{fresh}")
    await server.start()
    fresh.chmod(0o600)
    fresh.rename(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        host.events.close()
        await server.stop(_GRACE_S)
        await streams.stop()


def _claim(settings: RuntimeSettings) -> int:
    """Take the state folder for this process; two runtimes over one state would each undo what the other does."""
    claim = os.open(settings.state_dir / "claim", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        found = f"runtime: another one has {settings.state_dir} and serves it"
        raise RuntimeError(f"{found}; stop it, or choose another state_dir") from None
    return claim


def disable_fork_support() -> None:
    """Tell grpc that this process never forks; call it before the first channel or server."""
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
