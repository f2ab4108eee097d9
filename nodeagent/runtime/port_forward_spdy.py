"""Port-forward over SPDY: a pair of streams for each connection that the client wants, as many as it likes.

Keeps true: a pair's connection is made inside the pod's network namespace; what ends one way ends that way alone; why
a port can't be reached is told on the pair's error stream, and the other pairs go on.
Source: Kubernetes' portforward.k8s.io: headers `port`, `streamtype` (data or error) and `requestid`, one per pair.
"""

import asyncio
import contextlib
import socket
from typing import Final

from kube.spdy.headers import Headers
from nodeagent.runtime.pod_port import PIECE_BYTES, connect, unreachable
from nodeagent.runtime.spdy_link import Link, Stream

PROTOCOL: Final = "portforward.k8s.io"


def is_forwarded(headers: Headers) -> bool:
    """Whether a stream is one half of a pair."""
    port = headers.get("port", "")
    return port.isdigit() and 0 < int(port) < 65536 and headers.get("streamtype", "") in {"data", "error"}


async def serve(link: Link, netns_path: str) -> None:
    """Forward until the client leaves."""
    halves: dict[str, Stream] = {}
    async with asyncio.TaskGroup() as tasks:
        pairs: set[asyncio.Task[None]] = set()
        while (stream := await link.next_stream()) is not None:
            other = halves.pop(_pair_name(stream), None)
            if other is None:
                halves[_pair_name(stream)] = stream
                continue
            data, error = sorted((stream, other), key=lambda item: item.headers["streamtype"])
            pair = tasks.create_task(_forward(link, netns_path, data, error))
            pairs.add(pair)
            pair.add_done_callback(pairs.discard)
        for pair in pairs:
            pair.cancel()


def _pair_name(stream: Stream) -> str:
    """Return what both halves of a pair share; old clients give none, but open the error stream just before it."""
    number = stream.number if stream.headers["streamtype"] == "error" else stream.number - 2
    return stream.headers.get("requestid", "") or f"stream {number}"


async def _forward(link: Link, netns_path: str, data: Stream, error: Stream) -> None:
    port = int(data.headers["port"])
    try:
        with await connect(netns_path, port) as connection:
            await _relay(data, connection)
    except OSError as failure:
        with contextlib.suppress(ConnectionError):
            await error.write(unreachable(port, failure))
    for stream in (data, error):
        await stream.end()
        link.forget(stream)


async def _relay(stream: Stream, connection: socket.socket) -> None:
    """Move bytes both ways until the pod has ended the connection, or the client has dropped the stream."""
    async with asyncio.TaskGroup() as tasks:
        inward = tasks.create_task(_to_pod(stream, connection))
        await _to_client(stream, connection)
        inward.cancel()


async def _to_pod(stream: Stream, connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await stream.read():
            await loop.sock_sendall(connection, data)
        connection.shutdown(socket.SHUT_WR if stream.is_heard else socket.SHUT_RDWR)


async def _to_client(stream: Stream, connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while data := await loop.sock_recv(connection, PIECE_BYTES):
            await stream.write(data)
