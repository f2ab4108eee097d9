"""The rules of each kind: defaults, checks, what may change, what is made from pools.

`strategy_of` gives the one Strategy of a kind. docs/adding-a-kind.md tells what a new kind needs.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from apiserver.strategy import Strategy
from kube.kinds import Kind

from .certificates import CertificateSigningRequestStrategy
from .cluster import NamespaceStrategy, NodeStrategy
from .configuration import ConfigMapStrategy, SecretStrategy, ServiceAccountStrategy
from .endpoints import EndpointSliceStrategy, EndpointsStrategy
from .pod import PodStrategy, PodTemplateStrategy
from .service import ServiceStrategy
from .statefulset import StatefulSetStrategy
from .workloads import (
    ControllerRevisionStrategy,
    DaemonSetStrategy,
    DeploymentRules,
    ReplicaSetStrategy,
    ReplicationControllerStrategy,
)

STRATEGIES: Final[Mapping[tuple[str, str], type[Strategy[Any]]]] = {
    ("", "ConfigMap"): ConfigMapStrategy,
    ("", "Endpoints"): EndpointsStrategy,
    ("", "Namespace"): NamespaceStrategy,
    ("", "Node"): NodeStrategy,
    ("", "Pod"): PodStrategy,
    ("", "PodTemplate"): PodTemplateStrategy,
    ("", "ReplicationController"): ReplicationControllerStrategy,
    ("", "Secret"): SecretStrategy,
    ("", "Service"): ServiceStrategy,
    ("", "ServiceAccount"): ServiceAccountStrategy,
    ("apps", "ControllerRevision"): ControllerRevisionStrategy,
    ("apps", "DaemonSet"): DaemonSetStrategy,
    ("apps", "Deployment"): DeploymentRules,
    ("apps", "ReplicaSet"): ReplicaSetStrategy,
    ("apps", "StatefulSet"): StatefulSetStrategy,
    ("certificates.k8s.io", "CertificateSigningRequest"): CertificateSigningRequestStrategy,
    ("discovery.k8s.io", "EndpointSlice"): EndpointSliceStrategy,
}


@cache
def strategy_of(kind: Kind) -> Strategy[Any]:
    """Return the rules of a kind; those that all objects share where it has none of its own."""
    return STRATEGIES.get((kind.group, kind.kind), Strategy)(kind)
