"""DNS messages: questions out of bytes, answers into bytes. No I/O.

Keeps true: an answer never exceeds its limit; what does not fit is left out and the TC bit says so.
Source: RFC 1035, RFC 2782 (SRV), RFC 6891 (EDNS0).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import assert_never

Name = tuple[bytes, ...]

EDNS_BYTES = 1232  # What passes everywhere without fragments; dnsflagday.net/2020.
PLAIN_BYTES = 512
_HEADER = struct.Struct("!HHHHHH")
_POINTERS_MAX = 32
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_WANTED, _RECURSION_OFFERED = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
_OPT = 41
_ADDRESS_BYTES = {1: 4, 28: 16}


class RecordType(IntEnum):
    """The record types that are spoken of here."""

    A = 1
    NS = 2
    CNAME = 5
    SOA = 6
    PTR = 12
    TXT = 16
    AAAA = 28
    SRV = 33
    ANY = 255


class Code(IntEnum):
    """How an answer went."""

    OK = 0
    FORMAT_ERROR = 1
    SERVER_FAILURE = 2
    NO_SUCH_NAME = 3
    NOT_IMPLEMENTED = 4
    REFUSED = 5
    BAD_VERSION = 16


class MalformedMessageError(ValueError):
    """These bytes are no DNS message."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question. name: labels in lower case; asked: the question as it came, to be repeated in the answer.

    udp_bytes: the largest answer that the client takes over UDP. edns: 0 or more: the version; None: no EDNS.
    """

    id: int
    flags: int
    name: Name
    type: int
    record_class: int
    asked: bytes
    udp_bytes: int
    edns: int | None

    @property
    def operation(self) -> int:
        """The opcode; 0 is a query."""
        return self.flags >> 11 & 15


@dataclass(frozen=True, slots=True)
class Service:
    """The data of an SRV record."""

    priority: int
    weight: int
    port: int
    target: Name


@dataclass(frozen=True, slots=True)
class Authority:
    """The data of a SOA record."""

    primary: Name
    mailbox: Name
    serial: int
    minimum_s: int


Data = IPv4Address | IPv6Address | Name | Service | Authority | bytes


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record of class IN. data bytes are taken as they are."""

    name: Name
    type: int
    ttl_s: int
    data: Data


@dataclass(frozen=True, slots=True)
class Answer:
    """What to say to a query."""

    code: Code = Code.OK
    answers: Sequence[Record] = ()
    authority: Sequence[Record] = ()
    additional: Sequence[Record] = ()
    is_authoritative: bool = True


def parse_query(data: bytes) -> Query:
    """Read a query. Raises MalformedMessageError; what has a readable header can still be refused by id."""
    if len(data) < 12:
        raise MalformedMessageError(f"dns message: {len(data)} bytes; a header has 12")
    number, flags, questions, answers, authorities, additional = _HEADER.unpack_from(data)
    if flags & _RESPONSE:
        raise MalformedMessageError("dns message: an answer where a query was expected")
    if questions != 1 or answers or authorities:
        raise MalformedMessageError(
            f"dns query: {questions} questions and {answers + authorities} records; send one question"
        )
    name, offset = read_name(data, 12)
    if offset + 4 > len(data):
        raise MalformedMessageError("dns query: ends inside the question")
    kind, record_class = struct.unpack_from("!HH", data, offset)
    offset += 4
    asked = data[12:offset]
    udp_bytes, edns = PLAIN_BYTES, None
    for _ in range(additional):
        _, offset = read_name(data, offset)
        if offset + 10 > len(data):
            raise MalformedMessageError("dns query: ends inside a record")
        found, size, ttl, length = struct.unpack_from("!HHIH", data, offset)
        offset += 10 + length
        if found == _OPT:
            udp_bytes, edns = max(PLAIN_BYTES, size), ttl >> 16 & 255
    return Query(number, flags, tuple(label.lower() for label in name), kind, record_class, asked, udp_bytes, edns)


def read_name(data: bytes, offset: int) -> tuple[Name, int]:
    """Read a name, following pointers; return it and the offset after it. Raises MalformedMessageError."""
    labels: list[bytes] = []
    after = -1
    pointers = size = 0
    while True:
        if offset >= len(data):
            raise MalformedMessageError("dns name: ends in the middle")
        length = data[offset]
        if length & 0xC0 == 0xC0:
            pointers += 1
            if pointers > _POINTERS_MAX or offset + 1 >= len(data):
                raise MalformedMessageError("dns name: pointers go round")
            after = offset + 2 if after < 0 else after
            offset = (length & 0x3F) << 8 | data[offset + 1]
            continue
        if length & 0xC0:
            raise MalformedMessageError(f"dns name: label type {length >> 6}; only 0 and 3 exist")
        offset += 1
        if not length:
            return tuple(labels), after if after >= 0 else offset
        size += length + 1
        if size > 254 or offset + length > len(data):
            raise MalformedMessageError("dns name: too long")
        labels.append(data[offset : offset + length])
        offset += length


def read_answers(data: bytes) -> list[Record]:
    """Read the answer section of a reply; names in data are written out. Raises MalformedMessageError."""
    if len(data) < 12:
        raise MalformedMessageError(f"dns message: {len(data)} bytes; a header has 12")
    _, _, questions, answers, _, _ = _HEADER.unpack_from(data)
    offset = 12
    for _ in range(questions):
        _, offset = read_name(data, offset)
        offset += 4
    records = []
    for _ in range(answers):
        name, offset = read_name(data, offset)
        if offset + 10 > len(data):
            raise MalformedMessageError("dns reply: ends inside a record")
        kind, _, ttl_s, length = struct.unpack_from("!HHIH", data, offset)
        offset += 10
        raw: Data = data[offset : offset + length]
        if offset + length > len(data) or _ADDRESS_BYTES.get(kind, length) != length:
            raise MalformedMessageError(f"dns reply: a record of type {kind} with {len(data) - offset} bytes left")
        if kind in (RecordType.CNAME, RecordType.NS, RecordType.PTR):
            raw, _ = read_name(data, offset)
        records.append(Record(name, kind, ttl_s, raw))
        offset += length
    return records


class _Writer:
    """Bytes of a message, with names that point back to where they were said before."""

    def __init__(self) -> None:
        self.data = bytearray(12)
        self._seen: dict[Name, int] = {}

    def add_question(self, query: Query) -> None:
        self.data += query.asked
        for index in range(len(query.name)):
            self._seen[query.name[index:]] = 12 + sum(len(label) + 1 for label in query.name[:index])

    def add_name(self, name: Name, *, may_point: bool = True) -> None:
        while name:
            if may_point and name in self._seen:
                self.data += struct.pack("!H", 0xC000 | self._seen[name])
                return
            if len(self.data) < 0x4000:
                self._seen.setdefault(name, len(self.data))
            self.data += bytes((len(name[0]),)) + name[0]
            name = name[1:]
        self.data += b"\0"

    def add_record(self, record: Record) -> None:
        self.add_name(record.name)
        self.data += struct.pack("!HHIH", record.type, 1, record.ttl_s, 0)
        start = len(self.data)
        self._add_data(record.data)
        struct.pack_into("!H", self.data, start - 2, len(self.data) - start)

    def _add_data(self, data: Data) -> None:
        match data:
            case IPv4Address() | IPv6Address():
                self.data += data.packed
            case Service():
                self.data += struct.pack("!HHH", data.priority, data.weight, data.port)
                self.add_name(data.target, may_point=False)  # RFC 2782.
            case Authority():
                self.add_name(data.primary)
                self.add_name(data.mailbox)
                self.data += struct.pack("!IIIII", data.serial, 7200, 1800, 86_400, data.minimum_s)
            case tuple():
                self.add_name(data)
            case bytes():
                self.data += data
            case _:
                assert_never(data)

    def forget_after(self, offset: int) -> None:
        """Cut the message short."""
        del self.data[offset:]
        self._seen = {name: place for name, place in self._seen.items() if place < offset}


def write_answer(query: Query, answer: Answer, limit_bytes: int) -> bytes:
    """Encode an answer of at most `limit_bytes`."""
    writer = _Writer()
    writer.add_question(query)
    reserve = 0 if query.edns is None else 11
    counts = [0, 0, 0]
    is_truncated = False
    for section, records in enumerate((answer.answers, answer.authority, answer.additional)):
        for record in records:
            before = len(writer.data)
            writer.add_record(record)
            if len(writer.data) + reserve > limit_bytes:
                writer.forget_after(before)
                is_truncated = section < 2  # Additional records are a courtesy.
                break
            counts[section] += 1
        if is_truncated:
            break
    if query.edns is not None:
        writer.data += struct.pack("!BHHIH", 0, _OPT, EDNS_BYTES, (answer.code >> 4) << 24, 0)
        counts[2] += 1
    flags = _RESPONSE | query.operation << 11 | query.flags & _RECURSION_WANTED | _RECURSION_OFFERED | answer.code & 15
    flags |= (_AUTHORITATIVE if answer.is_authoritative else 0) | (_TRUNCATED if is_truncated else 0)
    _HEADER.pack_into(writer.data, 0, query.id, flags, 1, *counts)
    return bytes(writer.data)


def refusal(data: bytes, code: Code) -> bytes | None:
    """Return an answer of a bare header to what could not be read; None where there is not even a query's header."""
    if len(data) < 12 or data[2] & 0x80:
        return None
    number, flags = struct.unpack_from("!HH", data)
    return _HEADER.pack(number, _RESPONSE | flags & 0x7900 | _RECURSION_OFFERED | code, 0, 0, 0, 0)


def write_query(number: int, name: Name, kind: int) -> bytes:
    """Encode a question of our own, with EDNS."""
    encoded = b"".join(bytes((len(label),)) + label for label in name) + b"\0"
    question = encoded + struct.pack("!HH", kind, 1)
    return (
        _HEADER.pack(number, _RECURSION_WANTED, 1, 0, 0, 1)
        + question
        + struct.pack("!BHHIH", 0, _OPT, EDNS_BYTES, 0, 0)
    )


def to_name(text: str) -> Name:
    """Turn "a.b.c" or "a.b.c." into labels, in lower case."""
    return tuple(label.encode() for label in text.rstrip(".").lower().split(".") if label)
