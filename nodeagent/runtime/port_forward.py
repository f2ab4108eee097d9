"""Port-forward: connections to ports of a pod's own loopback, as channels of one WebSocket.

Keeps true: the connection is made inside the pod's network namespace, so a port that a pod opens on 127.0.0.1 alone is
reached too; when one side ends, the other is told. Channel 2n carries the data of the n-th port, 2n+1 its errors; the
first message of each is the port, two bytes, low one first.
Source: Kubernetes' port-forward over WebSocket; CRI v1 PortForward.
"""

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Sequence

from aiohttp import WSMsgType, web

from nodeagent.runtime import syscalls

_PIECE_BYTES = 32768
CONNECT_TIMEOUT_S = 10.0


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
                told = f"port {port}: nothing in the pod accepts connections there ({error})"
                await _send(client, 2 * place + 1, told.encode())
        if connections:
            await _relay(client, connections)
    finally:
        for connection in connections.values():
            connection.close()


async def connect(netns_path: str, port: int) -> socket.socket:
    """Return a connection to `port` of the pod's loopback; an empty path is the node's own namespace."""
    loop = asyncio.get_running_loop()
    connection = await asyncio.to_thread(_socket_in, netns_path)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await loop.sock_connect(connection, ("127.0.0.1", port))
    except OSError:
        connection.close()
        raise
    return connection


def _socket_in(netns_path: str) -> socket.socket:
    """Return a socket of another network namespace; only this thread visits it, and comes back."""
    if not netns_path:
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    else:
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        away = os.open(netns_path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            syscalls.join_namespaces(away, syscalls.CLONE_NEWNET)
            try:
                made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            finally:
                syscalls.join_namespaces(home, syscalls.CLONE_NEWNET)
        finally:
            os.close(home)
            os.close(away)
    made.setblocking(False)
    return made


async def _relay(client: web.WebSocketResponse, connections: dict[int, socket.socket]) -> None:
    async with asyncio.TaskGroup() as tasks:
        inward = tasks.create_task(_receive(client, connections))
        outward = {tasks.create_task(_pump(client, place, item)) for place, item in connections.items()}
        while outward and not inward.done():
            done, _ = await asyncio.wait([inward, *outward], return_when=asyncio.FIRST_COMPLETED)
            outward -= done
        for task in (inward, *outward):
            task.cancel()


async def _receive(client: web.WebSocketResponse, connections: dict[int, socket.socket]) -> None:
    """Write what the client sends; a port whose other side has gone takes no more."""
    loop = asyncio.get_running_loop()
    async for message in client:
        if message.type is not WSMsgType.BINARY or not message.data:
            continue
        channel, data = message.data[0], message.data[1:]
        connection = connections.get(channel // 2)
        if channel % 2 == 0 and connection is not None:
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(connection, data)


async def _pump(client: web.WebSocketResponse, place: int, connection: socket.socket) -> None:
    """Send what the pod sends until it ends the connection."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while data := await loop.sock_recv(connection, _PIECE_BYTES):
            await _send(client, 2 * place, data)


async def _send(client: web.WebSocketResponse, channel: int, data: bytes) -> None:
    await client.send_bytes(bytes([channel]) + data)
