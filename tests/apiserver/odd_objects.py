"""Objects such as nobody writes on purpose: every field of a type, filled with the values that break programs."""

import random
import typing
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any

import msgspec

from kube.quantity import Quantity

TEXTS = ("", "a", "web", "A_b", "-", "10.0.0.1", "fd00::1", "None", "50%", "a/b", "x" * 300, "é", "Always", "TCP", "*")
MOMENTS = ("2026-01-02T03:04:05Z", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+00:00")
MICRO_MOMENTS = ("2026-01-02T03:04:05.000001Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00.000000+00:00")
NUMBERS = (0, 1, -1, 80, 70_000, 2**31, -(2**40))
QUANTITIES = ("0", "1", "500m", "-1", "1Gi", "1e3")
DEPTH_MAX = 7


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def odd_struct(cls: type, source: random.Random, depth: int = 0) -> dict[str, Any]:
    """Return some fields of a type as their JSON, with odd values."""
    filled = {}
    for field in msgspec.structs.fields(cls):
        if field.name not in ("api_version", "kind") and source.random() < (0.9 if depth < 2 else 0.4):
            filled[field.encode_name] = odd_value(_hints(cls)[field.name], source, depth + 1)
    return filled


def odd_value(hint: Any, source: random.Random, depth: int) -> Any:
    """Return an odd value of a type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        limits = next((extra for extra in arguments[1:] if isinstance(extra, msgspec.Meta)), None)
        if limits is None:
            return odd_value(arguments[0], source, depth)
        if limits.ge is None or limits.le is None:
            return source.choice(MICRO_MOMENTS if limits.title == "MicroTime" else MOMENTS)
        return source.choice([number for number in NUMBERS if limits.ge <= number <= limits.le])
    if origin in (UnionType, typing.Union):
        return odd_value(source.choice([part for part in arguments if part is not type(None)]), source, depth)
    if origin is tuple:
        return [
            odd_value(arguments[0], source, depth + 1)
            for _ in range(source.choice((0, 1, 2)) if depth < DEPTH_MAX else 0)
        ]
    if origin is not None:
        keys = source.sample(TEXTS, source.choice((0, 1, 3)) if depth < DEPTH_MAX else 0)
        return {key: odd_value(arguments[1], source, depth + 1) for key in keys}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return odd_struct(hint, source, depth) if depth < DEPTH_MAX else {}
    plain: dict[Any, tuple[Any, ...]] = {
        str: TEXTS,
        int: NUMBERS,
        bool: (True, False),
        float: (0.5,),
        bytes: ("", "eA=="),
        Quantity: QUANTITIES,
    }
    return source.choice(plain.get(hint, ({"a": 1},)))
