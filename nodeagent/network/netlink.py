"""Netlink: messages and attributes as bytes, and a socket that sends them and gathers the answers.

Keeps true: a request that the kernel refuses raises NetlinkError with the kernel's own sentence; an answer is never
taken for another request's. The kernel answers inside the send call, so nothing here waits for long.
Source: RFC 3549, docs.kernel.org/userspace-api/netlink.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from nodeagent.network import namespaces

ROUTE = 0
NETFILTER = 12

REQUEST = 0x01
ACK = 0x04
DUMP = 0x300
REPLACE = 0x100
EXCLUSIVE = 0x200
CREATE = 0x400
APPEND = 0x800
NESTED = 0x8000

_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_ACK_HAS_ATTRIBUTES = 0x200
_ACK_IS_CAPPED = 0x100
_EXT_ACK_MESSAGE = 1

_SOL_NETLINK = 270
_CAP_ACK = 10
_EXT_ACK = 11
_GET_STRICT_CHK = 12
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33

_HEADER = struct.Struct("=LHHLL")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE_BYTES = 1 << 18


class NetlinkError(OSError):
    """What the kernel refused. errno as in OSError; the text is the kernel's, where it gave one."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request: its type, flags beyond REQUEST, and the body after the netlink header."""

    type: int
    body: bytes
    flags: int = ACK


@dataclass(frozen=True, slots=True)
class Reply:
    """One message from the kernel: its type and the body after the netlink header."""

    type: int
    body: bytes


@dataclass(slots=True)
class _Gathered:
    replies: list[Reply] = field(default_factory=list)
    errors: list[NetlinkError] = field(default_factory=list)


def attribute(kind: int, payload: bytes) -> bytes:
    """Encode one attribute, padded to four bytes."""
    size = len(payload) + 4
    return _ATTRIBUTE.pack(size, kind) + payload + b"\0" * (-size % 4)


def nest(kind: int, *attributes: bytes) -> bytes:
    """Encode an attribute that holds attributes."""
    return attribute(kind | NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """Encode a zero-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def u8(kind: int, value: int) -> bytes:
    """Encode a byte."""
    return attribute(kind, struct.pack("=B", value))


def u32(kind: int, value: int) -> bytes:
    """Encode a number in the machine's byte order, as rtnetlink has it."""
    return attribute(kind, struct.pack("=L", value))


def be32(kind: int, value: int) -> bytes:
    """Encode a number in network byte order, as nfnetlink has it."""
    return attribute(kind, struct.pack("!L", value))


def be64(kind: int, value: int) -> bytes:
    """Encode a long number in network byte order."""
    return attribute(kind, struct.pack("!Q", value))


def each_attribute(data: bytes, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Yield the attributes (kind without flag bits, payload) of `data` from `offset` on."""
    end = len(data)
    while offset + 4 <= end:
        size, kind = _ATTRIBUTE.unpack_from(data, offset)
        if size < 4:
            return
        yield kind & 0x3FFF, data[offset + 4 : offset + size]
        offset += (size + 3) & ~3


def attributes_of(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return the attributes of `data` by kind; of repeated ones the last."""
    return dict(each_attribute(data, offset))


class NetlinkSocket:
    """A netlink socket of the network namespace of the thread that opens it; it stays there wherever it is used.

    Not for several threads at once.
    """

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._sequence = 0
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        if protocol == ROUTE:
            self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)
        self._socket.bind((0, 0))

    def __enter__(self) -> "NetlinkSocket":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket; closing twice is fine."""
        self._socket.close()

    def request(self, messages: Sequence[Message], *, tolerate: Iterable[int] = ()) -> list[Reply]:
        """Send `messages` in one call, in order; each is carried out even where one before it failed.

        tolerate: errno values that count as success (EEXIST, ENOENT, ...). Raises the first other NetlinkError.
        """
        accepted = frozenset(tolerate)
        gathered = self._exchange(messages)
        for error in gathered.errors:
            if error.errno not in accepted:
                raise error
        return gathered.replies

    def dump(self, kind: int, body: bytes) -> list[Reply]:
        """Ask for a whole table. Asks again where it changed in the middle of the answer."""
        for _ in range(4):
            try:
                return self.request([Message(kind, body, DUMP)])
            except NetlinkError as error:
                if error.errno != errno.EINTR:
                    raise
        raise NetlinkError(errno.EINTR, "netlink dump: the table changed four times while it was read; try again")

    def transact(self, messages: Sequence[Message]) -> None:
        """Send an nfnetlink batch, first and last message included; all of it happens or nothing does.

        Raises the first NetlinkError.
        """
        base = self._sequence + 1
        payload = b"".join(self._encode(message) for message in messages)
        self._allow(len(payload))
        self._socket.send(payload)
        failure: NetlinkError | None = None
        while True:
            try:
                data = self._socket.recv(_RECEIVE_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            for kind, flags, sequence, body in _split(data):
                if kind == _NLMSG_ERROR and sequence >= base and failure is None:
                    failure = _error_of(flags, body)
        if failure is not None:
            raise failure

    def _encode(self, message: Message) -> bytes:
        self._sequence += 1
        head = _HEADER.pack(len(message.body) + 16, message.type, message.flags | REQUEST, self._sequence, 0)
        return head + message.body + b"\0" * (-len(message.body) % 4)

    def _allow(self, size: int) -> None:
        """Make room in the send buffer: a batch must go in one call."""
        if size > 100_000:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, size * 2)
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 21)

    def _exchange(self, messages: Sequence[Message]) -> _Gathered:
        first = self._sequence + 1
        self._socket.send(b"".join(self._encode(message) for message in messages))
        waiting = set(range(first, self._sequence + 1))
        gathered = _Gathered()
        while waiting:
            for kind, flags, sequence, body in _split(self._socket.recv(_RECEIVE_BYTES)):
                if sequence not in waiting:
                    continue  # The rest of an answer that an earlier caller gave up on.
                if flags & 0x10 and kind != _NLMSG_ERROR:
                    gathered.errors.append(NetlinkError(errno.EINTR, "netlink dump: the table changed"))
                if kind in (_NLMSG_ERROR, _NLMSG_DONE):
                    waiting.discard(sequence)
                    error = _error_of(flags, body)
                    if error is not None:
                        gathered.errors.append(error)
                else:
                    gathered.replies.append(Reply(kind, body))
        return gathered


def _split(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    offset = 0
    while offset + 16 <= len(data):
        size, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
        yield kind, flags, sequence, data[offset + 16 : offset + size]
        offset += (size + 3) & ~3


def _error_of(flags: int, body: bytes) -> NetlinkError | None:
    """Read an acknowledgement (or the end of a dump): None for success."""
    code = -struct.unpack_from("=l", body)[0] if len(body) >= 4 else 0
    if code <= 0:
        return None
    sentence = os.strerror(code)
    if flags & _ACK_HAS_ATTRIBUTES:
        echoed = 16 if flags & _ACK_IS_CAPPED else struct.unpack_from("=L", body, 4)[0]
        said = attributes_of(body, 4 + ((echoed + 3) & ~3)).get(_EXT_ACK_MESSAGE)
        if said:
            sentence = f"{sentence}: {said.rstrip(bytes(1)).decode(errors='replace')}"
    return NetlinkError(code, sentence)


@contextmanager
def socket_in(netns_path: str, protocol: int) -> Iterator[NetlinkSocket]:
    """Open a socket in another namespace, for a worker thread; the thread itself is back at once."""
    with namespaces.entered(netns_path):
        sock = NetlinkSocket(protocol)
    with sock:
        yield sock
