"""Give running containers, and pods as a whole, other limits without starting them anew.

Keeps true: what a container or a pod runs with is told in the status; what doesn't fit the node waits and is told in a
condition, and the pod goes on with what it had; at no moment is a container's limit beyond its pod's, which the kernel
would refuse. Plain functions of a View.
Source: kubernetes.io/docs/tasks/configure-pod-container/resize-container-resources, .../resize-pod-resources; KEP-1287,
KEP-5419.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from kube.api.core_v1 import Container, ContainerStatus, Pod, PodCondition, ResourceRequirements
from kube.quantity import Quantity
from nodeagent.cri.values import ContainerRecord
from nodeagent.pods.resources import ZERO, pod_requests
from nodeagent.pods.view import SANDBOX, Action, KillContainer, ResizeContainer, ResizeSandbox, View, is_sidecar

RESIZABLE: Final = ("cpu", "memory")
DEFERRED: Final = "Deferred"
INFEASIBLE: Final = "Infeasible"
PENDING: Final = "PodResizePending"
IN_PROGRESS: Final = "PodResizeInProgress"
RESIZE_FAILED: Final = "ResizeError"
"""The reason with which a resize fails that the runtime refuses."""
_NONE: Final = ResourceRequirements()


def actuated(view: View, container: Container) -> ResourceRequirements:
    """Return the resources that a container has, or had when it last ran; those that are wanted if it never did."""
    record = view.record.latest(container.name)
    return view.resources.get(record.id, container.resources) if record is not None else container.resources


def allocated(view: View, container: Container) -> ResourceRequirements:
    """Return the resources that the node has granted a container."""
    return container.resources if view.resize_refusal is None else actuated(view, container)


def granted_pod(view: View) -> Pod:
    """Return the pod with the resources that it may start containers with."""
    if view.resize_refusal is None:
        return view.pod
    spec = view.pod.spec
    granted = {c.name: replace(c, resources=allocated(view, c)) for c in (*spec.init_containers, *spec.containers)}
    containers = tuple([granted[c.name] for c in spec.containers])
    init_containers = tuple([granted[c.name] for c in spec.init_containers])
    whole = actuated_whole(view) if spec.resources is not None else None
    return replace(
        view.pod, spec=replace(spec, containers=containers, init_containers=init_containers, resources=whole)
    )


def is_resized(view: View) -> bool:
    """Say whether the pod or a running container wants other resources than it has."""
    return bool(_changed(actuated_whole(view), _whole(view))) or _are_containers_resized(view)


def _are_containers_resized(view: View) -> bool:
    return any(changed_resources(view, container) for container, _ in _resizable(view))


def _whole(view: View) -> ResourceRequirements:
    return view.pod.spec.resources or _NONE


def actuated_whole(view: View) -> ResourceRequirements:
    """Return the resources that the pod as a whole has; those that it is to have where it has no sandbox yet."""
    sandbox = view.record.sandbox
    return view.resources.get(sandbox.id, _whole(view)) if sandbox is not None else _whole(view)


def whole_resize(view: View) -> ResizeSandbox | None:
    """Return what brings the pod as a whole closer to what it wants, None where it has it or may not have it yet.

    It grows at once; what it has to give back it gives when its containers have done so.
    """
    sandbox, has, wants = view.record.sandbox, actuated_whole(view), _whole(view)
    if sandbox is None or view.resize_refusal is not None or not _changed(has, wants):
        return None
    widest = _widest(has, wants)
    if has.limits != widest.limits:
        return ResizeSandbox(sandbox.id, widest, grows=True)
    return None if _are_containers_resized(view) else ResizeSandbox(sandbox.id, wants, grows=False)


def _widest(has: ResourceRequirements, wants: ResourceRequirements) -> ResourceRequirements:
    """Return the larger limit of each resource; without one there is no limit."""
    shared = has.limits.keys() & wants.limits.keys()
    limits = {name: max(has.limits[name], wants.limits[name]) for name in has.limits if name in shared}
    return replace(wants, limits=limits)


def changed_resources(view: View, container: Container) -> tuple[str, ...]:
    """Return which of cpu and memory a container has otherwise than it wants."""
    return _changed(actuated(view, container), container.resources)


def _changed(has: ResourceRequirements, wants: ResourceRequirements) -> tuple[str, ...]:
    return tuple(
        name
        for name in RESIZABLE
        if has.requests.get(name) != wants.requests.get(name) or has.limits.get(name) != wants.limits.get(name)
    )


def _resizable(view: View) -> Iterable[tuple[Container, ContainerRecord]]:
    """Yield what may be resized: the running containers and sidecars."""
    spec = view.pod.spec
    for container in (*(c for c in spec.init_containers if is_sidecar(c)), *spec.containers):
        record = view.record.current(container.name)
        if record is not None and record.is_running:
            yield container, record


def resize_action(view: View, container: Container, record: ContainerRecord, grace_s: int) -> Action | None:
    """Return what gives a running container the resources it wants, None where it has them or may not have them."""
    whole = whole_resize(view)
    if view.resize_refusal is not None or (whole is not None and whole.grows):
        return None
    changed = changed_resources(view, container)
    if not changed:
        return None
    policies = {policy.resource_name: policy.restart_policy for policy in container.resize_policy}
    if any(policies.get(name) == "RestartContainer" for name in changed):
        why = f"Container {container.name} resize requires restart"
        return KillContainer(container.name, record.id, grace_s, why)
    return ResizeContainer(container.name, record.id, container.resources)


def with_resources(view: View, container: Container, status: ContainerStatus) -> ContainerStatus:
    """Return a container's status with what it was granted and what it runs with."""
    grant = allocated(view, container)
    has = actuated(view, container) if status.state.running is not None else grant
    return replace(status, allocated_resources=grant.requests, resources=has)


def resize_conditions(view: View) -> list[PodCondition]:
    """Return the conditions that tell of a resize: none where every container has what it wants."""
    refusal = view.resize_refusal
    if refusal is not None:
        return [PodCondition(type=PENDING, status="True", reason=refusal.reason, message=refusal.message)]
    if not is_resized(view):
        return []
    keys = [SANDBOX, *(container.name for container, _ in _resizable(view))]
    failures = [view.failures[key] for key in keys if key in view.failures]
    failed = next((failure for failure in failures if failure.reason == RESIZE_FAILED), None)
    if failed is not None:
        return [PodCondition(type=IN_PROGRESS, status="True", reason="Error", message=failed.message)]
    return [PodCondition(type=IN_PROGRESS, status="True")]


def resize_refusal(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, Quantity]) -> tuple[str, str] | None:
    """Return why the node can't give a pod the cpu and memory it wants now, as (reason, message); None if it can."""
    wanted = {name: amount for name, amount in pod_requests(pod).items() if name in RESIZABLE}
    used = [pod_requests(other) for other in others]
    for name, amount in wanted.items():
        have = allocatable.get(name, ZERO)
        if amount.value > have.value:
            return INFEASIBLE, f"Node didn't have enough capacity: {name}, {_told(name, amount, None, have)}"
    for name, amount in wanted.items():
        have = allocatable.get(name, ZERO)
        total = sum((requests.get(name, ZERO).value for requests in used), ZERO.value)
        if total + amount.value > have.value:
            return DEFERRED, f"Node didn't have enough resource: {name}, {_told(name, amount, total, have)}"
    return None


def _told(name: str, wanted: Quantity, used: Decimal | None, have: Quantity) -> str:
    unit = 1000 if name == "cpu" else 1
    middle = "" if used is None else f" used: {int(used * unit)},"
    return f"requested: {int(wanted.value * unit)},{middle} capacity: {int(have.value * unit)}"
