"""The three stores, each behind the same few words."""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from apiserver.store.contract import Store
from apiserver.store.open import open_store
from tests.contracts.etcd_process import EtcdProcess


class Place:
    """Where a test keeps its keys: a prefix that is its own, in a store that can be opened again."""

    def __init__(self, spec: str, *, is_lasting: bool, is_shared: bool) -> None:
        """is_lasting: it can be opened again. is_shared: other stores can write to it at the same time."""
        self.spec = spec
        self.is_lasting = is_lasting
        self.is_shared = is_shared
        self.prefix = f"/registry/{uuid.uuid4().hex}/"
        self._opened: list[Store] = []

    async def open(self) -> Store:
        """Open one more store on the same data; it is closed when the test ends."""
        store = await open_store(self.spec)
        self._opened.append(store)
        return store

    async def close(self) -> None:
        """Close what has been opened."""
        for store in self._opened:
            await store.close()


@pytest.fixture(scope="session")
def etcd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("etcd")


@pytest.fixture(scope="session")
def shared_etcd(etcd_folder: Path) -> Iterator[EtcdProcess]:
    """One etcd for all tests that only need a prefix of their own; started by the first."""
    etcd = EtcdProcess(etcd_folder)
    yield etcd
    etcd.stop()


@pytest.fixture(params=["memory", "sqlite", "etcd"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    if request.param == "etcd":
        etcd: EtcdProcess = request.getfixturevalue("shared_etcd")
        if not etcd.is_running:
            await etcd.start()
        place = Place(f"etcd:{etcd.url}", is_lasting=True, is_shared=True)
    elif request.param == "sqlite":
        place = Place(f"sqlite:{tmp_path}/store.db", is_lasting=True, is_shared=False)
    else:
        place = Place("memory:", is_lasting=False, is_shared=False)
    yield place
    await place.close()


@pytest.fixture
async def store(place: Place) -> Store:
    return await place.open()


@pytest.fixture
def prefix(place: Place) -> str:
    return place.prefix
