"""What a request costs the API server: CPU per operation over TLS, beside a bare aiohttp handler with the same bytes.

    python -m bench.apiserver [--store sqlite|etcd|memory] [--quick]

Starts servers of its own in a temporary directory as child processes on loopback, reads the clocks of their CPU, and
prints a table with the budgets of the design, and which of them are missed. The budgets are those of the SQLite store.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench._figures import HEAD, Figure, of_cost
from bench._pods import PODS, create, make_account, patch_status, pod, watch_cost
from bench._server import Subject, api_server, bare_cost, make_keys, store_for


async def figures(folder: Path, store: str, total: int, watchers: int) -> AsyncIterator[Figure]:
    """Measure everything, one figure after the other."""
    await make_keys(folder)
    began = time.perf_counter()
    async with api_server(folder, store) as subject:
        yield Figure("start to /readyz", (time.perf_counter() - began) * 1000, "ms", 500)
        await make_account(subject)
        async for figure in _writes(folder, subject, total):
            yield figure
        async for figure in _reads(folder, subject, total):
            yield figure
        yield Figure(f"watch event and watcher, {watchers}", await watch_cost(subject, watchers, 50), "µs", 20)


async def _writes(folder: Path, subject: Subject, total: int) -> AsyncIterator[Figure]:
    sent = json.dumps(pod("pod-0"), separators=(",", ":")).encode()
    bare = await bare_cost(folder, sent, 2000, sent)
    empty_mb = subject.resident_mb()
    post = await create(subject, 0, total)
    size = len(await subject.send("GET", f"{PODS}/pod-0"))
    yield of_cost(f"POST of a {size} byte pod", post, budget=340, bare=bare)
    yield Figure(f"memory with {total} pods (empty: {empty_mb:.0f})", subject.resident_mb(), "MB", 250)
    alone = await create(subject, total, total // 10, are_alone=True)
    yield of_cost("POST of one without a template", alone, bare=bare)
    patch = await subject.measure(total // 5, lambda number: patch_status(subject, number, number))
    yield of_cost("PATCH of its status", patch, budget=450)


async def _reads(folder: Path, subject: Subject, total: int) -> AsyncIterator[Figure]:
    one = await subject.send("GET", f"{PODS}/pod-0")
    bare = await bare_cost(folder, one, 5000)
    get = await subject.measure(total, lambda number: subject.send("GET", f"{PODS}/pod-{number}"))
    yield of_cost("GET", get, budget=90, bare=bare)
    page = await subject.send("GET", f"{PODS}?limit=1000")
    bare = await bare_cost(folder, page, 50)
    listed = await subject.measure(50, lambda _: subject.send("GET", f"{PODS}?limit=1000"))
    yield of_cost(f"LIST of 1,000 ({len(page) / 1e6:.1f} MB)", listed, budget=10_000, bare=bare)


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "etcd", "memory"), default="sqlite")
    parser.add_argument("--quick", action="store_true", help="a tenth of the objects and a fifth of the watchers")
    asked = parser.parse_args()
    total, watchers = (1_000, 200) if asked.quick else (10_000, 1_000)
    print(f"CPU of the API server, TLS, {asked.store}, 16 connections\n{HEAD}")
    missed = []
    with tempfile.TemporaryDirectory() as folder, store_for(asked.store, Path(folder)) as store:
        async for figure in figures(Path(folder), store, total, watchers):
            print(figure.line(), flush=True)
            missed += [figure.what] if figure.is_missed else []
    print(f"missed: {', '.join(missed) or 'no budget'}")


if __name__ == "__main__":
    asyncio.run(main())
