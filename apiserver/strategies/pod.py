"""The rules of Pods: defaults, what may change in a pod's life, its grace, its class of service.

A pod's spec is written by its author and by the binding; its status by the node agent (and the scheduler's condition).
Source: kubernetes.io/docs/concepts/workloads/pods; .../pod-quality-of-service
"""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube.api.core_v1 import (
    Container,
    EphemeralContainer,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
    PodTemplate,
    ResourceRequirements,
)
from kube.errors import FieldError, duplicate, forbidden_field, invalid, method_not_allowed, missing_reference
from kube.memo import by_identity
from kube.objects import with_metadata
from kube.times import to_time

from .app_armor import annotation_change_errors, annotation_errors, with_fields
from .checks import Errors
from .containers import container_errors, ephemeral_containers_errors
from .differing import with_difference
from .gating import placement_errors, with_placement_of
from .pod_admission import admit_pod, readmit_pod
from .pod_defaults import TEMPLATES_MAX, default_pod, default_pod_resources, default_requests, default_template
from .pod_spec import pod_spec_errors, template_errors
from .pod_status import pod_status_errors
from .resources import pod_level_errors, resource_errors

DEFAULT_GRACE_S: Final = 30
_CHANGEABLE: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_FINISHED: Final = ("Succeeded", "Failed")


class PodStrategy(Strategy[Pod]):
    """Pods: accepted as Pending, bound once, ended with grace."""

    returns_deleted = True
    is_graceful = True
    status_ignores = ("owner_references",)
    field_names = (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.podIPs",
        "status.nominatedNodeName",
    )

    def default(self, obj: Pod) -> Pod:
        return default_pod(obj)

    async def admit(self, obj: Pod, old: Pod | None, context: Context) -> Pod:
        return await admit_pod(obj, self.kind, context) if old is None else readmit_pod(obj, old, context)

    def prepare_create(self, obj: Pod, context: Context) -> Pod:
        status = PodStatus(phase="Pending", qos_class=qos_class(obj.spec))
        if obj.spec.scheduling_gates:
            status = replace(status, conditions=(_gated(context),))
        return replace(with_fields(obj), metadata=replace(obj.metadata, generation=1), status=status)

    def prepare_status_update(self, new: Pod, old: Pod, context: Context) -> Pod:
        prepared = super().prepare_status_update(new, old, context)
        if prepared.status.qos_class or not old.status.qos_class:
            return prepared
        return replace(prepared, status=replace(prepared.status, qos_class=old.status.qos_class))

    def prepare_subresource_update(self, subresource: str, new: Pod, old: Pod, context: Context) -> Pod:
        if subresource == "ephemeralcontainers":
            spec = replace(old.spec, ephemeral_containers=default_pod(new).spec.ephemeral_containers)
        elif subresource == "resize":
            spec = resized(new.spec, old.spec)
        else:
            raise method_not_allowed()
        changed = spec != old.spec
        return replace(with_metadata(old, generation=old.metadata.generation + changed), spec=spec)

    def validate(self, obj: Pod) -> list[FieldError]:
        errors = [*_spec_errors(obj.spec), *annotation_errors(obj)]
        if obj.spec.ephemeral_containers:
            errors += ephemeral_containers_errors(obj.spec, "spec")
            errors.append(forbidden_field("spec.ephemeralContainers", "cannot be set on create"))
        if obj.spec.scheduling_gates and obj.spec.node_name:
            errors.append(forbidden_field("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
        return errors

    def validate_update(self, new: Pod, old: Pod) -> list[FieldError]:
        errors = list(annotation_change_errors(new.metadata.annotations, old.metadata.annotations))
        if new.spec is old.spec or new.spec == old.spec:
            return errors
        return [
            *errors,
            *pod_spec_errors(new.spec, "spec"),
            *ephemeral_containers_errors(new.spec, "spec"),
            *change_errors(new.spec, old.spec),
        ]

    def validate_status_update(self, new: Pod, old: Pod) -> list[FieldError]:
        return list(pod_status_errors(new, old))

    def validate_subresource_update(self, subresource: str, new: Pod, old: Pod) -> list[FieldError]:
        if subresource == "ephemeralcontainers":
            return list(ephemeral_errors(new.spec, old.spec))
        return list(resize_errors(new.spec, old.spec))

    def selectable_fields(self, obj: Pod) -> Mapping[str, str]:
        spec, status = obj.spec, obj.status
        return {
            "metadata.name": obj.metadata.name,
            "metadata.namespace": obj.metadata.namespace,
            "spec.nodeName": spec.node_name,
            "spec.restartPolicy": spec.restart_policy,
            "spec.schedulerName": spec.scheduler_name,
            "spec.serviceAccountName": spec.service_account_name,
            "spec.hostNetwork": "true" if spec.host_network else "false",
            "status.phase": status.phase,
            "status.podIP": status.pod_ip,
            "status.podIPs": "",  # May be asked for, but no pod ever shows it.
            "status.nominatedNodeName": status.nominated_node_name,
        }

    def grace_s(self, obj: Pod, asked_s: int | None) -> int:
        """Nobody has to be asked about a pod that no node knows, or that has ended."""
        if not obj.spec.node_name or obj.status.phase in _FINISHED:
            return 0
        grace_s = asked_s
        if grace_s is None:
            grace_s = obj.spec.termination_grace_period_seconds
        if grace_s is None:
            grace_s = DEFAULT_GRACE_S
        return 1 if grace_s < 0 else grace_s


@by_identity(TEMPLATES_MAX)
def _spec_errors(spec: PodSpec) -> tuple[FieldError, ...]:
    """Return what is wrong with a new pod's spec, which those of one template share."""
    return tuple(pod_spec_errors(spec, "spec"))


def _gated(context: Context) -> PodCondition:
    return PodCondition(
        type="PodScheduled",
        status="False",
        reason="SchedulingGated",
        message="Scheduling is blocked due to non-empty scheduling gates",
        last_transition_time=to_time(context.now),
    )


@by_identity(TEMPLATES_MAX)
def qos_class(spec: PodSpec) -> str:
    """Return how well a pod is kept when its node runs short: what it asks for against what it may use."""
    containers: Sequence[Container] = (*spec.containers, *spec.init_containers)
    if spec.resources is not None and (spec.resources.limits or spec.resources.requests):
        asked = [default_requests(spec.resources)]
    else:
        asked = [container.resources for container in containers]
    if not any(_COUNTED & (one.limits.keys() | one.requests.keys()) for one in asked):
        return "BestEffort"
    for one in asked:
        for name in _COUNTED:
            limit = one.limits.get(name)
            if limit is None or one.requests.get(name) != limit:
                return "Burstable"
    return "Guaranteed"


_COUNTED: Final = frozenset({"cpu", "memory"})


def change_errors(new: PodSpec, old: PodSpec) -> Errors:
    """Check that an update of a pod changes only what may change while it lives."""
    counts = (
        ("containers", len(new.containers), len(old.containers)),
        ("initContainers", len(new.init_containers), len(old.init_containers)),
    )
    changed = [field for field, now, before in counts if now != before]
    if changed:
        yield from (forbidden_field(f"spec.{name}", "pod updates may not add or remove containers") for name in changed)
        return
    yield from _deadline_errors(new, old)
    if old.tolerations and any(toleration not in new.tolerations for toleration in old.tolerations):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        if len(_without_seconds(new) & _without_seconds(old)) < len(_without_seconds(old)):
            yield forbidden_field("spec.tolerations", detail)
    known = {gate.name for gate in old.scheduling_gates}
    for index, gate in enumerate(new.scheduling_gates):
        if gate.name not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.name}'"
            yield forbidden_field(f"spec.schedulingGates[{index}].name", detail)
    if old.scheduling_gates:
        yield from placement_errors(new, old)
    kept = _with_changeable(new, old)
    if kept != old:
        yield forbidden_field("spec", with_difference(_CHANGEABLE, kept, old))


def _without_seconds(spec: PodSpec) -> set[tuple[str, str, str, str]]:
    return {(t.key, t.operator, t.value, t.effect) for t in spec.tolerations}


def _deadline_errors(new: PodSpec, old: PodSpec) -> Errors:
    if old.active_deadline_seconds is None or new.active_deadline_seconds == old.active_deadline_seconds:
        return
    path = "spec.activeDeadlineSeconds"
    if new.active_deadline_seconds is None:
        yield invalid(path, None, "must not update from a positive integer to nil value")
    elif new.active_deadline_seconds > old.active_deadline_seconds:
        detail = "must be less than or equal to previous value"
        yield invalid(path, new.active_deadline_seconds, detail)


def _with_changeable(new: PodSpec, old: PodSpec) -> PodSpec:
    """Return `new` with everything that may change as in `old`: what still differs then may not."""
    spec = replace(
        new,
        containers=_with_images_of(new.containers, old.containers),
        init_containers=_with_images_of(new.init_containers, old.init_containers),
        active_deadline_seconds=old.active_deadline_seconds,
        tolerations=old.tolerations,
        scheduling_gates=old.scheduling_gates,
    )
    grace_s = old.termination_grace_period_seconds
    if grace_s is not None and grace_s < 0 and new.termination_grace_period_seconds == 1:
        spec = replace(spec, termination_grace_period_seconds=grace_s)
    return with_placement_of(spec, old) if old.scheduling_gates else spec


def _with_images_of(new: tuple[Container, ...], old: tuple[Container, ...]) -> tuple[Container, ...]:
    return tuple([replace(mine, image=theirs.image) for mine, theirs in zip(new, old, strict=True)])


def resized(new: PodSpec, old: PodSpec) -> PodSpec:
    """Return the old spec with the resources that `new` has for the pod and its containers."""
    spec = replace(
        old,
        containers=_with_resources_of(old.containers, new.containers),
        init_containers=_with_resources_of(old.init_containers, new.init_containers),
        resources=new.resources,
    )
    return default_pod_resources(spec)


def _with_resources_of(old: tuple[Container, ...], new: tuple[Container, ...]) -> tuple[Container, ...]:
    wanted = {container.name: container for container in new}
    return tuple([_with_resources(container, wanted.get(container.name)) for container in old])


def _with_resources(container: Container, wanted: Container | None) -> Container:
    if wanted is None:
        return container
    return replace(container, resources=default_requests(wanted.resources), resize_policy=wanted.resize_policy)


def resize_errors(new: PodSpec, old: PodSpec) -> Errors:
    """Check new resources of a running pod and its containers."""
    yield from _pod_level_resize_errors(new, old)
    for index, container in enumerate(new.containers):
        yield from resource_errors(container.resources, f"spec.containers[{index}].resources")
    for field in ("containers", "init_containers"):
        wire = "containers" if field == "containers" else "initContainers"
        pairs = zip(getattr(new, field), getattr(old, field), strict=True)
        for index, (now, before) in enumerate(pairs):
            yield from _resources_lost_errors(now.resources, before.resources, f"spec.{wire}[{index}].resources")
            if _unsized(now.resources) != _unsized(before.resources):
                yield forbidden_field("spec", "only cpu and memory resources are mutable")
    if qos_class(new) != qos_class(old):
        yield invalid("spec", qos_class(old), "Pod QOS Class may not change as a result of resizing")


def _pod_level_resize_errors(new: PodSpec, old: PodSpec) -> Errors:
    path, before = "spec.resources", old.resources or ResourceRequirements()
    yield from pod_level_errors(new, path)
    if new.resources is None:
        if old.resources is not None:
            yield forbidden_field(path, "pod-level resources cannot be removed")
        return
    for field in ("requests", "limits"):
        if getattr(before, field).keys() - getattr(new.resources, field).keys():
            yield forbidden_field(f"{path}.{field}", f"pod-level resource {field} cannot be removed")
    if _unsized(new.resources) != _unsized(before):
        yield forbidden_field("spec", "only cpu and memory resources are mutable at pod-level")


def _resources_lost_errors(new: ResourceRequirements, old: ResourceRequirements, path: str) -> Errors:
    for field, now, before in (("limits", new.limits, old.limits), ("requests", new.requests, old.requests)):
        if before.keys() - now.keys():
            yield forbidden_field(f"{path}.{field}", f"resource {field} cannot be removed")


def _unsized(resources: ResourceRequirements) -> ResourceRequirements:
    """Return what a resize may not touch."""
    return replace(
        resources,
        limits={name: amount for name, amount in resources.limits.items() if name not in _COUNTED},
        requests={name: amount for name, amount in resources.requests.items() if name not in _COUNTED},
    )


def ephemeral_errors(new: PodSpec, old: PodSpec) -> Errors:
    """Check containers added to a running pod for debugging: those that are there stay as they are."""
    taken = {container.name for container in (*new.containers, *new.init_containers)}
    volumes = frozenset([volume.name for volume in new.volumes])
    for index, container in enumerate(new.ephemeral_containers):
        here = f"spec.ephemeralContainers[{index}]"
        yield from container_errors(container, volumes, here)
        yield from _ephemeral_only_errors(container, taken, here)
    names = {container.name: container for container in new.ephemeral_containers}
    for container in old.ephemeral_containers:
        if container.name not in names:
            detail = f"existing ephemeral containers {container.name!r} may not be removed".replace("'", '"')
            yield forbidden_field("spec.ephemeralContainers", detail)
        elif names[container.name] != container:
            detail = f"existing ephemeral containers {container.name!r} may not be changed".replace("'", '"')
            yield forbidden_field("spec.ephemeralContainers", detail)


def _ephemeral_only_errors(container: EphemeralContainer, taken: set[str], path: str) -> Errors:
    if container.name in taken:
        yield duplicate(f"{path}.name", container.name)
    plain = EphemeralContainer()
    for field, wire in _NEVER_EPHEMERAL.items():
        if getattr(container, field) != getattr(plain, field):
            yield forbidden_field(f"{path}.{wire}", "cannot be set for an Ephemeral Container")
    for index, mount in enumerate(container.volume_mounts):
        for field, value in (("subPath", mount.sub_path), ("subPathExpr", mount.sub_path_expr)):
            if value:
                here = f"{path}.volumeMounts[{index}].{field}"
                yield forbidden_field(here, "cannot be set for an Ephemeral Container")
    if container.target_container_name and container.target_container_name not in taken:
        yield missing_reference(f"{path}.targetContainerName", container.target_container_name)


_NEVER_EPHEMERAL: Final = {
    "ports": "ports",
    "liveness_probe": "livenessProbe",
    "readiness_probe": "readinessProbe",
    "startup_probe": "startupProbe",
    "lifecycle": "lifecycle",
    "resources": "resources",
    "resize_policy": "resizePolicy",
    "restart_policy": "restartPolicy",
}
"""What makes no sense for a container that is there to look at others."""


class PodTemplateStrategy(Strategy[PodTemplate]):
    """Stored patterns for pods, which nothing acts on."""

    returns_deleted = True

    def default(self, obj: PodTemplate) -> PodTemplate:
        template = default_template(obj.template)
        return obj if template is obj.template else replace(obj, template=template)

    def prepare_create(self, obj: PodTemplate, context: Context) -> PodTemplate:
        return with_metadata(obj, generation=1)

    def prepare_update(self, new: PodTemplate, old: PodTemplate, context: Context) -> PodTemplate:
        return with_metadata(new, generation=old.metadata.generation + (new.template != old.template))

    def validate(self, obj: PodTemplate) -> list[FieldError]:
        return list(template_errors(obj.template, "template"))
