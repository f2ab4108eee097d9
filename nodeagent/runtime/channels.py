"""The channels of an exec or attach, whichever way its client speaks: WebSocket or SPDY.

Keeps true: a client's bytes come in its order; after the end (a Status) nothing is sent.
Speaks v5.channel.k8s.io and v4.channel.k8s.io by WebSocket (one channel byte, then data), these and the older ones by
SPDY (a stream each, `streamtype` says which). Source: Kubernetes' remotecommand constants.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, Protocol

from aiohttp import WSMsgType, web

from kube.spdy.headers import Headers
from nodeagent.runtime.spdy_link import Link, Stream

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
NAMES: Final = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}
WEBSOCKET_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
SPDY_PROTOCOLS: Final = (*WEBSOCKET_PROTOCOLS, "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
STREAMS_WAIT_S: Final = 30.0
_SIZE_MAX_BYTES = 1024


class Channels(Protocol):
    """The client's end."""

    async def open(self) -> None:
        """Wait until the client listens; raises TimeoutError where it doesn't."""

    async def send(self, channel: int, data: bytes) -> None:
        """Send bytes, and wait until the wire has taken them; raises ConnectionError once the client has gone."""

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next message, or None once the client has gone; CLOSE with a channel's number ends that one."""

    async def finish(self, status: Mapping[str, object]) -> None:
        """Tell how it ended."""


class WebSocketChannels:
    """A client that speaks WebSocket."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def open(self) -> None:
        """It listens from the first."""

    async def send(self, channel: int, data: bytes) -> None:
        """Send one message."""
        await self._socket.send_bytes(bytes([channel]) + data)

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next message that is one."""
        async for message in self._socket:
            if message.type is WSMsgType.BINARY and message.data:
                return message.data[0], message.data[1:]
        return None

    async def finish(self, status: Mapping[str, object]) -> None:
        """Send the Status; a client that has left is no error."""
        with suppress(ConnectionError, RuntimeError):
            await self.send(ERROR, json.dumps(status).encode())


def is_channel(headers: Headers) -> bool:
    """Whether a SPDY stream is one of a command's."""
    return headers.get("streamtype", "").lower() in NAMES


def streams_of(wanted: Sequence[str], *, tty: bool, protocol: str) -> list[str]:
    """Return the streams that a client opens for what it asked for; the first protocols have no sizes."""
    names = [name for name in wanted if not (tty and name == "stderr")]
    return [*names, "resize"] if tty and protocol in SPDY_PROTOCOLS[:3] else names


class SpdyChannels:
    """A client that speaks SPDY."""

    def __init__(self, link: Link, protocol: str, wanted: Iterable[str]) -> None:
        """wanted: the streams that the client has to open, by name; it may open others too."""
        self._link = link
        self._tells_status = protocol in WEBSOCKET_PROTOCOLS
        self._wanted = {ERROR, *(NAMES[name] for name in wanted)}
        self._streams: dict[int, Stream] = {}
        self._has_stdin = True
        self._size = b""
        self._pending: list[tuple[int, bytes]] = []

    async def open(self) -> None:
        """Wait for the streams that are wanted."""
        async with asyncio.timeout(STREAMS_WAIT_S):
            while not self._wanted <= self._streams.keys():
                stream = await self._link.next_stream()
                if stream is None:
                    raise TimeoutError
                self._streams[NAMES[stream.headers["streamtype"].lower()]] = stream

    async def send(self, channel: int, data: bytes) -> None:
        """Send bytes on a channel's stream; one that the client hasn't opened is not listened to."""
        if channel in self._streams:
            await self._streams[channel].write(data)

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next piece of stdin or the next size."""
        while not self._link.is_lost:
            self._gather()
            if self._pending:
                return self._pending.pop(0)
            self._link.changed.clear()
            await self._link.changed.wait()
        return None

    def _gather(self) -> None:
        """Take one piece of each stream that the client feeds."""
        resize, stdin = self._streams.get(RESIZE), self._streams.get(STDIN)
        if resize is not None and (piece := resize.take()):
            *sizes, rest = (self._size + piece).split(b"}")  # Sizes are objects without objects in them.
            self._size = rest if len(rest) <= _SIZE_MAX_BYTES else b""
            self._pending += [(RESIZE, size.strip() + b"}") for size in sizes]
        if stdin is None or not self._has_stdin or (piece := stdin.take()) is None:
            return
        self._has_stdin = bool(piece)
        self._pending.append((STDIN, piece) if piece else (CLOSE, bytes([STDIN])))

    async def finish(self, status: Mapping[str, object]) -> None:
        """End the output, and tell the Status in the client's way: as such, or what failed as a sentence, if any."""
        text = json.dumps(status) if self._tells_status else str(status.get("message", ""))
        for channel in (STDOUT, STDERR):
            if channel in self._streams:
                await self._streams[channel].end()
        if text:
            with suppress(ConnectionError):
                await self.send(ERROR, text.encode())
        for stream in self._streams.values():
            await stream.end()
