"""Make the claims of pods' generic ephemeral volumes; they go with the pod that owns them.

Reads Pods and claims; creates claims.
Source: kubernetes.io/docs/concepts/storage/ephemeral-volumes.
"""

from controllers.world import World, again_after_conflict, is_terminating_namespace
from kube.api.core_v1 import PersistentVolumeClaim, Pod, Volume
from kube.api.meta_v1 import ObjectMeta
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder
from kube.objects import ObjectKey, controller_reference, is_terminating, key_of
from kube.volumes import claim_name, is_foreign


def claim_for(pod: Pod, volume: Volume) -> PersistentVolumeClaim | None:
    """Return the claim of an ephemeral volume, None for a volume of another kind."""
    template = volume.ephemeral.volume_claim_template if volume.ephemeral is not None else None
    if template is None:
        return None
    meta = ObjectMeta(
        name=claim_name(pod, volume),
        namespace=pod.metadata.namespace,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
        owner_references=(controller_reference(pod),),
    )
    return PersistentVolumeClaim(metadata=meta, spec=template.spec)


class EphemeralClaims:
    """The controller of such claims. Its keys are pods."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pods = world.informers.of(Pod)
        self._claims = world.informers.of(PersistentVolumeClaim)
        self.events = EventRecorder(world.client, "ephemeral_volume", clock=world.clock)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("ephemeral claims", reconcile, workers=1, clock=world.clock)
        self.controller.know(self._pods)
        self.controller.know(self._claims)
        self._pods.on_change(self._hear_pod)
        self._claims.on_change(self._hear_claim)

    def _hear_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is None and new is not None and any(volume.ephemeral for volume in new.spec.volumes):
            self.controller.queue.add(key_of(new))

    def _hear_claim(self, old: PersistentVolumeClaim | None, new: PersistentVolumeClaim | None) -> None:
        if old is not None and new is None:
            for owner in old.metadata.owner_references:
                if owner.kind == "Pod":
                    self.controller.queue.add(ObjectKey(old.metadata.namespace, owner.name))

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Make the claims that one pod lacks."""
        pod = self._pods.get(key.name, key.namespace)
        if pod is None or is_terminating(pod):
            return None
        for volume in pod.spec.volumes:
            wanted = claim_for(pod, volume)
            found = self._claims.get(wanted.metadata.name, key.namespace) if wanted is not None else None
            if wanted is not None and found is None:
                await self._create(key, pod, wanted)
            elif found is not None and is_foreign(pod, volume, found):
                told = f"PVC {key.namespace}/{found.metadata.name} was not created for pod {key} (pod is not owner)"
                self.events.record(pod, "Warning", "FailedBinding", f"ephemeral volume {volume.name}: {told}")
        return None

    async def _create(self, key: ObjectKey, pod: Pod, claim: PersistentVolumeClaim) -> None:
        try:
            self.controller.wrote(key, await self._world.client.create(claim))
        except ApiError as error:
            if error.reason == "AlreadyExists" or is_terminating_namespace(error):
                return
            told = f"ephemeral volume claim {claim.metadata.name} could not be created: {error}"
            self.events.record(pod, "Warning", "FailedBinding", told)
            raise
