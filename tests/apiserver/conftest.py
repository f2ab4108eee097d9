"""API servers to speak to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from kube.api.core_v1 import ServiceAccount
from kube.api.meta_v1 import ObjectMeta
from tests.apiserver.kubectl import Kubectl, binary, kubectl_for
from tests.apiserver.wire import Wire


@pytest.fixture(scope="session")
def pki_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all servers of the run keep their keys."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
async def server(pki_dir: Path) -> AsyncIterator[ApiServer]:
    """A new server on the memory store, with the account that pods of the default namespace run as."""
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0)) as running:
        await running.ready()
        await running.client().create(ServiceAccount(metadata=ObjectMeta(name="default", namespace="default")))
        yield running


@pytest.fixture
async def wire(server: ApiServer) -> AsyncIterator[Wire]:
    """HTTPS to the server as its admin."""
    async with Wire.connect(server) as connected:
        yield connected


@pytest.fixture(params=["", "1.27"], ids=["newest", "oldest"])
def kubectl(request: pytest.FixtureRequest, server: ApiServer, tmp_path: Path) -> Kubectl:
    """Kubectl as the server's admin."""
    program = binary(request.param)
    if not program:
        pytest.skip("this machine has no such kubectl")
    return kubectl_for(program, server, tmp_path)
