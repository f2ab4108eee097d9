"""Port-forward over SPDY, without I/O: pairs of streams on the client's side, a connection for each on ours.

Keeps true: a connection is wanted once both streams of its pair are there; what one side ends, the other may go on
sending; why a connection could not be made or broke is told on its error stream, and the others go on.
Source: Kubernetes' portforward.k8s.io: the headers `port`, `streamtype` (data or error) and `requestid`, one per pair.
"""

from dataclasses import dataclass
from typing import Final

from kube.spdy.connection import Connection, Reset
from kube.spdy.events import DataReceived, Event, Failed, PeerLeaving, StreamEnded, StreamOpened, StreamReset
from kube.spdy.headers import Headers

STREAMS_MAX: Final = 4096
PIECE_BYTES: Final = 1 << 20
_HALVES: Final = ("data", "error")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The client wants a connection to a port. pair: the number by which it is known from now on."""

    pair: int
    port: int


@dataclass(frozen=True, slots=True)
class Given:
    """Bytes for a connection."""

    pair: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The client sends nothing more."""

    pair: int


@dataclass(frozen=True, slots=True)
class Dropped:
    """The client has done with a connection, both ways."""

    pair: int


Step = Wanted | Given | Ended | Dropped


@dataclass(slots=True)
class _Half:
    """A stream whose other half has not come yet."""

    stream: int
    kind: str
    port: int
    was_overdue: bool = False


class Pairs:
    """The client's side. A pair is known by the number of its data stream."""

    def __init__(self) -> None:
        """Begin without streams."""
        self.connection = Connection(is_client=False, windows=False, streams_max=STREAMS_MAX)
        self.has_left = False
        """Whether the client said good-bye, or broke the protocol."""
        self._halves: dict[str, _Half] = {}
        self._errors: dict[int, int] = {}
        self._silent: set[int] = set()
        """The pairs whose node sends no more data; why not may still come."""

    def from_client(self, data: bytes) -> list[Step]:
        """Return what a client's bytes mean."""
        return [step for event in self.connection.receive(data) for step in self._heard(event)]

    def send(self, pair: int, data: bytes) -> None:
        """Pass a connection's bytes on."""
        for start in range(0, len(data), PIECE_BYTES):
            if self.connection.room(pair):  # Else the client reads no more of it.
                self.connection.send(pair, data[start : start + PIECE_BYTES])

    def end(self, pair: int) -> None:
        """Say that a connection sends nothing more."""
        self._silent.add(pair)
        if self.connection.room(pair):
            self.connection.end(pair)

    def fail(self, pair: int, why: str) -> None:
        """Say why a connection could not be made, or broke. It is over with that."""
        error = self._errors.get(pair, 0)
        if self.connection.room(error):
            self.connection.send(error, why.encode())
        self._end_error(pair)
        self.connection.reset(pair, Reset.CANCEL)

    def finish(self, pair: int) -> None:
        """Say that a connection is over."""
        self.end(pair)
        self._silent.discard(pair)
        self._end_error(pair)

    def drop_overdue(self) -> None:
        """Refuse the halves that were alone at the last call already."""
        for name, half in list(self._halves.items()):
            if half.was_overdue:
                del self._halves[name]
                self.connection.reset(half.stream, Reset.CANCEL)
            half.was_overdue = True

    def _end_error(self, pair: int) -> None:
        error = self._errors.pop(pair, 0)
        if self.connection.room(error):
            self.connection.end(error)

    def _heard(self, event: Event) -> list[Step]:
        match event:
            case StreamOpened(stream, headers):
                return self._open(stream, headers)
            case DataReceived(stream, data) if stream in self._errors:
                return [Given(stream, data)]
            case StreamEnded(stream) if stream in self._errors:
                return [Ended(stream)]
            case StreamReset(stream):
                return self._lost(stream)
            case Failed() | PeerLeaving():
                self.has_left = True
        return []

    def _open(self, stream: int, headers: Headers) -> list[Step]:
        kind, port = headers.get("streamtype", ""), port_number(headers.get("port", ""))
        name = headers.get("requestid", "") or _old_name(stream, kind)
        half = self._halves.get(name)
        if kind not in _HALVES or not port or (half is not None and half.kind == kind):
            self.connection.reset(stream, Reset.REFUSED_STREAM)
            return []
        self.connection.accept(stream)
        if half is None:
            self._halves[name] = _Half(stream, kind, port)
            return []
        del self._halves[name]
        data, error = (stream, half.stream) if kind == "data" else (half.stream, stream)
        self._errors[data] = error
        return [Wanted(data, port if kind == "data" else half.port)]

    def _lost(self, stream: int) -> list[Step]:
        self._halves = {name: half for name, half in self._halves.items() if half.stream != stream}
        if stream not in self._errors:
            return []
        if stream in self._silent:  # As kubectl does once all data has come: it waits for the error still.
            return [Ended(stream)]
        self._end_error(stream)
        return [Dropped(stream)]


def _old_name(stream: int, kind: str) -> str:
    """Return what a pair of an old client is called: it opens the error stream, then the data's, and names neither."""
    return f"stream {stream if kind == 'error' else stream - 2}"


def port_number(text: str) -> int:
    """Return a port, 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 1 << 16 else 0
