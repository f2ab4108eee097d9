"""The Services and EndpointSlices of the cluster as the proxy and DNS of a node see them: one watch each for both.

Reads through a Client; writes nothing.
"""

from dataclasses import dataclass

from kube.api.core_v1 import Service
from kube.api.discovery_v1 import EndpointSlice
from kube.client import Client
from kube.informer import Informer
from kube.runner import Runner
from nodeagent.proxy.rules import services_of

BY_SERVICE = "service"


@dataclass(frozen=True, slots=True)
class ServiceInformers:
    """slices has the index BY_SERVICE: the key of the Service that a slice belongs to."""

    services: Informer[Service]
    slices: Informer[EndpointSlice]

    def start(self, runner: Runner) -> None:
        """Run both as tasks of `runner`."""
        runner.start("informer of services", self.services.run)
        runner.start("informer of endpointslices", self.slices.run)

    async def wait_synced(self) -> None:
        """Return when both have their first list."""
        await self.services.wait_synced()
        await self.slices.wait_synced()


def service_informers(client: Client) -> ServiceInformers:
    """Make the two informers; start them once, whoever shares them."""
    return ServiceInformers(
        Informer(client, Service),
        Informer(client, EndpointSlice, indexes={BY_SERVICE: services_of}),
    )
