"""What stands behind a Service, while pods come and go."""

import pytest

from kube.api.core_v1 import Endpoints
from kube.api.discovery_v1 import EndpointSlice
from kube.client import Client
from kube.errors import ApiError
from tests import make
from tests.scenarios.rooms import Cluster, cluster


def slices(rooms: Cluster) -> list[EndpointSlice]:
    return [s for s in rooms.all(EndpointSlice) if s.metadata.labels.get("kubernetes.io/service-name") == "web"]


def sliced(rooms: Cluster) -> set[str]:
    """Return the addresses that may be used."""
    found = [endpoint for item in slices(rooms) for endpoint in item.endpoints]
    return {endpoint.addresses[0] for endpoint in found if endpoint.conditions.ready}


def listed(rooms: Cluster) -> set[str]:
    found = rooms.get(Endpoints, "web")
    return {entry.ip for subset in found.subsets for entry in subset.addresses} if found else set()


def pod_ips(rooms: Cluster) -> set[str]:
    return {pod.status.pod_ip for pod in rooms.pods()}


async def test_a_service_follows_its_pods(client: Client) -> None:
    async with cluster(client) as rooms:
        await client.create(make.service())
        await client.create(make.deployment(replicas=3))
        await rooms.until(lambda: len(sliced(rooms)) == len(listed(rooms)) == 3, "three addresses in both forms")
        assert sliced(rooms) == listed(rooms) == pod_ips(rooms)

        await client.patch(type(make.deployment()), "web", {"spec": {"replicas": 1}}, namespace="default")

        await rooms.until(lambda: len(sliced(rooms)) == len(listed(rooms)) == 1, "one address in both forms")
        await rooms.until(
            lambda: sliced(rooms) == listed(rooms) == pod_ips(rooms), "the address of the pod that is left"
        )


async def test_a_deleted_slice_comes_back_and_a_deleted_service_takes_its_slices_along(client: Client) -> None:
    async with cluster(client) as rooms:
        await client.create(make.service())
        await client.create(make.deployment(replicas=2))
        await rooms.until(lambda: len(sliced(rooms)) == 2 == len(listed(rooms)), "two addresses")
        first = slices(rooms)[0].metadata

        await client.delete(EndpointSlice, first.name, namespace="default")
        await rooms.until(lambda: slices(rooms) and slices(rooms)[0].metadata.uid != first.uid, "a new slice")
        await client.delete(type(make.service()), "web", namespace="default")

        await rooms.until(lambda: not slices(rooms), "the slices to go")
        await rooms.until(lambda: rooms.get(Endpoints, "web") is None, "the Endpoints to go")


async def test_a_service_without_a_selector_is_left_to_its_user(client: Client) -> None:
    async with cluster(client) as rooms:
        await client.create(make.service("by-hand", selector={}))
        await client.create(make.service())
        await rooms.until(lambda: slices(rooms), "the slices of the other Service")

        with pytest.raises(ApiError, match="not found"):
            await client.get(Endpoints, "by-hand", namespace="default")
