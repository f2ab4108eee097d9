"""A Directory of a few objects, for tests of the zone."""

from collections.abc import Iterable, Sequence

from kube.api.core_v1 import Service
from kube.api.discovery_v1 import EndpointSlice
from kube.objects import ObjectKey, key_of
from nodeagent.proxy.rules import services_of


class MemoryDirectory:
    """Looks through all of them every time."""

    def __init__(self, objects: Iterable[Service | EndpointSlice]) -> None:
        found = list(objects)
        self._services = [obj for obj in found if isinstance(obj, Service)]
        self._slices = [obj for obj in found if isinstance(obj, EndpointSlice)]
        self.serial = 7

    def service(self, key: ObjectKey) -> Service | None:
        return next((service for service in self._services if key_of(service) == key), None)

    def slices(self, key: ObjectKey) -> Sequence[EndpointSlice]:
        return [found for found in self._slices if key in services_of(found)]

    def services_at(self, address: str) -> Sequence[Service]:
        return [service for service in self._services if address in service.spec.cluster_ips]

    def slices_at(self, address: str) -> Sequence[EndpointSlice]:
        return [found for found in self._slices if any(address in one.addresses for one in found.endpoints)]

    def has_namespace(self, name: str) -> bool:
        return any(service.metadata.namespace == name for service in self._services)
