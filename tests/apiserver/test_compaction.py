"""Every five minutes the store forgets its past, up to what was the present five minutes before."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apiserver.server import COMPACT_S, ApiServer
from apiserver.settings import ApiServerSettings
from tests.apiserver.wire import Wire, config_map
from tests.contracts.etcd_process import EtcdProcess
from tests.kube.fake_clock import FakeClock

MAPS = "/api/v1/namespaces/default/configmaps"
PATIENCE_S = 20.0


@pytest.fixture(params=["sqlite", "etcd"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """Each store that lasts."""
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path}/store.db"
        return
    process = EtcdProcess(tmp_path)
    await process.start()
    yield f"etcd:{process.url}"
    process.stop()


async def test_the_past_is_forgotten_but_not_by_the_first_compaction_after_it(store: str, pki_dir: Path) -> None:
    """A client that pages through a list, or watches again, has at least five minutes for it."""
    clock = FakeClock(datetime.now(UTC))
    async with (
        ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0, store=store), clock) as server,
        Wire.connect(server) as wire,
    ):
        await server.ready()
        old = (await wire.send("POST", MAPS, config_map())).json["metadata"]["resourceVersion"]
        past = f"{MAPS}?resourceVersion={old}&resourceVersionMatch=Exact"
        await wire.send("PUT", f"{MAPS}/settings", config_map(data={"is": "new"}))

        await clock.advance(COMPACT_S)
        after_five = await wire.send("GET", past)
        async with asyncio.timeout(PATIENCE_S):
            while (later := await wire.send("GET", past)).status == 200:
                await clock.advance(COMPACT_S)  # Again and again: the compaction before may be under way still.

        assert after_five.status == 200
        assert "data" not in after_five.json["items"][-1]
        assert (later.status, later.json["reason"]) == (410, "Expired")
