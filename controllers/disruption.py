"""Tell every PodDisruptionBudget how many of its pods may be taken down now; evictions are let in by that.

Reads PodDisruptionBudgets, Pods and what owns them from the informers; writes the budgets' status. Decides in `plan`.
A budget about which something can't be found out allows nothing, and says why.
Source: kubernetes.io/docs/tasks/run-application/configure-pdb, .../concepts/workloads/pods/disruptions
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from controllers.pods import is_ready
from controllers.rollout import share_of
from controllers.world import World, again_after_conflict
from kube.api.apps_v1 import Deployment, ReplicaSet, StatefulSet
from kube.api.core_v1 import Pod, ReplicationController
from kube.api.meta_v1 import Condition, OwnerReference
from kube.api.policy_v1 import PodDisruptionBudget, PodDisruptionBudgetStatus
from kube.controller import Controller
from kube.events import EventRecorder
from kube.informer import Informer
from kube.objects import ObjectKey, condition, controller_of, is_terminating, key_of
from kube.selectors import label_selector_from_object
from kube.times import parse_time, to_time

DELETION_S: Final = 120.0
"""How long an evicted pod may take until its deletion is seen; then it counts as healthy again."""
RETRY_S: Final = 10.0


class UnknownOwnerError(ValueError):
    """Nobody knows how many pods there ought to be."""


def plan(
    budget: PodDisruptionBudget, pods: Iterable[Pod], scale: Mapping[str, int], now: datetime
) -> PodDisruptionBudgetStatus:
    """Return a budget's status.

    pods: those it covers. scale: uid of each of their owners -> how many pods that one wants.
    """
    covered = list(pods)
    disrupted = _still_expected(budget, covered, now)
    healthy = sum(is_ready(pod) and not is_terminating(pod) and pod.metadata.name not in disrupted for pod in covered)
    expected, desired = _counts(budget, len(covered), sum(scale.values()))
    allowed = max(0, healthy - desired) if expected > 0 else 0
    reason = "SufficientPods" if allowed else "InsufficientPods"
    return PodDisruptionBudgetStatus(
        conditions=_conditions(budget, reason, "", is_allowed=allowed > 0, now=now),
        current_healthy=healthy,
        desired_healthy=desired,
        disrupted_pods=disrupted,
        disruptions_allowed=allowed,
        expected_pods=expected,
        observed_generation=budget.metadata.generation,
    )


def failed(budget: PodDisruptionBudget, why: str, now: datetime) -> PodDisruptionBudgetStatus:
    """Return the status of a budget that could not be worked out: as it was, with nothing allowed."""
    conditions = _conditions(budget, "SyncFailed", why, is_allowed=False, now=now)
    return replace(budget.status, conditions=conditions, disruptions_allowed=0)


def counts_owners(budget: PodDisruptionBudget) -> bool:
    """Say whether it matters how many pods there ought to be, not only how many there are."""
    return budget.spec.max_unavailable is not None or isinstance(budget.spec.min_available, str)


def _counts(budget: PodDisruptionBudget, found: int, wanted: int) -> tuple[int, int]:
    """Return how many pods are expected, and how many of those have to be healthy."""
    spec = budget.spec
    if spec.max_unavailable is not None:
        return wanted, max(0, wanted - share_of(spec.max_unavailable, wanted, up=True))
    if isinstance(spec.min_available, str):
        return wanted, share_of(spec.min_available, wanted, up=True)
    return (found, spec.min_available) if spec.min_available is not None else (0, 0)


def _still_expected(budget: PodDisruptionBudget, pods: Iterable[Pod], now: datetime) -> dict[str, str]:
    """Return the evicted pods whose deletion has not been seen and may yet come, with the moment of the eviction."""
    alive = {pod.metadata.name for pod in pods if not is_terminating(pod)}
    latest = now - timedelta(seconds=DELETION_S)
    evicted = budget.status.disrupted_pods.items()
    return {name: moment for name, moment in evicted if name in alive and parse_time(moment) >= latest}


def _conditions(
    budget: PodDisruptionBudget, reason: str, message: str, *, is_allowed: bool, now: datetime
) -> tuple[Condition, ...]:
    old = condition(budget.status.conditions, "DisruptionAllowed")
    status = "True" if is_allowed else "False"
    same = old is not None and old.status == status
    new = Condition(
        type="DisruptionAllowed",
        status=status,
        reason=reason,
        message=message,
        observed_generation=budget.metadata.generation,
        last_transition_time=old.last_transition_time if old and same else to_time(now),
    )
    return (*(item for item in budget.status.conditions if item.type != new.type), new)


class Disruptions:
    """The controller of PodDisruptionBudgets."""

    def __init__(self, world: World, *, workers: int = 1) -> None:
        self._world = world
        self._budgets = world.informers.of(PodDisruptionBudget)
        self._pods = world.informers.of(Pod)
        self._sets: Mapping[str, Informer[ReplicaSet] | Informer[ReplicationController] | Informer[StatefulSet]] = {
            "ReplicaSet": world.informers.of(ReplicaSet),
            "ReplicationController": world.informers.of(ReplicationController),
            "StatefulSet": world.informers.of(StatefulSet),
        }
        self._deployments = world.informers.of(Deployment)
        reconcile = again_after_conflict(self.reconcile)
        self.events = EventRecorder(world.client, "controllermanager", clock=world.clock)
        self.controller = Controller("disruption", reconcile, workers=workers, clock=world.clock)
        self.controller.hear(self._budgets)
        self.controller.hear(self._pods, self._keys_of_pod)
        for informer in (*self._sets.values(), self._deployments):
            self.controller.know(informer)

    def _keys_of_pod(self, pod: Pod) -> list[ObjectKey]:
        budgets = self._budgets.by_index("namespace", pod.metadata.namespace)
        return [key_of(budget) for budget in budgets if _covers(budget, pod)]

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Write one budget's status where it changed; look again in time, or after a failure."""
        budget = self._budgets.get(key.name, key.namespace)
        if budget is None:
            return None
        pods = [pod for pod in self._pods.by_index("namespace", key.namespace) if _covers(budget, pod)]
        now = self._world.clock.now()
        try:
            status = plan(budget, pods, self._scales(budget, pods), now)
            again_s = DELETION_S if status.disrupted_pods else None
        except UnknownOwnerError as error:
            self.events.record(budget, "Warning", "CalculateExpectedPodCountFailed", str(error))
            status, again_s = failed(budget, str(error), now), RETRY_S
        if status != budget.status:
            written = await self._world.client.update(replace(budget, status=status), subresource="status")
            self.controller.wrote(key, written)
        return again_s

    def _scales(self, budget: PodDisruptionBudget, pods: Iterable[Pod]) -> dict[str, int]:
        """Return how many pods each owner of the pods wants, where that matters. Raises UnknownOwnerError."""
        scales: dict[str, int] = {}
        for pod in pods if counts_owners(budget) else ():
            owner = controller_of(pod)
            if owner is None or owner.uid in scales:
                continue
            decider, wanted = self._scale_of(owner, pod)
            scales[decider] = wanted
        return scales

    def _scale_of(self, owner: OwnerReference, pod: Pod) -> tuple[str, int]:
        """Return who decides how many pods there are (for a Deployment's set, that one), and how many it wants."""
        sets = self._sets.get(owner.kind)
        found = sets.get(owner.name, pod.metadata.namespace) if sets is not None else None
        if found is None or found.metadata.uid != owner.uid:
            raise UnknownOwnerError(f'found no controllers for pod "{pod.metadata.name}"')
        above = controller_of(found)
        deployment = self._deployments.get(above.name, pod.metadata.namespace) if above is not None else None
        if above is not None and deployment is not None and deployment.metadata.uid == above.uid:
            return above.uid, _replicas(deployment)
        return owner.uid, _replicas(found)


def _replicas(owner: Deployment | ReplicaSet | ReplicationController | StatefulSet) -> int:
    return 1 if owner.spec.replicas is None else owner.spec.replicas


def _covers(budget: PodDisruptionBudget, pod: Pod) -> bool:
    return label_selector_from_object(budget.spec.selector).matches(pod.metadata.labels)
