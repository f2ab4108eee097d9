"""Who owns whom, among all objects of all kinds, and what to do about one of them.

`Graph` is what the garbage collector knows, kept up to date by the informers; it only says which objects to look at.
`plan` decides about one object, from its live state and the live state of its owners.
Source: kubernetes.io/docs/concepts/architecture/garbage-collection, /concepts/overview/working-with-objects/finalizers
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from msgspec.structs import replace

from kube.api.meta_v1 import OwnerReference
from kube.client import PropagationPolicy
from kube.kinds import Resource
from kube.objects import is_terminating

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the graph keeps of an object."""

    cls: type[Resource]
    namespace: str
    name: str
    uid: str
    owners: tuple[OwnerReference, ...]
    is_terminating: bool
    finalizers: tuple[str, ...]

    @property
    def waits_for_dependents(self) -> bool:
        """Whether it is being deleted in the foreground."""
        return self.is_terminating and FOREGROUND in self.finalizers

    @property
    def is_letting_go(self) -> bool:
        """Whether it is being deleted and leaves its dependents behind."""
        return self.is_terminating and ORPHAN in self.finalizers


def entry_of(obj: Resource) -> Entry:
    """Return what the graph keeps of `obj`."""
    meta = obj.metadata
    return Entry(
        type(obj),
        meta.namespace,
        meta.name,
        meta.uid,
        meta.owner_references,
        is_terminating(obj),
        meta.finalizers if meta.deletion_timestamp else (),
    )


class Graph:
    """All objects by uid, and the uids of those that name each as owner."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._dependents: dict[str, set[str]] = {}

    def get(self, uid: str) -> Entry | None:
        """Return an object that exists, as last heard of."""
        return self._entries.get(uid)

    def dependents(self, uid: str) -> list[Entry]:
        """Return the objects that name `uid` as an owner."""
        return [self._entries[item] for item in sorted(self._dependents.get(uid, ()))]

    def count_dependents(self, uid: str) -> int:
        """Return how many objects name `uid` as an owner."""
        return len(self._dependents.get(uid, ()))

    def put(self, new: Entry) -> set[str]:
        """Take over an object as it is now; return the uids of those to look at because of that."""
        old = self._entries.get(new.uid)
        if old == new:
            return set()
        self._entries[new.uid] = new
        before = {owner.uid for owner in old.owners} if old else set()
        after = {owner.uid for owner in new.owners}
        for uid in before - after:
            self._forget_dependent(uid, new.uid)
        for uid in after:
            self._dependents.setdefault(uid, set()).add(new.uid)
        return self._to_look_at(old, new, before - after)

    def _to_look_at(self, old: Entry | None, new: Entry, left: set[str]) -> set[str]:
        look = set()
        for owner in new.owners:
            known = self._entries.get(owner.uid)
            if known is None or known.is_terminating:
                look.add(new.uid)
        if new.waits_for_dependents or new.is_letting_go:
            look.add(new.uid)
            if old is None or not old.waits_for_dependents:
                look |= self._dependents.get(new.uid, set())
        blocked = left | {owner.uid for owner in new.owners}
        return look | {uid for uid in blocked if (entry := self._entries.get(uid)) and entry.waits_for_dependents}

    def remove(self, uid: str) -> set[str]:
        """Forget an object that is gone; return the uids of those to look at because of that."""
        gone = self._entries.pop(uid, None)
        if gone is None:
            return set()
        for owner in gone.owners:
            self._forget_dependent(owner.uid, uid)
        waiting = {
            owner.uid
            for owner in gone.owners
            if (entry := self._entries.get(owner.uid)) is not None and entry.waits_for_dependents
        }
        return waiting | self._dependents.get(uid, set())

    def _forget_dependent(self, owner: str, uid: str) -> None:
        dependents = self._dependents.get(owner)
        if dependents is not None:
            dependents.discard(uid)
            if not dependents:
                del self._dependents[owner]


class OwnerState(Enum):
    """What has become of an owner that an object names."""

    ALIVE = auto()
    WAITING = auto()  # Being deleted in the foreground: it waits for its dependents.
    ABSENT = auto()
    UNKNOWN = auto()  # It can't be told; nothing is done on a guess.


@dataclass(frozen=True, slots=True)
class Keep:
    """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object. policy: what is to happen to its own dependents."""

    policy: PropagationPolicy


@dataclass(frozen=True, slots=True)
class SetOwners:
    """Leave only these owners."""

    owners: tuple[OwnerReference, ...]


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Let the object go: what this finalizer waited for has happened."""

    finalizer: str


@dataclass(frozen=True, slots=True)
class LetGo:
    """Take the object out of the owners of these dependents, then remove its finalizer."""

    dependents: tuple[Entry, ...]


Action = Keep | Delete | SetOwners | RemoveFinalizer | LetGo


def plan(live: Resource, owners: Mapping[str, OwnerState], dependents: Iterable[Entry]) -> Action:
    """Return what to do about an object.

    live: as the API has it now. owners: uid -> state, for each owner it names. dependents: those that name it.
    """
    dependents = tuple(dependents)
    entry = entry_of(live)
    if entry.is_letting_go:
        return LetGo(dependents)
    if entry.waits_for_dependents:
        blocking = any(_blocks(dependent, entry.uid) for dependent in dependents)
        return Keep() if blocking else RemoveFinalizer(FOREGROUND)
    if entry.is_terminating or not entry.owners:
        return Keep()
    return _by_owners(live, owners, dependents)


def _by_owners(live: Resource, owners: Mapping[str, OwnerState], dependents: tuple[Entry, ...]) -> Action:
    references = live.metadata.owner_references
    states = {owner.uid: owners.get(owner.uid, OwnerState.UNKNOWN) for owner in references}
    if OwnerState.UNKNOWN in states.values():
        return Keep()
    if OwnerState.ALIVE in states.values():
        kept = tuple(owner for owner in references if states[owner.uid] is OwnerState.ALIVE)
        return Keep() if len(kept) == len(references) else SetOwners(kept)
    if OwnerState.WAITING in states.values() and dependents:
        blocks = any(owner.block_owner_deletion for owner in references)
        if blocks and any(dependent.waits_for_dependents for dependent in dependents):
            # Maybe they own each other in a circle, in which everybody would wait for the next one for ever.
            return SetOwners(tuple(replace(owner, block_owner_deletion=False) for owner in references))
        return Delete("Foreground")  # So that the owner is gone only when the dependents' dependents are.
    return Delete(_own_policy(live))


def _own_policy(live: Resource) -> PropagationPolicy:
    if ORPHAN in live.metadata.finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in live.metadata.finalizers else "Background"


def _blocks(dependent: Entry, uid: str) -> bool:
    return any(owner.uid == uid and owner.block_owner_deletion for owner in dependent.owners)
