"""Port-forward: each connection that a client wants is a WebSocket to the agent of the pod's node.

Clients speak SPDY/3.1 on the connection itself (kubectl up to 1.29) or within the messages of a WebSocket (from 1.30),
or the channels of a plain WebSocket, which pass through as they are. To the agent it is always channels: 0 the data, 1
the error, the first message of both the port; a close (255 and the channel) ends one way alone.
Keeps true: what the pods don't take is not read from the client, past AHEAD_BYTES; a connection that breaks ends alone;
a client that leaves ends all of its connections.
Source: KEP-4006; Kubernetes' portforward protocols.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

import aiohttp
from aiohttp import web

from apiserver.options import Query
from apiserver.relay.forwarding import Dropped, Ended, Given, Pairs, Step, Wanted, port_number
from apiserver.relay.spdy_exec import CLOSE, PROTOCOL, VERSION_HEADER
from apiserver.relay.upgrade import Inbox, Line, RawLine, Room, SocketLine, opened_socket, switching
from apiserver.responses import Ended as EndedAnswer
from kube.errors import ApiError, bad_request, forbidden

VERSION: Final = "portforward.k8s.io"
TUNNELLED: Final = f"{PROTOCOL}+{VERSION}"
CHANNELS: Final = "v4.channel.k8s.io"
NODE_PROTOCOLS: Final = ("v5.channel.k8s.io", CHANNELS)
AHEAD_BYTES: Final = 4 * 1024 * 1024
PING_S: Final = 10.0
DATA, ERROR = 0, 1
_WELL_ENDED: Final = (aiohttp.WSCloseCode.OK, 1005)
_END_OF_DATA: Final = bytes([CLOSE, DATA])

Connect = Callable[[int, Sequence[str]], AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]]


def wanted_ports(query: Query) -> list[int]:
    """Return the ports that a plain WebSocket asks for. Raises ApiError 400."""
    texts = [text for value in query.get("ports", ()) for text in value.split(",")]
    ports = [port_number(text) for text in texts]
    if not ports:
        raise bad_request('query parameter "ports" is required; or use the subprotocol ' + TUNNELLED)
    if not all(ports):
        raise bad_request(f'query parameter "ports": {",".join(texts)[:200]}: a port is a number of 1 to 65535')
    return ports


async def serve_spdy(request: web.BaseRequest, connect: Connect) -> web.StreamResponse:
    """Forward over SPDY. connect: opens a WebSocket to the node for a port. Raises ApiError before the 101."""
    offered = [name.strip() for line in request.headers.getall(VERSION_HEADER, []) for name in line.split(",")]
    if offered and VERSION not in offered:
        raise forbidden(None, "", f"{VERSION_HEADER}: unable to upgrade: {offered} offered; use {VERSION}")
    if request.body_exists:
        raise bad_request("upgrade to SPDY: the request has a body; send none")
    await _Session(RawLine.begun(request, switching(PROTOCOL, f"{VERSION_HEADER}: {VERSION}")), connect).run()
    return EndedAnswer(b"", keep_alive=False)


async def serve_tunnelled(request: web.BaseRequest, connect: Connect) -> web.StreamResponse:
    """Forward over SPDY within a WebSocket."""
    socket = await opened_socket(request, [TUNNELLED])
    await _Session(SocketLine(socket), connect).run()
    await socket.close()
    return socket


class _Session:
    """One client and the connections that it wants."""

    def __init__(self, line: Line, connect: Connect) -> None:
        self._line = line
        self._connect = connect
        self._pairs = Pairs()
        self._room = Room(AHEAD_BYTES)
        self._inboxes: dict[int, Inbox] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Forward until the client leaves."""
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._keep_asking())
            with suppress(ConnectionError):
                await self._hear(group)
            for task in (asking, *self._tasks.values()):
                task.cancel()
        self._pairs.connection.leave()
        await self._flush()

    async def _hear(self, group: asyncio.TaskGroup) -> None:
        pairs = self._pairs
        while not pairs.has_left and (data := await self._line.read()):
            for step in pairs.from_client(data):
                self._take(step, group)
            if output := pairs.connection.take_output():
                await self._line.write(output)
            await self._room.available()

    def _take(self, step: Step, group: asyncio.TaskGroup) -> None:
        match step:
            case Wanted(pair, port):
                self._inboxes[pair] = Inbox(self._room)
                self._tasks[pair] = group.create_task(self._forward(pair, port))
            case Given(pair, data) if pair in self._inboxes:
                self._inboxes[pair].put(bytes([DATA]) + data)
            case Ended(pair) if pair in self._inboxes:
                self._inboxes[pair].put(_END_OF_DATA)
            case Dropped(pair) if pair in self._tasks:
                self._tasks[pair].cancel()
                self._forget(pair)  # Here, for a task that is cancelled before it has begun does nothing at all.

    async def _forward(self, pair: int, port: int) -> None:
        """Serve one connection to its end."""
        inbox = self._inboxes[pair]
        try:
            async with self._connect(port, NODE_PROTOCOLS) as node, asyncio.TaskGroup() as group:
                inward = group.create_task(self._to_node(inbox, node))
                await self._to_client(pair, node)
                inward.cancel()
            if node.close_code not in (None, *_WELL_ENDED):
                self._pairs.fail(pair, f"error forwarding port {port}: the connection to the node's agent broke off")
        except ApiError as error:
            self._pairs.fail(pair, f"error forwarding port {port}: {error}")
        finally:
            self._forget(pair)
        await self._flush()

    def _forget(self, pair: int) -> None:
        """Let go of a connection that is over; once more does no harm."""
        if self._tasks.pop(pair, None) is not None:
            self._inboxes.pop(pair).clear()
            self._pairs.finish(pair)

    async def _to_node(self, inbox: Inbox, node: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await inbox.get()
            if message == _END_OF_DATA and node.protocol != NODE_PROTOCOLS[0]:
                continue  # The older protocol has no word for it.
            with suppress(ConnectionError):  # The node has gone: the other way hears that.
                await node.send_bytes(message)

    async def _to_client(self, pair: int, node: aiohttp.ClientWebSocketResponse) -> None:
        """Pass on what the node sends, until it closes."""
        greeted: set[int] = set()
        while (message := await node.receive()).type is aiohttp.WSMsgType.BINARY:
            data = message.data
            if not data:
                continue
            if data[0] in (DATA, ERROR) and data[0] not in greeted:
                greeted.add(data[0])  # The first message of a channel tells its port.
            elif data[0] == DATA:
                self._pairs.send(pair, data[1:])
            elif data[0] == ERROR:
                self._pairs.fail(pair, data[1:].decode(errors="replace"))
            elif data == _END_OF_DATA:
                self._pairs.end(pair)
            await self._flush()

    async def _flush(self) -> None:
        """Write what there is for the client; one that has gone is heard of by whoever reads it."""
        if output := self._pairs.connection.take_output():
            with suppress(ConnectionError):
                await self._line.write(output)

    async def _keep_asking(self) -> None:
        """Ping now and then: writing is how a client is missed that went while nothing of it was read."""
        while True:
            await asyncio.sleep(PING_S)
            self._pairs.drop_overdue()
            self._pairs.connection.ping()
            await self._flush()
