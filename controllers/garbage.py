"""Delete what nobody owns any more, in the order and in the way that its owner's deletion asked for.

Reads all kinds from the informers (Events aside: nothing owns them) to know what to look at, and the live state of an
object and of its owners before it does anything, so it need not wait until it hears of what it wrote itself; deletes
with the uid and the revision that it saw. Writes the finalizers foregroundDeletion and orphan, and owner references.
Decides in `ownership`.
Source: kubernetes.io/docs/concepts/architecture/garbage-collection
"""

from collections.abc import Sequence
from typing import Any, Final

from controllers.claims import set_owners, without_owner
from controllers.ownership import (
    ORPHAN,
    Action,
    Delete,
    Entry,
    Graph,
    Keep,
    LetGo,
    OwnerState,
    RemoveFinalizer,
    SetOwners,
    entry_of,
    plan,
)
from controllers.world import World, again_after_conflict
from kube.api.meta_v1 import OwnerReference
from kube.client import Preconditions, PropagationPolicy
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder
from kube.informer import Informer
from kube.kinds import KINDS, Kind, Resource, find_kind
from kube.objects import ObjectKey, is_terminating

UNKNOWN_AGAIN_S: Final = 30.0
CALM_FROM_DEPENDENTS: Final = 50
CALM_S_PER_DEPENDENT: Final = 0.0002
"""An owner of many is looked at less often while they go: each look goes through all that are left."""


def collected_kinds() -> Sequence[Kind]:
    """Return the kinds whose objects may own or be owned, each stored kind once, oldest version first."""
    found: dict[tuple[str, str], Kind] = {}
    for kind in KINDS:
        if {"list", "watch", "delete"} <= set(kind.verbs) and kind.kind != "Event":
            found.setdefault((kind.group, kind.kind), kind)
    return tuple(found.values())


class Garbage:
    """The garbage collector. Its keys are uids."""

    def __init__(self, world: World, *, workers: int = 4) -> None:
        self._world = world
        self._graph = Graph()
        self.events = EventRecorder(world.client, "garbage-collector-controller", clock=world.clock)
        self.informers: list[Informer[Any]] = []
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("garbage", reconcile, workers=workers, clock=world.clock)
        for kind in collected_kinds():
            informer: Informer[Any] = world.informers.of(kind.type)
            self.controller.know(informer)
            informer.on_change(self._hear)
            self.informers.append(informer)

    def _hear(self, old: Resource | None, new: Resource | None) -> None:
        if new is None:
            look = self._graph.remove(old.metadata.uid) if old is not None else set()
        elif old is not None and _is_same(old, new):
            return
        else:
            look = self._graph.put(entry_of(new))
        for uid in look:
            dependents = self._graph.count_dependents(uid)
            calm_s = dependents * CALM_S_PER_DEPENDENT if dependents >= CALM_FROM_DEPENDENTS else 0.0
            self.controller.queue.add_after(ObjectKey("", uid), calm_s)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Do what is due about the object with the uid `key.name`."""
        known = self._graph.get(key.name)
        if known is None:
            return None
        live = await self._live(known.cls, known.namespace, known.name, known.uid)
        if live is None:
            return None  # The informer will say so too.
        owners = {} if is_terminating(live) else await self._owner_states(live)
        action = plan(live, owners, self._graph.dependents(known.uid))
        await self._apply(live, action)
        return UNKNOWN_AGAIN_S if OwnerState.UNKNOWN in owners.values() else None

    async def _apply(self, live: Resource, action: Action) -> None:
        match action:
            case Keep():
                pass
            case Delete(policy):
                await self._delete(live, policy)
            case SetOwners(references):
                await set_owners(self._world.client, live, references)
            case RemoveFinalizer(finalizer):
                await self._remove_finalizer(live, finalizer)
            case LetGo(dependents):
                for dependent in dependents:
                    await self._release(live.metadata.uid, dependent)
                await self._remove_finalizer(live, ORPHAN)

    async def _delete(self, live: Resource, policy: PropagationPolicy) -> None:
        meta = live.metadata
        exactly = Preconditions(uid=meta.uid, resource_version=meta.resource_version)
        try:
            await self._world.client.delete(
                type(live), meta.name, namespace=meta.namespace, propagation=policy, preconditions=exactly
            )
        except ApiError as error:
            if error.code != 404:
                raise

    async def _remove_finalizer(self, live: Resource, finalizer: str) -> None:
        meta = live.metadata
        left = [name for name in meta.finalizers if name != finalizer]
        if len(left) == len(meta.finalizers):
            return
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": left}}
        try:
            await self._world.client.patch(type(live), meta.name, body, namespace=meta.namespace)
        except ApiError as error:
            if error.code != 404:
                raise

    async def _release(self, owner: str, dependent: Entry) -> None:
        live = await self._live(dependent.cls, dependent.namespace, dependent.name, dependent.uid)
        if live is not None:
            references = without_owner(live, owner)
            if len(references) != len(live.metadata.owner_references):
                await set_owners(self._world.client, live, references)

    async def _owner_states(self, live: Resource) -> dict[str, OwnerState]:
        return {owner.uid: await self._owner_state(live, owner) for owner in live.metadata.owner_references}

    async def _owner_state(self, live: Resource, owner: OwnerReference) -> OwnerState:
        """Ask the API about an owner; the graph alone is trusted only where it says that the owner is well."""
        known = self._graph.get(owner.uid)
        if known is not None and not known.is_terminating:
            return OwnerState.ALIVE
        kind = find_kind(owner.api_version, owner.kind)
        if kind is None or "get" not in kind.verbs:
            return OwnerState.UNKNOWN
        if kind.namespaced and not live.metadata.namespace:
            text = f"ownerRef {owner.api_version} {owner.kind} {owner.name} names an owner that lives in a namespace"
            self.events.record(live, "Warning", "OwnerRefInvalidNamespace", text)
            return OwnerState.UNKNOWN
        namespace = live.metadata.namespace if kind.namespaced else ""
        found = await self._live(kind.type, namespace, owner.name, owner.uid)
        if found is None:
            return OwnerState.ABSENT
        return OwnerState.WAITING if entry_of(found).waits_for_dependents else OwnerState.ALIVE

    async def _live(self, cls: type[Resource], namespace: str, name: str, uid: str) -> Resource | None:
        """Return exactly this object as the API has it now, None where it is gone."""
        try:
            found = await self._world.client.get(cls, name, namespace=namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return found if found.metadata.uid == uid else None


def _is_same(old: Resource, new: Resource) -> bool:
    """Say whether a change is none to the graph, which most changes (of status, of spec) are."""
    before, after = old.metadata, new.metadata
    return (
        before.owner_references == after.owner_references
        and before.deletion_timestamp == after.deletion_timestamp
        and before.finalizers == after.finalizers
    )
