"""What a peer did, as values: what Connection.receive returns."""

from dataclasses import dataclass

from kube.spdy.headers import Headers


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer wants a stream: accept it or reset it."""

    stream: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class StreamAccepted:
    """The peer took a stream of ours."""

    stream: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class HeadersReceived:
    """The peer sent further headers."""

    stream: int
    headers: Headers


@dataclass(frozen=True, slots=True)
class DataReceived:
    """The peer sent bytes. With windows on, tell `consumed` once they are used."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer sends nothing more on a stream; we may."""

    stream: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """A stream is gone, both ways: by the peer, or by its breach of the rules."""

    stream: int
    status: int


@dataclass(frozen=True, slots=True)
class Pong:
    """The peer answered a ping of ours."""

    number: int


@dataclass(frozen=True, slots=True)
class RoomGrew:
    """More may be sent, on a stream or (0) on all."""

    stream: int


@dataclass(frozen=True, slots=True)
class PeerLeaving:
    """The peer takes no further stream."""

    status: int


@dataclass(frozen=True, slots=True)
class Failed:
    """The peer sent what makes no sense: the connection is over. why: a sentence."""

    why: str


Event = (
    StreamOpened
    | StreamAccepted
    | HeadersReceived
    | DataReceived
    | StreamEnded
    | StreamReset
    | Pong
    | RoomGrew
    | PeerLeaving
    | Failed
)
