"""What every API type is made of.

A type is a frozen msgspec Struct whose fields say, in one line each, how the wire treats them:

    name: str = ""                      zero value when absent, and left out when it is zero ("omitempty")
    replicas: int | None = None         absent and zero differ
    port: int = always(0)               written even when it is zero
    status: PodStatus = always(PodStatus())   written as {} when it is empty, so that clients find an object there
    env: Annotated[tuple[EnvVar, ...], ListMap(keys=("name",), patch="name")] = ()

Absence is told by identity, which holds because "" and () and the small integers are single objects. A `null` on the
wire means absent (see kube.codec). Objects are values: a change is a new object (`msgspec.structs.replace`), so they
can be shared between rooms of one process.

Source: kubernetes.io/docs/reference/using-api/api-concepts, and the merge rules of KEP-555.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")


class Object(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, rename="camel"):
    """A value of the API; trees without cycles, so the garbage collector need not look at them."""


def renamed(**names: str) -> Callable[[str], str]:
    """Return the wire name of each field: those in `names` as given there, the others in camel case."""

    def wire_name(field: str) -> str:
        first, *rest = field.rstrip("_").split("_")
        return names.get(field) or first + "".join(word.title() for word in rest)

    return wire_name


def always(zero: T) -> T:
    """Declare a default that is written to the wire even when it is the value (no "omitempty")."""
    default: Any = msgspec.field(default_factory=lambda: zero)
    return default  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class ListMap:
    """A list whose items are told apart by `keys`.

    patch: the key by which a strategic merge patch merges it, "" where such a patch replaces the whole list.
    retain_keys: the patch strategy also lists which keys of the item stay.
    """

    keys: tuple[str, ...]
    patch: str = ""
    retain_keys: bool = False


@dataclass(frozen=True, slots=True)
class ListSet:
    """A list of scalars in which each value stands once. patch: a strategic merge patch adds to it."""

    patch: bool = False


@dataclass(frozen=True, slots=True)
class ListAtomic:
    """A list that server-side apply owns as a whole, and strategic merge patch may merge by the key `patch`."""

    patch: str | bool = ""
    retain_keys: bool = False


@dataclass(frozen=True, slots=True)
class Patch:
    """A struct or map whose strategic merge differs from the usual one.

    retain_keys: the patch names the keys that stay (as a union of sources has it).
    """

    patch: str | bool = ""
    retain_keys: bool = False


@dataclass(frozen=True, slots=True)
class Atomic:
    """A map that has one owner: server-side apply replaces it as a whole."""


@dataclass(frozen=True, slots=True)
class Granular:
    """A struct of an atomic type, each of whose fields has an owner of its own all the same."""


_ATOMIC: Final[set[type]] = set()


def atomic(cls: type[T]) -> type[T]:
    """Declare a struct that has one owner: server-side apply replaces it as a whole."""
    _ATOMIC.add(cls)
    return cls


def is_atomic(cls: type) -> bool:
    """Say whether a struct has one owner."""
    return cls in _ATOMIC
