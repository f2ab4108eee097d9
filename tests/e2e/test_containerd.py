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
    traces,
    wherry,
)
from tests.e2e.containerd import IMAGE, Containerd, make_archive, running_containerd
from wherry.cluster.layout import Layout
from wherry.cluster.shape import Shape, save_shape

Kubectl = Callable[..., Result]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("containerd") is None, reason="needs root and containerd"),
]

SERVE = "echo ready; hostname > /srv/index.html; exec busybox httpd -f -p 8080 -h /srv"


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    """A containerd that runs."""
    with running_containerd(tmp_path_factory.mktemp("containerd")) as containerd:
        yield containerd


@pytest.fixture(scope="module")
def cluster(containerd: Containerd) -> Iterator[Cluster]:
    """A cluster on that containerd, which is empty again when the cluster is gone."""
    yield from started("e2e-cri", "--cri", containerd.endpoint)
    assert containerd.containers() == []
    assert containerd.cni_configurations == []


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """The real kubectl."""
    binary = kubectl_binary("1.32")
    if not binary:
        pytest.skip("kubectl is not on PATH")
    env = {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path_factory.mktemp("home"))}
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
    cluster: Cluster, kubectl: Kubectl, namespace: str, containerd: Containerd
) -> None:
    succeed(kubectl("apply", "-n", namespace, "-f", "-", stdin=pod("goes", "sleep 1000")))
    succeed(kubectl("wait", "pod/goes", "--for=condition=Ready", "--timeout=60s", "-n", namespace))
    uid = succeed(kubectl("get", "pod", "goes", "-n", namespace, "-o", "jsonpath={.metadata.uid}"))
    before = set(containerd.containers())

    succeed(kubectl("delete", "pod", "goes", "-n", namespace, "--timeout=60s"))

    eventually("its sandbox and container are removed", lambda: len(before - set(containerd.containers())) >= 2)
    groups = Path("/sys/fs/cgroup")
    eventually("its cgroups are removed", lambda: list(groups.glob(f"*/wherry-{cluster.name}-*/pod{uid}")) == [])
    assert uid not in str(list(Path(f"/var/lib/wherry/{cluster.name}").glob("nodes/*/pods/*")))


def test_images_are_those_of_containerd(cluster: Cluster, tmp_path: Path) -> None:
    """CRI can't hand over an archive; what can is named, and does."""
    archive = make_archive(tmp_path / "image", "test.local/other:1")
    refused = cluster.wherry("image", "import", str(archive))
    pulled = cluster.wherry("image", "pull", "127.0.0.1:9/no/such:image")
    _, way_out, _ = refused.err.split("`")
    succeed(run(way_out.split()))

    assert (refused.code, pulled.code) == (1, 1)
    assert "127.0.0.1:9" in pulled.err
    assert "test.local/other:1" in succeed(cluster.wherry("image", "ls"))
    assert succeed(cluster.wherry("image", "rm", "test.local/other:1")) == "removed test.local/other:1\n"
    assert "test.local/other:1" not in succeed(cluster.wherry("image", "ls"))
    assert IMAGE in succeed(cluster.wherry("image", "ls"))


def test_down_takes_nothing_from_under_pods_that_it_cannot_remove(tmp_path: Path) -> None:
    """While containerd is away they run on: the next `up` keeps them, the next `down` removes them."""
    with running_containerd(tmp_path) as containerd:
        for cluster in started("lone", "--cri", containerd.endpoint):
            succeed(cluster.wherry("apply", "-f", "-", "--wait", stdin=pod("stays", SERVE)))
            before = containerd.containers()
            containerd.stop()

            down = wherry("down", "--name", cluster.name, "--purge")
            containerd.start()
            succeed(wherry("up", "--name", cluster.name))

            assert down.code == 1
            assert f"{containerd.endpoint} can't remove them" in down.err
            asked = cluster.wherry("exec", "stays", "--", "busybox", "wget", "-qO-", "127.0.0.1:8080")
            assert succeed(asked) == "stays\n"
            assert containerd.containers() == before
        assert containerd.containers() == []


def test_a_cluster_that_has_lost_its_containerd_for_good_can_be_purged(tmp_path: Path) -> None:
    layout = Layout("lost")
    layout.node_state("n1").mkdir(parents=True)
    save_shape(layout, Shape(slot=7, nodes=1, store="", port=1, node_port=1, cri=f"unix://{tmp_path}/gone.sock"))

    refused = wherry("down", "--name", "lost", "--purge")
    purged = wherry("down", "--name", "lost", "--purge", "--leave-pods")

    assert (refused.code, purged.code) == (1, 0)
    assert "--leave-pods" in refused.err
    assert traces("lost") == []
