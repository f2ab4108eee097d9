"""Keep each ReplicaSet and each ReplicationController at the number of pods it asks for.

Reads ReplicaSets or ReplicationControllers, and Pods, from the informers; writes Pods, their owner references, and the
status of the owner. Decides in `replication`, acts here. Pods are created in batches that double as they succeed, so
that a template which can't work makes few failures.
Source: kubernetes.io/docs/concepts/workloads/controllers/replicaset
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from controllers.claims import apply_claims, plan_claims
from controllers.pods import is_active, is_ready, pod_from_template
from controllers.replication import Counts, Difference, PodSet, Wanted, count, plan, wanted_by
from controllers.world import World, again_after_conflict, is_terminating_namespace
from kube.api.apps_v1 import ReplicaSet, ReplicaSetCondition, ReplicaSetStatus
from kube.api.core_v1 import (
    Pod,
    ReplicationController,
    ReplicationControllerCondition,
    ReplicationControllerStatus,
)
from kube.client import ConnectionLost, Preconditions
from kube.controller import Controller
from kube.errors import ApiError
from kube.events import EventRecorder
from kube.objects import ObjectKey, controller_of, is_terminating, key_of
from kube.selectors import SelectorError
from kube.times import to_time

FAILURE: Final = "ReplicaFailure"
CALM_FROM_PODS: Final = 50
CALM_S_PER_POD: Final = 0.0002
"""A big set is looked at less often: each look counts all its pods, so looking at each change would cost n * n."""


_COMPONENT: Final[Mapping[type, str]] = {ReplicaSet: "replicaset", ReplicationController: "replication"}


class Replicas:
    """The controller of one of the two kinds."""

    def __init__(self, world: World, cls: type[ReplicaSet] | type[ReplicationController], *, workers: int = 4) -> None:
        self._world = world
        self._cls = cls
        self._owners = world.informers.of(cls)
        self._pods = world.informers.of(Pod)
        self.events = EventRecorder(world.client, f"{_COMPONENT[cls]}-controller", clock=world.clock)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller(cls.__name__.lower(), reconcile, workers=workers, clock=world.clock)
        self.controller.know(self._owners)
        self.controller.know(self._pods)
        self._owners.on_change(self._hear_owner)
        self._pods.on_change(self._hear_pod)

    def _hear_owner(self, old: PodSet | None, new: PodSet | None) -> None:
        """Look at once at what a user changed; at a change of status, mostly our own, when it is time again."""
        changed = new or old
        if changed is None:
            return
        is_status = old is not None and new is not None and _is_wanted_alike(old, new)
        self.controller.queue.add_after(key_of(changed), self._calm_s(changed.metadata.uid) if is_status else 0.0)

    def _hear_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and not _matters(old, new):
            return
        for pod in (old, new):
            owner = controller_of(pod) if pod is not None else None
            for key in self._owner_keys(pod) if pod is not None else ():
                self.controller.queue.add_after(key, self._calm_s(owner.uid) if owner else 0.0)

    def _owner_keys(self, pod: Pod) -> Iterator[ObjectKey]:
        owner = controller_of(pod)
        if owner is not None:
            if owner.kind == self._cls.__name__:
                yield ObjectKey(pod.metadata.namespace, owner.name)
            return
        for candidate in self._owners.by_index("namespace", pod.metadata.namespace):
            if _means(candidate, pod):
                yield key_of(candidate)

    def _calm_s(self, uid: str) -> float:
        pods = len(self._pods.by_index("controller", uid))
        return pods * CALM_S_PER_POD if pods >= CALM_FROM_PODS else 0.0

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Move one owner a step closer; return when its next pod will count as available."""
        owner = self._owners.get(key.name, key.namespace)
        if owner is None:
            return None  # Deleted: its pods are the garbage collector's work.
        try:
            wanted = wanted_by(owner)
        except SelectorError as error:
            self.events.record(owner, "Warning", "InvalidSelector", str(error))
            return None
        if wanted.selector.is_empty:
            return None  # The server doesn't let one in; it would claim every pod.
        pods = await self._claim(wanted)
        difference = plan(wanted, pods, self._related(owner) if len(pods) > wanted.replicas else ())
        failure = await self._apply(wanted, difference)
        now = self._world.clock.now()
        counts = count(wanted, pods, now)
        await self._write_status(owner, status_of(owner, counts, difference, failure, now))
        if failure is not None:
            raise failure
        left = wanted.replicas - sum(map(is_active, pods)) - difference.create
        return 0.0 if left > 0 and difference.create else counts.look_again_s

    async def _claim(self, wanted: Wanted) -> list[Pod]:
        meta = wanted.owner.metadata
        orphans = self._pods.by_index("orphan", meta.namespace)
        candidates = [*self._pods.by_index("controller", meta.uid), *orphans]
        claims = plan_claims(wanted.owner, wanted.selector, (pod for pod in candidates if is_kept(pod)))
        return await apply_claims(self._world.client, wanted.owner, claims)

    def _related(self, owner: PodSet) -> Sequence[Pod]:
        """Return the pods of all sets that the same Deployment manages, or of this one alone."""
        above = controller_of(owner)
        siblings = self._owners.by_index("controller", above.uid) if above else (owner,)
        return [pod for item in siblings for pod in self._pods.by_index("controller", item.metadata.uid)]

    async def _apply(self, wanted: Wanted, difference: Difference) -> ApiError | ConnectionLost | None:
        """Create or delete; return the first failure."""
        if difference.create:
            return await self._create(wanted, difference.create)
        if difference.delete:
            results = await asyncio.gather(*(self._delete(wanted.owner, pod) for pod in difference.delete))
            return next((failure for failure in results if failure), None)
        return None

    async def _create(self, wanted: Wanted, missing: int) -> ApiError | ConnectionLost | None:
        pod = pod_from_template(wanted.owner, wanted.template)
        batch = 1
        while missing > 0:
            size = min(batch, missing)
            results = await asyncio.gather(*(self._create_one(wanted.owner, pod) for _ in range(size)))
            failure = next((failure for failure in results if failure), None)
            if failure is not None:
                silent = isinstance(failure, ApiError) and is_terminating_namespace(failure)
                return None if silent else failure
            missing -= size
            batch *= 2
        return None

    async def _create_one(self, owner: PodSet, pod: Pod) -> ApiError | ConnectionLost | None:
        try:
            created = await self._world.client.create(pod)
        except (ApiError, ConnectionLost) as error:
            if not (isinstance(error, ApiError) and is_terminating_namespace(error)):
                self.events.record(owner, "Warning", "FailedCreate", f"Error creating: {error}")
            return error
        self.controller.wrote(key_of(owner), created)
        self.events.record(owner, "Normal", "SuccessfulCreate", f"Created pod: {created.metadata.name}")
        return None

    async def _delete(self, owner: PodSet, pod: Pod) -> ApiError | ConnectionLost | None:
        meta = pod.metadata
        exactly = Preconditions(uid=meta.uid)
        try:
            last = await self._world.client.delete(Pod, meta.name, namespace=meta.namespace, preconditions=exactly)
        except (ApiError, ConnectionLost) as error:
            if isinstance(error, ApiError) and error.code in (404, 409):
                return None  # Gone, or another pod by now: either way not ours to delete.
            self.events.record(owner, "Warning", "FailedDelete", f"Error deleting: {error}")
            return error
        if last is not None:
            self.controller.wrote(key_of(owner), last)
        self.events.record(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {meta.name}")
        return None

    async def _write_status(self, owner: PodSet, status: ReplicaSetStatus | ReplicationControllerStatus) -> None:
        if status == owner.status:
            return
        try:
            written = await self._world.client.update(replace(owner, status=status), subresource="status")
        except ApiError as error:
            if error.code == 404:
                return
            raise
        self.controller.wrote(key_of(owner), written)


def is_kept(pod: Pod) -> bool:
    """Say whether the pod may still be counted: one that has ended is of no interest to its owner."""
    return is_active(pod) or is_terminating(pod)


def status_of(
    owner: PodSet, counts: Counts, difference: Difference, failure: Exception | None, now: datetime
) -> ReplicaSetStatus | ReplicationControllerStatus:
    """Return the owner's status. failure: what went wrong with `difference`, None if nothing did."""
    told: dict[str, object] = {
        "replicas": counts.replicas,
        "fully_labeled_replicas": counts.fully_labeled,
        "ready_replicas": counts.ready,
        "available_replicas": counts.available,
        "observed_generation": owner.metadata.generation,
    }
    if isinstance(owner, ReplicaSet):
        told["terminating_replicas"] = counts.terminating
    return replace(owner.status, **told, conditions=_conditions(owner, difference, failure, now))


def _conditions(
    owner: PodSet, difference: Difference, failure: Exception | None, now: datetime
) -> tuple[ReplicaSetCondition | ReplicationControllerCondition, ...]:
    others = tuple(item for item in owner.status.conditions if item.type != FAILURE)
    if failure is None:
        return others
    found = next((item for item in owner.status.conditions if item.type == FAILURE), None)
    cls = ReplicaSetCondition if isinstance(owner, ReplicaSet) else ReplicationControllerCondition
    reason = "FailedCreate" if difference.create else "FailedDelete"
    since = found.last_transition_time if found and found.status == "True" else to_time(now)
    return (
        *others,
        cls(type=FAILURE, status="True", reason=reason, message=str(failure), last_transition_time=since),
    )


def _means(owner: PodSet, pod: Pod) -> bool:
    try:
        return wanted_by(owner).selector.matches(pod.metadata.labels)
    except SelectorError:
        return False


def _is_wanted_alike(old: PodSet, new: PodSet) -> bool:
    before, after = old.metadata, new.metadata
    return (
        before.uid == after.uid
        and before.generation == after.generation
        and before.deletion_timestamp == after.deletion_timestamp
        and before.owner_references == after.owner_references
        and old.spec == new.spec
    )


def _matters(old: Pod, new: Pod) -> bool:
    """Say whether a change of a pod can change what its owner does or says."""
    return (
        old.metadata.labels != new.metadata.labels
        or old.metadata.owner_references != new.metadata.owner_references
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.status.phase != new.status.phase
        or is_ready(old) != is_ready(new)
    )
