"""The messages of the API: the structs of kube.api say what the fields are, the tables which numbers they have.

A table holds for each struct its fields as `name:number`, by their names in JSON. `name:2.1` is field 1 of a message in
field 2 whose fields JSON writes among those around it. `name:3:micro` is a time to the microsecond, which the structs
don't tell from one to the second. apiVersion and kind of a whole object have no number: the envelope carries them.
"""

import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from importlib import import_module
from types import NoneType, UnionType
from typing import Annotated, Any

import msgspec

from apiserver.protobuf.message import Field, Message, Reader, inlined, many, mapping, nested, one, reader_of
from apiserver.protobuf.values import ITEMS, MICRO_TIME, SCALARS, TEXT, message_or_flag, message_or_list
from kube.api.scalars import NO_FIELDS, Duration, JsonObject, Time


class Entry(typing.NamedTuple):
    """One field as a table has it."""

    name: str
    numbers: tuple[int, ...]
    is_micro: bool


def table_of(cls: type[msgspec.Struct]) -> Sequence[Entry]:
    """Return what the table says of a struct. Raises LookupError for one that has no message."""
    tables = import_module(f"apiserver.protobuf.tables.{cls.__module__.rpartition('.')[2]}")
    return [_entry(word) for word in tables.MESSAGES[cls.__name__].split()]


def _entry(word: str) -> Entry:
    name, numbers, *form = word.split(":")
    return Entry(name, tuple(int(number) for number in numbers.split(".")), bool(form))


@lru_cache(maxsize=1024)
def message_of(cls: type[msgspec.Struct]) -> Message:
    """Return the message that a struct is in protobuf."""
    return Message(lambda: _fields(cls, table_of(cls)))


def _fields(cls: type[msgspec.Struct], table: Sequence[Entry]) -> Iterator[Field]:
    """Yield the fields of a message, or of one that is inlined in it."""
    struct = _struct_fields(cls)
    inner: dict[int, list[Entry]] = {}
    for entry in table:
        number, *rest = entry.numbers
        if rest:
            inner.setdefault(number, []).append(entry._replace(numbers=tuple(rest)))
        else:
            yield from _field(entry.name, number, *struct[entry.name], entry.is_micro)
    for number, entries in inner.items():
        yield inlined(number, Message(partial(_fields, cls, entries)))


@lru_cache(maxsize=64)
def _struct_fields(cls: type[msgspec.Struct]) -> Mapping[str, tuple[Any, bool]]:
    """Return the type of each field by its name in JSON, and whether its zero is told from its absence."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        field.encode_name: (
            hints[field.name],
            field.default is None or field.default is NO_FIELDS or field.default_factory is not msgspec.NODEFAULT,
        )
        for field in msgspec.structs.fields(cls)
    }


def _field(name: str, number: int, hint: Any, keeps_zero: bool, is_micro: bool) -> Iterator[Field]:
    hint = _plain(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if _is_struct(hint):
        yield nested(name, number, message_of(hint))
    elif origin is tuple:
        yield from many(name, number, _reader(arguments[0]))
    elif origin is Mapping and hint != JsonObject:
        yield mapping(name, number, TEXT, _reader(arguments[1]))
    else:
        yield one(name, number, MICRO_TIME if is_micro else _reader(hint), keeps_zero)


def _reader(hint: Any) -> Reader:
    """Return how a value of some type is read. Raises LookupError for a type that no field has."""
    hint = _plain(hint)
    if _is_struct(hint):
        return reader_of(message_of(hint))
    if typing.get_origin(hint) is tuple:
        return ITEMS
    if not isinstance(hint, frozenset) or hint in SCALARS:
        return SCALARS[hint]
    message = message_of(next(filter(_is_struct, hint)))
    other = next(choice for choice in hint if not _is_struct(choice))
    return message_or_flag(message) if other is bool else message_or_list(message, _reader(typing.get_args(other)[0]))


def _plain(hint: Any) -> Any:
    """Return a type without None and without what is noted beside it; of several choices the set."""
    if typing.get_origin(hint) in (UnionType, typing.Union):
        choices = frozenset(_plain(choice) for choice in typing.get_args(hint) if choice is not NoneType)
        return _plain(next(iter(choices))) if len(choices) == 1 else choices
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated and hint not in (Time, Duration) else hint


def _is_struct(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, msgspec.Struct)
