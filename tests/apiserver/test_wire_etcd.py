"""Two API servers on one etcd: what one has answered, the other shows; and what happens while etcd is away."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from tests.apiserver.wire import Wire, config_map
from tests.contracts.etcd_process import EtcdProcess, free_port

MAPS = "/api/v1/namespaces/default/configmaps"
SERVICES = "/api/v1/namespaces/default/services"
CIDR = "10.96.0.0/26"
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
    settings = ApiServerSettings(pki_dir=pki_dir, port=0, store=f"etcd:{etcd.url}", service_cidr=CIDR)
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


def node_port_service(name: str) -> dict[str, Any]:
    """Return a Service that needs an address and a port."""
    return {"metadata": {"name": name}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}


async def test_services_made_through_two_servers_never_share_an_address_or_a_port(wires: tuple[Wire, Wire]) -> None:
    """Nearly as many as the range has room for, so that both often want the same."""
    made = await asyncio.gather(
        *(wires[number % 2].send("POST", SERVICES, node_port_service(f"s{number}")) for number in range(50))
    )

    assert {reply.status for reply in made} == {201}
    assert len({reply.json["spec"]["clusterIP"] for reply in made}) == 50
    assert len({reply.json["spec"]["ports"][0]["nodePort"] for reply in made}) == 50


async def test_a_name_is_given_once_whichever_server_is_asked(wires: tuple[Wire, Wire]) -> None:
    for number in range(10):
        body = config_map(f"same-{number}")
        pair = await asyncio.gather(*(wire.send("POST", MAPS, body) for wire in wires))
        assert sorted(reply.status for reply in pair) == [201, 409]
    generated = await asyncio.gather(
        *(wires[number % 2].send("POST", MAPS, {"metadata": {"generateName": "g-"}}) for number in range(40))
    )

    assert len({reply.json["metadata"]["name"] for reply in generated}) == 40


async def test_of_two_updates_of_one_state_one_wins_whichever_server_is_asked(wires: tuple[Wire, Wire]) -> None:
    made = (await wires[0].send("POST", MAPS, config_map())).json
    for number in range(20):
        bodies = [{**made, "data": {"n": f"{number}-{side}"}} for side in range(2)]
        pair = await asyncio.gather(
            *(wire.send("PUT", f"{MAPS}/settings", body) for wire, body in zip(wires, bodies, strict=True))
        )

        assert sorted(reply.status for reply in pair) == [200, 409]
        made = next(reply for reply in pair if reply.status == 200).json


async def test_readiness_says_that_the_store_is_away(wires: tuple[Wire, Wire], etcd: EtcdProcess) -> None:
    etcd.stop()

    async with asyncio.timeout(PATIENCE_S):
        while (away := await wires[0].send("GET", "/readyz")).status == 200:
            await asyncio.sleep(0.1)
        live = await wires[0].send("GET", "/livez")
        await etcd.start()
        while (await wires[0].send("GET", "/readyz")).status != 200:
            await asyncio.sleep(0.1)

    assert b"[-]store failed: the store has not been read, or does not answer" in away.body
    assert live.status == 200


async def test_an_etcd_put_back_to_an_older_state_is_read_anew(
    wires: tuple[Wire, Wire], etcd: EtcdProcess, tmp_path: Path
) -> None:
    """What it has forgotten is not to be shown, and what it does next is not to be missed."""
    wire = wires[0]
    await wire.send("POST", MAPS, config_map("kept"))
    etcd.stop()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    await etcd.start()
    async with asyncio.timeout(PATIENCE_S):
        while (await wire.send("POST", MAPS, config_map("lost"))).status not in (201, 409):
            await asyncio.sleep(0.1)
        for number in range(20):
            await wire.send("PUT", f"{MAPS}/lost", config_map("lost", data={"n": str(number)}))
    async with wire.lines(f"{MAPS}?watch=1&timeoutSeconds=60") as lines:
        assert {(await anext(lines))["object"]["metadata"]["name"] for _ in range(2)} == {"kept", "lost"}
        etcd.stop()
        shutil.rmtree(tmp_path / "data")
        shutil.move(tmp_path / "copy", tmp_path / "data")
        await etcd.start()

        async with asyncio.timeout(PATIENCE_S):
            while (listed := await wire.send("GET", MAPS)).status in (503, 504):
                await asyncio.sleep(0.1)
            with pytest.raises((ClientError, StopAsyncIteration)):
                await anext(lines)
    late = await wire.send("POST", MAPS, config_map("late"))
    shown = await wire.send("GET", f"{MAPS}/late")

    assert [item["metadata"]["name"] for item in listed.json["items"]] == ["kept"]
    assert (late.status, shown.status) == (201, 200)


async def test_one_endpoint_of_two_may_be_dead(etcd: EtcdProcess, pki_dir: Path) -> None:
    store = f"etcd:http://127.0.0.1:{free_port()},{etcd.url}"
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0, store=store)) as server:
        async with asyncio.timeout(PATIENCE_S):
            await server.ready()
        async with Wire.connect(server) as wire:
            made = await wire.send("POST", MAPS, config_map())

    assert made.status == 201


async def test_an_etcd_that_stands_still_is_told_after_a_while_and_costs_nothing_more(
    wires: tuple[Wire, Wire], etcd: EtcdProcess
) -> None:
    wire = wires[0]
    await wire.send("POST", MAPS, config_map())
    etcd.pause()

    async with asyncio.timeout(PATIENCE_S):
        read, write, cached = await asyncio.gather(
            wire.send("GET", MAPS),
            wire.send("POST", MAPS, config_map("late")),
            wire.send("GET", f"{MAPS}?resourceVersion=0"),
        )
        etcd.go_on()
        while (after := await wire.send("GET", MAPS)).status != 200:
            await asyncio.sleep(0.1)

    assert (read.status, read.reason) == (503, "ServiceUnavailable")
    assert write.status in (503, 504)
    assert (cached.status, after.status) == (200, 200)
