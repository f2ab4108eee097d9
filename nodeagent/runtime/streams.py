"""The way to the streaming server, which starts when the first stream is asked for.

Keeps true: a runtime that nobody streams from carries no HTTP library, which would be a fifth of its memory.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nodeagent.runtime.pod import Container
from nodeagent.runtime.shim_client import ShimClient
from proto import cri_v1 as cri

if TYPE_CHECKING:
    from nodeagent.runtime.streaming import StreamingServer


class Streams:
    """Hands out the URLs of exec, attach and port-forward."""

    def __init__(self, address: str) -> None:
        """address: where streams are served; the port is any free one."""
        self._address = address
        self._starting = asyncio.Lock()
        self._server: StreamingServer | None = None

    async def exec(self, shim: ShimClient, request: cri.ExecRequest, container_id: str) -> str:
        """Return a URL where a command runs with streams."""
        from nodeagent.runtime.stream_sessions import serve_exec  # noqa: PLC0415

        server = await self._started()
        return server.offer("exec", lambda socket: serve_exec(socket, shim, request, container_id))

    async def attach(self, shim: ShimClient, request: cri.AttachRequest, container: Container) -> str:
        """Return a URL where a container's own streams are."""
        from nodeagent.runtime.stream_sessions import serve_attach  # noqa: PLC0415

        server = await self._started()
        return server.offer("attach", lambda socket: serve_attach(socket, shim, request, container))

    async def port_forward(self, netns_path: str, ports: Sequence[int]) -> str:
        """Return a URL where ports of a pod are reached."""
        from nodeagent.runtime import port_forward  # noqa: PLC0415

        server = await self._started()
        return server.offer("portforward", lambda socket: port_forward.serve(socket, netns_path, ports))

    async def stop(self) -> None:
        """Close every stream."""
        if self._server is not None:
            await self._server.stop()

    async def _started(self) -> "StreamingServer":
        from nodeagent.runtime.streaming import StreamingServer  # noqa: PLC0415

        async with self._starting:
            if self._server is None:
                server = StreamingServer()
                await server.start(self._address)
                self._server = server
        return self._server
