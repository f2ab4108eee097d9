"""What a write does to an object's managers.

`updated` is for writes that say what the object is from now on: who made it takes the fields that changed, everybody
else loses them. `settled` is the part that applying shares with it: fields that somebody else has and that would change
are conflicts, or are taken by force.
Source: KEP-555, sections on updates and on conflicts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from kube.api.meta_v1 import ManagedFieldsEntry
from kube.fields.layout import layout_of_object
from kube.fields.managers import (
    Entries,
    Manager,
    Managers,
    Owned,
    capped,
    fields_in,
    in_order,
    manager_of,
    read,
    write,
)
from kube.fields.sets import EMPTY, FieldSet, contains, difference, intersection, union
from kube.kinds import Resource

Versions = Callable[[Resource, str], Resource | None]
"""Gives an object in an apiVersion, None where it isn't served in that."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The fields in which an object differs from an older one. changed: those added and those of another value."""

    changed: FieldSet
    removed: FieldSet

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


def compare(old: Resource, new: Resource) -> Difference:
    """Return the fields in which `new` differs from `old`, both of one type."""
    changed, removed = layout_of_object(type(new)).diff(old, new)
    return Difference(changed or EMPTY, removed or EMPTY)


@dataclass(slots=True)
class Change:
    """An object before and after a write, in any version, and what differs."""

    old: Resource
    new: Resource
    versions: Versions
    _found: dict[str, Difference | None] = field(default_factory=dict)

    def difference(self, api_version: str) -> Difference | None:
        """Return the difference as seen in a version, None where the kind isn't served in it."""
        if api_version not in self._found:
            old, new = self._in(self.old, api_version), self._in(self.new, api_version)
            self._found[api_version] = compare(old, new) if old is not None and new is not None else None
        return self._found[api_version]

    def _in(self, obj: Resource, api_version: str) -> Resource | None:
        return obj if obj.api_version == api_version else self.versions(obj, api_version)


def updated(entries: Entries, change: Change, manager: Manager, now: str) -> Entries:
    """Return an object's entries after a write by `manager`; the same ones where nothing changed.

    Where the writer has all that changed already and nobody else has any of it, all that is done is to set the time.
    Raises FieldSetError for entries that make no sense.
    """
    mine = change.difference(manager.api_version)
    if not mine:
        return entries
    quick = _retimed(entries, mine, manager, now)
    if quick is not None:
        return quick
    managers = dict(settled(read(entries), change, except_for=manager).managers)
    had = managers.get(manager)
    fields = union(difference(had.fields if had else EMPTY, mine.removed), mine.changed)
    managers[manager] = Owned(fields, manager.api_version, now)
    return write(capped(managers))


def _retimed(entries: Entries, mine: Difference, manager: Manager, now: str) -> Entries | None:
    """Return the entries with one time changed if that is all there is to do, else None."""
    if mine.removed:
        return None
    found: ManagedFieldsEntry | None = None
    others: list[ManagedFieldsEntry] = []
    for entry in entries:
        if entry.manager == manager.name and manager_of(entry) == manager:
            if not contains(fields_in(entry), mine.changed):
                return None
            found = entry
        elif entry.api_version != manager.api_version or intersection(mine.changed, fields_in(entry)):
            return None
        else:
            others.append(entry)
    if found is None:
        return None
    return entries if found.time == now else in_order([*others, replace(found, time=now)])


@dataclass(frozen=True, slots=True)
class Settled:
    """The other managers after a change, and what they lost that was not removed, which is what they may object to."""

    managers: Managers
    conflicts: Mapping[Manager, FieldSet]


def settled(managers: Managers, change: Change, *, except_for: Manager, emptied: FieldSet = EMPTY) -> Settled:
    """Return the managers without what others than `except_for` lose by a change.

    emptied: fields that are gone because somebody wants them empty, which others may object to.
    """
    left: dict[Manager, Owned] = {}
    conflicts: dict[Manager, FieldSet] = {}
    for manager, owned in managers.items():
        if manager == except_for:
            left[manager] = owned
            continue
        found = change.difference(owned.api_version)
        if found is None:
            continue
        lost = intersection(owned.fields, found.changed)
        if emptied:
            lost = union(lost, intersection(intersection(owned.fields, found.removed), emptied))
        if lost:
            conflicts[manager] = lost
        fields = difference(difference(owned.fields, lost), found.removed)
        if fields:
            left[manager] = Owned(fields, owned.api_version, owned.time)
    return Settled(left, conflicts)


def first_entries(obj: Resource, empty: Any, manager: Manager, now: str | None) -> Managers:
    """Return the managers of an object that is all of one manager's. empty: an object of that type with nothing."""
    fields = compare(empty, obj).changed
    return {manager: Owned(fields, manager.api_version, now)} if fields else {}
