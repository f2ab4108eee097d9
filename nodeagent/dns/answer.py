"""From a query's bytes to an answer's, or to the decision to ask upstream. No I/O, no clock, no random.

Source: RFC 1035, RFC 2308 (negative answers carry the SOA).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from nodeagent.dns import message
from nodeagent.dns.message import Answer, Code, MalformedMessageError, Name, Query, Record, RecordType
from nodeagent.dns.zone import TTL_S, Found, Zone, look_up, owns

_ALIASES_MAX = 8
_IN, _ANY_CLASS = 1, 255


@dataclass(frozen=True, slots=True)
class Forward:
    """This is not ours to answer. query: what to ask upstream.

    alias: where the client asked for a Service that is a name elsewhere: its CNAMEs, to go before what upstream says.
    """

    asked: Query
    query: bytes
    alias: Sequence[Record] = ()


def answer(data: bytes, zone: Zone, *, limit_bytes: int | None = None) -> bytes | Forward | None:
    """Answer a query; None where it deserves none.

    limit_bytes: how large the answer may be; None: as the query says of UDP.
    """
    try:
        query = message.parse_query(data)
    except MalformedMessageError:
        return message.refusal(data, Code.FORMAT_ERROR)
    limit = limit_bytes if limit_bytes is not None else min(query.udp_bytes, message.EDNS_BYTES)
    if query.operation != 0:
        return message.write_answer(query, Answer(Code.NOT_IMPLEMENTED, is_authoritative=False), limit)
    if query.edns:
        return message.write_answer(query, Answer(Code.BAD_VERSION, is_authoritative=False), limit)
    if query.record_class not in (_IN, _ANY_CLASS):
        return message.write_answer(query, Answer(Code.REFUSED, is_authoritative=False), limit)
    if not owns(zone, query.name):
        return Forward(query, data)
    return _answer_own(query, zone, limit)


def _answer_own(query: Query, zone: Zone, limit: int) -> bytes | Forward:
    name, aliases = query.name, list[Record]()
    for _ in range(_ALIASES_MAX):
        found = look_up(zone, name, query.type)
        if not found.alias:
            return message.write_answer(query, _say(found, zone, query, aliases), limit)
        aliases.append(Record(name, RecordType.CNAME, TTL_S, found.alias))
        name = found.alias
        if query.type == RecordType.CNAME:
            return message.write_answer(query, Answer(answers=aliases), limit)
        if not owns(zone, name):
            return Forward(query, message.write_query(query.id, name, query.type), aliases)
    return message.write_answer(query, Answer(Code.SERVER_FAILURE, aliases), limit)


def _say(found: Found, zone: Zone, query: Query, aliases: Sequence[Record]) -> Answer:
    if not found.records:
        code = Code.OK if found.exists else Code.NO_SUCH_NAME
        return Answer(code, aliases, authority=[zone.authority()])
    return Answer(Code.OK, [*aliases, *_turned(found.records, query.id)], additional=found.additional)


def _turned(records: Sequence[Record], turn: int) -> Sequence[Record]:
    """Let a different record come first from query to query, so that clients that take the first are spread."""
    start = turn % len(records)
    return [*records[start:], *records[:start]]


def complete(forward: Forward, reply: bytes, *, limit_bytes: int | None = None) -> bytes:
    """Turn upstream's reply into the client's answer."""
    if not forward.alias:
        return forward.asked.id.to_bytes(2, "big") + reply[2:]
    query = forward.asked
    limit = limit_bytes if limit_bytes is not None else min(query.udp_bytes, message.EDNS_BYTES)
    try:
        records = message.read_answers(reply)
    except MalformedMessageError:
        return failure(forward)
    code = Code(reply[3] & 15) if reply[3] & 15 <= Code.REFUSED else Code.SERVER_FAILURE
    return message.write_answer(query, Answer(code, [*forward.alias, *records]), limit)


def failure(forward: Forward) -> bytes:
    """Return the answer where no upstream said anything."""
    refused = Answer(Code.SERVER_FAILURE, is_authoritative=False)
    return message.write_answer(forward.asked, refused, message.PLAIN_BYTES)


def is_reply_to(query: bytes, reply: bytes) -> bool:
    """Tell whether a message answers our question: same id, and the same name, type and class."""
    if len(reply) < 12 or reply[:2] != query[:2] or not reply[2] & 0x80 or reply[4:6] != b"\0\1":
        return False
    try:
        asked, asked_end = message.read_name(query, 12)
        echoed, echoed_end = message.read_name(reply, 12)
    except MalformedMessageError:
        return False
    is_same_name = _lower(asked) == _lower(echoed)
    return is_same_name and query[asked_end : asked_end + 4] == reply[echoed_end : echoed_end + 4]


def _lower(name: Name) -> Name:
    return tuple(label.lower() for label in name)
