"""Bind claims to volumes, and let go of the volumes whose claims are gone.

Reads PersistentVolumes, their claims and StorageClasses; writes a volume's claimRef and status, a claim's volumeName
and status, and the annotations that tell of binding. Decides in `binding`. A volume is written before its claim, so
that two claims never take one volume: the second write meets a conflict.
Source: kubernetes.io/docs/concepts/storage/persistent-volumes; docs/storage.md.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec.structs import replace

from controllers.binding import Bind, Free, Lose, Phase, Wait, is_stranded, plan_claim, plan_volume
from controllers.world import World, again_after_conflict
from kube.api.core_v1 import Node, ObjectReference, PersistentVolume, PersistentVolumeClaim
from kube.api.storage_v1 import StorageClass
from kube.client import Preconditions
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder, reference_to
from kube.objects import ObjectKey, is_terminating, key_of, with_metadata, without_finalizer
from kube.volumes import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    LOCAL_PATH,
    PROVISIONER,
    class_of,
    default_class,
    is_bound,
    with_annotations,
)

COMPONENT: Final = "persistentvolume-controller"
_YES: Final = {BOUND_BY_CONTROLLER: "yes"}


class Claims:
    """The controller of claims."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._claims = world.informers.of(PersistentVolumeClaim)
        self._volumes = world.informers.of(PersistentVolume)
        self._classes = world.informers.of(StorageClass)
        self.events = EventRecorder(world.client, COMPONENT, clock=world.clock)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("claims", reconcile, workers=1, clock=world.clock)
        self.controller.hear(self._claims)
        self.controller.hear(self._volumes, self._concerned)
        self.controller.hear(self._classes, self._of_class)

    def _concerned(self, volume: PersistentVolume) -> Iterable[ObjectKey]:
        held = volume.spec.claim_ref
        if held is not None:
            return [ObjectKey(held.namespace, held.name)]
        named = [c for c in self._claims.all() if c.spec.volume_name == volume.metadata.name or not is_bound(c)]
        return [key_of(claim) for claim in named]

    def _of_class(self, storage_class: StorageClass) -> Iterable[ObjectKey]:
        name = storage_class.metadata.name
        waiting = [claim for claim in self._claims.all() if not is_bound(claim)]
        return [key_of(c) for c in waiting if c.spec.storage_class_name is None or class_of(c) == name]

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Bring one claim a step closer to its volume."""
        claim = self._claims.get(key.name, key.namespace)
        if claim is None or (is_terminating(claim) and not is_bound(claim)):
            return None
        claim = await self._with_class(key, claim)
        storage_class = self._classes.get(class_of(claim)) if class_of(claim) else None
        match plan_claim(claim, self._volumes.all(), storage_class):
            case Bind() as step:
                await self._bind(key, claim, step)
            case Lose() as step:
                if await self._set_status(key, claim, "Lost"):
                    self.events.record(claim, "Warning", step.reason, step.message)
            case Wait() as step:
                await self._wait(key, claim, step)
        return None

    async def _with_class(self, key: ObjectKey, claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
        """Give a claim that was made before there was a default class the default one."""
        chosen = default_class(self._classes.all())
        if chosen is None or is_bound(claim) or claim.spec.storage_class_name is not None or class_of(claim):
            return claim
        changed = replace(claim, spec=replace(claim.spec, storage_class_name=chosen.metadata.name))
        return await self._write(key, changed)

    async def _write(self, key: ObjectKey, claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
        written = await self._world.client.update(claim)
        self.controller.wrote(key, written)
        return written

    async def _wait(self, key: ObjectKey, claim: PersistentVolumeClaim, step: Wait) -> None:
        if step.reason:
            self.events.record(claim, step.type, step.reason, step.message)
        marks = {PROVISIONER: step.provisioner} if step.provisioner else {}
        annotations = with_annotations(claim.metadata.annotations, marks)
        if annotations is not None:
            claim = await self._write(key, with_metadata(claim, annotations=annotations))
        await self._set_status(key, claim, "Pending")

    async def _bind(self, key: ObjectKey, claim: PersistentVolumeClaim, step: Bind) -> None:
        volume = step.volume
        wanted = held_volume(volume, claim, chosen=step.chosen)
        if wanted != volume:
            volume = await self._world.client.update(wanted)
            self.controller.wrote(key, volume)
        bound = bound_claim(claim, volume)
        if bound != claim:
            claim = await self._write(key, bound)
        await self._set_status(key, claim, "Bound", volume)

    async def _set_status(
        self, key: ObjectKey, claim: PersistentVolumeClaim, phase: str, volume: PersistentVolume | None = None
    ) -> bool:
        """Write the claim's status; return whether that was needed."""
        status = replace(claim.status, phase=phase)
        if volume is not None and claim.status.phase != phase:
            status = replace(status, access_modes=volume.spec.access_modes, capacity=volume.spec.capacity)
        if status == claim.status:
            return False
        written = await self._world.client.update(replace(claim, status=status), subresource="status")
        self.controller.wrote(key, written)
        return True


def held_volume(volume: PersistentVolume, claim: PersistentVolumeClaim, *, chosen: bool) -> PersistentVolume:
    """Return the volume as it is once it belongs to the claim."""
    if volume.spec.claim_ref is not None and volume.spec.claim_ref.uid:
        return volume
    held: ObjectReference = reference_to(claim)
    marked = with_annotations(volume.metadata.annotations, _YES) if chosen else None
    if marked is not None:
        volume = with_metadata(volume, annotations=marked)
    return replace(volume, spec=replace(volume.spec, claim_ref=held))


def bound_claim(claim: PersistentVolumeClaim, volume: PersistentVolume) -> PersistentVolumeClaim:
    """Return the claim as it is once it has the volume."""
    if is_bound(claim):
        return claim
    marks = {BIND_COMPLETED: "yes", **({} if claim.spec.volume_name else _YES)}
    annotations: Mapping[str, str] = with_annotations(claim.metadata.annotations, marks) or claim.metadata.annotations
    spec = replace(claim.spec, volume_name=volume.metadata.name)
    return replace(with_metadata(claim, annotations=annotations), spec=spec)


class Volumes:
    """The controller of volumes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._volumes = world.informers.of(PersistentVolume)
        self._claims = world.informers.of(PersistentVolumeClaim)
        self._nodes = world.informers.of(Node)
        self.events = EventRecorder(world.client, COMPONENT, clock=world.clock)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("volumes", reconcile, workers=1, clock=world.clock)
        self.controller.hear(self._volumes)
        self.controller.hear(self._claims, self._named)
        self.controller.know(self._nodes)
        self._nodes.on_change(self._hear_node)

    def _named(self, claim: PersistentVolumeClaim) -> Iterable[ObjectKey]:
        own = [claim.spec.volume_name] if claim.spec.volume_name else []
        meta = claim.metadata
        held = [v for v in self._volumes.all() if _is_named(v, ObjectKey(meta.namespace, meta.name))]
        return [ObjectKey("", name) for name in {*own, *(volume.metadata.name for volume in held)}]

    def _hear_node(self, old: Node | None, new: Node | None) -> None:
        if old is not None and new is None:
            for volume in self._volumes.all():
                self.controller.queue.add(key_of(volume))

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Tell one volume's phase, and have it deleted where its node can't do that any more."""
        volume = self._volumes.get(key.name)
        if volume is None:
            return None
        if is_stranded(volume, {node.metadata.name for node in self._nodes.all()}):
            await self._abandon(volume)
            return None
        match plan_volume(volume, await self._claim_of(volume)):
            case Phase() as step:
                await self._set_status(key, volume, step)
            case Free() as step:
                self.controller.wrote(key, await self._world.client.update(freed_volume(volume, step)))
        return None

    async def _abandon(self, volume: PersistentVolume) -> None:
        """Delete a volume whose node took its data with it."""
        meta = volume.metadata
        await self._world.client.update(without_finalizer(volume, LOCAL_PATH))
        if not is_terminating(volume):
            await self._world.client.delete(PersistentVolume, meta.name, preconditions=Preconditions(uid=meta.uid))

    async def _claim_of(self, volume: PersistentVolume) -> PersistentVolumeClaim | None:
        """Return the claim that the volume names; the API itself is asked before it counts as gone."""
        held = volume.spec.claim_ref
        if held is None or not held.uid:
            return None
        found = self._claims.get(held.name, held.namespace)
        if found is not None and found.metadata.uid == held.uid:
            return found
        try:
            return await self._world.client.get(PersistentVolumeClaim, held.name, namespace=held.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    async def _set_status(self, key: ObjectKey, volume: PersistentVolume, step: Phase) -> None:
        before = volume.status
        if (before.phase, before.message) == (step.phase, step.message):
            return
        status = replace(before, phase=step.phase, message=step.message)
        written = await self._world.client.update(replace(volume, status=status), subresource="status")
        self.controller.wrote(key, written)
        if step.reason:
            self.events.record(volume, "Warning", step.reason, step.message)


def freed_volume(volume: PersistentVolume, step: Free) -> PersistentVolume:
    """Return the volume without the claim it was bound to."""
    held = volume.spec.claim_ref
    kept = replace(held, uid="", resource_version="") if held is not None and not step.forget else None
    annotations = {k: v for k, v in volume.metadata.annotations.items() if k != BOUND_BY_CONTROLLER}
    return replace(with_metadata(volume, annotations=annotations), spec=replace(volume.spec, claim_ref=kept))


def _is_named(volume: PersistentVolume, claim: ObjectKey) -> bool:
    held = volume.spec.claim_ref
    return held is not None and (held.namespace, held.name) == claim
