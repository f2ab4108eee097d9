"""Roll each Deployment's pods over to its current template, at the pace that it allows.

Reads Deployments, ReplicaSets and Pods from the informers; writes ReplicaSets, the Deployment's revision annotation and
its status. Decides in `deployment_plan` and `deployment_status`, acts here.
Source: kubernetes.io/docs/concepts/workloads/controllers/deployment
"""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from controllers.claims import apply_claims, plan_claims
from controllers.deployment_plan import Step, plan, same_template
from controllers.deployment_status import deadline_left_s, status_of, with_creation_failure
from controllers.pods import is_finished
from controllers.rollout import REVISION, is_rolling, replicas_of
from controllers.world import World, again_after_conflict, is_terminating_namespace
from kube.api.apps_v1 import Deployment, DeploymentStatus, ReplicaSet
from kube.api.core_v1 import Pod
from kube.client import Preconditions
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder
from kube.objects import ObjectKey, controller_of, is_controlled_by, key_of
from kube.selectors import MATCHES_NONE, LabelSelector, SelectorError, label_selector_from_object

DEADLINE_SLACK_S: Final = 1.0
"""Times are kept to the second, so a deadline is looked at that much later."""


class Deployments:
    """The controller of Deployments."""

    def __init__(self, world: World, *, workers: int = 4) -> None:
        self._world = world
        self._deployments = world.informers.of(Deployment)
        self._replicasets = world.informers.of(ReplicaSet)
        self._pods = world.informers.of(Pod)
        self.events = EventRecorder(world.client, "deployment-controller", clock=world.clock)
        self.controller = Controller(
            "deployment", again_after_conflict(self.reconcile), workers=workers, clock=world.clock
        )
        self.controller.hear(self._deployments)
        self.controller.hear(self._replicasets, self._keys_of_replicaset)
        self.controller.know(self._pods)
        self._pods.on_change(self._hear_pod)

    def _keys_of_replicaset(self, item: ReplicaSet) -> list[ObjectKey]:
        owner = controller_of(item)
        if owner is not None:
            return [ObjectKey(item.metadata.namespace, owner.name)] if owner.kind == "Deployment" else []
        candidates = self._deployments.by_index("namespace", item.metadata.namespace)
        return [key_of(found) for found in candidates if _selector(found).matches(item.metadata.labels)]

    def _hear_pod(self, old: Pod | None, new: Pod | None) -> None:
        """Look at a Deployment that recreates its pods when one of them ends: it may have waited for that."""
        if old is None or (new is not None and not is_finished(new)):
            return
        owner = controller_of(old)
        item = self._replicasets.get(owner.name, old.metadata.namespace) if owner else None
        above = controller_of(item) if item else None
        found = self._deployments.get(above.name, old.metadata.namespace) if above else None
        if found is not None and not is_rolling(found):
            self.controller.queue.add(key_of(found))

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Take the next step of one Deployment; return when its progress deadline passes."""
        deployment = self._deployments.get(key.name, key.namespace)
        if deployment is None:
            return None  # Deleted: what it owned is the garbage collector's work.
        selector = _selector(deployment)
        if selector.is_empty or selector.matches_nothing:
            text = "This deployment is selecting all pods. A non-empty selector is required."
            self.events.record(deployment, "Warning", "SelectingAll", text)
            return None
        owned = await self._claim(deployment, selector)
        step = plan(deployment, owned, old_pods_run=self._old_pods_run(deployment, owned))
        await self._resize(deployment, step)
        if step.create is not None and not await self._create(deployment, step, step.create):
            return None
        deployment = await self._show_revision(deployment, step)
        now = self._world.clock.now()
        status = status_of(deployment, step, now)
        await self._write_status(deployment, status)
        for item in step.delete:
            await self._delete(deployment, item)
        left_s = deadline_left_s(deployment, status, now)
        return left_s + DEADLINE_SLACK_S if left_s else None

    async def _claim(self, deployment: Deployment, selector: LabelSelector) -> list[ReplicaSet]:
        meta = deployment.metadata
        orphans = self._replicasets.by_index("orphan", meta.namespace)
        candidates = [*self._replicasets.by_index("controller", meta.uid), *orphans]
        claims = plan_claims(deployment, selector, candidates)
        return await apply_claims(self._world.client, deployment, claims)

    def _old_pods_run(self, deployment: Deployment, owned: Sequence[ReplicaSet]) -> bool:
        return not is_rolling(deployment) and any(
            not is_finished(pod)
            for item in owned
            if not same_template(deployment.spec.template, item.spec.template)
            for pod in self._pods.by_index("controller", item.metadata.uid)
        )

    async def _resize(self, deployment: Deployment, step: Step) -> None:
        before = {item.metadata.uid: item for item in (step.new, *step.old) if item is not None}
        for item in step.update:
            written = await self._world.client.update(item)
            self.controller.wrote(key_of(deployment), written)
            self._tell_scaled(deployment, item, replicas_of(before[item.metadata.uid]))

    def _tell_scaled(self, deployment: Deployment, item: ReplicaSet, before: int) -> None:
        size = replicas_of(item)
        if size != before:
            way = "up" if size > before else "down"
            text = f"Scaled {way} replica set {item.metadata.name} from {before} to {size}"
            self.events.record(deployment, "Normal", "ScalingReplicaSet", text)

    async def _create(self, deployment: Deployment, step: Step, item: ReplicaSet) -> bool:
        """Create the ReplicaSet of the current template. Return False where something else has to happen first."""
        try:
            written = await self._world.client.create(item)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                await self._count_collision(deployment, item)
                return False
            if is_terminating_namespace(error):
                return False
            await self._tell_creation_failed(deployment, step, item, error)
            raise
        self.controller.wrote(key_of(deployment), written)
        if replicas_of(item) > 0:
            self._tell_scaled(deployment, item, 0)
        return True

    async def _count_collision(self, deployment: Deployment, item: ReplicaSet) -> None:
        """Choose another name next time, unless the one that exists is ours and merely not yet in the cache."""
        meta = item.metadata
        found = await self._world.client.get(ReplicaSet, meta.name, namespace=meta.namespace)
        is_ours = is_controlled_by(found, deployment.metadata.uid)
        if is_ours and same_template(deployment.spec.template, found.spec.template):
            return  # The informer will tell of it, which brings the next reconcile.
        collisions = (deployment.status.collision_count or 0) + 1
        await self._write_status(deployment, replace(deployment.status, collision_count=collisions))

    async def _tell_creation_failed(self, deployment: Deployment, step: Step, item: ReplicaSet, why: ApiError) -> None:
        text = f'Failed to create new replica set "{item.metadata.name}": {why}'
        now = self._world.clock.now()
        self.events.record(deployment, "Warning", "ReplicaSetCreateError", text)
        status = status_of(deployment, Step(step.new, step.old), now)
        await self._write_status(deployment, with_creation_failure(status, text, now))

    async def _show_revision(self, deployment: Deployment, step: Step) -> Deployment:
        """Write the revision into the Deployment's annotations; return it as it is then."""
        meta = deployment.metadata
        if not step.revision or meta.annotations.get(REVISION) == step.revision:
            return deployment
        body = {"metadata": {"uid": meta.uid, "annotations": {REVISION: step.revision}}}
        written = await self._world.client.patch(Deployment, meta.name, body, namespace=meta.namespace)
        self.controller.wrote(key_of(deployment), written)
        # A user's change that came in between has not been acted on: the next reconcile sees and observes it.
        return written if written.spec == deployment.spec else deployment

    async def _write_status(self, deployment: Deployment, status: DeploymentStatus) -> None:
        if status == deployment.status:
            return
        written = await self._world.client.update(replace(deployment, status=status), subresource="status")
        self.controller.wrote(key_of(deployment), written)

    async def _delete(self, deployment: Deployment, item: ReplicaSet) -> None:
        meta = item.metadata
        exactly = Preconditions(uid=meta.uid, resource_version=meta.resource_version)
        try:
            last = await self._world.client.delete(
                ReplicaSet, meta.name, namespace=meta.namespace, preconditions=exactly
            )
        except ApiError as error:
            if error.code == 404:
                return
            raise
        if last is not None:
            self.controller.wrote(key_of(deployment), last)


def _selector(deployment: Deployment) -> LabelSelector:
    try:
        return label_selector_from_object(deployment.spec.selector)
    except SelectorError:
        return MATCHES_NONE
