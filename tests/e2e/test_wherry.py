"""The command line, as a person types it: what it says when things go well, and when they don't."""

import json
import os
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import PODS_ON, Cluster, eventually, succeed, wherry
from tests.runtime.machine import make_root

pytestmark = pytest.mark.root

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: {restart}
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: {image}
    command: [/bin/sh, -c, {command!r}]
    {extra}
"""


def pod(name: str, command: str, *, image: str = "wherry.local/host", restart: str = "Always", extra: str = "") -> str:
    return POD.format(name=name, command=command, image=image, restart=restart, extra=extra)


FOREVER = "trap 'exit 0' TERM; while :; do sleep 0.2; done"

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {{name: main, image: wherry.local/host, command: [/bin/sh, -c, "{command}"]}}
"""


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"t-{uuid.uuid4().hex[:8]}"
    succeed(cluster.wherry("create", "-f", "-", stdin=f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"))
    yield name
    succeed(cluster.wherry("delete", "namespace", name))


def test_apply_with_wait_ends_well_when_all_is_ready(cluster: Cluster, namespace: str) -> None:
    out = succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=pod("web", FOREVER)))

    assert out.splitlines()[0] == "pod/web created"
    assert "web    1/1     Running" in succeed(cluster.wherry("get", "pods", "-n", namespace))


def test_applying_again_takes_away_what_is_left_out(cluster: Cluster, namespace: str) -> None:
    page = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page}\ndata: {a: '1', b: '2'}\n"
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=page))

    assert succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=page)) == "configmap/page applied\n"
    changed = page.replace("{a: '1', b: '2'}", "{a: '3'}")
    assert succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=changed)) == "configmap/page applied\n"

    shown = succeed(cluster.wherry("get", "cm", "page", "-n", namespace, "-o", "yaml"))
    assert "  a: '3'\n" in shown or '  a: "3"\n' in shown
    assert "\n  b:" not in shown


def test_apply_with_wait_shows_the_last_words_of_what_crashed(cluster: Cluster, namespace: str) -> None:
    never_ready = "readinessProbe: {exec: {command: [/bin/false]}}"
    manifest = pod("sad", "echo the disk is on fire; exit 3", extra=never_ready)

    result = cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=manifest)

    assert result.code == 1
    assert "container main: Error, exit code 3" in result.err
    assert "| the disk is on fire" in result.err


def test_apply_with_wait_blames_no_pod_of_an_earlier_revision(cluster: Cluster, namespace: str) -> None:
    broken = DEPLOYMENT.format(command=FOREVER).replace("wherry.local/host", "127.0.0.1:9/no/such:image")
    assert cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=broken).code == 1

    mended = cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=DEPLOYMENT.format(command=FOREVER))

    assert succeed(mended).splitlines()[-1] == 'deployment.apps/web: deployment "web" successfully rolled out'


def test_exec_into_a_container_that_has_ended_says_so(cluster: Cluster, namespace: str) -> None:
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=pod("done", "exit 0", restart="Never")))
    listing = ("get", "pods", "-n", namespace)
    eventually("the container has ended", lambda: "Completed" in succeed(cluster.wherry(*listing)))

    result = cluster.wherry("exec", "done", "-n", namespace, "--", "true")

    assert "container main is not running" in result.err


def test_apply_with_wait_names_an_image_that_cannot_be_had(cluster: Cluster, namespace: str) -> None:
    manifest = pod("sad", FOREVER, image="127.0.0.1:9/no/such:image")

    result = cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=manifest)

    assert result.code == 1
    assert "ErrImagePull" in result.err or "ImagePullBackOff" in result.err
    assert "127.0.0.1:9/no/such:image" in result.err


def test_apply_with_wait_says_that_there_is_no_room(cluster: Cluster, namespace: str) -> None:
    manifest = pod("big", FOREVER, extra="resources: {requests: {cpu: '900'}}")

    result = cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=manifest)

    assert result.code == 1
    assert "Insufficient cpu" in result.err


def test_exec_and_logs_reach_the_container(cluster: Cluster, namespace: str) -> None:
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=pod("web", "echo up; " + FOREVER)))

    assert succeed(cluster.wherry("logs", "web", "-n", namespace)) == "up\n"
    assert succeed(cluster.wherry("exec", "web", "-n", namespace, "--", "/bin/echo", "hi")) == "hi\n"
    assert cluster.wherry("exec", "web", "-n", namespace, "--", "/bin/sh", "-c", "exit 4").code == 4
    assert (
        succeed(cluster.wherry("exec", "-i", "web", "-n", namespace, "--", "/bin/cat", stdin="in and out"))
        == "in and out"
    )


def test_describe_tells_what_happened(cluster: Cluster, namespace: str) -> None:
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=pod("web", FOREVER)))

    def told() -> str:
        return succeed(cluster.wherry("describe", "pod", "web", "-n", namespace))

    eventually("its start is told", lambda: "Started" in told())

    assert "Name:           web" in told()
    assert "Scheduled" in told()


def test_the_host_image_hides_what_is_private(cluster: Cluster, namespace: str) -> None:
    """A pod sees the machine's programs, not its owner's files and not the cluster's keys."""
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=pod("web", FOREVER)))
    script = "ls -A /root /home /var/lib/wherry /run/wherry; touch /etc/mine && echo written"

    out = succeed(cluster.wherry("exec", "web", "-n", namespace, "--", "/bin/sh", "-c", script))

    assert "written" in out
    assert not Path("/etc/mine").exists()
    assert "kubeconfig" not in out
    assert ".bashrc" not in out


def test_service_names_resolve_in_pods(cluster: Cluster, namespace: str) -> None:
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=pod("web", FOREVER)))
    script = "import socket; print(socket.gethostbyname('kubernetes.default'))"

    out = succeed(cluster.wherry("exec", "web", "-n", namespace, "--", "/usr/bin/python3", "-c", script))

    service = succeed(cluster.wherry("get", "service", "kubernetes", "-n", "default", "-o", "json"))
    assert out.strip() == json.loads(service)["spec"]["clusterIP"]


def test_an_image_is_imported_listed_and_removed(cluster: Cluster, tmp_path: Path) -> None:
    imported = cluster.wherry("image", "import", str(make_root(tmp_path / "root")), "test.local/tiny:1")
    if PODS_ON:
        pytest.skip(imported.err)

    assert succeed(imported) == "imported test.local/tiny:1\n"
    assert "test.local/tiny:1" in succeed(cluster.wherry("image", "ls"))
    assert succeed(cluster.wherry("image", "rm", "test.local/tiny:1")) == "removed test.local/tiny:1\n"
    assert "test.local/tiny:1" not in succeed(cluster.wherry("image", "ls"))
    assert "isn't on this node" in cluster.wherry("image", "rm", "test.local/tiny:1").err


@pytest.mark.parametrize(
    ("manifest", "sentence"),
    [
        ("kind: Podd\napiVersion: v1\nmetadata: {name: a}", 'no matches for kind "Podd" in version "v1"'),
        ("kind: ConfigMap\nmetadata: {name: a}", "apiVersion is not set"),
        ("a: [1", "standard input"),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndataa: {}",
            "configmap/a: .dataa: field not declared in schema\n",
        ),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: A_B}", "metadata.name: Invalid value"),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: 1}", "data"),
    ],
)
def test_a_bad_manifest_gets_one_clear_sentence(cluster: Cluster, namespace: str, manifest: str, sentence: str) -> None:
    result = cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=manifest)

    assert result.code == 1
    assert sentence in result.err
    assert "Traceback" not in result.err


def test_a_second_cluster_of_the_same_name_is_refused(cluster: Cluster) -> None:
    result = wherry("up", "--name", cluster.name, "--port", "1")

    assert result.code == 1
    assert f'a cluster called "{cluster.name}" is running already' in result.err


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = wherry("up", "--name", "porttaken", "--port", str(port))

    assert result.code == 1
    assert f"port {port} can't be used" in result.err
    assert not Path("/var/lib/wherry/porttaken").exists()


def test_an_unknown_cluster_cannot_be_brought_down() -> None:
    result = wherry("down", "--name", "nosuch")

    assert result.code == 1
    assert 'there is no cluster called "nosuch"' in result.err


def test_a_killed_node_agent_leaves_its_pods_running(cluster: Cluster, namespace: str) -> None:
    """`up` starts what is missing, and the new agent finds everything as it was."""
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=pod("web", "echo $$ up; " + FOREVER)))
    agent = next(pid for name, pid in cluster.pids().items() if name.startswith("agent-"))
    os.kill(agent, signal.SIGKILL)

    succeed(wherry("up", "--name", cluster.name, "--port", str(cluster.port)))

    eventually("the log is there", lambda: cluster.wherry("logs", "web", "-n", namespace).code == 0)
    line = succeed(cluster.wherry("get", "pod", "web", "-n", namespace, "--no-headers"))
    assert line.split()[1:4] == ["1/1", "Running", "0"]
