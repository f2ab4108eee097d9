"""The types of core/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.meta_v1 import Condition, LabelSelector, ListMeta, ObjectMeta
from kube.api.object import Atomic, Granular, ListAtomic, ListMap, ListSet, Object, always, atomic, renamed
from kube.api.scalars import Int32, Int64, IntOrString, MicroTime, Time
from kube.quantity import Quantity


class AWSElasticBlockStoreVolumeSource(Object, frozen=True, rename=renamed(volume_id="volumeID")):
    """A volume held on an Amazon EBS disk."""

    fs_type: str = ""
    partition: Int32 = 0
    read_only: bool = False
    volume_id: str = always("")


class NodeSelectorRequirement(Object, frozen=True):
    """One test on a node's label or field."""

    key: str = always("")
    operator: str = always("")
    values: tuple[str, ...] = ()


@atomic
class NodeSelectorTerm(Object, frozen=True):
    """Label and field tests that a node must pass together."""

    match_expressions: tuple[NodeSelectorRequirement, ...] = ()
    match_fields: tuple[NodeSelectorRequirement, ...] = ()


@atomic
class NodeSelector(Object, frozen=True):
    """Alternative terms of which a node must match at least one."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = always(())


class PreferredSchedulingTerm(Object, frozen=True):
    """A node preference and how much it weighs."""

    preference: NodeSelectorTerm = always(NodeSelectorTerm())
    weight: Int32 = always(0)


class NodeAffinity(Object, frozen=True):
    """Which nodes a pod must have or would rather have."""

    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: NodeSelector | None = None


class PodAffinityTerm(Object, frozen=True):
    """Which pods to consider, and the topology that counts as close."""

    label_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    mismatch_label_keys: tuple[str, ...] = ()
    namespace_selector: LabelSelector | None = None
    namespaces: tuple[str, ...] = ()
    topology_key: str = always("")


class WeightedPodAffinityTerm(Object, frozen=True):
    """A pod placement preference and how much it weighs."""

    pod_affinity_term: PodAffinityTerm = always(PodAffinityTerm())
    weight: Int32 = always(0)


class PodAffinity(Object, frozen=True):
    """Rules for placing a pod close to certain other pods."""

    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()


class PodAntiAffinity(Object, frozen=True):
    """Rules for keeping a pod away from certain other pods."""

    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] = ()
    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()


class Affinity(Object, frozen=True):
    """A pod's preferences and demands about nodes and neighbouring pods."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAntiAffinity | None = None


class AppArmorProfile(Object, frozen=True):
    """Which AppArmor profile confines a container."""

    localhost_profile: str | None = None
    type: str = always("")


class AttachedVolume(Object, frozen=True):
    """A volume attached to a node, and its device path there."""

    device_path: str = always("")
    name: str = always("")


class AzureDiskVolumeSource(Object, frozen=True, rename=renamed(disk_uri="diskURI")):
    """A volume held on an Azure managed or blob disk."""

    caching_mode: str | None = None
    disk_name: str = always("")
    disk_uri: str = always("")
    fs_type: str | None = None
    kind: str | None = None
    read_only: bool | None = None


class AzureFilePersistentVolumeSource(Object, frozen=True):
    """An Azure file share backing a persistent volume."""

    read_only: bool = False
    secret_name: str = always("")
    secret_namespace: str | None = None
    share_name: str = always("")


class AzureFileVolumeSource(Object, frozen=True):
    """An Azure file share mounted straight into a pod."""

    read_only: bool = False
    secret_name: str = always("")
    share_name: str = always("")


@atomic
class ObjectReference(Object, frozen=True):
    """Points at an object, or part of one, anywhere in the cluster."""

    api_version: str = ""
    field_path: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    resource_version: str = ""
    uid: str = ""


class Binding(Object, frozen=True):
    """Ties a pod to the node chosen for it."""

    api_version: str = always("v1")
    kind: str = always("Binding")
    metadata: ObjectMeta = always(ObjectMeta())
    target: ObjectReference = always(ObjectReference())


@atomic
class SecretReference(Object, frozen=True):
    """The name and namespace of a secret."""

    name: str = ""
    namespace: str = ""


class CSIPersistentVolumeSource(Object, frozen=True):
    """A persistent volume supplied by a CSI driver."""

    controller_expand_secret_ref: SecretReference | None = None
    controller_publish_secret_ref: SecretReference | None = None
    driver: str = always("")
    fs_type: str = ""
    node_expand_secret_ref: SecretReference | None = None
    node_publish_secret_ref: SecretReference | None = None
    node_stage_secret_ref: SecretReference | None = None
    read_only: bool = False
    volume_attributes: Mapping[str, str] = {}
    volume_handle: str = always("")


@atomic
class LocalObjectReference(Object, frozen=True):
    """The name of another object in the same namespace."""

    name: str = ""


class CSIVolumeSource(Object, frozen=True):
    """A short-lived volume supplied inline by a CSI driver."""

    driver: str = always("")
    fs_type: str | None = None
    node_publish_secret_ref: LocalObjectReference | None = None
    read_only: bool | None = None
    volume_attributes: Mapping[str, str] = {}


class Capabilities(Object, frozen=True):
    """Linux capabilities given to and taken from a container."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class CephFSPersistentVolumeSource(Object, frozen=True):
    """A CephFS mount backing a persistent volume."""

    monitors: tuple[str, ...] = always(())
    path: str = ""
    read_only: bool = False
    secret_file: str = ""
    secret_ref: SecretReference | None = None
    user: str = ""


class CephFSVolumeSource(Object, frozen=True):
    """A CephFS mount used straight from a pod."""

    monitors: tuple[str, ...] = always(())
    path: str = ""
    read_only: bool = False
    secret_file: str = ""
    secret_ref: LocalObjectReference | None = None
    user: str = ""


class CinderPersistentVolumeSource(Object, frozen=True, rename=renamed(volume_id="volumeID")):
    """An OpenStack Cinder disk backing a persistent volume."""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None
    volume_id: str = always("")


class CinderVolumeSource(Object, frozen=True, rename=renamed(volume_id="volumeID")):
    """An OpenStack Cinder disk used straight from a pod."""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    volume_id: str = always("")


class ClientIPConfig(Object, frozen=True):
    """How long a client IP keeps going to the same pod."""

    timeout_seconds: Int32 | None = None


class ClusterTrustBundleProjection(Object, frozen=True):
    """Writes CA certificates from trust bundles into a projected volume."""

    label_selector: LabelSelector | None = None
    name: str | None = None
    optional: bool | None = None
    path: str = always("")
    signer_name: str | None = None


class ComponentCondition(Object, frozen=True):
    """A health finding about one control plane component."""

    error: str = ""
    message: str = ""
    status: str = always("")
    type: str = always("")


class ComponentStatus(Object, frozen=True):
    """The health of a control plane component (deprecated)."""

    api_version: str = always("v1")
    kind: str = always("ComponentStatus")
    conditions: Annotated[tuple[ComponentCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    metadata: ObjectMeta = always(ObjectMeta())


class ComponentStatusList(Object, frozen=True):
    """A list of component statuses."""

    api_version: str = always("v1")
    kind: str = always("ComponentStatusList")
    items: tuple[ComponentStatus, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ConfigMap(Object, frozen=True):
    """Configuration data kept as keys and values, not secret."""

    api_version: str = always("v1")
    kind: str = always("ConfigMap")
    binary_data: Mapping[str, bytes] = {}
    data: Mapping[str, str] = {}
    immutable: bool | None = None
    metadata: ObjectMeta = always(ObjectMeta())


class ConfigMapEnvSource(Object, frozen=True):
    """A config map whose keys all become environment variables."""

    name: str = ""
    optional: bool | None = None


@atomic
class ConfigMapKeySelector(Object, frozen=True):
    """Picks one key of a config map."""

    key: str = always("")
    name: str = ""
    optional: bool | None = None


class ConfigMapList(Object, frozen=True):
    """A list of config maps."""

    api_version: str = always("v1")
    kind: str = always("ConfigMapList")
    items: tuple[ConfigMap, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ConfigMapNodeConfigSource(Object, frozen=True):
    """A config map once used to configure a kubelet (deprecated)."""

    kubelet_config_key: str = always("")
    name: str = always("")
    namespace: str = always("")
    resource_version: str = ""
    uid: str = ""


class KeyToPath(Object, frozen=True):
    """Maps one key to a file path and mode in a volume."""

    key: str = always("")
    mode: Int32 | None = None
    path: str = always("")


class ConfigMapProjection(Object, frozen=True):
    """Puts a config map's keys as files in a projected volume."""

    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class ConfigMapVolumeSource(Object, frozen=True):
    """A volume whose files are the keys of a config map."""

    default_mode: Int32 | None = None
    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class ContainerPort(Object, frozen=True, rename=renamed(host_ip="hostIP")):
    """A port that a container listens on."""

    container_port: Int32 = always(0)
    host_ip: str = ""
    host_port: Int32 = 0
    name: str = ""
    protocol: str = ""


class ContainerResizePolicy(Object, frozen=True):
    """Whether a container restarts when a given resource is resized."""

    resource_name: str = always("")
    restart_policy: str = always("")


class ContainerRestartRuleOnExitCodes(Object, frozen=True):
    """A test on a container's exit code, for a restart rule."""

    operator: str = ""
    values: Annotated[tuple[Int32, ...], ListSet()] = ()


class ContainerRestartRule(Object, frozen=True):
    """What to do when a container exits in a certain way."""

    action: str = ""
    exit_codes: ContainerRestartRuleOnExitCodes | None = None


class SecretEnvSource(Object, frozen=True):
    """A secret whose keys all become environment variables."""

    name: str = ""
    optional: bool | None = None


class EnvFromSource(Object, frozen=True):
    """A config map or secret to import whole into the environment."""

    config_map_ref: ConfigMapEnvSource | None = None
    prefix: str = ""
    secret_ref: SecretEnvSource | None = None


@atomic
class FileKeySelector(Object, frozen=True):
    """Picks one key out of an env file stored in a volume."""

    key: str = always("")
    optional: bool | None = None
    path: str = always("")
    volume_name: str = always("")


@atomic
class ObjectFieldSelector(Object, frozen=True):
    """Names a field of the pod by its path."""

    api_version: str = ""
    field_path: str = always("")


@atomic
class ResourceFieldSelector(Object, frozen=True):
    """Names a container's resource request or limit, with a divisor."""

    container_name: str = ""
    divisor: Quantity | None = None
    resource: str = always("")


@atomic
class SecretKeySelector(Object, frozen=True):
    """Picks one key of a secret."""

    key: str = always("")
    name: str = ""
    optional: bool | None = None


class EnvVarSource(Object, frozen=True):
    """Where an environment variable's value is read from."""

    config_map_key_ref: ConfigMapKeySelector | None = None
    field_ref: ObjectFieldSelector | None = None
    file_key_ref: FileKeySelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    secret_key_ref: SecretKeySelector | None = None


class EnvVar(Object, frozen=True):
    """One environment variable, with a value or a place to get it."""

    name: str = always("")
    value: str = ""
    value_from: EnvVarSource | None = None


class ExecAction(Object, frozen=True):
    """A command to run inside a container."""

    command: tuple[str, ...] = ()


class HTTPHeader(Object, frozen=True):
    """A header name and value to send with a probe."""

    name: str = always("")
    value: str = always("")


class HTTPGetAction(Object, frozen=True):
    """An HTTP GET to make against a container."""

    host: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()
    path: str = ""
    port: IntOrString | None = None
    scheme: str = ""


class SleepAction(Object, frozen=True):
    """A pause of some seconds, used as a lifecycle hook."""

    seconds: Int64 = always(0)


class TCPSocketAction(Object, frozen=True):
    """A try at opening a TCP connection to a port."""

    host: str = ""
    port: IntOrString | None = None


class LifecycleHandler(Object, frozen=True):
    """What a lifecycle hook does: a command, request, connection or sleep."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    sleep: SleepAction | None = None
    tcp_socket: TCPSocketAction | None = None


class Lifecycle(Object, frozen=True):
    """Hooks run after a container starts and before it stops."""

    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None


class GRPCAction(Object, frozen=True):
    """A gRPC health check on a port."""

    port: Int32 = always(0)
    service: str | None = None


class Probe(Object, frozen=True):
    """A repeated check on a container, with its timing and thresholds."""

    exec: ExecAction | None = None
    failure_threshold: Int32 = 0
    grpc: GRPCAction | None = None
    http_get: HTTPGetAction | None = None
    initial_delay_seconds: Int32 = 0
    period_seconds: Int32 = 0
    success_threshold: Int32 = 0
    tcp_socket: TCPSocketAction | None = None
    termination_grace_period_seconds: Int64 | None = None
    timeout_seconds: Int32 = 0


class ResourceClaim(Object, frozen=True):
    """A container's use of one of its pod's device claims."""

    name: str = always("")
    request: str = ""


class ResourceRequirements(Object, frozen=True):
    """The resources a container asks for and may not exceed."""

    claims: Annotated[tuple[ResourceClaim, ...], ListMap(keys=("name",))] = ()
    limits: Mapping[str, Quantity] = {}
    requests: Mapping[str, Quantity] = {}


class SELinuxOptions(Object, frozen=True):
    """The SELinux user, role, type and level for a container."""

    level: str = ""
    role: str = ""
    type: str = ""
    user: str = ""


class SeccompProfile(Object, frozen=True):
    """Which seccomp profile filters a container's system calls."""

    localhost_profile: str | None = None
    type: str = always("")


class WindowsSecurityContextOptions(Object, frozen=True):
    """Windows-only security settings, such as the user name and GMSA."""

    gmsa_credential_spec: str | None = None
    gmsa_credential_spec_name: str | None = None
    host_process: bool | None = None
    run_as_user_name: str | None = None


class SecurityContext(Object, frozen=True):
    """Security settings for one container, such as user and privileges."""

    allow_privilege_escalation: bool | None = None
    app_armor_profile: AppArmorProfile | None = None
    capabilities: Capabilities | None = None
    privileged: bool | None = None
    proc_mount: str | None = None
    read_only_root_filesystem: bool | None = None
    run_as_group: Int64 | None = None
    run_as_non_root: bool | None = None
    run_as_user: Int64 | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    windows_options: WindowsSecurityContextOptions | None = None


class VolumeDevice(Object, frozen=True):
    """Gives a container a raw block device from a claim."""

    device_path: str = always("")
    name: str = always("")


class VolumeMount(Object, frozen=True):
    """Where and how a volume appears in a container."""

    mount_path: str = always("")
    mount_propagation: str | None = None
    name: str = always("")
    read_only: bool = False
    recursive_read_only: str | None = None
    sub_path: str = ""
    sub_path_expr: str = ""


class Container(Object, frozen=True):
    """One program to run in a pod, with its image, command and limits."""

    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Annotated[tuple[EnvVar, ...], ListMap(keys=("name",), patch="name")] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    image: str = ""
    image_pull_policy: str = ""
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    name: str = always("")
    ports: Annotated[tuple[ContainerPort, ...], ListMap(keys=("containerPort", "protocol"), patch="containerPort")] = ()
    readiness_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    resources: ResourceRequirements = always(ResourceRequirements())
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    security_context: SecurityContext | None = None
    startup_probe: Probe | None = None
    stdin: bool = False
    stdin_once: bool = False
    termination_message_path: str = ""
    termination_message_policy: str = ""
    tty: bool = False
    volume_devices: Annotated[tuple[VolumeDevice, ...], ListMap(keys=("devicePath",), patch="devicePath")] = ()
    volume_mounts: Annotated[tuple[VolumeMount, ...], ListMap(keys=("mountPath",), patch="mountPath")] = ()
    working_dir: str = ""


class ContainerExtendedResourceRequest(Object, frozen=True):
    """Links a container's extended resource to the claim request that fills it."""

    container_name: str = always("")
    request_name: str = always("")
    resource_name: str = always("")


class ContainerImage(Object, frozen=True):
    """An image present on a node, with its names and size."""

    names: tuple[str, ...] = always(())
    size_bytes: Int64 = 0


class ContainerStateRunning(Object, frozen=True):
    """When a running container started."""

    started_at: Time | None = always(None)


class ContainerStateTerminated(Object, frozen=True, rename=renamed(container_id="containerID")):
    """How, when and why a container ended."""

    container_id: str = ""
    exit_code: Int32 = always(0)
    finished_at: Time | None = always(None)
    message: str = ""
    reason: str = ""
    signal: Int32 = 0
    started_at: Time | None = always(None)


class ContainerStateWaiting(Object, frozen=True):
    """Why a container has not started yet."""

    message: str = ""
    reason: str = ""


class ContainerState(Object, frozen=True):
    """Whether a container is waiting, running or terminated."""

    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None
    waiting: ContainerStateWaiting | None = None


class LinuxContainerUser(Object, frozen=True):
    """The numeric user and group ids of a container's first process."""

    gid: Int64 = always(0)
    supplemental_groups: tuple[Int64, ...] = ()
    uid: Int64 = always(0)


class ContainerUser(Object, frozen=True):
    """The user identity a container's first process began with."""

    linux: LinuxContainerUser | None = None


class ResourceHealth(Object, frozen=True, rename=renamed(resource_id="resourceID")):
    """Whether one allocated device is healthy."""

    health: str = ""
    message: str | None = None
    resource_id: str = always("")


class ResourceStatus(Object, frozen=True):
    """The health of each device given to a container under one resource."""

    name: str = always("")
    resources: Annotated[tuple[ResourceHealth, ...], ListMap(keys=("resourceID",))] = ()


class ImageVolumeStatus(Object, frozen=True):
    """The resolved image behind an image volume."""

    image_ref: str = ""


class VolumeStatus(Object, frozen=True):
    """State of a mounted volume that depends on its type."""

    image: ImageVolumeStatus | None = None


class VolumeMountStatus(Object, frozen=True):
    """How a volume mount turned out in a container."""

    mount_path: str = always("")
    name: str = always("")
    read_only: bool = False
    recursive_read_only: str | None = None
    volume_status: VolumeStatus | None = None


class ContainerStatus(Object, frozen=True, rename=renamed(container_id="containerID", image_id="imageID")):
    """A container's current and last state, readiness, restarts and image."""

    allocated_resources: Mapping[str, Quantity] = {}
    allocated_resources_status: Annotated[tuple[ResourceStatus, ...], ListMap(keys=("name",), patch="name")] = ()
    container_id: str = ""
    image: str = always("")
    image_id: str = always("")
    last_state: ContainerState = always(ContainerState())
    name: str = always("")
    ready: bool = always(False)
    resources: ResourceRequirements | None = None
    restart_count: Int32 = always(0)
    started: bool | None = None
    state: ContainerState = always(ContainerState())
    stop_signal: str | None = None
    user: ContainerUser | None = None
    volume_mounts: Annotated[tuple[VolumeMountStatus, ...], ListMap(keys=("mountPath",), patch="mountPath")] = ()


class DaemonEndpoint(Object, frozen=True, rename=renamed(port="Port")):
    """The port a node daemon listens on."""

    port: Int32 = always(0)


class DownwardAPIVolumeFile(Object, frozen=True):
    """One file holding a pod field or a container resource value."""

    field_ref: ObjectFieldSelector | None = None
    mode: Int32 | None = None
    path: str = always("")
    resource_field_ref: ResourceFieldSelector | None = None


class DownwardAPIProjection(Object, frozen=True):
    """Puts facts about the pod as files in a projected volume."""

    items: tuple[DownwardAPIVolumeFile, ...] = ()


class DownwardAPIVolumeSource(Object, frozen=True):
    """A volume whose files tell a pod about itself."""

    default_mode: Int32 | None = None
    items: tuple[DownwardAPIVolumeFile, ...] = ()


class EmptyDirVolumeSource(Object, frozen=True):
    """A scratch directory that lasts as long as the pod."""

    medium: str = ""
    size_limit: Quantity | None = None


@atomic
class EndpointAddress(Object, frozen=True):
    """One IP behind a service, with its node and target."""

    hostname: str = ""
    ip: str = always("")
    node_name: str | None = None
    target_ref: ObjectReference | None = None


@atomic
class EndpointPort(Object, frozen=True):
    """A named port in an endpoints object."""

    app_protocol: str | None = None
    name: str = ""
    port: Int32 = always(0)
    protocol: str = ""


class EndpointSubset(Object, frozen=True):
    """A set of addresses that all share the same ports."""

    addresses: tuple[EndpointAddress, ...] = ()
    not_ready_addresses: tuple[EndpointAddress, ...] = ()
    ports: tuple[EndpointPort, ...] = ()


class Endpoints(Object, frozen=True):
    """The addresses behind a service (older form of endpoint slices)."""

    api_version: str = always("v1")
    kind: str = always("Endpoints")
    metadata: ObjectMeta = always(ObjectMeta())
    subsets: tuple[EndpointSubset, ...] = ()


class EndpointsList(Object, frozen=True):
    """A list of endpoints objects."""

    api_version: str = always("v1")
    kind: str = always("EndpointsList")
    items: tuple[Endpoints, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class EphemeralContainer(Object, frozen=True):
    """A container added to a running pod for debugging."""

    args: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Annotated[tuple[EnvVar, ...], ListMap(keys=("name",), patch="name")] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    image: str = ""
    image_pull_policy: str = ""
    lifecycle: Lifecycle | None = None
    liveness_probe: Probe | None = None
    name: str = always("")
    ports: Annotated[tuple[ContainerPort, ...], ListMap(keys=("containerPort", "protocol"), patch="containerPort")] = ()
    readiness_probe: Probe | None = None
    resize_policy: tuple[ContainerResizePolicy, ...] = ()
    resources: ResourceRequirements = always(ResourceRequirements())
    restart_policy: str | None = None
    restart_policy_rules: tuple[ContainerRestartRule, ...] = ()
    security_context: SecurityContext | None = None
    startup_probe: Probe | None = None
    stdin: bool = False
    stdin_once: bool = False
    target_container_name: str = ""
    termination_message_path: str = ""
    termination_message_policy: str = ""
    tty: bool = False
    volume_devices: Annotated[tuple[VolumeDevice, ...], ListMap(keys=("devicePath",), patch="devicePath")] = ()
    volume_mounts: Annotated[tuple[VolumeMount, ...], ListMap(keys=("mountPath",), patch="mountPath")] = ()
    working_dir: str = ""


@atomic
class TypedLocalObjectReference(Object, frozen=True):
    """The group, kind and name of an object in the same namespace."""

    api_group: str | None = always(None)
    kind: str = always("")
    name: str = always("")


class TypedObjectReference(Object, frozen=True):
    """The group, kind and name of an object, perhaps in another namespace."""

    api_group: str | None = always(None)
    kind: str = always("")
    name: str = always("")
    namespace: str | None = None


class VolumeResourceRequirements(Object, frozen=True):
    """The least and most storage a claim asks for."""

    limits: Mapping[str, Quantity] = {}
    requests: Mapping[str, Quantity] = {}


class PersistentVolumeClaimSpec(Object, frozen=True):
    """The size, access modes and class of storage wanted."""

    access_modes: tuple[str, ...] = ()
    data_source: TypedLocalObjectReference | None = None
    data_source_ref: TypedObjectReference | None = None
    resources: VolumeResourceRequirements = always(VolumeResourceRequirements())
    selector: LabelSelector | None = None
    storage_class_name: str | None = None
    volume_attributes_class_name: str | None = None
    volume_mode: str | None = None
    volume_name: str = ""


class PersistentVolumeClaimTemplate(Object, frozen=True):
    """The claim to create for a pod's ephemeral volume."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: PersistentVolumeClaimSpec = always(PersistentVolumeClaimSpec())


class EphemeralVolumeSource(Object, frozen=True):
    """A volume whose claim is made and deleted along with the pod."""

    volume_claim_template: PersistentVolumeClaimTemplate | None = None


class EventSeries(Object, frozen=True):
    """How often an event has repeated and when it was last seen."""

    count: Int32 = 0
    last_observed_time: MicroTime | None = always(None)


class EventSource(Object, frozen=True):
    """The component and host that reported an event."""

    component: str = ""
    host: str = ""


class Event(Object, frozen=True):
    """A report of something that happened to an object (older form)."""

    api_version: str = always("v1")
    kind: str = always("Event")
    action: str = ""
    count: Int32 = 0
    event_time: MicroTime | None = always(None)
    first_timestamp: Time | None = always(None)
    involved_object: ObjectReference = always(ObjectReference())
    last_timestamp: Time | None = always(None)
    message: str = ""
    metadata: ObjectMeta = always(ObjectMeta())
    reason: str = ""
    related: ObjectReference | None = None
    reporting_component: str = always("")
    reporting_instance: str = always("")
    series: EventSeries | None = None
    source: EventSource = always(EventSource())
    type: str = ""


class EventList(Object, frozen=True):
    """A list of events."""

    api_version: str = always("v1")
    kind: str = always("EventList")
    items: tuple[Event, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class FCVolumeSource(Object, frozen=True, rename=renamed(target_wwns="targetWWNs")):
    """A volume reached over Fibre Channel."""

    fs_type: str = ""
    lun: Int32 | None = None
    read_only: bool = False
    target_wwns: tuple[str, ...] = ()
    wwids: tuple[str, ...] = ()


class FlexPersistentVolumeSource(Object, frozen=True):
    """A persistent volume from a FlexVolume plugin (deprecated)."""

    driver: str = always("")
    fs_type: str = ""
    options: Mapping[str, str] = {}
    read_only: bool = False
    secret_ref: SecretReference | None = None


class FlexVolumeSource(Object, frozen=True):
    """A pod volume from a FlexVolume plugin (deprecated)."""

    driver: str = always("")
    fs_type: str = ""
    options: Mapping[str, str] = {}
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None


class FlockerVolumeSource(Object, frozen=True, rename=renamed(dataset_uuid="datasetUUID")):
    """A volume managed by Flocker (no longer supported)."""

    dataset_name: str = ""
    dataset_uuid: str = ""


class GCEPersistentDiskVolumeSource(Object, frozen=True):
    """A volume held on a Google Compute Engine disk."""

    fs_type: str = ""
    partition: Int32 = 0
    pd_name: str = always("")
    read_only: bool = False


class GitRepoVolumeSource(Object, frozen=True):
    """A volume filled by cloning a git repository (deprecated)."""

    directory: str = ""
    repository: str = always("")
    revision: str = ""


class GlusterfsPersistentVolumeSource(Object, frozen=True):
    """A GlusterFS mount backing a persistent volume."""

    endpoints: str = always("")
    endpoints_namespace: str | None = None
    path: str = always("")
    read_only: bool = False


class GlusterfsVolumeSource(Object, frozen=True):
    """A GlusterFS mount used straight from a pod."""

    endpoints: str = always("")
    path: str = always("")
    read_only: bool = False


class HostAlias(Object, frozen=True):
    """An IP and the host names to map to it in the pod's hosts file."""

    hostnames: tuple[str, ...] = ()
    ip: str = always("")


class HostIP(Object, frozen=True):
    """One IP address of the node a pod is on."""

    ip: str = always("")


class HostPathVolumeSource(Object, frozen=True):
    """A file or directory of the node, mounted into a pod."""

    path: str = always("")
    type: str | None = None


class ISCSIPersistentVolumeSource(Object, frozen=True):
    """An iSCSI disk backing a persistent volume."""

    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    fs_type: str = ""
    initiator_name: str | None = None
    iqn: str = always("")
    iscsi_interface: str = ""
    lun: Int32 = always(0)
    portals: tuple[str, ...] = ()
    read_only: bool = False
    secret_ref: SecretReference | None = None
    target_portal: str = always("")


class ISCSIVolumeSource(Object, frozen=True):
    """An iSCSI disk used straight from a pod."""

    chap_auth_discovery: bool = False
    chap_auth_session: bool = False
    fs_type: str = ""
    initiator_name: str | None = None
    iqn: str = always("")
    iscsi_interface: str = ""
    lun: Int32 = always(0)
    portals: tuple[str, ...] = ()
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    target_portal: str = always("")


class ImageVolumeSource(Object, frozen=True):
    """A read-only volume with the contents of an OCI image or artifact."""

    pull_policy: str = ""
    reference: str = ""


class LimitRangeItem(Object, frozen=True):
    """The smallest, largest and default sizes for one type of object."""

    default: Mapping[str, Quantity] = {}
    default_request: Mapping[str, Quantity] = {}
    max: Mapping[str, Quantity] = {}
    max_limit_request_ratio: Mapping[str, Quantity] = {}
    min: Mapping[str, Quantity] = {}
    type: str = always("")


class LimitRangeSpec(Object, frozen=True):
    """The limits that a limit range enforces."""

    limits: tuple[LimitRangeItem, ...] = always(())


class LimitRange(Object, frozen=True):
    """Default and extreme resource sizes for objects in a namespace."""

    api_version: str = always("v1")
    kind: str = always("LimitRange")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: LimitRangeSpec = always(LimitRangeSpec())


class LimitRangeList(Object, frozen=True):
    """A list of limit ranges."""

    api_version: str = always("v1")
    kind: str = always("LimitRangeList")
    items: tuple[LimitRange, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class PortStatus(Object, frozen=True):
    """A load balancer port, its protocol and any error with it."""

    error: str | None = None
    port: Int32 = always(0)
    protocol: str = always("")


class LoadBalancerIngress(Object, frozen=True):
    """One IP or host name at which a load balancer takes traffic."""

    hostname: str = ""
    ip: str = ""
    ip_mode: str | None = None
    ports: tuple[PortStatus, ...] = ()


class LoadBalancerStatus(Object, frozen=True):
    """The entry points a service's load balancer has been given."""

    ingress: tuple[LoadBalancerIngress, ...] = ()


class LocalVolumeSource(Object, frozen=True):
    """A disk or directory of one node backing a persistent volume."""

    fs_type: str | None = None
    path: str = always("")


class ModifyVolumeStatus(Object, frozen=True):
    """How far a change of a claim's volume attributes has got."""

    status: str = always("")
    target_volume_attributes_class_name: str = ""


class NFSVolumeSource(Object, frozen=True):
    """A directory exported by an NFS server."""

    path: str = always("")
    read_only: bool = False
    server: str = always("")


class NamespaceSpec(Object, frozen=True):
    """The finalizers that must clear before a namespace goes away."""

    finalizers: tuple[str, ...] = ()


class NamespaceCondition(Object, frozen=True):
    """One observed state of a namespace, mostly about its deletion."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class NamespaceStatus(Object, frozen=True):
    """Whether a namespace is active or terminating."""

    conditions: Annotated[tuple[NamespaceCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    phase: str = ""


class Namespace(Object, frozen=True):
    """A named space that keeps one group of objects apart from others."""

    api_version: str = always("v1")
    kind: str = always("Namespace")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: NamespaceSpec = always(NamespaceSpec())
    status: NamespaceStatus = always(NamespaceStatus())


class NamespaceList(Object, frozen=True):
    """A list of namespaces."""

    api_version: str = always("v1")
    kind: str = always("NamespaceList")
    items: tuple[Namespace, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class NodeConfigSource(Object, frozen=True):
    """Where a kubelet's configuration was to come from (deprecated)."""

    config_map: ConfigMapNodeConfigSource | None = None


class Taint(Object, frozen=True):
    """A mark on a node that keeps away pods not tolerating it."""

    effect: str = always("")
    key: str = always("")
    time_added: Time | None = None
    value: str = ""


class NodeSpec(
    Object,
    frozen=True,
    rename=renamed(external_id="externalID", pod_cidr="podCIDR", pod_cidrs="podCIDRs", provider_id="providerID"),
):
    """A node's pod address range, taints, provider id and schedulability."""

    config_source: NodeConfigSource | None = None
    external_id: str = ""
    pod_cidr: str = ""
    pod_cidrs: Annotated[tuple[str, ...], ListSet(patch=True)] = ()
    provider_id: str = ""
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False


class NodeAddress(Object, frozen=True):
    """One address of a node and what type it is."""

    address: str = always("")
    type: str = always("")


class NodeCondition(Object, frozen=True):
    """One observed state of a node, such as Ready or MemoryPressure."""

    last_heartbeat_time: Time | None = always(None)
    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class NodeConfigStatus(Object, frozen=True):
    """The kubelet configuration assigned, in use and last known good."""

    active: NodeConfigSource | None = None
    assigned: NodeConfigSource | None = None
    error: str = ""
    last_known_good: NodeConfigSource | None = None


class NodeDaemonEndpoints(Object, frozen=True):
    """The ports of the daemons running on a node."""

    kubelet_endpoint: DaemonEndpoint = always(DaemonEndpoint())


class NodeFeatures(Object, frozen=True):
    """Optional features that a node's runtime supports."""

    supplemental_groups_policy: bool | None = None


class NodeRuntimeHandlerFeatures(Object, frozen=True):
    """Which optional features a runtime handler supports."""

    recursive_read_only_mounts: bool | None = None
    user_namespaces: bool | None = None


class NodeRuntimeHandler(Object, frozen=True):
    """A runtime handler on a node and what it can do."""

    features: NodeRuntimeHandlerFeatures | None = None
    name: str = always("")


class NodeSwapStatus(Object, frozen=True):
    """How much swap a node has."""

    capacity: Int64 | None = None


class NodeSystemInfo(
    Object, frozen=True, rename=renamed(boot_id="bootID", machine_id="machineID", system_uuid="systemUUID")
):
    """A node's kernel, OS, runtime and kubelet versions, and its ids."""

    architecture: str = always("")
    boot_id: str = always("")
    container_runtime_version: str = always("")
    kernel_version: str = always("")
    kube_proxy_version: str = always("")
    kubelet_version: str = always("")
    machine_id: str = always("")
    operating_system: str = always("")
    os_image: str = always("")
    swap: NodeSwapStatus | None = None
    system_uuid: str = always("")


class NodeStatus(Object, frozen=True):
    """A node's capacity, addresses, conditions, images and system facts."""

    addresses: Annotated[tuple[NodeAddress, ...], ListMap(keys=("type",), patch="type")] = ()
    allocatable: Mapping[str, Quantity] = {}
    capacity: Mapping[str, Quantity] = {}
    conditions: Annotated[tuple[NodeCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    config: NodeConfigStatus | None = None
    daemon_endpoints: NodeDaemonEndpoints = always(NodeDaemonEndpoints())
    declared_features: tuple[str, ...] = ()
    features: NodeFeatures | None = None
    images: tuple[ContainerImage, ...] = ()
    node_info: NodeSystemInfo = always(NodeSystemInfo())
    phase: str = ""
    runtime_handlers: tuple[NodeRuntimeHandler, ...] = ()
    volumes_attached: tuple[AttachedVolume, ...] = ()
    volumes_in_use: tuple[str, ...] = ()


class Node(Object, frozen=True):
    """A machine that can run pods."""

    api_version: str = always("v1")
    kind: str = always("Node")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: NodeSpec = always(NodeSpec())
    status: NodeStatus = always(NodeStatus())


class NodeAllocatableResourceClaimStatus(Object, frozen=True):
    """Node resources such as CPU or memory that a pod gets through a claim."""

    containers: Annotated[tuple[str, ...], ListSet()] = ()
    resource_claim_name: str = always("")
    resources: Mapping[str, Quantity] = {}


class NodeList(Object, frozen=True):
    """A list of nodes."""

    api_version: str = always("v1")
    kind: str = always("NodeList")
    items: tuple[Node, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class PhotonPersistentDiskVolumeSource(Object, frozen=True, rename=renamed(pd_id="pdID")):
    """A volume on a Photon Controller disk (no longer supported)."""

    fs_type: str = ""
    pd_id: str = always("")


class PortworxVolumeSource(Object, frozen=True, rename=renamed(volume_id="volumeID")):
    """A volume held on Portworx storage."""

    fs_type: str = ""
    read_only: bool = False
    volume_id: str = always("")


class QuobyteVolumeSource(Object, frozen=True):
    """A volume held on Quobyte storage (no longer supported)."""

    group: str = ""
    read_only: bool = False
    registry: str = always("")
    tenant: str = ""
    user: str = ""
    volume: str = always("")


class RBDPersistentVolumeSource(Object, frozen=True):
    """A Ceph RBD image backing a persistent volume."""

    fs_type: str = ""
    image: str = always("")
    keyring: str = ""
    monitors: tuple[str, ...] = always(())
    pool: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None
    user: str = ""


class ScaleIOPersistentVolumeSource(Object, frozen=True):
    """A ScaleIO disk backing a persistent volume (no longer supported)."""

    fs_type: str = ""
    gateway: str = always("")
    protection_domain: str = ""
    read_only: bool = False
    secret_ref: SecretReference | None = None
    ssl_enabled: bool = False
    storage_mode: str = ""
    storage_pool: str = ""
    system: str = always("")
    volume_name: str = ""


class StorageOSPersistentVolumeSource(Object, frozen=True):
    """StorageOS storage backing a persistent volume (no longer supported)."""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: ObjectReference | None = None
    volume_name: str = ""
    volume_namespace: str = ""


class VolumeNodeAffinity(Object, frozen=True):
    """The nodes from which a volume can be reached."""

    required: NodeSelector | None = None


class VsphereVirtualDiskVolumeSource(Object, frozen=True, rename=renamed(storage_policy_id="storagePolicyID")):
    """A volume held on a vSphere virtual disk."""

    fs_type: str = ""
    storage_policy_id: str = ""
    storage_policy_name: str = ""
    volume_path: str = always("")


class PersistentVolumeSpec(Object, frozen=True, rename=renamed(scale_io="scaleIO")):
    """A volume's backing store, size, access modes and reclaim policy."""

    access_modes: tuple[str, ...] = ()
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    azure_file: AzureFilePersistentVolumeSource | None = None
    capacity: Mapping[str, Quantity] = {}
    cephfs: CephFSPersistentVolumeSource | None = None
    cinder: CinderPersistentVolumeSource | None = None
    claim_ref: Annotated[ObjectReference | None, Granular()] = None
    csi: CSIPersistentVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flex_volume: FlexPersistentVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    glusterfs: GlusterfsPersistentVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    iscsi: ISCSIPersistentVolumeSource | None = None
    local: LocalVolumeSource | None = None
    mount_options: tuple[str, ...] = ()
    nfs: NFSVolumeSource | None = None
    node_affinity: VolumeNodeAffinity | None = None
    persistent_volume_reclaim_policy: str = ""
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDPersistentVolumeSource | None = None
    scale_io: ScaleIOPersistentVolumeSource | None = None
    storage_class_name: str = ""
    storageos: StorageOSPersistentVolumeSource | None = None
    volume_attributes_class_name: str | None = None
    volume_mode: str | None = None
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None


class PersistentVolumeStatus(Object, frozen=True):
    """Which phase a volume is in, and why."""

    last_phase_transition_time: Time | None = None
    message: str = ""
    phase: str = ""
    reason: str = ""


class PersistentVolume(Object, frozen=True):
    """A piece of cluster storage that lives on its own, apart from pods."""

    api_version: str = always("v1")
    kind: str = always("PersistentVolume")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PersistentVolumeSpec = always(PersistentVolumeSpec())
    status: PersistentVolumeStatus = always(PersistentVolumeStatus())


class PersistentVolumeClaimCondition(Object, frozen=True):
    """One observed state of a claim, such as Resizing."""

    last_probe_time: Time | None = always(None)
    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class PersistentVolumeClaimStatus(Object, frozen=True):
    """Whether a claim is bound, what it got, and any resize under way."""

    access_modes: tuple[str, ...] = ()
    allocated_resource_statuses: Annotated[Mapping[str, str], Granular()] = {}
    allocated_resources: Mapping[str, Quantity] = {}
    capacity: Mapping[str, Quantity] = {}
    conditions: Annotated[tuple[PersistentVolumeClaimCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    current_volume_attributes_class_name: str | None = None
    modify_volume_status: ModifyVolumeStatus | None = None
    phase: str = ""


class PersistentVolumeClaim(Object, frozen=True):
    """A request for storage, which gets bound to a volume."""

    api_version: str = always("v1")
    kind: str = always("PersistentVolumeClaim")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PersistentVolumeClaimSpec = always(PersistentVolumeClaimSpec())
    status: PersistentVolumeClaimStatus = always(PersistentVolumeClaimStatus())


class PersistentVolumeClaimList(Object, frozen=True):
    """A list of persistent volume claims."""

    api_version: str = always("v1")
    kind: str = always("PersistentVolumeClaimList")
    items: tuple[PersistentVolumeClaim, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class PersistentVolumeClaimVolumeSource(Object, frozen=True):
    """A pod volume that uses an existing claim."""

    claim_name: str = always("")
    read_only: bool = False


class PersistentVolumeList(Object, frozen=True):
    """A list of persistent volumes."""

    api_version: str = always("v1")
    kind: str = always("PersistentVolumeList")
    items: tuple[PersistentVolume, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class PodDNSConfigOption(Object, frozen=True):
    """One resolver option and its value."""

    name: str = ""
    value: str | None = None


class PodDNSConfig(Object, frozen=True):
    """Name servers, search domains and resolver options for a pod."""

    nameservers: tuple[str, ...] = ()
    options: tuple[PodDNSConfigOption, ...] = ()
    searches: tuple[str, ...] = ()


class PodOS(Object, frozen=True):
    """The operating system a pod's containers are built for."""

    name: str = always("")


class PodReadinessGate(Object, frozen=True):
    """An extra condition that must be true before a pod counts as ready."""

    condition_type: str = always("")


class PodResourceClaim(Object, frozen=True):
    """Names a device claim, or a template for one, that a pod needs."""

    name: str = always("")
    resource_claim_name: str | None = None
    resource_claim_template_name: str | None = None


class PodSchedulingGate(Object, frozen=True):
    """A named hold that keeps a pod from being scheduled until removed."""

    name: str = always("")


class PodSchedulingGroup(Object, frozen=True):
    """The group of pods with which this pod is scheduled."""

    pod_group_name: str | None = None


class Sysctl(Object, frozen=True):
    """A kernel parameter and the value to set for a pod."""

    name: str = always("")
    value: str = always("")


class PodSecurityContext(Object, frozen=True):
    """Security settings for a whole pod, such as users, groups and sysctls."""

    app_armor_profile: AppArmorProfile | None = None
    fs_group: Int64 | None = None
    fs_group_change_policy: str | None = None
    run_as_group: Int64 | None = None
    run_as_non_root: bool | None = None
    run_as_user: Int64 | None = None
    se_linux_change_policy: str | None = None
    se_linux_options: SELinuxOptions | None = None
    seccomp_profile: SeccompProfile | None = None
    supplemental_groups: tuple[Int64, ...] = ()
    supplemental_groups_policy: str | None = None
    sysctls: tuple[Sysctl, ...] = ()
    windows_options: WindowsSecurityContextOptions | None = None


class Toleration(Object, frozen=True):
    """Lets a pod run on nodes with a matching taint."""

    effect: str = ""
    key: str = ""
    operator: str = ""
    toleration_seconds: Int64 | None = None
    value: str = ""


class TopologySpreadConstraint(Object, frozen=True):
    """How evenly matching pods must be spread over zones, nodes or the like."""

    label_selector: LabelSelector | None = None
    match_label_keys: tuple[str, ...] = ()
    max_skew: Int32 = always(0)
    min_domains: Int32 | None = None
    node_affinity_policy: str | None = None
    node_taints_policy: str | None = None
    topology_key: str = always("")
    when_unsatisfiable: str = always("")


class PodCertificateProjection(Object, frozen=True):
    """A fresh key and certificate for the pod, written to a projected volume."""

    certificate_chain_path: str = ""
    credential_bundle_path: str = ""
    key_path: str = ""
    key_type: str = ""
    max_expiration_seconds: Int32 | None = None
    signer_name: str = ""
    user_annotations: Mapping[str, str] = {}


class SecretProjection(Object, frozen=True):
    """Puts a secret's keys as files in a projected volume."""

    items: tuple[KeyToPath, ...] = ()
    name: str = ""
    optional: bool | None = None


class ServiceAccountTokenProjection(Object, frozen=True):
    """A renewed service account token, written to a projected volume."""

    audience: str = ""
    expiration_seconds: Int64 | None = None
    path: str = always("")


class VolumeProjection(Object, frozen=True, rename=renamed(downward_api="downwardAPI")):
    """One of the sources gathered into a projected volume."""

    cluster_trust_bundle: ClusterTrustBundleProjection | None = None
    config_map: ConfigMapProjection | None = None
    downward_api: DownwardAPIProjection | None = None
    pod_certificate: PodCertificateProjection | None = None
    secret: SecretProjection | None = None
    service_account_token: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(Object, frozen=True):
    """A volume that gathers several sources into one directory."""

    default_mode: Int32 | None = None
    sources: tuple[VolumeProjection, ...] = always(())


class RBDVolumeSource(Object, frozen=True):
    """A Ceph RBD image used straight from a pod."""

    fs_type: str = ""
    image: str = always("")
    keyring: str = ""
    monitors: tuple[str, ...] = always(())
    pool: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    user: str = ""


class ScaleIOVolumeSource(Object, frozen=True):
    """A ScaleIO disk used straight from a pod (no longer supported)."""

    fs_type: str = ""
    gateway: str = always("")
    protection_domain: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    ssl_enabled: bool = False
    storage_mode: str = ""
    storage_pool: str = ""
    system: str = always("")
    volume_name: str = ""


class SecretVolumeSource(Object, frozen=True):
    """A volume whose files are the keys of a secret."""

    default_mode: Int32 | None = None
    items: tuple[KeyToPath, ...] = ()
    optional: bool | None = None
    secret_name: str = ""


class StorageOSVolumeSource(Object, frozen=True):
    """StorageOS storage used straight from a pod (no longer supported)."""

    fs_type: str = ""
    read_only: bool = False
    secret_ref: LocalObjectReference | None = None
    volume_name: str = ""
    volume_namespace: str = ""


class Volume(Object, frozen=True, rename=renamed(downward_api="downwardAPI", scale_io="scaleIO")):
    """A named directory or device that a pod's containers can mount."""

    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource | None = None
    azure_disk: AzureDiskVolumeSource | None = None
    azure_file: AzureFileVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    config_map: ConfigMapVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    downward_api: DownwardAPIVolumeSource | None = None
    empty_dir: EmptyDirVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flex_volume: FlexVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gce_persistent_disk: GCEPersistentDiskVolumeSource | None = None
    git_repo: GitRepoVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    host_path: HostPathVolumeSource | None = None
    image: ImageVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    name: str = always("")
    nfs: NFSVolumeSource | None = None
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = None
    photon_persistent_disk: PhotonPersistentDiskVolumeSource | None = None
    portworx_volume: PortworxVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    scale_io: ScaleIOVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    storageos: StorageOSVolumeSource | None = None
    vsphere_volume: VsphereVirtualDiskVolumeSource | None = None


class PodSpec(
    Object,
    frozen=True,
    rename=renamed(host_ipc="hostIPC", host_pid="hostPID", set_hostname_as_fqdn="setHostnameAsFQDN"),
):
    """What a pod runs, with which volumes, and how it is placed."""

    active_deadline_seconds: Int64 | None = None
    affinity: Affinity | None = None
    automount_service_account_token: bool | None = None
    containers: Annotated[tuple[Container, ...], ListMap(keys=("name",), patch="name")] = always(())
    dns_config: PodDNSConfig | None = None
    dns_policy: str = ""
    enable_service_links: bool | None = None
    ephemeral_containers: Annotated[tuple[EphemeralContainer, ...], ListMap(keys=("name",), patch="name")] = ()
    host_aliases: Annotated[tuple[HostAlias, ...], ListMap(keys=("ip",), patch="ip")] = ()
    host_ipc: bool = False
    host_network: bool = False
    host_pid: bool = False
    host_users: bool | None = None
    hostname: str = ""
    hostname_override: str | None = None
    image_pull_secrets: Annotated[tuple[LocalObjectReference, ...], ListMap(keys=("name",), patch="name")] = ()
    init_containers: Annotated[tuple[Container, ...], ListMap(keys=("name",), patch="name")] = ()
    node_name: str = ""
    node_selector: Annotated[Mapping[str, str], Atomic()] = {}
    os: PodOS | None = None
    overhead: Mapping[str, Quantity] = {}
    preemption_policy: str | None = None
    priority: Int32 | None = None
    priority_class_name: str = ""
    readiness_gates: tuple[PodReadinessGate, ...] = ()
    resource_claims: Annotated[
        tuple[PodResourceClaim, ...], ListMap(keys=("name",), patch="name", retain_keys=True)
    ] = ()
    resources: ResourceRequirements | None = None
    restart_policy: str = ""
    runtime_class_name: str | None = None
    scheduler_name: str = ""
    scheduling_gates: Annotated[tuple[PodSchedulingGate, ...], ListMap(keys=("name",), patch="name")] = ()
    scheduling_group: PodSchedulingGroup | None = None
    security_context: PodSecurityContext | None = None
    service_account: str = ""
    service_account_name: str = ""
    set_hostname_as_fqdn: bool | None = None
    share_process_namespace: bool | None = None
    subdomain: str = ""
    termination_grace_period_seconds: Int64 | None = None
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: Annotated[
        tuple[TopologySpreadConstraint, ...], ListMap(keys=("topologyKey", "whenUnsatisfiable"), patch="topologyKey")
    ] = ()
    volumes: Annotated[tuple[Volume, ...], ListMap(keys=("name",), patch="name", retain_keys=True)] = ()


class PodCondition(Object, frozen=True):
    """One observed state of a pod, such as Ready or PodScheduled."""

    last_probe_time: Time | None = always(None)
    last_transition_time: Time | None = always(None)
    message: str = ""
    observed_generation: Int64 = 0
    reason: str = ""
    status: str = always("")
    type: str = always("")


class PodExtendedResourceClaimStatus(Object, frozen=True):
    """The claim made to cover a pod's extended resource requests."""

    request_mappings: tuple[ContainerExtendedResourceRequest, ...] = always(())
    resource_claim_name: str = always("")


class PodIP(Object, frozen=True):
    """One IP address of a pod."""

    ip: str = always("")


class PodResourceClaimStatus(Object, frozen=True):
    """The actual claim created for a pod's claim entry."""

    name: str = always("")
    resource_claim_name: str | None = None


class PodStatus(
    Object, frozen=True, rename=renamed(host_ip="hostIP", host_ips="hostIPs", pod_ip="podIP", pod_ips="podIPs")
):
    """A pod's phase, addresses, conditions and container states."""

    allocated_resources: Mapping[str, Quantity] = {}
    conditions: Annotated[tuple[PodCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()
    extended_resource_claim_status: PodExtendedResourceClaimStatus | None = None
    host_ip: str = ""
    host_ips: Annotated[tuple[HostIP, ...], ListAtomic(patch="ip")] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    message: str = ""
    node_allocatable_resource_claim_statuses: tuple[NodeAllocatableResourceClaimStatus, ...] = ()
    nominated_node_name: str = ""
    observed_generation: Int64 = 0
    phase: str = ""
    pod_ip: str = ""
    pod_ips: Annotated[tuple[PodIP, ...], ListMap(keys=("ip",), patch="ip")] = ()
    qos_class: str = ""
    reason: str = ""
    resize: str = ""
    resource_claim_statuses: Annotated[
        tuple[PodResourceClaimStatus, ...], ListMap(keys=("name",), patch="name", retain_keys=True)
    ] = ()
    resources: ResourceRequirements | None = None
    start_time: Time | None = None


class Pod(Object, frozen=True):
    """A group of containers that run together on one node and share an address."""

    api_version: str = always("v1")
    kind: str = always("Pod")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PodSpec = always(PodSpec())
    status: PodStatus = always(PodStatus())


class PodList(Object, frozen=True):
    """A list of pods."""

    api_version: str = always("v1")
    kind: str = always("PodList")
    items: tuple[Pod, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class PodTemplateSpec(Object, frozen=True):
    """The labels and spec that pods are stamped out from."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: PodSpec = always(PodSpec())


class PodTemplate(Object, frozen=True):
    """A stored pattern for making pods."""

    api_version: str = always("v1")
    kind: str = always("PodTemplate")
    metadata: ObjectMeta = always(ObjectMeta())
    template: PodTemplateSpec = always(PodTemplateSpec())


class PodTemplateList(Object, frozen=True):
    """A list of pod templates."""

    api_version: str = always("v1")
    kind: str = always("PodTemplateList")
    items: tuple[PodTemplate, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ReplicationControllerSpec(Object, frozen=True):
    """How many pods a replication controller keeps, and their template."""

    min_ready_seconds: Int32 = 0
    replicas: Int32 | None = None
    selector: Annotated[Mapping[str, str], Atomic()] = {}
    template: PodTemplateSpec | None = None


class ReplicationControllerCondition(Object, frozen=True):
    """One observed state of a replication controller."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class ReplicationControllerStatus(Object, frozen=True):
    """Counts of a replication controller's pods by state."""

    available_replicas: Int32 = 0
    conditions: Annotated[tuple[ReplicationControllerCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    fully_labeled_replicas: Int32 = 0
    observed_generation: Int64 = 0
    ready_replicas: Int32 = 0
    replicas: Int32 = always(0)


class ReplicationController(Object, frozen=True):
    """Keeps a fixed number of pods running (older than replica sets)."""

    api_version: str = always("v1")
    kind: str = always("ReplicationController")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ReplicationControllerSpec = always(ReplicationControllerSpec())
    status: ReplicationControllerStatus = always(ReplicationControllerStatus())


class ReplicationControllerList(Object, frozen=True):
    """A list of replication controllers."""

    api_version: str = always("v1")
    kind: str = always("ReplicationControllerList")
    items: tuple[ReplicationController, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ScopedResourceSelectorRequirement(Object, frozen=True):
    """One quota scope test, with an operator and values."""

    operator: str = always("")
    scope_name: str = always("")
    values: tuple[str, ...] = ()


@atomic
class ScopeSelector(Object, frozen=True):
    """Scope tests that an object must pass for a quota to count it."""

    match_expressions: tuple[ScopedResourceSelectorRequirement, ...] = ()


class ResourceQuotaSpec(Object, frozen=True):
    """The hard caps of a quota and the scopes that narrow it."""

    hard: Mapping[str, Quantity] = {}
    scope_selector: ScopeSelector | None = None
    scopes: tuple[str, ...] = ()


class ResourceQuotaStatus(Object, frozen=True):
    """A quota's caps in force and how much is used."""

    hard: Mapping[str, Quantity] = {}
    used: Mapping[str, Quantity] = {}


class ResourceQuota(Object, frozen=True):
    """A cap on the total that a namespace may use."""

    api_version: str = always("v1")
    kind: str = always("ResourceQuota")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ResourceQuotaSpec = always(ResourceQuotaSpec())
    status: ResourceQuotaStatus = always(ResourceQuotaStatus())


class ResourceQuotaList(Object, frozen=True):
    """A list of resource quotas."""

    api_version: str = always("v1")
    kind: str = always("ResourceQuotaList")
    items: tuple[ResourceQuota, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class Secret(Object, frozen=True):
    """Sensitive data kept as keys and values."""

    api_version: str = always("v1")
    kind: str = always("Secret")
    data: Mapping[str, bytes] = {}
    immutable: bool | None = None
    metadata: ObjectMeta = always(ObjectMeta())
    string_data: Mapping[str, str] = {}
    type: str = ""


class SecretList(Object, frozen=True):
    """A list of secrets."""

    api_version: str = always("v1")
    kind: str = always("SecretList")
    items: tuple[Secret, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ServicePort(Object, frozen=True):
    """One port a service offers and where its traffic goes."""

    app_protocol: str | None = None
    name: str = ""
    node_port: Int32 = 0
    port: Int32 = always(0)
    protocol: str = ""
    target_port: IntOrString | None = None


class SessionAffinityConfig(Object, frozen=True, rename=renamed(client_ip="clientIP")):
    """Settings for sending a client back to the same pod."""

    client_ip: ClientIPConfig | None = None


class ServiceSpec(
    Object,
    frozen=True,
    rename=renamed(
        cluster_ip="clusterIP", cluster_ips="clusterIPs", external_ips="externalIPs", load_balancer_ip="loadBalancerIP"
    ),
):
    """A service's type, ports, pod selector, addresses and traffic policies."""

    allocate_load_balancer_node_ports: bool | None = None
    cluster_ip: str = ""
    cluster_ips: tuple[str, ...] = ()
    external_ips: tuple[str, ...] = ()
    external_name: str = ""
    external_traffic_policy: str = ""
    health_check_node_port: Int32 = 0
    internal_traffic_policy: str | None = None
    ip_families: tuple[str, ...] = ()
    ip_family_policy: str | None = None
    load_balancer_class: str | None = None
    load_balancer_ip: str = ""
    load_balancer_source_ranges: tuple[str, ...] = ()
    ports: Annotated[tuple[ServicePort, ...], ListMap(keys=("port", "protocol"), patch="port")] = ()
    publish_not_ready_addresses: bool = False
    selector: Annotated[Mapping[str, str], Atomic()] = {}
    session_affinity: str = ""
    session_affinity_config: SessionAffinityConfig | None = None
    traffic_distribution: str | None = None
    type: str = ""


class ServiceStatus(Object, frozen=True):
    """A service's load balancer state and conditions."""

    conditions: Annotated[tuple[Condition, ...], ListMap(keys=("type",), patch="type")] = ()
    load_balancer: LoadBalancerStatus = always(LoadBalancerStatus())


class Service(Object, frozen=True):
    """A stable address and name in front of a changing set of pods."""

    api_version: str = always("v1")
    kind: str = always("Service")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ServiceSpec = always(ServiceSpec())
    status: ServiceStatus = always(ServiceStatus())


class ServiceAccount(Object, frozen=True):
    """An identity for the programs that run in pods."""

    api_version: str = always("v1")
    kind: str = always("ServiceAccount")
    automount_service_account_token: bool | None = None
    image_pull_secrets: tuple[LocalObjectReference, ...] = ()
    metadata: ObjectMeta = always(ObjectMeta())
    secrets: Annotated[tuple[ObjectReference, ...], ListMap(keys=("name",), patch="name")] = ()


class ServiceAccountList(Object, frozen=True):
    """A list of service accounts."""

    api_version: str = always("v1")
    kind: str = always("ServiceAccountList")
    items: tuple[ServiceAccount, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ServiceList(Object, frozen=True):
    """A list of services."""

    api_version: str = always("v1")
    kind: str = always("ServiceList")
    items: tuple[Service, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class TopologySelectorLabelRequirement(Object, frozen=True):
    """A topology label and the values allowed for it."""

    key: str = always("")
    values: tuple[str, ...] = always(())


@atomic
class TopologySelectorTerm(Object, frozen=True):
    """Label tests that together describe where volumes may be made."""

    match_label_expressions: tuple[TopologySelectorLabelRequirement, ...] = ()
