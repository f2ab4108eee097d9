"""nftables over nfnetlink: tables, chains, rules, sets and maps as values, sent as one atomic batch.

Keeps true: a batch happens whole or not at all, and no packet sees half of it. Knows IPv4 tables ("ip").
An expression leaves its result in a register of four bytes; R0, R1 ... name them, and a key of several fields lies in
registers that follow one another.
Source: linux/netfilter/nf_tables.h, nft(8); `nft --debug=netlink list ruleset` shows the same expressions.
"""

import errno
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from ipaddress import IPv4Network
from itertools import islice

from nodeagent.network.netlink import (
    ACK,
    APPEND,
    CREATE,
    DUMP,
    NESTED,
    Message,
    NetlinkError,
    NetlinkSocket,
    attribute,
    attributes_of,
    be32,
    be64,
    each_attribute,
    nest,
    text,
)

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_TABLE, _GET_TABLE, _DEL_TABLE, _NEW_CHAIN, _DEL_CHAIN, _NEW_RULE = 0, 1, 2, 3, 5, 6
_NEW_SET, _NEW_ELEMENTS, _GET_ELEMENTS, _DEL_ELEMENTS = 9, 12, 13, 14
_FAMILY_IPV4 = 2
_ELEMENTS_PER_MESSAGE = 400  # An attribute holds at most 64 kB.
_VERDICT_TYPE = 0xFFFFFF00

R0, R1, R2, R3, R4, R5, R6, R7 = range(8, 16)
_VERDICT_REGISTER = 0
SOURCE, DESTINATION = 12, 16
MASQUERADE_MARK = 0x4000  # As kube-proxy marks the packets that must come back through this node.


class Type(IntEnum):
    """The data types of set fields, by nft's own numbers, so that `nft list` prints them well."""

    ADDRESS = 7
    PROTOCOL = 12
    PORT = 13
    MARK = 19
    VERDICT = _VERDICT_TYPE


class Verdict(IntEnum):
    """What a rule says in the end."""

    DROP = 0
    ACCEPT = 1
    JUMP = -3
    GOTO = -4
    RETURN = -5


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a base chain is called. kind: nat or filter; number: 0 prerouting ... 4 postrouting."""

    kind: str
    number: int
    priority: int


PREROUTING, INPUT, FORWARD, OUTPUT, POSTROUTING = range(5)


@dataclass(frozen=True, slots=True)
class Set:
    """A set, or with `data` a map; a key has at most five fields.

    timeout_s: how long an element lives that packets add; 0 forbids that.
    """

    name: str
    key: tuple[Type, ...]
    data: tuple[Type, ...] = ()
    timeout_s: int = 0


@dataclass(frozen=True, slots=True)
class Element:
    """One element. data: bytes for a data map, None for a set; a verdict map has `verdict` and its chain."""

    key: bytes
    data: bytes | None = None
    verdict: Verdict | None = None
    chain: str = ""


Expression = bytes
Rule = Sequence[Expression]


def _expression(name: str, *attributes: bytes) -> Expression:
    return nest(1, text(1, name), nest(2, *attributes))


def _value(raw: bytes) -> bytes:
    return attribute(1, raw)


def host_u32(value: int) -> bytes:
    """Encode a number as registers hold numbers that packets do not carry: marks, numgen, states."""
    return struct.pack("=L", value)


def load_address(field: int, register: int) -> Expression:
    """Load the packet's SOURCE or DESTINATION address."""
    return _expression("payload", be32(1, register), be32(2, 1), be32(3, field), be32(4, 4))


def load_port(register: int) -> Expression:
    """Load the destination port of TCP, UDP or SCTP."""
    return _expression("payload", be32(1, register), be32(2, 2), be32(3, 2), be32(4, 2))


def load_protocol(register: int) -> Expression:
    """Load the transport protocol's number."""
    return _expression("meta", be32(1, register), be32(2, 16))


def load_constant(raw: bytes, register: int) -> Expression:
    """Load fixed bytes."""
    return _expression("immediate", be32(1, register), nest(2, _value(raw)))


def load_random(modulus: int, register: int, offset: int = 0) -> Expression:
    """Load offset + a random number below `modulus`."""
    return _expression("numgen", be32(1, register), be32(2, modulus), be32(3, 1), be32(4, offset))


def look_up(name: str, register: int, into: int) -> Expression:
    """Load what map `name` has for the key in `register`; where it has nothing, leave the rule."""
    return _expression("lookup", text(1, name), be32(2, register), be32(3, into))


def verdict_of(name: str, register: int) -> Expression:
    """Do what verdict map `name` says for the key in `register`, if anything."""
    return look_up(name, register, _VERDICT_REGISTER)


def is_in(name: str, register: int) -> Expression:
    """Go on only where set `name` has the key in `register`."""
    return _expression("lookup", text(1, name), be32(2, register))


def compare(register: int, raw: bytes, *, equal: bool = True) -> Expression:
    """Go on only where the register holds (or does not hold) `raw`."""
    return _expression("cmp", be32(1, register), be32(2, 0 if equal else 1), nest(3, _value(raw)))


def mask(register: int, keep: bytes, flip: bytes = bytes(4)) -> Expression:
    """Set the register to (register & keep) ^ flip."""
    size = be32(3, len(keep))
    return _expression(
        "bitwise", be32(1, register), be32(2, register), size, nest(4, _value(keep)), nest(5, _value(flip))
    )


def address_is(field: int, network: IPv4Network, *, equal: bool = True) -> Rule:
    """Go on only where the SOURCE or DESTINATION address is (or is not) in `network`."""
    masked = mask(R0, network.netmask.packed)
    return [load_address(field, R0), masked, compare(R0, network.network_address.packed, equal=equal)]


def address_is_local(field: int) -> Rule:
    """Go on only where the SOURCE or DESTINATION address is one of this host's."""
    fib = _expression("fib", be32(1, R0), be32(2, 3), be32(3, 1 if field == SOURCE else 2))
    return [fib, compare(R0, host_u32(2))]


def interface_is(name: str, *, is_output: bool, equal: bool = True) -> Rule:
    """Go on only where the packet came in (or goes out) by that link, or by another one."""
    load = _expression("meta", be32(1, R0), be32(2, 7 if is_output else 6))
    return [load, compare(R0, name.encode().ljust(16, b"\0"), equal=equal)]


def connection_is_new() -> Rule:
    """Go on only for the first packets of a connection."""
    load = _expression("ct", be32(1, R0), be32(2, 0))
    return [load, mask(R0, host_u32(8)), compare(R0, bytes(4), equal=False)]


def connection_is_tracked() -> Rule:
    """Go on only for packets of an established connection, or related to one."""
    load = _expression("ct", be32(1, R0), be32(2, 0))
    return [load, mask(R0, host_u32(6)), compare(R0, bytes(4), equal=False)]


def set_mark(bits: int) -> Rule:
    """Set `bits` in the packet's mark."""
    load = _expression("meta", be32(2, 3), be32(1, R0))
    store = _expression("meta", be32(2, 3), be32(3, R0))
    return [load, mask(R0, host_u32(0xFFFFFFFF ^ bits), host_u32(bits)), store]


def take_mark(bits: int) -> Rule:
    """Go on only where `bits` are set in the packet's mark, and clear them."""
    load = _expression("meta", be32(2, 3), be32(1, R0))
    test = [load, mask(R0, host_u32(bits)), compare(R0, host_u32(bits))]
    store = _expression("meta", be32(2, 3), be32(3, R0))
    return [*test, load, mask(R0, host_u32(0xFFFFFFFF ^ bits)), store]


def end(verdict: Verdict, chain: str = "") -> Expression:
    """End the rule with a verdict."""
    return _expression("immediate", be32(1, _VERDICT_REGISTER), nest(2, _verdict(verdict, chain)))


def reject() -> Expression:
    """Answer with ICMP "port unreachable" and drop."""
    return _expression("reject", be32(1, 0), attribute(2, b"\3"))


def reset() -> Rule:
    """Of TCP, answer with a reset and drop: unlike ICMP it is never held back by a rate limit."""
    return [load_protocol(R0), compare(R0, b"\6"), _expression("reject", be32(1, 1))]


def masquerade() -> Expression:
    """Send the packet from this host's own address and a random port."""
    return _expression("masq", be32(1, 0x10))


def send_to(register: int) -> Expression:
    """Change the destination to the address in `register` and the port in the one after it."""
    return _expression("nat", be32(1, 1), be32(2, _FAMILY_IPV4), be32(3, register), be32(5, register + 1))


def remember(name: str, key: int, timeout_s: int) -> Expression:
    """Put the key in `key` into set `name` for that time; one that is there gets the time anew."""
    return _expression("dynset", text(1, name), be32(3, 1), be32(4, key), be64(6, timeout_s * 1000))


@lru_cache(1024)
def _verdict(verdict: Verdict, chain: str) -> bytes:
    code = attribute(1, struct.pack("!i", verdict))
    return nest(2, code, text(2, chain)) if chain else nest(2, code)


def _type_code(types: Sequence[Type]) -> int:
    code = 0
    for field in types:
        code = code << 6 | field if len(types) > 1 else field
    return code


class Batch:
    """Changes to one table, in order."""

    def __init__(self, table: str) -> None:
        self._table = table
        self._messages: list[Message] = []
        self._sets = 0

    def __len__(self) -> int:
        return len(self._messages)

    def add_table(self) -> None:
        """Make the table where it is missing."""
        self._add(_NEW_TABLE, text(1, self._table), CREATE)

    def delete_table(self) -> None:
        """Delete the table with everything in it; it must exist."""
        self._add(_DEL_TABLE, text(1, self._table))

    def add_chain(self, name: str, hook: Hook | None = None) -> None:
        """Add a chain, a base chain where `hook` says when it is called."""
        body = text(1, self._table) + text(3, name)
        if hook is not None:
            priority = attribute(2, struct.pack("!i", hook.priority))
            body += nest(4, be32(1, hook.number), priority) + text(7, hook.kind)
        self._add(_NEW_CHAIN, body, CREATE)

    def delete_chain(self, name: str) -> None:
        """Delete a chain and its rules; nothing may lead to it any more."""
        self._add(_DEL_CHAIN, text(1, self._table) + text(3, name))

    def add_rule(self, chain: str, *parts: Rule | Expression) -> None:
        """Append a rule of these expressions."""
        expressions = b"".join(part if isinstance(part, bytes) else b"".join(part) for part in parts)
        body = text(1, self._table) + text(2, chain) + nest(4, expressions)
        self._add(_NEW_RULE, body, CREATE | APPEND)

    def add_set(self, declared: Set) -> None:
        """Add a set or map."""
        self._sets += 1
        flags = (8 if declared.data else 0) | (0x30 if declared.timeout_s else 0)
        body = text(1, self._table) + text(2, declared.name) + be32(3, flags)
        body += be32(4, _type_code(declared.key)) + be32(5, 4 * len(declared.key))
        if declared.data:
            body += be32(6, _type_code(declared.data)) + be32(7, 4 * len(declared.data))
        if declared.timeout_s:
            body += be64(11, declared.timeout_s * 1000) + nest(9, be32(1, 65535))
        self._add(_NEW_SET, body + be32(10, self._sets), CREATE)

    def add_elements(self, name: str, elements: Iterable[Element]) -> None:
        """Add elements to a set or map."""
        self._change_elements(_NEW_ELEMENTS, name, map(_encode_element, elements), CREATE)

    def delete_elements(self, name: str, keys: Iterable[bytes]) -> None:
        """Delete the elements with these keys; all must exist."""
        self._change_elements(_DEL_ELEMENTS, name, (nest(1, nest(1, _value(key))) for key in keys), 0)

    def commit(self, sock: NetlinkSocket) -> None:
        """Carry out the batch. Raises NetlinkError, and then nothing of it has happened."""
        if not self._messages:
            return
        frame = struct.pack("!BBH", 0, 0, _SUBSYSTEM)
        *most, last = self._messages
        confirmed = Message(last.type, last.body, last.flags | ACK)
        sock.transact([Message(_BATCH_BEGIN, frame, 0), *most, confirmed, Message(_BATCH_END, frame, 0)])

    def _add(self, kind: int, body: bytes, flags: int = 0) -> None:
        self._messages.append(Message(_SUBSYSTEM << 8 | kind, _FAMILY + body, flags))

    def _change_elements(self, kind: int, name: str, encoded: Iterable[bytes], flags: int) -> None:
        head = text(1, self._table) + text(2, name)
        rest = iter(encoded)
        while part := b"".join(islice(rest, _ELEMENTS_PER_MESSAGE)):
            self._add(kind, head + nest(3, part), flags)


_ATTRIBUTE = struct.Struct("=HH")
_FAMILY = struct.pack("!BBH", _FAMILY_IPV4, 0, 0)


_KEYED = struct.Struct("=HHHHHH")  # An element that holds a key that holds a value: three attributes begin.
_DATA = struct.Struct("=HHHH")


def _encode_element(element: Element) -> bytes:
    """Encode list element, key and value at once: there are thousands of them."""
    key, size = element.key, len(element.key)
    if element.verdict is not None:
        said = _verdict(element.verdict, element.chain)
        rest = _ATTRIBUTE.pack(len(said) + 4, 2 | NESTED) + said
    elif element.data is not None:
        data = element.data
        rest = _DATA.pack(len(data) + 8, 2 | NESTED, len(data) + 4, 1) + data
    else:
        rest = b""
    head = _KEYED.pack(size + 12 + len(rest), 1 | NESTED, size + 8, 1 | NESTED, size + 4, 1)
    return head + key + rest


def read_tables(sock: NetlinkSocket) -> list[str]:
    """Return the names of all IPv4 tables."""
    replies = sock.request([Message(_SUBSYSTEM << 8 | _GET_TABLE, _FAMILY, DUMP)])
    return [attributes_of(reply.body, 4)[1].rstrip(b"\0").decode() for reply in replies]


def read_elements(sock: NetlinkSocket, table: str, name: str) -> list[tuple[bytes, bytes]]:
    """Return key and data of each element of a set or data map; a set has no data."""
    found = []
    for reply in sock.dump(_SUBSYSTEM << 8 | _GET_ELEMENTS, _FAMILY + text(1, table) + text(2, name)):
        listed = attributes_of(reply.body, 4).get(3, b"")
        for _, item in each_attribute(listed):
            fields = attributes_of(item)
            found.append((attributes_of(fields[1])[1], attributes_of(fields.get(2, b"")).get(1, b"")))
    return found


def read_keys(sock: NetlinkSocket, table: str, name: str) -> list[bytes]:
    """Return the keys of a set."""
    return [key for key, _ in read_elements(sock, table, name)]


def delete_table(sock: NetlinkSocket, table: str) -> None:
    """Delete a table with everything in it; nothing there is fine."""
    batch = Batch(table)
    batch.delete_table()
    try:
        batch.commit(sock)
    except NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise
