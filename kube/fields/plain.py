"""Fields of plain JSON: which ones a configuration sets, and an object without some of them.

`fields_of` says what an applied configuration speaks of: every scalar and atom, every item of a list, every key of a
map; not the structs and lists that only lead there. `with_named` adds the structs' own fields on the way, which is what
removing needs: who set all that is in a struct may remove the struct.
Source: KEP-555; kubernetes.io/docs/reference/using-api/server-side-apply
"""

from collections.abc import Iterable, Mapping
from typing import Any

from kube.fields.layout import ATOM, ItemsLayout, Layout, MapLayout, StructLayout, ValuesLayout
from kube.fields.sets import EMPTY, LEAF, SELF, FieldSet, path_text, value_element

Path = tuple[str, ...]


def fields_of(config: Mapping[str, Any], layout: Layout) -> tuple[FieldSet, list[str]]:
    """Return the fields that a configuration sets, and what is wrong with its lists (with paths)."""
    wrong: list[str] = []
    return _below(config, layout, (), wrong), wrong


def _below(value: Any, layout: Layout, path: Path, wrong: list[str]) -> FieldSet:
    """Return the fields below a value, without itself."""
    match layout:
        case StructLayout() | MapLayout() if isinstance(value, dict):
            return _map(value, layout, path, wrong)
        case ItemsLayout() | ValuesLayout() if isinstance(value, list):
            return _list(value, layout, path, wrong)
    return EMPTY


def _map(value: dict[str, Any], layout: Layout, path: Path, wrong: list[str]) -> FieldSet:
    found: dict[str, FieldSet] = {}
    for key, inner in value.items():
        element = f"f:{key}"
        below = layout.child(element)
        if below is None:
            continue
        node = _below(inner, below, (*path, element), wrong)
        is_leaf = below is ATOM or inner is None or inner == {}
        if is_leaf or not layout.is_named(element):
            found[element] = {**node, SELF: LEAF} if node else LEAF
        elif node:
            found[element] = node
    return found


def _list(value: list[Any], layout: ItemsLayout | ValuesLayout, path: Path, wrong: list[str]) -> FieldSet:
    found: dict[str, FieldSet] = {}
    for item in value:
        try:
            element = element_of(item, layout)
        except LookupError as error:
            told = "element" if isinstance(layout, ValuesLayout) else "associative list with keys has an element"
            wrong.append(f"{path_text(path)}: {told} that {error.args[0]}")
            continue
        if element in found:
            wrong.append(f"{path_text(path)}: duplicate entries for key {path_text((element,))}")
            continue
        node = _below(item, layout.child(element) or ATOM, (*path, element), wrong)
        found[element] = {**node, SELF: LEAF} if node else LEAF
    return found


def element_of(item: Any, layout: Layout) -> str:
    """Return the path element of an item of a list that is managed item by item. Raises LookupError saying why not."""
    if isinstance(layout, ValuesLayout):
        if item is None or isinstance(item, dict | list):
            raise LookupError("is no scalar")
        return value_element(item)
    assert isinstance(layout, ItemsLayout)
    try:
        return layout.element_of_plain(item if isinstance(item, dict) else {})
    except LookupError as error:
        raise LookupError(f'omits key field "{error.args[0]}" (and doesn\'t have default value)') from error


def elements_of(items: Iterable[Any], layout: Layout) -> list[str | None]:
    """Return the path elements of a list's items in order, None for what is no item of such a list."""
    found: list[str | None] = []
    for item in items:
        try:
            found.append(element_of(item, layout))
        except LookupError:
            found.append(None)
    return found


def with_named(fields: FieldSet, layout: Layout | None) -> FieldSet:
    """Return a set with all the fields that types name on the way to its own."""
    if layout is None or layout is ATOM:
        return fields
    found: dict[str, FieldSet] = {}
    for element, node in fields.items():
        if element == SELF or not node:
            found[element] = node
            continue
        below = with_named(node, layout.child(element))
        found[element] = {**below, SELF: LEAF} if layout.is_named(element) and SELF not in below else below
    return found


def without(value: Any, fields: FieldSet, layout: Layout | None) -> Any:
    """Return plain JSON without the fields of a set and all that lies below them; None where nothing is left of it."""
    if layout is None or layout is ATOM or not fields:
        return value
    if isinstance(value, dict):
        return _without_keys(value, fields, layout)
    if isinstance(value, list):
        return _without_items(value, fields, layout)
    return value


def _without_keys(value: dict[str, Any], fields: FieldSet, layout: Layout) -> dict[str, Any] | None:
    left = {}
    for key, inner in value.items():
        element = f"f:{key}"
        node = fields.get(element)
        if node is None:
            left[key] = inner
        elif node and SELF not in node:
            left[key] = without(inner, node, layout.child(element))
    return left or None


def _without_items(value: list[Any], fields: FieldSet, layout: Layout) -> list[Any] | None:
    left = []
    for item, element in zip(value, elements_of(value, layout), strict=True):
        node = fields.get(element) if element is not None else None
        if node is None or element is None:
            left.append(item)
        elif node and SELF not in node:
            left.append(without(item, node, layout.child(element)))
    return left or None
