"""What the runtime asks of a pod network; who assembles the node passes one that does it."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class PortMapping(msgspec.Struct, frozen=True):
    """A port of the host that leads to a port of the pod."""

    protocol: str
    container_port: int
    host_port: int
    host_ip: str = ""


class Network(Protocol):
    """A pod network; every call may be repeated, and detach of what was never attached does nothing."""

    async def attach(self, sandbox_id: str, netns_path: str, ports: Sequence[PortMapping]) -> Sequence[str]:
        """Give the namespace its link and addresses, and return them, the main one first."""
        ...

    async def detach(self, sandbox_id: str, netns_path: str) -> None:
        """Take them back; netns_path may be gone already."""
        ...

    async def set_pod_cidr(self, cidr: str) -> None:
        """Hear which addresses this node's pods have."""
        ...

    def missing(self) -> str:
        """Return why the network can't serve yet, or nothing."""
        ...


class LoopbackOnly:
    """A network that gives a pod nothing but its loopback, which the shim raises: for trying the runtime alone."""

    async def attach(self, sandbox_id: str, netns_path: str, ports: Sequence[PortMapping]) -> Sequence[str]:  # noqa: ARG002
        """Give no address."""
        return ()

    async def detach(self, sandbox_id: str, netns_path: str) -> None:
        """There is nothing to take back."""

    async def set_pod_cidr(self, cidr: str) -> None:
        """Nothing depends on it."""

    def missing(self) -> str:
        """Nothing can be missing."""
        return ""
