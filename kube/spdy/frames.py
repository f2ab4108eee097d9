"""Frames: what stands on the wire, as values.

Keeps true: a reader holds no more than one control frame of CONTROL_MAX_BYTES; the data of a data frame is handed on in
the pieces that it comes in, whatever length the frame claims.
Source: draft-mbelshe-httpbis-spdy-00, section 2.2 and 2.6.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from kube.spdy.headers import HeaderError, HeaderPacker, Headers, HeaderUnpacker

VERSION: Final = 3
CONTROL_MAX_BYTES: Final = 64 * 1024
DATA_MAX_BYTES: Final = (1 << 24) - 1
_HEAD_BYTES: Final = 8
_CONTROL: Final = 0x8000
_STREAM_MASK: Final = 0x7FFFFFFF
_FIN: Final = 0x01
_UNIDIRECTIONAL: Final = 0x02


class FrameError(ValueError):
    """Bytes that are no frame. What follows them means nothing: the connection has to end."""


class Kind(IntEnum):
    """The types of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a stream: a data frame, or a piece of one. fin: nothing follows on the stream.

    begins: it is the whole frame, or its first piece.
    """

    stream: int
    data: bytes
    fin: bool = False
    begins: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class SynStream:
    """A stream begins."""

    stream: int
    headers: Headers
    fin: bool = False
    unidirectional: bool = False


@dataclass(frozen=True, slots=True)
class SynReply:
    """A stream was accepted."""

    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    """Further headers of a stream."""

    stream: int
    headers: Headers
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """A stream ends at once, both ways."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    """What the sender wants to be known of itself: numbers by their id."""

    values: dict[int, int]


@dataclass(frozen=True, slots=True)
class Ping:
    """A question whether the other side is there, or the answer."""

    number: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The sender takes no further stream. last: the last one that it took."""

    last: int
    status: int


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """The sender takes `delta` bytes more, on a stream or (0) on all together."""

    stream: int
    delta: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A control frame of a type that means nothing to us: the specification wants it passed over."""

    kind: int


Frame = Data | SynStream | SynReply | MoreHeaders | RstStream | Settings | Ping | GoAway | WindowUpdate


class FrameWriter:
    """Frames to bytes. Frames with headers must be sent in the order in which they were written."""

    def __init__(self) -> None:
        self._packer = HeaderPacker()

    def write(self, frame: Frame) -> bytes:
        """Return a frame's bytes."""
        match frame:
            case Data(stream, data, fin, _):
                return struct.pack(">II", stream, _FIN * fin << 24 | len(data)) + data
            case SynStream(stream, headers, fin, unidirectional):
                flags = _FIN * fin | _UNIDIRECTIONAL * unidirectional
                return _control(Kind.SYN_STREAM, struct.pack(">IIH", stream, 0, 0) + self._packer.pack(headers), flags)
            case SynReply(stream, headers, fin):
                return _control(Kind.SYN_REPLY, stream.to_bytes(4, "big") + self._packer.pack(headers), _FIN * fin)
            case MoreHeaders(stream, headers, fin):
                return _control(Kind.HEADERS, stream.to_bytes(4, "big") + self._packer.pack(headers), _FIN * fin)
            case RstStream(stream, status):
                return _control(Kind.RST_STREAM, struct.pack(">II", stream, status))
            case Settings(values):
                pairs = b"".join(struct.pack(">II", number, value) for number, value in values.items())
                return _control(Kind.SETTINGS, len(values).to_bytes(4, "big") + pairs)
            case Ping(number):
                return _control(Kind.PING, number.to_bytes(4, "big"))
            case GoAway(last, status):
                return _control(Kind.GOAWAY, struct.pack(">II", last, status))
            case WindowUpdate(stream, delta):
                return _control(Kind.WINDOW_UPDATE, struct.pack(">II", stream, delta))


def _control(kind: Kind, body: bytes, flags: int = 0) -> bytes:
    return struct.pack(">HHI", _CONTROL | VERSION, kind, flags << 24 | len(body)) + body


class FrameReader:
    """Bytes to frames."""

    def __init__(self) -> None:
        self._unpacker = HeaderUnpacker()
        self._held = bytearray()
        self._data: tuple[int, int, bool, bool] | None = None
        """The data frame that is being read: stream, bytes left, fin, and whether none of it has been told yet."""

    def feed(self, data: bytes) -> Iterator[Frame | Unknown]:
        """Yield the frames that `data` completes; to be read to the end before more is fed. Raises FrameError."""
        self._held += data
        while (frame := self._next()) is not None:
            yield frame

    def _next(self) -> Frame | Unknown | None:
        """Return the next frame, or None where bytes are missing."""
        if self._data is not None:
            return self._piece(*self._data)
        if len(self._held) < _HEAD_BYTES:
            return None
        first, second = struct.unpack_from(">II", self._held)
        flags, length = second >> 24, second & DATA_MAX_BYTES
        if not first >> 31:
            del self._held[:_HEAD_BYTES]
            if not first:
                raise FrameError("data frame: its stream is 0; streams begin at 1")
            self._data = (first, length, bool(flags & _FIN), True)
            return self._piece(*self._data)
        version, kind = first >> 16 & ~_CONTROL, first & 0xFFFF
        if version != VERSION:
            raise FrameError(f"control frame: version {version}; this is SPDY/{VERSION}")
        if length > CONTROL_MAX_BYTES:
            raise FrameError(f"control frame: {length} bytes; at most {CONTROL_MAX_BYTES} are read")
        if len(self._held) < _HEAD_BYTES + length:
            return None
        body = bytes(self._held[_HEAD_BYTES : _HEAD_BYTES + length])
        del self._held[: _HEAD_BYTES + length]
        return self._parsed(kind, flags, body)

    def _piece(self, stream: int, left: int, fin: bool, begins: bool) -> Data | None:
        piece = bytes(self._held[:left])
        if left and not piece:
            return None
        del self._held[: len(piece)]
        left -= len(piece)
        self._data = (stream, left, fin, False) if left else None
        return Data(stream, piece, fin and not left, begins)

    def _parsed(self, kind: int, flags: int, body: bytes) -> Frame | Unknown:
        fin = bool(flags & _FIN)
        try:
            match kind:
                case Kind.SYN_STREAM:
                    stream = _stream(body)
                    headers = self._unpacker.unpack(body[10:])
                    return SynStream(stream, headers, fin, bool(flags & _UNIDIRECTIONAL))
                case Kind.SYN_REPLY:
                    return SynReply(_stream(body), self._unpacker.unpack(body[4:]), fin)
                case Kind.HEADERS:
                    return MoreHeaders(_stream(body), self._unpacker.unpack(body[4:]), fin)
                case Kind.SETTINGS:
                    return _settings(body)
                case Kind.PING:
                    return Ping(*struct.unpack(">I", body))
                case Kind.RST_STREAM | Kind.GOAWAY | Kind.WINDOW_UPDATE:
                    return _pair(kind, *struct.unpack(">II", body))
        except (struct.error, HeaderError) as error:
            raise FrameError(f"{Kind(kind).name}: {error}") from error
        return Unknown(kind)


def _stream(body: bytes) -> int:
    number: int = struct.unpack_from(">I", body)[0] & _STREAM_MASK
    if not number:
        raise FrameError("control frame: its stream is 0; streams begin at 1")
    return number


def _pair(kind: int, first: int, second: int) -> RstStream | GoAway | WindowUpdate:
    first &= _STREAM_MASK
    if kind == Kind.RST_STREAM:
        return RstStream(first, second)
    return GoAway(first, second) if kind == Kind.GOAWAY else WindowUpdate(first, second & _STREAM_MASK)


def _settings(body: bytes) -> Settings:
    count = int.from_bytes(body[:4], "big")
    if len(body) != 4 + 8 * count:
        raise FrameError(f"SETTINGS: {count} settings in {len(body)} bytes")
    pairs = (struct.unpack_from(">II", body, 4 + 8 * index) for index in range(count))
    return Settings({number & 0xFFFFFF: value for number, value in pairs})
