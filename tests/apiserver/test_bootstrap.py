"""What a cluster has from the start, and the address of its API."""

import asyncio
from dataclasses import replace

import pytest

from apiserver.bootstrap import (
    ANNOUNCE_S,
    LEASE_S,
    Basics,
    announce,
    basic_objects,
    bootstrap,
    keep_up,
    tell_what_is_served,
)
from kube.api.apiregistration_v1 import APIService
from kube.api.core_v1 import Endpoints, Namespace, Service
from kube.api.discovery_v1 import EndpointSlice
from kube.api.networking_v1 import ServiceCIDR
from kube.api.scheduling_v1 import PriorityClass
from kube.errors import ApiError, internal, unavailable
from tests.apiserver.material import NOW, wrongs
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock

BASICS = Basics("192.168.7.1", 6443, "10.96.0.0/16")
SECOND = replace(BASICS, address="192.168.7.2")


async def addresses(client: FakeClient) -> list[str]:
    """Return the addresses of the API by its Endpoints, which must be those of its EndpointSlice."""
    endpoints = await client.get(Endpoints, "kubernetes", namespace="default")
    piece = await client.get(EndpointSlice, "kubernetes", namespace="default")
    found = [address.ip for address in endpoints.subsets[0].addresses]
    assert [endpoint.addresses[0] for endpoint in piece.endpoints] == found
    return found


def test_the_clusters_own_objects_pass_their_own_rules() -> None:
    assert [wrong for obj in basic_objects(BASICS) for wrong in wrongs(obj)] == []


async def test_a_new_cluster_has_its_namespaces_services_and_priorities() -> None:
    client = FakeClient()

    await bootstrap(client, BASICS, FakeClock(NOW))

    namespaces = (await client.list(Namespace)).items
    assert {item.metadata.name for item in namespaces} == {"default", "kube-system", "kube-public", "kube-node-lease"}
    services = {item.metadata.name: item.spec.cluster_ip for item in (await client.list(Service)).items}
    assert services == {"kubernetes": "10.96.0.1", "kube-dns": "10.96.0.10"}
    classes = {item.metadata.name: item.value for item in (await client.list(PriorityClass)).items}
    assert classes == {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}
    assert await addresses(client) == ["192.168.7.1"]


async def test_what_is_served_is_told_of_a_new_cluster() -> None:
    client = FakeClient()
    await bootstrap(client, BASICS, FakeClock(NOW))

    await tell_what_is_served(client, NOW)

    [condition] = (await client.get(ServiceCIDR, "kubernetes")).status.conditions
    assert (condition.type, condition.status) == ("Ready", "True")
    assert (await client.get(APIService, "v1.apps")).spec.group == "apps"


async def test_a_second_start_leaves_everything_as_it_is() -> None:
    client, clock = FakeClient(), FakeClock(NOW)
    await bootstrap(client, BASICS, clock)
    before = (await client.list(Namespace)).items

    await bootstrap(client, BASICS, clock)

    assert (await client.list(Namespace)).items == before


async def test_every_living_server_is_an_endpoint_and_a_dead_one_is_not_for_long() -> None:
    """Pods reach the API through this Service; a dead address in it would cost every second request."""
    client, clock = FakeClient(), FakeClock(NOW)
    await bootstrap(client, BASICS, clock)
    await announce(client, SECOND, clock.now())
    assert await addresses(client) == ["192.168.7.1", "192.168.7.2"]

    await clock.advance(LEASE_S + 1)
    await announce(client, SECOND, clock.now())

    assert await addresses(client) == ["192.168.7.2"]


async def test_a_store_that_is_away_costs_the_upkeep_one_round() -> None:
    client, clock = FakeClient(), FakeClock(NOW)
    await bootstrap(client, BASICS, clock)
    async with asyncio.TaskGroup() as tasks:
        upkeep = tasks.create_task(keep_up(client, SECOND, clock))
        client.failures.append(unavailable("the store does not answer"))

        await clock.advance(ANNOUNCE_S)
        missed = await addresses(client)
        await clock.advance(ANNOUNCE_S)

        assert missed == ["192.168.7.1"]
        assert await addresses(client) == ["192.168.7.1", "192.168.7.2"]
        upkeep.cancel()


async def test_what_else_fails_in_the_upkeep_is_not_passed_over() -> None:
    client, clock = FakeClient(), FakeClock(NOW)
    await bootstrap(client, BASICS, clock)
    upkeep = asyncio.create_task(keep_up(client, BASICS, clock))
    client.failures.append(internal("a bug"))

    await clock.advance(ANNOUNCE_S)

    with pytest.raises(ExceptionGroup) as raised:
        await upkeep
    assert raised.group_contains(ApiError, match="a bug")


async def test_a_server_on_the_loopback_is_not_announced() -> None:
    """To a pod that address is the pod itself."""
    client = FakeClient()

    await bootstrap(client, replace(BASICS, address="127.0.0.1"), FakeClock(NOW))

    assert (await client.list(Endpoints)).items == []
