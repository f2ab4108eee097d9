"""What is killed in the middle of its work, and what is still true afterwards."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta
from kube.client import ConnectionLost, Selection
from kube.config import Access
from kube.errors import ApiError
from kube.http_client import HttpClient
from kube.pki import load_pair
from tests.e2e.conftest import Cluster, eventually, free_port, run, started, succeed

WRITES = 1000
WRITERS = 64
START_S = 20.0

POD = """
apiVersion: v1
kind: Pod
metadata: {name: counter}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: wherry.local/host
    command: [/bin/sh, -c, "n=0; trap 'exit 0' TERM; while :; do n=$((n+1)); echo line $n; sleep 0.05; done"]
"""


@contextmanager
def api_server(directory: Path, port: int, store: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server process of its own; killed at the end if it still lives."""
    argv = [sys.executable, "-m", "apiserver", "--pki-dir", str(directory / "pki"), "--port", str(port)]
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen([*argv, "--store", store], stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def access(directory: Path, port: int) -> Access:
    admin = load_pair(directory / "pki", "admin")
    assert admin is not None
    authority = (directory / "pki" / "ca.crt").read_text()
    return Access(f"https://127.0.0.1:{port}", authority, admin.certificate_pem, admin.key_pem)


def wait_ready(directory: Path, port: int) -> None:
    """Wait until the server answers /readyz with ok."""

    async def is_ready() -> bool:
        async with HttpClient(access(directory, port)) as client:
            try:
                return await client.request_raw("GET", "/readyz") == b"ok"
            except (ConnectionLost, ApiError):
                return False

    until = time.monotonic() + START_S
    while not ((directory / "pki" / "admin.crt").exists() and asyncio.run(is_ready())):
        assert time.monotonic() < until, (directory / "log").read_text()[-4000:]


async def write_until_lost(client: HttpClient, kill_after: int, server: subprocess.Popen[bytes]) -> set[str]:
    """Create ConfigMaps, many at a time, killing the server on the way; return the names of those acknowledged."""
    names = iter(f"page-{number}" for number in range(WRITES))
    acknowledged: set[str] = set()

    async def write() -> None:
        for name in names:
            try:
                await client.create(
                    ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data={"x": "y" * 500})
                )
            except ConnectionLost:
                return
            acknowledged.add(name)
            if len(acknowledged) == kill_after:
                server.send_signal(signal.SIGKILL)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(write())
    return acknowledged


@pytest.mark.parametrize("kill_after", [100, 450])
def test_a_killed_server_has_every_write_that_it_acknowledged(tmp_path: Path, kill_after: int) -> None:
    port, store = free_port(), f"sqlite:{tmp_path}/store.db"

    async def killed(server: subprocess.Popen[bytes]) -> set[str]:
        async with HttpClient(access(tmp_path, port)) as client:
            return await write_until_lost(client, kill_after, server)

    async def stored() -> set[str]:
        async with HttpClient(access(tmp_path, port)) as client:
            return {item.metadata.name for item in (await client.list(ConfigMap, Selection("default"))).items}

    with api_server(tmp_path, port, store) as server:
        wait_ready(tmp_path, port)
        acknowledged = asyncio.run(killed(server))
    assert kill_after <= len(acknowledged) < WRITES

    with api_server(tmp_path, port, store):
        wait_ready(tmp_path, port)
        assert acknowledged <= asyncio.run(stored())


@pytest.fixture(scope="module")
def sturdy() -> Iterator[Cluster]:
    """A cluster whose processes the tests kill."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    yield from started("sturdy")


def lines(cluster: Cluster) -> list[int]:
    """Return the numbers that the counter has printed."""
    text = succeed(cluster.wherry("logs", "counter"))
    return [int(line.split()[1]) for line in text.splitlines()]


def restarts(cluster: Cluster) -> str:
    return succeed(cluster.wherry("get", "pod", "counter", "--no-headers")).split()[3]


@pytest.mark.root
@pytest.mark.parametrize("victim", ["server", "agent", "runtime"])
def test_a_killed_process_takes_no_container_and_no_line_with_it(sturdy: Cluster, victim: str) -> None:
    succeed(sturdy.wherry("apply", "-f", "-", "--wait", stdin=POD))
    before = lines(sturdy)[-1]
    os.kill(pid_of(sturdy, victim), signal.SIGKILL)
    if victim != "runtime":  # Which its agent starts again.
        succeed(run([sys.executable, "-m", "wherry", "up", "--name", sturdy.name]))

    eventually(
        "the log goes on", lambda: sturdy.wherry("logs", "counter").code == 0 and lines(sturdy)[-1] > before + 20
    )

    numbers = lines(sturdy)
    assert numbers == list(range(1, len(numbers) + 1))
    assert restarts(sturdy) == "0"


def pid_of(cluster: Cluster, victim: str) -> int:
    """Return the pid of one of the cluster's processes; the runtime's is its agent's child."""
    pids = cluster.pids()
    if victim == "server":
        return pids["server"]
    agent = next(pid for name, pid in pids.items() if name.startswith("agent-"))
    if victim == "agent":
        return agent
    children = Path(f"/proc/{agent}/task/{agent}/children").read_text().split()
    return next(int(pid) for pid in children if b"runtime_process" in Path(f"/proc/{pid}/cmdline").read_bytes())


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[str]:
    """A real etcd; yields its URL."""
    ports = [free_port(), free_port()]
    client, peer = (f"http://127.0.0.1:{port}" for port in ports)
    argv = [
        "etcd",
        "--data-dir",
        str(tmp_path / "etcd"),
        "--listen-client-urls",
        client,
        "--advertise-client-urls",
        client,
    ]
    argv += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    with (tmp_path / "etcd.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        eventually("etcd listens", lambda: _listens(ports[0]))
        yield client
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.root
def test_a_cluster_keeps_its_objects_in_etcd_too(etcd: str) -> None:
    for cluster in started("inetcd", "--store", f"etcd:{etcd}"):
        succeed(cluster.wherry("apply", "-f", "-", "--wait", stdin=POD))

        found = run(
            ["etcdctl", "--endpoints", etcd, "get", "--prefix", "--keys-only", "/registry/pods/default/"],
            env={"ETCDCTL_API": "3"},
        )
        assert found.out.split() == ["/registry/pods/default/counter"]
