"""The clients on which scenarios run: the one in memory, and that of a real API server in this process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from kube.client import Client
from tests.kube.fake_client import FakeClient


@pytest.fixture(scope="session")
def pki_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory for keys; all servers of a run share them."""
    return tmp_path_factory.mktemp("pki")


@pytest.fixture
async def server_client(pki_dir: Path) -> AsyncIterator[Client]:
    """Return the client of a new API server on the memory store."""
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0)) as server:
        await server.ready()
        yield server.client()


@pytest.fixture(params=["fake", "server"])
async def client(request: pytest.FixtureRequest, pki_dir: Path) -> AsyncIterator[Client]:
    """Return a client of an empty cluster, of either kind."""
    if request.param == "fake":
        fake = FakeClient()
        yield fake
        await fake.close()
        return
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0)) as server:
        await server.ready()
        yield server.client()
