"""One informer of each kind for a whole process."""

import asyncio

import pytest

from kube.api.core_v1 import Node, Pod
from kube.informers import Informers
from tests import make
from tests.kube.fake_client import FakeClient


async def test_rooms_that_ask_for_a_kind_share_one_watch_and_late_ones_are_served_too() -> None:
    client = FakeClient(make.pod("a", of=make.replicaset(), node="node-a"), make.pod("b"))
    informers = Informers(client)
    first = informers.of(Pod)
    task = asyncio.create_task(informers.run())
    await first.wait_synced()

    assert informers.of(Pod) is first
    await informers.of(Node).wait_synced()
    assert client.requests.count("list Pod /") + client.requests.count("list Pod") == 1
    assert [pod.metadata.name for pod in first.by_index("controller", "uid-web")] == ["a"]
    assert [pod.metadata.name for pod in first.by_index("orphan", "default")] == ["b"]
    assert [pod.metadata.name for pod in first.by_index("node", "node-a")] == ["a"]
    assert len(first.by_index("namespace", "default")) == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
