"""How fast the stores are: `python -m bench.store [memory:] [sqlite:PATH] [etcd:URL]`.

Prints for each store, and for each number of writers at once, writes a second, this process's CPU time for each, and
how many shared a commit; then the same for reads. Values are 4 KB. Without arguments: memory, and SQLite in a
temporary folder.
"""

import asyncio
import itertools
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable

from apiserver.store.contract import Store
from apiserver.store.open import open_store
from apiserver.store.sqlite import SqliteStore

VALUE = bytes(range(256)) * 16
WRITES = 3000


async def measure(name: str, at_once: int, times: int, work: Callable[[int], Awaitable[object]]) -> None:
    """Run `work` so many times, `at_once` of them at a time, and print what one costs."""
    numbers = iter(range(times))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    start, cpu = time.perf_counter(), _cpu_s()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    wall, used = time.perf_counter() - start, _cpu_s() - cpu
    print(f"  {name:34} {at_once:4} at once {times / wall:9,.0f}/s {used / times * 1e6:7.1f} us CPU", end="")


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def bench(spec: str) -> None:
    """Print the figures of one store."""
    store = await open_store(spec)
    print(spec)
    fresh = itertools.count(time.time_ns())
    for at_once in (1, 16, 64):
        await _writes(store, "create", at_once, lambda _: store.create(f"/registry/bench/{next(fresh)}", VALUE))
    keys = [f"/registry/bench/u{next(fresh)}" for _ in range(64)]
    revisions = {key: await store.create(key, VALUE) for key in keys}

    async def update(number: int) -> None:
        key = keys[number % 64]
        revisions[key] = await store.update(key, VALUE, expected_revision=revisions[key])

    await _writes(store, "update", 16, update)
    await measure("get", 16, WRITES, lambda _: store.get(keys[0]))
    print()
    await measure("current_revision", 16, WRITES, lambda _: store.current_revision())
    print()
    await measure("range of 500", 1, 20, lambda _: store.range("/registry/bench/", limit=500))
    print()
    start = time.perf_counter()
    await store.compact(await store.current_revision())
    print(f"  compact {(time.perf_counter() - start) * 1e3:.0f} ms")
    await store.close()


async def _writes(store: Store, name: str, at_once: int, work: Callable[[int], Awaitable[object]]) -> None:
    commits = store.commits if isinstance(store, SqliteStore) else 0
    await measure(name, at_once, WRITES, work)
    if isinstance(store, SqliteStore):
        print(f" {WRITES / (store.commits - commits):6.1f} writes a commit", end="")
    print()


async def main() -> None:
    """Measure the stores that the command line names, or the two that need nothing."""
    with tempfile.TemporaryDirectory() as folder:
        for spec in sys.argv[1:] or ["memory:", f"sqlite:{folder}/bench.db"]:
            await bench(spec)


if __name__ == "__main__":
    asyncio.run(main())
