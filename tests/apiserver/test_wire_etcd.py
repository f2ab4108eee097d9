"""Two API servers on one etcd: what one has answered, the other shows; and what happens while etcd is away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from tests.apiserver.wire import Wire, config_map
from tests.contracts.etcd_process import EtcdProcess

MAPS = "/api/v1/namespaces/default/configmaps"
PATIENCE_S = 20.0


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[EtcdProcess]:
    process = EtcdProcess(tmp_path)
    await process.start()
    yield process
    process.stop()


@pytest.fixture
async def wires(etcd: EtcdProcess, pki_dir: Path) -> AsyncIterator[tuple[Wire, Wire]]:
    """Two servers on one etcd, each with a client of its own."""
    settings = ApiServerSettings(pki_dir=pki_dir, port=0, store=f"etcd:{etcd.url}")
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(2):
            server = await stack.enter_async_context(ApiServer(settings))
            await server.ready()
            found.append(await stack.enter_async_context(Wire.connect(server)))
        yield found[0], found[1]


async def test_a_read_sees_every_write_that_the_other_server_answered(wires: tuple[Wire, Wire]) -> None:
    one, other = wires
    await one.send("POST", MAPS, config_map())

    for number in range(30):
        writer, reader = (one, other) if number % 2 else (other, one)
        await writer.send("PUT", f"{MAPS}/settings", config_map(data={"n": str(number)}))
        got = (await reader.send("GET", f"{MAPS}/settings")).json
        listed = (await reader.send("GET", MAPS)).json

        assert got["data"] == {"n": str(number)}
        assert listed["items"][-1]["data"] == {"n": str(number)}


async def test_writers_on_two_servers_never_undo_each_other(wires: tuple[Wire, Wire]) -> None:
    """Each adds its own keys; none may be lost."""
    await wires[0].send("POST", MAPS, config_map())

    async def add(wire: Wire, mark: str) -> None:
        for number in range(15):
            patch = {"data": {f"{mark}{number}": "x"}}
            reply = await wire.send("PATCH", f"{MAPS}/settings", patch, content_type="application/merge-patch+json")
            assert reply.status == 200, reply.body

    await asyncio.gather(add(wires[0], "a"), add(wires[1], "b"))

    assert len((await wires[1].send("GET", f"{MAPS}/settings")).json["data"]) == 30


async def test_a_server_without_its_store_says_so_and_recovers_by_itself(
    wires: tuple[Wire, Wire], etcd: EtcdProcess
) -> None:
    wire = wires[0]
    etcd.stop()

    read, write = await asyncio.gather(wire.send("GET", MAPS), wire.send("POST", MAPS, config_map()))
    await etcd.start()
    async with asyncio.timeout(PATIENCE_S):
        while (late := await wire.send("POST", MAPS, config_map("late"))).status in (503, 504):
            await asyncio.sleep(0.1)

    assert (read.status, read.reason) in ((503, "ServiceUnavailable"), (504, "Timeout"))
    assert (write.status, write.reason) in ((503, "ServiceUnavailable"), (504, "Timeout"))
    assert late.status in (201, 409)
