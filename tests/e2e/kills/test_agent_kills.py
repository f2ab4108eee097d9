"""SIGKILL of the node's agent at moments nobody chose, while pods of all shapes come and go.

A few rounds; `KILL_ROUNDS=100 KILL_SEED=7` for more, and others. `PODS_ON=containerd` has containerd run the pods.
"""

import contextlib
import os
import random
import select
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kube.config import load_kubeconfig
from tests.e2e.conftest import POLL_S, Cluster
from tests.e2e.kills.cast import NAMESPACE, Cast
from tests.e2e.kills.traces import Eye
from wherry.cluster.layout import Layout
from wherry.cluster.nodes import found_settings, machine_name
from wherry.cluster.processes import records, spawn
from wherry.connection import Connection

pytestmark = [pytest.mark.root, pytest.mark.slow]

ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
SEED = int(os.environ.get("KILL_SEED", "1"))
MOST_S = 2.5
"""How long an agent lives at most; it is at work after about one second."""
MOST_PODS = 20
REST_EVERY = 5
SETTLE_S = 120.0
GONE_S = 10.0


class Agent:
    """The node's agent, to be killed and started again as it was."""

    def __init__(self, cluster: Cluster) -> None:
        self._layout = Layout(cluster.name)
        self._record = next(record for record in records(self._layout.run) if record.name.startswith("agent-"))
        self._argv = Path(f"/proc/{self._record.pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")

    @property
    def log(self) -> str:
        """What it has said."""
        return Path(self._record.log).read_text(errors="replace")

    def kill(self) -> None:
        """End it as an out-of-memory kill would, and wait until it is gone."""
        pidfd = os.pidfd_open(self._record.pid)
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        assert select.select([pidfd], [], [], GONE_S)[0], "the agent outlives SIGKILL"
        os.close(pidfd)
        with contextlib.suppress(ChildProcessError):  # The first one was started by `up`.
            os.waitpid(self._record.pid, 0)

    def start(self) -> None:
        """Start it again."""
        self._record = spawn(self._layout.run, self._record.name, self._argv, Path(self._record.log))


@pytest.fixture
def api(cluster: Cluster) -> Iterator[Connection]:
    """The API, with what the pods refer to in it."""
    api = Connection(load_kubeconfig(cluster.kubeconfig))
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    api.send("POST", "/api/v1/namespaces", namespace)
    below = f"/api/v1/namespaces/{NAMESPACE}"
    words = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"a": "one"}}
    api.send("POST", f"{below}/configmaps", words)
    hidden = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hidden"}, "stringData": {"b": "two"}}
    api.send("POST", f"{below}/secrets", hidden)
    yield api
    api.close()


@pytest.fixture
def eye(cluster: Cluster) -> Iterator[Eye]:
    """What looks at the machine."""
    eye = Eye(cluster, found_settings(Layout(cluster.name), machine_name()).endpoint)
    yield eye
    eye.close()


def settle(cast: Cast, eye: Eye) -> None:
    """Wait until the world is as it should be. Fails with what isn't."""
    until = time.monotonic() + SETTLE_S
    while faults := cast.faults(eye.look):
        assert time.monotonic() < until, "\n".join(faults)
        time.sleep(POLL_S)


def test_pods_come_and_go_while_their_agent_is_killed(
    cluster: Cluster, api: Connection, eye: Eye, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    cast, agent = Cast(api, tmp_path, chance), Agent(cluster)
    node = Layout(cluster.name).node_state(machine_name())
    cast.stand_by(node / "static-pods" / "pod.json", node.name)
    for turn in range(1, ROUNDS + 1):
        for _ in range(chance.randint(1, 4)):
            cast.enter()
        while len(cast.alive) > MOST_PODS or (cast.alive and chance.random() < 0.6):
            cast.leave()
        time.sleep(chance.uniform(0, MOST_S))  # The point of this test: a moment nobody chose.
        agent.kill()
        time.sleep(chance.choice((0, 0, chance.random())))
        agent.start()
        if turn % REST_EVERY == 0:
            settle(cast, eye)
    settle(cast, eye)
    while cast.alive:
        cast.leave()
    cast.stand_down()
    settle(cast, eye)
    assert "Traceback" not in agent.log
