"""Small readings of objects that every room needs: keys, ownership, conditions, defaults.

Works on values alone: nothing here waits, asks or writes.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol, TypeVar

from msgspec.structs import replace

from kube.api.meta_v1 import ObjectMeta, OwnerReference
from kube.kinds import Resource

R = TypeVar("R", bound=Resource)
S = TypeVar("S")


class ObjectKey(NamedTuple):
    """Which object of a kind: namespace ("" for kinds without one) and name."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class Condition(Protocol):
    """What the conditions of all kinds share."""

    @property
    def type(self) -> str:
        """What the condition is about: "Ready"."""

    @property
    def status(self) -> str:
        """ "True", "False" or "Unknown"."""


C = TypeVar("C", bound=Condition)


def key_of(obj: Resource) -> ObjectKey:
    """Return the namespace and name of an object."""
    return ObjectKey(obj.metadata.namespace, obj.metadata.name)


def revision_of(obj: Resource) -> int:
    """Return the revision at which an object was last written, 0 for one that isn't stored."""
    return int(obj.metadata.resource_version or 0)


def is_terminating(obj: Resource) -> bool:
    """Say whether the object's deletion has begun."""
    return obj.metadata.deletion_timestamp is not None


def controller_of(obj: Resource) -> OwnerReference | None:
    """Return the reference to the one owner that manages the object."""
    return next((owner for owner in obj.metadata.owner_references if owner.controller), None)


def is_controlled_by(obj: Resource, uid: str) -> bool:
    """Say whether the object with `uid` manages this one."""
    owner = controller_of(obj)
    return owner is not None and owner.uid == uid


def controller_reference(owner: Resource) -> OwnerReference:
    """Return the reference by which a dependent names `owner` as the one that manages it."""
    return OwnerReference(
        api_version=owner.api_version,
        kind=owner.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def condition(conditions: Iterable[C], wanted: str) -> C | None:
    """Return the condition of type `wanted`, None where it was never set."""
    return next((item for item in conditions if item.type == wanted), None)


def condition_is_true(conditions: Iterable[Condition], wanted: str) -> bool:
    """Say whether the condition of type `wanted` is set and "True"."""
    return any(item.type == wanted and item.status == "True" for item in conditions)


def with_metadata(obj: S, **changes: Any) -> S:
    """Return the object with some fields of its metadata replaced."""
    meta: ObjectMeta = obj.metadata  # type: ignore[attr-defined]
    return replace(obj, metadata=replace(meta, **changes))  # type: ignore[type-var]


def default_among(objects: Iterable[R], mark: str) -> R | None:
    """Return the object that is the default of its kind: the newest of those that an annotation marks as such.

    Of those made in one second it is the first by name.
    """
    marked = sorted(
        (obj for obj in objects if obj.metadata.annotations.get(mark) == "true"), key=lambda obj: obj.metadata.name
    )
    return max(marked, key=lambda obj: obj.metadata.creation_timestamp or "", default=None)


def with_finalizer(obj: S, name: str) -> S:
    """Return the object held by one more finalizer; the same one if it is already."""
    present: tuple[str, ...] = obj.metadata.finalizers  # type: ignore[attr-defined]
    return obj if name in present else with_metadata(obj, finalizers=(*present, name))


def without_finalizer(obj: S, name: str) -> S:
    """Return the object without a finalizer."""
    present: tuple[str, ...] = obj.metadata.finalizers  # type: ignore[attr-defined]
    return with_metadata(obj, finalizers=tuple(held for held in present if held != name))


def with_defaults(obj: S, **defaults: Any) -> S:
    """Return the object with each named field that is absent or zero set to its default; the same one if none is."""
    missing = {
        name: value for name, value in defaults.items() if not getattr(obj, name) and getattr(obj, name) != value
    }
    return replace(obj, **missing) if missing else obj  # type: ignore[type-var]
