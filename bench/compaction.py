"""Whether a SQLite store stays as large as its busiest minutes, however many updates it has seen.

    python -m bench.compaction [--updates 200000] [--between 10000]

Updates a thousand objects of 4 kB in turn and compacts as the API server does, each time up to the compaction before,
and prints the size of its files. `between` stands for the updates of five minutes.
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Final

from apiserver.store.sqlite import SqliteStore

OBJECTS: Final = 1000
AT_ONCE: Final = 50
VALUE: Final = bytes(range(256)) * 16
STEPS: Final = 10


async def update_all(store: SqliteStore, revisions: dict[str, int], times: int) -> None:
    """Update the objects in turn, so many times in all."""
    keys = list(revisions)
    for start in range(0, times, AT_ONCE):
        chosen = [keys[number % OBJECTS] for number in range(start, start + AT_ONCE)]
        updates = (store.update(key, VALUE, expected_revision=revisions[key]) for key in chosen)
        revisions.update(zip(chosen, await asyncio.gather(*updates), strict=True))


def size_mb(folder: Path) -> float:
    """Return the size of the store's files."""
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=200_000)
    parser.add_argument("--between", type=int, default=10_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        store = SqliteStore.open(Path(name) / "store.db")
        revisions = {f"/registry/pods/default/{n}": 0 for n in range(OBJECTS)}
        for key in revisions:
            revisions[key] = await store.create(key, VALUE)
        print(f"{OBJECTS} objects, {OBJECTS * len(VALUE) / 1e6:.1f} MB, compacted every {asked.between} updates")
        print(f"{'updates':>10} {'MB':>8} {'compaction s':>14}")
        keep_from, turns = await store.current_revision(), asked.updates // asked.between
        for turn in range(1, turns + 1):
            await update_all(store, revisions, asked.between)
            began = time.perf_counter()
            await store.compact(keep_from)
            keep_from = await store.current_revision()
            if turn % max(1, turns // STEPS) == 0:
                took = time.perf_counter() - began
                print(f"{turn * asked.between:10} {size_mb(Path(name)):8.1f} {took:14.2f}", flush=True)
        await store.close()


if __name__ == "__main__":
    asyncio.run(main())
