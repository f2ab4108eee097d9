"""Fill in what a new pod gets from other objects: its service account's token, its priority, its runtime's overhead.

Reads ServiceAccounts, PriorityClasses and RuntimeClasses; a pod that names one that isn't there is refused.
Source: kubernetes.io/docs/reference/access-authn-authz/admission-controllers: ServiceAccount, Priority,
DefaultTolerationSeconds, RuntimeClass
"""

import asyncio
import random
from functools import cache
from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context
from kube.api.core_v1 import (
    ConfigMapProjection,
    Container,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    LocalObjectReference,
    ObjectFieldSelector,
    Pod,
    PodSpec,
    ProjectedVolumeSource,
    ServiceAccount,
    ServiceAccountTokenProjection,
    Toleration,
    Volume,
    VolumeMount,
    VolumeProjection,
)
from kube.api.node_v1 import RuntimeClass
from kube.api.scheduling_v1 import PriorityClass
from kube.errors import ApiError, forbidden
from kube.kinds import Kind
from kube.memo import by_identity
from kube.names import random_suffix

from .pod_defaults import FILE_MODE, TEMPLATES_MAX

TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a directory.
TOKEN_VOLUME_PREFIX: Final = "kube-api-access-"  # noqa: S105
MIRROR_ANNOTATION: Final = "kubernetes.io/config.mirror"
_EXPIRES_S: Final = 3607
_ACCOUNT_ATTEMPTS: Final = 10
_ACCOUNT_WAIT_S: Final = 0.1
_SUFFIXES: Final = random.Random()

_TOKEN_SOURCE: Final = ProjectedVolumeSource(
    default_mode=FILE_MODE,
    sources=(
        VolumeProjection(
            service_account_token=ServiceAccountTokenProjection(path="token", expiration_seconds=_EXPIRES_S)
        ),
        VolumeProjection(
            config_map=ConfigMapProjection(name="kube-root-ca.crt", items=(KeyToPath(key="ca.crt", path="ca.crt"),))
        ),
        VolumeProjection(
            downward_api=DownwardAPIProjection(
                items=(
                    DownwardAPIVolumeFile(
                        path="namespace",
                        field_ref=ObjectFieldSelector(api_version="v1", field_path="metadata.namespace"),
                    ),
                )
            )
        ),
    ),
)
_AWAY: Final = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


async def admit_pod(pod: Pod, kind: Kind, context: Context) -> Pod:
    """Return a new pod with everything that its cluster adds to it, or raise 403."""
    spec = pod.spec
    if MIRROR_ANNOTATION not in pod.metadata.annotations:
        spec = await with_service_account(pod, kind, context)
    spec = with_priority(replace(pod, spec=spec), kind, context)
    spec = with_tolerations(spec, context.node_patience_s)
    return replace(pod, spec=with_runtime_class(replace(pod, spec=spec), kind, context))


def readmit_pod(pod: Pod, old: Pod, context: Context) -> Pod:
    """Return a changed pod with what its cluster added to it and the change left out."""
    spec = with_tolerations(pod.spec, context.node_patience_s)
    if spec.priority is None and old.spec.priority is not None:
        spec = replace(spec, priority=old.spec.priority)
    if spec.preemption_policy is None and old.spec.preemption_policy is not None:
        spec = replace(spec, preemption_policy=old.spec.preemption_policy)
    return pod if spec is pod.spec else replace(pod, spec=spec)


async def with_service_account(pod: Pod, kind: Kind, context: Context) -> PodSpec:
    """Return the spec with its service account, that account's pull secrets, and the account's token in a volume."""
    spec = pod.spec
    name = spec.service_account_name or "default"
    account = await _find_account(pod, name, kind, context)
    secrets = spec.image_pull_secrets or account.image_pull_secrets
    return _of_account(spec, name, secrets, _wants_token(spec, account))


@by_identity(TEMPLATES_MAX)
def _of_account(spec: PodSpec, name: str, secrets: tuple[LocalObjectReference, ...], wants_token: bool) -> PodSpec:
    """Return the spec for an account; pods of one template get the very same, with one name for the volume."""
    if spec.service_account_name != name:
        spec = replace(spec, service_account_name=name, service_account=name)
    if secrets is not spec.image_pull_secrets:
        spec = replace(spec, image_pull_secrets=secrets)
    return with_token_volume(spec) if wants_token else spec


async def _find_account(pod: Pod, name: str, kind: Kind, context: Context) -> ServiceAccount:
    """Return the pod's account; the default one is waited for, since a new namespace gets it a moment later."""
    namespace = pod.metadata.namespace
    account = context.objects.get(ServiceAccount, name, namespace)
    attempts = _ACCOUNT_ATTEMPTS if name == "default" else 1
    for attempt in range(attempts):
        if account is not None:
            return account
        if attempt:
            await asyncio.sleep(_ACCOUNT_WAIT_S)
        account = await context.objects.fetch(ServiceAccount, name, namespace)
    if account is not None:
        return account
    reason = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
    raise refused(pod, kind, reason)


def refused(pod: Pod, kind: Kind, reason: str) -> ApiError:
    """Return the 403 that says why a pod may not be made."""
    name = pod.metadata.name or pod.metadata.generate_name
    return forbidden(kind, name, f'pods "{name}" is forbidden: {reason}')


def _wants_token(spec: PodSpec, account: ServiceAccount) -> bool:
    if spec.automount_service_account_token is not None:
        return spec.automount_service_account_token
    return account.automount_service_account_token is not False


def with_token_volume(spec: PodSpec) -> PodSpec:
    """Return the spec with the account's token mounted into each container that has nothing else in that place."""
    present = next((v.name for v in spec.volumes if v.name.startswith(TOKEN_VOLUME_PREFIX)), "")
    name = present or TOKEN_VOLUME_PREFIX + random_suffix(_SUFFIXES)
    mount = VolumeMount(name=name, read_only=True, mount_path=TOKEN_PATH)
    containers = tuple([_with_mount(container, mount) for container in spec.containers])
    init_containers = tuple([_with_mount(container, mount) for container in spec.init_containers])
    if containers == spec.containers and init_containers == spec.init_containers:
        return spec
    volumes = spec.volumes if present else (*spec.volumes, Volume(name=name, projected=_TOKEN_SOURCE))
    return replace(spec, containers=containers, init_containers=init_containers, volumes=volumes)


def _with_mount(container: Container, mount: VolumeMount) -> Container:
    if any(present.mount_path == TOKEN_PATH for present in container.volume_mounts):
        return container
    return replace(container, volume_mounts=(*container.volume_mounts, mount))


def with_priority(pod: Pod, kind: Kind, context: Context) -> PodSpec:
    """Return the spec with the number and the preemption policy of its priority class."""
    spec = pod.spec
    if spec.priority_class_name:
        found = context.objects.get(PriorityClass, spec.priority_class_name)
        if found is None:
            raise refused(pod, kind, f"no PriorityClass with name {spec.priority_class_name} was found")
    else:
        defaults = [one for one in context.objects.all(PriorityClass) if one.global_default]
        found = min(defaults, key=lambda one: one.value, default=_NO_CLASS)
    if spec.priority is not None and spec.priority != found.value:
        raise refused(
            pod,
            kind,
            f"the integer value of priority ({spec.priority}) must not be provided in pod spec;"
            f" priority admission controller computed {found.value} from the given PriorityClass name",
        )
    policy = found.preemption_policy or "PreemptLowerPriority"
    if spec.preemption_policy not in (None, policy):
        raise refused(
            pod,
            kind,
            f"the string value of PreemptionPolicy ({spec.preemption_policy}) must not be provided in pod spec;"
            f" priority admission controller computed {policy} from the given PriorityClass name",
        )
    return _of_class(spec, found.metadata.name, found.value, policy)


@by_identity(TEMPLATES_MAX)
def _of_class(spec: PodSpec, name: str, value: int, policy: str) -> PodSpec:
    return replace(spec, priority=value, priority_class_name=name, preemption_policy=policy)


_NO_CLASS: Final = PriorityClass(value=0)


def with_runtime_class(pod: Pod, kind: Kind, context: Context) -> PodSpec:
    """Return the spec with the overhead and the placement of its runtime class."""
    spec = pod.spec
    if not spec.runtime_class_name:
        if spec.overhead:
            raise refused(
                pod, kind, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )
        return spec
    found = context.objects.get(RuntimeClass, spec.runtime_class_name)
    if found is None:
        raise refused(pod, kind, f'pod rejected: RuntimeClass "{spec.runtime_class_name}" not found')
    if found.overhead is not None and found.overhead.pod_fixed:
        if spec.overhead and spec.overhead != found.overhead.pod_fixed:
            detail = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
            raise refused(pod, kind, detail)
        spec = replace(spec, overhead=found.overhead.pod_fixed)
    if found.scheduling is None:
        return spec
    for key, value in found.scheduling.node_selector.items():
        if spec.node_selector.get(key, value) != value:
            detail = f"pod rejected: conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}"
            raise refused(pod, kind, f"{detail}; pod.spec.nodeSelector[{key}] = {spec.node_selector[key]}")
    added = tuple([toleration for toleration in found.scheduling.tolerations if toleration not in spec.tolerations])
    return replace(
        spec,
        node_selector={**spec.node_selector, **found.scheduling.node_selector},
        tolerations=(*spec.tolerations, *added),
    )


@by_identity(TEMPLATES_MAX)
def with_tolerations(spec: PodSpec, patience_s: int) -> PodSpec:
    """Return the spec with a bounded patience for nodes that are away, unless it says something else itself."""
    added = tuple([_patient(key, patience_s) for key in _AWAY if not _tolerates(spec.tolerations, key)])
    return replace(spec, tolerations=(*spec.tolerations, *added)) if added else spec


@cache
def _patient(key: str, patience_s: int) -> Toleration:
    return Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=patience_s)


def _tolerates(tolerations: tuple[Toleration, ...], key: str) -> bool:
    return any(one.key in ("", key) and one.effect in ("", "NoExecute") for one in tolerations)
