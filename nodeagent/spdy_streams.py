"""Relay the streams of exec, attach and port-forward to a runtime that speaks SPDY/3.1, as all but the built-in one do.

Keeps true: what one side says reaches the other in order; what is not taken holds the other back; an end of one stream
is told as such, and when one side goes, the other is closed. The API server's side is a WebSocket of channels: a
message begins with its channel's number, and 255 with a number ends that channel.
Source: Kubernetes' remotecommand and portforward protocols; a stream's headers say what it is.
"""

import asyncio
import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from kube.spdy.connection import Connection, StreamError
from kube.spdy.events import DataReceived, Event, Failed, StreamEnded, StreamReset
from kube.spdy.frames import DATA_MAX_BYTES

FRONT_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
EXEC_PROTOCOL: Final = "v4.channel.k8s.io"
FORWARD_PROTOCOL: Final = "portforward.k8s.io"
CONNECT_TIMEOUT_S: Final = 10.0
_CLOSE: Final = 255
_READ_BYTES: Final = 65536


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of the runtime and the channel that carries it. greeting: what its channel begins with.

    is_one_way: nothing is sent on it.
    """

    channel: int
    headers: dict[str, str]
    greeting: bytes = b""
    is_one_way: bool = False


def exec_streams(*, tty: bool, stdin: bool, stdout: bool, stderr: bool) -> list[Stream]:
    """Return the streams of a command: what it was asked for, its end and its terminal's size."""
    wanted = {3: ("error", True), 0: ("stdin", stdin), 1: ("stdout", stdout), 2: ("stderr", stderr and not tty)}
    wanted[4] = ("resize", tty)
    return [Stream(channel, {"streamtype": name}) for channel, (name, is_wanted) in wanted.items() if is_wanted]


def forward_streams(ports: Sequence[int]) -> list[Stream]:
    """Return two streams for each port: its errors, which come first, and its data."""
    streams = []
    for place, port in enumerate(ports):
        about = {"port": str(port), "requestid": str(place)}
        told = struct.pack("<H", port)
        streams += [
            Stream(2 * place + 1, {"streamtype": "error", **about}, told, is_one_way=True),
            Stream(2 * place, {"streamtype": "data", **about}, told),
        ]
    return streams


async def relay_spdy(
    request: web.BaseRequest, url: str, protocol: str, streams: Sequence[Stream]
) -> web.StreamResponse:
    """Answer a WebSocket request with what the runtime streams at `url`."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            reader, writer = await _upgraded(url, protocol)
    except (OSError, EOFError) as error:
        return web.Response(status=502, text=f"the runtime's stream: {error}; try again\n")
    try:
        front = web.WebSocketResponse(protocols=FRONT_PROTOCOLS, max_msg_size=0, compress=False)
        await front.prepare(request)
        with contextlib.suppress(ConnectionError):
            await _Relay(front, reader, writer, streams).run()
        await front.close()
        return front
    finally:
        writer.close()


async def _upgraded(url: str, protocol: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Return a connection to the runtime's streaming server that speaks SPDY. Raises OSError, EOFError."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    target = f"{place.path}?{place.query}" if place.query else place.path
    head = f"POST {target} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
    writer.write(f"{head}X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n".encode())
    told = (await reader.readuntil(b"\r\n\r\n")).decode(errors="replace")
    status = told.partition("\r\n")[0]
    if " 101" not in status:
        writer.close()
        raise ConnectionError(f"it answered {status!r} to an upgrade to SPDY/3.1")
    return reader, writer


class _Relay:
    """One WebSocket and one SPDY connection."""

    def __init__(
        self,
        front: web.WebSocketResponse,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        streams: Sequence[Stream],
    ) -> None:
        self._tells_ends = any(stream.greeting for stream in streams)  # Of a command, the last word is its status.
        self._front = front
        self._reader = reader
        self._writer = writer
        self._spdy = Connection(is_client=True, windows=False)
        self._streams = streams
        self._numbers: dict[int, int] = {}
        self._channels: dict[int, int] = {}

    async def run(self) -> None:
        """Carry both ways until one side has ended."""
        for stream in self._streams:
            number = self._spdy.open(stream.headers, fin=stream.is_one_way)
            self._numbers[stream.channel] = number
            self._channels[number] = stream.channel
            if stream.greeting:
                await self._front.send_bytes(bytes([stream.channel]) + stream.greeting)
        await self._flush()
        async with asyncio.TaskGroup() as group:
            inward, outward = group.create_task(self._inward()), group.create_task(self._outward())
            await asyncio.wait((inward, outward), return_when=asyncio.FIRST_COMPLETED)
            inward.cancel()
            outward.cancel()

    async def _flush(self) -> None:
        self._writer.write(self._spdy.take_output())
        await self._writer.drain()

    async def _inward(self) -> None:
        """Carry what the client says."""
        async for message in self._front:
            if message.type is WSMsgType.BINARY and message.data:
                with contextlib.suppress(StreamError):  # The stream has ended: nobody is there to hear it.
                    self._hear(message.data)
                with contextlib.suppress(ConnectionError):  # The runtime has gone; `_outward` hears that.
                    await self._flush()

    def _hear(self, message: bytes) -> None:
        channel, data = message[0], message[1:]
        is_end = channel == _CLOSE and len(data) == 1
        number = self._numbers.get(data[0] if is_end else channel)
        if number is None:
            return
        if is_end:
            self._spdy.end(number)
        for start in range(0, 0 if is_end else len(data), DATA_MAX_BYTES):
            self._spdy.send(number, data[start : start + DATA_MAX_BYTES])

    async def _outward(self) -> None:
        """Carry what the runtime says, until it has ended every stream or the connection."""
        while self._channels:
            try:
                received = await self._reader.read(_READ_BYTES)
            except ConnectionError:
                return
            if not received:
                return
            for event in self._spdy.receive(received):
                await self._tell(event)
            await self._flush()

    async def _tell(self, event: Event) -> None:
        if isinstance(event, DataReceived) and event.stream in self._channels:
            await self._front.send_bytes(bytes([self._channels[event.stream]]) + event.data)
        elif isinstance(event, StreamEnded | StreamReset):
            channel = self._channels.pop(event.stream, None)
            if channel is not None and self._tells_ends and self._front.ws_protocol == FRONT_PROTOCOLS[0]:
                await self._front.send_bytes(bytes([_CLOSE, channel]))
        elif isinstance(event, Failed):
            self._channels.clear()
