"""How long the node agent takes for pods, and what they cost it: the real runtime, an API server that takes no time.

python -m bench.pods             needs root; runs in a network namespace of its own and leaves nothing behind
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

from msgspec.structs import replace

from kube import codec
from kube.api.core_v1 import Node, Pod
from kube.objects import condition_is_true
from nodeagent.agent import run_agent
from nodeagent.purge import purge
from nodeagent.settings import AgentSettings
from tests.kube.fake_client import FakeClient

ALONE: Final = 10
CROWDS: Final = (10, 30)
TIMEOUT_S: Final = 60.0
LOOK_S: Final = 0.001
SCRIPT: Final = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"


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


def _pod(name: str) -> Pod:
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"}
    container = {"name": "main", "image": "wherry.local/host", "imagePullPolicy": "IfNotPresent"}
    plain: dict[str, Any] = {
        "metadata": meta,
        "spec": {"nodeName": "n1", "containers": [{**container, "command": ["/bin/sh", "-c", SCRIPT]}]},
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
        alone = [await _up_and_down(api, [f"alone-{number}"]) for number in range(ALONE)]
        _print("1 pod", alone)
        for crowd in CROWDS:
            _print(f"{crowd} pods at once", [await _up_and_down(api, [f"c{crowd}-{i}" for i in range(crowd)])])
        agent.cancel()


async def _up_and_down(api: FakeClient, names: list[str]) -> tuple[float, float, float]:
    """Return the seconds until all are ready, those until all are gone, and the agent's CPU seconds per pod."""
    cpu = time.process_time()
    began = time.perf_counter()
    for name in names:
        api.put(_pod(name))
    await _until(lambda: _count_ready(api) == len(names))
    up = time.perf_counter() - began
    began = time.perf_counter()
    for name in names:
        await api.delete(Pod, name, namespace="default", grace_s=30)
    await _until(lambda: not api.stored(Pod))
    return up, time.perf_counter() - began, (time.process_time() - cpu) / len(names)


def _count_ready(api: FakeClient) -> int:
    return sum(condition_is_true(pod.status.conditions, "Ready") for pod in api.stored(Pod))


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():  # noqa: ASYNC110 - being told would change what is measured.
            await asyncio.sleep(LOOK_S)


def _print(what: str, measured: list[tuple[float, float, float]]) -> None:
    up, down, cpu = (median(values) * 1000 for values in zip(*measured, strict=True))
    print(f"{what:18} bind to ready {up:7.1f} ms   deleted to gone {down:7.1f} ms   agent CPU per pod {cpu:5.1f} ms")


if __name__ == "__main__":
    main()
