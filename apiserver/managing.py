"""Who manages the fields of what is written: metadata.managedFields through the pipeline.

A create and an update give the fields that they set to their sender; an application (apiserver.applying) brings its
entries along. A client may change the entries too: an empty list of them, or one empty entry, forgets them all, and an
object without any stays so until it is first applied. What makes no sense is passed over, since bookkeeping must not
stop a write.
Source: kubernetes.io/docs/reference/using-api/server-side-apply, the sections on field management and on clearing.
"""

from datetime import datetime
from functools import lru_cache
from typing import Final

from apiserver.options import MANAGER_MAX_BYTES, manager_errors
from apiserver.versions import in_version
from kube.api.meta_v1 import ManagedFieldsEntry
from kube.errors import FieldError
from kube.fields.managers import APPLY, UNKNOWN, UPDATE, Entries, Manager, read, same_but_times, write
from kube.fields.sets import FieldSetError
from kube.fields.tracking import Change, first_entries, updated
from kube.kinds import Kind, Resource
from kube.objects import with_metadata
from kube.times import to_time

_FORGET: Final = (ManagedFieldsEntry(),)


@lru_cache(maxsize=1024)
def updater(name: str, kind: Kind, subresource: str) -> Manager:
    """Return the manager of an update."""
    return Manager(name or UNKNOWN, UPDATE, kind.api_version, subresource)


def applier(name: str, subresource: str) -> Manager:
    """Return the manager of an application."""
    return Manager(name, APPLY, "", subresource)


@lru_cache(maxsize=1024)
def manager_name(user_agent: str) -> str:
    """Return how a client that gives no name is called: by its User-Agent up to the first slash."""
    found, size = "", 0
    for letter in user_agent.partition("/")[0]:
        size += len(letter.encode())
        if size > MANAGER_MAX_BYTES:
            break
        found += letter if letter.isprintable() else ""
    return found or UNKNOWN


def entries_of_new(obj: Resource, asked: Entries, manager: Manager, now: datetime) -> Entries:
    """Return the entries of an object that `manager` creates. asked: those that it came with."""
    brought = _brought(asked)
    if brought is not None:
        managed, empty = with_metadata(obj, managed_fields=()), type(obj)()
        return updated(brought, Change(empty, managed, in_version), manager, to_time(now))
    seen = obj if obj.api_version == manager.api_version else in_version(obj, manager.api_version)
    return write(first_entries(seen, type(seen)(), manager, to_time(now))) if seen is not None else ()


def entries_of_changed(old: Resource, new: Resource, asked: Entries, manager: Manager, now: datetime) -> Entries:
    """Return the entries of an object that `manager` changes; the old ones where nothing changed.

    asked: those that the change came with; a subresource can't change them.
    """
    base = old.metadata.managed_fields
    if asked and not manager.subresource:
        brought = _brought(asked)
        base = () if asked == _FORGET else base if brought is None or same_but_times(brought, base) else brought
    if not base:
        return ()
    try:
        return updated(base, Change(old, new, in_version), manager, to_time(now))
    except FieldSetError:
        return base


def entry_errors(asked: Entries) -> list[FieldError]:
    """Return what is wrong with the names in entries that a client sent."""
    found: list[FieldError] = []
    for index, entry in enumerate(asked):
        is_short = len(entry.manager) <= MANAGER_MAX_BYTES // 4  # No letter has more than four bytes.
        if not is_short or not entry.manager.isprintable():
            found += manager_errors(entry.manager, f"metadata.managedFields[{index}].manager")
    return found


def _brought(asked: Entries) -> Entries | None:
    """Return the entries that a client sent in our form, None where there is nothing in them, or no sense."""
    if not asked:
        return None
    try:
        return write(read(asked)) or None
    except FieldSetError:
        return None
