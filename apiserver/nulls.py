"""Lists that are never left out, and null where they are empty: so Kubernetes writes them, and so they are stored.

They are told by their field's JSON in the kinds that have them. In no text of JSON can that stand, for quotes have a
backslash there; and of these kinds only claims of devices carry JSON that others made.
Source: the fields without "omitempty" in k8s.io/api.
"""

from collections.abc import Mapping
from typing import Final

from kube.kinds import Kind

_PODS: Final = (b'"sources":[]',)
_CLAIMS: Final = (b'"devices":{"requests":[]}',)
_EMPTY: Final[Mapping[str, tuple[bytes, ...]]] = {
    "CSINode": (b'"drivers":[]', b'"topologyKeys":[]'),
    "ClusterRole": (b'"rules":[]',),
    "CronJob": (*_PODS, b'"rules":[]'),
    "DaemonSet": _PODS,
    "Deployment": _PODS,
    "EndpointSlice": (b'"endpoints":[]', b'"ports":[]'),
    "FlowSchema": (b'"namespaces":[]',),
    "HorizontalPodAutoscaler": (b'"currentMetrics":[]',),
    "Job": (*_PODS, b'"rules":[]'),
    "LimitRange": (b'"limits":[]',),
    "Node": (b'"names":[]',),
    "Pod": _PODS,
    "PodTemplate": _PODS,
    "ReplicaSet": _PODS,
    "ReplicationController": _PODS,
    "ResourceClaim": _CLAIMS,
    "ResourceClaimTemplate": _CLAIMS,
    "Role": (b'"rules":[]',),
    "StatefulSet": _PODS,
}


def with_nulls(kind: Kind, data: bytes) -> bytes:
    """Return an object's JSON with null for its empty lists."""
    for field in _EMPTY.get(kind.kind, ()):
        if field in data:
            data = data.replace(field, field.replace(b"[]", b"null"))
    return data
