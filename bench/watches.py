"""What idle watches cost: memory for each, CPU while nothing happens, and the time until all have heard of one change.

Starts an API server (memory store) and opens watches of all ConfigMaps to it, each on a TLS connection of its own.
Every process needs a descriptor for each: where the limit is lower than asked for, it opens as many as there may be,
and says so. `python -m bench.watches [--watches 10000]`.
"""

import argparse
import asyncio
import os
import resource
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import aiohttp

MAPS: Final = "/api/v1/namespaces/default/configmaps"
TICKS: Final = os.sysconf("SC_CLK_TCK")
SPARE: Final = 512
AT_ONCE: Final = 64
IDLE_S: Final = 30.0
READY_S: Final = 30.0
HEARD_S: Final = 120.0
PORT: Final = 17_443


@contextmanager
def running(folder: Path) -> Iterator[int]:
    """Run a server and give its process's id."""
    command = [sys.executable, "-m", "apiserver", "--pki-dir", str(folder), "--port", str(PORT)]
    process = subprocess.Popen(command)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid: int) -> float:
    """Return how much memory a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def allowed(wanted: int) -> int:
    """Return how many watches this process has descriptors for; say so where they are fewer than wanted."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if wanted + SPARE > hard:
        print(
            f"the limit of descriptors is {hard}: {hard - SPARE} watches instead of {wanted}; raise it with ulimit -n"
        )
    return min(wanted, hard - SPARE)


async def measure(folder: Path, pid: int, wanted: int) -> None:
    """Open the watches, wait, make one change, and print what it took."""
    url = f"https://127.0.0.1:{PORT}"
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout()
    ) as session:
        tls = await _ready(session, url, folder)
        empty_mb = memory_mb(pid)
        began_s, began_cpu_s = time.perf_counter(), cpu_s(pid)
        gate = asyncio.Semaphore(AT_ONCE)

        async def open_watch() -> aiohttp.ClientResponse:
            async with gate:
                return await session.get(f"{url}{MAPS}?watch=1&allowWatchBookmarks=true", ssl=tls)

        answers = await asyncio.gather(*(open_watch() for _ in range(wanted)))
        opened_s, opened_cpu_s = time.perf_counter() - began_s, cpu_s(pid) - began_cpu_s
        full_mb, idle_cpu_s = memory_mb(pid), cpu_s(pid)
        await asyncio.sleep(IDLE_S)
        idle = (cpu_s(pid) - idle_cpu_s) / IDLE_S
        changed_s, changed_cpu_s = time.perf_counter(), cpu_s(pid)
        body = {"metadata": {"name": "change"}}
        async with asyncio.timeout(HEARD_S):
            async with session.post(url + MAPS, json=body, ssl=tls) as made:
                assert made.status == 201
            await asyncio.gather(*(_hear(answer) for answer in answers))
        told_s, told_cpu_s = time.perf_counter() - changed_s, cpu_s(pid) - changed_cpu_s
    print(f"{wanted} watches opened in {opened_s:.1f} s: {1e3 * opened_cpu_s / wanted:.2f} ms CPU each")
    print(f"memory {empty_mb:.0f} -> {full_mb:.0f} MB: {1e3 * (full_mb - empty_mb) / wanted:.1f} kB each")
    print(f"idle for {IDLE_S:g} s: {100 * idle:.2f} % of a core")
    print(f"one change told to all in {told_s:.2f} s: {1e6 * told_cpu_s / wanted:.0f} us CPU each")


async def _hear(answer: aiohttp.ClientResponse) -> None:
    while b'"change"' not in await answer.content.readline():
        pass


async def _ready(session: aiohttp.ClientSession, url: str, folder: Path) -> ssl.SSLContext:
    """Return the admin's TLS once the server is ready."""
    async with asyncio.timeout(READY_S):
        while True:
            try:
                tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
                tls.load_cert_chain(str(folder / "admin.crt"), str(folder / "admin.key"))
                async with session.get(f"{url}/readyz", ssl=tls) as answer:
                    if answer.status == 200:
                        return tls
            except (OSError, aiohttp.ClientError):
                pass  # It has not made its keys yet, or does not listen.
            await asyncio.sleep(0.05)


def main() -> int:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description="What idle watches cost.")
    parser.add_argument("--watches", type=int, default=10_000)
    wanted = allowed(parser.parse_args().watches)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as pid:
        asyncio.run(measure(Path(folder), pid, wanted))
    return 0


if __name__ == "__main__":
    sys.exit(main())
