"""Cluster IPs and node ports, with several servers on one store."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from apiserver.allocators import (
    DNS_SERVICE,
    IP_PREFIX,
    KUBERNETES_SERVICE,
    PORT_PREFIX,
    UNUSED_AFTER,
    AddressRange,
    StoredAllocators,
)
from apiserver.store.contract import Page
from apiserver.store.memory import MemoryStore
from kube.api.core_v1 import Service, ServicePort, ServiceSpec
from kube.api.meta_v1 import ObjectMeta
from kube.objects import ObjectKey
from tests.kube.fake_clock import FakeClock

WEB, OTHER = ObjectKey("default", "web"), ObjectKey("default", "other")


def allocators(store: MemoryStore, clock: FakeClock | None = None, seed: int = 1) -> StoredAllocators:
    source = random.Random(seed)
    return StoredAllocators(
        store, AddressRange.parse("10.96.0.0/27"), clock or FakeClock(), range(30000, 30008), source
    )


async def held(store: MemoryStore, prefix: str) -> set[str]:
    return {entry.key.removeprefix(prefix) for entry in (await store.range(prefix)).entries}


async def test_two_servers_never_hand_out_one_address_twice() -> None:
    store = MemoryStore()
    servers = [allocators(store), allocators(store)]

    taken = await asyncio.gather(*(server.take_cluster_ip(WEB) for server in servers for _ in range(10)))

    assert len(set(taken)) == 20


async def test_a_range_can_be_used_to_its_last_address_and_then_says_that_it_is_full() -> None:
    store = MemoryStore()
    server = allocators(store)

    taken = {await server.take_cluster_ip(WEB) for _ in range(28)}

    assert taken == {f"10.96.0.{number}" for number in range(1, 31)} - {"10.96.0.1", "10.96.0.10"}
    with pytest.raises(ValueError, match=r"range 10\.96\.0\.0/27 is full"):
        await server.take_cluster_ip(WEB)


async def test_addresses_that_people_choose_themselves_are_used_up_last() -> None:
    server = allocators(MemoryStore())

    first = [await server.take_cluster_ip(WEB) for _ in range(10)]

    assert all(int(ip.rpartition(".")[2]) >= 16 for ip in first)


async def test_the_first_and_the_tenth_address_belong_to_two_services_by_name() -> None:
    """They must be there at every start, also after a crash between taking and storing."""
    server = allocators(MemoryStore())

    assert await server.take_cluster_ip(KUBERNETES_SERVICE, "10.96.0.1") == "10.96.0.1"
    assert await server.take_cluster_ip(KUBERNETES_SERVICE, "10.96.0.1") == "10.96.0.1"
    assert await server.take_cluster_ip(DNS_SERVICE) == "10.96.0.10"
    with pytest.raises(ValueError, match="provided IP is already allocated"):
        await server.take_cluster_ip(WEB, "10.96.0.1")


async def test_an_address_outside_the_range_is_refused_with_the_range() -> None:
    with pytest.raises(ValueError, match=r"not in the valid range. The range of valid IPs is 10\.96\.0\.0/27"):
        await allocators(MemoryStore()).take_cluster_ip(WEB, "10.97.0.1")


async def test_only_its_holder_can_give_an_address_back() -> None:
    store = MemoryStore()
    server = allocators(store)
    address = await server.take_cluster_ip(WEB)

    await server.give_cluster_ip(OTHER, address)
    assert await held(store, IP_PREFIX) == {address}

    await server.give_cluster_ip(WEB, address)
    assert await held(store, IP_PREFIX) == set()


async def test_node_ports_come_from_their_range_until_it_is_full() -> None:
    server = allocators(MemoryStore())

    assert {await server.take_node_port(WEB) for _ in range(8)} == set(range(30000, 30008))
    with pytest.raises(ValueError, match="failed to allocate a nodePort: range 30000-30007 is full"):
        await server.take_node_port(WEB)


async def test_repair_takes_what_stored_services_have() -> None:
    """A store that was restored from a copy may lack the keys."""
    store = MemoryStore()
    ports = (ServicePort(port=80, node_port=30003),)
    spec = ServiceSpec(type="NodePort", cluster_ip="10.96.0.20", ports=ports)

    await allocators(store).repair([Service(metadata=ObjectMeta(name="web", namespace="default"), spec=spec)])

    assert await held(store, IP_PREFIX) == {"10.96.0.20"}
    assert await held(store, PORT_PREFIX) == {"30003"}


async def test_repair_gives_back_what_nobody_stored_but_not_what_is_about_to_be() -> None:
    """A server that dies between taking and storing must not cost an address for ever."""
    store, clock = MemoryStore(), FakeClock()
    server = allocators(store, clock)
    address = await server.take_cluster_ip(WEB)

    await server.repair([])
    assert await held(store, IP_PREFIX) == {address}

    await clock.advance((UNUSED_AFTER + timedelta(seconds=1)).total_seconds())
    await server.repair([])
    assert await held(store, IP_PREFIX) == set()


class SlowStore(MemoryStore):
    """A store in which somebody else acts between a reading and what follows from it."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def range(self, prefix: str, *, start_after: str = "", limit: int = 0, revision: int = 0) -> Page:
        page = await super().range(prefix, start_after=start_after, limit=limit, revision=revision)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return page


async def test_repair_leaves_an_address_that_has_changed_hands_meanwhile() -> None:
    """Two servers repair at the same time; what the first gives back, a Service may have taken by then."""
    store, clock = SlowStore(), FakeClock()
    server, other = allocators(store, clock), allocators(store, clock)
    address = await server.take_cluster_ip(WEB)
    await clock.advance((UNUSED_AFTER + timedelta(seconds=1)).total_seconds())

    async def repair_and_take() -> None:
        await other.repair([])
        await other.take_cluster_ip(OTHER, address)

    store.meanwhile = repair_and_take
    await server.repair([])

    with pytest.raises(ValueError, match="provided IP is already allocated"):
        await server.take_cluster_ip(WEB, address)


def test_a_range_too_small_for_a_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="use a /27 or larger"):
        AddressRange.parse("10.96.0.0/29")
