"""Every kubectl's streams into a real pod: SPDY up to 1.28, WebSocket from 1.29 or 1.30 on, tunnels for ports later."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PODS_ON, Cluster, Result, eventually, free_port, kubectl_binary, run, succeed
from tests.e2e.terminal import COLUMNS, ROWS, at_terminal

BUSYBOX = "/bin/busybox"
VERSIONS = ("1.27", "1.28", "1.29", "1.30", "1.31", "1.32", "1.33")
NAMESPACE = "streams"
PIECE = bytes(1 << 20)
PATIENCE_S = 30.0
PRESS_ENTER = "pressing enter"

pytestmark = pytest.mark.root

SERVER = r"""
import http.server, socket, threading
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"you asked for {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
def count(connection):
    total = 0
    while data := connection.recv(65536):
        total += len(data)
    connection.sendall(b"%d" % total)
    connection.close()
pages = http.server.ThreadingHTTPServer(("", 8080), Page)
threading.Thread(target=pages.serve_forever, daemon=True).start()
counting = socket.create_server(("127.0.0.1", 9000), backlog=64)
print("serving", flush=True)
while True:
    threading.Thread(target=count, args=(counting.accept()[0],), daemon=True).start()
"""
"""Tells at port 8080 what is asked for; at port 9000, on the pod's loopback alone, how much came before the end."""


def pod(name: str, *command: str, **container: Any) -> dict[str, Any]:
    """Return a pod that runs a program of this machine."""
    main = {"name": "main", "image": "wherry.local/host", "command": list(command), **container}
    spec = {"containers": [main], "terminationGracePeriodSeconds": 0, "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}


@pytest.fixture(scope="module")
def web(cluster: Cluster) -> Iterator[None]:
    """A namespace with the pod and the Service `web`."""
    serving = pod("web", "python3", "-c", SERVER, ports=[{"name": "http", "containerPort": 8080}])
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": "http"}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    succeed(cluster.wherry("create", "-f", "-", stdin=json.dumps(namespace)))
    for made in (serving, service):
        succeed(cluster.wherry("create", "-n", NAMESPACE, "-f", "-", stdin=json.dumps(made)))
    eventually("the pod serves", lambda: "serving" in cluster.wherry("logs", "-n", NAMESPACE, "web").out)
    yield
    succeed(cluster.wherry("delete", "namespace", NAMESPACE))


@pytest.fixture(scope="module")
def bare(cluster: Cluster, web: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pod of an image that holds nothing but a program called `sleep`."""
    root = tmp_path_factory.mktemp("bare")
    shutil.copy(BUSYBOX, root / "sleep")
    imported = cluster.wherry("image", "import", str(root), "example.test/bare:1")
    if PODS_ON:
        pytest.skip(imported.err)
    succeed(imported)
    made = pod("bare", "/sleep", "1000", image="example.test/bare:1")
    succeed(cluster.wherry("create", "-n", NAMESPACE, "-f", "-", stdin=json.dumps(made)))
    succeed(cluster.wherry("wait", "-n", NAMESPACE, "--for=condition=Ready", "pod/bare"))
    return "bare"


class Kubectl:
    """One version of kubectl."""

    def __init__(self, binary: str, cluster: Cluster, home: Path) -> None:
        self.binary = binary
        self.env = {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(home)}

    def __call__(self, *words: str, stdin: str = "") -> Result:
        """Run it to its end."""
        return run([self.binary, "-n", NAMESPACE, *words], stdin=stdin, env=self.env)

    def at_terminal(self, *words: str, awaited: str = PRESS_ENTER) -> tuple[int, str]:
        """Run it at a terminal, and type `word` once something is shown."""
        return at_terminal([self.binary, "-n", NAMESPACE, *words], [awaited], "word\n", self.env)

    @contextlib.contextmanager
    def forwarding(self, target: str, port: int, errors: Path) -> Iterator[int]:
        """Forward a port for as long as the block; yields the port of this machine."""
        here = free_port()
        argv = [self.binary, "-n", NAMESPACE, "port-forward", target, f"{here}:{port}"]
        with (
            errors.open("w") as told,
            subprocess.Popen(
                argv, env={**os.environ, **self.env}, stdout=subprocess.PIPE, stderr=told, text=True
            ) as process,
        ):
            try:
                assert process.stdout is not None
                assert "Forwarding from" in process.stdout.readline(), errors.read_text()
                yield here
            finally:
                process.terminate()


@pytest.fixture(params=VERSIONS)
def kubectl(request: pytest.FixtureRequest, cluster: Cluster, web: None, tmp_path: Path) -> Kubectl:
    """Each kubectl that has to work."""
    binary = kubectl_binary(request.param)
    if not binary:
        pytest.skip("kubectl is not on PATH")
    return Kubectl(binary, cluster, tmp_path)


def counted(port: int, pieces: int) -> int:
    """Send pieces, end our side, and return how many bytes the pod says that it got."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        for _ in range(pieces):
            connection.sendall(PIECE)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(100):
            answer += data
    return int(answer)


@pytest.mark.parametrize(("target", "port"), [("pod/web", 8080), ("service/web", 80)])
def test_a_port_is_forwarded(kubectl: Kubectl, tmp_path: Path, target: str, port: int) -> None:
    with kubectl.forwarding(target, port, tmp_path / "errors") as here:
        pages = [
            urllib.request.urlopen(f"http://127.0.0.1:{here}/{name}", timeout=PATIENCE_S).read() for name in ("a", "b")
        ]

    assert pages == [b"you asked for /a", b"you asked for /b"]


def test_a_forwarded_connection_ends_one_way_at_a_time_and_many_share_a_session(
    kubectl: Kubectl, cluster: Cluster, tmp_path: Path
) -> None:
    """The pod answers only after the end of what it is sent: without half-closes nothing would come back."""
    if cluster.runtime.startswith("containerd://"):
        pytest.skip(f"{cluster.runtime}: passes the end of one way on as the end of both")
    totals: list[int] = []
    with kubectl.forwarding("pod/web", 9000, tmp_path / "errors") as here:
        large = counted(here, 32)
        threads = [threading.Thread(target=lambda: totals.append(counted(here, 1))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)

    assert (large, totals) == (32 * len(PIECE), [len(PIECE)] * 16)


def test_a_port_where_nobody_listens_is_named(kubectl: Kubectl, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with kubectl.forwarding("pod/web", 81, errors) as here:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", here), timeout=PATIENCE_S) as asked:
            asked.sendall(b"anybody?")
            asked.recv(1)
        refusals = ("nothing in the pod accepts connections", "connection refused")
        eventually("it is told", lambda: any(refusal in errors.read_text() for refusal in refusals))


def test_a_command_may_be_long(kubectl: Kubectl) -> None:
    word = "a" * 30_000

    assert succeed(kubectl("exec", "web", "--", "echo", word)) == f"{word}\n"


def test_exec_at_a_terminal_has_its_size_and_keys_and_tells_the_exit_code(kubectl: Kubectl) -> None:
    """A command may begin before it hears of the size, as everywhere: so it looks until it is told."""
    script = (
        f'until [ "$(stty size)" = "{ROWS} {COLUMNS}" ]; do sleep 0.05; done; echo sized; read x; echo got $x; exit 4'
    )

    code, shown = kubectl.at_terminal("exec", "-it", "web", "--", "sh", "-c", script, awaited="sized")

    assert (code, "got word" in shown) == (4, True)


def test_attach_gives_input_to_the_container_s_own_process_and_ends_with_it(kubectl: Kubectl) -> None:
    name = f"reader-{free_port()}"
    script = "while read x; do echo heard $x; done; echo end; exit 5"
    succeed(kubectl("create", "-f", "-", stdin=json.dumps(pod(name, "sh", "-c", script, stdin=True, stdinOnce=True))))
    succeed(kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s"))

    out = succeed(kubectl("attach", "-i", name, stdin="one\ntwo\n"))

    assert out.split("\n")[-4:] == ["heard one", "heard two", "end", ""]
    state = "jsonpath={.status.containerStatuses[0].state.terminated.exitCode}"
    eventually("its end is seen", lambda: kubectl("get", "pod", name, "-o", state).out == "5")


def test_run_with_input_shows_the_output_ends_with_its_code_and_leaves_no_pod(kubectl: Kubectl) -> None:
    name = f"once-{free_port()}"
    options = ("-i", "--rm", "--restart=Never", "--image=wherry.local/host", "--quiet")

    result = kubectl("run", name, *options, "--", "sh", "-c", "cat; exit 6", stdin="through\n")

    assert (result.code, "through" in result.out) == (6, True)
    eventually("the pod is gone", lambda: kubectl("get", "pod", name).code != 0)


def test_files_are_copied_both_ways(kubectl: Kubectl, tmp_path: Path) -> None:
    away, back = tmp_path / "away", tmp_path / "back"
    (away / "sub").mkdir(parents=True)
    (away / "large").write_bytes(bytes(range(256)) * 20_000)
    (away / "sub" / "small").write_text("small")
    there = f"/tmp/{free_port()}"

    succeed(kubectl("cp", str(away), f"web:{there}"))
    succeed(kubectl("cp", f"web:{there}", str(back)))

    assert (back / "large").read_bytes() == (away / "large").read_bytes()
    assert (back / "sub" / "small").read_text() == "small"


def test_files_are_copied_into_and_out_of_an_image_that_has_no_tar(kubectl: Kubectl, bare: str, tmp_path: Path) -> None:
    """All that is in it is one program, as in images that are built from nothing."""
    away, back = tmp_path / "away", tmp_path / "back"
    (away / "sub").mkdir(parents=True)
    (away / "sub" / "large").write_bytes(bytes(range(256)) * 20_000)
    there = f"/{free_port()}"

    succeed(kubectl("cp", str(away), f"{bare}:{there}"))
    succeed(kubectl("cp", f"{bare}:{there}", str(back)))

    assert (back / "sub" / "large").read_bytes() == (away / "sub" / "large").read_bytes()


@pytest.mark.parametrize("door", ["pods/web:http", "pods/web:8080", "services/web:80", "services/http:web:80"])
def test_what_runs_in_pods_is_reached_through_the_api(kubectl: Kubectl, door: str) -> None:
    page = succeed(kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/{door}/proxy/page?a=b"))

    assert page == "you asked for /page?a=b"


def test_a_node_s_agent_is_reached_through_the_api(kubectl: Kubectl) -> None:
    node = succeed(kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"))

    assert succeed(kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/healthz")) == "ok"
