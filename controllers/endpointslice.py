"""Keep the EndpointSlices of every Service that has a selector in line with its pods.

Reads Services, Pods, Nodes (for zones) and EndpointSlices from the informers; writes EndpointSlices with the label
endpointslice.kubernetes.io/managed-by of this controller, and never others. Decides in `endpointslice_plan`,
writes in `endpointslice_slices`.
Source: kubernetes.io/docs/concepts/services-networking/endpoint-slices
"""

from typing import Final

from controllers.backends import calm_s, matters, selected_pods, service_keys
from controllers.endpointslice_plan import MANAGER, plan
from controllers.endpointslice_slices import ManagedSlices
from controllers.world import World, again_after_conflict
from kube.api.core_v1 import Node, Pod, Service
from kube.api.discovery_v1 import EndpointSlice
from kube.controller import Controller
from kube.objects import ObjectKey, is_terminating

ZONE_LABEL: Final = "topology.kubernetes.io/zone"


class EndpointSlices:
    """The controller of EndpointSlices."""

    def __init__(self, world: World, *, workers: int = 2) -> None:
        self._managed = ManagedSlices(world, MANAGER)
        self._services = world.informers.of(Service)
        self._pods = world.informers.of(Pod)
        self._nodes = world.informers.of(Node)
        self._slices = world.informers.of(EndpointSlice)
        reconcile = again_after_conflict(self.reconcile)
        self.controller = Controller("endpointslice", reconcile, workers=workers, clock=world.clock)
        self.controller.hear(self._services)
        self.controller.know(self._slices)
        self.controller.know(self._pods)
        self.controller.know(self._nodes)
        self._slices.on_change(self._hear_slice)
        self._pods.on_change(self._hear_pod)

    def _hear_slice(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for item in (old, new):
            key = self._managed.service_of(item) if item is not None else None
            if key is not None:
                self._look_at(key)

    def _look_at(self, key: ObjectKey) -> None:
        size = sum(len(item.endpoints) for item in self._managed.of(key))
        pods = len(self._pods.by_index("namespace", key.namespace))
        self.controller.queue.add_after(key, calm_s(size, pods))

    def _hear_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and not matters(old, new):
            return
        for pod in (old, new):
            for key in service_keys(self._services, pod) if pod is not None else ():
                self._look_at(key)

    async def reconcile(self, key: ObjectKey) -> float | None:
        """Bring the slices of one Service in line with its pods."""
        service = self._services.get(key.name, key.namespace)
        if service is None or not service.spec.selector or service.spec.type == "ExternalName":
            return None  # Deleted: its slices are the garbage collector's work. No selector: somebody else's work.
        if is_terminating(service):
            return None
        changes = plan(service, selected_pods(self._pods, service), self._managed.of(key), self._zones())
        await self._managed.carry_out(changes, key, self.controller)
        return None

    def _zones(self) -> dict[str, str]:
        nodes = ((node.metadata.name, node.metadata.labels.get(ZONE_LABEL)) for node in self._nodes.all())
        return {name: zone for name, zone in nodes if zone}
