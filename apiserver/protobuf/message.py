"""Messages as tables: by the key of a field, what to do with its value.

A field that the table doesn't have is passed over, as protobuf wants it; one that comes with another wire type than its
own is refused. The last of equal fields wins; equal messages are merged; lists and maps grow.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from apiserver.protobuf.wire import BYTES, NUMBER_MAX, VARINT, Budget, ProtobufError, fields, varints

Plain: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reader:
    """How one value is read: a number (VARINT) or bytes (all others) to plain JSON, None for absent."""

    wire_type: int
    read: Callable[[Any, Budget], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. name: in JSON, "" where its fields stand among the message's own. put: stores a value."""

    name: str
    key: int
    put: Callable[[Plain, Any, Budget], None]


class Message:
    """A message and its fields, which are looked up at first use: a message may hold itself."""

    def __init__(self, find_fields: Callable[[], Iterable[Field]]) -> None:
        """find_fields: called once."""
        self._find_fields = find_fields

    @cached_property
    def fields(self) -> Mapping[int, Field]:
        """The fields by key."""
        return {field.key: field for field in self._find_fields()}

    @cached_property
    def _names(self) -> Mapping[int, str]:
        return {key >> 3: field.name for key, field in self.fields.items()}

    def read(self, data: bytes, budget: Budget, into: Plain) -> Plain:
        """Put the fields in `data` into `into`, and return it. Raises ProtobufError with the path of the field."""
        budget.descend()
        table = self.fields
        for key, value in fields(data, budget):
            field = table.get(key)
            if field is None:
                self._pass_over(key)
                continue
            try:
                field.put(into, value, budget)
            except ProtobufError as error:
                if field.name:
                    error.path.append(field.name)
                raise
        budget.depth += 1
        return into

    def _pass_over(self, key: int) -> None:
        """Return if a key can be that of a field which is unknown here. Raises ProtobufError."""
        number, wire_type = key >> 3, key & 7
        if not 1 <= number <= NUMBER_MAX:
            raise ProtobufError(f"there is no field {number}; numbers go from 1 to {NUMBER_MAX}")
        name = self._names.get(number)
        if name is not None:
            raise ProtobufError(f"field {number} ({name or 'inlined'}) can't have wire type {wire_type}")


def key_of(number: int, wire_type: int) -> int:
    """Return the key that a field has on the wire."""
    return number << 3 | wire_type


def one(name: str, number: int, reader: Reader, keeps_zero: bool = True) -> Field:
    """Return a field with one value. keeps_zero: zero and absent differ."""
    read = reader.read

    def put(into: Plain, value: Any, budget: Budget) -> None:
        found = read(value, budget)
        if found or (keeps_zero and found is not None):
            into[name] = found
        else:
            into.pop(name, None)

    return Field(name, key_of(number, reader.wire_type), put)


def nested(name: str, number: int, message: Message) -> Field:
    """Return a field with one message."""

    def put(into: Plain, value: Any, budget: Budget) -> None:
        into[name] = message.read(value, budget, into.get(name) or {})

    return Field(name, key_of(number, BYTES), put)


def inlined(number: int, message: Message) -> Field:
    """Return a field with a message whose fields stand in JSON among those around it."""

    def put(into: Plain, value: Any, budget: Budget) -> None:
        message.read(value, budget, into)

    return Field("", key_of(number, BYTES), put)


def many(name: str, number: int, reader: Reader) -> Iterable[Field]:
    """Return the fields that make a list: one value each, and all of them packed where they are numbers."""
    read = reader.read

    def put(into: Plain, value: Any, budget: Budget) -> None:
        into.setdefault(name, []).append(read(value, budget))

    def put_packed(into: Plain, value: Any, budget: Budget) -> None:
        into.setdefault(name, []).extend(read(number, budget) for number in varints(value, budget))

    yield Field(name, key_of(number, reader.wire_type), put)
    if reader.wire_type == VARINT:
        yield Field(name, key_of(number, BYTES), put_packed)


def mapping(name: str, number: int, key: Reader, value: Reader) -> Field:
    """Return the field that makes a map, one message of key and value each time. Keys and values are no numbers."""
    entry = Message(lambda: (one("key", 1, key), one("value", 2, value)))

    def put(into: Plain, data: Any, budget: Budget) -> None:
        found = entry.read(data, budget, {})
        if "value" not in found:
            found["value"] = value.read(b"", budget)
        into.setdefault(name, {})[found.get("key", "")] = found["value"]

    return Field(name, key_of(number, BYTES), put)


def reader_of(message: Message) -> Reader:
    """Return how a message is read where it is an item or a value."""
    return Reader(BYTES, lambda value, budget: message.read(value, budget, {}))


def finished(message: Message, finish: Callable[[Plain], Any]) -> Reader:
    """Return how a message is read that is something else in JSON: `finish` makes it of the message's fields."""
    return Reader(BYTES, lambda value, budget: finish(message.read(value, budget, {})))
