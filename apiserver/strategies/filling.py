"""Ways to set defaults on frozen values without copying what needs none.

Every function returns the very object it was given where nothing is missing, so that a complete object costs no
allocation and callers can tell by identity.
"""

from collections.abc import Callable
from operator import is_
from typing import Any, TypeVar

from msgspec.structs import replace

T = TypeVar("T")


def where_none(obj: T, **defaults: Any) -> T:
    """Return the object with each named field that is None set to its default; zero is a value here and stays."""
    missing = {name: value for name, value in defaults.items() if getattr(obj, name) is None}
    return replace(obj, **missing) if missing else obj  # type: ignore[type-var]


def each(items: tuple[T, ...], default: Callable[[T], T]) -> tuple[T, ...]:
    """Return the items with `default` applied to each; the same tuple where none changed."""
    if not items:
        return items
    filled = tuple([default(item) for item in items])
    return items if all(map(is_, items, filled)) else filled


def within(obj: T, **defaults: Callable[[Any], Any]) -> T:
    """Return the object with a function applied to each named field that is set; the same one where none changed."""
    changes = {}
    for name, default in defaults.items():
        value = getattr(obj, name)
        if value:
            filled = default(value)
            if filled is not value:
                changes[name] = filled
    return replace(obj, **changes) if changes else obj  # type: ignore[type-var]
