"""A cluster of the kills' own."""

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Cluster, Ground, started


@pytest.fixture(scope="package")
def cluster(ground: Ground) -> Iterator[Cluster]:
    """A cluster of one node, which nobody else uses."""
    with ground() as options:
        yield from started("kills", *options)
