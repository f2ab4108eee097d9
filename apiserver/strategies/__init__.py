"""The rules of each kind: defaults, checks, what may change, what is made from pools.

`strategy_of` gives the one Strategy of a kind. docs/adding-a-kind.md tells what a new kind needs.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from apiserver.strategy import Strategy
from kube.kinds import Kind

from .activity import EventStrategy, LeaseStrategy
from .addresses import IPAddressStrategy, ServiceCIDRStrategy
from .admission_policies import MutatingPolicyStrategy, PolicyBindingStrategy, ValidatingPolicyStrategy
from .aggregated import APIServiceStrategy
from .autoscaling import AutoscalerStrategy
from .batch import CronJobStrategy, JobStrategy
from .certificates import CertificateSigningRequestStrategy
from .claims import ClaimStrategy
from .classes import PriorityClassStrategy, RuntimeClassStrategy
from .cluster import NamespaceStrategy, NodeStrategy
from .configuration import ConfigMapStrategy, SecretStrategy, ServiceAccountStrategy
from .definitions import DefinitionStrategy
from .devices import ClaimTemplateStrategy, DeviceClaimStrategy, DeviceClassStrategy
from .drivers import AttachmentStrategy, AttributesClassStrategy, CapacityStrategy, CSINodeStrategy, DriverStrategy
from .endpoints import EndpointSliceStrategy, EndpointsStrategy
from .flows import FlowSchemaStrategy, PriorityLevelStrategy
from .limits import LimitRangeStrategy
from .networking import IngressClassStrategy, IngressStrategy, NetworkPolicyStrategy
from .pod import PodStrategy, PodTemplateStrategy
from .policy import (
    BindingStrategy,
    BudgetStrategy,
    QuotaStrategy,
    RoleStrategy,
)
from .service import ServiceStrategy
from .slices import SliceStrategy
from .statefulset import StatefulSetStrategy
from .storage import StorageClassStrategy, VolumeStrategy
from .webhooks import WebhookConfigurationStrategy
from .workloads import (
    ControllerRevisionStrategy,
    DaemonSetStrategy,
    DeploymentRules,
    ReplicaSetStrategy,
    ReplicationControllerStrategy,
)

STRATEGIES: Final[Mapping[tuple[str, str], type[Strategy[Any]]]] = {
    ("v1", "ConfigMap"): ConfigMapStrategy,
    ("v1", "Endpoints"): EndpointsStrategy,
    ("v1", "Event"): EventStrategy,
    ("v1", "LimitRange"): LimitRangeStrategy,
    ("v1", "Namespace"): NamespaceStrategy,
    ("v1", "Node"): NodeStrategy,
    ("v1", "PersistentVolume"): VolumeStrategy,
    ("v1", "PersistentVolumeClaim"): ClaimStrategy,
    ("v1", "Pod"): PodStrategy,
    ("v1", "PodTemplate"): PodTemplateStrategy,
    ("v1", "ReplicationController"): ReplicationControllerStrategy,
    ("v1", "ResourceQuota"): QuotaStrategy,
    ("v1", "Secret"): SecretStrategy,
    ("v1", "Service"): ServiceStrategy,
    ("v1", "ServiceAccount"): ServiceAccountStrategy,
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"): MutatingPolicyStrategy,
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicyBinding"): PolicyBindingStrategy,
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"): WebhookConfigurationStrategy,
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"): ValidatingPolicyStrategy,
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"): PolicyBindingStrategy,
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"): WebhookConfigurationStrategy,
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"): DefinitionStrategy,
    ("apiregistration.k8s.io/v1", "APIService"): APIServiceStrategy,
    ("apps/v1", "ControllerRevision"): ControllerRevisionStrategy,
    ("apps/v1", "DaemonSet"): DaemonSetStrategy,
    ("apps/v1", "Deployment"): DeploymentRules,
    ("apps/v1", "ReplicaSet"): ReplicaSetStrategy,
    ("apps/v1", "StatefulSet"): StatefulSetStrategy,
    ("autoscaling/v2", "HorizontalPodAutoscaler"): AutoscalerStrategy,
    ("batch/v1", "CronJob"): CronJobStrategy,
    ("batch/v1", "Job"): JobStrategy,
    ("certificates.k8s.io/v1", "CertificateSigningRequest"): CertificateSigningRequestStrategy,
    ("coordination.k8s.io/v1", "Lease"): LeaseStrategy,
    ("discovery.k8s.io/v1", "EndpointSlice"): EndpointSliceStrategy,
    ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema"): FlowSchemaStrategy,
    ("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration"): PriorityLevelStrategy,
    ("networking.k8s.io/v1", "IPAddress"): IPAddressStrategy,
    ("networking.k8s.io/v1", "Ingress"): IngressStrategy,
    ("networking.k8s.io/v1", "IngressClass"): IngressClassStrategy,
    ("networking.k8s.io/v1", "NetworkPolicy"): NetworkPolicyStrategy,
    ("networking.k8s.io/v1", "ServiceCIDR"): ServiceCIDRStrategy,
    ("node.k8s.io/v1", "RuntimeClass"): RuntimeClassStrategy,
    ("policy/v1", "PodDisruptionBudget"): BudgetStrategy,
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): RoleStrategy,
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): BindingStrategy,
    ("rbac.authorization.k8s.io/v1", "Role"): RoleStrategy,
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): BindingStrategy,
    ("resource.k8s.io/v1", "DeviceClass"): DeviceClassStrategy,
    ("resource.k8s.io/v1", "ResourceClaim"): DeviceClaimStrategy,
    ("resource.k8s.io/v1", "ResourceClaimTemplate"): ClaimTemplateStrategy,
    ("resource.k8s.io/v1", "ResourceSlice"): SliceStrategy,
    ("scheduling.k8s.io/v1", "PriorityClass"): PriorityClassStrategy,
    ("storage.k8s.io/v1", "CSIDriver"): DriverStrategy,
    ("storage.k8s.io/v1", "CSINode"): CSINodeStrategy,
    ("storage.k8s.io/v1", "CSIStorageCapacity"): CapacityStrategy,
    ("storage.k8s.io/v1", "StorageClass"): StorageClassStrategy,
    ("storage.k8s.io/v1", "VolumeAttachment"): AttachmentStrategy,
    ("storage.k8s.io/v1", "VolumeAttributesClass"): AttributesClassStrategy,
}


@cache
def strategy_of(kind: Kind) -> Strategy[Any]:
    """Return the rules of a kind; those that all objects share where it has none of its own."""
    return STRATEGIES.get((kind.api_version, kind.kind), Strategy)(kind)
