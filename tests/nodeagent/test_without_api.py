"""A node that comes back after a reboot while nobody answers for the API: what its own files say runs all the same."""

import signal
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Network

import pytest

from kube.api.core_v1 import Node
from kube.config import save_kubeconfig
from kube.pki import Subject
from nodeagent.cri.client import Cri, CriError
from nodeagent.cri.values import SandboxRecord
from tests.nodeagent.real_node import NODE, PREFIX, Cluster, Machine, access, free_port, until

pytestmark = pytest.mark.root

STATIC = """
apiVersion: v1
kind: Pod
metadata: {name: own}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: wherry.local/host, command: [sleep, "1000"]}]
"""


def reboot(machine: Machine) -> None:
    """Leave of the node what a reboot leaves: its files on disk, but no pod, link or rule."""
    machine.end(machine.processes[-1], signal.SIGTERM)
    program = (
        "from pathlib import Path; from nodeagent.purge import clear; from nodeagent.settings import AgentSettings;"
        f"d = Path({str(machine.folder)!r}); clear(AgentSettings(node_name={NODE!r}, state_dir=d / 'state',"
        f" run_dir=d / 'run', image_dir=d / 'images', link_prefix={PREFIX!r}))"
    )
    argv = ["nsenter", f"--net={machine.host.netns_path}", sys.executable, "-c", program]
    subprocess.run(argv, check=True, timeout=60)


async def running(machine: Machine) -> list[SandboxRecord] | None:
    """Return the sandboxes whose container runs, with their addresses; None where the runtime gives no answer."""
    cri = Cri(f"unix:{machine.folder / 'run' / 'runtime.sock'}")
    try:
        records = [record for record in (await cri.pods()).values() if record.running]
        return [await cri.sandbox(record.sandboxes[0].id) for record in records]
    except CriError:
        return None
    finally:
        await cri.close()


async def test_a_static_pod_runs_after_a_reboot_without_the_api(cluster: Cluster) -> None:
    machine = cluster.machine
    folder = machine.folder / "state" / "static-pods"
    (folder / "own.yaml").write_text(STATIC)
    await cluster.wait_ready(f"own-{NODE}")
    cidr = (await cluster.client.get(Node, NODE)).spec.pod_cidr
    nobody = access(machine.folder, f"https://{machine.host.gateway}:{free_port()}", Subject("n", ("system:nodes",)))
    save_kubeconfig(machine.folder / "nobody.kubeconfig", nobody, "node")

    reboot(machine)
    agent = machine.start_agent(kubeconfig=str(machine.folder / "nobody.kubeconfig"))

    async def is_up() -> bool:
        return bool(await running(machine))

    await until(is_up, "the static pod")
    found = [
        (sandbox.name, IPv4Address(sandbox.ips[0]) in IPv4Network(cidr)) for sandbox in await running(machine) or ()
    ]
    assert found == [(f"own-{NODE}", True)]

    machine.end(agent, signal.SIGTERM)
    (folder / "own.yaml").unlink()
    machine.start_agent()

    async def is_gone() -> bool:
        return await running(machine) == []

    await until(is_gone, "the end of the static pod")
