"""Write objects as Kubernetes protobuf, for tests alone: the server only reads it.

The field numbers come from the server's own tables; that these are right, what kubectl sends shows.
"""

import struct
import typing
from base64 import b64decode
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from apiserver.protobuf.schema import table_of
from kube.api.scalars import Duration, JsonObject, Time
from kube.codec import encode
from kube.quantity import Quantity
from kube.times import parse_duration, parse_time

EPOCH = parse_time("1970-01-01T00:00:00Z")


def varint(value: int) -> bytes:
    """Return a number of up to 64 bits; negative ones take all of them."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(field: int, value: int) -> bytes:
    """Return a field with a number."""
    return varint(field << 3) + varint(value)


def chunk(field: int, data: bytes | str) -> bytes:
    """Return a field with bytes, text or a message."""
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    """Return a whole body."""
    return b"k8s\0" + chunk(1, chunk(1, api_version) + chunk(2, kind)) + chunk(2, raw) + chunk(3, "") + chunk(4, "")


def field_types(cls: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the type of each field by its name in JSON."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.encode_name: hints[field.name] for field in msgspec.structs.fields(cls)}


def choices_of(hint: Any) -> tuple[Any, ...]:
    """Return what a field may be, None and notes left out."""
    if typing.get_origin(hint) is typing.Annotated and hint not in (Time, Duration):
        return choices_of(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (tuple, Mapping, typing.Annotated) or not typing.get_args(hint):
        return (hint,)
    return tuple(inner for choice in typing.get_args(hint) if choice is not type(None) for inner in choices_of(choice))


def is_struct(hint: Any) -> bool:
    """Say if a type is a message of its own."""
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)


def message(cls: type[msgspec.Struct], plain: Mapping[str, Any]) -> bytes:
    """Return the message that plain JSON describes."""
    types = field_types(cls)
    parts: dict[tuple[int, ...], bytes] = {(): b""}
    for entry in table_of(cls):
        if entry.name in plain:
            *outer, last = entry.numbers
            data = b"".join(fields(last, types[entry.name], plain[entry.name]))
            parts[tuple(outer)] = parts.get(tuple(outer), b"") + data
    while len(parts) > 1:
        innermost = max(parts, key=len)
        *above, last = innermost
        data = chunk(last, parts.pop(innermost))
        parts[tuple(above)] = parts.get(tuple(above), b"") + data
    return parts[()]


def fields(field: int, hint: Any, value: Any) -> Iterable[bytes]:
    """Yield a field, as often as a list or map has items."""
    [first, *others] = choices_of(hint)
    if not others and typing.get_origin(first) is tuple:
        return [one(field, typing.get_args(first)[0], item) for item in value]
    if not others and typing.get_origin(first) is Mapping and first != JsonObject:
        item_type = typing.get_args(first)[1]
        return [chunk(field, chunk(1, key) + one(2, item_type, item)) for key, item in value.items()]
    return [one(field, hint, value)]


def one(field: int, hint: Any, value: Any) -> bytes:
    """Return a field with one value."""
    choices = choices_of(hint)
    if len(choices) > 1:
        return chunk(field, choice(choices, value))
    [wanted] = choices
    if is_struct(wanted):
        return chunk(field, message(wanted, value))
    if wanted in (int, bool):
        return number(field, int(value))
    if wanted is float:
        return varint(field << 3 | 1) + struct.pack("<d", value)
    return chunk(field, scalar(wanted, value))


def scalar(wanted: Any, value: Any) -> bytes:
    """Return the bytes of a value that is no message in JSON."""
    if wanted is str:
        return str(value).encode()
    if wanted is bytes:
        return b64decode(value)
    if wanted is Quantity:
        return chunk(1, value)
    if wanted == Time:
        since = parse_time(value) - EPOCH
        return number(1, since.days * 86400 + since.seconds) + number(2, since.microseconds * 1000)
    if wanted == Duration:
        return number(1, parse_duration(value) // timedelta(microseconds=1) * 1000)
    if typing.get_origin(wanted) is tuple:
        return b"".join(chunk(1, item) for item in value)
    return chunk(1, encode(value))


def choice(choices: tuple[Any, ...], value: Any) -> bytes:
    """Return the message that stands for one of several types."""
    if set(choices) == {int, str}:
        return (
            number(1, 1) + number(2, 0) + chunk(3, value) if isinstance(value, str) else number(1, 0) + number(2, value)
        )
    schema, other = choices
    if other is bool:
        return number(1, value) if isinstance(value, bool) else number(1, 1) + chunk(2, message(schema, value))
    if isinstance(value, list):
        return b"".join(fields(2, other, value))
    return chunk(1, message(schema, value))
