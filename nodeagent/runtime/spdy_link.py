"""A SPDY/3.1 connection to a streaming client, whose streams are read and written like pipes.

Keeps true: bytes of one stream arrive in order; what nobody takes of a stream holds the client back, in at most
HELD_BYTES of all of them; a write returns once the wire has taken it; a client that is gone is noticed also while
nothing of it is read, as it is pinged. Knows no HTTP: bytes come by `feed_data`, and go by the `send` that it is given.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from kube.spdy.connection import Connection, Reset, StreamError
from kube.spdy.events import DataReceived, Event, Failed, PeerLeaving, StreamEnded, StreamOpened, StreamReset
from kube.spdy.headers import Headers

HELD_BYTES: Final = 1 << 20
PING_S: Final = 10.0
LINGER_S: Final = 5.0


class Stream:
    """One stream that the client has opened."""

    def __init__(self, link: "Link", number: int, headers: Headers) -> None:
        self.number = number
        self.headers = headers
        self._link = link
        self._pieces: deque[bytes] = deque()
        self._has_ended = False
        self._changed = asyncio.Event()

    @property
    def is_heard(self) -> bool:
        """Whether the client takes what is written."""
        return self._link.connection.room(self.number) > 0

    def take(self) -> bytes | None:
        """Return the next piece, nothing (b"") at the end of what the client sends, None where none has come yet."""
        if self._pieces:
            piece = self._pieces.popleft()
            self._link.note_taken(len(piece))
            return piece
        return b"" if self._has_ended else None

    async def read(self) -> bytes:
        """Return the next piece, or nothing at the end."""
        while (piece := self.take()) is None:
            self._changed.clear()
            await self._changed.wait()
        return piece

    async def write(self, data: bytes) -> None:
        """Send `data`; raises ConnectionError where the client takes no more of it."""
        try:
            self._link.connection.send(self.number, data)
        except StreamError as error:
            raise ConnectionResetError(str(error)) from None
        await self._link.flush()

    async def end(self) -> None:
        """Say that nothing more comes on it, where the client still listens."""
        with suppress(StreamError):
            self._link.connection.end(self.number)
        with suppress(ConnectionError):
            await self._link.flush()

    def add(self, data: bytes) -> None:
        """Take what has come; for `Link` alone."""
        self._pieces.append(data)
        self._changed.set()

    def note_end(self) -> None:
        """Nothing more will come; for `Link` alone."""
        self._has_ended = True
        self._changed.set()

    def drop(self) -> None:
        """Take whatever has come and read no more."""
        while self.take():
            pass


class Link:
    """The connection."""

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        *,
        admits: Callable[[Headers], bool],
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        """admits: whether a stream with such headers is taken. pause, resume: stop and go on with reading."""
        self.connection = Connection(is_client=False, windows=False)
        self.is_lost = False
        self.changed = asyncio.Event()
        """Set whenever something has come; who waits clears it before looking again."""
        self._send, self._admits, self._pause, self._resume = send, admits, pause, resume
        self._streams: dict[int, Stream] = {}
        self._opened: deque[Stream] = deque()
        self._held_bytes = 0
        self._is_paused = False
        self._sending = asyncio.Lock()
        self._has_output = asyncio.Event()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take what came. Returns whether nothing more is read, and what is left: as aiohttp wants it."""
        for event in self.connection.receive(data):
            self._hear(event)
        self._has_output.set()
        self.changed.set()
        return False, b""

    def feed_eof(self) -> None:
        """The client has gone."""
        self.is_lost = True
        for stream in self._streams.values():
            stream.note_end()
        self.changed.set()

    def _hear(self, event: Event) -> None:
        match event:
            case StreamOpened(number, headers):
                self._open(number, headers)
            case DataReceived(number, data) if number in self._streams:
                self._note_held(len(data))
                self._streams[number].add(data)
            case StreamEnded(number) if number in self._streams:
                self._streams[number].note_end()
            case StreamReset(number) if number in self._streams:
                self._streams.pop(number).note_end()
            case Failed() | PeerLeaving():
                self.feed_eof()

    def _open(self, number: int, headers: Headers) -> None:
        if not self._admits(headers):
            self.connection.reset(number, Reset.REFUSED_STREAM)
            return
        self.connection.accept(number)
        self._streams[number] = Stream(self, number, headers)
        self._opened.append(self._streams[number])

    def _note_held(self, count: int) -> None:
        self._held_bytes += count
        if self._held_bytes > HELD_BYTES and not self._is_paused:
            self._is_paused = True
            self._pause()

    def note_taken(self, count: int) -> None:
        """Somebody has taken bytes of a stream; for `Stream` alone."""
        self._held_bytes -= count
        if self._is_paused and self._held_bytes <= HELD_BYTES // 2:
            self._is_paused = False
            self._resume()

    async def next_stream(self) -> Stream | None:
        """Return the next stream that the client opens, or None once it has gone."""
        await self.until(lambda: bool(self._opened) or self.is_lost)
        return self._opened.popleft() if self._opened else None

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something that the client's bytes decide is so."""
        while not holds():
            self.changed.clear()
            await self.changed.wait()

    def forget(self, stream: Stream) -> None:
        """Drop a stream that is over on our side."""
        stream.drop()
        self._streams.pop(stream.number, None)

    async def flush(self) -> None:
        """Send what there is to send; raises ConnectionError once the client has gone."""
        async with self._sending:
            output = self.connection.take_output()
            if self.is_lost:
                raise ConnectionResetError("the client has gone")
            if output:
                await self._send(output)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer and ping the client for the length of a block, then say good-bye and let it close the connection."""
        async with asyncio.TaskGroup() as tasks:
            chores = [tasks.create_task(self._answer()), tasks.create_task(self._keep_asking())]
            try:
                yield
                await self._part()
            finally:
                for chore in chores:
                    chore.cancel()

    async def _part(self) -> None:
        """A client drops what it has not read when the connection closes: so it has to be the client that closes it."""
        self.connection.leave()
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self.flush()
                await self.until(lambda: self.is_lost)

    async def _answer(self) -> None:
        """Send the replies that hearing the client has made."""
        while not self.is_lost:
            self._has_output.clear()
            with suppress(ConnectionError):
                await self.flush()
            await self._has_output.wait()

    async def _keep_asking(self) -> None:
        while not self.is_lost:
            await asyncio.sleep(PING_S)
            self.connection.ping()
            self._has_output.set()
