"""Builders of objects for tests: each states only what matters to the test, the rest is plain."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from kube.api.apps_v1 import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    ReplicaSetSpec,
    ReplicaSetStatus,
    RollingUpdateDeployment,
)
from kube.api.core_v1 import (
    Container,
    ContainerPort,
    HostPathVolumeSource,
    Node,
    NodeCondition,
    NodeSelector,
    NodeSelectorRequirement,
    NodeSelectorTerm,
    NodeSpec,
    NodeStatus,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpec,
    PersistentVolumeClaimStatus,
    PersistentVolumeSpec,
    PersistentVolumeStatus,
    Pod,
    PodCondition,
    PodIP,
    PodSpec,
    PodStatus,
    PodTemplateSpec,
    ResourceRequirements,
    Service,
    ServicePort,
    ServiceSpec,
    Taint,
    Toleration,
    VolumeNodeAffinity,
    VolumeResourceRequirements,
)
from kube.api.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from kube.api.scalars import IntOrString
from kube.api.storage_v1 import StorageClass
from kube.events import reference_to
from kube.kinds import Resource
from kube.objects import controller_reference
from kube.quantity import Quantity
from kube.times import to_time
from kube.volumes import BIND_COMPLETED, DEFAULT_CLASS

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WEB: Mapping[str, str] = {"app": "web"}


def ago(seconds: float) -> str:
    """Return a moment before NOW as the API writes it."""
    return to_time(NOW - timedelta(seconds=seconds))


def quantities(amounts: Mapping[str, str]) -> dict[str, Quantity]:
    """Return texts as quantities."""
    return {name: Quantity(text) for name, text in amounts.items()}


def container(name: str = "main", *, requests: Mapping[str, str] = {}, **fields: Any) -> Container:
    """Return a container that asks for `requests`."""
    resources = ResourceRequirements(requests=quantities(requests))
    return Container(name=name, image="example/web:1", resources=resources, **fields)


def pod(
    name: str = "web-1",
    *,
    namespace: str = "default",
    uid: str = "",
    labels: Mapping[str, str] = WEB,
    of: Resource | None = None,
    owners: Sequence[OwnerReference] = (),
    node: str = "",
    phase: str = "Pending",
    ready: bool = False,
    ready_for_s: float = 0,
    age_s: float = 0,
    ip: str = "",
    requests: Mapping[str, str] = {},
    containers: Sequence[Container] | None = None,
    terminating: bool = False,
    annotations: Mapping[str, str] = {},
    **spec: Any,
) -> Pod:
    """Return a pod. of: who controls it. ready: it runs and is ready, for `ready_for_s`."""
    condition = PodCondition(type="Ready", status="True", last_transition_time=ago(ready_for_s))
    return Pod(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            uid=uid or f"uid-{name}",
            labels=labels,
            annotations=annotations,
            creation_timestamp=ago(age_s),
            deletion_timestamp=ago(0) if terminating else None,
            owner_references=(controller_reference(of), *owners) if of else tuple(owners),
        ),
        spec=PodSpec(
            containers=tuple(containers) if containers is not None else (container(requests=requests),),
            node_name=node or ("node-a" if ready else ""),
            scheduler_name="default-scheduler",
            **spec,
        ),
        status=PodStatus(
            phase="Running" if ready else phase,
            conditions=(condition,) if ready else (),
            pod_ip=ip,
            pod_ips=(PodIP(ip=ip),) if ip else (),
        ),
    )


def template(image: str = "example/web:1", labels: Mapping[str, str] = WEB) -> PodTemplateSpec:
    """Return a pod template."""
    return PodTemplateSpec(
        metadata=ObjectMeta(labels=labels), spec=PodSpec(containers=(Container(name="main", image=image),))
    )


def replicaset(
    name: str = "web",
    *,
    replicas: int = 1,
    ready: int = 0,
    available: int | None = None,
    running: int | None = None,
    image: str = "example/web:1",
    of: Resource | None = None,
    annotations: Mapping[str, str] = {},
    age_s: float = 0,
    min_ready_s: int = 0,
    labels: Mapping[str, str] = WEB,
) -> ReplicaSet:
    """Return a ReplicaSet. running, ready, available: what its status counts."""
    return ReplicaSet(
        metadata=ObjectMeta(
            name=name,
            namespace="default",
            uid=f"uid-{name}",
            generation=1,
            annotations=annotations,
            creation_timestamp=ago(age_s),
            labels=labels,
            owner_references=(controller_reference(of),) if of else (),
        ),
        spec=ReplicaSetSpec(
            replicas=replicas,
            min_ready_seconds=min_ready_s,
            selector=LabelSelector(match_labels=labels),
            template=template(image, labels),
        ),
        status=ReplicaSetStatus(
            replicas=replicas if running is None else running,
            ready_replicas=ready,
            available_replicas=ready if available is None else available,
            observed_generation=1,
        ),
    )


def deployment(
    name: str = "web",
    *,
    replicas: int = 3,
    image: str = "example/web:1",
    surge: IntOrString | None = None,
    unavailable: IntOrString | None = None,
    strategy: str = "RollingUpdate",
    annotations: Mapping[str, str] = {},
    deadline_s: int | None = 600,
    **spec: Any,
) -> Deployment:
    """Return a Deployment. deadline_s: for its progress."""
    rolling = RollingUpdateDeployment(max_surge=surge, max_unavailable=unavailable)
    return Deployment(
        metadata=ObjectMeta(
            name=name, namespace="default", uid=f"uid-{name}", generation=1, annotations=annotations, labels=WEB
        ),
        spec=DeploymentSpec(
            replicas=replicas,
            progress_deadline_seconds=deadline_s,
            selector=LabelSelector(match_labels=WEB),
            template=template(image),
            strategy=DeploymentStrategy(type=strategy, rolling_update=rolling if strategy == "RollingUpdate" else None),
            **spec,
        ),
    )


def node(
    name: str = "node-a",
    *,
    labels: Mapping[str, str] = {},
    taints: Sequence[Taint] = (),
    allocatable: Mapping[str, str] = {},
    ready: str | None = "True",
    pod_cidr: str = "",
    **spec: Any,
) -> Node:
    """Return a node with room for 110 pods, 4 cores and 8Gi, unless `allocatable` says otherwise."""
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110", **allocatable}
    condition = NodeCondition(type="Ready", status=ready or "", last_heartbeat_time=ago(0))
    return Node(
        metadata=ObjectMeta(name=name, uid=f"uid-{name}", labels=labels, creation_timestamp=ago(0)),
        spec=NodeSpec(taints=tuple(taints), pod_cidr=pod_cidr, **spec),
        status=NodeStatus(
            allocatable=quantities(amounts), capacity=quantities(amounts), conditions=(condition,) if ready else ()
        ),
    )


def service(
    name: str = "web",
    *,
    ports: Sequence[ServicePort] = (ServicePort(port=80, target_port=8080, protocol="TCP"),),
    selector: Mapping[str, str] = WEB,
    labels: Mapping[str, str] = {},
    **spec: Any,
) -> Service:
    """Return a Service of the pods with the labels `selector`."""
    return Service(
        metadata=ObjectMeta(name=name, namespace="default", uid=f"uid-{name}", labels=labels),
        spec=ServiceSpec(selector=selector, ports=tuple(ports), **spec),
    )


def listening(name: str, port: int, protocol: str = "TCP") -> Container:
    """Return a container with a named port."""
    return Container(name="main", ports=(ContainerPort(name=name, container_port=port, protocol=protocol),))


def claim(
    name: str = "data",
    *,
    namespace: str = "default",
    storage_class: str | None = "",
    size: str = "1Gi",
    modes: Sequence[str] = ("ReadWriteOnce",),
    volume: str = "",
    bound: bool = False,
    phase: str = "",
    of: Resource | None = None,
    annotations: Mapping[str, str] = {},
    terminating: bool = False,
    finalizers: Sequence[str] = (),
    **spec: Any,
) -> PersistentVolumeClaim:
    """Return a claim. volume: the one it names. bound: and has. of: the pod whose ephemeral volume it is."""
    marks = {BIND_COMPLETED: "yes"} if bound else {}
    return PersistentVolumeClaim(
        metadata=ObjectMeta(
            name=name,
            namespace=namespace,
            uid=f"uid-{name}",
            annotations={**marks, **annotations},
            deletion_timestamp=ago(0) if terminating else None,
            finalizers=tuple(finalizers),
            owner_references=(controller_reference(of),) if of else (),
        ),
        spec=PersistentVolumeClaimSpec(
            access_modes=tuple(modes),
            resources=VolumeResourceRequirements(requests=quantities({"storage": size})),
            storage_class_name=storage_class,
            volume_name=volume,
            **spec,
        ),
        status=PersistentVolumeClaimStatus(phase=phase or ("Bound" if bound else "Pending")),
    )


def volume(
    name: str = "disk",
    *,
    of: PersistentVolumeClaim | None = None,
    storage_class: str = "",
    size: str = "1Gi",
    modes: Sequence[str] = ("ReadWriteOnce",),
    policy: str = "Retain",
    phase: str = "",
    node: str = "",
    labels: Mapping[str, str] = {},
    annotations: Mapping[str, str] = {},
    terminating: bool = False,
    finalizers: Sequence[str] = (),
    **spec: Any,
) -> PersistentVolume:
    """Return a volume. of: the claim it is bound to. node: the only one that reaches it."""
    on_node = NodeSelectorRequirement(key="kubernetes.io/hostname", operator="In", values=(node,))
    terms = (NodeSelectorTerm(match_expressions=(on_node,)),)
    return PersistentVolume(
        metadata=ObjectMeta(
            name=name,
            uid=f"uid-{name}",
            labels=labels,
            annotations=annotations,
            deletion_timestamp=ago(0) if terminating else None,
            finalizers=tuple(finalizers),
        ),
        spec=PersistentVolumeSpec(
            access_modes=tuple(modes),
            capacity=quantities({"storage": size}),
            claim_ref=reference_to(of) if of is not None else None,
            node_affinity=VolumeNodeAffinity(required=NodeSelector(node_selector_terms=terms)) if node else None,
            persistent_volume_reclaim_policy=policy,
            storage_class_name=storage_class,
            **({"host_path": HostPathVolumeSource(path=f"/srv/{name}")} | spec),
        ),
        status=PersistentVolumeStatus(phase=phase or ("Bound" if of is not None else "Available")),
    )


def storage_class(
    name: str = "fast",
    *,
    provisioner: str = "example.com/disks",
    waits: bool = False,
    default: bool = False,
    **fields: Any,
) -> StorageClass:
    """Return a class. waits: for the first pod that uses a claim. default: of claims that name none."""
    return StorageClass(
        metadata=ObjectMeta(name=name, annotations={DEFAULT_CLASS: "true"} if default else {}),
        provisioner=provisioner,
        volume_binding_mode="WaitForFirstConsumer" if waits else "Immediate",
        **fields,
    )


def with_image(obj: Deployment, image: str) -> Deployment:
    """Return the Deployment with another image in its template."""
    return replace(obj, spec=replace(obj.spec, template=template(image)))


def tolerating(key: str, *, effect: str = "", seconds: int | None = None) -> Toleration:
    """Return a toleration of every taint with this key."""
    return Toleration(key=key, operator="Exists", effect=effect, toleration_seconds=seconds)


def with_pod_spec(obj: Deployment, spec: PodSpec) -> Deployment:
    """Return the Deployment with another spec in its template."""
    return replace(obj, spec=replace(obj.spec, template=replace(obj.spec.template, spec=spec)))
