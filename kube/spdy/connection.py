"""One side of a SPDY connection: what its peer does becomes events, what we do becomes bytes to send.

Keeps true: a stream's frames come only while it is open that way; a peer holds at most `streams_max` streams open;
after a frame that makes no sense the connection is over, and a GOAWAY says so. Holds no data of any stream.

windows: whether both sides keep to flow control windows. Kubernetes' Go clients and servers (spdystream) neither send
WINDOW_UPDATE nor wait for one, so with them it must be off, and what holds a fast sender back is TCP.
Source: draft-mbelshe-httpbis-spdy-00, section 2; the 3.1 draft for the session's window.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from kube.spdy import frames
from kube.spdy.events import (
    DataReceived,
    Event,
    Failed,
    HeadersReceived,
    PeerLeaving,
    Pong,
    RoomGrew,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from kube.spdy.frames import DATA_MAX_BYTES, FrameError, FrameReader, FrameWriter
from kube.spdy.headers import Headers

WINDOW_BYTES: Final = 64 * 1024
_WINDOW_MAX: Final = (1 << 31) - 1
_NUMBER_MAX: Final = (1 << 31) - 1
_STREAMS_SETTING: Final = 4
_WINDOW_SETTING: Final = 7


class Reset(IntEnum):
    """Why a stream was ended."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6
    FLOW_CONTROL_ERROR = 7
    STREAM_IN_USE = 8
    STREAM_ALREADY_CLOSED = 9


class Goodbye(IntEnum):
    """Why a connection was ended."""

    OK = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


class StreamError(Exception):
    """A command for a stream, or a connection, that doesn't allow it now."""


@dataclass(slots=True)
class _Stream:
    """Which ways a stream is open, and how much may still go each way. Written by Connection alone."""

    we_send: bool
    peer_sends: bool
    is_accepted: bool
    room: int
    credit: int = WINDOW_BYTES
    unacknowledged: int = 0


class Connection:
    """The state of one side."""

    def __init__(self, *, is_client: bool, windows: bool, streams_max: int = 256) -> None:
        """is_client: our streams have odd numbers. streams_max: the most that the peer may hold open."""
        self._reader, self._writer = FrameReader(), FrameWriter()
        self._windows = windows
        self._streams_max = streams_max
        self._peer_streams_max = _NUMBER_MAX
        self._parity = 1 if is_client else 0
        self._next_stream = 1 if is_client else 2
        self._next_ping = 1 if is_client else 2
        self._last_peer_stream = 0
        self._streams: dict[int, _Stream] = {}
        self._initial_room = WINDOW_BYTES
        self._session = _Stream(we_send=True, peer_sends=True, is_accepted=True, room=WINDOW_BYTES)
        self._output: list[bytes] = []
        self._is_leaving = False
        self.is_over = False
        """Whether the peer broke the protocol: nothing is read any more."""

    def take_output(self) -> bytes:
        """Return the bytes to send since the last call."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def receive(self, data: bytes) -> list[Event]:
        """Return what the peer's bytes mean. Never raises: the last event of a broken connection is Failed."""
        events: list[Event] = []
        if self.is_over:
            return events
        try:
            for frame in self._reader.feed(data):
                self._take(frame, events)
        except FrameError as error:
            self._write(frames.GoAway(self._last_peer_stream, Goodbye.PROTOCOL_ERROR))
            self.is_over = True
            self._streams.clear()
            events.append(Failed(str(error)))
        return events

    def open(self, headers: Headers, *, fin: bool = False) -> int:
        """Begin a stream and return its number. Raises StreamError where the peer takes no more."""
        ours = sum(number % 2 == self._parity for number in self._streams)
        if self.is_over or self._is_leaving or ours >= self._peer_streams_max or self._next_stream > _NUMBER_MAX:
            raise StreamError("stream: the peer takes no more; use a new connection")
        number = self._next_stream
        self._next_stream += 2
        self._streams[number] = _Stream(not fin, peer_sends=True, is_accepted=False, room=self._initial_room)
        self._write(frames.SynStream(number, headers, fin))
        return number

    def accept(self, stream: int, headers: Headers | None = None) -> None:
        """Take a stream that the peer wanted; one that it has dropped meanwhile stays so. Raises StreamError."""
        state = self._streams.get(stream)
        if state is None:
            return
        if state.is_accepted or stream % 2 == self._parity:
            raise StreamError(f"stream {stream}: it waits for no answer of ours")
        state.is_accepted = True
        self._write(frames.SynReply(stream, headers or {}))

    def room(self, stream: int) -> int:
        """Return how many bytes may be sent on a stream now, 0 where it is closed that way."""
        state = self._streams.get(stream)
        if state is None or not state.we_send:
            return 0
        return max(0, min(state.room, self._session.room)) if self._windows else DATA_MAX_BYTES

    def send(self, stream: int, data: bytes) -> None:
        """Send bytes, at most `room`. Raises StreamError."""
        state = self._known(stream)
        if not state.we_send or len(data) > self.room(stream):
            raise StreamError(f"stream {stream}: room for {self.room(stream)} bytes, not for {len(data)}")
        if self._windows:
            state.room -= len(data)
            self._session.room -= len(data)
        self._write(frames.Data(stream, data))

    def end(self, stream: int) -> None:
        """Say that we send nothing more on a stream. Raises StreamError."""
        state = self._known(stream)
        if not state.we_send:
            raise StreamError(f"stream {stream}: ended already")
        state.we_send = False
        self._write(frames.Data(stream, b"", fin=True))
        self._forget_closed(stream, state)

    def reset(self, stream: int, status: Reset) -> None:
        """End a stream both ways; one that is gone already stays so."""
        if self._streams.pop(stream, None) is not None:
            self._write(frames.RstStream(stream, status))

    def consumed(self, stream: int, count: int) -> None:
        """Let the peer send `count` bytes again, now that they are used."""
        if not self._windows or self.is_over:
            return
        for number, state in ((stream, self._streams.get(stream)), (0, self._session)):
            if state is None or not state.peer_sends:
                continue
            state.unacknowledged += count
            if state.unacknowledged * 2 >= WINDOW_BYTES:
                self._write(frames.WindowUpdate(number, state.unacknowledged))
                state.credit += state.unacknowledged
                state.unacknowledged = 0

    def ping(self) -> int:
        """Ask whether the peer is there; Pong with the number that is returned is its answer."""
        number = self._next_ping
        self._next_ping = number + 2 if number + 2 <= _NUMBER_MAX else number % 2 or 2
        self._write(frames.Ping(number))
        return number

    def leave(self, status: Goodbye = Goodbye.OK) -> None:
        """Say that we take no further stream; those that are open go on."""
        if not self._is_leaving:
            self._is_leaving = True
            self._write(frames.GoAway(self._last_peer_stream, status))

    def _write(self, frame: frames.Frame) -> None:
        if not self.is_over:
            self._output.append(self._writer.write(frame))

    def _known(self, stream: int) -> _Stream:
        state = self._streams.get(stream)
        if state is None:
            raise StreamError(f"stream {stream}: not open")
        return state

    def _forget_closed(self, stream: int, state: _Stream) -> None:
        if not state.we_send and not state.peer_sends:
            del self._streams[stream]

    def _take(self, frame: frames.Frame | frames.Unknown, events: list[Event]) -> None:
        match frame:
            case frames.Data():
                self._take_data(frame, events)
            case frames.SynStream():
                self._take_stream(frame, events)
            case frames.SynReply() | frames.MoreHeaders():
                self._take_headers(frame, events)
            case frames.RstStream(stream, status):
                if self._streams.pop(stream, None) is not None:
                    events.append(StreamReset(stream, status))
            case frames.Settings(values):
                self._take_settings(values, events)
            case frames.Ping(number):
                if number % 2 == self._parity:
                    events.append(Pong(number))
                else:
                    self._write(frame)
            case frames.GoAway(_, status):
                events.append(PeerLeaving(status))
            case frames.WindowUpdate(stream, delta):
                self._take_window(stream, delta, events)

    def _take_stream(self, frame: frames.SynStream, events: list[Event]) -> None:
        number = frame.stream
        if number % 2 == self._parity or number <= self._last_peer_stream:
            raise FrameError(f"SYN_STREAM: the number {number} is not the peer's to give, or was given")
        self._last_peer_stream = number
        theirs = sum(stream % 2 != self._parity for stream in self._streams)
        if self._is_leaving or theirs >= self._streams_max:
            self._write(frames.RstStream(number, Reset.REFUSED_STREAM))
            return
        state = _Stream(not frame.unidirectional, peer_sends=True, is_accepted=False, room=self._initial_room)
        self._streams[number] = state
        events.append(StreamOpened(number, frame.headers))
        if frame.fin:
            self._end_peer(number, state, events)

    def _take_headers(self, frame: frames.SynReply | frames.MoreHeaders, events: list[Event]) -> None:
        state = self._receiving(frame.stream, events)
        if state is None:
            return
        if isinstance(frame, frames.MoreHeaders):
            events.append(HeadersReceived(frame.stream, frame.headers))
        elif state.is_accepted or frame.stream % 2 != self._parity:
            self._break(frame.stream, Reset.STREAM_IN_USE, events)
            return
        else:
            state.is_accepted = True
            events.append(StreamAccepted(frame.stream, frame.headers))
        if frame.fin:
            self._end_peer(frame.stream, state, events)

    def _take_data(self, frame: frames.Data, events: list[Event]) -> None:
        count = len(frame.data)
        if self._windows:
            self._session.credit -= count
            if self._session.credit < 0:
                raise FrameError(f"data frame: {-self._session.credit} bytes past the session's window")
        state = self._receiving(frame.stream, events, begins=frame.begins)
        if state is None:
            self.consumed(0, count)
            return
        if self._windows:
            state.credit -= count
            if state.credit < 0:
                self._break(frame.stream, Reset.FLOW_CONTROL_ERROR, events)
                self.consumed(0, count)
                return
        if frame.data:
            events.append(DataReceived(frame.stream, frame.data))
        if frame.fin:
            self._end_peer(frame.stream, state, events)

    def _receiving(self, stream: int, events: list[Event], *, begins: bool = True) -> _Stream | None:
        """Return a stream on which the peer may send, or None where it may not: then it is told, once for a frame."""
        state = self._streams.get(stream)
        if state is None:
            if begins and not self._was(stream):
                self._write(frames.RstStream(stream, Reset.INVALID_STREAM))
            return None
        if not state.peer_sends:
            self._break(stream, Reset.STREAM_ALREADY_CLOSED, events)
            return None
        return state

    def _was(self, stream: int) -> bool:
        """Return whether a stream has been: what was under way when it ended is no fault."""
        return stream < self._next_stream if stream % 2 == self._parity else stream <= self._last_peer_stream

    def _break(self, stream: int, status: Reset, events: list[Event]) -> None:
        self.reset(stream, status)
        events.append(StreamReset(stream, status))

    def _end_peer(self, stream: int, state: _Stream, events: list[Event]) -> None:
        state.peer_sends = False
        events.append(StreamEnded(stream))
        self._forget_closed(stream, state)

    def _take_settings(self, values: dict[int, int], events: list[Event]) -> None:
        self._peer_streams_max = values.get(_STREAMS_SETTING, self._peer_streams_max)
        initial = values.get(_WINDOW_SETTING)
        if initial is None or not self._windows:
            return
        if initial > _WINDOW_MAX:
            raise FrameError(f"SETTINGS: a window of {initial} bytes; at most {_WINDOW_MAX}")
        grown = initial - self._initial_room
        self._initial_room = initial
        for stream, state in self._streams.items():
            state.room += grown
            if grown > 0:
                events.append(RoomGrew(stream))

    def _take_window(self, stream: int, delta: int, events: list[Event]) -> None:
        state = self._streams.get(stream) if stream else self._session
        if not self._windows or state is None:
            return
        if state.room + delta <= _WINDOW_MAX:
            state.room += delta
            events.append(RoomGrew(stream))
        elif stream:
            self._break(stream, Reset.FLOW_CONTROL_ERROR, events)
        else:
            raise FrameError("WINDOW_UPDATE: the session's window grew past its maximum")
