"""What the containers of a pod ask of a node together. A plain function.

Source: kubernetes.io/docs/concepts/workloads/pods/sidecar-containers, section on resource sharing; KEP-753.
"""

from collections.abc import Mapping

from kube.api.core_v1 import PodSpec
from kube.quantity import Quantity


def container_requests(spec: PodSpec) -> dict[str, Quantity]:
    """Return what the containers and sidecars ask for together, or the hungriest init container with its sidecars."""
    sidecars: dict[str, Quantity] = {}
    peak: dict[str, Quantity] = {}
    for container in spec.init_containers:
        wanted = container.resources.requests
        if container.restart_policy == "Always":
            add(sidecars, wanted)
            _raise_to(peak, sidecars)
        else:
            both = dict(sidecars)
            add(both, wanted)
            _raise_to(peak, both)
    total = sidecars
    for container in spec.containers:
        add(total, container.resources.requests)
    _raise_to(total, peak)
    return total


def add(total: dict[str, Quantity], more: Mapping[str, Quantity]) -> None:
    """Add amounts to those that are there."""
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def _raise_to(total: dict[str, Quantity], least: Mapping[str, Quantity]) -> None:
    for name, amount in least.items():
        if name not in total or total[name] < amount:
            total[name] = amount
