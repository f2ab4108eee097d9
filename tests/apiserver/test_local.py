"""The client within the server's process: a watch that ends in time, whatever its reader does."""

import asyncio

from apiserver.server import ApiServer
from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta
from kube.client import Selection

PATIENCE_S = 5.0


async def test_the_end_of_a_watch_does_not_cancel_its_reader(server: ApiServer) -> None:
    """A reader that is at work when the time is over finishes that, and then hears of the end."""
    client = server.client()
    await client.create(ConfigMap(metadata=ObjectMeta(name="settings", namespace="default")))
    worked = []

    async with asyncio.timeout(PATIENCE_S):
        async for event in client.watch(ConfigMap, Selection(namespace="default"), timeout_s=0.05):
            await asyncio.sleep(0.2)
            worked.append(event.type.value)

    assert worked[:1] == ["ADDED"]
