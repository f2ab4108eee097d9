"""What changes in a pod that runs: containers for debugging, other resources, the files of static pods."""

import json
from pathlib import Path

import pytest

from tests.e2e.pods.conftest import Place, Pod, condition, phase, status_of, waiting

pytestmark = pytest.mark.root

TARGET = """
apiVersion: v1
kind: Pod
metadata: {name: target}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: wherry.local/host
    command: [sleep, "4321"]
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 100m, memory: 32Mi}}
    resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]
"""
STATIC = """
apiVersion: v1
kind: Pod
metadata: {name: of-file, namespace: pods}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: wherry.local/host, command: [sleep, "1000"], env: [{name: A, value: VALUE}]}]
"""


@pytest.fixture(scope="module")
def target(place: Place) -> str:
    """A running pod with resources."""
    place.do("apply", "-f", "-", stdin=TARGET)
    place.pods.when("target", lambda pod: status_of(pod).get("ready"))
    return "target"


def resize(place: Place, name: str, **resources: dict[str, str]) -> None:
    """Ask for other resources of a pod's container."""
    change = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
    place.do("patch", "pod", name, "--subresource=resize", "-p", json.dumps(change))


def has(pod: Pod, kind: str, name: str, amount: str) -> bool:
    """Say whether a container runs with so much of a resource."""
    return bool(status_of(pod).get("resources", {}).get(kind, {}).get(name) == amount)


def test_kubectl_debug_looks_into_a_running_pod(place: Place, target: str) -> None:
    words = ["/bin/sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline"]

    place.do("debug", target, "--image=wherry.local/host", "--target=main", "-c", "debugger", "--", *words)
    pod = place.pods.when(target, lambda pod: "terminated" in status_of(pod, "debugger").get("state", {}))

    assert place.do("logs", target, "-c", "debugger").split() == ["sleep", "4321"]
    assert status_of(pod)["ready"] is True
    assert "debugger" in place.do("describe", "pod", target)


def test_cpu_changes_in_place(place: Place, target: str) -> None:
    before = place.pods.of(target)[-1]

    resize(place, target, requests={"cpu": "20m"}, limits={"cpu": "200m"})
    pod = place.pods.when(target, lambda pod: has(pod, "limits", "cpu", "200m"))

    assert status_of(pod)["allocatedResources"]["cpu"] == "20m"
    assert status_of(pod)["restartCount"] == status_of(before)["restartCount"]
    assert "20000" in place.do("exec", target, "--", "/bin/sh", "-c", _QUOTA)


_QUOTA = "cat /sys/fs/cgroup/cpu.max /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || true"


def test_memory_changes_with_a_restart_where_the_policy_says_so(place: Place, target: str) -> None:
    before = status_of(place.pods.of(target)[-1])["restartCount"]

    resize(place, target, limits={"memory": "48Mi"})
    pod = place.pods.when(target, lambda pod: status_of(pod).get("restartCount") == before + 1)

    assert has(pod, "limits", "memory", "48Mi")
    place.event(target, "Killing", "resize requires restart")


def test_what_no_node_can_give_is_said_and_changes_nothing(place: Place, target: str) -> None:
    resize(place, target, requests={"cpu": "900"}, limits={"cpu": "900"})
    pod = place.pods.when(target, lambda pod: condition(pod, "PodResizePending"))

    assert condition(pod, "PodResizePending")["reason"] == "Infeasible"
    assert not has(pod, "limits", "cpu", "900")
    place.event(target, "ResizeInfeasible", "cpu")

    resize(place, target, requests={"cpu": "10m"}, limits={"cpu": "100m"})
    place.pods.when(target, lambda pod: has(pod, "limits", "cpu", "100m") and not condition(pod, "PodResizePending"))


WHOLE = """
apiVersion: v1
kind: Pod
metadata: {name: whole}
spec:
  terminationGracePeriodSeconds: 0
  resources: {requests: {cpu: 20m, memory: 32Mi}, limits: {cpu: 200m, memory: 64Mi}}
  containers:
  - {name: main, image: wherry.local/host, command: [sleep, "1000"]}
  - name: own
    image: wherry.local/host
    command: [sleep, "1000"]
    resources: {limits: {cpu: 100m}, requests: {cpu: 10m}}
"""


def test_a_pod_has_limits_as_a_whole_which_change_while_it_runs(place: Place) -> None:
    place.do("apply", "-f", "-", stdin=WHOLE)
    before = place.pods.when("whole", lambda pod: status_of(pod).get("ready") and status_of(pod, "own").get("ready"))
    limited = ["main", "own"] if place.runtime.startswith("containerd") else ["", "main", "own"]
    first = {name: quota(before, name) for name in limited}

    change = {"spec": {"resources": {"limits": {"cpu": "400m", "memory": "96Mi"}, "requests": {"cpu": "30m"}}}}
    place.do("patch", "pod", "whole", "--subresource=resize", "-p", json.dumps(change))
    pod = place.pods.when("whole", lambda pod: _cpus(pod) == "400m")

    assert first.items() <= {"": 20_000, "main": 20_000, "own": 10_000}.items()
    assert {name: quota(pod, name) for name in limited}.items() <= {"": 40_000, "main": 40_000, "own": 10_000}.items()
    assert pod["status"]["allocatedResources"] == {"cpu": "30m", "memory": "32Mi"}
    assert [status_of(pod, name)["restartCount"] for name in ("main", "own")] == [0, 0]


def _cpus(pod: Pod) -> str:
    """Return how much of a CPU a pod as a whole has by its status."""
    return str(pod["status"].get("resources", {}).get("limits", {}).get("cpu", ""))


def quota(pod: Pod, container: str = "") -> int:
    """Return how many microseconds of each tenth of a second a pod has, or one of its containers."""
    folder = f"wherry-*/pod{_uid(pod)}"
    if container:
        folder += "/" + status_of(pod, container)["containerID"].partition("//")[2]
    group = Path("/sys/fs/cgroup")
    (file,) = (*group.glob(f"cpu/{folder}/cpu.cfs_quota_us"), *group.glob(f"{folder}/cpu.max"))
    return int(file.read_text().split()[0])


def test_a_static_pod_lives_by_its_file(place: Place) -> None:
    folder = place.state / "static-pods"
    file = folder / "of-file.yaml"
    name = f"of-file-{place.state.name}"

    file.write_text(STATIC.replace("VALUE", "first"))
    first = place.pods.when(name, lambda pod: status_of(pod).get("ready"))
    place.do("delete", "pod", name, "--wait=false")
    again = place.pods.when(name, lambda pod: _uid(pod) != _uid(first) and status_of(pod).get("ready"))
    _replace(file, STATIC.replace("VALUE", "second"))
    other = place.pods.when(name, lambda pod: _container(pod) not in ("", _container(first)) and _is_ready(pod))
    file.unlink()
    place.do("wait", "--for=delete", f"pod/{name}", "--timeout=60s")

    assert _container(again) == _container(first), "its deletion in the API ended nothing"
    assert phase(other) == "Running"
    assert waiting(other) == {}


def _replace(file: Path, text: str) -> None:
    """Replace a file's content all at once, as people should."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


def _uid(pod: Pod) -> str:
    return str(pod["metadata"]["uid"])


def _container(pod: Pod) -> str:
    return str(status_of(pod).get("containerID", ""))


def _is_ready(pod: Pod) -> bool:
    return bool(status_of(pod).get("ready"))
