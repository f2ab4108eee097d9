"""How fast the container runtime is: `python -m bench.runtime [--rounds N]`, as root, on busybox's own image.

Runs in a network namespace of its own, with the node's pod network, and leaves nothing behind. Prints p50 of sandbox +
create + start, of ten at once, of stop + remove, of ExecSync; CPU time per pod up and down; memory per pod outside its
own processes (of a shim, of the reaper of a shared pid namespace, of the runtime itself). Times are judged by what
`runc run` takes on the same root file system in between (docs/decisions/0007-budgets-of-cpu-follow-a-bare-handler.md).
"""

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from nodeagent.purge import purge
from nodeagent.runtime.images.archive import import_archive
from nodeagent.runtime_process import runtime_settings
from nodeagent.settings import AgentSettings, encode_settings
from proto import cri_v1 as cri
from tests.runtime.machine import IMAGE, Client, make_root, until

CROWD: Final = 30
CROWDS_AT_ONCE: Final = 5
POD_CIDR: Final = "10.252.8.0/24"
RUNC_MS: Final = 14.8
"""What `runc run` of `true` took on the machine that the budgets are for."""
RUNC_ROUNDS: Final = 10


async def timed(call: Callable[[], Awaitable[object]]) -> float:
    """Return how many milliseconds a call takes."""
    begun = time.perf_counter()
    await call()
    return (time.perf_counter() - begun) * 1000


def cpu_seconds() -> float:
    """Return the CPU time that this machine has spent on anything."""
    ticks = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    busy = sum(int(tick) for place, tick in enumerate(ticks) if place not in {3, 4})
    return busy / os.sysconf("SC_CLK_TCK")


def memory_kb(pid: int, kind: str) -> int:
    """Return a process's memory of one kind, such as Pss, or Private (clean and dirty)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(kind))


def only_child(pid: int) -> int:
    """Return the one child of a process."""
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


async def pod_up(client: Client) -> str:
    """Make a pod with one container, to the moment its command runs."""
    pod = await client.pod()
    await client.run(pod, "sleep", "1000")
    return pod


@dataclass(frozen=True)
class Row:
    """A line of the table. budget: as the design states it, None where there is none."""

    what: str
    value: float
    unit: str = "ms"
    budget: float | None = None

    def line(self, pace: float) -> str:
        """Return the line. pace: how many times longer than on the machine of the budgets everything takes here."""
        if self.budget is None:
            return f"{self.what:52} {self.value:8.1f} {self.unit}"
        here = self.budget * pace if self.unit == "ms" else self.budget
        verdict = "MISSED" if self.value > here else "ok"
        return f"{self.what:52} {self.value:8.1f} {self.unit:2} {self.budget:8.0f} {here:8.0f} {verdict}"


async def measure(client: Client, runtime: int, rounds: int, yardstick: Callable[[], None]) -> AsyncIterator[Row]:
    """Yield the figures. runtime: its pid. yardstick: what the machine itself is measured with, called in between."""
    ups, downs = [], []
    await client.remove_pod(await pod_up(client))
    busy = cpu_seconds()
    for _ in range(rounds):
        begun = time.perf_counter()
        pod = await pod_up(client)
        ups.append((time.perf_counter() - begun) * 1000)
        downs.append(await timed(lambda pod=pod: client.remove_pod(pod)))  # type: ignore[misc]
    cpu = (cpu_seconds() - busy) / rounds * 1000
    yardstick()
    yield Row("pod up p50", median(ups), budget=15)
    yield Row("pod down p50", median(downs), budget=15)
    yield Row("CPU per pod up and down, the client's included", cpu, budget=30)
    yield Row("ten at once", median([await _ten_at_once(client) for _ in range(CROWDS_AT_ONCE)]), budget=65)
    yardstick()
    for _ in range(2):
        await client.pod()  # What shims share is no pod's own.
    pod = await client.pod()
    container = await client.run(pod, "sh", "-c", "echo begun; exec sleep 1000")
    shim = int(await _shim(client, pod))
    kb = {kind: memory_kb(shim, kind) for kind in ("Private_", "Pss:")}
    execs = [await timed(lambda: client.exec(container, "true")) for _ in range(rounds)]
    yield Row("ExecSync true p50", median(execs), budget=5)
    yardstick()
    yield Row("private memory of a shim", kb["Private_"], "KB", 1024)
    yield Row("PSS of a shim", kb["Pss:"], "KB")
    yield Row("private memory of a reaper", await _reaper(client), "KB")
    await client.remove_all()
    yield Row("private memory of the runtime per pod", await _growth_kb(client, runtime), "KB")
    await client.remove_all()
    yield Row("PSS of the runtime", memory_kb(runtime, "Pss:"), "KB")


async def _ten_at_once(client: Client) -> float:
    begun = time.perf_counter()
    pods = await asyncio.gather(*(pod_up(client) for _ in range(10)))
    taken = (time.perf_counter() - begun) * 1000
    await asyncio.gather(*(client.remove_pod(pod) for pod in pods))
    return taken


async def _reaper(client: Client) -> int:
    """Return the private memory in KB of process 1 of a pid namespace that a pod shares."""
    shim = int(await _shim(client, await client.pod(pid=cri.POD)))
    return memory_kb(only_child(shim), "Private_")


async def _growth_kb(client: Client, runtime: int) -> float:
    """Return by how many KB the runtime itself grows with each pod."""
    before = memory_kb(runtime, "Private_")
    for _ in range(CROWD):
        await pod_up(client)
    return (memory_kb(runtime, "Private_") - before) / CROWD


async def _shim(client: Client, pod: str) -> str:
    request = cri.PodSandboxStatusRequest(pod_sandbox_id=pod, verbose=True)
    return (await client.runtime.pod_sandbox_status(request)).info["shim"]


class Runc:
    """`runc run` of `true` on the same root: the yardstick of this machine."""

    def __init__(self, root: Path, bundle: Path) -> None:
        self.taken_ms: list[float] = []
        self._bundle = bundle
        bundle.mkdir()
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        config = json.loads((bundle / "config.json").read_text())
        config["root"]["path"], config["process"]["terminal"], config["process"]["args"] = str(root), False, ["true"]
        config["process"].pop("rlimits", None)
        (bundle / "config.json").write_text(json.dumps(config))

    def measure(self) -> None:
        """Run it a few times."""
        for _ in range(RUNC_ROUNDS):
            name = f"wherry-bench-{os.getpid()}-{len(self.taken_ms)}"
            command = ["runc", "--root", f"{self._bundle}/runc", "run", name]
            begun = time.perf_counter()
            subprocess.run(command, cwd=self._bundle, check=True, capture_output=True)
            self.taken_ms.append((time.perf_counter() - begun) * 1000)


@contextmanager
def running(settings: AgentSettings, file: Path) -> Iterator[int]:
    """Run the runtime as a node agent does, which tells it the settings in a file; yield its pid."""
    file.write_text(encode_settings(settings))
    command = [sys.executable, "-m", "nodeagent.runtime_process", "--settings", str(file)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


async def _bench(settings: AgentSettings, folder: Path, rounds: int) -> None:
    root = make_root(folder / "root")
    import_archive(settings.image_dir, root, IMAGE)
    runc = Runc(root, folder / "runc")
    with running(settings, folder / "settings.json") as runtime:
        told = runtime_settings(settings)

        async def serves() -> bool:
            return told.socket_path.exists()

        await until(serves, "the runtime serves")
        client = Client(told)
        config = cri.RuntimeConfig(network_config=cri.NetworkConfig(pod_cidr=POD_CIDR))
        await client.runtime.update_runtime_config(cri.UpdateRuntimeConfigRequest(runtime_config=config))
        runc.measure()
        rows = [row async for row in measure(client, runtime, rounds, runc.measure)]
        await client.channel.close()
    took = median(runc.taken_ms)
    print(f"runc run of true, no network: {took:.1f} ms, {took / RUNC_MS:.2f} times the {RUNC_MS} ms of the reference")
    print(f"{'':52} {'here':>8}    {'budget':>8} {'here':>8}")
    for row in rows:
        print(row.line(took / RUNC_MS))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.runtime", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--inside", action="store_true", help="this process has a network namespace of its own")
    asked = parser.parse_args()
    if shutil.which("runc") is None:
        raise SystemExit("bench: runc is not installed; apt-get install runc")
    if not asked.inside:
        inside = [sys.executable, "-m", "bench.runtime", "--inside", "--rounds", str(asked.rounds)]
        raise SystemExit(subprocess.run(["unshare", "--net", *inside], check=False).returncode)
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as name:
        folder = Path(name)
        settings = AgentSettings(
            node_name="bench",
            node_address="127.0.0.1",
            state_dir=folder / "state",
            run_dir=folder / "run",
            image_dir=folder / "images",
            link_prefix="wbench",
            cgroup_parent="/wherry-bench-runtime",
        )
        try:
            asyncio.run(_bench(settings, folder, asked.rounds))
        finally:
            purge(settings)


if __name__ == "__main__":
    main()
