"""Sandboxes of runsc (gVisor), whose containers run on a kernel of their own."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from nodeagent.runtime.images.archive import import_archive
from tests.runtime.machine import IMAGE, Client, RuntimeProcess, leftovers, settings_in, until

RUNSC = shutil.which("runsc")
OPTIONS = "--platform=ptrace --network=host"

pytestmark = [pytest.mark.root, pytest.mark.skipif(RUNSC is None, reason="needs runsc")]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory, busybox_root: Path) -> Iterator[RuntimeProcess]:
    """A runtime that knows runsc, and what is to be said to it."""
    settings = replace(settings_in(tmp_path_factory.mktemp("runsc")), handlers={"runsc": f"{RUNSC} {OPTIONS}"})
    process = RuntimeProcess(settings)
    import_archive(process.settings.image_dir, busybox_root, IMAGE)
    process.start()
    yield process
    process.purge()


@pytest.fixture
async def client(runtime: RuntimeProcess) -> AsyncIterator[Client]:
    """A client of that runtime; nothing may be left of what it made."""
    client = Client(runtime.settings)
    yield client
    await client.remove_all()
    await client.channel.close()
    assert leftovers(runtime.settings) == []


async def test_its_kernel_is_not_the_nodes(client: Client) -> None:
    container = await client.run(
        await client.pod(handler="runsc"), "sh", "-c", "cat /proc/version; echo err >&2; exit 3"
    )

    assert (await client.ended(container)).exit_code == 3
    log = await client.log(container)
    assert "Linux version 4.4.0" in log
    assert "err" in log.splitlines()


async def test_a_command_runs_in_the_container_beside_its_own(client: Client) -> None:
    pod = await client.pod(handler="runsc")
    container = await client.run(pod, "sleep", "1000", run_as_username="web")

    told = await client.exec(container, "sh", "-c", "cat /proc/1/cmdline; id; cat /proc/version; exit 4")

    assert told.exit_code == 4
    assert told.stdout.startswith(b"sleep\x001000\x00uid=1000(web) gid=1001(web) groups=1001(web),1002(extra)")
    assert b"Linux version 4.4.0" in told.stdout


async def test_stop_ends_it_by_its_signal_or_by_force(client: Client) -> None:
    pod = await client.pod(handler="runsc")
    heeds = await client.run(
        pod, "sh", "-c", "trap 'exit 5' TERM; echo set; while :; do sleep 0.01; done", name="heeds"
    )
    await until(lambda: _has_said(client, heeds, "set"), "the trap is set")
    await client.stop(heeds, 10)
    deaf = await client.run(pod, "sh", "-c", "trap '' TERM; while :; do sleep 0.01; done", name="deaf")
    await client.stop(deaf, 0)

    assert (await client.status(heeds)).exit_code == 5
    assert (await client.status(deaf)).exit_code == 137


async def _has_said(client: Client, container: str, word: str) -> bool:
    return word in (await client.log(container)).splitlines()
