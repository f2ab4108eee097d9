"""Keep claims that pods use, volumes that claims have, and classes of attributes, until nobody needs them any more.

The API server gives each its finalizer at its creation; here it is taken away again.
Reads claims, volumes, VolumeAttributesClasses and Pods, the latter from the API itself before a claim goes; writes the
finalizers `kubernetes.io/pvc-protection`, `kubernetes.io/pv-protection` and `kubernetes.io/vac-protection`.
Source: kubernetes.io/docs/concepts/storage/persistent-volumes (storage object in use protection).
"""

from collections.abc import Iterable

from controllers.world import World, again_after_conflict
from kube.api.core_v1 import PersistentVolume, PersistentVolumeClaim, Pod
from kube.api.storage_v1 import VolumeAttributesClass
from kube.client import Selection
from kube.controller import Controller
from kube.kinds import Resource
from kube.objects import ObjectKey, is_terminating, without_finalizer
from kube.volumes import ATTRIBUTES_PROTECTION, CLAIM_PROTECTION, VOLUME_PROTECTION, claim_name, claim_names, is_foreign


def is_held(obj: Resource, finalizer: str) -> bool:
    """Say whether an object is going away and only waits to be let go."""
    return is_terminating(obj) and finalizer in obj.metadata.finalizers


def uses(pod: Pod, claim: PersistentVolumeClaim) -> bool:
    """Say whether a pod that has a node uses a claim; one without a node is not started with a claim that goes."""
    if not pod.spec.node_name or pod.metadata.namespace != claim.metadata.namespace:
        return False
    name = claim.metadata.name
    return any(claim_name(pod, v) == name and not is_foreign(pod, v, claim) for v in pod.spec.volumes)


class ClaimProtection:
    """The controller that lets claims go."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._claims = world.informers.of(PersistentVolumeClaim)
        self._pods = world.informers.of(Pod)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("claim protection", reconcile, workers=1, clock=world.clock)
        self.controller.hear(self._claims)
        self.controller.hear(self._pods, _claims_of)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Let one claim go if no pod uses it."""
        claim = self._claims.get(key.name, key.namespace)
        if claim is None or not is_held(claim, CLAIM_PROTECTION):
            return None
        if any(uses(pod, claim) for pod in self._pods.by_index("namespace", key.namespace)):
            return None
        there = await self._world.client.list(Pod, Selection(namespace=key.namespace))  # The cache may be behind.
        if any(uses(pod, claim) for pod in there.items):
            return None
        freed = await self._world.client.update(without_finalizer(claim, CLAIM_PROTECTION))
        self.controller.wrote(key, freed)
        return None


def _claims_of(pod: Pod) -> Iterable[ObjectKey]:
    return [ObjectKey(pod.metadata.namespace, name) for name in claim_names(pod)]


class VolumeProtection:
    """The controller that lets volumes go."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._volumes = world.informers.of(PersistentVolume)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("volume protection", reconcile, workers=1, clock=world.clock)
        self.controller.hear(self._volumes)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Let one volume go if no claim has it."""
        volume = self._volumes.get(key.name)
        if volume is not None and is_held(volume, VOLUME_PROTECTION) and volume.status.phase != "Bound":
            freed = await self._world.client.update(without_finalizer(volume, VOLUME_PROTECTION))
            self.controller.wrote(key, freed)
        return None


def attributes_classes(obj: PersistentVolume | PersistentVolumeClaim) -> set[str]:
    """Return the classes of attributes that a volume has, or that a claim asks for or has been given."""
    named = {obj.spec.volume_attributes_class_name}
    if isinstance(obj, PersistentVolumeClaim):
        named.add(obj.status.current_volume_attributes_class_name)
    return {name for name in named if name}


class AttributesProtection:
    """The controller that lets VolumeAttributesClasses go."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._classes = world.informers.of(VolumeAttributesClass)
        self._claims = world.informers.of(PersistentVolumeClaim)
        self._volumes = world.informers.of(PersistentVolume)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("attributes protection", reconcile, workers=1, clock=world.clock)
        self.controller.hear(self._classes)
        self.controller.hear(self._claims, _classes_of)
        self.controller.hear(self._volumes, _classes_of)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Let one class go if no claim and no volume has it."""
        found = self._classes.get(key.name)
        if found is None or not is_held(found, ATTRIBUTES_PROTECTION):
            return None
        if any(key.name in attributes_classes(claim) for claim in self._claims.all()):
            return None
        if any(key.name in attributes_classes(volume) for volume in self._volumes.all()):
            return None
        freed = await self._world.client.update(without_finalizer(found, ATTRIBUTES_PROTECTION))
        self.controller.wrote(key, freed)
        return None


def _classes_of(obj: PersistentVolume | PersistentVolumeClaim) -> Iterable[ObjectKey]:
    return [ObjectKey("", name) for name in attributes_classes(obj)]
