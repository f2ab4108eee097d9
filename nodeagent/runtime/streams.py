"""The way to the streaming server, which starts when the first stream is asked for.

Keeps true: a runtime that nobody streams from carries no HTTP library, which would be a fifth of its memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from nodeagent.runtime.pod import Container
from nodeagent.runtime.shim_client import ShimClient
from proto import cri_v1 as cri

if TYPE_CHECKING:
    from nodeagent.runtime.channels import Channels
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

        return await self._offer_channels(
            "exec", request, lambda channels: serve_exec(channels, shim, request, container_id)
        )

    async def attach(self, shim: ShimClient, request: cri.AttachRequest, container: Container) -> str:
        """Return a URL where a container's own streams are."""
        from nodeagent.runtime.stream_sessions import serve_attach  # noqa: PLC0415

        return await self._offer_channels(
            "attach", request, lambda channels: serve_attach(channels, shim, request, container)
        )

    async def _offer_channels(
        self, verb: str, request: cri.ExecRequest | cri.AttachRequest, serve: "Callable[[Channels], Awaitable[None]]"
    ) -> str:
        from nodeagent.runtime import channels  # noqa: PLC0415
        from nodeagent.runtime.streaming import Offer  # noqa: PLC0415

        wanted = [name for name in ("stdin", "stdout", "stderr") if getattr(request, name)]
        offer = Offer(
            websocket_protocols=channels.WEBSOCKET_PROTOCOLS,
            over_websocket=lambda socket: serve(channels.WebSocketChannels(socket)),
            spdy_protocols=channels.SPDY_PROTOCOLS,
            admits=channels.is_channel,
            over_spdy=lambda link, protocol: serve(
                channels.SpdyChannels(link, protocol, channels.streams_of(wanted, tty=request.tty, protocol=protocol))
            ),
        )
        return (await self._started()).offer(verb, offer)

    async def port_forward(self, netns_path: str, ports: Sequence[int]) -> str:
        """Return a URL where ports of a pod are reached; ports: for a WebSocket, as by SPDY any may be asked for."""
        from nodeagent.runtime import port_forward, port_forward_spdy  # noqa: PLC0415
        from nodeagent.runtime.streaming import Offer  # noqa: PLC0415

        offer = Offer(
            websocket_protocols=port_forward.PROTOCOLS if ports else (),
            over_websocket=lambda socket: port_forward.serve(socket, netns_path, ports),
            spdy_protocols=(port_forward_spdy.PROTOCOL,),
            admits=port_forward_spdy.is_forwarded,
            over_spdy=lambda link, _: port_forward_spdy.serve(link, netns_path),
        )
        return (await self._started()).offer("portforward", offer)

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
