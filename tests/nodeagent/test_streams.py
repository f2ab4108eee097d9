"""The relay of streams between the API server and the runtime, with WebSockets on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from nodeagent.streams import relay

PATIENCE_S = 10.0
V5 = "v5.channel.k8s.io"

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def _serving(handler: Handler) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _relayed(behind: Handler, over: asyncio.Event) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect through the relay to a server that `behind` answers for; over: set once the relay has ended."""

    async def relaying(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await relay(request, target)
        finally:
            over.set()

    async with (
        _serving(behind) as target,
        _serving(relaying) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(url, protocols=(V5,)) as socket,
    ):
        yield socket


async def test_messages_and_the_end_pass_both_ways_unchanged() -> None:
    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=(V5,))
        await socket.prepare(request)
        await socket.send_bytes(await socket.receive_bytes())
        await socket.send_str(await socket.receive_str())
        await socket.close(code=4001)
        return socket

    async with _relayed(echo, asyncio.Event()) as socket, asyncio.timeout(PATIENCE_S):
        await socket.send_bytes(b"\0one")
        await socket.send_str("two")
        heard = [await socket.receive_bytes(), await socket.receive_str()]
        end = await socket.receive()

    assert (heard, socket.protocol, end.type, socket.close_code) == (
        [b"\0one", "two"],
        V5,
        aiohttp.WSMsgType.CLOSE,
        4001,
    )


async def test_the_end_of_a_client_is_passed_on_while_the_other_side_takes_nothing() -> None:
    """Else a command that doesn't read its stdin would go on for ever after its client has gone."""
    over = asyncio.Event()

    async def stubborn(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=(V5,))
        await socket.prepare(request)
        await over.wait()
        return socket

    async with _relayed(stubborn, over) as socket:
        for _ in range(200):
            await socket.send_bytes(bytes(65_536))
        await socket.close()
        async with asyncio.timeout(PATIENCE_S):
            await over.wait()
