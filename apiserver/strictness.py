"""Say quickly whether plain JSON has fields that its type hasn't.

For each type a twin is made that has the same fields, holds anything in its scalars and refuses strangers; msgspec
walks it in C. Only where the twin refuses is it worth walking in Python to find out which fields are strange.
"""

import typing
from collections.abc import Mapping
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any

import msgspec

from kube.codec import unknown_fields


class _Recursive(Exception):  # noqa: N818 - a fact about a type.
    """A type that holds itself has no twin."""


def strange_fields(plain: Any, wanted: type) -> list[str]:
    """Return the paths of the first PROBLEMS_MAX fields in `plain` that `wanted` doesn't have."""
    twin = _twin_of(wanted)
    if twin is not None:
        try:
            msgspec.convert(plain, twin)
        except msgspec.ValidationError:
            return unknown_fields(plain, wanted)
        return []
    return unknown_fields(plain, wanted)


@lru_cache(maxsize=512)
def _twin_of(wanted: type) -> type | None:
    try:
        return _twin(wanted, ())
    except _Recursive:
        return None


_TWINS: dict[type, type] = {}
_LIST: Any = list
_MAP: Any = dict


def _twin(wanted: type, above: tuple[type, ...]) -> type:
    """Return the twin of a struct. above: the structs it is being made for, to find those that hold themselves."""
    if wanted in above:
        raise _Recursive
    if wanted not in _TWINS:
        hints = typing.get_type_hints(wanted, include_extras=False)
        wire_names = dict(zip(wanted.__struct_fields__, wanted.__struct_encode_fields__, strict=True))  # type: ignore[attr-defined]
        fields = [(name, _loose(hints[name], (*above, wanted)), None) for name in wire_names]
        _TWINS[wanted] = msgspec.defstruct(
            f"Strict{wanted.__name__}", fields, forbid_unknown_fields=True, rename=wire_names, gc=False, kw_only=True
        )
    return _TWINS[wanted]


def _loose(hint: Any, above: tuple[type, ...]) -> Any:
    """Return the type of a twin's field: structs, and lists and maps of them, as twins; anything else as it comes."""
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return _loose(typing.get_args(hint)[0], above)
    if origin in (UnionType, typing.Union):
        inner = [_loose(choice, above) for choice in typing.get_args(hint) if choice is not type(None)]
        return inner[0] if len(inner) == 1 else Any
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _twin(hint, above) | None
    if origin is tuple:
        item = _loose(typing.get_args(hint)[0], above)
        return Any if item is Any else _LIST[item] | None
    if origin is Mapping:
        item = _loose(typing.get_args(hint)[1], above)
        return Any if item is Any else _MAP[str, item] | None
    return Any
