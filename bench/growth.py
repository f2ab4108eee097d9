"""Whether the API server costs the same for a hundred thousand objects as for a thousand.

    python -m bench.growth [--store sqlite|etcd] [--most 100000]

Prints the CPU of a GET, a POST, a page from the middle of a list, and a watched change, as the pods of one namespace
grow tenfold and tenfold. The pods are put straight into the store, and the server started on it.
"""

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop

from apiserver.store.open import open_store
from bench._pods import PODS, create, make_account, watch_cost
from bench._server import Subject, api_server, make_keys, store_for

SAMPLE: Final = 1000
PAGES: Final = 20
STEP: Final = 7919
"""From one pod that is read to the next: it has no divisor in common with their number."""
KEY: Final = "/registry/pods/default/pod-"
AT_ONCE: Final = 64


async def fill(spec: str, first: int, end: int) -> None:
    """Store copies of the first pod that the server itself has stored."""
    store = await open_store(spec)
    pattern = await store.get(f"{KEY}0")
    assert pattern is not None
    numbers = iter(range(first, end))

    async def work() -> None:
        for number in numbers:
            value = pattern.value.replace(b'"name":"pod-0"', b'"name":"pod-%d"' % number, 1)
            await store.create(f"{KEY}{number}", value)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    await store.close()


async def measure(subject: Subject, total: int) -> list[float]:
    """Return the CPU in µs of each operation where there are `total` pods."""
    post = await create(subject, total, SAMPLE)
    spread = range(0, 2 * SAMPLE * STEP, STEP)
    get = await subject.measure(spread, lambda number: subject.send("GET", f"{PODS}/pod-{number % total}"))
    middle = f"{PODS}?limit=100&continue={await _token(subject, total // 2)}"
    await subject.send("GET", middle)  # Which waits until the long list before it is cleared away.
    page = await subject.measure(range(PAGES), lambda _: subject.send("GET", middle))
    watched = await watch_cost(subject, 100, 50)
    return [get.cpu_us, post.cpu_us, page.cpu_us, watched]


async def _token(subject: Subject, skip: int) -> str:
    """Return where a list goes on after its first objects."""
    listed = json.loads(await subject.send("GET", f"{PODS}?limit={skip}"))
    token: str = listed["metadata"]["continue"]
    return token


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=("sqlite", "etcd"), default="sqlite")
    parser.add_argument("--most", type=int, default=100_000)
    asked = parser.parse_args()
    head = f"{'pods':>8} {'GET':>8} {'POST':>8} {'page':>8} {'event':>8} {'MB':>8} {'start s':>8}"
    print(f"CPU of the API server in µs, TLS, {asked.store}\n{head}")
    with tempfile.TemporaryDirectory() as folder, store_for(asked.store, Path(folder)) as store:
        await make_keys(Path(folder))
        async with api_server(Path(folder), store) as subject:
            await make_account(subject)
            await create(subject, 0, SAMPLE)
        there = SAMPLE
        for wanted in itertools.takewhile(lambda size: size <= asked.most, (1000, 10_000, 100_000)):
            await fill(store, there, wanted)
            began = time.perf_counter()
            async with api_server(Path(folder), store) as subject:
                start_s = time.perf_counter() - began
                told = " ".join(f"{value:8.1f}" for value in await measure(subject, wanted))
                print(f"{wanted:8} {told} {subject.resident_mb():8.0f} {start_s:8.1f}", flush=True)
            there = wanted + SAMPLE


if __name__ == "__main__":
    uvloop.run(main())
