"""The two doors by which pods are moved: a binding puts one on a node, an eviction asks it to go if budgets allow.

Source: kubernetes.io/docs/concepts/scheduling-eviction/api-eviction; the types of core/v1 and policy/v1.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, cast

from msgspec.structs import replace

from apiserver.deletion import Deleted, check_preconditions, delete
from apiserver.strategy import Reader
from apiserver.write import Write
from apiserver.writing import Writings
from kube.api.core_v1 import Binding, Pod, PodCondition
from kube.api.meta_v1 import DeleteOptions, StatusCause
from kube.api.policy_v1 import Eviction, PodDisruptionBudget
from kube.errors import ApiError, bad_request, conflict, internal, invalid_object, required, too_many_requests
from kube.kinds import Kind, Resource, kind_of
from kube.objects import condition
from kube.selectors import label_selector_from_object
from kube.times import to_time

POD: Final = kind_of(Pod)
BINDING: Final = kind_of(Binding)
_BINDING_DOOR: Final = Kind("", "v1", "Binding", "pods/binding")
_BUDGET: Final = kind_of(PodDisruptionBudget)
_VIOLATES: Final = "Cannot evict pod as it would violate the pod's disruption budget."
_RETRY_S: Final = 10


async def bind(writings: Writings, write: Write, binding: Binding, now: datetime) -> None:
    """Put a pod on a node. Raises ApiError 409 where it has one, is going, or waits at a gate."""
    if binding.metadata.name != write.name:
        raise bad_request("name in URL does not match name in Binding object")
    if not binding.target.name:
        raise invalid_object(BINDING, write.name, (required("target.name"),))
    if binding.target.kind not in ("", "Node"):
        raise bad_request(f'target.kind: "{binding.target.kind}" is no node; use "Node"')

    def bound(stored: Resource) -> Resource:
        pod = cast("Pod", stored)
        _check_bindable(pod, binding)
        return _bound_pod(pod, binding, now)

    await writings.update(write, bound, now)


def _check_bindable(pod: Pod, binding: Binding) -> None:
    name, uid = pod.metadata.name, binding.metadata.uid
    if uid and uid != pod.metadata.uid:
        detail = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod.metadata.uid}"
        raise conflict(POD, name, detail)
    if pod.metadata.deletion_timestamp is not None:
        raise conflict(_BINDING_DOOR, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if pod.spec.node_name:
        raise conflict(_BINDING_DOOR, name, f'pod {name} is already assigned to node "{pod.spec.node_name}"')
    if pod.spec.scheduling_gates:
        raise conflict(_BINDING_DOOR, name, f"pod {name} has non-empty .spec.schedulingGates")


def _bound_pod(pod: Pod, binding: Binding, now: datetime) -> Pod:
    scheduled = PodCondition(type="PodScheduled", status="True", last_transition_time=to_time(now))
    meta = pod.metadata
    if binding.metadata.annotations:
        meta = replace(meta, annotations={**meta.annotations, **binding.metadata.annotations})
    if binding.metadata.labels:
        meta = replace(meta, labels={**meta.labels, **binding.metadata.labels})
    return replace(
        pod,
        metadata=meta,
        spec=replace(pod.spec, node_name=binding.target.name),
        status=replace(pod.status, conditions=_with_condition(pod.status.conditions, scheduled)),
    )


def _with_condition(conditions: Iterable[PodCondition], new: PodCondition) -> tuple[PodCondition, ...]:
    return (*(item for item in conditions if item.type != new.type), new)


async def evict(writings: Writings, objects: Reader, write: Write, eviction: Eviction, now: datetime) -> Deleted:
    """Delete a pod if its disruption budget allows. Raises ApiError 429 where it doesn't."""
    if eviction.metadata.name != write.name:
        raise bad_request("name in URL does not match name in Eviction object")
    pod = await objects.fetch(Pod, write.name, write.namespace)
    options = eviction.delete_options or DeleteOptions()
    plain = Write(POD, write.namespace, write.name, write.user, dry_run=write.dry_run or "All" in options.dry_run)
    if pod is not None and _may_be_disrupted(pod):
        check_preconditions(pod, options, POD)
        await _charge(writings, objects, plain, pod, now)
        if not plain.dry_run:
            await _mark_disrupted(writings, plain, now)
    return await delete(writings, plain, options, now)


def _may_be_disrupted(pod: Pod) -> bool:
    """Say whether the pod counts in a budget: one that is over, going or not begun doesn't."""
    return pod.status.phase not in ("Pending", "Succeeded", "Failed") and pod.metadata.deletion_timestamp is None


def budgets_of(pod: Pod, budgets: Iterable[PodDisruptionBudget]) -> list[PodDisruptionBudget]:
    """Return the budgets whose selector matches a pod."""
    labels: Mapping[str, str] = pod.metadata.labels
    return [budget for budget in budgets if label_selector_from_object(budget.spec.selector).matches(labels)]


async def _charge(writings: Writings, objects: Reader, write: Write, pod: Pod, now: datetime) -> None:
    """Take one disruption from the pod's budget. Raises ApiError 429 or 500."""
    budgets = budgets_of(pod, objects.all(PodDisruptionBudget, write.namespace))
    if not budgets:
        return
    if len(budgets) > 1:
        raise internal(
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    is_ready = (found := condition(pod.status.conditions, "Ready")) is not None and found.status == "True"
    name = budgets[0].metadata.name

    def charged(stored: Resource) -> Resource:
        budget = cast("PodDisruptionBudget", stored)
        status = budget.status
        policy = budget.spec.unhealthy_pod_eviction_policy or "IfHealthyBudget"
        if not is_ready and (policy == "AlwaysAllow" or status.current_healthy >= status.desired_healthy > 0):
            return budget
        if status.observed_generation < budget.metadata.generation:
            raise _violation(f"The disruption budget {name} is still being processed by the server.", _RETRY_S)
        if status.disruptions_allowed <= 0:
            needed = f"The disruption budget {name} needs {status.desired_healthy} healthy pods"
            raise _violation(f"{needed} and has {status.current_healthy} currently")
        disrupted = {**status.disrupted_pods, pod.metadata.name: to_time(now)}
        left = status.disruptions_allowed - 1
        return replace(budget, status=replace(status, disruptions_allowed=left, disrupted_pods=disrupted))

    charge = Write(_BUDGET, write.namespace, name, write.user, "status", dry_run=write.dry_run, is_conditional=False)
    await writings.update(charge, charged, now)


def _violation(cause: str, retry_after_s: int = 0) -> ApiError:
    """Return the 429 that says why a budget doesn't allow it; retry_after_s: 0 where nobody knows when it will."""
    return too_many_requests(_VIOLATES, retry_after_s, (StatusCause(reason="DisruptionBudget", message=cause),))


async def _mark_disrupted(writings: Writings, write: Write, now: datetime) -> None:
    target = PodCondition(
        type="DisruptionTarget",
        status="True",
        reason="EvictionByEvictionAPI",
        message="Eviction API: evicting",
        last_transition_time=to_time(now),
    )

    def marked(stored: Resource) -> Resource:
        pod = cast("Pod", stored)
        return replace(pod, status=replace(pod.status, conditions=_with_condition(pod.status.conditions, target)))

    await writings.update(
        Write(POD, write.namespace, write.name, write.user, "status", is_conditional=False), marked, now
    )
