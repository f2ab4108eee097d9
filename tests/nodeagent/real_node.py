"""A cluster of one real node: API server, node agent and runtime as processes, the agent on a host of its own."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kube import codec
from kube.api.core_v1 import Node, Pod, ServiceAccount
from kube.config import Access, save_kubeconfig
from kube.errors import ApiError
from kube.http_client import HttpClient
from kube.pki import Pair, Subject, issue, load_pair, save_pair
from nodeagent.network.hosts import Host, create_host, remove_hosts
from nodeagent.network.network import link_prefix
from nodeagent.pods.mounts import mounts_below
from tests.nodeagent.make import container

CLUSTER = f"nt{os.getpid()}"  # Others may test on this machine at the same time.
NODE = "n1"
WAIT_S = 15.0
PREFIX = link_prefix(f"{CLUSTER}-node")
CGROUP = f"/wherry-{CLUSTER}"


@dataclass
class Machine:
    """One node and its API server."""

    folder: Path
    host: Host
    port: int
    admin: Access
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_agent(self, **changes: str) -> subprocess.Popen[bytes]:
        """Start the node agent on its host. changes: more of its settings."""
        flags = {
            "kubeconfig": self.folder / "node.kubeconfig",
            "node-name": NODE,
            "node-address": self.host.address,
            "state-dir": self.folder / "state",
            "run-dir": self.folder / "run",
            "image-dir": self.folder / "images",
            "allow-host-image": "true",
            "link-prefix": PREFIX,
            "cgroup-parent": CGROUP,
            "backoff-first-s": "0.2",
            "backoff-most-s": "1",
            "serving-cert": self.folder / "pki/serving.crt",
            "serving-key": self.folder / "pki/serving.key",
            "client-ca": self.folder / "pki/ca.crt",
        }
        flags |= {name.replace("_", "-"): value for name, value in changes.items()}
        argv = [f"--{name}={value}" for name, value in flags.items()]
        log = (self.folder / "agent.log").open("ab")
        entering = ["nsenter", f"--net={self.host.netns_path}"]
        process = subprocess.Popen([*entering, sys.executable, "-m", "nodeagent", *argv], stdout=log, stderr=log)
        log.close()
        self.processes.append(process)
        return process

    def end(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """End a process and wait for it."""
        process.send_signal(number)
        process.wait(20)
        self.processes.remove(process)


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Return when a condition holds; fail after a while."""
    end = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {WAIT_S:g}s")
        time.sleep(0.01)


async def until(holds: Callable[[], Any], what: str) -> None:
    """Return when a condition holds; fail after a while."""
    end = time.monotonic() + WAIT_S
    while True:
        value = holds()
        if await value if asyncio.iscoroutine(value) else value:
            return
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {WAIT_S:g}s")
        await asyncio.sleep(0.01)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(folder: Path, host: Host) -> tuple[subprocess.Popen[bytes], int]:
    """Start an API server that the host reaches, and wait until it is ready."""
    port = free_port()
    argv = ["--pki-dir", str(folder / "pki"), "--bind", "0.0.0.0", "--port", str(port), "--store", "memory:"]
    argv += ["--advertise", str(host.gateway), "--has-dns", "true"]
    log = (folder / "server.log").open("ab")
    process = subprocess.Popen([sys.executable, "-m", "apiserver", *argv], stdout=log, stderr=log)
    log.close()
    lenient = ssl.create_default_context()
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE

    def is_ready() -> bool:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", context=lenient, timeout=5) as answer:
                return bytes(answer.read()) == b"ok"
        except OSError:
            return False

    wait_for(is_ready, "the API server")
    return process, port


def authority_of(folder: Path) -> Pair:
    """Return the cluster's authority."""
    pair = load_pair(folder / "pki", "ca")
    assert pair is not None
    return pair


def access(folder: Path, server: str, subject: Subject) -> Access:
    """Return the access of somebody to the server."""
    authority = authority_of(folder)
    pair = issue(authority, subject, ("client",))
    return Access(server, authority.certificate_pem, pair.certificate_pem, pair.key_pem)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Machine]:
    """Run a node until it is ready, and for the length of a block; nothing of it is left afterwards."""
    host = create_host(CLUSTER, 0)
    made: Machine | None = None
    try:
        server, port = start_server(folder, host)
        made = Machine(
            folder, host, port, access(folder, f"https://127.0.0.1:{port}", Subject("a", ("system:masters",)))
        )
        made.processes.append(server)
        node = Subject(f"system:node:{NODE}", ("system:nodes",))
        node_access = access(folder, f"https://{host.gateway}:{port}", node)
        save_kubeconfig(folder / "node.kubeconfig", node_access, "node")
        serving = Subject(node.common_name, node.organizations, (NODE, str(host.address)))
        save_pair(folder / "pki", "serving", issue(authority_of(folder), serving, ("server",)))
        made.start_agent()
        asyncio.run(prepare(made.admin))
        yield made
    finally:
        for process in reversed(made.processes if made is not None else []):
            process.terminate()
            process.wait(20)
        purge(folder, host)
        remove_hosts(CLUSTER)
    assert mounts_below(folder) == []
    assert not Path(f"/sys/fs/cgroup/memory{CGROUP}").exists()
    assert b"Traceback" not in (folder / "agent.log").read_bytes(), (folder / "agent.log").read_text()


def purge(folder: Path, host: Host) -> None:
    """Remove all that the node has made, on its own host."""
    program = (
        "from pathlib import Path; from nodeagent.purge import purge; from nodeagent.settings import AgentSettings;"
        f"d = Path({str(folder)!r}); purge(AgentSettings(node_name={NODE!r}, state_dir=d / 'state', run_dir=d / 'run',"
        f" image_dir=d / 'images', link_prefix={PREFIX!r}, cgroup_parent={CGROUP!r}))"
    )
    subprocess.run(["nsenter", f"--net={host.netns_path}", sys.executable, "-c", program], check=True, timeout=60)


async def prepare(admin: Access) -> None:
    """Do what controllers would: a range of addresses for the node, an account for the pods."""
    async with HttpClient(admin) as client:

        async def is_registered() -> bool:
            return bool((await client.list(Node)).items)

        async def is_ready() -> bool:
            node = await client.get(Node, NODE)
            return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)

        await until(is_registered, "the node's registration")
        await client.patch(Node, NODE, {"spec": {"podCIDR": "10.251.7.0/24"}})
        meta = {"metadata": {"name": "default", "namespace": "default"}}
        await client.create(codec.from_plain(meta, ServiceAccount))
        await until(is_ready, "the node's readiness")


@dataclass
class Cluster:
    """What a test does with the cluster."""

    client: HttpClient
    machine: Machine

    async def run(self, name: str, *containers: dict[str, Any], **spec: Any) -> None:
        """Create a pod on the node."""
        plain = {
            "metadata": {"name": name, "namespace": "default"},
            "spec": {
                "nodeName": NODE,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
                "containers": list(containers),
                **spec,
            },
        }
        await self.client.create(codec.from_plain(plain, Pod))

    async def pod(self, name: str) -> Pod:
        """Return a pod."""
        return await self.client.get(Pod, name, namespace="default")

    async def is_ready(self, name: str) -> bool:
        """Say whether a pod is there and ready."""
        try:
            found = await self.pod(name)
        except ApiError as error:
            if error.code != 404:
                raise
            return False
        return any(c.type == "Ready" and c.status == "True" for c in found.status.conditions)

    async def wait_ready(self, name: str) -> Pod:
        """Return a pod when it is ready."""
        await until(lambda: self.is_ready(name), f"pod {name} ready")
        return await self.pod(name)

    async def wait_phase(self, name: str, phase: str) -> Pod:
        """Return a pod when its phase is `phase`."""

        async def reached() -> bool:
            return (await self.pod(name)).status.phase == phase

        await until(reached, f"pod {name} {phase}")
        return await self.pod(name)

    async def logs(self, name: str, **options: str) -> str:
        """Return the log of a pod's container."""
        path = f"/api/v1/namespaces/default/pods/{name}/log"
        return (await self.client.request_raw("GET", path, query=options, accept="*/*")).decode()

    async def delete(self, name: str) -> None:
        """Delete a pod and wait until it is gone."""
        await self.client.delete(Pod, name, namespace="default")

        async def is_gone() -> bool:
            with contextlib.suppress(ApiError):
                await self.pod(name)
                return False
            return True

        await until(is_gone, f"pod {name} gone")

    async def exec(self, name: str, *command: str) -> tuple[bytes, str]:
        """Run a command in a pod; return what it wrote and how it ended."""
        query = [("command", word) for word in command] + [("stdout", "1"), ("stderr", "1")]
        path = f"/api/v1/namespaces/default/pods/{name}/exec"
        output, status = b"", ""
        async with self.client.websocket(path, ["v5.channel.k8s.io"], query=query) as stream:
            async for message in stream:
                if message.data[0] in (1, 2):
                    output += message.data[1:]
                elif message.data[0] == 3:
                    status = message.data[1:].decode()
        return output, status


def sh(script: str, **fields: Any) -> dict[str, Any]:
    """Return a container that runs a script."""
    return container(command=["sh", "-c", script], **fields)
