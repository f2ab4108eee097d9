"""How the lists and maps of an API type merge, read once from the type's own annotations (kube.api.object).

Source: KEP-555 and the patch strategies in Kubernetes' API reference.
"""

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import UnionType
from typing import Any, Final

import msgspec

from kube.api.object import ListAtomic, ListMap, ListSet, Patch


@dataclass(frozen=True)
class Shape:
    """How one value merges. hint: its type; the rest as its field's annotation says.

    merge_key: the field by which the items of a list are told apart, "" where they are scalars.
    merges: a list merges item by item, instead of being replaced. replaces: a map is replaced, instead of being merged.
    """

    hint: Any
    merge_key: str = ""
    merges: bool = False
    replaces: bool = False
    retain_keys: bool = False

    def child(self, key: str) -> "Shape":
        """Return the shape of a field, or of a map's value; of anything at all where the type doesn't tell."""
        if self._fields is not None:
            return self._fields.get(key, ANYTHING)
        return self._value

    @cached_property
    def item(self) -> "Shape":
        """The shape of a list's items."""
        found = next((c.__args__[0] for c in _choices(self.hint) if typing.get_origin(c) is tuple), Any)
        return shape_of(found)

    @cached_property
    def _value(self) -> "Shape":
        found = next((c.__args__[1] for c in _choices(self.hint) if typing.get_origin(c) is Mapping), Any)
        return shape_of(found)

    @cached_property
    def _fields(self) -> Mapping[str, "Shape"] | None:
        for choice in _choices(self.hint):
            if isinstance(choice, type) and issubclass(choice, msgspec.Struct):
                hints = typing.get_type_hints(choice, include_extras=True)
                names = zip(choice.__struct_fields__, choice.__struct_encode_fields__, strict=True)
                return {wire: shape_of(hints[field]) for field, wire in names}
        return None


ANYTHING: Final = Shape(Any)


@lru_cache(maxsize=8192)
def shape_of(hint: Any) -> Shape:
    """Return the shape of a type or of an annotated field."""
    if typing.get_origin(hint) is not typing.Annotated:
        return Shape(hint)
    bare, *rules = typing.get_args(hint)
    for rule in rules:
        match rule:
            case ListMap(patch=key, retain_keys=retain) | ListAtomic(patch=str(key), retain_keys=retain):
                return Shape(bare, merge_key=key, merges=bool(key), retain_keys=retain)
            case ListSet(patch=merges) | ListAtomic(patch=bool(merges)):
                return Shape(bare, merges=merges)
            case Patch(patch=patch, retain_keys=retain):
                return Shape(bare, replaces=patch == "replace", retain_keys=retain)
    return Shape(bare)


def _choices(hint: Any) -> tuple[Any, ...]:
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return typing.get_args(hint) if typing.get_origin(hint) in (UnionType, typing.Union) else (hint,)
