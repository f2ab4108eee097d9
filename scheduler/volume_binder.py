"""Know the claims of pods, and have those that waited for a node bound before their pod is.

Reads claims, volumes and classes; writes `claimRef` of free volumes, and the annotation that tells a claim's
provisioner the node. The binding itself is the work of a controller.
Source: kubernetes.io/docs/concepts/storage/storage-classes (volume binding mode).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod
from kube.api.storage_v1 import StorageClass
from kube.client import Client
from kube.events import reference_to
from kube.informers import Informers
from kube.objects import revision_of, with_metadata
from kube.volumes import BOUND_BY_CONTROLLER, SELECTED_NODE, claim_names, is_bound
from scheduler.volumes import NO_VOLUMES, Choice, VolumeNeeds, needs_of_claims

BIND_TIMEOUT_S: Final = 600.0


class VolumesUnbound(Exception):  # noqa: N818 - a fact, not a fault.
    """The claims of a pod did not get their volumes in time."""


class VolumeBinder:
    """Knows the claims of pods, and has the open ones bound."""

    def __init__(self, client: Client, informers: Informers, node_of: Callable[[str], str]) -> None:
        """node_of: where a pod is, or is about to be, by uid; "" for nowhere."""
        self._client = client
        self._node_of = node_of
        self._pods = informers.of(Pod)
        self._claims = informers.of(PersistentVolumeClaim)
        self._volumes = informers.of(PersistentVolume)
        self._classes = informers.of(StorageClass)

    async def wait_synced(self) -> None:
        """Return when all that is needed is known."""
        for informer in (self._claims, self._volumes, self._classes):
            await informer.wait_synced()

    def on_change(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever something changes that can help a pod whose claims stood in its way."""
        for informer in (self._claims, self._volumes, self._classes):
            informer.on_change(lambda _old, _new: tell())

    def needs(self, pod: Pod) -> VolumeNeeds:
        """Return what a pod's claims ask of a node, as of now."""
        names = list(claim_names(pod))
        if not names:
            return NO_VOLUMES
        found = {name: self._claims.get(name, pod.metadata.namespace) for name in names}
        claims = {name: claim for name, claim in found.items() if claim is not None}
        classes = {item.metadata.name: item for item in self._classes.all()}
        return needs_of_claims(pod, claims, tuple(self._volumes.all()), classes, lambda c: self._is_taken(pod, c))

    def _is_taken(self, pod: Pod, claim: PersistentVolumeClaim) -> bool:
        others = self._pods.by_index("namespace", pod.metadata.namespace)
        return any(
            claim.metadata.name in claim_names(other) and self._node_of(other.metadata.uid)
            for other in others
            if other.metadata.uid != pod.metadata.uid
        )

    async def bind(self, chosen: Sequence[Choice], node: str) -> None:
        """Have the claims bound as chosen; return when they are. Raises ApiError, ConnectionLost, VolumesUnbound."""
        asked = [await self._ask(claim, volume, node) for claim, volume in chosen]
        try:
            async with asyncio.timeout(BIND_TIMEOUT_S):
                for claim in asked:
                    await self._wait_bound(claim)
        except TimeoutError as error:
            raise VolumesUnbound(f"its claims were not bound within {BIND_TIMEOUT_S:g} s") from error

    async def _ask(
        self, claim: PersistentVolumeClaim, volume: PersistentVolume | None, node: str
    ) -> PersistentVolumeClaim:
        """Have one claim bound to a volume, or one made for it on the node; return it as it was left."""
        if volume is not None and volume.spec.claim_ref is None:
            await self._client.update(_kept_for(volume, claim))
        elif volume is None and claim.metadata.annotations.get(SELECTED_NODE) != node:
            annotations = {**claim.metadata.annotations, SELECTED_NODE: node}
            return await self._client.update(with_metadata(claim, annotations=annotations))
        return claim

    async def _wait_bound(self, claim: PersistentVolumeClaim) -> None:
        """Wait until a claim is bound. claim: as it was left."""
        meta = claim.metadata
        await self._claims.wait_seen(revision_of(claim))
        while True:
            found = self._claims.get(meta.name, meta.namespace)
            if found is None or found.metadata.uid != meta.uid:
                raise VolumesUnbound(f'persistentvolumeclaim "{meta.name}" is gone')
            if is_bound(found):
                return
            chosen = meta.annotations.get(SELECTED_NODE)
            if chosen and found.metadata.annotations.get(SELECTED_NODE) != chosen:
                raise VolumesUnbound(
                    f'no volume can be made on node "{chosen}" for persistentvolumeclaim "{meta.name}"'
                )
            await self._claims.wait_seen(self._claims.revision + 1)


def _kept_for(volume: PersistentVolume, claim: PersistentVolumeClaim) -> PersistentVolume:
    annotations = {**volume.metadata.annotations, BOUND_BY_CONTROLLER: "yes"}
    return replace(
        with_metadata(volume, annotations=annotations), spec=replace(volume.spec, claim_ref=reference_to(claim))
    )
