"""Strategic merge patch: a merge patch that knows which lists merge, and by what key.

`apply_strategic_patch` carries one out on plain JSON, and changes nothing that it is given. Directives: $patch (delete,
replace), $retainKeys, $setElementOrder/LIST, $deleteFromPrimitiveList/LIST. What a patch puts where there was nothing
is taken as it is, without its directives.
Source: KEP-555; the contributors' page on strategic merge patch. As there, a patch's own items keep the patch's order,
and the others stand where they stood in relation to them.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from kube.patch.shapes import ANYTHING, Shape, shape_of

Json: TypeAlias = dict[str, Any]

DIRECTIVE: Final = "$patch"
RETAIN_KEYS: Final = "$retainKeys"
ELEMENT_ORDER: Final = "$setElementOrder/"
DELETE_PRIMITIVES: Final = "$deleteFromPrimitiveList/"
_DIRECTIVES: Final = (DIRECTIVE, RETAIN_KEYS, ELEMENT_ORDER, DELETE_PRIMITIVES)
_CONTAINERS: Final = (dict, list)


class StrategicPatchError(ValueError):
    """A patch that makes no sense for the type."""


def apply_strategic_patch(document: Json, patch: Json, cls: type[Any] | None) -> Json:
    """Return `document`, an object of type `cls` as plain JSON, with `patch` merged in. Raises StrategicPatchError."""
    if not isinstance(patch, dict):
        raise StrategicPatchError('a strategic merge patch is an object, such as {"spec": {"replicas": 2}}')
    return _merge_map(document, patch, _root(cls), "")


def _root(cls: Any) -> Shape:
    return shape_of(cls) if cls else ANYTHING


def _merge_map(old: Json, patch: Json, shape: Shape, path: str) -> Json:
    directive = patch.get(DIRECTIVE)
    if directive == "delete":
        return {}
    if directive == "replace":
        return _new_map({key: value for key, value in patch.items() if key != DIRECTIVE})
    if directive is not None:
        raise StrategicPatchError(f"{path or 'patch'}: unknown {DIRECTIVE} {directive!r}; use delete or replace")
    merged = _retained(old, patch, path)
    for key in _touched_keys(patch):
        here = f"{path}.{key}" if path else key
        if key in patch and patch[key] is None:
            merged.pop(key, None)
            continue
        value = _merge_field(merged.get(key), key, patch, shape.child(key), here)
        if value is not _ABSENT:
            merged[key] = value
    return merged


_ABSENT: Final = object()


def _new(value: Any) -> Any:
    """Return what a patch puts where there is nothing yet: its value without directives, _ABSENT if it is one."""
    if isinstance(value, dict):
        return _ABSENT if DIRECTIVE in value else _new_map(value)
    if isinstance(value, list):
        return [new for item in value if (new := _new(item)) is not _ABSENT]
    return value


def _new_map(value: Json) -> Json:
    found = {}
    for key, inner in value.items():
        if inner is None or (key.startswith("$") and key.startswith(_DIRECTIVES)):
            continue
        new = _new(inner) if isinstance(inner, _CONTAINERS) else inner
        if new is not _ABSENT:
            found[key] = new
    return found


def _touched_keys(patch: Json) -> list[str]:
    """Return the fields that a patch speaks of, by value or by directive, in the order of the patch."""
    found: dict[str, None] = {}
    for key in patch:
        if key not in (DIRECTIVE, RETAIN_KEYS):
            found[key.removeprefix(ELEMENT_ORDER).removeprefix(DELETE_PRIMITIVES)] = None
    return list(found)


def _retained(old: Json, patch: Json, path: str) -> Json:
    """Return a copy of `old` with only the keys that $retainKeys keeps, all where the patch has none."""
    if RETAIN_KEYS not in patch:
        return dict(old)
    keep = patch[RETAIN_KEYS]
    if not isinstance(keep, list):
        raise StrategicPatchError(f"{path}.{RETAIN_KEYS}: must be a list of the keys that stay")
    strangers = [
        key for key, value in patch.items() if not key.startswith("$") and value is not None and key not in keep
    ]
    if strangers:
        raise StrategicPatchError(f"{path}: {', '.join(strangers)} is set by the patch but missing from {RETAIN_KEYS}")
    return {key: value for key, value in old.items() if key in keep}


def _merge_field(old: Any, key: str, patch: Json, shape: Shape, path: str) -> Any:
    value = patch.get(key, _ABSENT)
    if isinstance(value, list) or ELEMENT_ORDER + key in patch or DELETE_PRIMITIVES + key in patch:
        return _merge_list_field(old, key, patch, shape, path)
    if isinstance(value, dict) and isinstance(old, dict) and not shape.replaces:
        return _merge_map(old, value, shape, path)
    return _new(value)


def _merge_list_field(old: Any, key: str, patch: Json, shape: Shape, path: str) -> Any:
    """Return a list field after the value and the directives that the patch has for it."""
    value = patch.get(key, _ABSENT)
    if not shape.merges or (value is _ABSENT and old is None):
        return _new(value)
    order, deletions = patch.get(ELEMENT_ORDER + key), patch.get(DELETE_PRIMITIVES + key)
    for name, directive in ((ELEMENT_ORDER, order), (DELETE_PRIMITIVES, deletions)):
        if directive is not None and not isinstance(directive, list):
            raise StrategicPatchError(f"{path}: {name}{key} must be a list")
    before: list[Any] = old if isinstance(old, list) else []
    new: list[Any] = value if isinstance(value, list) else []
    if shape.merge_key:
        return _merge_items(before, new, order, shape, path)
    if order:
        _check_order(_itselves(new), _itselves(order), path)
    gone = set(_itselves(deletions or []))
    merged = [item for name, item in {_itself(item): item for item in [*before, *new]}.items() if name not in gone]
    return _in_order(merged, _itselves(order if order is not None else new), _itselves(before), _itself)


def _merge_items(old: list[Any], patch: list[Any], order: list[Any] | None, shape: Shape, path: str) -> list[Any]:
    """Return a list of objects with the items of `patch` merged in by key, deleted or replaced, as they ask."""
    key = shape.merge_key
    plain = [item for item in patch if not (isinstance(item, dict) and DIRECTIVE in item)]
    for item in plain:
        _key_value(item, key, path)
    merged = _surviving_items(old, patch, key, path)
    places = {_key_of(item, key): place for place, item in enumerate(merged)}
    live = list(places)
    for item in plain:
        place = places.get(item[key])
        if place is None:
            places[item[key]] = len(merged)
            merged.append(_new(item))
        else:
            merged[place] = _merge_map(merged[place], item, shape.item, path)
    wanted = [item[key] for item in plain]
    if order is not None:
        listed = [_key_value(item, key, path) for item in order]
        if listed:
            _check_order(wanted, listed, path)
        wanted = listed
        # With an order given, Kubernetes counts an item that takes a deleted one's place as the last of the live ones.
        live = list(places)[: max(len(old), len(live))]
    return _in_order(merged, wanted, live, lambda item: _key_of(item, key))


def _check_order(wanted: Sequence[Any], order: Sequence[Any], path: str) -> None:
    """Return if the items of a patch stand in its $setElementOrder list, in that order. Raises StrategicPatchError."""
    left = iter(order)
    if not all(any(found == name for found in left) for name in wanted):
        told = f"{list(wanted)} is not in the order of its {ELEMENT_ORDER} list {list(order)}"
        raise StrategicPatchError(f"{path}: {told}")


def _surviving_items(old: list[Any], patch: list[Any], key: str, path: str) -> list[Any]:
    """Return the items that the directives of a patch leave."""
    gone: set[Any] = set()
    is_replaced = False
    for item in patch:
        directive = item.get(DIRECTIVE) if isinstance(item, dict) else None
        if directive == "replace":
            is_replaced = True
        elif directive == "delete":
            gone.add(_key_value(item, key, path))
        elif directive is not None:
            raise StrategicPatchError(f"{path}: {DIRECTIVE} {directive!r} of a list's item; use delete or replace")
    return [] if is_replaced else [item for item in old if _key_of(item, key) not in gone]


def _in_order(
    items: list[Any], wanted: Sequence[Any], live: Sequence[Any], identify: Callable[[Any], Any]
) -> list[Any]:
    """Return `items` with those in `wanted` in its order, and each other one before the first that followed it live."""
    rank = {identity: place for place, identity in enumerate(wanted)}
    live_rank = {identity: place for place, identity in enumerate(live)}
    named = [(identify(item), item) for item in items]
    result = sorted([one for one in named if one[0] in rank], key=lambda one: rank[one[0]])
    others = sorted([one for one in named if one[0] not in rank], key=lambda one: live_rank.get(one[0], len(live)))
    start = 0
    for other in others:
        mine = live_rank.get(other[0], len(live))
        while start < len(result) and not mine < live_rank.get(result[start][0], -1):
            start += 1
        result.insert(start, other)
        start += 1
    return [item for _, item in result]


def _itself(item: Any) -> Any:
    return str(item) if isinstance(item, _CONTAINERS) else item


def _itselves(items: list[Any]) -> list[Any]:
    return [_itself(item) for item in items]


def _key_of(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, dict) else None


def _key_value(item: Any, key: str, path: str) -> Any:
    value = _key_of(item, key)
    if value is None or isinstance(value, _CONTAINERS):
        raise StrategicPatchError(f"{path}: map: {item!r} does not contain declared merge key: {key}")
    return value
