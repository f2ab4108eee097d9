"""`make demo`: a cluster, two applications on it, and what becomes of them when they are scaled and killed.

Uses what a person would: the verbs of the command line, and HTTP to the Service's address.
"""

import argparse
import http.client
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from wherry.cluster.layout import DEFAULT_CLUSTER, Layout
from wherry.cluster.processes import find
from wherry.connection import Connection, Json
from wherry.context import Context
from wherry.main import main as wherry

NAMESPACE: Final = "demo"
REQUESTS: Final = 30
RECOVERY_TIMEOUT_S: Final = 30.0
HTTP_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.05


class DemoFailed(Exception):  # noqa: N818 - it is what happened.
    """A step did not end as it should; the message tells which and how."""


def main(argv: Sequence[str]) -> int:
    """Run every step in turn; return 1 with a sentence where one fails."""
    if len(argv) != 1:
        print("usage: python -m wherry.demo DIRECTORY_OF_MANIFESTS", file=sys.stderr)
        return 2
    try:
        _demonstrate(argv[0])
    except DemoFailed as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


def _demonstrate(manifests: str) -> None:
    layout = Layout(DEFAULT_CLUSTER)
    _step("A cluster")
    if os.geteuid() == 0 and find(layout.run, "server"):
        print("is up already")
    else:
        _do("up")
    connection = _connection()
    _step("Two applications: a Deployment of three pods, a ReplicationController of two, a Service before each")
    _do("apply", "-f", manifests, "--force-conflicts", "--wait")
    _do("get", "pods", "-n", NAMESPACE, "-o", "wide")
    _step(f"{REQUESTS} requests to the Service web")
    _spread(connection)
    _step("Five web pods instead of three")
    _do("scale", "deploy/web", "--replicas", "5", "-n", NAMESPACE)
    _do("rollout", "status", "deploy/web", "-n", NAMESPACE)
    _spread(connection)
    _step("One container's process killed with SIGKILL")
    _kill_one(connection)
    _do("get", "pods", "-n", NAMESPACE)
    _epilogue(layout)


def _step(title: str) -> None:
    print(f"\n== {title}", flush=True)


def _do(*words: str) -> None:
    """Run one command as if it had been typed, showing it first."""
    print(f"$ wherry {' '.join(words)}", flush=True)
    code = wherry(("--cluster", DEFAULT_CLUSTER, *words))
    if code != 0:
        raise DemoFailed(f"`wherry {' '.join(words)}` ended with {code}; `wherry doctor` tells what this machine lacks")


def _connection() -> Connection:
    return Context(argparse.Namespace(kubeconfig=None, cluster=DEFAULT_CLUSTER, context=None)).connection


def _spread(connection: Connection) -> None:
    """Send requests to the Service's address and print which pods answered."""
    service = connection.get(f"/api/v1/namespaces/{NAMESPACE}/services/web")
    address = service["spec"]["clusterIP"]
    answered: Counter[str] = Counter()
    for _ in range(REQUESTS):
        answered[_ask(address)] += 1
    print(f"http://{address}/ was answered by")
    for pod, count in sorted(answered.items()):
        print(f"  {pod:<32}{'#' * count} {count}")


def _ask(address: str) -> str:
    """Return the name of the pod that answers one request."""
    connection = http.client.HTTPConnection(address, 80, timeout=HTTP_TIMEOUT_S)
    try:
        connection.request("GET", "/", headers={"Connection": "close"})
        return connection.getresponse().read().decode().split()[-1]
    except OSError as error:
        raise DemoFailed(
            f"http://{address}/: no answer ({error}); see `wherry get endpointslices -n {NAMESPACE}`"
        ) from error
    finally:
        connection.close()


def _kill_one(connection: Connection) -> None:
    """Kill the process of one web pod and wait until its container runs again."""
    pods = connection.get(f"/api/v1/namespaces/{NAMESPACE}/pods", {"labelSelector": "app=web"})["items"]
    victim = sorted(pods, key=lambda pod: pod["metadata"]["name"])[0]
    name = victim["metadata"]["name"]
    before = _restarts(victim)
    pid = _process_of(name)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    print(f"killed process {pid} of pod {name}, which had restarted {before} times")
    while time.monotonic() - began < RECOVERY_TIMEOUT_S:
        pod = connection.get(f"/api/v1/namespaces/{NAMESPACE}/pods/{name}")
        if _restarts(pod) > before and _is_ready(pod):
            print(f"it is back and ready after {time.monotonic() - began:.1f} s")
            return
        time.sleep(POLL_S)
    raise DemoFailed(f"pod {name} is not back {RECOVERY_TIMEOUT_S:g} s after its process was killed")


def _restarts(pod: Json) -> int:
    return sum(container["restartCount"] for container in pod["status"].get("containerStatuses") or [])


def _is_ready(pod: Json) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in pod["status"].get("conditions") or [])


def _process_of(pod: str) -> int:
    """Return the process that runs in a pod: the one whose environment names it. Raises DemoFailed."""
    mark = f"POD_NAME={pod}".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(f"/proc/{entry.name}/environ", "rb") as environment:  # noqa: PTH123 - a path would be slower here.
                if mark in environment.read().split(b"\0"):
                    return int(entry.name)
        except OSError:
            continue
    raise DemoFailed(f"no process of pod {pod} is to be found")


def _epilogue(layout: Layout) -> None:
    _step("What to try next")
    program = f"{os.path.dirname(sys.executable)}/wherry"  # noqa: PTH120 - shown, not used.
    print(f"""  {program} get all -n {NAMESPACE}
  {program} describe deploy/web -n {NAMESPACE}
  {program} logs -f deploy/web -n {NAMESPACE}
  {program} exec -it deploy/web -n {NAMESPACE} -- /bin/bash
with kubectl:
  export KUBECONFIG={layout.kubeconfig}
  kubectl get pods -A -o wide
  kubectl set env deploy/web -n {NAMESPACE} GREETING=Ahoy && kubectl rollout status deploy/web -n {NAMESPACE}
to stop it:
  {program} down            (with --purge, nothing of it is left)""")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
