"""The Services and EndpointSlices of the cluster as the proxy and DNS of a node see them: one watch each for both.

Reads through a Client; writes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kube.api.core_v1 import Service
from kube.api.discovery_v1 import EndpointSlice
from kube.client import Client
from kube.informer import Informer
from kube.runner import Runner
from nodeagent.proxy.rules import services_of

BY_SERVICE = "service"
BY_ADDRESS = "address"
BY_NAMESPACE = "namespace"


@dataclass(frozen=True, slots=True)
class ServiceInformers:
    """Both have the index BY_ADDRESS: cluster IPs, endpoints' addresses.

    services has BY_NAMESPACE too, and slices BY_SERVICE: the key of the Service that a slice belongs to.
    """

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
    of_service = {BY_ADDRESS: _cluster_ips, BY_NAMESPACE: _namespace}
    of_slice = {BY_SERVICE: services_of, BY_ADDRESS: _endpoint_addresses}
    return ServiceInformers(
        Informer(client, Service, indexes=of_service), Informer(client, EndpointSlice, indexes=of_slice)
    )


def _cluster_ips(service: Service) -> Iterable[str]:
    spec = service.spec
    return [address for address in spec.cluster_ips or (spec.cluster_ip,) if address not in ("", "None")]


def _namespace(service: Service) -> Iterable[str]:
    return (service.metadata.namespace,)


def _endpoint_addresses(found: EndpointSlice) -> Iterable[str]:
    return [address for endpoint in found.endpoints for address in endpoint.addresses]
