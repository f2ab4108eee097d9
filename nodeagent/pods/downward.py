"""What a pod may learn of itself: its fields and its containers' resources, as text.

Plain functions; a field that doesn't exist raises FieldMissing with its path.
Source: kubernetes.io/docs/concepts/workloads/pods/downward-api.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from kube.api.core_v1 import Container, Pod, ResourceFieldSelector
from kube.quantity import Quantity
from nodeagent.pods.containers import find_container

_MEMBER: Final = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


class FieldMissing(ValueError):  # noqa: N818 - a fact about the reference.
    """A reference names a field that isn't offered."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """What is known of a pod beyond its object. allocatable: what the node has for pods."""

    pod: Pod
    pod_ips: tuple[str, ...] = ()
    host_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, Quantity] | None = None


def field_value(facts: PodFacts, path: str) -> str:
    """Return a field of the pod as text."""
    meta = facts.pod.metadata
    member = _MEMBER.fullmatch(path)
    if member is not None:
        held = meta.labels if member[1] == "labels" else meta.annotations
        return held.get(member[2], "")
    reader = _FIELDS.get(path)
    if reader is None:
        raise FieldMissing(f"unsupported fieldPath: {path}")
    return reader(facts)


def _lines(held: Mapping[str, str]) -> str:
    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(held.items()))


_FIELDS: Final[Mapping[str, Callable[[PodFacts], str]]] = {
    "metadata.name": lambda facts: facts.pod.metadata.name,
    "metadata.namespace": lambda facts: facts.pod.metadata.namespace,
    "metadata.uid": lambda facts: facts.pod.metadata.uid,
    "metadata.labels": lambda facts: _lines(facts.pod.metadata.labels),
    "metadata.annotations": lambda facts: _lines(facts.pod.metadata.annotations),
    "spec.nodeName": lambda facts: facts.pod.spec.node_name,
    "spec.serviceAccountName": lambda facts: facts.pod.spec.service_account_name,
    "status.hostIP": lambda facts: facts.host_ips[0] if facts.host_ips else "",
    "status.hostIPs": lambda facts: ",".join(facts.host_ips),
    "status.podIP": lambda facts: facts.pod_ips[0] if facts.pod_ips else "",
    "status.podIPs": lambda facts: ",".join(facts.pod_ips),
}


def resource_value(facts: PodFacts, container: Container, selector: ResourceFieldSelector) -> str:
    """Return a request or limit of a container in units of the divisor, rounded up; its limit may be its pod's."""
    kind, _, name = selector.resource.partition(".")
    held = {"requests": container.resources.requests, "limits": container.resources.limits}.get(kind)
    if held is None or not name:
        raise FieldMissing(f"unsupported container resource : {selector.resource}")
    amount = held.get(name)
    if amount is None and kind == "limits":
        whole = facts.pod.spec.resources
        amount = (whole.limits if whole is not None else {}).get(name) or (facts.allocatable or {}).get(name)
    if amount is None:
        amount = Quantity("0")
    divisor = selector.divisor.value if selector.divisor is not None and selector.divisor.value else Decimal(1)
    return str(int((amount.value / divisor).to_integral_value(ROUND_CEILING)))


def container_named(pod: Pod, name: str) -> Container:
    """Return the container of that name."""
    container = find_container(pod, name)
    if container is None:
        raise FieldMissing(f'container "{name}" not found')
    return container
