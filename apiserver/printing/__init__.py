"""Objects as the rows of the tables that `kubectl get` prints.

`columns` and `row` serve every kind; one without a printer of its own shows its name and when it was made.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from kube.kinds import Kind, Resource

from . import cluster, network, pods, policy, storage, workloads
from .column import AGE, NAME, Column, Printer, age


def _plain_cells(obj: Resource, _now: datetime) -> list[Any]:
    return [obj.metadata.name, obj.metadata.creation_timestamp]


def _aged_cells(obj: Resource, now: datetime) -> list[Any]:
    return [obj.metadata.name, age(obj, now)]


PLAIN: Final = Printer((NAME, Column(name="Created At", type="date")), _plain_cells)
AGED: Final = Printer((NAME, AGE), _aged_cells)

PRINTERS: Final[Mapping[tuple[str, str], Printer]] = {
    ("", "ComponentStatus"): cluster.COMPONENT_STATUS,
    ("", "ConfigMap"): cluster.CONFIG_MAP,
    ("", "Endpoints"): network.ENDPOINTS,
    ("", "Event"): cluster.EVENT,
    ("", "Namespace"): cluster.NAMESPACE,
    ("", "Node"): cluster.NODE,
    ("", "PersistentVolume"): storage.VOLUME,
    ("", "PersistentVolumeClaim"): storage.CLAIM,
    ("", "Pod"): pods.POD,
    ("", "PodTemplate"): pods.POD_TEMPLATE,
    ("", "ReplicationController"): workloads.REPLICATION_CONTROLLER,
    ("", "ResourceQuota"): cluster.RESOURCE_QUOTA,
    ("", "Secret"): cluster.SECRET,
    ("", "Service"): network.SERVICE,
    ("", "ServiceAccount"): cluster.SERVICE_ACCOUNT,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): policy.MUTATING_POLICY,
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): policy.POLICY_BINDING,
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): policy.WEBHOOK,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): policy.VALIDATING_POLICY,
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): policy.POLICY_BINDING,
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): policy.WEBHOOK,
    ("apiregistration.k8s.io", "APIService"): policy.API_SERVICE,
    ("apps", "ControllerRevision"): workloads.CONTROLLER_REVISION,
    ("apps", "DaemonSet"): workloads.DAEMON_SET,
    ("apps", "Deployment"): workloads.DEPLOYMENT,
    ("apps", "ReplicaSet"): workloads.REPLICA_SET,
    ("apps", "StatefulSet"): workloads.STATEFUL_SET,
    ("autoscaling", "HorizontalPodAutoscaler"): policy.AUTOSCALER,
    ("autoscaling", "Scale"): workloads.SCALE,
    ("batch", "CronJob"): workloads.CRON_JOB,
    ("batch", "Job"): workloads.JOB,
    ("certificates.k8s.io", "CertificateSigningRequest"): policy.REQUEST,
    ("coordination.k8s.io", "Lease"): cluster.LEASE,
    ("discovery.k8s.io", "EndpointSlice"): network.ENDPOINT_SLICE,
    ("events.k8s.io", "Event"): cluster.EVENT,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): policy.FLOW_SCHEMA,
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): policy.PRIORITY_LEVEL,
    ("metrics.k8s.io", "NodeMetrics"): cluster.USAGE,
    ("metrics.k8s.io", "PodMetrics"): cluster.USAGE,
    ("networking.k8s.io", "IPAddress"): network.IP_ADDRESS,
    ("networking.k8s.io", "Ingress"): network.INGRESS,
    ("networking.k8s.io", "IngressClass"): network.INGRESS_CLASS,
    ("networking.k8s.io", "NetworkPolicy"): network.NETWORK_POLICY,
    ("networking.k8s.io", "ServiceCIDR"): network.SERVICE_CIDR,
    ("node.k8s.io", "RuntimeClass"): cluster.RUNTIME_CLASS,
    ("policy", "PodDisruptionBudget"): policy.BUDGET,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): policy.BINDING,
    ("rbac.authorization.k8s.io", "RoleBinding"): policy.BINDING,
    ("resource.k8s.io", "DeviceClass"): AGED,
    ("resource.k8s.io", "ResourceClaim"): policy.CLAIM,
    ("resource.k8s.io", "ResourceClaimTemplate"): AGED,
    ("resource.k8s.io", "ResourceSlice"): policy.SLICE,
    ("scheduling.k8s.io", "PriorityClass"): cluster.PRIORITY_CLASS,
    ("storage.k8s.io", "CSIDriver"): storage.DRIVER,
    ("storage.k8s.io", "CSINode"): storage.CSI_NODE,
    ("storage.k8s.io", "StorageClass"): storage.CLASS,
    ("storage.k8s.io", "VolumeAttachment"): storage.ATTACHMENT,
    ("storage.k8s.io", "VolumeAttributesClass"): storage.ATTRIBUTES_CLASS,
}


def columns(kind: Kind) -> tuple[Column, ...]:
    """Return the columns of a kind's table."""
    return PRINTERS.get((kind.group, kind.kind), PLAIN).columns


class Row(Protocol):
    """What the rows of a table are made of; an Item is one."""

    @property
    def obj(self) -> Any:
        """The object."""


R = TypeVar("R", bound=Row)


def in_order(kind: Kind, items: Iterable[R]) -> Iterable[R]:
    """Return the objects of a list in the order of its table's rows: as they come, for all kinds but one."""
    if kind.kind != "FlowSchema":
        return items
    return sorted(items, key=lambda item: (item.obj.spec.matching_precedence, item.obj.metadata.name))


def row(kind: Kind, obj: Resource, now: datetime) -> list[Any]:
    """Return the cells of one object, one for each column of its kind."""
    return PRINTERS.get((kind.group, kind.kind), PLAIN).cells(obj, now)
