"""Nodes: one between a fake API and a fake runtime, and a real one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kube.http_client import HttpClient
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.one_node import Node, agent
from tests.nodeagent.real_node import Cluster, Machine, running


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[FakeRuntime]:
    """A fake runtime on a socket of its own."""
    async with FakeRuntime(tmp_path / "cri.sock") as fake:
        yield fake


@pytest.fixture
async def node(runtime: FakeRuntime, tmp_path: Path) -> AsyncIterator[Node]:
    """A node without pods."""
    async with agent(FakeClient(), runtime, tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A node that is ready, and nothing of it left afterwards."""
    with running(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
async def cluster(machine: Machine) -> AsyncIterator[Cluster]:
    """The cluster, as an administrator sees it."""
    async with HttpClient(machine.admin) as client:
        yield Cluster(client, machine)
