"""A runtime for all tests of this folder, a client for each, and the check that a test leaves nothing."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from nodeagent.runtime.images.archive import import_archive
from tests.runtime.machine import IMAGE, Client, RuntimeProcess, leftovers, make_root, settings_in


@pytest.fixture(scope="session")
def busybox_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root file system with busybox in it."""
    return make_root(tmp_path_factory.mktemp("root") / "busybox")


@pytest.fixture(scope="session")
def shared_runtime(tmp_path_factory: pytest.TempPathFactory, busybox_root: Path) -> Iterator[RuntimeProcess]:
    """A runtime that the tests share; those that kill one have their own."""
    process = RuntimeProcess(settings_in(tmp_path_factory.mktemp("shared")))
    import_archive(process.settings.image_dir, busybox_root, IMAGE)
    process.start()
    yield process
    process.purge()


@pytest.fixture
async def client(shared_runtime: RuntimeProcess) -> AsyncIterator[Client]:
    """A client of the shared runtime; everything that it made is removed, and nothing may be left of it."""
    client = Client(shared_runtime.settings)
    yield client
    await client.remove_all()
    await client.channel.close()
    assert leftovers(shared_runtime.settings) == []


@pytest.fixture
def own_runtime(tmp_path: Path, busybox_root: Path) -> Iterator[RuntimeProcess]:
    """A runtime for one test, which may do to it what it likes."""
    process = RuntimeProcess(settings_in(tmp_path))
    import_archive(process.settings.image_dir, busybox_root, IMAGE)
    process.start()
    yield process
    process.purge()
    assert not process.settings.state_dir.exists()
    assert not process.settings.run_dir.exists()


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory, busybox_root: Path) -> Path:
    """An OCI layout that umoci made of the busybox root."""
    folder = tmp_path_factory.mktemp("oci") / "layout"
    _quiet("umoci", "init", "--layout", str(folder))
    _quiet("umoci", "new", "--image", f"{folder}:v1")
    _quiet("umoci", "insert", "--image", f"{folder}:v1", str(busybox_root), "/")
    config = ("--config.user", "web", "--config.cmd", "id", "--config.env", "A=b")
    _quiet("umoci", "config", "--image", f"{folder}:v1", *config)
    return folder


def _quiet(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
