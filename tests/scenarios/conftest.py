"""The clients on which scenarios run: the one in memory, and the real API server's."""

from collections.abc import AsyncIterator

import pytest

from kube.client import Client
from tests.kube.fake_client import FakeClient


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Return a client of an empty cluster."""
    client = FakeClient()
    yield client
    await client.close()
