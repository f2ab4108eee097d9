"""Pods of a node's own files: which are taken, which mirror pods they get, and that they live without the API."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from kube.api.core_v1 import Node, Pod
from kube.api.meta_v1 import ObjectMeta
from kube.objects import key_of, with_metadata
from nodeagent.pods.static_pods import (
    MIRROR,
    StaticPodError,
    is_static,
    mirror_of,
    plan_mirrors,
    read_static_pods,
    static_pod,
)
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.one_node import agent, until

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - {name: main, image: wherry.local/host, imagePullPolicy: IfNotPresent, command: [sleep]}
"""


def test_a_files_pod_is_called_after_its_node() -> None:
    pod = static_pod(WEB, "/m/web.yaml", "n1")

    assert key_of(pod) == ("default", "web-n1")
    assert pod.spec.node_name == "n1"
    assert pod.metadata.annotations["kubernetes.io/config.source"] == "file"
    assert pod.metadata.annotations["kubernetes.io/config.hash"] == pod.metadata.uid


def test_no_pod_of_the_api_passes_for_a_static_one() -> None:
    """Anybody may write annotations; the node would end what no file of its own tells of."""
    pod = static_pod(WEB, "/m/web.yaml", "n1")

    assert is_static(pod)
    assert not is_static(with_metadata(pod, uid="7a5d2b0e-0000-4000-8000-000000000000"))
    assert not is_static(with_metadata(mirror_of(pod, "node-uid"), uid="api-uid"))


def test_another_content_is_another_pod_and_the_same_one_is_the_same() -> None:
    """So a restart of the agent finds the containers that run, and a change replaces them."""
    pod = static_pod(WEB, "/m/web.yaml", "n1")

    assert static_pod(WEB, "/m/web.yaml", "n1").metadata.uid == pod.metadata.uid
    assert static_pod(WEB.replace("sleep", "exit"), "/m/web.yaml", "n1").metadata.uid != pod.metadata.uid


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kind: [", "can't be read as a Pod"),
        ("{apiVersion: v1, kind: Service, metadata: {name: web}}", "holds no Pod with a name"),
        (WEB.replace("spec:", "spec:\n  serviceAccountName: x"), "spec.serviceAccountName: a static pod can't refer"),
        (WEB.replace("spec:", "spec:\n  volumes: [{name: v, secret: {secretName: x}}]"), "spec.volumes: v: a static"),
        (WEB.replace("command: [sleep]", "envFrom: [{configMapRef: {name: x}}]"), "environment of container main"),
    ],
)
def test_a_file_that_holds_no_static_pod_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(StaticPodError, match=complaint.replace("[", r"\[")):
        static_pod(text, "/m/web.yaml", "n1")


def test_only_manifests_are_read_and_a_bad_one_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / "twin.yaml").write_text(WEB)
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / ".web.yaml").write_text(WEB)
    (tmp_path / "notes.txt").write_text("hello")

    pods, problems = read_static_pods(tmp_path, "n1")

    assert list(pods) == [("default", "web-n1")]
    assert [problem.rpartition("/")[2].partition(":")[0] for problem in problems] == ["bad.json", "web.yaml"]


def test_each_static_pod_gets_its_own_mirror() -> None:
    pod = static_pod(WEB, "/m/web.yaml", "n1")
    mirror = with_metadata(mirror_of(pod, "node-uid"), uid="api-uid")
    stale = with_metadata(mirror, annotations={MIRROR: "other"})
    going = with_metadata(mirror, deletion_timestamp="2026-01-02T03:04:05Z")
    key = key_of(pod)

    assert mirror.metadata.owner_references[0].uid == "node-uid"
    assert plan_mirrors([pod], {}).wanted == (pod,)
    assert plan_mirrors([pod], {key: mirror}) == plan_mirrors([], {})
    assert plan_mirrors([pod], {key: stale}).doomed == (stale,)
    assert plan_mirrors([pod], {key: going}).doomed == (going,)
    assert plan_mirrors([], {key: mirror}).doomed == (mirror,)


@dataclass
class Place:
    """A folder of manifests, the API and the runtime of the node that runs them."""

    folder: Path
    api: FakeClient
    runtime: FakeRuntime

    def mirrors(self) -> list[Pod]:
        """Return the mirror pods that are stored."""
        return self.api.stored(Pod)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A node n1 with a folder for static pods."""
    folder = tmp_path / "static"
    api = FakeClient()
    api.put(Node(metadata=ObjectMeta(name="n1", uid="node-uid")))
    async with FakeRuntime(tmp_path / "cri.sock") as runtime, agent(api, runtime, tmp_path, static=folder):
        yield Place(folder, api, runtime)


async def test_a_file_brings_up_a_pod_that_the_api_shows(place: Place) -> None:
    (place.folder / "web.yaml").write_text(WEB)

    await until(lambda: [pod.status.phase for pod in place.mirrors()] == ["Running"])

    (mirror,) = place.mirrors()
    assert place.runtime.calls == ["run web-n1", "create main 0", "start main 0"]
    assert mirror.metadata.annotations[MIRROR] == mirror.metadata.annotations["kubernetes.io/config.hash"]


async def test_a_mirror_that_somebody_deletes_comes_back_and_nothing_is_restarted(place: Place) -> None:
    (place.folder / "web.yaml").write_text(WEB)
    await until(lambda: [pod.status.phase for pod in place.mirrors()] == ["Running"])
    (first,) = place.mirrors()

    await place.api.delete(Pod, "web-n1", namespace="default", grace_s=30)

    await until(lambda: [pod.metadata.uid for pod in place.mirrors()] not in ([], [first.metadata.uid]))
    await until(lambda: [pod.status.phase for pod in place.mirrors()] == ["Running"])
    assert place.runtime.calls == ["run web-n1", "create main 0", "start main 0"]


async def test_a_mirror_says_again_that_its_pod_is_ready_after_its_node_seemed_lost(place: Place) -> None:
    def is_ready() -> bool:
        conditions = [one for mirror in place.mirrors() for one in mirror.status.conditions]
        return [one.status for one in conditions if one.type == "Ready"] == ["True"]

    (place.folder / "web.yaml").write_text(WEB)
    await until(is_ready)
    lost = {"type": "Ready", "status": "False", "reason": "NodeNotReady"}

    await place.api.patch(Pod, "web-n1", {"status": {"conditions": [lost]}}, namespace="default", subresource="status")

    assert not is_ready()
    await until(is_ready)


async def test_another_content_replaces_the_pod_once_the_old_one_is_gone(place: Place) -> None:
    (place.folder / "web.yaml").write_text(WEB)
    await until(lambda: [pod.status.phase for pod in place.mirrors()] == ["Running"])

    (place.folder / "web.yaml").write_text(WEB.replace("[sleep]", "[sleep, longer]"))
    await until(lambda: place.runtime.calls.count("start main 0") == 2)

    calls = place.runtime.calls
    assert calls.index("kill main") < calls.index("remove sandbox-1") < len(calls) - 1 - calls[::-1].index("run web-n1")


async def test_a_removed_file_ends_its_pod_and_takes_its_mirror_away(place: Place) -> None:
    (place.folder / "web.yaml").write_text(WEB.replace("spec:", "spec:\n  terminationGracePeriodSeconds: 7"))
    await until(lambda: [pod.status.phase for pod in place.mirrors()] == ["Running"])

    (place.folder / "web.yaml").unlink()
    await until(lambda: not place.mirrors() and not place.runtime.sandboxes)

    assert place.runtime.graces == [7]


async def test_a_mirror_without_a_file_is_deleted(place: Place) -> None:
    """The file went while the agent was down."""
    orphan = mirror_of(static_pod(WEB, "/m/web.yaml", "n1"), "node-uid")
    place.api.put(replace(with_metadata(orphan, uid="api-uid"), status=orphan.status))

    await until(lambda: not place.mirrors())
