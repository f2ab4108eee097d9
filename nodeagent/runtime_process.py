"""The built-in runtime with this node's pod network, as a process of its own.

The one place where the runtime and the network meet: the runtime asks for addresses by a small interface, and this
module answers with `nodeagent.network`. `python -m nodeagent.runtime_process --settings FILE` reads the file (the JSON
of AgentSettings) and serves until it is told to end; it ends with its parent too, and the pods go on without it.
"""

import argparse
import ctypes
import glob
import os
import signal
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

import uvloop

from kube.log import set_up_logging
from nodeagent.network.host_ports import HostPort
from nodeagent.network.network import PodNetwork
from nodeagent.network_settings import network_settings
from nodeagent.runtime import handlers
from nodeagent.runtime.sandbox_network import PortMapping
from nodeagent.runtime.server import disable_fork_support, serve
from nodeagent.runtime.settings import HIDDEN_PATHS, RuntimeSettings
from nodeagent.settings import AgentSettings, decode_settings

_PR_SET_PDEATHSIG: Final = 1


class BridgedPods:
    """Gives pods addresses on this node's bridge: the runtime's Network, kept by a PodNetwork."""

    def __init__(self, network: PodNetwork) -> None:
        self._network = network

    async def attach(self, sandbox_id: str, netns_path: str, ports: Sequence[PortMapping]) -> Sequence[str]:
        """Join a pod to the bridge, its host ports leading to it. Raises OSError where one has another pod's."""
        address = await self._network.attach(sandbox_id, netns_path, [_host_port(port) for port in ports])
        return [str(address.ip)]

    async def detach(self, sandbox_id: str, netns_path: str) -> None:  # noqa: ARG002 - found by the pod's id.
        """Take a pod's link and address back."""
        await self._network.detach(sandbox_id)

    async def set_pod_cidr(self, cidr: str) -> None:
        """Hear which addresses this node's pods have."""
        await self._network.set_pod_cidr(cidr)

    def missing(self) -> str:
        """Return why pods can't be attached yet."""
        return "" if self._network.gateway is not None else "the node has no pod CIDR yet"


def _host_port(port: PortMapping) -> HostPort:
    address = IPv4Address(port.host_ip) if port.host_ip not in ("", "0.0.0.0") else None
    return HostPort(port.protocol.upper(), port.host_port, port.container_port, address)


def runtime_settings(settings: AgentSettings) -> RuntimeSettings:
    """Return what the runtime is told. Pods of the host image see nothing of any cluster's own files."""
    own = (settings.state_dir, settings.run_dir, settings.image_dir)
    return RuntimeSettings(
        socket_path=settings.runtime_socket,
        state_dir=settings.state_dir / "runtime",
        run_dir=settings.run_dir / "runtime",
        image_dir=settings.image_dir,
        cgroup_parent=settings.cgroup_parent,
        allow_host_image=settings.allow_host_image,
        insecure_registries=settings.insecure_registries,
        registry_mirrors=settings.registry_mirrors,
        handlers=settings.runtime_handlers or handlers.on_path(),
        hidden_paths=tuple(sorted({*HIDDEN_PATHS, *(glob.escape(str(path)) for path in own)})),
    )


async def run(settings: AgentSettings) -> None:
    """Serve the runtime until it is told to end."""
    network = PodNetwork(network_settings(settings))
    try:
        await network.setup()
        await serve(runtime_settings(settings), BridgedPods(network))
    finally:
        await network.close()


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent ends; end at once where that has happened already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:
        sys.exit(f"runtime: its parent {parent} has ended")


def main() -> None:
    """Read the settings and serve."""
    parser = argparse.ArgumentParser(prog="python -m nodeagent.runtime_process", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="file with the node agent's settings, as JSON")
    parser.add_argument("--parent", type=int, default=0, help="end when the process with this id ends")
    flags = parser.parse_args()
    disable_fork_support()
    if flags.parent:
        end_with_parent(flags.parent)
    set_up_logging()
    uvloop.run(run(decode_settings(flags.settings.read_bytes())))


if __name__ == "__main__":
    main()
