"""Who looks after a node that runs short goes on, whatever stands in the way."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import grpc

from kube.api.core_v1 import Node
from kube.informer import Informer
from nodeagent.pods.storage_usage import FolderUsage, PodStorage
from nodeagent.pressure.keeper import PressureKeeper
from nodeagent.settings import AgentSettings
from nodeagent.stats.meter import Meter
from nodeagent.stats.pod_usage import PodUsage
from proto import cri_v1
from tests.kube.fake_client import FakeClient
from tests.nodeagent import one_node
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.make import container, pod
from tests.nodeagent.one_node import agent, until

FULL_OF_LOGS = PodStorage(logs={"main": FolderUsage(2 << 20, 1)})


class UsedMeter(Meter):
    """Measures the real machine, and pods that are full of logs."""

    def __init__(self, node: one_node.Node) -> None:
        super().__init__(node.roster, node.room.cri, node.room.dirs, node.room.clock, node.room.dirs.state)
        self._node = node

    async def pods(self, *, with_storage: bool = False, only: Collection[str] | None = None) -> list[PodUsage]:
        """Return the pods that are wanted."""
        workers = [worker for worker in self._node.roster.workers() if only is None or worker.uid in only]
        return [PodUsage(w.pod, w.record, cri_v1.PodSandboxStats(), FULL_OF_LOGS) for w in workers]


def keeper_of(node: one_node.Node, **thresholds: str) -> PressureKeeper:
    """Return who looks after the node, with thresholds of its own alone."""
    folder = node.room.dirs.state
    settings = AgentSettings(
        node_name="n1", state_dir=folder, run_dir=folder, image_dir=folder, eviction_hard=thresholds
    )
    return PressureKeeper(settings, node.room, node.roster, UsedMeter(node), Informer(node.api, Node))


class Holding(FakeRuntime):
    """A runtime with an image that nothing uses, and that it doesn't let go of."""

    async def list_images(self, request: Any, context: Any) -> Any:
        """Return the image."""
        old = cri_v1.Image(id="sha256:1", repo_tags=["old:1"], repo_digests=["old@sha256:1"], size=1)
        return cri_v1.ListImagesResponse(images=[old])

    async def remove_image(self, request: Any, context: Any) -> Any:
        """Refuse."""
        await context.abort(grpc.StatusCode.INTERNAL, "it is in use by somebody else")


async def test_an_image_that_can_not_be_removed_spares_no_pod(tmp_path: Path) -> None:
    async with Holding(tmp_path / "cri.sock") as runtime, agent(FakeClient(), runtime, tmp_path) as node:
        node.api.put(pod())
        await until(node.is_ready)

        assert await keeper_of(node, **{"nodefs.available": "1Pi"}).look()

        await until(lambda: node.pod().status.reason == "Evicted")


async def test_a_pod_that_is_on_its_way_out_is_not_evicted_again(node: one_node.Node) -> None:
    limited = container(command=["stubborn"], resources={"limits": {"ephemeral-storage": "1Mi"}})
    node.api.put(pod("web", limited))
    await until(node.is_ready)
    keeper = keeper_of(node)

    assert [await keeper.look(), await keeper.look()] == [True, False]
    assert sum(keeper.evicted.values()) == 1
