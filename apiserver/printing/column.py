"""What a table's columns and rows are made of.

Source: kubernetes.io/docs/reference/using-api/api-concepts, the section on tables.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kube.api.core_v1 import PodSpec
from kube.api.meta_v1 import LabelSelector
from kube.api.object import Object, always
from kube.selectors import SelectorError, label_selector_from_object
from kube.times import human_duration_since

NONE: Final = "<none>"
UNSET: Final = "<unset>"
UNKNOWN: Final = "<unknown>"
INVALID: Final = "<invalid>"
ERROR: Final = "<error>"
_SHOWN_MAX: Final = 3


class Column(Object, frozen=True):
    """One column of a table. priority: 0 is always shown, 1 only where more is asked for ("-o wide")."""

    name: str = always("")
    type: str = always("string")
    format: str = always("")
    description: str = always("")
    priority: int = always(0)


@dataclass(frozen=True, slots=True)
class Printer:
    """How one kind is printed. cells: one for each column."""

    columns: tuple[Column, ...]
    cells: Callable[[Any, datetime], list[Any]]


NAME: Final = Column(name="Name", format="name")
AGE: Final = Column(name="Age")


def text(*names: str) -> tuple[Column, ...]:
    """Return columns of text."""
    return tuple(Column(name=name) for name in names)


def wide(*names: str) -> tuple[Column, ...]:
    """Return columns of text that are shown where more is asked for."""
    return tuple(Column(name=name, priority=1) for name in names)


def numbers(*names: str) -> tuple[Column, ...]:
    """Return columns of whole numbers."""
    return tuple(Column(name=name, type="integer") for name in names)


def flags(*names: str) -> tuple[Column, ...]:
    """Return columns of truth values."""
    return tuple(Column(name=name, type="boolean") for name in names)


def age(obj: Any, now: datetime) -> str:
    """Return how old an object is."""
    return since(obj.metadata.creation_timestamp, now)


def since(moment: str | None, now: datetime) -> str:
    """Return how long ago a moment was; one that no calendar has must not cost the other rows."""
    try:
        return human_duration_since(moment, now)
    except ValueError:
        return INVALID


def joined(values: Iterable[str], separator: str = ",", nothing: str = NONE) -> str:
    """Return values in one cell."""
    return separator.join(values) or nothing


def first_few(values: list[str], nothing: str = NONE, limit: int = _SHOWN_MAX) -> str:
    """Return the first values and how many more there are."""
    shown = joined(values[:limit], nothing=nothing)
    return f"{shown} + {len(values) - limit} more..." if len(values) > limit else shown


def labels(values: Mapping[str, str]) -> str:
    """Return labels in one cell, in the order of their keys."""
    return joined(f"{key}={value}" for key, value in sorted(values.items()))


def selector(wanted: LabelSelector | None) -> str:
    """Return a label selector in one cell."""
    try:
        return str(label_selector_from_object(wanted)) or NONE
    except SelectorError:
        return ERROR


def containers(spec: PodSpec) -> list[str]:
    """Return two cells: the names and the images of a pod's containers."""
    names = ",".join(container.name for container in spec.containers)
    return [names, ",".join(container.image for container in spec.containers)]
