"""Fill in what a pod's author left out, for pods and for the templates that carry them.

Keeps true: a stored pod spec names every setting that the node agent and the scheduler act on.
Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1, the defaults of each field.
"""

import re
from typing import Final, TypeVar

from msgspec.structs import replace

from kube.api.core_v1 import (
    Container,
    ContainerPort,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    DownwardAPIVolumeSource,
    EmptyDirVolumeSource,
    EnvVar,
    EnvVarSource,
    EphemeralContainer,
    EphemeralVolumeSource,
    HTTPGetAction,
    ImageVolumeSource,
    ISCSIVolumeSource,
    Lifecycle,
    LifecycleHandler,
    ObjectFieldSelector,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate,
    Pod,
    PodSecurityContext,
    PodSpec,
    PodTemplateSpec,
    Probe,
    ProjectedVolumeSource,
    ResourceFieldSelector,
    ResourceRequirements,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)
from kube.memo import by_content, by_identity, by_text
from kube.objects import with_defaults
from kube.quantity import Quantity
from kube.requests import container_requests

from .filling import each, where_none, within
from .resources import is_pod_level

AnyContainer = TypeVar("AnyContainer", Container, EphemeralContainer)

FILE_MODE: Final = 0o644
_PART: Final = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_IMAGE: Final = re.compile(
    rf"(?:[\w.-]+(?::\d+)?/)?{_PART}(?:/{_PART})*(?::\w[\w.-]*)?(?:@[\w.+-]+:[0-9a-fA-F]+)?", re.ASCII
)
TEMPLATES_MAX: Final = 128
TOKEN_SECONDS: Final = 3600
_NO_SECURITY_CONTEXT: Final = PodSecurityContext()
_EMPTY_DIR: Final = EmptyDirVolumeSource()
_ZERO: Final = Quantity("0")


def default_pod(pod: Pod) -> Pod:
    """Return the pod with every default set, those that only whole pods have included."""
    spec = _default_whole_spec(pod.spec)
    return pod if spec is pod.spec else replace(pod, spec=spec)


@by_identity(TEMPLATES_MAX)
@by_content(TEMPLATES_MAX)
def _default_whole_spec(spec: PodSpec) -> PodSpec:
    """Return the spec of a pod with its defaults; pods of one template share it from here on."""
    spec = default_pod_spec(spec)
    containers = each(spec.containers, _default_requests)
    init_containers = each(spec.init_containers, _default_requests)
    if spec.host_network:
        containers, init_containers = each(containers, _default_host_ports), each(init_containers, _default_host_ports)
    if containers is not spec.containers or init_containers is not spec.init_containers:
        spec = replace(spec, containers=containers, init_containers=init_containers)
    spec = default_pod_resources(spec)
    grace_s = spec.termination_grace_period_seconds
    if grace_s is not None and grace_s < 0:
        spec = replace(spec, termination_grace_period_seconds=1)
    return where_none(spec, enable_service_links=True)


def default_pod_resources(spec: PodSpec) -> PodSpec:
    """Return a spec whose pod, where it is limited as a whole, also asks for something as a whole.

    That is what its containers ask for together; of what none of them asks for, all that it may use.
    """
    whole = spec.resources
    if whole is None or not whole.limits:
        return spec
    asked = {name: amount for name, amount in container_requests(spec).items() if name in ("cpu", "memory")}
    limits = {name: amount for name, amount in whole.limits.items() if is_pod_level(name)}
    return replace(spec, resources=replace(whole, requests={**limits, **asked, **whole.requests}))


def default_template(template: PodTemplateSpec) -> PodTemplateSpec:
    """Return a pod template with the defaults of its spec set."""
    spec = default_pod_spec(template.spec)
    return template if spec is template.spec else replace(template, spec=spec)


def default_pod_spec(spec: PodSpec) -> PodSpec:
    """Return the spec with the defaults that pods and templates share."""
    account = spec.service_account_name or spec.service_account
    changes = {
        "containers": each(spec.containers, _default_container),
        "init_containers": each(spec.init_containers, _default_container),
        "ephemeral_containers": each(spec.ephemeral_containers, _default_container),
        "volumes": each(spec.volumes, default_volume),
        "restart_policy": spec.restart_policy or "Always",
        "dns_policy": spec.dns_policy or "ClusterFirst",
        "scheduler_name": spec.scheduler_name or "default-scheduler",
        "service_account_name": account,
        "service_account": account,
        "scheduling_group": None,  # The gate GenericWorkload is closed in Kubernetes 1.36.
    }
    changes = {name: value for name, value in changes.items() if getattr(spec, name) is not value}
    if changes:
        spec = replace(spec, **changes)
    return where_none(spec, termination_grace_period_seconds=30, security_context=_NO_SECURITY_CONTEXT)


def _default_container(container: AnyContainer) -> AnyContainer:
    container = with_defaults(
        container,
        image_pull_policy=pull_policy(container.image),
        termination_message_path="/dev/termination-log",
        termination_message_policy="File",
    )
    return within(
        container,
        ports=_default_ports,
        env=_default_env,
        liveness_probe=_default_probe,
        readiness_probe=_default_probe,
        startup_probe=_default_probe,
        lifecycle=_default_lifecycle,
    )


@by_text(1024)
def pull_policy(image: str) -> str:
    """Return when to pull an image whose author did not say: always for a tag that moves, else where it is missing."""
    if not _IMAGE.fullmatch(image):
        return "IfNotPresent"
    if "@" in image:
        image, _, _ = image.partition("@")
        return "Always" if image.endswith(":latest") else "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _default_ports(ports: tuple[ContainerPort, ...]) -> tuple[ContainerPort, ...]:
    return each(ports, _default_port)


def _default_port(port: ContainerPort) -> ContainerPort:
    return port if port.protocol else replace(port, protocol="TCP")


def _default_host_ports(container: Container) -> Container:
    return within(container, ports=lambda ports: each(ports, _default_host_port))


def _default_host_port(port: ContainerPort) -> ContainerPort:
    return port if port.host_port else replace(port, host_port=port.container_port)


def _default_requests(container: Container) -> Container:
    """Ask for what the limits allow, where a limit is set without a request."""
    resources = default_requests(container.resources)
    return container if resources is container.resources else replace(container, resources=resources)


def default_requests(resources: ResourceRequirements) -> ResourceRequirements:
    """Return the resources with a request for every limit."""
    if not resources.limits or resources.limits.keys() <= resources.requests.keys():
        return resources
    return replace(resources, requests={**resources.limits, **resources.requests})


def _default_env(env: tuple[EnvVar, ...]) -> tuple[EnvVar, ...]:
    return each(env, _default_variable)


def _default_variable(variable: EnvVar) -> EnvVar:
    return variable if variable.value_from is None else within(variable, value_from=_default_value_source)


def _default_value_source(source: EnvVarSource) -> EnvVarSource:
    return within(
        source,
        field_ref=_default_field,
        resource_field_ref=_default_resource_field,
        file_key_ref=lambda key: where_none(key, optional=False),
    )


def _default_field(field: ObjectFieldSelector) -> ObjectFieldSelector:
    return field if field.api_version else replace(field, api_version="v1")


def _default_resource_field(field: ResourceFieldSelector) -> ResourceFieldSelector:
    return where_none(field, divisor=_ZERO)


def _default_probe(probe: Probe) -> Probe:
    probe = with_defaults(probe, timeout_seconds=1, period_seconds=10, success_threshold=1, failure_threshold=3)
    return within(probe, http_get=_default_http_get, grpc=lambda grpc: where_none(grpc, service=""))


def _default_http_get(action: HTTPGetAction) -> HTTPGetAction:
    return with_defaults(action, path="/", scheme="HTTP")


def _default_lifecycle(lifecycle: Lifecycle) -> Lifecycle:
    return within(lifecycle, post_start=_default_handler, pre_stop=_default_handler)


def _default_handler(handler: LifecycleHandler) -> LifecycleHandler:
    return within(handler, http_get=_default_http_get)


def default_volume(volume: Volume) -> Volume:
    """Return a volume with the defaults of its source; a volume without a source becomes an emptyDir."""
    if volume == Volume(name=volume.name):
        return replace(volume, empty_dir=_EMPTY_DIR)
    return within(
        volume,
        config_map=_default_mode,
        secret=_default_mode,
        projected=_default_projected,
        downward_api=_default_downward_volume,
        host_path=lambda source: where_none(source, type=""),
        ephemeral=_default_ephemeral,
        image=_default_image,
        iscsi=_default_iscsi,
    )


T = TypeVar("T")


def _default_mode(source: T) -> T:
    return where_none(source, default_mode=FILE_MODE)


def _default_projected(source: ProjectedVolumeSource) -> ProjectedVolumeSource:
    return within(_default_mode(source), sources=lambda sources: each(sources, _default_projection))


def _default_projection(projection: VolumeProjection) -> VolumeProjection:
    return within(projection, service_account_token=_default_token, downward_api=_default_downward)


def _default_token(token: ServiceAccountTokenProjection) -> ServiceAccountTokenProjection:
    return where_none(token, expiration_seconds=TOKEN_SECONDS)


def _default_downward(source: DownwardAPIProjection) -> DownwardAPIProjection:
    return within(source, items=_default_downward_files)


def _default_downward_volume(source: DownwardAPIVolumeSource) -> DownwardAPIVolumeSource:
    return within(_default_mode(source), items=_default_downward_files)


def _default_downward_files(files: tuple[DownwardAPIVolumeFile, ...]) -> tuple[DownwardAPIVolumeFile, ...]:
    return each(files, _default_downward_file)


def _default_downward_file(file: DownwardAPIVolumeFile) -> DownwardAPIVolumeFile:
    return within(file, field_ref=_default_field, resource_field_ref=_default_resource_field)


def _default_ephemeral(source: EphemeralVolumeSource) -> EphemeralVolumeSource:
    return within(source, volume_claim_template=_default_claim_template)


def _default_claim_template(template: PersistentVolumeClaimTemplate) -> PersistentVolumeClaimTemplate:
    return within(template, spec=default_claim_spec)


def default_claim_spec(spec: PersistentVolumeClaimSpec) -> PersistentVolumeClaimSpec:
    """Return a claim's spec with its volume mode set."""
    return where_none(spec, volume_mode="Filesystem")


def _default_image(source: ImageVolumeSource) -> ImageVolumeSource:
    return with_defaults(source, pull_policy=pull_policy(source.reference))


def _default_iscsi(source: ISCSIVolumeSource) -> ISCSIVolumeSource:
    return with_defaults(source, iscsi_interface="default")
