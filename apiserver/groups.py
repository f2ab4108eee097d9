"""Which groups and versions are served, and how Kubernetes ranks them.

Source: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1 for what the ranks mean.
"""

from functools import cache
from typing import Final

from kube.kinds import KINDS

RANKS: Final = {
    "": 18_000,
    "apiregistration.k8s.io": 17_900,
    "apps": 17_800,
    "events.k8s.io": 17_750,
    "authentication.k8s.io": 17_700,
    "authorization.k8s.io": 17_600,
    "autoscaling": 17_500,
    "batch": 17_400,
    "certificates.k8s.io": 17_300,
    "networking.k8s.io": 17_200,
    "policy": 17_100,
    "rbac.authorization.k8s.io": 17_000,
    "storage.k8s.io": 16_800,
    "admissionregistration.k8s.io": 16_700,
    "apiextensions.k8s.io": 16_700,
    "scheduling.k8s.io": 16_600,
    "coordination.k8s.io": 16_500,
    "node.k8s.io": 16_300,
    "discovery.k8s.io": 16_200,
    "resource.k8s.io": 16_200,
    "flowcontrol.apiserver.k8s.io": 16_100,
    "metrics.k8s.io": 100,
}
"""Where two groups have a resource of one name, clients take that of the higher rank."""


@cache
def groups() -> tuple[str, ...]:
    """Return the groups, "" for the core group, those of the highest rank first."""
    return tuple(sorted({kind.group for kind in KINDS}, key=lambda group: (-RANKS[group], group)))


@cache
def versions_of(group: str) -> tuple[str, ...]:
    """Return the versions of a group, the preferred one (the newest) first."""
    return tuple(sorted({kind.version for kind in KINDS if kind.group == group}, reverse=True))
