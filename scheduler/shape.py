"""All that matters of a pod for where it can go: pods of one shape fit, and score, alike.

The pods of a ReplicaSet have one shape, so what was found out about the nodes for the first serves for the next.
What a pod asks for that this scheduler can't do is part of its shape too, so that it is refused and never ignored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from kube.api.core_v1 import NodeAffinity, NodeSelectorTerm, Pod, PreferredSchedulingTerm, Toleration
from kube.codec import encode
from kube.objects import controller_of
from kube.selectors import SelectorError
from scheduler.needs import Needs, needs_of
from scheduler.terms import NO_DEMANDS, Demands, demands_of
from scheduler.volumes import NO_VOLUMES, VolumeNeeds

_NO_AFFINITY: Final = NodeAffinity()


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What a pod asks of the cluster. Compared by `identity`, all that a node alone is judged by.

    owner: uid of its controller, "" for none: pods of one owner are spread.
    node_terms: at least one must match; None where the pod has no required node affinity.
    demands: what it asks of the pods around it, and `namespace` and `labels` what others may ask of it.
    volumes: what its claims ask. unsupported: what it asks for that is not to be had, as sentences.
    """

    identity: tuple[object, ...]
    needs: Needs
    owner: str
    node_name: str
    node_selector: tuple[tuple[str, str], ...]
    node_terms: tuple[NodeSelectorTerm, ...] | None
    preferred_terms: tuple[PreferredSchedulingTerm, ...]
    tolerations: tuple[Toleration, ...]
    namespace: str
    labels: Mapping[str, str]
    demands: Demands
    volumes: VolumeNeeds
    unsupported: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shape) and self.identity == other.identity

    def __hash__(self) -> int:
        return hash(self.identity)


def shape_of(pod: Pod, volumes: VolumeNeeds = NO_VOLUMES) -> Shape:
    """Return the shape of `pod`. volumes: what its claims ask."""
    spec = pod.spec
    needs = needs_of(pod)
    owner = controller_of(pod)
    owner_uid = owner.uid if owner else ""
    affinity = (spec.affinity and spec.affinity.node_affinity) or _NO_AFFINITY
    required = affinity.required_during_scheduling_ignored_during_execution
    selector = tuple(sorted(spec.node_selector.items()))
    demands, unsupported = NO_DEMANDS, tuple(_unsupported(pod))
    try:
        demands = demands_of(pod)
    except SelectorError as error:
        unsupported = (*unsupported, str(error))
    identity = (
        owner_uid,
        tuple(sorted(needs.requests.items())),
        needs.weights_cpu_millis,
        needs.weights_memory_bytes,
        needs.host_ports,
        spec.node_name,
        selector,
        encode(affinity) if spec.affinity else b"",
        spec.tolerations,
        volumes.identity,
        unsupported,
    )
    return Shape(
        identity=identity,
        needs=needs,
        owner=owner_uid,
        node_name=spec.node_name,
        node_selector=selector,
        node_terms=required.node_selector_terms if required else None,
        preferred_terms=affinity.preferred_during_scheduling_ignored_during_execution,
        tolerations=spec.tolerations,
        namespace=pod.metadata.namespace,
        labels=pod.metadata.labels,
        demands=demands,
        volumes=volumes,
        unsupported=unsupported,
    )


def _unsupported(pod: Pod) -> Iterator[str]:
    if pod.spec.resource_claims:
        yield "resource claims are not supported by this scheduler; remove spec.resourceClaims"
