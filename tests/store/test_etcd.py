"""What is true of the etcd store beyond the contract: it survives etcd, and speaks TLS."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from apiserver.store.contract import StoreUnavailable, ValueTooLarge
from apiserver.store.etcd import EtcdStore
from apiserver.store.etcd_connection import CALL_TIMEOUT_S, Shared
from apiserver.store.open import open_store
from tests.contracts.etcd_process import EtcdProcess, free_port

WAIT_S = 20.0


@pytest.fixture
async def etcd(tmp_path: Path) -> AsyncIterator[EtcdProcess]:
    etcd = EtcdProcess(tmp_path)
    await etcd.start()
    yield etcd
    etcd.stop()


async def test_an_absent_etcd_is_told_in_a_sentence() -> None:
    store = EtcdStore([f"http://127.0.0.1:{free_port()}"])

    with pytest.raises(StoreUnavailable, match=r"etcd: http://127.0.0.1:.*; check that etcd runs") as refusal:
        await store.create("/registry/a", b"1")
    await store.close()

    assert not refusal.value.is_uncertain


async def test_the_next_member_is_asked_when_one_is_away(etcd: EtcdProcess) -> None:
    store = await open_store(f"etcd:http://127.0.0.1:{free_port()},{etcd.url}")
    async with aclosing(store.watch("/registry/", from_revision=2)) as watch, asyncio.timeout(WAIT_S):
        revision = await store.create("/registry/a", b"1")
        batch = await anext(watch)
    await store.close()

    assert [event.mod_revision for event in batch.events] == [revision]


async def test_a_write_outlasts_the_seconds_in_which_a_slow_disk_holds_etcd_up(etcd: EtcdProcess) -> None:
    """etcd waits 7 s for its own disk; a write given up before that would be told as a doubt, and then happen."""
    store = await open_store(f"etcd:{etcd.url}")
    await store.create("/registry/a", b"1")
    etcd.pause()
    write = asyncio.create_task(store.create("/registry/b", b"1"))

    await asyncio.wait({write}, timeout=CALL_TIMEOUT_S + 0.5)
    was_pending = not write.done()
    etcd.go_on()
    async with asyncio.timeout(WAIT_S):
        revision = await write
    await store.close()

    assert was_pending
    assert revision > 1


async def test_a_watch_goes_on_where_it_was_when_etcd_comes_back(etcd: EtcdProcess) -> None:
    store = await open_store(f"etcd:{etcd.url}")
    seen: list[int] = []
    async with aclosing(store.watch("/registry/", from_revision=2)) as watch, asyncio.timeout(WAIT_S):

        async def read_until(revision: int) -> None:
            async for batch in watch:
                seen.extend(event.mod_revision for event in batch.events)
                if batch.revision >= revision:
                    return

        first = await store.create("/registry/a", b"1")
        await read_until(first)
        reading = asyncio.gather(read_until(first + 1))
        etcd.stop()
        with pytest.raises(StoreUnavailable):
            await store.get("/registry/a")
        await etcd.start()
        second = await _create_when_back(store, "/registry/b")
        await reading
    entry = await store.get("/registry/a")
    await store.close()

    assert seen == [first, second]
    assert entry is not None
    assert entry.mod_revision == first


async def _create_when_back(store: object, key: str) -> int:
    assert isinstance(store, EtcdStore)
    while True:
        try:
            return await store.create(key, b"1")
        except StoreUnavailable:
            await asyncio.sleep(0.05)


async def test_a_value_that_etcd_finds_too_large_is_refused_as_such(etcd: EtcdProcess) -> None:
    store = await open_store(f"etcd:{etcd.url}")

    with pytest.raises(ValueTooLarge, match="make the object smaller"):
        await store.create("/registry/a", b"x" * 2_000_000)
    await store.close()


async def test_etcd_over_tls_takes_our_certificate_and_refuses_none(tmp_path: Path) -> None:
    tls = make_certificates(tmp_path)
    etcd = EtcdProcess(tmp_path, tls=tls)
    await etcd.start()
    known = await open_store(f"etcd:{etcd.url}", **tls)
    stranger = await open_store(f"etcd:{etcd.url}", ca=tls["ca"])

    revision = await known.create("/registry/a", b"1")
    with pytest.raises(StoreUnavailable):
        await stranger.get("/registry/a")
    await known.close()
    await stranger.close()
    etcd.stop()

    assert revision == 2


async def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"nowhere.pem: No such file or directory; give a PEM file"):
        await open_store("etcd:https://127.0.0.1:1", ca=tmp_path / "nowhere.pem")


def make_certificates(folder: Path) -> dict[str, Path]:
    """Return one self-signed certificate as authority, server and client."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1", "-nodes"]
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", *subject]
    subprocess.run([*words, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return {"ca": cert, "cert": cert, "key": key}


async def test_those_who_ask_together_share_an_answer_that_is_no_older_than_their_asking() -> None:
    """An answer fetched before a write was acknowledged must never serve a read that began after it."""
    started: list[int] = []
    gate = asyncio.Event()

    async def fetch() -> int:
        started.append(len(started))
        await gate.wait()
        return len(started)

    shared = Shared(fetch)
    early = asyncio.gather(shared.get())
    await asyncio.sleep(0)
    late = asyncio.gather(*(shared.get() for _ in range(10)))
    await asyncio.sleep(0)
    gate.set()

    assert list(await early) == [1]
    assert set(await late) == {2}
    assert len(started) == 2
