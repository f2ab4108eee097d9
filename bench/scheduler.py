"""How fast pods of a Deployment get to nodes: created by the controllers, bound by the scheduler, in one process.

    python -m bench.scheduler [--pods 1000] [--nodes 1000] [--store sqlite|memory]

Prints the time and the CPU time from the Deployment's creation to the last pod's binding, with the real API server on
a store in the same process, and the scheduler's own part of it (decisions alone). Budget: docs, design 6.
"""

import argparse
import asyncio
import gc
import tempfile
import time
from pathlib import Path
from typing import Final

import uvloop

from apiserver.server import ApiServer, tune_garbage_collector
from apiserver.settings import ApiServerSettings
from controllers.run import run_controllers
from controllers.world import ControllerSettings
from kube.api.apps_v1 import Deployment
from kube.api.core_v1 import Node, Pod
from kube.clock import SystemClock
from kube.codec import to_plain
from kube.informers import Informers
from scheduler.placement import Placement
from scheduler.run import run_scheduler
from scheduler.shape import shape_of
from scheduler.snapshot import Snapshot, placed_pod
from tests import make

BUDGET_S: Final = 0.8
BUDGET_CPU_S: Final = 1.5
PATIENCE_S: Final = 120.0


def decisions(pods: int, nodes: int) -> float:
    """Return the CPU seconds that choosing the nodes of `pods` pods takes, without the API."""
    snapshot = Snapshot()
    for number in range(nodes):
        snapshot.set_node(make.node(f"node-{number}"))
    placement = Placement(snapshot)
    owner = make.replicaset()
    waiting = [make.pod(f"web-{number}", of=owner, requests={"cpu": "10m"}) for number in range(pods)]
    gc.collect()
    started = time.process_time()
    for pod in waiting:
        choice = placement.choose(shape_of(pod))
        assert isinstance(choice, str)
        snapshot.put_pod(placed_pod(pod), choice)
    return time.process_time() - started


async def rollout(pods: int, nodes: int, keys: Path, store: str) -> tuple[float, float]:
    """Return the seconds, and CPU seconds, from creating a Deployment to its last pod being bound."""
    clock = SystemClock()
    async with ApiServer(ApiServerSettings(pki_dir=keys, port=0, store=store)) as server:
        await server.ready()
        client = server.client()
        for number in range(nodes):
            node = make.node(f"node-{number}")
            await client.create(node)
            await client.patch(Node, node.metadata.name, {"status": to_plain(node.status)}, subresource="status")
        informers = Informers(client, clock)
        bound = asyncio.Event()
        names: set[str] = set()

        def hear(_: Pod | None, new: Pod | None) -> None:
            if new is not None and new.spec.node_name:
                names.add(new.metadata.name)
                if len(names) == pods:
                    bound.set()

        informers.of(Pod).on_change(hear)
        async with asyncio.TaskGroup() as group:
            jobs = (
                informers.run(),
                run_scheduler(client, None, clock, informers),
                run_controllers(client, ControllerSettings(cluster_cidr=""), clock, informers),
            )
            tasks = [group.create_task(job) for job in jobs]
            await informers.of(Deployment).wait_synced()
            await informers.of(Node).wait_synced()
            await asyncio.sleep(0.5)
            tune_garbage_collector()
            started, cpu = time.perf_counter(), time.process_time()
            await client.create(make.deployment(replicas=pods))
            async with asyncio.timeout(PATIENCE_S):
                await bound.wait()
            result = time.perf_counter() - started, time.process_time() - cpu
            for task in tasks:
                task.cancel()
        return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--store", choices=["memory", "sqlite"], default="sqlite")
    arguments = parser.parse_args()
    pods, nodes = arguments.pods, arguments.nodes
    alone = decisions(pods, nodes)
    print(f"decide alone: {pods} pods on {nodes} nodes: {alone:.3f} CPU s, {alone / pods * 1e6:.0f} us per pod")
    with tempfile.TemporaryDirectory() as keys:
        store = f"sqlite:{keys}/bench.db" if arguments.store == "sqlite" else "memory:"
        wall, cpu = uvloop.run(rollout(pods, nodes, Path(keys), store))
    budget = f"budget {BUDGET_S} s and {BUDGET_CPU_S} CPU s"
    print(f"create and bind, {arguments.store}: {wall:.2f} s, {cpu:.2f} CPU s ({budget} for 1000 on 1000)")


if __name__ == "__main__":
    main()
