"""Make the volumes of claims whose class names the built-in provisioner: a directory on the node of the claim's pod.

Reads claims, StorageClasses and Nodes; creates PersistentVolumes that are kept for their claim, and takes the mark of a
claim's node away where that is gone. The directory itself is
made, and removed with the volume, by the agent of that node (`nodeagent.local_volumes`).
Source: kubernetes.io/docs/concepts/storage/storage-classes; docs/storage.md.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from controllers.world import World, again_after_conflict
from kube.api.core_v1 import (
    LocalVolumeSource,
    Node,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeSpec,
    VolumeNodeAffinity,
)
from kube.api.meta_v1 import ObjectMeta
from kube.api.storage_v1 import StorageClass
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder, reference_to
from kube.objects import ObjectKey, is_terminating, key_of, with_metadata
from kube.volumes import (
    LOCAL_PATH,
    NODE_LABEL,
    PROVISIONED_BY,
    SELECTED_NODE,
    asked_of,
    class_of,
    is_bound,
    is_held_by,
    size_of,
    waits_for_consumer,
)

HOSTNAME: Final = "kubernetes.io/hostname"


def _folder_of(node: Node | None) -> str | None:
    """Return where a node keeps volumes, "" for nowhere, None where there is no such node."""
    return node.metadata.annotations.get(LOCAL_PATH, "") if node is not None else None


def refusal(claim: PersistentVolumeClaim, storage_class: StorageClass, node: Node | None) -> str:
    """Return why no volume can be made for a claim, "" where one can."""
    if not waits_for_consumer(storage_class):
        return "volumes lie on the node of their pod: the class needs volumeBindingMode: WaitForFirstConsumer"
    if (claim.spec.volume_mode or "Filesystem") != "Filesystem":
        return f"volumeMode {claim.spec.volume_mode} can't be had; use Filesystem"
    if claim.spec.selector is not None:
        return 'claim.spec.selector is for volumes that exist; leave it out, or set storageClassName to ""'
    if claim.spec.data_source is not None or claim.spec.data_source_ref is not None:
        return "dataSource can't be had; leave it out and fill the volume from a pod"
    if node is None or not node.metadata.annotations.get(LOCAL_PATH):
        name = claim.metadata.annotations.get(SELECTED_NODE, "")
        return f'node "{name}" offers no directory for volumes; its agent has to be one of Wherry\'s'
    return ""


def volume_for(claim: PersistentVolumeClaim, storage_class: StorageClass, node: Node) -> PersistentVolume:
    """Return the volume to make for a claim on a node."""
    name = f"pvc-{claim.metadata.uid}"
    on_node = NodeSelectorRequirement(
        key=HOSTNAME, operator="In", values=(node.metadata.labels.get(HOSTNAME, node.metadata.name),)
    )
    terms = (NodeSelectorTerm(match_expressions=(on_node,)),)
    return PersistentVolume(
        metadata=ObjectMeta(
            name=name,
            annotations={PROVISIONED_BY: LOCAL_PATH},
            labels={NODE_LABEL: node.metadata.name},
            finalizers=(LOCAL_PATH,),
        ),
        spec=PersistentVolumeSpec(
            access_modes=claim.spec.access_modes,
            capacity={"storage": asked_of(claim)},
            claim_ref=reference_to(claim),
            local=LocalVolumeSource(path=f"{node.metadata.annotations[LOCAL_PATH]}/{name}"),
            node_affinity=VolumeNodeAffinity(required=NodeSelector(node_selector_terms=terms)),
            persistent_volume_reclaim_policy=storage_class.reclaim_policy or "Delete",
            storage_class_name=class_of(claim),
            volume_mode="Filesystem",
        ),
    )


class LocalPath:
    """The controller that makes such volumes."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._claims = world.informers.of(PersistentVolumeClaim)
        self._volumes = world.informers.of(PersistentVolume)
        self._classes = world.informers.of(StorageClass)
        self._nodes = world.informers.of(Node)
        self.events = EventRecorder(world.client, LOCAL_PATH, clock=world.clock)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("local path", reconcile, workers=1, clock=world.clock)
        self.controller.hear(self._claims)
        self.controller.hear(self._classes, self._of_class)
        self.controller.know(self._volumes)
        self.controller.know(self._nodes)
        self._nodes.on_change(self._hear_node)

    def _hear_node(self, old: Node | None, new: Node | None) -> None:
        """Look at the claims that wait for a node when it comes or goes, or offers a directory by now."""
        node = new or old
        if node is not None and _folder_of(old) != _folder_of(new):
            for claim in self._claims.all():
                chosen = claim.metadata.annotations.get(SELECTED_NODE)
                if chosen == node.metadata.name and not claim.spec.volume_name:
                    self.controller.queue.add(key_of(claim))

    def _of_class(self, storage_class: StorageClass) -> Iterable[ObjectKey]:
        name = storage_class.metadata.name
        return [key_of(c) for c in self._claims.all() if not c.spec.volume_name and class_of(c) == name]

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Make the volume of one claim, if that is due."""
        claim = self._claims.get(key.name, key.namespace)
        if claim is None or is_terminating(claim):
            return None
        if claim.spec.volume_name:
            await self._grow(key, claim)
            return None
        storage_class = self._classes.get(class_of(claim))
        if storage_class is None or storage_class.provisioner != LOCAL_PATH:
            return None
        chosen = claim.metadata.annotations.get(SELECTED_NODE, "")
        if waits_for_consumer(storage_class) and not chosen:
            return None
        if any(is_held_by(volume, claim) for volume in self._volumes.all()):
            return None
        node = self._nodes.get(chosen)
        why = refusal(claim, storage_class, node)
        if why or node is None:
            told = f'failed to provision volume with StorageClass "{class_of(claim)}": {why}'
            self.events.record(claim, "Warning", "ProvisioningFailed", told)
            if node is None and chosen:
                await self._let_choose_anew(key, claim)
            return None
        await self._create(key, claim, volume_for(claim, storage_class, node))
        return None

    async def _let_choose_anew(self, key: ObjectKey, claim: PersistentVolumeClaim) -> None:
        """Have the scheduler look for another node: the one that it had chosen is gone."""
        kept = {name: value for name, value in claim.metadata.annotations.items() if name != SELECTED_NODE}
        self.controller.wrote(key, await self._world.client.update(with_metadata(claim, annotations=kept)))

    async def _grow(self, key: ObjectKey, claim: PersistentVolumeClaim) -> None:
        """Let a volume of ours be as large as its claim asks by now: nothing but the numbers has to change."""
        volume = self._volumes.get(claim.spec.volume_name)
        if volume is None or volume.metadata.annotations.get(PROVISIONED_BY) != LOCAL_PATH or not is_bound(claim):
            return
        wanted = asked_of(claim)
        if size_of(volume) < wanted:
            spec = replace(volume.spec, capacity={"storage": wanted})
            self.controller.wrote(key, await self._world.client.update(replace(volume, spec=spec)))
        if claim.status.phase == "Bound" and claim.status.capacity.get("storage", wanted) < wanted:
            status = replace(claim.status, capacity={"storage": wanted})
            written = await self._world.client.update(replace(claim, status=status), subresource="status")
            self.controller.wrote(key, written)
            self.events.record(claim, "Normal", "FileSystemResizeSuccessful", f"the volume is {wanted} now")

    async def _create(self, key: ObjectKey, claim: PersistentVolumeClaim, volume: PersistentVolume) -> None:
        try:
            self.controller.wrote(key, await self._world.client.create(volume))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return
        self.events.record(
            claim, "Normal", "ProvisioningSucceeded", f"Successfully provisioned volume {volume.metadata.name}"
        )
