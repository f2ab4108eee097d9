"""How a node says that it is alive."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

from kube.api.coordination_v1 import Lease
from kube.api.core_v1 import Node, NodeSystemInfo
from kube.api.meta_v1 import ObjectMeta
from kube.clock import SystemClock
from kube.informer import Informer
from kube.kinds import Resource
from nodeagent.cri.client import Cri
from nodeagent.node import NodeKeeper
from nodeagent.node_status import NodeIdentity
from nodeagent.pods.room import NodeTrouble
from nodeagent.settings import AgentSettings
from tests.kube.fake_client import FakeClient
from tests.nodeagent.one_node import until

T = TypeVar("T", bound=Resource)
RENEW_S = 0.05


@asynccontextmanager
async def beating(api: FakeClient, folder: Path) -> AsyncIterator[None]:
    """Keep the lease of node n1 for the length of a block."""
    settings = AgentSettings(node_name="n1", state_dir=folder, run_dir=folder, image_dir=folder, lease_renew_s=RENEW_S)
    identity = NodeIdentity("n1", (), 10250, {}, {}, NodeSystemInfo(), {})
    nodes = Informer(api, Node)
    keeper = NodeKeeper(
        settings, identity, client=api, cri=cast("Cri", None), nodes=nodes, clock=SystemClock(), trouble=NodeTrouble()
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(keeper.keep_lease()), group.create_task(nodes.run())]
        yield
        for task in tasks:
            task.cancel()


class Mute(FakeClient):
    """An API server that gives no answer to the first update, and breaks nothing off."""

    is_mute = True

    async def update(self, obj: T, *, subresource: str = "") -> T:
        """Answer all but the first."""
        if self.is_mute:
            self.is_mute = False
            await asyncio.Event().wait()
        return await super().update(obj, subresource=subresource)


async def test_a_lease_that_is_not_answered_is_renewed_by_another_request(tmp_path: Path) -> None:
    """Whoever waits for the first one longer than the node's grace is taken for lost."""
    api = Mute()
    async with beating(api, tmp_path):
        await until(lambda: "update Lease kube-node-lease/n1" in api.requests)


async def test_a_lease_that_was_made_before_the_node_was_known_belongs_to_it_all_the_same(tmp_path: Path) -> None:
    """Else it would stay when the node is deleted."""
    api = FakeClient()
    async with beating(api, tmp_path):
        await until(lambda: bool(api.stored(Lease)))
        node = api.put(Node(metadata=ObjectMeta(name="n1")))

        await until(lambda: bool(api.stored(Lease)[0].metadata.owner_references))

        (owner,) = api.stored(Lease)[0].metadata.owner_references
        assert (owner.kind, owner.uid) == ("Node", node.metadata.uid)
