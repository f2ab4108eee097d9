"""Signals by name, as images and the CRI write them, and by number. Plain functions."""

import functools
import signal
from typing import cast

from proto import cri_v1 as cri


def number_of(name: str) -> int:
    """Return the number of `SIGTERM`, `TERM`, `SIGRTMIN+3` or `15`; raises ValueError where there is none."""
    if name.isdigit():
        return int(name)
    base, sign, offset = name.replace("-", "+-").partition("+")
    found = getattr(signal, base if base.startswith("SIG") else f"SIG{base}", None)
    if found is None:
        raise ValueError(f"signal {name!r} is unknown; use one like SIGTERM")
    return int(found) + (int(offset) if sign else 0)


def name_of(value: int) -> str:
    """Return the name of one of the CRI's signals."""
    return str(cri.Signal.Name(cast("cri.Signal", value))).replace("PLUS", "+").replace("MINUS", "-")


def told(number: int) -> cri.Signal:
    """Return the CRI's signal of a number, or its word for the default where it has none."""
    return _by_number().get(number, cri.RUNTIME_DEFAULT)


@functools.cache
def _by_number() -> dict[int, cri.Signal]:
    found: dict[int, cri.Signal] = {}
    for name in list(cri.Signal.keys())[1:]:
        value = cast("cri.Signal", cri.Signal.Value(name))
        found.setdefault(number_of(name_of(value)), value)
    return found
