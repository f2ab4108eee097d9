"""RuntimeClasses: pods whose containers another OCI runtime makes, as kubectl sees them."""

import json
import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import Cluster, eventually, succeed

pytestmark = [pytest.mark.root, pytest.mark.skipif(shutil.which("runc") is None, reason="needs runc")]

CLASSES = """
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: by-runc}, handler: runc}
---
{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: by-nobody}, handler: nobody}
"""


@pytest.fixture(scope="module")
def classes(cluster: Cluster) -> Iterator[None]:
    """A class that names runc, and one whose handler no node has."""
    succeed(cluster.wherry("apply", "-f", "-", stdin=CLASSES))
    yield
    succeed(cluster.wherry("delete", "runtimeclass", "by-runc", "by-nobody"))


def _pod(name: str, runtime_class: str, command: str) -> str:
    main = {"name": "main", "image": "wherry.local/host", "command": ["sh", "-c", command]}
    spec = {"runtimeClassName": runtime_class, "terminationGracePeriodSeconds": 1, "containers": [main]}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


@pytest.mark.usefixtures("classes")
def test_a_pod_of_a_class_runs_by_its_handler(cluster: Cluster, namespace: str) -> None:
    pod = _pod("web", "by-runc", "echo hello; trap 'exit 0' TERM; while :; do sleep 0.2; done")
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", "--wait", stdin=pod))

    assert cluster.wherry("logs", "web", "-n", namespace).out == "hello\n"
    told = cluster.wherry("exec", "web", "-n", namespace, "--", "sh", "-c", "cat /proc/1/comm; exit 3")
    assert (told.code, told.out) == (3, "sh\n")


@pytest.mark.usefixtures("classes")
def test_a_handler_that_the_node_lacks_is_told_by_an_event(cluster: Cluster, namespace: str) -> None:
    succeed(cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=_pod("lost", "by-nobody", "true")))

    def told() -> bool:
        shown = cluster.wherry("describe", "pod", "lost", "-n", namespace).out.replace("'", '"')
        return any("FailedCreatePodSandBox" in line and '"nobody"' in line for line in shown.splitlines())

    eventually("an event names the handler", told)
