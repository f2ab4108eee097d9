"""The EndpointSlices of one Service that one controller manages: find them, and carry out what a plan says of them.

Keeps true: slices of other managers, and people's own, are neither found nor written.
Writes EndpointSlices. Source: kubernetes.io/docs/concepts/services-networking/endpoint-slices (ownership)
"""

from controllers.endpointslice_plan import MANAGER_LABEL, SERVICE_LABEL, Changes
from controllers.world import World, is_terminating_namespace
from kube.api.discovery_v1 import EndpointSlice
from kube.controller import Controller
from kube.errors import ApiError
from kube.objects import ObjectKey


class ManagedSlices:
    """The slices that bear one manager's label."""

    def __init__(self, world: World, manager: str) -> None:
        self._client = world.client
        self._slices = world.informers.of(EndpointSlice)
        self._manager = manager

    def of(self, key: ObjectKey) -> list[EndpointSlice]:
        """Return those of a Service."""
        there = self._slices.by_index("namespace", key.namespace)
        return [item for item in there if self.service_of(item) == key]

    def service_of(self, item: EndpointSlice) -> ObjectKey | None:
        """Return the Service that a slice is for, None for slices of others."""
        labels = item.metadata.labels
        if labels.get(MANAGER_LABEL) != self._manager or not labels.get(SERVICE_LABEL):
            return None
        return ObjectKey(item.metadata.namespace, labels[SERVICE_LABEL])

    async def carry_out(self, changes: Changes, key: ObjectKey, controller: Controller) -> None:
        """Write what has to be, new slices first, so that no endpoint is missing meanwhile. Raises ApiError."""
        for item in changes.create:
            try:
                controller.wrote(key, await self._client.create(item))
            except ApiError as error:
                if is_terminating_namespace(error):
                    return
                raise
        for item in changes.update:
            controller.wrote(key, await self._client.update(item))
        for item in changes.delete:
            await self._delete(item, key, controller)

    async def _delete(self, item: EndpointSlice, key: ObjectKey, controller: Controller) -> None:
        try:
            last = await self._client.delete(EndpointSlice, item.metadata.name, namespace=item.metadata.namespace)
        except ApiError as error:
            if error.code == 404:
                return
            raise
        if last is not None:
            controller.wrote(key, last)
