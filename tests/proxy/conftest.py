"""A world for each test; nothing of it may be left when the test ends."""

from collections.abc import AsyncIterator

import pytest

from tests.network.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    try:
        yield made
    finally:
        await made.close()
    assert made.leftovers() == []
