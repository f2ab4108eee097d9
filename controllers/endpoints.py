"""Keep the Endpoints of every Service that has a selector in line with its pods: the older form of EndpointSlices.

Reads Services and Pods from the informers; writes the Endpoints of the Service's name. Decides in `plan`.
Source: kubernetes.io/docs/concepts/services-networking/service (Endpoints); at most 1,000 addresses, as Kubernetes.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from controllers.backends import (
    address_of,
    calm_s,
    can_serve,
    hostname_of,
    is_headless,
    labels_for,
    matters,
    pod_reference,
    selected_pods,
    service_keys,
    target_port,
)
from controllers.endpointslice_plan import families
from controllers.pods import is_ready
from controllers.world import World, again_after_conflict, is_terminating_namespace
from kube.api.core_v1 import EndpointAddress, EndpointPort, Endpoints, EndpointSubset, Pod, Service
from kube.api.meta_v1 import ObjectMeta
from kube.controller import Controller
from kube.errors import ApiError
from kube.objects import ObjectKey, key_of, with_metadata

ADDRESSES_MAX: Final = 1000
TRUNCATED: Final = "endpoints.kubernetes.io/over-capacity"
MANAGER: Final = {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}

Ports = tuple[EndpointPort, ...]


def plan(service: Service, pods: Iterable[Pod], found: Endpoints | None) -> Endpoints | None:
    """Return the Endpoints to write, None where `found` is as it should be."""
    publish_all = service.spec.publish_not_ready_addresses
    serving = sorted(
        (pod for pod in pods if can_serve(pod, terminating_too=publish_all)), key=lambda pod: pod.metadata.name
    )
    wanted = found or Endpoints(metadata=ObjectMeta(name=service.metadata.name, namespace=service.metadata.namespace))
    notes = {key: value for key, value in wanted.metadata.annotations.items() if key != TRUNCATED}
    if len(serving) > ADDRESSES_MAX:
        notes[TRUNCATED] = "truncated"
        serving = sorted(serving, key=lambda pod: not is_ready(pod))[:ADDRESSES_MAX]
    wanted = with_metadata(wanted, labels=labels_for(service, MANAGER), annotations=notes)
    wanted = replace(wanted, subsets=subsets(service, serving))
    return None if wanted == found else wanted


def subsets(service: Service, pods: Iterable[Pod]) -> tuple[EndpointSubset, ...]:
    """Return the pods' addresses, grouped by the ports that they answer on."""
    groups: dict[Ports, tuple[list[EndpointAddress], list[EndpointAddress]]] = {}
    for pod in pods:
        address = address_of(pod, families(service)[0])
        ports = _ports_of(service, pod)
        if address is None or (not ports and not is_headless(service)):
            continue
        ready, unready = groups.setdefault(ports, ([], []))
        entry = EndpointAddress(
            ip=address,
            hostname=hostname_of(pod, service),
            node_name=pod.spec.node_name or None,
            target_ref=pod_reference(pod),
        )
        (ready if service.spec.publish_not_ready_addresses or is_ready(pod) else unready).append(entry)
    return tuple(
        EndpointSubset(addresses=_sorted(ready), not_ready_addresses=_sorted(unready), ports=ports)
        for ports, (ready, unready) in groups.items()
    )


def _sorted(entries: Iterable[EndpointAddress]) -> tuple[EndpointAddress, ...]:
    return tuple(sorted(entries, key=lambda entry: entry.ip))


def _ports_of(service: Service, pod: Pod) -> Ports:
    found = []
    for port in service.spec.ports:
        number = target_port(pod, port)
        if number is not None:
            protocol = port.protocol or "TCP"
            found.append(EndpointPort(name=port.name, port=number, protocol=protocol, app_protocol=port.app_protocol))
    return tuple(found)


class EndpointsObjects:
    """The controller of Endpoints."""

    def __init__(self, world: World, *, workers: int = 2) -> None:
        self._world = world
        self._services = world.informers.of(Service)
        self._pods = world.informers.of(Pod)
        self._endpoints = world.informers.of(Endpoints)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("endpoints", reconcile, workers=workers, clock=world.clock)
        self.controller.hear(self._services)
        self.controller.know(self._endpoints)
        self.controller.know(self._pods)
        self._endpoints.on_change(self._hear_endpoints)
        self._pods.on_change(self._hear_pod)

    def _hear_endpoints(self, old: Endpoints | None, new: Endpoints | None) -> None:
        changed = new or old
        if changed is not None:
            self._look_at(key_of(changed))

    def _look_at(self, key: ObjectKey) -> None:
        size = self._size(key)
        pods = len(self._pods.by_index("namespace", key.namespace))
        self.controller.queue.add_after(key, calm_s(size, pods))

    def _hear_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and not matters(old, new):
            return
        for pod in (old, new):
            for key in service_keys(self._services, pod) if pod is not None else ():
                self._look_at(key)

    def _size(self, key: ObjectKey) -> int:
        found = self._endpoints.get(key.name, key.namespace)
        return sum(len(item.addresses) + len(item.not_ready_addresses) for item in found.subsets) if found else 0

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Bring the Endpoints of one Service in line with its pods; those of a deleted Service go with it."""
        service = self._services.get(key.name, key.namespace)
        found = self._endpoints.get(key.name, key.namespace)
        if service is None:
            if found is not None and MANAGER.items() <= found.metadata.labels.items():
                await self._delete(found)
            return None
        if not service.spec.selector or service.spec.type == "ExternalName":
            return None
        wanted = plan(service, selected_pods(self._pods, service), found)
        if wanted is None:
            return None
        client = self._world.client
        try:
            self.controller.wrote(key, await (client.update(wanted) if found else client.create(wanted)))
        except ApiError as error:
            if not is_terminating_namespace(error):
                raise
        return None

    async def _delete(self, found: Endpoints) -> None:
        try:
            await self._world.client.delete(Endpoints, found.metadata.name, namespace=found.metadata.namespace)
        except ApiError as error:
            if error.code != 404:
                raise
