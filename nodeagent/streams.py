"""Relay the streams of exec, attach and port-forward between the API server and the runtime, byte for byte.

Keeps true: what one side says reaches the other in order and unchanged, the way a stream ended too; when one side goes,
the other is told, also while it takes nothing. WebSocket on both sides, with the subprotocol the client asked for.
Source: shared names of the channels are Kubernetes' (`v4.channel.k8s.io`, `v5.channel.k8s.io`, `portforward`).
"""

import asyncio
import contextlib
from typing import Final

import aiohttp
from aiohttp import web

CONNECT_TIMEOUT_S: Final = 10.0
AHEAD_MESSAGES: Final = 256
"""How much is read from a side ahead of what the other takes: as far as that, the end behind it is heard at once."""
FAREWELL_S: Final = 2.0
"""What the other side gets to take the rest in when one has gone."""


async def relay(request: web.BaseRequest, url: str) -> web.StreamResponse:
    """Answer a WebSocket request with what the runtime streams at `url`."""
    offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if name.strip()]
    timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        try:
            behind = await session.ws_connect(url, protocols=offered, max_msg_size=0, compress=0)
        except aiohttp.ClientError as error:
            return web.Response(status=502, text=f"the runtime's stream: {error}; try again\n")
        async with behind:
            chosen = (behind.protocol,) if behind.protocol else ()
            front = web.WebSocketResponse(protocols=chosen, max_msg_size=0, compress=False)
            await front.prepare(request)
            async with asyncio.TaskGroup() as group:
                inward = group.create_task(_pump(front, behind))
                outward = group.create_task(_pump(behind, front))
                await asyncio.wait((inward, outward), return_when=asyncio.FIRST_COMPLETED)
                inward.cancel()
                outward.cancel()
            await _close_alike(front, behind)
            await _close_alike(behind, front)
            return front


_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _pump(source: _Socket, target: _Socket) -> None:
    """Carry messages one way until the source closes."""
    ahead: asyncio.Queue[aiohttp.WSMessage] = asyncio.Queue(AHEAD_MESSAGES)
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(_send(ahead, target))
        while (message := await source.receive()).type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT):
            await ahead.put(message)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await ahead.join()
        sending.cancel()


async def _close_alike(gone: _Socket, other: _Socket) -> None:
    """Close a side as the other was closed, if it was."""
    if gone.close_code is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await other.close(code=gone.close_code or aiohttp.WSCloseCode.OK)


async def _send(ahead: asyncio.Queue[aiohttp.WSMessage], target: _Socket) -> None:
    while True:
        message = await ahead.get()
        with contextlib.suppress(ConnectionError):  # The target has gone; its own pump hears that.
            if message.type is aiohttp.WSMsgType.BINARY:
                await target.send_bytes(message.data)
            else:
                await target.send_str(message.data)
        ahead.task_done()
