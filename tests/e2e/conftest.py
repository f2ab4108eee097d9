"""A real cluster for the tests that need one: started as a person would, and gone without a trace at the end."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from nodeagent.network.network import link_prefix
from tests.e2e.containerd import running_containerd
from tests.e2e.host_image import REGISTRY, serving_host_image

WAIT_S = 60.0
POLL_S = 0.1
KUBECTLS = ("1.32", "1.27")
PODS_ON = os.environ.get("PODS_ON", "")


@dataclass(frozen=True)
class Result:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


def run(
    argv: Sequence[str],
    *,
    stdin: str = "",
    env: dict[str, str] | None = None,
    timeout_s: float = 120.0,
    cwd: Path | None = None,
    is_merged: bool = False,
) -> Result:
    """Run a command to its end. is_merged: what it tells as errors stands among its output, as on a screen."""
    done = subprocess.run(
        argv,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if is_merged else subprocess.PIPE,
        text=True,
        timeout=timeout_s,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr or "")


def wherry(*words: str, stdin: str = "", timeout_s: float = 180.0) -> Result:
    """Run the command line as a person would."""
    return run([sys.executable, "-m", "wherry", *words], stdin=stdin, timeout_s=timeout_s)


def succeed(result: Result) -> str:
    """Return what a command printed. Fails the test where it did not end well."""
    assert result.code == 0, f"ended with {result.code}\n{result.out}\n{result.err}"
    return result.out


def eventually(what: str, check: Callable[[], bool], timeout_s: float = WAIT_S) -> None:
    """Wait until `check` holds. Fails the test after `timeout_s`."""
    until = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {what}"
        time.sleep(POLL_S)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    name: str
    port: int

    @property
    def kubeconfig(self) -> Path:
        """Its administrator's kubeconfig."""
        return Path(f"/var/lib/wherry/{self.name}/kubeconfig")

    def wherry(self, *words: str, stdin: str = "") -> Result:
        """Run a command of `wherry` on it."""
        return wherry("--cluster", self.name, *words, stdin=stdin)

    @property
    def runtime(self) -> str:
        """The runtime of its node, with its version."""
        nodes = json.loads(succeed(self.wherry("get", "nodes", "-o", "json")))["items"]
        return str(nodes[0]["status"]["nodeInfo"]["containerRuntimeVersion"])

    def pids(self) -> dict[str, int]:
        """Return the pids of its own processes by name."""
        files = Path(f"/run/wherry/{self.name}").glob("*.process")
        found = [json.loads(file.read_text()) for file in files]
        return {record["name"]: record["pid"] for record in found}


def traces(name: str) -> list[str]:
    """Return what a cluster has on this machine: links, namespaces, mounts, cgroups, rules, files, processes."""
    marks = (f"wherry-{name}-", f"/wherry/{name}", f"/wherry-{name}-", link_prefix(name))
    found = [f"link {path.name}" for path in Path("/sys/class/net").iterdir()]
    found += [f"netns {path.name}" for path in Path("/run/netns").glob("*")]
    found += [f"mount {line.split()[4]}" for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob("*/wherry*")]
    found += [f"cgroup {path}" for path in Path("/sys/fs/cgroup").glob("wherry*")]
    found += [f"file {path}" for root in ("/run/wherry", "/var/lib/wherry") for path in Path(root).glob("*")]
    found += run(["nft", "list", "tables"]).out.splitlines() if shutil.which("nft") else []
    found += [f"process {argv}" for argv in _command_lines() if _is_of(name, argv)]
    return [trace for trace in found if any(mark in trace for mark in marks) or trace.startswith("process")]


def _is_of(name: str, argv: str) -> bool:
    return ("wherry" in argv and f"\0{name}\0" in argv) or f"/wherry/{name}/" in argv


def _command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_text(errors="replace")
        except OSError:
            continue


def started(name: str, *options: str) -> Iterator[Cluster]:
    """Start a cluster, yield it, purge it, and check that nothing of it is left."""
    assert traces(name) == []
    cluster = Cluster(name, free_port())
    result = wherry("up", "--name", name, "--port", str(cluster.port), *options)
    try:
        assert result.code == 0, _logs(name) + result.out + result.err
        yield cluster
    finally:
        ended = wherry("down", "--name", name, "--purge")
        assert ended.code == 0, ended.err
        assert traces(name) == []


def _logs(name: str) -> str:
    files = Path(f"/var/lib/wherry/{name}/logs").glob("*")
    return "\n".join(f"--- {file.name}\n{file.read_text(errors='replace')[-4000:]}" for file in files)


Ground = Callable[[], AbstractContextManager[tuple[str, ...]]]
"""Makes ready what the pods of one cluster are to run on; gives the options of `up` that name it."""


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """Where pods run, as PODS_ON says: on the built-in runtime, or on a containerd of each cluster's own."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not PODS_ON:
        yield lambda: nullcontext(())
        return
    assert PODS_ON == "containerd", f"PODS_ON={PODS_ON}: leave it unset for the built-in runtime, or say containerd"
    with serving_host_image(tmp_path_factory.mktemp("registry")) as registry:
        yield lambda: _on_containerd(tmp_path_factory.mktemp("containerd"), registry)


@contextmanager
def _on_containerd(folder: Path, registry: str) -> Iterator[tuple[str, ...]]:
    with running_containerd(folder, {REGISTRY: registry}) as containerd:
        yield ("--cri", containerd.endpoint)
        assert containerd.containers() == []


@pytest.fixture(scope="session")
def cluster(ground: Ground) -> Iterator[Cluster]:
    """One cluster of one node for all tests that don't harm it."""
    with ground() as options:
        yield from started("e2e", *options)


def kubectl_binary(version: str) -> str:
    """Return the kubectl of a version where this machine has it, "" where it has none."""
    found = shutil.which("kubectl")
    if found is None:
        return ""
    beside = Path(found).resolve().parent / f"kubectl.{version}"
    return str(beside) if beside.exists() else found


@pytest.fixture(params=KUBECTLS)
def kubectl(request: pytest.FixtureRequest, cluster: Cluster, tmp_path: Path) -> Callable[..., Result]:
    """The real kubectl, of the newest and of the oldest version that has to work."""
    binary = kubectl_binary(request.param)
    if not binary:
        pytest.skip("kubectl is not on PATH")

    def call(*words: str, stdin: str = "", timeout_s: float = 90.0) -> Result:
        env = {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
        return run([binary, *words], stdin=stdin, env=env, timeout_s=timeout_s)

    return call


TALKER = """
import signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
listening = socket.create_server(("127.0.0.1", 9000))
print("one", "two", sep="\\n", flush=True)
while True:
    connection, _ = listening.accept()
    connection.sendall(connection.recv(9).upper())
"""


@contextmanager
def made_namespace(cluster: Cluster) -> Iterator[str]:
    """Make a namespace, and delete it in the end."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    succeed(cluster.wherry("create", "-f", "-", stdin=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"))
    try:
        yield name
    finally:
        succeed(cluster.wherry("delete", "namespace", name))


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of a test's own."""
    with made_namespace(cluster) as name:
        yield name


@pytest.fixture(scope="session")
def talker(cluster: Cluster) -> Iterator[str]:
    """A namespace in which the pod `talker` runs: it has said `one` and `two`, and shouts back at port 9000."""
    main = {"name": "main", "image": "wherry.local/host", "command": ["python3", "-c", TALKER]}
    spec = {"containers": [main], "terminationGracePeriodSeconds": 1}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "talker"}, "spec": spec}
    with made_namespace(cluster) as name:
        succeed(cluster.wherry("apply", "-n", name, "-f", "-", "--wait", stdin=json.dumps(pod)))
        eventually("the pod talks", lambda: cluster.wherry("logs", "talker", "-n", name).out == "one\ntwo\n")
        yield name
