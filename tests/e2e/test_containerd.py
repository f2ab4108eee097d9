"""The same cluster on another runtime: Debian's containerd, by `wherry up --cri`, as kubectl sees it."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import (
    Cluster,
    Result,
    eventually,
    free_port,
    kubectl_binary,
    made_namespace,
    run,
    started,
    succeed,
    wherry,
)
from tests.e2e.containerd import IMAGE, containers, running_containerd, socket_of

Kubectl = Callable[..., Result]

pytestmark = pytest.mark.root

SERVE = "echo ready; hostname > /srv/index.html; exec busybox httpd -f -p 8080 -h /srv"


@pytest.fixture(scope="module")
def runtime_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a containerd runs."""
    if os.geteuid() != 0 or shutil.which("containerd") is None:
        pytest.skip("needs root and containerd")
    folder = tmp_path_factory.mktemp("containerd")
    with running_containerd(folder):
        yield folder


@pytest.fixture(scope="module")
def cluster(runtime_folder: Path) -> Iterator[Cluster]:
    """A cluster on that containerd, which is empty again when the cluster is gone."""
    yield from started("e2e-cri", "--cri", f"unix://{socket_of(runtime_folder)}")
    assert containers(runtime_folder) == []
    assert list((runtime_folder / "cni" / "conf").iterdir()) == []


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster, runtime_folder: Path) -> Kubectl:
    """The real kubectl."""
    binary = kubectl_binary("1.32")
    if not binary:
        pytest.skip("kubectl is not on PATH")
    env = {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(runtime_folder)}
    return lambda *words, stdin="": run([binary, *words], stdin=stdin, env=env, timeout_s=90.0)


def pod(name: str, command: str, **fields: Any) -> str:
    """Return a pod that runs a shell command. fields: of its container."""
    main = {"name": "main", "image": IMAGE, "command": ["sh", "-c", command], **fields}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [main]}
    meta = {"name": name, "labels": {"app": name}}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})


def status(kubectl: Kubectl, namespace: str, name: str) -> Any:
    """Return the status of a pod's only container."""
    told = json.loads(succeed(kubectl("get", "pod", name, "-n", namespace, "-o", "json")))
    return (told["status"].get("containerStatuses") or [{}])[0]


@pytest.fixture(scope="module")
def web(cluster: Cluster, kubectl: Kubectl) -> Iterator[str]:
    """A namespace with a pod `web`, ready, behind a Service, with a port of the host."""
    with made_namespace(cluster) as namespace:
        _make_web(kubectl, namespace)
        yield namespace


def _make_web(kubectl: Kubectl, namespace: str) -> None:
    probe = {"httpGet": {"port": 8080, "path": "/"}, "periodSeconds": 1}
    ports = [{"containerPort": 8080, "hostPort": free_port()}]
    succeed(kubectl("apply", "-n", namespace, "-f", "-", stdin=pod("web", SERVE, readinessProbe=probe, ports=ports)))
    succeed(kubectl("expose", "pod", "web", "--port=80", "--target-port=8080", "-n", namespace))
    succeed(kubectl("wait", "pod/web", "--for=condition=Ready", "--timeout=60s", "-n", namespace))


def test_the_node_names_its_runtime_and_its_pods_have_its_addresses(kubectl: Kubectl, web: str) -> None:
    node = json.loads(succeed(kubectl("get", "nodes", "-o", "json")))["items"][0]
    ip = succeed(kubectl("get", "pod", "web", "-n", web, "-o", "jsonpath={.status.podIP}"))

    assert node["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("containerd://")
    assert ip.rpartition(".")[0] == node["spec"]["podCIDR"].rpartition(".")[0]


def test_logs_exec_and_its_exit_code_reach_kubectl(kubectl: Kubectl, web: str) -> None:
    ended = kubectl("exec", "web", "-n", web, "--", "sh", "-c", "echo out; echo err >&2; exit 3")

    assert succeed(kubectl("logs", "web", "-n", web)) == "ready\n"
    assert (ended.code, ended.out, ended.err.splitlines()[0]) == (3, "out\n", "err")


def test_the_end_of_the_input_ends_a_command(kubectl: Kubectl, web: str) -> None:
    """SPDY alone can say that: over the WebSocket of containerd 1.6 `cat` would wait for ever."""
    assert succeed(kubectl("exec", "-i", "web", "-n", web, "--", "cat", stdin="fed\n")) == "fed\n"


def test_a_service_leads_to_its_own_pod_too(kubectl: Kubectl, web: str) -> None:
    asked = kubectl("exec", "web", "-n", web, "--", "busybox", "wget", "-qO-", f"http://web.{web}.svc.cluster.local")

    assert succeed(asked) == "web\n"


def test_ports_are_forwarded_and_host_ports_lead_to_the_pod(cluster: Cluster, kubectl: Kubectl, web: str) -> None:
    told = json.loads(succeed(kubectl("get", "pod", "web", "-n", web, "-o", "json")))
    host_port = told["spec"]["containers"][0]["ports"][0]["hostPort"]
    port = free_port()
    words = [kubectl_binary("1.32"), "port-forward", "pod/web", f"{port}:8080", "-n", web]
    env = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"Forwarding from")
            assert [_get(f"http://127.0.0.1:{port}") for _ in range(2)] == ["web\n", "web\n"]
        finally:
            process.terminate()
    assert _get(f"http://{told['status']['hostIP']}:{host_port}") == "web\n"


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def test_a_container_that_ends_is_told_and_started_again(kubectl: Kubectl, namespace: str) -> None:
    """This containerd tells no events: its lists tell."""
    succeed(kubectl("apply", "-n", namespace, "-f", "-", stdin=pod("ends", "echo bye; exit 7")))

    eventually("it was started again", lambda: status(kubectl, namespace, "ends").get("restartCount", 0) >= 1)
    ended = status(kubectl, namespace, "ends")["lastState"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (7, "Error")


def test_a_failing_liveness_probe_restarts_its_container(kubectl: Kubectl, namespace: str) -> None:
    probe = {"exec": {"command": ["test", "-e", "/tmp/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    succeed(kubectl("apply", "-n", namespace, "-f", "-", stdin=pod("dead", "sleep 1000", livenessProbe=probe)))

    eventually("it was restarted", lambda: status(kubectl, namespace, "dead").get("restartCount", 0) >= 1)


def test_pods_go_on_when_the_agent_is_killed(cluster: Cluster, kubectl: Kubectl, web: str) -> None:
    before = status(kubectl, web, "web")
    agent = next(pid for name, pid in cluster.pids().items() if name.startswith("agent-"))
    os.kill(agent, signal.SIGKILL)

    succeed(wherry("up", "--name", cluster.name))

    eventually("logs are served again", lambda: kubectl("logs", "web", "-n", web).out == "ready\n")
    after = status(kubectl, web, "web")
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)


def test_nothing_of_a_deleted_pod_is_left(
    cluster: Cluster, kubectl: Kubectl, namespace: str, runtime_folder: Path
) -> None:
    succeed(kubectl("apply", "-n", namespace, "-f", "-", stdin=pod("goes", "sleep 1000")))
    succeed(kubectl("wait", "pod/goes", "--for=condition=Ready", "--timeout=60s", "-n", namespace))
    uid = succeed(kubectl("get", "pod", "goes", "-n", namespace, "-o", "jsonpath={.metadata.uid}"))
    before = set(containers(runtime_folder))

    succeed(kubectl("delete", "pod", "goes", "-n", namespace, "--timeout=60s"))

    eventually("its sandbox and container are removed", lambda: len(before - set(containers(runtime_folder))) >= 2)
    groups = Path("/sys/fs/cgroup")
    eventually("its cgroups are removed", lambda: list(groups.glob(f"*/wherry-{cluster.name}-*/pod{uid}")) == [])
    assert uid not in str(list(Path(f"/var/lib/wherry/{cluster.name}").glob("nodes/*/pods/*")))
