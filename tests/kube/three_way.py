"""The strategic merge patch that a client-side apply makes, as kubectl makes it: what ours has to carry out."""

from collections.abc import Callable
from typing import Any

from kube.patch.shapes import ANYTHING, Shape, shape_of
from kube.patch.strategic import DELETE_PRIMITIVES, DIRECTIVE, ELEMENT_ORDER, RETAIN_KEYS

Json = dict[str, Any]


def three_way(original: Json, modified: Json, current: Json, cls: Any) -> Json:
    """Return the strategic merge patch that brings `current` to what `modified` says; {} where it is there already.

    original: what was applied last time: what it had and `modified` hasn't is removed. All else in `current` stays.
    cls None: a kind whose lists are not known; they are replaced, so that the result is a JSON merge patch too.
    """
    return _diff_map(original, modified, current, shape_of(cls) if cls else ANYTHING)


def _diff_map(original: Json, modified: Json, current: Json, shape: Shape) -> Json:
    patch: Json = {}
    for key, wanted in modified.items():
        found = current.get(key)
        if wanted is None:
            if key in current:
                patch[key] = None
        elif found is None:
            patch[key] = wanted
        else:
            patch |= _diff_field(key, original.get(key), wanted, found, shape.child(key))
    patch |= {
        key: None for key, value in original.items() if value is not None and key not in modified and key in current
    }
    return patch


def _diff_field(key: str, original: Any, wanted: Any, found: Any, shape: Shape) -> Json:
    if isinstance(wanted, dict) and isinstance(found, dict) and not shape.replaces:
        before = original if isinstance(original, dict) else {}
        inner = _diff_map(before, wanted, found, shape)
        if inner and shape.retain_keys:
            inner[RETAIN_KEYS] = sorted(name for name, value in wanted.items() if value is not None)
        return {key: inner} if inner else {}
    if isinstance(wanted, list) and isinstance(found, list) and shape.merges:
        return _diff_list(key, original if isinstance(original, list) else [], wanted, found, shape)
    return {} if _equal(wanted, found) else {key: wanted}


def _diff_list(key: str, original: list[Any], wanted: list[Any], found: list[Any], shape: Shape) -> Json:
    by = shape.merge_key
    identify: Callable[[Any], Any] = (lambda item: _key_of(item, by)) if by else _itself
    live = {identify(item): item for item in found}
    names = [identify(item) for item in wanted]
    gone = [name for name in map(identify, original) if name not in names and name in live]
    if by:
        before = {identify(item): item for item in original}
        changes = [
            _diff_item(before.get(name, {}), item, live.get(name), shape)
            for name, item in zip(names, wanted, strict=True)
        ]
        changes += [{by: name, DIRECTIVE: "delete"} for name in gone]
        patch: Json = {key: kept} if (kept := [change for change in changes if change]) else {}
    else:
        added = [name for name in names if name not in live]
        patch = {key: added} if added else {}
        if gone:
            patch[DELETE_PRIMITIVES + key] = gone
    if patch or [name for name in live if name in names] != names:
        patch[ELEMENT_ORDER + key] = [{by: name} for name in names] if by else names
    return patch


def _diff_item(original: Json, wanted: Json, found: Json | None, shape: Shape) -> Json:
    if found is None:
        return wanted
    inner = _diff_map(original, wanted, found, shape.item)
    if not inner:
        return {}
    if shape.retain_keys:
        inner[RETAIN_KEYS] = sorted(name for name, value in wanted.items() if value is not None)
    return {**inner, shape.merge_key: wanted[shape.merge_key]}


def _equal(one: Any, other: Any) -> bool:
    """Compare JSON values; true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _itself(item: Any) -> Any:
    return str(item) if isinstance(item, dict | list) else item


def _key_of(item: Any, key: str) -> Any:
    return item.get(key) if isinstance(item, dict) else None
