"""Values that JSON writes as scalars, and the messages that some of them are in protobuf.

Source: the generated.proto of apimachinery and apiextensions, Kubernetes 1.36.
"""

import struct
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from apiserver.protobuf.message import Message, Plain, Reader, finished, many, nested, one
from apiserver.protobuf.wire import BYTES, FIXED64, VARINT, Budget, ProtobufError, signed
from kube.api.scalars import Duration, JsonObject, RawObject, Time
from kube.codec import DecodeError, decode_plain
from kube.quantity import Quantity
from kube.times import to_duration, to_micro_time, to_time

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _text(value: bytes, _budget: Budget) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ProtobufError("the text is not UTF-8") from error


def _json(value: bytes, _budget: Budget) -> Any:
    if not value:
        return None
    try:
        return decode_plain(value)
    except DecodeError as error:
        raise ProtobufError(f"the raw bytes in it can't be read: {error}") from error


TEXT: Final = Reader(BYTES, _text)
NUMBER: Final = Reader(VARINT, lambda value, _budget: signed(value))
FLAG: Final = Reader(VARINT, lambda value, _budget: value != 0)
DOUBLE: Final = Reader(FIXED64, lambda value, _budget: struct.unpack("<d", value)[0])
RAW: Final = Reader(BYTES, lambda value, _budget: value)
BASE64: Final = Reader(BYTES, lambda value, _budget: b64encode(value).decode())

TIMESTAMP: Final = Message(lambda: (one("seconds", 1, NUMBER), one("nanos", 2, NUMBER)))


def _moment(found: Plain) -> datetime | None:
    """Return the moment, None for the zero time, which is written without fields."""
    if not found:
        return None
    try:
        return EPOCH + timedelta(seconds=found.get("seconds", 0), microseconds=found.get("nanos", 0) // 1000)
    except OverflowError as error:
        raise ProtobufError("the time is out of range; years 1 to 9999 can be written") from error


def _time(found: Plain) -> str | None:
    moment = _moment(found)
    return None if moment is None else to_time(moment)


def _micro_time(found: Plain) -> str | None:
    moment = _moment(found)
    return None if moment is None else to_micro_time(moment)


def _int_or_string(found: Plain) -> int | str:
    wanted = "string" if found.get("type") else "number"
    return found.get(wanted, "" if wanted == "string" else 0)  # type: ignore[no-any-return]


def _duration(found: Plain) -> str:
    return to_duration(timedelta(microseconds=found.get("nanos", 0) // 1000))


TIME: Final = finished(TIMESTAMP, _time)
DURATION: Final = finished(Message(lambda: (one("nanos", 1, NUMBER),)), _duration)
MICRO_TIME: Final = finished(TIMESTAMP, _micro_time)
QUANTITY: Final = finished(Message(lambda: (one("string", 1, TEXT),)), lambda found: found.get("string", "0"))
INT_OR_STRING: Final = finished(
    Message(lambda: (one("type", 1, NUMBER), one("number", 2, NUMBER), one("string", 3, TEXT))), _int_or_string
)
EMBEDDED: Final = finished(Message(lambda: (one("raw", 1, Reader(BYTES, _json)),)), lambda found: found.get("raw"))
ITEMS: Final = finished(Message(lambda: many("items", 1, TEXT)), lambda found: found.get("items", []))

SCALARS: Final[Mapping[Any, Reader]] = {
    str: TEXT,
    int: NUMBER,
    bool: FLAG,
    float: DOUBLE,
    bytes: BASE64,
    Time: TIME,
    Duration: DURATION,
    Quantity: QUANTITY,
    Any: EMBEDDED,
    JsonObject: EMBEDDED,
    RawObject: EMBEDDED,
    frozenset((int, str)): INT_OR_STRING,
}
"""Readers by what the structs say; alternatives as a set."""


def message_or_flag(message: Message) -> Reader:
    """Return how the choice between a message and a boolean is read."""
    choice = Message(lambda: (one("flag", 1, FLAG), nested("message", 2, message)))
    return finished(choice, lambda found: found.get("message", found.get("flag", False)))


def message_or_list(message: Message, item: Reader) -> Reader:
    """Return how the choice between a message and a list is read, None where it holds neither."""
    choice = Message(lambda: (nested("message", 1, message), *many("list", 2, item)))
    return finished(choice, lambda found: found.get("list") or found.get("message"))
