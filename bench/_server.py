"""A server process under load: its CPU, and how long each request took its client."""

import asyncio
import contextlib
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any, Final

from bench._client import Client

CONNECTIONS: Final = 16
_SCHEDULED: Final = 2
"""Which of a process's clocks it is (clock_getcpuclockid(3)): to the nanosecond, where /proc has hundredths."""
READY_TIMEOUT_S: Final = 120

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
class Cost:
    """What one operation costs: CPU of the server, and the times that clients waited, their own work included."""

    cpu_us: float
    waits_s: Sequence[float]

    def wait_ms(self, percent: int) -> float:
        """Return how long so many of a hundred waited at most."""
        return quantiles(self.waits_s, n=100)[percent - 1] * 1e3


class Subject:
    """A server process under measurement, and connections to it."""

    def __init__(self, process: subprocess.Popen[str], url: str, tls: ssl.SSLContext, client: Client) -> None:
        """tls: for connections to it. client: sends its requests."""
        self.process = process
        self.url = url
        self.tls = tls
        self._client = client

    async def send(
        self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json"
    ) -> bytes:
        """Send a request and return the answer's body; an error ends the benchmark."""
        status, content = await self._client.send(method, path, body, content_type)
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {content[:300]!r}")
        return content

    async def measure(self, numbers: range, job: Callable[[int], Awaitable[Any]]) -> Cost:
        """Run `job` for each of the numbers on 16 connections; return what one run costs."""
        left = iter(numbers)
        waits: list[float] = []

        async def work() -> None:
            for number in left:
                began = time.perf_counter()
                await job(number)
                waits.append(time.perf_counter() - began)

        before = self.cpu_s()
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(work())
        return Cost((self.cpu_s() - before) / len(numbers) * 1e6, waits)

    def cpu_s(self) -> float:
        """Return the CPU time that the process has used, all its threads and the kernel's work for it included."""
        return time.clock_gettime(~self.process.pid << 3 | _SCHEDULED)

    def kept_waiting_s(self) -> float:
        """Return how long the process's main thread could have run, and others had the cores."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[1]) / 1e9

    def resident_mb(self) -> float:
        """Return the memory that the process has in use."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@asynccontextmanager
async def running(
    command: list[str], url: str, tls: ssl.SSLContext, tree: Path | None = None
) -> AsyncIterator[Subject]:
    """Start a server that prints its port, or has it in `url` already; end it afterwards. tree: where its code is."""
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True, cwd=tree)
    try:
        if not url:
            assert process.stdout is not None
            url = f"https://127.0.0.1:{process.stdout.readline().strip()}"
        async with Client(url, tls) as client:
            yield Subject(process, url, tls, client)
    finally:
        process.terminate()
        process.wait()


@asynccontextmanager
async def api_server(folder: Path, store: str, tree: Path | None = None) -> AsyncIterator[Subject]:
    """Start an API server on a store, with its keys in `folder`, and wait until it is ready.

    tree: another checkout whose server it is to be.
    """
    keys, port = folder / "keys", free_port()
    command = [sys.executable, "-m", "apiserver", "--pki-dir", str(keys), "--port", str(port)]
    command += ["--store", store, "--log-level", "warning"]
    tls = client_tls(keys) if (keys / "admin.crt").exists() else _any_tls()
    async with running(command, f"https://127.0.0.1:{port}", tls, tree) as subject:
        async with asyncio.timeout(READY_TIMEOUT_S):
            await _until_ready(subject)
        yield subject


async def _until_ready(subject: Subject) -> None:
    while True:
        with contextlib.suppress(OSError, RuntimeError):  # It doesn't listen yet, or says that it isn't ready.
            await subject.send("GET", "/readyz")
            return
        await asyncio.sleep(0.01)


async def make_keys(folder: Path) -> None:
    """Have a first server make the keys, which the start of the next is not to pay for."""
    async with api_server(folder, "memory:"):
        pass


def client_tls(keys: Path) -> ssl.SSLContext:
    """Return the TLS of the admin."""
    tls = ssl.create_default_context(cafile=str(keys / "ca.crt"))
    tls.load_cert_chain(str(keys / "admin.crt"), str(keys / "admin.key"))
    return tls


def _any_tls() -> ssl.SSLContext:
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


@asynccontextmanager
async def bare_server(folder: Path, body: bytes) -> AsyncIterator[Subject]:
    """Run a bare aiohttp handler that reads what it is sent and answers with `body`, with the keys in `folder`."""
    (folder / "body").write_bytes(body)
    keys = folder / "keys"
    files = [str(keys / "apiserver.crt"), str(keys / "apiserver.key"), str(folder / "body")]
    async with running([sys.executable, "-c", BARE, *files], "", client_tls(keys)) as subject:
        yield subject


@contextmanager
def store_for(name: str, folder: Path) -> Iterator[str]:
    """Yield the store that the server is told to use. name: "sqlite", "memory", or "etcd", which is started for it."""
    if name != "etcd":
        yield f"sqlite:{folder}/store.db" if name == "sqlite" else "memory:"
        return
    program = shutil.which("etcd")
    if program is None:
        raise SystemExit("bench: etcd is not installed; apt-get install etcd-server")
    client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    with tempfile.TemporaryDirectory() as data:
        command = [program, "--data-dir", data, "--listen-client-urls", client, "--advertise-client-urls", client]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        command += ["--initial-cluster", f"default={peer}", "--log-level", "error"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield f"etcd:{client}"
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
