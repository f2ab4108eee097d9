"""Sets of fields, in the very form in which managedFields carry them (FieldsV1).

A set maps path elements to nodes; a node with content is what lies below, and "." in it says that the field itself is
in the set too. A node without content is a field and nothing below it. Path elements:

    f:NAME   a field of a struct, or a key of a map
    k:JSON   the item of a list with these keys
    v:JSON   the item of a list that is this value
    i:N      the item at this index

Sets are shared and cached: no function here changes one that it was given, and neither may anybody else.
Source: KEP-555; the type FieldsV1 in kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from kube.memo import by_identity, by_text

FieldSet: TypeAlias = Mapping[str, Any]
"""A node: path elements to nodes."""

BRANCHES_MAX: Final = 128
SHARED_MAX_BYTES: Final = 16 * 1024
"""Up to what length of its JSON a set is kept for all objects that have the same."""
SELF: Final = "."
EMPTY: Final[FieldSet] = {}
LEAF: Final[FieldSet] = {}
"""A field with nothing below it. (At the top the same value is the empty set: the object itself is no field.)"""

_ENCODER: Final = msgspec.json.Encoder(order="sorted")
_PREFIXES: Final = ("f:", "k:", "v:", "i:")


class FieldSetError(ValueError):
    """JSON that is no set of fields."""


def to_text(fields: FieldSet) -> bytes:
    """Return a set as JSON; equal sets have equal texts."""
    branches = [b"%b:%b" % (_ENCODER.encode(element), _branch_text(fields[element])) for element in sorted(fields)]
    return b"{%b}" % b",".join(branches)


@by_identity(BRANCHES_MAX)
def _branch_text(node: FieldSet) -> bytes:
    """Return a node below the top as JSON; that of a template, or what a write left alone, is the very same again."""
    return _ENCODER.encode(node)


@by_text(8192, SHARED_MAX_BYTES)
def from_text(text: bytes) -> FieldSet:
    """Return the set that JSON holds. Raises FieldSetError."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FieldSetError(f"not JSON: {error}") from error
    return _checked(found)


def _checked(found: Any) -> FieldSet:
    """Return a node in the one form that it has here."""
    if not isinstance(found, dict):
        raise FieldSetError(f"found {found!r}; use an object")
    for element in found:
        if element != SELF and not element.startswith(_PREFIXES):
            raise FieldSetError(f'found "{element}"; use "." or what begins with f:, k:, v: or i:')
        if element.startswith(("k:", "v:", "i:")):
            _check_json(element)
    return _node({element: _checked(node) for element, node in found.items() if element != SELF}, SELF in found)


def _check_json(element: str) -> None:
    try:
        value = msgspec.json.decode(element[2:])
    except msgspec.DecodeError as error:
        raise FieldSetError(f'found "{element}"; what follows its colon must be JSON') from error
    if isinstance(value, dict) != element.startswith("k:"):
        raise FieldSetError(f'found "{element}"; keys are an object, values and indexes are none')


def _node(children: dict[str, Any], is_member: bool) -> FieldSet:
    if is_member and children:
        children[SELF] = LEAF
    return children


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    """Return the fields that are in either set."""
    if not other:
        return one
    if not one:
        return other
    merged = dict(one)
    for element, node in other.items():
        mine = merged.get(element)
        merged[element] = node if mine is None else _union_node(mine, node)
    return merged


def _union_node(one: FieldSet, other: FieldSet) -> FieldSet:
    if one and other:
        return union(one, other)
    below = one or other
    return {**below, SELF: LEAF} if below and SELF not in below else below


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """Return the fields of `one` that are not in `other`; a field goes alone, not with all below it."""
    if not other:
        return one
    return _difference_children(one, other)


def _difference_children(one: FieldSet, other: FieldSet) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for element, node in one.items():
        if element == SELF:
            continue
        gone = other.get(element)
        kept = node if gone is None else _difference_node(node, gone)
        if kept is not None:
            left[element] = kept
    return left


def _difference_node(one: FieldSet, other: FieldSet) -> FieldSet | None:
    children = _difference_children(one, other)
    is_member = _is_member(one) and not _is_member(other)
    return _node(children, is_member) if children or is_member else None


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    """Return the fields that are in both sets."""
    small, large = (one, other) if len(one) <= len(other) else (other, one)
    both: dict[str, Any] = {}
    for element, node in small.items():
        if element == SELF or element not in large:
            continue
        theirs = large[element]
        children = intersection(node, theirs) if node and theirs else {}
        is_member = _is_member(node) and _is_member(theirs)
        if children or is_member:
            both[element] = _node(dict(children), is_member)
    return both


def contains(large: FieldSet, small: FieldSet) -> bool:
    """Say whether all fields of `small` are in `large`."""
    for element, node in small.items():
        if element == SELF:
            continue
        theirs = large.get(element)
        if theirs is None or (_is_member(node) and not _is_member(theirs)) or not contains(theirs, node):
            return False
    return True


def without_branches(fields: FieldSet, branches: FieldSet) -> FieldSet:
    """Return a set without the fields of another one and all that lies below them."""
    left: dict[str, Any] = {}
    for element, node in fields.items():
        gone = branches.get(element)
        if gone is None or element == SELF:
            left[element] = node
        elif not _is_member(gone):
            is_member = _is_member(node)
            kept = dict(without_branches(node, gone))
            kept.pop(SELF, None)
            if kept or is_member:
                left[element] = _node(kept, is_member)
    return left


def _is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def paths(fields: FieldSet) -> Iterator[tuple[str, ...]]:
    """Yield the path of each field, in order."""
    for element in sorted(fields):
        if element == SELF:
            continue
        node = fields[element]
        if _is_member(node):
            yield (element,)
        for below in paths(node):
            yield (element, *below)


def path_text(path: tuple[str, ...]) -> str:
    """Return a path as conflicts tell it: `.spec.containers[name="web"].image`."""
    return "".join(_element_text(element) for element in path)


def _element_text(element: str) -> str:
    match element[:2]:
        case "f:":
            return f".{element[2:]}"
        case "k:":
            keys = msgspec.json.decode(element[2:])
            shown = (f"{name}={msgspec.json.encode(value).decode()}" for name, value in sorted(keys.items()))
            return f"[{','.join(shown)}]"
        case "v:":
            return f"[={element[2:]}]"
    return f"[{element[2:]}]"


def key_element(keys: Mapping[str, Any]) -> str:
    """Return the path element of the list item with some keys."""
    return "k:" + _ENCODER.encode(keys).decode()


def value_element(value: Any) -> str:
    """Return the path element of the list item that is a value."""
    return "v:" + _ENCODER.encode(value).decode()
