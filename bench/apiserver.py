"""What a request costs the API server: CPU per operation over TLS, beside a bare aiohttp handler with the same bytes.

Starts servers of its own (SQLite store in a temporary directory) as child processes on loopback, reads their CPU from
/proc, and prints a table with the budgets of the design. `python -m bench.apiserver [--quick]`.
"""

import argparse
import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

CONNECTIONS: Final = 16
PODS: Final = "/api/v1/namespaces/default/pods"
TICKS: Final = os.sysconf("SC_CLK_TCK")
PAD: Final = "x" * 60

BARE: Final = """
import asyncio, ssl, sys, uvloop
from aiohttp import web
cert, key, body = sys.argv[1], sys.argv[2], open(sys.argv[3], "rb").read()
async def handle(request):
    if request.body_exists:
        await request.read()
    return web.Response(body=body, content_type="application/json")
async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    server = web.Server(handle, access_log=None)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=tls)
    print(listener.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
uvloop.run(main())
"""


@dataclass(frozen=True)
class Figure:
    """One line of the table. budget: as the design states it, in the same unit; 0 for none."""

    what: str
    value: float
    unit: str
    budget: float = 0
    bare: float = 0

    def line(self) -> str:
        """Return the figure as a line of text."""
        ratio = f"{self.value / self.bare:8.2f}x" if self.bare else " " * 9
        told = f"{self.budget:8.1f} {'ok' if self.value <= self.budget else 'MISSED'}" if self.budget else ""
        return f"{self.what:44} {self.value:10.1f} {self.unit:6} {ratio}  {told}"


def pod(name: str) -> dict[str, Any]:
    """Return a pod of about 5 kB."""
    container = {
        "image": "registry.example.org/team/web:1.2.3",
        "env": [{"name": f"SETTING_{index}", "value": PAD} for index in range(8)],
        "ports": [{"containerPort": 8080, "name": "http"}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 5},
    }
    meta = {
        "name": name,
        "labels": {"app": "web", "tier": "front"},
        "annotations": {f"example.org/note-{index}": PAD for index in range(10)},
    }
    spec = {
        "automountServiceAccountToken": False,
        "containers": [{"name": f"main-{index}", **container} for index in range(2)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    """Return the memory that a process has in use."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


class Subject:
    """A server process under measurement, and connections to it."""

    def __init__(self, process: subprocess.Popen[str], url: str, session: aiohttp.ClientSession) -> None:
        self.process = process
        self.url = url
        self.session = session

    async def send(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> bytes:
        """Send a request and return the answer's body; an error ends the benchmark."""
        headers = {"Accept-Encoding": "identity", **({"Content-Type": content_type} if body is not None else {})}
        async with self.session.request(method, self.url + path, data=body, headers=headers) as answer:
            content = await answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
            return content

    async def measure(self, count: int, job: Callable[[int], Awaitable[Any]]) -> float:
        """Run `job` for each number below `count` on 16 connections; return the server's CPU per run, in µs."""
        numbers = iter(range(count))

        async def work() -> None:
            for number in numbers:
                await job(number)

        before = cpu_s(self.process.pid)
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(work())
        return (cpu_s(self.process.pid) - before) / count * 1e6


@asynccontextmanager
async def running(command: list[str], url: str, tls: ssl.SSLContext) -> AsyncIterator[Subject]:
    """Start a server that prints its port, or has it in `url` already; end it afterwards."""
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
    try:
        if not url:
            assert process.stdout is not None
            url = f"https://127.0.0.1:{process.stdout.readline().strip()}"
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
            yield Subject(process, url, session)
    finally:
        process.terminate()
        process.wait()


async def until_ready(subject: Subject) -> None:
    """Return when the server says that requests may come."""
    while True:
        try:
            async with subject.session.get(f"{subject.url}/readyz") as answer:
                if answer.status == 200:
                    return
        except aiohttp.ClientConnectionError:
            pass
        await asyncio.sleep(0.01)


def client_tls(keys: Path) -> ssl.SSLContext:
    """Return the TLS of the admin."""
    tls = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    tls.load_cert_chain(str(keys / "admin.crt"), str(keys / "admin.key"))
    return tls


async def bare_cost(folder: Path, body: bytes, count: int, sent: bytes | None = None) -> float:
    """Return what a bare aiohttp handler needs to send `body` (after reading `sent`), in µs."""
    (folder / "body").write_bytes(body)
    keys = folder / "keys"
    command = [
        sys.executable,
        "-c",
        BARE,
        str(keys / "apiserver.crt"),
        str(keys / "apiserver.key"),
        str(folder / "body"),
    ]
    async with running(command, "", client_tls(keys)) as subject:
        method = "GET" if sent is None else "POST"
        await subject.measure(200, lambda _: subject.send(method, "/", sent))
        return await subject.measure(count, lambda _: subject.send(method, "/", sent))


async def watch_cost(subject: Subject, watchers: int, events: int) -> float:
    """Return the CPU per event and watcher, in µs, beyond that of the writes themselves."""
    path = f"{subject.url}{PODS}?watch=1&labelSelector=app%3Dweb&resourceVersion="
    version = json.loads(await subject.send("GET", f"{PODS}?limit=1"))["metadata"]["resourceVersion"]
    alone = await subject.measure(events, lambda number: relabel(subject, number, "a"))
    version = json.loads(await subject.send("GET", f"{PODS}?limit=1"))["metadata"]["resourceVersion"]
    heard = 0
    all_heard = asyncio.Event()

    async def listen(ready: asyncio.Semaphore) -> None:
        nonlocal heard
        async with subject.session.get(path + version, timeout=aiohttp.ClientTimeout(total=None)) as answer:
            ready.release()
            async for chunk in answer.content.iter_any():
                heard += chunk.count(b'{"type":')
                if heard >= watchers * events:
                    all_heard.set()

    ready = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listen(ready)) for _ in range(watchers)]
        for _ in range(watchers):
            await ready.acquire()
        before = cpu_s(subject.process.pid)
        for number in range(events):
            await relabel(subject, number, "b")
        async with asyncio.timeout(120):
            await all_heard.wait()
        spent = cpu_s(subject.process.pid) - before
        for task in tasks:
            task.cancel()
    return (spent * 1e6 - alone * events) / (watchers * events)


async def relabel(subject: Subject, number: int, value: str) -> None:
    """Change a label of a pod."""
    patch = json.dumps({"metadata": {"labels": {"turn": f"{value}{number}"}}}).encode()
    await subject.send("PATCH", f"{PODS}/pod-{number}", patch, "application/merge-patch+json")


async def status_patch(subject: Subject, number: int, turn: int) -> None:
    """Patch a pod's status as a node agent does."""
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "message": f"{turn}"}
    status = {"phase": "Running", "podIP": "10.244.0.7", "conditions": [condition]}
    body = json.dumps({"status": status}).encode()
    await subject.send("PATCH", f"{PODS}/pod-{number}/status", body, "application/strategic-merge-patch+json")


async def figures(folder: Path, quick: bool) -> AsyncIterator[Figure]:
    """Measure everything, one figure after the other."""
    keys = folder / "keys"
    total, watchers = (1_000, 200) if quick else (10_000, 1_000)
    port = free_port()
    command = [sys.executable, "-m", "apiserver", "--pki-dir", str(keys), "--port", str(port)]
    command += ["--store", f"sqlite:{folder}/store.db", "--log-level", "warning"]
    prepare = [*command[:-4], "--store", "memory:", "--log-level", "warning"]
    url = f"https://127.0.0.1:{port}"
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    async with running(prepare, url, anybody) as first:
        await until_ready(first)
    began = time.perf_counter()
    async with running(command, url, client_tls(keys)) as subject:
        await until_ready(subject)
        yield Figure("start to /readyz", (time.perf_counter() - began) * 1000, "ms", 500)
        account = json.dumps({"metadata": {"name": "default"}}).encode()
        await subject.send("POST", "/api/v1/namespaces/default/serviceaccounts", account)
        sent = json.dumps(pod("pod-0"), separators=(",", ":")).encode()
        bare_post = await bare_cost(folder, sent, 2000, sent)
        bodies = [json.dumps(pod(f"pod-{number}"), separators=(",", ":")).encode() for number in range(total)]
        empty_mb = resident_mb(subject.process.pid)
        post = await subject.measure(total, lambda number: subject.send("POST", PODS, bodies[number]))
        one = await subject.send("GET", f"{PODS}/pod-0")
        yield Figure(f"POST of a {len(one)} byte pod", post, "µs", 340, bare_post)
        yield Figure(f"memory with {total} pods (empty: {empty_mb:.0f})", resident_mb(subject.process.pid), "MB", 250)
        bare_get = await bare_cost(folder, one, 5000)
        get = await subject.measure(10_000, lambda number: subject.send("GET", f"{PODS}/pod-{number % total}"))
        yield Figure("GET", get, "µs", 90, bare_get)
        patch = await subject.measure(2_000, lambda number: status_patch(subject, number % total, number))
        yield Figure("PATCH of its status", patch, "µs", 450)
        page = await subject.send("GET", f"{PODS}?limit=1000")
        bare_list = await bare_cost(folder, page, 50)
        listed = await subject.measure(50, lambda _: subject.send("GET", f"{PODS}?limit=1000"))
        yield Figure(f"LIST of 1,000 ({len(page) / 1e6:.1f} MB)", listed, "µs", 10_000, bare_list)
        yield Figure(f"watch event and watcher, {watchers}", await watch_cost(subject, watchers, 50), "µs", 20)


def free_port() -> int:
    """Return a port that nobody listens on."""
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the objects and a fifth of the watchers")
    quick = parser.parse_args().quick
    print(f"{'CPU of the API server, TLS, SQLite, 16 connections':44} {'':10} {'':6} {'to bare':>9}  budget")
    with tempfile.TemporaryDirectory() as folder:
        async for figure in figures(Path(folder), quick):
            print(figure.line(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
