"""Bytes to numbered fields, never past their end and never more of them than allowed.

Source: protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kube.codec import DecodeError

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5

NUMBER_MAX: Final = (1 << 29) - 1
"""The highest number that a field can have."""

FIELDS_MAX: Final = 250_000
"""How many fields one body may have: a body of the largest size has fewer, unless it is made to keep us busy."""
DEPTH_MAX: Final = 128
"""How deeply messages may lie in one another."""


class ProtobufError(DecodeError):
    """Bytes that are not the message they should be."""

    def __init__(self, found: str) -> None:
        """found: what is wrong; the fields around it are added on the way out, innermost first."""
        super().__init__(found)
        self.found = found
        self.path: list[str] = []

    def __str__(self) -> str:
        """Return what is wrong and where, as "spec.replicas: ..."."""
        where = ".".join(reversed(self.path))
        return f"{where}: {self.found}" if where else self.found


@dataclass(slots=True)
class Budget:
    """What is left to spend on one body."""

    fields: int = FIELDS_MAX
    depth: int = DEPTH_MAX

    def descend(self) -> None:
        """Enter a message; `depth` is to be given back on leaving it. Raises ProtobufError when it lies too deep."""
        self.depth -= 1
        if self.depth < 0:
            raise ProtobufError(f"messages are nested too deeply; at most {DEPTH_MAX} can lie in one another")


def fields(data: bytes, budget: Budget) -> Iterator[tuple[int, int | bytes]]:
    """Yield the key of each field (its number times 8, plus its wire type) and its value.

    The value of a VARINT is a number without a sign, of all others it is bytes. Raises ProtobufError. Every byte comes
    by here, so that what mostly happens (a key and a length of one byte each) is done without a call.
    """
    position, end = 0, len(data)
    try:
        while position < end:
            budget.fields -= 1
            if budget.fields < 0:
                raise _too_many()
            key = data[position]
            position += 1
            if key > 0x7F:
                key, position = varint(data, position - 1)
            wire_type = key & 7
            if wire_type == VARINT:
                value, position = varint(data, position)
                yield key, value
                continue
            if wire_type == BYTES:
                length = data[position]
                position += 1
                if length > 0x7F:
                    length, position = varint(data, position - 1)
            else:
                length = _fixed_length(wire_type)
            stop = position + length
            if stop > end:
                raise _truncated()
            yield key, data[position:stop]
            position = stop
    except IndexError as error:
        raise _truncated() from error


def _fixed_length(wire_type: int) -> int:
    if wire_type == FIXED64:
        return 8
    if wire_type == FIXED32:
        return 4
    raise ProtobufError(f"a field of wire type {wire_type} can't be read; groups are not part of this format")


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Return the number at `position`, and the position behind it. Raises ProtobufError, IndexError where data ends."""
    byte = data[position]
    if byte < 0x80:
        return byte, position + 1
    value = byte & 0x7F
    for shift in range(7, 70, 7):
        position += 1
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, position + 1
    raise ProtobufError("a number has more than 64 bits")


def varints(data: bytes, budget: Budget) -> Iterator[int]:
    """Yield the numbers that are packed into one field. Raises ProtobufError."""
    position, end = 0, len(data)
    try:
        while position < end:
            budget.fields -= 1
            if budget.fields < 0:
                raise _too_many()
            value, position = varint(data, position)
            yield value
    except IndexError as error:
        raise _truncated() from error


def signed(value: int) -> int:
    """Return what an int32 or int64 means that came as a number without a sign."""
    return value - (1 << 64) if value >> 63 else value


def _too_many() -> ProtobufError:
    return ProtobufError(f"the body has more fields than can be read; send at most {FIELDS_MAX}")


def _truncated() -> ProtobufError:
    return ProtobufError("the bytes end in the middle of a field")
