"""What a node's agent may write is its own, also where the path of its request doesn't say whose it is.

The authorizer knows a request's path; this looks at the object itself. So an agent can't make a pod that would show it
a Secret, register as another node, give its node labels that draw pods to it, or take off its own taints.
Source: kubernetes.io/docs/reference/access-authn-authz/admission-controllers, section NodeRestriction.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from apiserver.authorization import references
from apiserver.strategies.pod_admission import MIRROR_ANNOTATION
from kube.api.coordination_v1 import Lease
from kube.api.core_v1 import Node, PersistentVolume, Pod, Volume
from kube.errors import forbidden
from kube.kinds import Kind, Resource
from kube.objects import without_finalizer
from kube.volumes import LOCAL_PATH

_ITS_OWN_DOMAINS: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")
_ITS_OWN_LABELS: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)


def restrict(node: str, kind: Kind, new: Resource, old: Resource | None) -> None:
    """Return if the agent of `node` may store `new`. old: None for a creation. Raises ApiError 403."""
    objections = list(_objections(node, new, old))
    if objections:
        name = new.metadata.name
        raise forbidden(kind, name, f'{kind.resource} "{name}" is forbidden: node "{node}" {"; ".join(objections)}')


def _objections(node: str, new: Resource, old: Resource | None) -> Iterator[str]:
    match new, old:
        case Pod(), None:
            yield from _pod_objections(node, new)
        case Pod(), Pod():
            if new.spec.node_name != node:
                yield "can only update pods that are on it"
            if new.metadata.labels != old.metadata.labels:
                yield "cannot update labels through pod status"
        case Node(), _:
            yield from _node_objections(node, new, old if isinstance(old, Node) else None)
        case PersistentVolume(), PersistentVolume():
            if _without_own_finalizer(old) != _without_own_finalizer(new):
                yield f"can only take the finalizer {LOCAL_PATH} from a persistent volume"
        case Lease(), _:
            if new.metadata.name != node:
                yield "can only access the lease with its own name"


def _without_own_finalizer(volume: PersistentVolume) -> tuple[object, ...]:
    """Return all of a volume that its node's agent must leave as it is."""
    meta = without_finalizer(volume, LOCAL_PATH).metadata
    return volume.spec, meta.labels, meta.annotations, meta.finalizers, meta.owner_references


def _pod_objections(node: str, pod: Pod) -> Iterator[str]:
    """Yield what a pod that stands for one of the node's own files must not be."""
    spec = pod.spec
    if MIRROR_ANNOTATION not in pod.metadata.annotations:
        yield "can only create mirror pods"
    if spec.node_name != node:
        yield "can only create pods with spec.nodeName set to itself"
    if spec.service_account_name:
        yield "cannot create pods that reference a service account"
    if references(pod, "secrets") or references(pod, "configmaps"):
        yield "cannot create pods that reference secrets or configmaps"
    if any(map(_reaches_beyond, spec.volumes)):
        yield "cannot create pods that reference persistentvolumeclaims, or volumes that come of other objects"
    if spec.resource_claims:
        yield "cannot create pods that reference resourceclaims"
    if any((owner.kind, owner.name) != ("Node", node) for owner in pod.metadata.owner_references):
        yield "can only create pods whose owner is itself"


def _reaches_beyond(volume: Volume) -> bool:
    """Say whether a volume needs other objects: claims, those made for it too, Secrets, or what a driver reads."""
    claims = volume.persistent_volume_claim, volume.ephemeral
    return any((*claims, volume.projected, volume.csi, volume.azure_file, volume.glusterfs))


def _node_objections(node: str, new: Node, old: Node | None) -> Iterator[str]:
    if new.metadata.name != node:
        yield "cannot write another node"
    before = old.metadata.labels if old is not None else {}
    kept = sorted(key for key in _changed(new.metadata.labels, before) if not is_its_own_label(key))
    if kept:
        yield f"is not allowed to modify labels: {', '.join(kept)}"
    if old is not None and new.spec.taints != old.spec.taints:
        yield "is not allowed to modify taints"
    if old is not None and new.metadata.owner_references != old.metadata.owner_references:
        yield "is not allowed to modify ownerReferences"


def _changed(new: Mapping[str, str], old: Mapping[str, str]) -> set[str]:
    return {key for key in new.keys() | old.keys() if new.get(key) != old.get(key)}


def is_its_own_label(key: str) -> bool:
    """Say whether a node may give itself a label: all that are not Kubernetes', and of those the ones about itself."""
    domain = key.rpartition("/")[0]
    if not any(domain == owned or domain.endswith("." + owned) for owned in ("kubernetes.io", "k8s.io")):
        return True
    return key in _ITS_OWN_LABELS or any(domain == own or domain.endswith("." + own) for own in _ITS_OWN_DOMAINS)
