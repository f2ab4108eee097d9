"""Make the objects that a controller works on its own: adopt those its selector means, let go of those it doesn't.

Reads and writes nothing but metadata.ownerReferences of Pods and ReplicaSets. An object has at most one controller;
one that has another is never touched.
Source: kubernetes.io/docs/concepts/workloads/controllers/replicaset (acquisitions).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from kube.api.meta_v1 import OwnerReference
from kube.client import Client, PatchType
from kube.codec import to_plain
from kube.errors import ApiError
from kube.kinds import Resource
from kube.objects import controller_of, controller_reference, is_terminating
from kube.selectors import LabelSelector

T = TypeVar("T", bound=Resource)


@dataclass(frozen=True, slots=True)
class Claims(Generic[T]):
    """What is whose. owned: already this owner's. adopt: to become so. release: to be let go."""

    owned: tuple[T, ...]
    adopt: tuple[T, ...]
    release: tuple[T, ...]


def plan_claims(owner: Resource, selector: LabelSelector, candidates: Iterable[T]) -> Claims[T]:
    """Sort the candidates; those that are somebody else's, or nobody's and not meant, are in none of the groups."""
    owned, adopt, release = [], [], []
    for candidate in candidates:
        if candidate.metadata.namespace != owner.metadata.namespace:
            continue
        held_by = controller_of(candidate)
        meant = selector.matches(candidate.metadata.labels)
        if held_by is None:
            if meant and not is_terminating(owner) and not is_terminating(candidate):
                adopt.append(candidate)
        elif held_by.uid == owner.metadata.uid:
            if meant:
                owned.append(candidate)
            elif not is_terminating(owner):
                release.append(candidate)
    return Claims(tuple(owned), tuple(adopt), tuple(release))


async def apply_claims(client: Client, owner: Resource, claims: Claims[T]) -> list[T]:
    """Adopt and release as planned; return all that is owned now. A conflict raises: what was read was stale."""
    owned = list(claims.owned)
    if claims.adopt and await _still_lives(client, owner):
        for orphan in claims.adopt:
            references = (*orphan.metadata.owner_references, controller_reference(owner))
            adopted = await set_owners(client, orphan, references)
            if adopted is not None:
                owned.append(adopted)
    for stranger in claims.release:
        await set_owners(client, stranger, without_owner(stranger, owner.metadata.uid))
    return owned


def without_owner(obj: Resource, uid: str) -> tuple[OwnerReference, ...]:
    """Return the owner references of `obj` that name another than `uid`."""
    return tuple(reference for reference in obj.metadata.owner_references if reference.uid != uid)


async def set_owners(client: Client, obj: T, references: Iterable[OwnerReference]) -> T | None:
    """Write the owner references of exactly this version of `obj`; None where it is gone."""
    meta = obj.metadata
    body = {
        "metadata": {
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
            "ownerReferences": [to_plain(reference) for reference in references],
        }
    }
    try:
        return await client.patch(type(obj), meta.name, body, namespace=meta.namespace, patch_type=PatchType.MERGE)
    except ApiError as error:
        if error.code == 404:
            return None
        raise


async def _still_lives(client: Client, owner: Resource) -> bool:
    """Ask the API, not the cache, whether the owner is there and not going away: a dead one must adopt nobody."""
    try:
        found = await client.get(type(owner), owner.metadata.name, namespace=owner.metadata.namespace)
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return found.metadata.uid == owner.metadata.uid and not is_terminating(found)
