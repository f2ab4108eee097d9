"""Who manages which fields of an object: metadata.managedFields, as a value that can be asked and changed.

A manager is told by its name, the operation by which it came, the subresource through which, and (unless it applies)
the version in which. An object has one entry for each.
Source: kubernetes.io/docs/reference/using-api/server-side-apply, the section on field management.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from kube.api.meta_v1 import ManagedFieldsEntry
from kube.api.scalars import NO_FIELDS
from kube.fields.sets import EMPTY, SHARED_MAX_BYTES, FieldSet, FieldSetError, from_text, to_text, union
from kube.memo import by_text

APPLY: Final = "Apply"
UPDATE: Final = "Update"
UPDATERS_MAX: Final = 10
ANCIENT: Final = "ancient-changes"
BEFORE_FIRST_APPLY: Final = "before-first-apply"
UNKNOWN: Final = "unknown"
_FIELDS_V1: Final = "FieldsV1"


class Manager(NamedTuple):
    """Who manages fields. api_version: "" for those that apply, who are the same in every version."""

    name: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        told = msgspec.json.encode(self.name).decode()
        if self.subresource:
            told += f" with subresource {msgspec.json.encode(self.subresource).decode()}"
        return f"{told} using {self.api_version}" if self.operation == UPDATE else told


class Owned(NamedTuple):
    """What a manager manages: the fields as of a version, and when it last took some."""

    fields: FieldSet
    api_version: str
    time: str | None


Managers = Mapping[Manager, Owned]

Entries = tuple[ManagedFieldsEntry, ...]


def manager_of(entry: ManagedFieldsEntry) -> Manager:
    """Return whom an entry is about."""
    version = "" if entry.operation == APPLY else entry.api_version
    return Manager(entry.manager, entry.operation, version, entry.subresource)


def fields_in(entry: ManagedFieldsEntry) -> FieldSet:
    """Return the fields of an entry. Raises FieldSetError."""
    text = bytes(entry.fields_v1)
    return from_text(text) if text else EMPTY


def read(entries: Iterable[ManagedFieldsEntry]) -> dict[Manager, Owned]:
    """Return the managers of an object. Raises FieldSetError for entries that make no sense."""
    found: dict[Manager, Owned] = {}
    for entry in entries:
        if entry.operation not in (APPLY, UPDATE):
            raise FieldSetError(f'operation: "{entry.operation}"; use Apply or Update')
        if entry.fields_type not in ("", _FIELDS_V1):
            raise FieldSetError(f'fieldsType: "{entry.fields_type}"; use FieldsV1')
        manager, fields = manager_of(entry), fields_in(entry)
        if manager in found:
            fields = union(found[manager].fields, fields)
        found[manager] = Owned(fields, entry.api_version, entry.time)
    return found


def write(managers: Managers) -> Entries:
    """Return the entries of an object: those that apply first, then by time, each in the shared form."""
    entries = [
        ManagedFieldsEntry(
            manager=manager.name,
            operation=manager.operation,
            api_version=owned.api_version,
            time=owned.time,
            fields_type=_FIELDS_V1,
            fields_v1=shared(to_text(owned.fields)),
            subresource=manager.subresource,
        )
        for manager, owned in managers.items()
        if owned.fields
    ]
    return in_order(entries)


def in_order(entries: Iterable[ManagedFieldsEntry]) -> Entries:
    """Return entries in the order in which objects carry them."""
    return tuple(sorted(entries, key=_place))


def _place(entry: ManagedFieldsEntry) -> tuple[str, ...]:
    return (entry.operation, entry.time or "", entry.manager, entry.api_version, entry.subresource)


@by_text(8192, SHARED_MAX_BYTES)
def shared(text: bytes) -> msgspec.Raw:
    """Return the one value that all objects with the same set of fields hold."""
    return msgspec.Raw(text) if text else NO_FIELDS


def same_but_times(one: Sequence[ManagedFieldsEntry], other: Sequence[ManagedFieldsEntry]) -> bool:
    """Say whether two objects' entries tell the same, whenever it was."""
    if len(one) != len(other):
        return False
    theirs = {manager_of(entry): entry for entry in other}
    for entry in one:
        found = theirs.get(manager_of(entry))
        if found is None or found.api_version != entry.api_version or found.fields_v1 != entry.fields_v1:
            return False
    return True


def capped(managers: Managers) -> Managers:
    """Return managers of which at most UPDATERS_MAX do not apply: the oldest are told together, by version."""
    updaters = [manager for manager in managers if manager.operation == UPDATE]
    if len(updaters) <= UPDATERS_MAX:
        return managers
    updaters.sort(key=lambda manager: (managers[manager].time or "", manager))
    left, count = dict(managers), len(updaters)
    first: dict[str, Manager] = {}
    for manager in updaters:
        if count <= UPDATERS_MAX:
            break
        bucket = Manager(ANCIENT, UPDATE, manager.api_version)
        if manager.api_version not in first:
            first[manager.api_version] = manager
            continue
        if bucket not in left:
            left[bucket] = left.pop(first[manager.api_version])
        merged, joining = left[bucket], left.pop(manager) if manager != bucket else left[bucket]
        left[bucket] = Owned(union(merged.fields, joining.fields), merged.api_version, joining.time)
        count -= 1
    return left
