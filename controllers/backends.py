"""Which pods stand behind a Service, and on which ports: what EndpointSlices and Endpoints share.

Works on values alone.
Source: kubernetes.io/docs/concepts/services-networking/service, .../endpoint-slices
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from controllers.pods import is_finished, is_ready
from kube.api.core_v1 import Container, ObjectReference, Pod, Service, ServicePort
from kube.informer import Informer
from kube.objects import ObjectKey, is_terminating, key_of

HEADLESS_LABEL: Final = "service.kubernetes.io/headless"
CALM_FROM_ENDPOINTS: Final = 100
CALM_S_PER_ENDPOINT: Final = 0.0002
CALM_FROM_PODS: Final = 500
CALM_S_PER_POD: Final = 0.00002


def is_selected(service: Service, pod: Pod) -> bool:
    """Say whether the Service means the pod."""
    return service.spec.selector.items() <= pod.metadata.labels.items()


def is_headless(service: Service) -> bool:
    """Say whether the Service has no address of its own."""
    return service.spec.cluster_ip == "None"


def can_serve(pod: Pod, *, terminating_too: bool) -> bool:
    """Say whether the pod may stand behind a Service at all: it has an address and has not ended."""
    return bool(addresses(pod)) and not is_finished(pod) and (terminating_too or not is_terminating(pod))


def addresses(pod: Pod) -> tuple[str, ...]:
    """Return the addresses of the pod, the main one first."""
    return tuple(item.ip for item in pod.status.pod_ips) or ((pod.status.pod_ip,) if pod.status.pod_ip else ())


def address_of(pod: Pod, family: str) -> str | None:
    """Return the pod's address of family "IPv4" or "IPv6", None where it has none."""
    is_six = family == "IPv6"
    return next((text for text in addresses(pod) if (":" in text) is is_six), None)


def target_port(pod: Pod, port: ServicePort) -> int | None:
    """Return the port of the pod to which a Service's port leads; None where the pod has none of that name."""
    target = port.target_port or port.port
    if isinstance(target, int):
        return target
    protocol = port.protocol or "TCP"
    for container in _serving_containers(pod):
        for item in container.ports:
            if item.name == target and (item.protocol or "TCP") == protocol:
                return item.container_port
    return None


def _serving_containers(pod: Pod) -> Iterator[Container]:
    yield from pod.spec.containers
    yield from (container for container in pod.spec.init_containers if container.restart_policy == "Always")


def pod_reference(pod: Pod) -> ObjectReference:
    """Return the reference by which an endpoint names its pod."""
    meta = pod.metadata
    return ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)


def hostname_of(pod: Pod, service: Service) -> str:
    """Return the pod's own name below the Service in DNS, "" where it has none."""
    return pod.spec.hostname if pod.spec.subdomain == service.metadata.name else ""


def calm_s(endpoints: int, pods: int) -> float:
    """Return how long a Service of so many endpoints, among so many pods of its namespace, is left in peace.

    Each look goes through all of them, so looking at each change would cost n * n.
    """
    for_endpoints = endpoints * CALM_S_PER_ENDPOINT if endpoints >= CALM_FROM_ENDPOINTS else 0.0
    for_pods = pods * CALM_S_PER_POD if pods >= CALM_FROM_PODS else 0.0
    return max(for_endpoints, for_pods)


def service_keys(services: Informer[Service], pod: Pod) -> Iterator[ObjectKey]:
    """Yield the Services that mean the pod."""
    for service in services.by_index("namespace", pod.metadata.namespace):
        if service.spec.selector and is_selected(service, pod):
            yield key_of(service)


def selected_pods(pods: Informer[Pod], service: Service) -> list[Pod]:
    """Return the pods that the Service means."""
    return [pod for pod in pods.by_index("namespace", service.metadata.namespace) if is_selected(service, pod)]


def matters(old: Pod, new: Pod) -> bool:
    """Say whether a change of a pod can change what stands behind a Service."""
    return (
        old.metadata.labels != new.metadata.labels
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or old.status.pod_ip != new.status.pod_ip
        or old.status.pod_ips != new.status.pod_ips
        or is_finished(old) != is_finished(new)
        or is_ready(old) != is_ready(new)
        or old.spec.node_name != new.spec.node_name
    )


def labels_for(service: Service, own: Mapping[str, str]) -> dict[str, str]:
    """Return the labels of what is derived from the Service: the Service's, whether it is headless, and `own`."""
    headless = {HEADLESS_LABEL: ""} if is_headless(service) else {}
    kept: Iterable[tuple[str, str]] = (item for item in service.metadata.labels.items() if item[0] != HEADLESS_LABEL)
    return {**dict(kept), **headless, **own}
