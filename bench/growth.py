"""Whether the API server costs the same for a hundred thousand objects as for a thousand.

    python -m bench.growth [--store sqlite|etcd|memory] [--most 100000]

Prints the CPU of a GET, a POST, a page of a list far from its start, and a watched change, as the pods of one
namespace grow tenfold and tenfold.
"""

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Final

from bench._pods import PODS, create, make_account, watch_cost
from bench._server import Subject, api_server, make_keys, store_for

SAMPLE: Final = 1000
PAGES: Final = 20


async def measure(subject: Subject, total: int) -> list[float]:
    """Return the CPU in µs of each operation where there are `total` pods."""
    post = await create(subject, total, SAMPLE)
    get = await subject.measure(2 * SAMPLE, lambda number: subject.send("GET", f"{PODS}/pod-{number * 7919 % total}"))
    middle = await _token(subject, total // 2)
    page = await subject.measure(PAGES, lambda _: subject.send("GET", f"{PODS}?limit=100&continue={middle}"))
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
    parser.add_argument("--store", choices=("sqlite", "etcd", "memory"), default="sqlite")
    parser.add_argument("--most", type=int, default=100_000)
    asked = parser.parse_args()
    print(f"CPU in µs, {asked.store}\n{'pods':>8} {'GET':>8} {'POST':>8} {'page':>8} {'event':>8} {'memory MB':>10}")
    with tempfile.TemporaryDirectory() as folder, store_for(asked.store, Path(folder)) as store:
        await make_keys(Path(folder))
        async with api_server(Path(folder), store) as subject:
            await make_account(subject)
            there, wanted = 0, 1000
            while wanted <= asked.most:
                await create(subject, there, wanted - there)
                found = await measure(subject, wanted)
                there = wanted + SAMPLE
                told = " ".join(f"{value:8.1f}" for value in found)
                print(f"{wanted:8} {told} {subject.resident_mb():10.0f}", flush=True)
                wanted *= 10


if __name__ == "__main__":
    asyncio.run(main())
