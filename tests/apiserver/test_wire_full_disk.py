"""A disk that fills up under SQLite: a real one, of a few megabytes, which only the server's process sees."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.apiserver.server_process import ServerProcess
from tests.apiserver.wire import Wire, config_map

MAPS = "/api/v1/namespaces/default/configmaps"
DISK_BYTES = 4 << 20
PATIENCE_S = 20.0

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs root to mount a disk")


@pytest.fixture
async def server(pki_dir: Path, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o "size=$1" tmpfs "$2" && shift 2 && exec "$@"'
    around = ("unshare", "--mount", "sh", "-c", script, "sh", str(DISK_BYTES), str(disk))
    process = ServerProcess(pki_dir, f"sqlite:{disk}/store.db", tmp_path / "log", around)
    try:
        await process.start()
        yield process
    finally:
        process.kill()


async def test_a_full_disk_refuses_writes_and_nothing_else_until_there_is_room(
    server: ServerProcess, tmp_path: Path
) -> None:
    filler = Path(f"/proc/{server.pid}/root{tmp_path}/disk/filler")
    async with Wire.connect(server) as wire:
        await wire.send("POST", MAPS, config_map("first"))
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(b"x" * DISK_BYTES)
        big = {"x": "x" * 200_000}
        refused = await asyncio.gather(
            *(wire.send("POST", MAPS, config_map(f"big-{number}", data=big)) for number in range(30))
        )
        listed = await wire.send("GET", MAPS)
        ready = await wire.send("GET", "/readyz")
        filler.unlink()
        after = await wire.send("POST", MAPS, config_map("after"))
    full = [reply for reply in refused if reply.status != 201]
    server.kill()

    assert full
    assert {(reply.status, reply.reason) for reply in full} == {(503, "ServiceUnavailable")}
    assert all(reply.json["message"].endswith("database or disk is full; free disk space") for reply in full)
    assert (listed.status, ready.status, after.status) == (200, 200, 201)
    assert "first" in [item["metadata"]["name"] for item in listed.json["items"]]
    assert "Traceback" not in server.log.read_text()
