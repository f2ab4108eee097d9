"""What a request costs the API server: CPU per operation over TLS, beside a bare aiohttp handler with the same bytes.

    python -m bench.apiserver [--store sqlite|etcd|memory] [--quick]

Starts servers of its own in a temporary directory as child processes on loopback, reads the clocks of their CPU, and
prints a table with the budgets of the design, what they are on this machine at that moment, and which of them are
missed. The budgets are those of the SQLite store.
"""

import argparse
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from bench._figures import HEAD, Figure, absolute, of_cost
from bench._pace import REFERENCE_US, Paced, Yardstick, yardstick
from bench._pods import PODS, creation, make_account, patch_status, pod, watch_cost
from bench._server import CONNECTIONS, Subject, api_server, bare_server, make_keys, store_for

STARTS: Final = 3


async def figures(folder: Path, store: str, total: int, watchers: int, yard: Yardstick) -> AsyncIterator[Figure]:
    """Measure everything, one figure after the other."""
    starts = [await _start(folder, store) for _ in range(STARTS)]
    own_ms, all_ms = (median(times) for times in zip(*starts, strict=True))
    yield absolute(f"start to /readyz (by the clock: {all_ms:.0f})", own_ms, "ms", 500)
    async with api_server(folder, store) as subject:
        await make_account(subject)
        await subject.measure(range(2 * CONNECTIONS), lambda _: subject.send("GET", "/version"))  # To open them.
        async for figure in _writes(folder, subject, total, yard):
            yield figure
        async for figure in _reads(folder, subject, total, yard):
            yield figure
        yield await _watches(subject, watchers, yard)


async def _start(folder: Path, store: str) -> tuple[float, float]:
    """Start a server and end it; return how long it took without waiting for cores that others had, and with, in ms."""
    began = time.perf_counter()
    async with api_server(folder, store) as subject:
        took_s = time.perf_counter() - began
        return (took_s - subject.kept_waiting_s()) * 1e3, took_s * 1e3


async def _writes(folder: Path, subject: Subject, total: int, yard: Yardstick) -> AsyncIterator[Figure]:
    sent = json.dumps(pod("pod-0"), separators=(",", ":")).encode()
    bare = await _bare(folder, sent, 2000, yard, sent)
    empty_mb = subject.resident_mb()
    post = await yard.measure(subject, total, creation(subject, 0, total))
    size = len(await subject.send("GET", f"{PODS}/pod-0"))
    yield of_cost(f"POST of a {size} byte pod", post, budget=340, bare=bare)
    yield absolute(f"memory with {total} pods (empty: {empty_mb:.0f})", subject.resident_mb(), "MB", 250)
    few = total // 10
    alone = await yard.measure(subject, few, creation(subject, total, few, are_alone=True))
    yield of_cost("POST of one without a template", alone, bare=bare)
    patch = await yard.measure(subject, total // 5, lambda number: patch_status(subject, number, number))
    yield of_cost("PATCH of its status", patch, budget=450)


async def _reads(folder: Path, subject: Subject, total: int, yard: Yardstick) -> AsyncIterator[Figure]:
    one = await subject.send("GET", f"{PODS}/pod-0")
    bare = await _bare(folder, one, 5000, yard)
    get = await yard.measure(subject, total, lambda number: subject.send("GET", f"{PODS}/pod-{number}"))
    yield of_cost("GET", get, budget=90, bare=bare, most_to_bare=2)
    page = await subject.send("GET", f"{PODS}?limit=1000")
    bare = await _bare(folder, page, 50, yard)
    listed = await yard.measure(subject, 50, lambda _: subject.send("GET", f"{PODS}?limit=1000"))
    yield of_cost(f"LIST of 1,000 ({len(page) / 1e6:.1f} MB)", listed, budget=10_000, bare=bare)


async def _watches(subject: Subject, watchers: int, yard: Yardstick) -> Figure:
    before = await yard.look()
    cost_us = await watch_cost(subject, watchers, 50)
    pace = (before + await yard.look()) / 2
    return Figure(f"watch event and watcher, {watchers}", cost_us, "µs", 20, 20 * pace)


async def _bare(folder: Path, body: bytes, count: int, yard: Yardstick, sent: bytes | None = None) -> Paced:
    """Return what a bare handler needs to send `body` (after reading `sent`)."""
    method = "GET" if sent is None else "POST"
    async with bare_server(folder, body) as handler:
        await handler.measure(range(2 * CONNECTIONS), lambda _: handler.send(method, "/", sent))
        return await yard.measure(handler, count, lambda _: handler.send(method, "/", sent))


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "etcd", "memory"), default="sqlite")
    parser.add_argument("--quick", action="store_true", help="a tenth of the objects and a fifth of the watchers")
    asked = parser.parse_args()
    total, watchers = (1_000, 200) if asked.quick else (10_000, 1_000)
    missed = []
    with tempfile.TemporaryDirectory() as name, store_for(asked.store, Path(name)) as store:
        folder = Path(name)
        await make_keys(folder)
        async with yardstick(folder) as yard:
            await yard.look()
            print(f"CPU of the API server, TLS, {asked.store}, 16 connections. {_told(yard)}\n{HEAD}")
            async for figure in figures(folder, store, total, watchers, yard):
                print(figure.line(), flush=True)
                missed += [figure.what] if figure.is_missed else []
            print(f"At the end: {_told(yard)}")
    print(f"missed: {', '.join(missed) or 'no budget'}")


def _told(yard: Yardstick) -> str:
    """Say how fast the machine is, and was all along."""
    low, middle, high = min(yard.seen), median(yard.seen), max(yard.seen)
    times = f"{middle / REFERENCE_US:.2f} times the {REFERENCE_US:.0f} µs of the machine that the budgets are for"
    return f"A bare handler takes {middle:.0f} µs to send 4 kB ({low:.0f}-{high:.0f}): {times}."


if __name__ == "__main__":
    uvloop.run(main())
