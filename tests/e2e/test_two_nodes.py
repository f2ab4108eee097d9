"""Two hosts, joined over TLS with a token."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from kube.config import load_kubeconfig
from tests.e2e.conftest import Cluster, eventually, started, succeed
from wherry.connection import Connection

pytestmark = [pytest.mark.root, pytest.mark.slow]

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: wherry.local/host
        command: [/usr/bin/python3, -c]
        args:
        - |
          import http.server, os
          class Name(http.server.BaseHTTPRequestHandler):
              def do_GET(self):
                  self.send_response(200); self.end_headers(); self.wfile.write(os.environ["HOSTNAME"].encode())
              def log_message(self, *words): pass
          http.server.ThreadingHTTPServer(("", 8080), Name).serve_forever()
        env: [{name: HOSTNAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        readinessProbe: {httpGet: {port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""

ASK = """
import urllib.request
print(*(urllib.request.urlopen("http://web", timeout=5).read().decode() for _ in range(40)))
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[Cluster]:
    yield from started("pair", "--nodes", "2")


def pods(cluster: Cluster) -> list[dict[str, str]]:
    found = json.loads(succeed(cluster.wherry("get", "pods", "-o", "json")))["items"]
    return [
        {"name": pod["metadata"]["name"], "node": pod["spec"].get("nodeName", ""), "ready": _ready(pod)}
        for pod in found
        if "deletionTimestamp" not in pod["metadata"]
    ]


def _ready(pod: dict[str, dict[str, list[dict[str, str]]]]) -> str:
    return next((item["status"] for item in pod["status"].get("conditions", []) if item["type"] == "Ready"), "False")


ON_NODE = """
apiVersion: v1
kind: Pod
metadata: {name: on-node, namespace: kube-system}
spec:
  hostNetwork: true
  nodeName: node-1
  restartPolicy: Never
  containers: [{name: main, image: wherry.local/host, command: [uname, -n]}]
"""


def test_a_pod_on_its_node_s_network_has_the_node_s_name(pair: Cluster) -> None:
    succeed(pair.wherry("apply", "-f", "-", stdin=ON_NODE))

    eventually("it says its name", lambda: pair.wherry("logs", "-n", "kube-system", "on-node").out == "node-1\n")


def test_a_service_balances_over_both_nodes_and_a_lost_node_s_pods_come_back(pair: Cluster) -> None:
    succeed(pair.wherry("apply", "-f", "-", "--wait", stdin=MANIFEST))
    spread = Counter(pod["node"] for pod in pods(pair))
    assert spread == {"node-1": 2, "node-2": 2}

    asker = next(pod["name"] for pod in pods(pair) if pod["node"] == "node-1")
    answers = succeed(pair.wherry("exec", asker, "--", "/usr/bin/python3", "-c", ASK)).split()
    assert set(answers) == {pod["name"] for pod in pods(pair)}
    with closing(Connection(load_kubeconfig(pair.kubeconfig))) as connection:
        for pod in pods(pair):
            path = f"/api/v1/namespaces/default/pods/{pod['name']}:8080/proxy/"
            assert connection.request("GET", path).body.decode() == pod["name"]

    os.kill(pair.pids()["agent-node-2"], signal.SIGKILL)
    eventually("node-2 is given up", lambda: "NotReady" in pair.wherry("get", "node", "node-2").out, 60)
    eventually(
        "four ready pods on node-1",
        lambda: [pod["node"] for pod in pods(pair) if pod["ready"] == "True"].count("node-1") == 4,
        90,
    )
