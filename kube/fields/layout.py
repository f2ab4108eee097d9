# ruff: noqa: ARG002 - what an atom needs none of, the other layouts do.
"""How the fields of an API type divide among those who manage them, read once from the type's annotations.

A scalar has one manager, and so has what is atomic: a list without keys, a struct or a map that says so. Any other
struct or map is managed field by field, a list with keys item by item, and a list that is a set value by value.

`Layout.diff` compares typed values: equal parts cost one comparison in C, so the cost is that of the difference. It
finds two sets: the fields that were added or have another value, and those that are gone.
Source: KEP-555; kubernetes.io/docs/reference/using-api/server-side-apply, the section on merge strategy.
"""

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter, is_not
from types import UnionType
from typing import Any, Final

import msgspec

from kube.api.meta_v1 import ObjectMeta
from kube.api.object import Atomic, Granular, ListMap, ListSet, is_atomic
from kube.fields.sets import LEAF, SELF, FieldSet, key_element, value_element
from kube.memo import by_identity

NOT_MANAGED: Final = ("apiVersion", "kind")
"""Fields of every object that nobody manages."""
NOT_MANAGED_METADATA: Final = (
    "creationTimestamp",
    "generation",
    "managedFields",
    "name",
    "namespace",
    "resourceVersion",
    "selfLink",
    "uid",
)
"""Fields of an object's metadata that nobody manages."""

_KEY_TYPES: Final = frozenset((str, int, type(None)))
_KEY_DEFAULTS: Final[Mapping[str, Any]] = {"protocol": "TCP"}
"""What a key of a list's item means where it is missing, if that isn't its zero."""

TEMPLATES_MAX: Final = 128
SHAPES_MAX: Final = 4096
COMMON_MAX: Final = 512
COMMON_KEYS_MAX: Final = 64
"""How many maps of scalars are known by their keys, and of how many keys."""
_NEVER: Final = object()
"""The value in which a field is absent that never is."""

Found = tuple[FieldSet | None, FieldSet | None]
"""A node of what was added or changed and one of what is gone, None for none."""


class Layout:
    """Something with one manager: a scalar, or what is atomic."""

    def whole(self, value: Any) -> FieldSet:
        """Return the node of a typed value that is there as a whole: itself and all below."""
        return LEAF

    def diff(self, old: Any, new: Any) -> Found:
        """Compare two different values. Returns what was added or changed, and what is gone."""
        return LEAF, None

    def child(self, element: str) -> "Layout | None":
        """Return the layout below a path element, None where there is nothing of the kind."""
        return None

    def is_named(self, element: str) -> bool:
        """Say whether a path element is a field that the type itself names."""
        return False


ATOM: Final = Layout()


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of a struct. is_always_there: it can be zero, or null, but not absent.

    absent: its value where it isn't there. zero: the struct that it is then, if objects may have the same value there,
    as pods of one template have.
    """

    name: str
    attribute: str
    element: str
    layout: Layout
    default: Any
    absent: Any
    is_always_there: bool
    zero: Any

    @property
    def is_absence_unique(self) -> bool:
        """Whether whatever equals `absent` is the very same: nothing, false, zero or what is empty for ever."""
        return self.absent is None or self.absent is _NEVER or self.absent in (False, 0, "", ())

    def diff(self, old: Any, new: Any) -> Found:
        """Compare two different values of the field."""
        if self.zero is not None and old is self.zero:
            return _since_nothing(new, self)
        return self.layout.diff(old, new)


@by_identity(TEMPLATES_MAX)
def _since_nothing(new: Any, field: Field) -> Found:
    """Compare a field's value to nothing; that of objects which come of one template is one value."""
    return field.layout.diff(field.zero, new)


class StructLayout(Layout):
    """Fields, each with a manager of its own."""

    def __init__(self, cls: Any, without: Sequence[str] = (), metadata: Layout | None = None) -> None:
        """without: fields that nobody manages. metadata: the layout of that field, if it is a special one."""
        self._cls = cls
        self._without = without
        self._metadata = metadata

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The fields by their names on the wire."""
        hints = typing.get_type_hints(self._cls, include_extras=True)
        return {
            found.encode_name: self._field(found, hints[found.name])
            for found in msgspec.structs.fields(self._cls)
            if found.encode_name not in self._without
        }

    @cached_property
    def _in_order(self) -> tuple[Field, ...]:
        return tuple(self.fields.values())

    @cached_property
    def _absences(self) -> tuple[Any, ...]:
        return tuple(field.absent for field in self._in_order)

    @cached_property
    def _values_of(self) -> Callable[[Any], tuple[Any, ...]]:
        names = [field.attribute for field in self._in_order]
        if len(names) > 1:
            return attrgetter(*names)
        return lambda value: tuple(getattr(value, name) for name in names)

    def _field(self, found: msgspec.structs.FieldInfo, hint: Any) -> Field:
        is_special = self._metadata is not None and found.name == "metadata"
        layout = self._metadata if is_special and self._metadata is not None else layout_of(hint)
        default: Any = None if found.default is msgspec.NODEFAULT else found.default
        is_always_there = default is None and found.default_factory not in (msgspec.NODEFAULT, dict)
        if isinstance(default, msgspec.Struct) and layout is not ATOM:
            is_always_there = True
        if found.default_factory is dict:
            default = {}
        zero = None if is_special or not is_always_there else _struct_of(found)
        name = found.encode_name
        absent = _NEVER if is_always_there else default
        return Field(name, found.name, f"f:{name}", layout, default, absent, is_always_there, zero)

    def whole(self, value: Any) -> FieldSet:
        """Return the struct and all its fields that are there."""
        values = self._values_of(value)
        atoms, others = _shape(self, tuple(map(is_not, values, self._absences)))
        if not others:
            return atoms
        node = dict(atoms)
        for place in others:
            field, inner = self._in_order[place], values[place]
            if inner != field.absent:
                node[field.element] = field.layout.whole(inner)
        if node:
            node[SELF] = LEAF
        return node

    def shape(self, differs: tuple[bool, ...]) -> "Shape":
        """Return what follows from which fields are something else than what they are where they aren't there."""
        atoms: dict[str, FieldSet] = {}
        others = []
        for place, field in enumerate(self._in_order):
            if differs[place] and field.layout is ATOM and field.is_absence_unique:
                atoms[field.element] = LEAF
            elif differs[place]:
                others.append(place)
        if atoms:
            atoms[SELF] = LEAF
        return atoms, tuple(others)

    def diff(self, old: Any, new: Any) -> Found:
        """Compare field by field."""
        changed: dict[str, FieldSet] = {}
        removed: dict[str, FieldSet] = {}
        values_of = self._values_of
        for field, before, after in zip(self._in_order, values_of(old), values_of(new), strict=True):
            if before is after or before == after:
                continue
            if not field.is_always_there and before == field.default:
                changed[field.element] = field.layout.whole(after)
            elif not field.is_always_there and after == field.default:
                removed[field.element] = field.layout.whole(before)
            else:
                _put(field.element, field.diff(before, after), changed, removed)
        return changed or None, removed or None

    def child(self, element: str) -> Layout | None:
        """Return the layout of a field."""
        field = self.fields.get(element[2:]) if element.startswith("f:") else None
        return field.layout if field else None

    def is_named(self, element: str) -> bool:
        """Say whether there is a field of that name."""
        return element[2:] in self.fields and element.startswith("f:")


Shape = tuple[FieldSet, tuple[int, ...]]
"""The node of a struct as far as its fields are atoms, and the places of the others, whose values must be looked at."""


@lru_cache(maxsize=SHAPES_MAX)
def _shape(layout: StructLayout, differs: tuple[bool, ...]) -> Shape:
    """Return the shape that most structs of one type share with many others."""
    return layout.shape(differs)


def _struct_of(field: msgspec.structs.FieldInfo) -> msgspec.Struct | None:
    """Return the struct that a field is by default, None where it is something else."""
    zero = None if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return zero if isinstance(zero, msgspec.Struct) else None


class MapLayout(Layout):
    """A map, each of whose values has a manager of its own."""

    def __init__(self, value: Layout) -> None:
        self.value = value

    def whole(self, value: Any) -> FieldSet:
        """Return the map and all its keys."""
        if self.value is ATOM and len(value) <= COMMON_KEYS_MAX:
            return _map_of_atoms(tuple(value))
        node = {f"f:{key}": self.value.whole(inner) for key, inner in value.items()}
        return {SELF: LEAF, **node} if node else LEAF

    def diff(self, old: Any, new: Any) -> Found:
        """Compare key by key."""
        changed: dict[str, FieldSet] = {}
        removed = {f"f:{key}": self.value.whole(value) for key, value in old.items() if key not in new}
        for key, after in new.items():
            if key not in old:
                changed[f"f:{key}"] = self.value.whole(after)
            elif (before := old[key]) != after:
                _put(f"f:{key}", self.value.diff(before, after), changed, removed)
        return changed or None, removed or None

    def child(self, element: str) -> Layout | None:
        """Return the layout of a value."""
        return self.value if element.startswith("f:") else None


@lru_cache(maxsize=COMMON_MAX)
def _map_of_atoms(keys: tuple[str, ...]) -> FieldSet:
    """Return the node of a map whose values are scalars: labels and annotations are those of many objects."""
    return {SELF: LEAF, **{f"f:{key}": LEAF for key in keys}} if keys else LEAF


class ItemsLayout(Layout):
    """A list of structs that are told apart by some of their fields."""

    def __init__(self, keys: tuple[str, ...], struct: StructLayout, item: Layout) -> None:
        """struct: what the items are, where their keys are found. item: how they divide; they may be atomic."""
        self.keys = tuple(sorted(keys))
        self.item = item
        self._struct = struct

    @cached_property
    def _attributes(self) -> tuple[str, ...]:
        return tuple(self._struct.fields[key].attribute for key in self.keys)

    @cached_property
    def _defaults(self) -> tuple[Any, ...]:
        """What each key means where it is missing, None where it must not be."""
        return tuple(_KEY_DEFAULTS.get(key, self._struct.fields[key].default) for key in self.keys)

    @cached_property
    def _means_more(self) -> bool:
        """Whether a key that is missing is the same as one with some value: then keys are compared as elements."""
        return any(key in _KEY_DEFAULTS for key in self.keys)

    def element_of(self, item: Any) -> str:
        """Return the path element of a typed item."""
        return _element(self.keys, tuple([getattr(item, attribute) for attribute in self._attributes]), self._defaults)

    def element_of_plain(self, item: Mapping[str, Any]) -> str:
        """Return the path element of an item as plain JSON. Raises LookupError naming a key that is missing."""
        values = tuple([item.get(key) for key in self.keys])
        for key, value, default in zip(self.keys, values, self._defaults, strict=True):
            if value is None and default is None:
                raise LookupError(key)
        # True is equal to 1, and a list has no hash: what a key should not be is not looked up.
        make = _element if _KEY_TYPES.issuperset(map(type, values)) else _element.__wrapped__
        return make(self.keys, values, self._defaults)

    def _by_key(self, items: Any) -> dict[Any, Any]:
        """Return typed items by their keys; those that share one, which a list should not have, as a list."""
        found: dict[Any, Any]
        if self._means_more:
            found = {self.element_of(item): item for item in items}
        elif len(self._attributes) == 1:
            attribute = self._attributes[0]
            found = {getattr(item, attribute): item for item in items}
        else:
            found = {tuple(getattr(item, attribute) for attribute in self._attributes): item for item in items}
        if len(found) == len(items):
            return found
        grouped: dict[Any, Any] = {}
        for item in items:
            grouped.setdefault(self.element_of(item), []).append(item)
        return {element: group if len(group) > 1 else group[0] for element, group in grouped.items()}

    def _element(self, found: Any) -> str:
        """Return the path element of one of the values of `_by_key`."""
        return self.element_of(found[0] if isinstance(found, list) else found)

    def _whole_item(self, found: Any) -> FieldSet:
        return LEAF if isinstance(found, list) else self.item.whole(found)

    def whole(self, value: Any) -> FieldSet:
        """Return the list and all its items."""
        node = {self.element_of(item): self.item.whole(item) for item in value}
        if len(node) < len(value):  # Some share a key, which they should not.
            found = self._by_key(value).values()
            node = {self._element(item): self._whole_item(item) for item in found}
        return {SELF: LEAF, **node} if node else LEAF

    def diff(self, old: Any, new: Any) -> Found:
        """Compare item by item; their order is nobody's."""
        changed: dict[str, FieldSet] = {}
        removed: dict[str, FieldSet] = {}
        before, after = self._by_key(old), self._by_key(new)
        for key, item in after.items():
            was = before.get(key)
            if was is None:
                changed[self._element(item)] = self._whole_item(item)
            elif was is not item and was != item:
                found: Found = (LEAF, None)
                if not isinstance(was, list) and not isinstance(item, list):
                    found = self.item.diff(was, item)
                _put(self._element(item), found, changed, removed)
        for key, item in before.items():
            if key not in after:
                removed[self._element(item)] = self._whole_item(item)
        return changed or None, removed or None

    def child(self, element: str) -> Layout | None:
        """Return the layout of an item."""
        return self.item if element.startswith("k:") else None


@lru_cache(maxsize=8192, typed=True)
def _element(names: tuple[str, ...], values: tuple[Any, ...], defaults: tuple[Any, ...]) -> str:
    meant = zip(names, values, defaults, strict=True)
    return key_element(
        {name: default if value in (None, "") and default is not None else value for name, value, default in meant}
    )


class ValuesLayout(Layout):
    """A list of scalars that is a set."""

    def whole(self, value: Any) -> FieldSet:
        """Return the list and all its values."""
        return {SELF: LEAF, **{value_element(item): LEAF for item in value}} if value else LEAF

    def diff(self, old: Any, new: Any) -> Found:
        """Tell what joined and what left."""
        before, after = set(old), set(new)
        changed = {value_element(item): LEAF for item in new if item not in before}
        removed = {value_element(item): LEAF for item in old if item not in after}
        return changed or None, removed or None

    def child(self, element: str) -> Layout | None:
        """Return the layout of a value."""
        return ATOM if element.startswith("v:") else None


_VALUES: Final = ValuesLayout()


def _put(element: str, found: Found, changed: dict[str, FieldSet], removed: dict[str, FieldSet]) -> None:
    if found[0] is not None:
        changed[element] = found[0]
    if found[1] is not None:
        removed[element] = found[1]


@lru_cache(maxsize=1024)
def layout_of_object(cls: type) -> StructLayout:
    """Return the layout of a kind's objects, without what nobody manages."""
    metadata = StructLayout(ObjectMeta, without=NOT_MANAGED_METADATA)
    return StructLayout(cls, without=NOT_MANAGED, metadata=metadata)


@lru_cache(maxsize=8192)
def layout_of(hint: Any) -> Layout:
    """Return the layout of a type or of an annotated field."""
    rules: tuple[Any, ...] = ()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *found = typing.get_args(hint)
        rules = tuple(found)
    hint = _without_none(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _struct_layout(hint, rules)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Mapping and arguments[1] is not Any and not any(isinstance(rule, Atomic) for rule in rules):
        return MapLayout(layout_of(arguments[1]))
    if origin is tuple:
        for rule in rules:
            if isinstance(rule, ListMap):
                return ItemsLayout(rule.keys, _granular(arguments[0]), layout_of(arguments[0]))
            if isinstance(rule, ListSet):
                return _VALUES
    return ATOM


@lru_cache(maxsize=2048)
def _granular(cls: Any) -> StructLayout:
    return StructLayout(cls)


def _struct_layout(cls: Any, rules: tuple[Any, ...]) -> Layout:
    if any(isinstance(rule, Atomic) for rule in rules):
        return ATOM
    if is_atomic(cls) and not any(isinstance(rule, Granular) for rule in rules):
        return ATOM
    return _granular(cls)


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in (UnionType, typing.Union):
        return hint
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    return parts[0] if len(parts) == 1 else hint
