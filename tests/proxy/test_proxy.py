"""The proxy from watch to kernel."""

import asyncio
import gc
import subprocess
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kube.api.core_v1 import Service
from kube.runner import Runner
from nodeagent.proxy import proxy
from nodeagent.proxy.proxy import ProxySettings, ServiceProxy
from nodeagent.proxy.rules import NodeView
from nodeagent.proxy.services import service_informers
from tests.kube.fake_client import FakeClient
from tests.network.world import CLUSTER_CIDR, World, count
from tests.proxy.make import endpoint, endpoints, service
from tests.proxy.test_kernel import run_on

pytestmark = pytest.mark.root


@asynccontextmanager
async def running(client: FakeClient, settings: ProxySettings) -> AsyncIterator[None]:
    informers = service_informers(client)
    async with Runner() as runner:
        informers.start(runner)
        runner.start("proxy", ServiceProxy(informers, settings).run)
        yield


async def until_listed(world: World, wanted: str) -> None:
    """Wait until the kernel's rules say so."""
    async with asyncio.timeout(5):
        while True:
            try:
                if wanted in run_on(world.nodes[0], "nft", "list", "table", "ip", f"wherry-{world.prefix}-proxy"):
                    return
            except subprocess.CalledProcessError:
                pass  # No table yet.
            await asyncio.sleep(0.01)


async def test_services_reach_the_kernel_follow_changes_and_outlive_the_proxy(world: World) -> None:
    node = await world.add_node()
    a, b, client = [await world.add_pod(node, name) for name in ("a", "b", "client")]
    for pod in (a, b):
        await world.serve(pod)
    settings = ProxySettings(world.prefix, CLUSTER_CIDR, NodeView("node-0"), node.host.netns_path)
    api = FakeClient(service(), endpoints(endpoint(a.ip)))

    async with running(api, settings):
        await until_listed(world, f"{a.ip} . 8080")
        first = await count(5, client.path, "10.150.0.10", 80)
        api.put(endpoints(endpoint(a.ip), endpoint(b.ip)))
        await until_listed(world, f"{b.ip} . 8080")
        second = await count(30, client.path, "10.150.0.10", 80)
        api.put(service("more", "10.150.0.11"))
        await until_listed(world, "10.150.0.11 . tcp . 80 : goto reject")

    assert (set(first), set(second)) == ({"a"}, {"a", "b"})
    assert set(await count(10, client.path, "10.150.0.10", 80)) <= {"a", "b"}
    proxy.remove(settings)
    proxy.remove(settings)


async def test_a_deleted_service_leaves_the_kernel_and_a_restart_finds_what_changed_meanwhile(world: World) -> None:
    node = await world.add_node()
    settings = ProxySettings(world.prefix, CLUSTER_CIDR, NodeView("node-0"), node.host.netns_path)
    api = FakeClient(service(), service("other", "10.150.0.11"))
    async with running(api, settings):
        await until_listed(world, "10.150.0.11 . tcp . 80")
        await api.delete(Service, "other", namespace="default")
        await until_listed(world, "elements = { 10.150.0.10 }")
    await api.delete(Service, "web", namespace="default")
    api.put(service("third", "10.150.0.12"))

    async with running(api, settings):
        await until_listed(world, "elements = { 10.150.0.12 }")

    proxy.remove(settings)


async def test_a_proxy_that_has_ended_is_held_by_no_informer(world: World) -> None:
    """The node agent starts it again after a failure, on the same informers: handlers must not pile up."""
    node = await world.add_node()
    settings = ProxySettings(world.prefix, CLUSTER_CIDR, NodeView("node-0"), node.host.netns_path)
    informers = service_informers(FakeClient(service()))
    async with Runner() as runner:
        informers.start(runner)
        ended = ServiceProxy(informers, settings)
        running = asyncio.ensure_future(ended.run())
        await until_listed(world, "10.150.0.10 . tcp . 80")
        running.cancel()
        await asyncio.wait([running])
        trace = weakref.ref(ended)

        del ended, running
        gc.collect()

        assert trace() is None
    proxy.remove(settings)
