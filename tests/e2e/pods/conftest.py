"""Many pods at once on one cluster: all manifests are applied together, and each test waits for what concerns it.

One `kubectl get --watch` tells of every change, so that waiting costs nothing and no state in between is missed.
"""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import KUBECTLS, Cluster, Result, kubectl_binary, run, succeed

MANIFESTS = Path(__file__).parent / "manifests"
WAIT_S = 60.0
NAMESPACE = "pods"

Pod = Mapping[str, Any]


class Story:
    """What happened to one kind's objects of a namespace, from the first to the last look."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self._seen: dict[str, list[Pod]] = {}
        self._changed = threading.Condition()
        self._process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def close(self) -> None:
        """End the watch."""
        with self._process:
            self._process.terminate()
            self._thread.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:  # One event a line.
            event = json.loads(line)
            with self._changed:
                self._seen.setdefault(event["object"]["metadata"]["name"], []).append(event["object"])
                self._changed.notify_all()

    def of(self, name: str) -> list[Pod]:
        """Return all states of an object that were seen, the newest last."""
        with self._changed:
            return list(self._seen.get(name, ()))

    def when(self, name: str, holds: Callable[[Pod], object], what: str = "") -> Pod:
        """Return the first state of an object in which something holds, once it was seen. Fails after a while."""
        until = time.monotonic() + WAIT_S
        with self._changed:
            looked = 0
            while True:
                states = self._seen.get(name, [])
                for state in states[looked:]:
                    if holds(state):
                        return state
                looked = len(states)
                left_s = until - time.monotonic()
                last = json.dumps(states[-1]["status"], indent=1) if states else "it was never seen"
                assert left_s > 0, f"{name}: {what or 'never came true'}: {last}"
                self._changed.wait(left_s)


class Place:
    """The namespace of these tests, seen through kubectl."""

    def __init__(self, kubectl: Callable[..., Result], pods: Story, state: Path) -> None:
        self.kubectl = kubectl
        self.pods = pods
        self.state = state
        """The directory of the cluster's node."""

    def do(self, *words: str, stdin: str = "") -> str:
        """Run kubectl and return what it printed. Fails the test where it did not end well."""
        return succeed(self.kubectl(*words, stdin=stdin))

    @property
    def runtime(self) -> str:
        """The runtime that the node has, with its version."""
        return self.do("get", "nodes", "-o", "jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}")

    def ended(self, name: str) -> Pod:
        """Return a pod that has run to its end."""
        return self.pods.when(name, lambda pod: phase(pod) in ("Succeeded", "Failed"), "has not ended")

    def waits(self, name: str, reason: str) -> Mapping[str, str]:
        """Return the waiting state of a pod's first container, once it waits for that reason."""
        pod = self.pods.when(name, lambda pod: waiting(pod).get("reason") == reason, f"does not wait for {reason}")
        return waiting(pod)

    def past_deadline(self, name: str) -> Pod:
        """Return a pod whose container has ended because its deadline, set while it ran, has passed."""
        self.pods.when(name, lambda pod: status_of(pod).get("ready"), "is not ready")
        self.do("patch", "pod", name, "-p", '{"spec": {"activeDeadlineSeconds": 1}}')
        return self.pods.when(name, end_of, "its container has not ended")

    def event(self, name: str, reason: str, words: str = "") -> Mapping[str, Any]:
        """Return an event about a pod, once there is one. Fails the test after a while."""
        selector = f"involvedObject.name={name},reason={reason}"
        until = time.monotonic() + WAIT_S
        while True:
            items = json.loads(self.do("get", "events", "--field-selector", selector, "-o", "json"))["items"]
            found = [item for item in items if words in item["message"]]
            if found:
                event: Mapping[str, Any] = found[0]
                return event
            told = [item["message"] for item in items]
            assert time.monotonic() < until, f"{name}: no event {reason} that says {words!r}, but {told}"
            time.sleep(0.2)


def phase(pod: Pod) -> str:
    """Return a pod's phase."""
    return str(pod["status"].get("phase", ""))


def status_of(pod: Pod, container: str = "main") -> Mapping[str, Any]:
    """Return the status of a container of whatever kind, {} where nothing is told of it."""
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    told = [status for kind in kinds for status in pod["status"].get(kind, ())]
    return next((status for status in told if status["name"] == container), {})


def waiting(pod: Pod, container: str = "main") -> Mapping[str, str]:
    """Return why a container waits, {} where it doesn't."""
    state: Mapping[str, str] = status_of(pod, container).get("state", {}).get("waiting", {})
    return state


def end_of(pod: Pod, container: str = "main") -> Mapping[str, Any]:
    """Return how a container ended, {} where it didn't."""
    state: Mapping[str, Any] = status_of(pod, container).get("state", {}).get("terminated", {})
    return state


def last_end_of(pod: Pod, container: str = "main") -> Mapping[str, Any]:
    """Return how a container's run before this one ended."""
    state: Mapping[str, Any] = status_of(pod, container).get("lastState", {}).get("terminated", {})
    return state


def condition(pod: Pod, kind: str) -> Mapping[str, Any]:
    """Return a condition of a pod, {} where it has none of that type."""
    return next((one for one in pod["status"].get("conditions", ()) if one["type"] == kind), {})


def is_true(pod: Pod, kind: str) -> bool:
    """Say whether a condition of a pod holds."""
    return condition(pod, kind).get("status") == "True"


@pytest.fixture(scope="session")
def place(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A namespace into which all manifests have been applied, a moment ago."""
    binary = kubectl_binary(KUBECTLS[0])
    if not binary:
        pytest.skip("kubectl is not on PATH")
    env = {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path_factory.mktemp("home"))}

    def kubectl(*words: str, stdin: str = "") -> Result:
        return run([binary, "-n", NAMESPACE, *words], stdin=stdin, env=env)

    succeed(run([binary, "create", "namespace", NAMESPACE], env=env))
    (node,) = Path(f"/var/lib/wherry/{cluster.name}/nodes").iterdir()
    watch = [binary, "-n", NAMESPACE, "get", "pods", "--watch", "--output-watch-events", "-o", "json"]
    with ExitStack() as stack:
        story = Story(watch, env)
        stack.callback(story.close)
        succeed(kubectl("apply", "-f", str(MANIFESTS)))
        yield Place(kubectl, story, node)
        succeed(kubectl("delete", "pods", "--all", "--grace-period=1"))
    succeed(run([binary, "delete", "namespace", NAMESPACE, "--wait=true", "--timeout=60s"], env=env))
