"""Empty each namespace that is being deleted, then let go of it; and say in its conditions what is left.

Reads Namespaces from the informer and, since nothing may be overlooked, everything else from the API itself; deletes
all objects of all kinds in the namespace, writes its status conditions and its finalizer through /finalize. The pods go
first: what they use (policies, secrets, claims) is there until the last of them has ended.
Source: kubernetes.io/docs/concepts/overview/working-with-objects/namespaces, /architecture/garbage-collection; KEP-5080
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from controllers.world import World, again_after_conflict
from kube.api.core_v1 import Namespace, NamespaceCondition, Pod
from kube.client import Client, Preconditions, Selection
from kube.controller import Controller
from kube.errors import ApiError
from kube.kinds import KINDS, Kind, Resource, kind_of
from kube.objects import ObjectKey, condition, is_terminating
from kube.times import to_time

FINALIZER: Final = "kubernetes"
LOOK_AGAIN_S: Final = 2.0
PAGE: Final = 500
POD: Final = kind_of(Pod)


@dataclass(slots=True)
class Remains:
    """What is still in a namespace. failures: what could not be deleted, as sentences."""

    kinds: Counter[str] = field(default_factory=Counter)
    finalizers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left, as far as could be seen."""
        return not self.kinds and not self.failures


def conditions_of(namespace: Namespace, remains: Remains, now: datetime) -> tuple[NamespaceCondition, ...]:
    """Return the five conditions of a namespace that is being deleted."""
    kinds = ", ".join(f"{kind} has {count} resource instances" for kind, count in sorted(remains.kinds.items()))
    finalizers = ", ".join(
        f"{name} in {count} resource instances" for name, count in sorted(remains.finalizers.items())
    )
    told = (
        _condition(
            "NamespaceDeletionDiscoveryFailure", "", "ResourcesDiscovered", "All resources successfully discovered"
        ),
        _condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            "",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        _condition(
            "NamespaceDeletionContentFailure",
            "; ".join(remains.failures),
            "ContentDeletionFailed" if remains.failures else "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        _condition(
            "NamespaceContentRemaining",
            f"Some resources are remaining: {kinds}" if kinds else "",
            "SomeResourcesRemain" if kinds else "ContentRemoved",
            "All content successfully removed",
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            f"Some content in the namespace has finalizers remaining: {finalizers}" if finalizers else "",
            "SomeFinalizersRemain" if finalizers else "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    )
    return tuple(_since(namespace, item, now) for item in told)


def _condition(kind: str, trouble: str, reason: str, otherwise: str) -> NamespaceCondition:
    status = "True" if trouble else "False"
    return NamespaceCondition(type=kind, status=status, reason=reason, message=trouble or otherwise)


def _since(namespace: Namespace, new: NamespaceCondition, now: datetime) -> NamespaceCondition:
    old = condition(namespace.status.conditions, new.type)
    same = old is not None and old.status == new.status
    return replace(new, last_transition_time=old.last_transition_time if old and same else to_time(now))


def kinds_inside() -> Sequence[Kind]:
    """Return the kinds whose objects live in namespaces, each stored kind once."""
    found: dict[tuple[str, str], Kind] = {}
    for kind in KINDS:
        stored = ("", "Event") if kind.kind == "Event" else (kind.group, kind.kind)
        if kind.namespaced and {"list", "delete"} <= set(kind.verbs):
            found.setdefault(stored, kind)
    return tuple(found.values())


class Namespaces:
    """The controller of namespaces that are being deleted."""

    def __init__(self, world: World, *, workers: int = 2) -> None:
        self._world = world
        self._namespaces = world.informers.of(Namespace)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("namespace", reconcile, workers=workers, clock=world.clock)
        self.controller.hear(self._namespaces)

    def heard_deleted(self, obj: Resource) -> None:
        """Look again at the namespace of an object that is gone, if it is waiting for that."""
        found = self._namespaces.get(obj.metadata.namespace)
        if found is not None and is_terminating(found):
            self.controller.queue.add_after(ObjectKey("", found.metadata.name), 0.01)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Delete what is in one namespace; finalize it once it is empty, else look again."""
        namespace = self._namespaces.get(key.name)
        if namespace is None or not is_terminating(namespace) or FINALIZER not in namespace.spec.finalizers:
            return None
        remains = await self._emptied(key.name)
        namespace = await self._write_conditions(namespace, remains)
        if not remains.is_empty:
            return LOOK_AGAIN_S
        left = tuple(name for name in namespace.spec.finalizers if name != FINALIZER)
        finalized = replace(namespace, spec=replace(namespace.spec, finalizers=left))
        try:
            self.controller.wrote(key, await self._world.client.update(finalized, subresource="finalize"))
        except ApiError as error:
            if error.code != 404:
                raise
        return None

    async def _emptied(self, name: str) -> Remains:
        """Delete the pods in a namespace or, where there are none left, everything else; return what stays."""
        client, remains = self._world.client, Remains()
        await _empty(client, POD, name, remains)
        if remains.is_empty:
            for kind in kinds_inside():
                await _empty(client, kind, name, remains)
        return remains

    async def _write_conditions(self, namespace: Namespace, remains: Remains) -> Namespace:
        conditions = conditions_of(namespace, remains, self._world.clock.now())
        others = tuple(item for item in namespace.status.conditions if condition(conditions, item.type) is None)
        status = replace(namespace.status, conditions=(*others, *conditions), phase="Terminating")
        if status == namespace.status or (remains.is_empty and not namespace.status.conditions):
            return namespace
        written = await self._world.client.update(replace(namespace, status=status), subresource="status")
        self.controller.wrote(ObjectKey("", namespace.metadata.name), written)
        return written


async def _empty(client: Client, kind: Kind, namespace: str, remains: Remains) -> None:
    """Delete all objects of a kind in a namespace; note what stays."""
    page = await client.list(kind.type, Selection(namespace=namespace), limit=PAGE)
    while True:
        for obj in page.items:
            await _delete(client, kind, obj, remains)
        if not page.continue_token:
            return
        page = await client.list(
            kind.type, Selection(namespace=namespace), limit=PAGE, continue_token=page.continue_token
        )


async def _delete(client: Client, kind: Kind, obj: Resource, remains: Remains) -> None:
    meta = obj.metadata
    left: Resource | None = obj
    if not is_terminating(obj):
        try:
            left = await client.delete(
                kind.type,
                meta.name,
                namespace=meta.namespace,
                propagation="Background",
                preconditions=Preconditions(uid=meta.uid),
            )
        except ApiError as error:
            if error.code != 404:
                remains.failures.append(f"{kind.resource} {meta.name}: {error}")
            return
    if left is not None and is_terminating(left):
        remains.kinds[kind.resource] += 1
        for finalizer in left.metadata.finalizers:
            remains.finalizers[finalizer] += 1
