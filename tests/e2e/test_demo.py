"""The demo's manifests, driven by the real kubectl: applied, balanced, scaled, hurt and deleted."""

import json
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Cluster, Result, eventually, run, succeed, wherry
from wherry.cluster.layout import DEFAULT_CLUSTER

Kubectl = Callable[..., Result]

pytestmark = pytest.mark.root

DEMO = str(Path(__file__).parents[2] / "manifests" / "demo")


def answers(address: str, requests: int) -> Counter[str]:
    """Return how often each pod answered."""
    found: Counter[str] = Counter()
    for _ in range(requests):
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            found[answer.read().decode().split()[-1]] += 1
    return found


def web_pods(kubectl: Kubectl) -> dict[str, int]:
    """Return the demo's web pods with how often each has restarted."""
    found = json.loads(succeed(kubectl("get", "pods", "-n", "demo", "-l", "app=web", "-o", "json")))["items"]
    return {pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"] for pod in found}


def test_kubectl_drives_the_demo_from_yaml_to_balanced_traffic(cluster: Cluster, kubectl: Kubectl) -> None:
    succeed(kubectl("apply", "-f", DEMO))
    succeed(kubectl("rollout", "status", "deploy/web", "-n", "demo", "--timeout=60s"))
    succeed(kubectl("wait", "pod", "-n", "demo", "--all", "--for=condition=Ready", "--timeout=60s"))
    address = succeed(kubectl("get", "service", "web", "-n", "demo", "-o", "jsonpath={.spec.clusterIP}"))
    eventually("all pods answer", lambda: set(answers(address, 30)) == set(web_pods(kubectl)))
    assert len(web_pods(kubectl)) == 3

    succeed(kubectl("scale", "deploy/web", "-n", "demo", "--replicas=5"))
    succeed(kubectl("rollout", "status", "deploy/web", "-n", "demo", "--timeout=60s"))
    eventually("the new pods answer too", lambda: len(answers(address, 60)) == 5)

    victim = min(web_pods(kubectl))
    kubectl("exec", victim, "-n", "demo", "--", "/bin/kill", "-TERM", "1")
    eventually("the container comes back", lambda: web_pods(kubectl)[victim] == 1)
    succeed(kubectl("wait", f"pod/{victim}", "-n", "demo", "--for=condition=Ready", "--timeout=60s"))

    # Once its namespace goes, an object may be gone before kubectl comes to it.
    succeed(kubectl("delete", "-f", DEMO, "--ignore-not-found", "--timeout=60s"))
    assert "NotFound" in kubectl("get", "namespace", "demo").err


def test_the_demo_works_again_after_it_has_changed_what_it_applied() -> None:
    """`make demo` scales what its files say otherwise; the next one begins with the files."""
    if Path(f"/var/lib/wherry/{DEFAULT_CLUSTER}").exists():
        pytest.skip(f"a cluster {DEFAULT_CLUSTER!r} is here already, which is somebody's own")
    try:
        outputs = [succeed(run([sys.executable, "-m", "wherry.demo", DEMO])) for _ in range(2)]
    finally:
        ended = wherry("down", "--purge")

    assert all("it is back and ready" in output for output in outputs)
    assert "is up already" in outputs[1]
    assert ended.code == 0
    assert not any(Path(root, DEFAULT_CLUSTER).exists() for root in ("/run/wherry", "/var/lib/wherry"))
