"""How long the node agent takes for pods, and what they cost it: the real runtime, an API server that takes no time.

python -m bench.pods             needs root; runs in a network namespace of its own and leaves nothing behind
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from msgspec.structs import replace

from kube import codec
from kube.api.core_v1 import ConfigMap, Node, Pod
from kube.api.meta_v1 import ObjectMeta
from kube.objects import condition_is_true
from nodeagent.agent import run_agent
from nodeagent.purge import purge
from nodeagent.settings import AgentSettings
from tests.kube.fake_client import FakeClient

ALONE: Final = 10
CROWDS: Final = (10, 30, 110)
REPEATS: Final = 5
IDLE_S: Final = 10.0
TIMEOUT_S: Final = 60.0
LOOK_S: Final = 0.003
SCRIPT: Final = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"
PROBED: Final = """
trap 'date +%s%N > /times/ended; exit 0' TERM
touch /times/well
while :; do sleep 3600 & wait; done
"""
PROBE: Final = "test -e /times/well || { date +%s%N > /times/failed; exit 1; }"


@dataclass(frozen=True)
class Row:
    """One line of the table. ms: what was measured, the median; budget_ms: None where there is none."""

    what: str
    ms: float
    budget_ms: float | None = None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.pods", description=__doc__.splitlines()[0])
    parser.add_argument("--inside", action="store_true", help="this process has a network namespace of its own")
    if not parser.parse_known_args()[0].inside:
        inside = [sys.executable, "-m", "bench.pods", "--inside"]
        subprocess.run(["unshare", "--net", *inside], check=True, stderr=subprocess.DEVNULL)
        return
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = AgentSettings(
            node_name="n1",
            node_address="127.0.0.1",
            state_dir=root / "state",
            run_dir=root / "run",
            image_dir=root / "images",
            allow_host_image=True,
            link_prefix="wbench",
            cgroup_parent="/wherry-bench-pods",
        )
        try:
            asyncio.run(_measure(settings))
        finally:
            purge(settings)


def _pod(name: str, **container: Any) -> Pod:
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    own = {"name": "main", "image": "wherry.local/host", "imagePullPolicy": "IfNotPresent", **container}
    volumes = own.pop("volumes", [])
    plain: dict[str, Any] = {
        "metadata": meta,
        "spec": {
            "nodeName": "n1",
            "containers": [{"command": ["/bin/sh", "-c", SCRIPT], **own}],
            "volumes": volumes,
        },
        "status": {"phase": "Pending"},
    }
    return codec.from_plain(plain, Pod)


async def _measure(settings: AgentSettings) -> None:
    api = FakeClient()
    async with asyncio.TaskGroup() as group:
        agent = group.create_task(run_agent(settings, api))
        await _until(lambda: bool(api.stored(Node)))
        (node,) = api.stored(Node)
        api.put(replace(node, spec=replace(node.spec, pod_cidr="10.252.7.0/24")))
        await _until(lambda: condition_is_true(api.stored(Node)[0].status.conditions, "Ready"))
        rows = [
            *await _crowd(api, 1, ALONE, (40, 100)),
            *await _crowd(api, CROWDS[0], REPEATS, (200, None)),
            *await _crowd(api, CROWDS[1], REPEATS, (500, None)),
            *await _crowd(api, CROWDS[2], 1, (3000, None)),
            Row("a process's end -> its pod's status", await _ended(api), 50),
            Row("killed -> ready again, no back-off due", await _killed(api), 100),
            Row("liveness threshold reached -> told to end", await _probed(api, settings.state_dir), 50),
            Row("a ConfigMap's change -> in the volume", await _changed(api, settings.state_dir), 2000),
        ]
        for row in rows:
            verdict = "" if row.budget_ms is None else f"   budget {row.budget_ms:6.0f}"
            missed = "   MISSED" if row.budget_ms is not None and row.ms > row.budget_ms else ""
            print(f"{row.what:44} {row.ms:8.1f} ms{verdict}{missed}")
        await _idle(api)
        agent.cancel()


async def _crowd(api: FakeClient, count: int, times: int, budgets: tuple[float, float | None]) -> list[Row]:
    rounds = [await _up_and_down(api, [f"c{count}-{turn}-{i}" for i in range(count)]) for turn in range(times)]
    up, down, cpu = (median(values) * 1000 for values in zip(*rounds, strict=True))
    what = f"{count} pod{'s at once' if count > 1 else ''}"
    return [
        Row(f"{what}: bind -> ready", up, budgets[0]),
        Row(f"{what}: deleted -> gone", down, budgets[1]),
        Row(f"{what}: CPU of the agent, each", cpu),
    ]


async def _up_and_down(api: FakeClient, names: list[str]) -> tuple[float, float, float]:
    """Return the seconds until all are ready, those until all are gone, and the agent's CPU seconds per pod."""
    cpu = time.process_time()
    up = await _up(api, [_pod(name) for name in names])
    down = await _down(api)
    return up, down, (time.process_time() - cpu) / len(names)


async def _up(api: FakeClient, pods: list[Pod]) -> float:
    began = time.perf_counter()
    for pod in pods:
        api.put(pod)
    await _until(lambda: _count_ready(api) == len(pods))
    return time.perf_counter() - began


async def _down(api: FakeClient) -> float:
    began = time.perf_counter()
    for pod in api.stored(Pod):
        await api.delete(Pod, pod.metadata.name, namespace="default", grace_s=30)
    await _until(lambda: not api.stored(Pod))
    return time.perf_counter() - began


async def _ended(api: FakeClient) -> float:
    """Return the milliseconds from the end of a container by SIGKILL to its pod's saying that it failed."""
    return await _after_kill(api, "Never", lambda: all(pod.status.phase == "Failed" for pod in api.stored(Pod)))


async def _killed(api: FakeClient) -> float:
    """Return the milliseconds from the end of a container by SIGKILL to its pod's being ready again."""
    return await _after_kill(api, "Always", lambda: _restarts(api) == 1 and _count_ready(api) == 1)


async def _after_kill(api: FakeClient, restart_policy: str, holds: Callable[[], bool]) -> float:
    taken = []
    for turn in range(REPEATS):
        mark = f"wherry-bench-{os.getpid()}-{restart_policy}-{turn}"
        pod = _pod(mark.lower(), command=["/bin/sh", "-c", SCRIPT, mark])
        await _up(api, [replace(pod, spec=replace(pod.spec, restart_policy=restart_policy))])
        (pid,) = _pids_with(mark)
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        await _until(holds)
        taken.append(time.perf_counter() - began)
        await _down(api)
    return median(taken) * 1000


def _pids_with(mark: str) -> list[int]:
    """Return the processes that have a word in their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in path.joinpath("cmdline").read_bytes():
                found.append(int(path.name))
    return found


def _restarts(api: FakeClient) -> int:
    return sum(told.restart_count for pod in api.stored(Pod) for told in pod.status.container_statuses)


async def _probed(api: FakeClient, folder: Path) -> float:
    """Return the milliseconds from a liveness probe's last failure to its container's hearing SIGTERM."""
    taken = []
    for turn in range(REPEATS):
        times = folder / f"times-{turn}"
        times.mkdir()
        pod = _pod(
            f"probed-{turn}",
            command=["/bin/sh", "-c", PROBED],
            livenessProbe={
                "exec": {"command": ["/bin/sh", "-c", PROBE]},
                "periodSeconds": 1,
                "failureThreshold": 1,
            },
            volumeMounts=[{"name": "times", "mountPath": "/times"}],
            volumes=[{"name": "times", "hostPath": {"path": str(times)}}],
        )
        await _up(api, [pod])
        await _until((times / "well").exists)
        (times / "well").unlink()
        await _until(lambda times=times: (times / "ended").exists() and bool((times / "ended").read_text()))  # type: ignore[misc]
        taken.append(int((times / "ended").read_text()) - int((times / "failed").read_text()))
        await _down(api)
    return median(taken) / 1e6


async def _changed(api: FakeClient, folder: Path) -> float:
    """Return the milliseconds from a change of a ConfigMap to its being in a running pod's volume."""
    api.put(_config_map("0"))
    mounts = [{"name": "settings", "mountPath": "/settings"}]
    volumes = [{"name": "settings", "configMap": {"name": "settings"}}]
    await _up(api, [_pod("reader", volumeMounts=mounts, volumes=volumes)])
    file = folder / "pods/uid-reader/volumes/settings/number"
    taken = []
    for turn in range(1, REPEATS + 1):
        began = time.perf_counter()
        api.put(_config_map(str(turn)))
        await _until(lambda turn=turn: file.read_text() == str(turn))  # type: ignore[misc]
        taken.append(time.perf_counter() - began)
    await _down(api)
    return median(taken) * 1000


def _config_map(number: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="settings", namespace="default"), data={"number": number})


async def _idle(api: FakeClient) -> None:
    """Print what agent and runtime use of a core while nothing happens to as many pods as a node takes."""
    await _up(api, [_pod(f"idle-{number}") for number in range(CROWDS[-1])])
    (runtime,) = (pid for pid in _pids_with("nodeagent.runtime_process") if _parent(pid) == os.getpid())
    await asyncio.sleep(IDLE_S / 2)
    before = time.process_time(), _cpu_s(runtime)
    await asyncio.sleep(IDLE_S)
    after = time.process_time(), _cpu_s(runtime)
    agent, other = (100 * (end - begin) / IDLE_S for begin, end in zip(before, after, strict=True))
    told = f"the agent {agent:.2f} % of a core (budget 1), the runtime {other:.2f} % (budget 0.5)"
    print(f"idle with {CROWDS[-1]} pods for {IDLE_S:g} s: {told}")
    await _down(api)


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process's threads."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def _count_ready(api: FakeClient) -> int:
    return sum(condition_is_true(pod.status.conditions, "Ready") for pod in api.stored(Pod))


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():  # noqa: ASYNC110 - being told would change what is measured.
            await asyncio.sleep(LOOK_S)


if __name__ == "__main__":
    main()
