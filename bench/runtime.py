"""How fast the container runtime is: `python -m bench.runtime [--rounds N]`, as root, on busybox's own image.

Prints p50 of sandbox + create + start, of ten at once, of stop + remove, of ExecSync; CPU time per pod up and down;
memory per pod outside its own processes (of a shim, of the reaper of a shared pid namespace, of the runtime itself);
and `runc run` of the same root file system beside it.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from nodeagent.runtime.images.archive import import_archive
from proto import cri_v1 as cri
from tests.runtime.machine import IMAGE, Client, RuntimeProcess, make_root, settings_in

_CROWD = 30


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


async def measure(client: Client, runtime: RuntimeProcess, rounds: int) -> dict[str, float]:
    """Return the figures, in milliseconds unless their name says otherwise."""
    ups, downs = [], []
    await client.remove_pod(await pod_up(client))
    busy = cpu_seconds()
    for _ in range(rounds):
        begun = time.perf_counter()
        pod = await pod_up(client)
        ups.append((time.perf_counter() - begun) * 1000)
        downs.append(await timed(lambda pod=pod: client.remove_pod(pod)))  # type: ignore[misc]
    cpu = (cpu_seconds() - busy) / rounds * 1000
    for _ in range(2):
        await client.pod()  # What shims share is no pod's own.
    pod = await client.pod()
    container = await client.run(pod, "sh", "-c", "echo begun; exec sleep 1000")
    shim = int(await _shim(client, pod))
    kb = {kind: memory_kb(shim, kind) for kind in ("Private_", "Pss:")}
    execs = [await timed(lambda: client.exec(container, "true")) for _ in range(rounds)]
    many = [await _ten_at_once(client) for _ in range(3)]
    reaper = await _reaper(client)
    await client.remove_all()
    runtime_kb = await _growth_kb(client, runtime.pid)
    await client.remove_all()
    return {
        "pod up p50": statistics.median(ups),
        "ten at once": statistics.median(many),
        "pod down p50": statistics.median(downs),
        "machine CPU per pod up and down (client included)": cpu,
        "ExecSync true p50": statistics.median(execs),
        "private memory of a shim in KB": kb["Private_"],
        "PSS of a shim in KB": kb["Pss:"],
        "private memory of a reaper in KB": reaper,
        "private memory of the runtime per pod in KB": runtime_kb,
        "runtime PSS in KB": memory_kb(runtime.pid, "Pss:"),
    }


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
    for _ in range(_CROWD):
        await pod_up(client)
    return (memory_kb(runtime, "Private_") - before) / _CROWD


async def _shim(client: Client, pod: str) -> str:
    request = cri.PodSandboxStatusRequest(pod_sandbox_id=pod, verbose=True)
    return (await client.runtime.pod_sandbox_status(request)).info["shim"]


def runc_run(root: Path, folder: Path, rounds: int) -> float | None:
    """Return p50 of `runc run` of `true` on the same root, or None without runc."""
    if shutil.which("runc") is None:
        return None
    subprocess.run(["runc", "spec"], cwd=folder, check=True)
    config = json.loads((folder / "config.json").read_text())
    config["root"]["path"], config["process"]["terminal"], config["process"]["args"] = str(root), False, ["true"]
    config["process"].pop("rlimits", None)
    (folder / "config.json").write_text(json.dumps(config))
    taken = []
    for number in range(rounds):
        begun = time.perf_counter()
        name = f"wherry-bench-{os.getpid()}-{number}"
        subprocess.run(["runc", "--root", f"{folder}/runc", "run", name], cwd=folder, check=True, capture_output=True)
        taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.runtime", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="wherry-bench-") as name:
        folder = Path(name)
        runtime = RuntimeProcess(settings_in(folder))
        root = make_root(folder / "root")
        import_archive(runtime.settings.image_dir, root, IMAGE)
        runtime.start()
        client = Client(runtime.settings)
        try:
            figures: dict[str, float | None] = dict(await measure(client, runtime, rounds))
            bundle = folder / "runc"
            bundle.mkdir()
            figures["runc run true p50 (no pod, no network)"] = runc_run(root, bundle, min(rounds, 10))
        finally:
            await client.channel.close()
            runtime.purge()
    for label, figure in figures.items():
        print(f"{label:52} {figure:10.1f}" if figure is not None else f"{label:52} not installed")


if __name__ == "__main__":
    asyncio.run(main())
