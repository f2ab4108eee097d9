"""A node without pods, and its runtime."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.one_node import Node, agent


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
