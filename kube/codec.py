"""Objects to bytes and back: JSON and YAML, by Kubernetes' rules.

A field of the wrong type is refused with its path; a field that the type doesn't have is left out of the object, and
`unknown_fields` finds it for those who asked; a `null` means that the field is absent, and as the value of a key in a
map of texts the empty one. Times of other zones and with fractions become what they are in UTC, as their type has it.
Source: kubernetes.io/docs/reference/using-api/api-concepts, sections on media types and on field validation.
"""

import re
import typing
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from types import UnionType
from typing import Any, Final, TypeVar

import msgspec

from kube.api.scalars import MicroTime, Time
from kube.quantity import Quantity
from kube.times import parse_time, to_micro_time, to_time

T = TypeVar("T")


class DecodeError(ValueError):
    """Bytes that are not the object they should be. The message names the field."""


def _from_wire(wanted: type, value: Any) -> Any:
    if wanted is Quantity:
        return Quantity(value)
    raise TypeError(f"{wanted}: has no form on the wire")


def _to_wire(value: Any) -> Any:
    if isinstance(value, Quantity):
        return value.text
    raise TypeError(f"{type(value)}: has no form on the wire")


PROBLEMS_MAX: Final = 100
"""How many fields one answer tells of as unknown or doubled."""
PATH_MAX: Final = 1000
NAME_MAX: Final = 200
DEPTH_MAX: Final = 200  # Far more than any kind needs, and far less than what walks of Python's stack can bear.
_TOO_DEEP: Final = f"the body is not JSON that can be read: it is nested too deeply; at most {DEPTH_MAX} levels are"
_ENCODER: Final = msgspec.json.Encoder(enc_hook=_to_wire)
_PLAIN_DECODER: Final = msgspec.json.Decoder()


@lru_cache(maxsize=1024)
def _decoder(wanted: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(wanted, dec_hook=_from_wire)


def encode(value: Any) -> bytes:
    """Return an object as JSON."""
    return _ENCODER.encode(value)


def decode(data: bytes | str, wanted: type[T]) -> T:
    """Return the object of type `wanted` that JSON `data` holds. Raises DecodeError."""
    try:
        decoder: msgspec.json.Decoder[T] = _decoder(typing.cast("Any", wanted))
        decoded = decoder.decode(data)
    except (msgspec.ValidationError, RecursionError):
        return from_plain(decode_plain(data), wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"the body is not JSON: {error}") from error
    return decoded


def decode_plain(data: bytes | str) -> Any:
    """Return JSON as dicts, lists and scalars, nested no deeper than DEPTH_MAX. Raises DecodeError."""
    try:
        plain = _PLAIN_DECODER.decode(data)
    except RecursionError as error:
        raise DecodeError(_TOO_DEEP) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"the body is not JSON: {error}") from error
    text = data.encode() if isinstance(data, str) else data
    if text.count(b"{") + text.count(b"[") > DEPTH_MAX and is_deeper_than(plain, DEPTH_MAX):
        raise DecodeError(_TOO_DEEP)
    return plain


def is_deeper_than(plain: Any, levels: int) -> bool:
    """Say whether dicts and lists are nested in more than so many levels."""
    layer = [plain] if isinstance(plain, dict | list) else []
    for _ in range(levels):
        if not layer:
            return False
        members = (inner for outer in layer for inner in (outer.values() if isinstance(outer, dict) else outer))
        layer = [inner for inner in members if isinstance(inner, dict | list)]
    return bool(layer)


def to_plain(value: Any) -> Any:
    """Return an object as dicts, lists and scalars, as its JSON would have them. The result is the caller's own."""
    return _PLAIN_DECODER.decode(_ENCODER.encode(value))


def from_plain(plain: Any, wanted: type[T]) -> T:
    """Return the object of type `wanted` that dicts, lists and scalars describe. Raises DecodeError."""
    try:
        return msgspec.convert(_with_raw_fields(plain), wanted, dec_hook=_from_wire)
    except (msgspec.ValidationError, RecursionError):
        pass  # Most often a null, or the time of a zone; seldom enough to be looked at a second time.
    bare = _without_nulls(plain, wanted)
    try:
        return msgspec.convert(bare, wanted, dec_hook=_from_wire)
    except msgspec.ValidationError as error:
        raise DecodeError(_with_field_path(_with_key(str(error), bare, wanted))) from error
    except RecursionError as error:
        raise DecodeError("the object is nested too deeply") from error


def _with_raw_fields(plain: Any) -> Any:
    """Return plain JSON with the texts that managers' entries keep (RawObject) in place of what they say."""
    meta = plain.get("metadata") if isinstance(plain, dict) else None
    if not isinstance(meta, dict):
        return plain
    entries = meta.get("managedFields")
    if not isinstance(entries, list) or not entries:
        return plain
    return {**plain, "metadata": {**meta, "managedFields": [_with_raw(entry) for entry in entries]}}


def _with_raw(entry: Any) -> Any:
    fields = entry.get(_RAW) if isinstance(entry, dict) else None
    return {**entry, _RAW: msgspec.Raw(_ENCODER.encode(fields))} if isinstance(fields, dict) else entry


_RAW: Final = "fieldsV1"


def _without_nulls(plain: Any, wanted: Any) -> Any:
    if isinstance(plain, dict):
        fields, inner = _fields(wanted) or {}, _map_value(wanted)
        if inner is not None:
            plain = {key: _zero(inner) if value is None else value for key, value in plain.items()}
        times = _times(wanted)
        found = {
            key: _in_utc(value, times[key]) if key in times else _without_nulls(value, fields.get(key, inner))
            for key, value in plain.items()
            if value is not None
        }
        return _with_raw(found) if _RAW in found else found
    if isinstance(plain, list):
        item = _list_item(wanted)
        return [_without_nulls(_zero(item) if value is None else value, item) for value in plain]
    return plain


def _zero(wanted: Any) -> Any:
    """Return what null means as a member of a list or a map, as JSON: a value of which nothing is said."""
    if wanted in _ZEROS:
        return _ZEROS[wanted]
    return {} if isinstance(wanted, type) and issubclass(wanted, msgspec.Struct) else None


_ZEROS: Final[Mapping[Any, Any]] = {str: "", bytes: "", Quantity: "0"}


def _in_utc(value: Any, wanted: Any) -> Any:
    """Return a time, or a map of times, as its type has it; anything else as it is, to be refused."""
    if isinstance(value, dict):
        return {key: _in_utc(inner, wanted) for key, inner in value.items() if inner is not None}
    try:
        if isinstance(value, str) and wanted == MicroTime:
            return to_micro_time(parse_time(value)) if _MICROSECONDS.search(value) else value
        return to_time(parse_time(value)) if isinstance(value, str) and value.isupper() else value
    except ValueError:
        return value


_MICROSECONDS: Final = re.compile(r"\.\d{6}(?:Z|[+-]\d\d:\d\d)$", re.ASCII)
_PATH: Final = re.compile(r" - at `(?:key in )?\$\.?(.*)`$")
_PATTERN: Final = re.compile(r"Expected `str` matching regex .*\\Z'")
_BOUND: Final = re.compile(r"Expected `int` [<>]= (-?[0-9]+)")
_STEP: Final = re.compile(r"([^.\[\]]+)(?=[.\[]|$)|\[(\d+)\]")


def _with_key(message: str, plain: Any, wanted: Any) -> str:
    """Write the key where msgspec's path has "[...]" for any key of a map. Spoils `plain`."""
    match = _PATH.search(message)
    if not match or "[...]" not in match[1]:
        return message
    owner = plain
    for name, index in _STEP.findall(match[1].partition("[...]")[0]):
        owner = owner[name or int(index)]
    entries = list(owner.items())

    def is_wrong(count: int) -> bool:
        owner.clear()
        owner.update(entries[:count])
        try:
            msgspec.convert(plain, wanted, dec_hook=_from_wire)
        except msgspec.ValidationError as error:
            return str(error) == message
        return False

    first = bisect_left(range(1, len(entries) + 1), x=True, key=is_wrong)
    return message.replace("[...]", f"[{entries[first][0]}]", 1) if first < len(entries) else message


def _with_field_path(message: str) -> str:
    """Turn "Expected `int`, got `str` - at `$.spec.replicas`" round: the field first, as our errors have it."""
    match = _PATH.search(message)
    if match and match[1]:
        message = f"{match[1]}: {message[: match.start()]}"
    message = _BOUND.sub(_with_range, message)
    fraction = ".000000" if r"\.[0-9]{6}" in message else ""
    return _PATTERN.sub(f"Expected a moment such as 2026-01-02T15:04:05{fraction}Z", message)


def _with_range(bound: re.Match[str]) -> str:
    bits = 32 if abs(int(bound[1])) <= 2**31 else 64
    return f"Expected a number that {bits} bits hold, {-(2 ** (bits - 1))} to {2 ** (bits - 1) - 1}"


def unknown_fields(plain: Any, wanted: type) -> list[str]:
    """Return the paths of the first PROBLEMS_MAX fields in `plain` that `wanted` doesn't have, as they stand there."""
    return list(islice(_unknown(plain, wanted, ""), PROBLEMS_MAX))


def member_path(path: str, name: str) -> str:
    """Return the path of a member of what is at `path` ("" for the whole), to be told to people: what is long is cut.

    One body may have a long name and below it hundreds of thousands of keys, each of which would repeat it.
    """
    name = name if len(name) <= NAME_MAX else f"{name[:NAME_MAX]}..."
    return name if not path else path if len(path) > PATH_MAX else f"{path}.{name}"


def _unknown(plain: Any, wanted: Any, path: str) -> Iterator[str]:
    if isinstance(plain, dict):
        fields = _fields(wanted)
        item_type = _map_value(wanted) if fields is None else None
        for key, value in plain.items():
            here = member_path(path, key)
            if fields is None:
                if item_type is not None:
                    yield from _unknown(value, item_type, here)
            elif key not in fields:
                yield here
            else:
                yield from _unknown(value, fields[key], here)
    elif isinstance(plain, list):
        item_type = _list_item(wanted)
        if item_type is not None:
            for index, value in enumerate(plain):
                yield from _unknown(value, item_type, f"{path}[{index}]")


@lru_cache(maxsize=4096)
def _fields(wanted: Any) -> Mapping[str, Any] | None:
    """Return the wire names of a struct's fields with their types, None where `wanted` is no struct."""
    for choice in _choices(wanted):
        if isinstance(choice, type) and issubclass(choice, msgspec.Struct):
            hints = typing.get_type_hints(choice)
            names = zip(choice.__struct_fields__, choice.__struct_encode_fields__, strict=True)
            return {wire: hints[field] for field, wire in names}
    return None


@lru_cache(maxsize=4096)
def _times(wanted: Any) -> Mapping[str, Any]:
    """Return the wire names of a struct's fields that are moments or maps of them, with the moments' types."""
    for choice in _choices(wanted):
        if isinstance(choice, type) and issubclass(choice, msgspec.Struct):
            hints = typing.get_type_hints(choice, include_extras=True)
            names = zip(choice.__struct_fields__, choice.__struct_encode_fields__, strict=True)
            found = {wire: next(iter(_choices(hints[field]))) for field, wire in names}
            kinds = {wire: _map_value(kind) or kind for wire, kind in found.items()}
            return {wire: kind for wire, kind in kinds.items() if kind in (Time, MicroTime)}
    return {}


@lru_cache(maxsize=4096)
def _map_value(wanted: Any) -> Any:
    return next((c.__args__[1] for c in _choices(wanted) if getattr(c, "__origin__", None) is Mapping), None)


@lru_cache(maxsize=4096)
def _list_item(wanted: Any) -> Any:
    return next((c.__args__[0] for c in _choices(wanted) if getattr(c, "__origin__", None) is tuple), None)


def _choices(wanted: Any) -> tuple[Any, ...]:
    origin = typing.get_origin(wanted)
    return typing.get_args(wanted) if origin in (UnionType, typing.Union) else (wanted,)
