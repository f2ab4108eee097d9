"""Port-forward: connections to ports of a pod's own loopback, as channels of one WebSocket.

Keeps true: the connection is made inside the pod's network namespace, so a port that a pod opens on 127.0.0.1 alone is
reached too; when one side ends, the other is told. Channel 2n carries the data of the n-th port, 2n+1 its errors; the
first message of each is the port, two bytes, low one first. In v5.channel.k8s.io a side that ends tells so (255 and the
channel) and the other may go on; in v4 a connection is over when the pod has ended it.
Source: Kubernetes' port-forward over WebSocket; CRI v1 PortForward.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence

from aiohttp import WSMsgType, web

from nodeagent.runtime.pod_port import PIECE_BYTES, connect, unreachable

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io")
AHEAD_PIECES = 256
HALVES_PROTOCOL = "v5.channel.k8s.io"
_CLOSE = 255


async def serve(client: web.WebSocketResponse, netns_path: str, ports: Sequence[int]) -> None:
    """Forward until the client leaves or every connection has ended."""
    connections: dict[int, socket.socket] = {}
    try:
        for place, port in enumerate(ports):
            for channel in (2 * place, 2 * place + 1):
                await _send(client, channel, struct.pack("<H", port))
            try:
                connections[place] = await connect(netns_path, port)
            except OSError as error:
                await _send(client, 2 * place + 1, unreachable(port, error))
        if connections:
            await _relay(client, connections)
    finally:
        for connection in connections.values():
            connection.close()


async def _relay(client: web.WebSocketResponse, connections: dict[int, socket.socket]) -> None:
    halves = client.ws_protocol == HALVES_PROTOCOL
    async with asyncio.TaskGroup() as tasks:
        inboxes = {place: asyncio.Queue[bytes](AHEAD_PIECES) for place in connections}
        hearing = tasks.create_task(_hear(client, inboxes))
        inward = [tasks.create_task(_feed(inboxes[place], item)) for place, item in connections.items()]
        outward = [tasks.create_task(_pump(client, place, item, halves)) for place, item in connections.items()]
        ways = {*outward, *(inward if halves else ())}
        while ways and not hearing.done():
            done, _ = await asyncio.wait([hearing, *ways], return_when=asyncio.FIRST_COMPLETED)
            ways -= done
        for task in (hearing, *inward, *outward):
            task.cancel()


async def _hear(client: web.WebSocketResponse, inboxes: dict[int, asyncio.Queue[bytes]]) -> None:
    """Take what the client sends, b"" for the end of it, until the client leaves."""
    async for message in client:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        if channel == _CLOSE and data:
            channel, data = data[0], b""
        elif not data:
            continue
        if channel % 2 == 0 and channel // 2 in inboxes:
            await inboxes[channel // 2].put(data)


async def _feed(inbox: asyncio.Queue[bytes], connection: socket.socket) -> None:
    """Write to the pod until the client ends, or the pod takes no more: then the rest is dropped."""
    loop = asyncio.get_running_loop()
    takes = True
    while data := await inbox.get():
        try:
            if takes:
                await loop.sock_sendall(connection, data)
        except OSError:
            takes = False
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


async def _pump(client: web.WebSocketResponse, place: int, connection: socket.socket, halves: bool) -> None:
    """Send what the pod sends until it ends."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while data := await loop.sock_recv(connection, PIECE_BYTES):
            await _send(client, 2 * place, data)
        if halves:
            await _send(client, _CLOSE, bytes([2 * place]))


async def _send(client: web.WebSocketResponse, channel: int, data: bytes) -> None:
    await client.send_bytes(bytes([channel]) + data)
