"""SIGKILL in the middle of load: nothing acknowledged is lost, no revision is used twice, no watcher misses or repeats.

A few rounds of each; `KILL_ROUNDS=20 KILL_SEED=7` for more, and others.
"""

import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from tests.apiserver.ledger import load, until_written
from tests.apiserver.server_process import ServerProcess
from tests.apiserver.wire import Wire
from tests.contracts.etcd_process import EtcdProcess

ROUNDS = int(os.environ.get("KILL_ROUNDS", "2"))
SEED = int(os.environ.get("KILL_SEED", "1"))
WRITES = (1, 150)
"""How many are acknowledged between two kills, at least and at most."""


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[EtcdProcess]:
    process = EtcdProcess(tmp_path)
    await process.start()
    yield process
    process.stop()


async def kill_again_and_again(server: ServerProcess) -> None:
    """Have a server written to and watched, and killed ROUNDS times; check what its clients saw."""
    source = random.Random(SEED)
    try:
        await server.start()
        async with Wire.connect(server) as wire, load([wire], source) as ledger:
            for _ in range(ROUNDS):
                await until_written(ledger, source.randint(*WRITES))
                server.kill()
                await server.start()
            await until_written(ledger, 20)
    finally:
        server.kill()
    assert "Traceback" not in server.log.read_text()


async def test_a_server_killed_on_sqlite_has_kept_what_it_answered(pki_dir: Path, tmp_path: Path) -> None:
    await kill_again_and_again(ServerProcess(pki_dir, f"sqlite:{tmp_path}/store.db", tmp_path / "server.log"))


async def test_a_server_killed_on_etcd_has_kept_what_it_answered(
    etcd: EtcdProcess, pki_dir: Path, tmp_path: Path
) -> None:
    await kill_again_and_again(ServerProcess(pki_dir, f"etcd:{etcd.url}", tmp_path / "server.log"))


async def test_an_etcd_that_is_killed_costs_the_clients_nothing_but_time(
    etcd: EtcdProcess, pki_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = random.Random(SEED)
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0, store=f"etcd:{etcd.url}")) as server:
        await server.ready()
        async with Wire.connect(server) as wire, load([wire], source) as ledger:
            for _ in range(ROUNDS):
                await until_written(ledger, source.randint(*WRITES))
                etcd.stop()
                await etcd.start()
            await until_written(ledger, 20)
    assert "Traceback" not in caplog.text


async def test_one_of_two_servers_is_killed_and_the_clients_of_the_other_notice_nothing(
    etcd: EtcdProcess, pki_dir: Path, tmp_path: Path
) -> None:
    """They wait for nobody: each write and read is answered with success."""
    source = random.Random(SEED)
    doomed = ServerProcess(pki_dir, f"etcd:{etcd.url}", tmp_path / "server.log")
    settings = ApiServerSettings(pki_dir=pki_dir, port=0, store=f"etcd:{etcd.url}")
    try:
        await doomed.start()
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(ApiServer(settings))
            await server.ready()
            well = await stack.enter_async_context(Wire.connect(server))
            lost = await stack.enter_async_context(Wire.connect(doomed))
            theirs = await stack.enter_async_context(load([lost], source, names="l"))
            ours = await stack.enter_async_context(load([well], source, names="w", may_fail=False))
            for _ in range(ROUNDS):
                await until_written(theirs, source.randint(*WRITES))
                doomed.kill()
                await until_written(ours, 50)
                await doomed.start()
    finally:
        doomed.kill()
