"""Volumes as people use them: real manifests through the real kubectl, on a real node."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import PODS_ON, Cluster, eventually, kubectl_binary, run, succeed

pytestmark = pytest.mark.root

ONE_GIB = "accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}"
CLAIM = f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec: {{{ONE_GIB}}}
"""


class Place:
    """A namespace of the cluster, and kubectl in it."""

    def __init__(self, binary: str, cluster: Cluster, namespace: str, home: Path) -> None:
        self.cluster = cluster
        self._argv = [binary, "-n", namespace]
        self._env = {"KUBECONFIG": str(cluster.kubeconfig), "HOME": str(home)}

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """Run kubectl and return what it prints. Fails the test where it ends badly."""
        return succeed(run([*self._argv, *words], stdin=stdin, env=self._env, timeout_s=90.0))

    def apply(self, *documents: str) -> None:
        """Apply manifests."""
        self.kubectl("apply", "-f", "-", stdin="\n---\n".join(documents))

    def get(self, *words: str) -> Any:
        """Return an object, None where it is gone."""
        text = self.kubectl("get", *words, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text else None

    def pod(self, name: str, command: str, *volumes: str, paths: str = "", more: str = "") -> None:
        """Apply a pod that runs a shell command. volumes: as flow mappings; paths: its mounts, likewise."""
        self.apply(f"""
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  {more}
  containers:
  - {{name: main, image: wherry.local/host, command: [/bin/sh, -c, {json.dumps(command)}], volumeMounts: [{paths}]}}
  volumes: [{", ".join(volumes)}]
""")

    def ready(self, name: str) -> None:
        """Wait for a pod that goes on running."""
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")

    def output(self, name: str) -> str:
        """Return what a pod printed until its good end."""
        self.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=60s")
        return self.kubectl("logs", name)

    def told(self, reason: str) -> list[str]:
        """Return the messages of the events with a reason."""
        events = json.loads(self.kubectl("get", "events", "--field-selector", f"reason={reason}", "-o", "json"))
        return [event["message"] for event in events["items"]]


@pytest.fixture
def place(cluster: Cluster, tmp_path: Path) -> Iterator[Place]:
    binary = kubectl_binary("1.32")
    if not binary:
        pytest.skip("kubectl is not on PATH")
    name = f"v-{uuid.uuid4().hex[:8]}"
    made = Place(binary, cluster, name, tmp_path)
    made.kubectl("create", "namespace", name)
    yield made
    made.kubectl("delete", "namespace", name)


def using(claim: str) -> str:
    """Return a volume that is a claim."""
    return f"{{name: v, persistentVolumeClaim: {{claimName: {claim}}}}}"


def test_a_claim_keeps_data_from_pod_to_pod_and_its_directory_goes_with_it(place: Place) -> None:
    place.apply(CLAIM)
    eventually("the claim waits for a pod", lambda: bool(place.told("WaitForFirstConsumer")))
    place.pod("first", "echo kept > /v/file", using("data"), paths="{name: v, mountPath: /v}")
    place.output("first")
    place.kubectl("delete", "pod", "first")
    place.pod("second", "cat /v/file", using("data"), paths="{name: v, mountPath: /v}")
    assert place.output("second") == "kept\n"
    volume = place.get("pv", place.get("pvc", "data")["spec"]["volumeName"])
    folder = Path(volume["spec"]["local"]["path"])
    assert folder.is_relative_to(place.cluster.kubeconfig.parent)
    assert (folder / "file").read_text() == "kept\n"

    place.kubectl("delete", "pod", "second")
    place.kubectl("delete", "pvc", "data")

    eventually("the volume is gone", lambda: place.get("pv", volume["metadata"]["name"]) is None)
    assert not folder.exists()


def test_a_claim_in_use_stays_until_its_pod_is_gone(place: Place) -> None:
    place.apply(CLAIM)
    place.pod("user", "exec sleep 1000", using("data"), paths="{name: v, mountPath: /v}")
    place.ready("user")

    place.kubectl("delete", "pvc", "data", "--wait=false")

    assert place.get("pvc", "data")["metadata"]["deletionTimestamp"]
    assert place.get("pvc", "data")["status"]["phase"] == "Bound"
    assert "Terminating" in place.kubectl("get", "pvc", "data")
    place.kubectl("delete", "pod", "user")
    eventually("the claim is gone", lambda: place.get("pvc", "data") is None)


def test_a_class_of_attributes_stays_until_no_claim_has_it(place: Place) -> None:
    name = f"gold-{uuid.uuid4().hex[:8]}"
    attributes = "apiVersion: storage.k8s.io/v1\nkind: VolumeAttributesClass\ndriverName: a.example\nparameters: {a: b}"
    place.apply(f"{attributes}\nmetadata: {{name: {name}}}")
    place.apply(CLAIM.replace(ONE_GIB, f"{ONE_GIB}, volumeAttributesClassName: {name}"))

    place.kubectl("delete", "vac", name, "--wait=false")

    assert place.get("vac", name)["metadata"]["deletionTimestamp"]
    place.kubectl("delete", "pvc", "data")
    eventually("the class is gone", lambda: place.get("vac", name) is None)


def test_a_volume_of_ones_own_is_bound_by_class_size_and_labels_and_is_retained(place: Place, tmp_path: Path) -> None:
    name = f"disk-{uuid.uuid4().hex[:8]}"
    place.apply(
        f"""
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}, labels: {{disk: {name}}}}}
spec:
  capacity: {{storage: 2Gi}}
  accessModes: [ReadWriteOnce]
  storageClassName: manual
  hostPath: {{path: {tmp_path}/disk, type: DirectoryOrCreate}}
""",
        f"""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: mine}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: manual
  selector: {{matchLabels: {{disk: {name}}}}}
  resources: {{requests: {{storage: 1Gi}}}}
""",
    )
    place.pod("writer", "echo here > /v/file", using("mine"), paths="{name: v, mountPath: /v}")
    place.output("writer")
    assert (tmp_path / "disk" / "file").read_text() == "here\n"
    assert place.get("pvc", "mine")["status"]["capacity"]["storage"] == "2Gi"

    place.kubectl("delete", "pod", "writer")
    place.kubectl("delete", "pvc", "mine")

    eventually("the volume is released", lambda: place.get("pv", name)["status"]["phase"] == "Released")
    assert (tmp_path / "disk" / "file").exists()
    place.kubectl("delete", "pv", name)


def test_an_ephemeral_volume_comes_and_goes_with_its_pod(place: Place) -> None:
    volume = f"{{name: v, ephemeral: {{volumeClaimTemplate: {{spec: {{{ONE_GIB}}}}}}}}}"
    place.pod("scratch", "touch /v/file; exec sleep 1000", volume, paths="{name: v, mountPath: /v}")
    place.ready("scratch")
    assert place.get("pvc", "scratch-v")["status"]["phase"] == "Bound"

    place.kubectl("delete", "pod", "scratch")

    eventually("its claim is gone", lambda: place.get("pvc", "scratch-v") is None)


def test_what_stands_in_the_way_of_a_pods_volumes_is_told(place: Place) -> None:
    place.apply(CLAIM.replace("data}", "unclassed}").replace("spec: {", 'spec: {storageClassName: "", '))
    mount = "{name: v, mountPath: /v}"
    place.pod("missing", "true", using("nowhere"), paths=mount)
    place.pod("unbound", "true", using("unclassed"), paths=mount)
    place.pod("driver", "true", "{name: v, csi: {driver: example.com}}", paths=mount)
    place.pod("no-socket", "true", "{name: v, hostPath: {path: /etc, type: Socket}}", paths=mount)

    for reason, count in (("FailedScheduling", 2), ("FailedMount", 2), ("FailedBinding", 1)):
        eventually(f"{reason} is told", lambda: len(place.told(reason)) >= count)  # noqa: B023 - asked in this turn alone.

    assert set(place.told("FailedScheduling")) == {
        '0/1 nodes are available: persistentvolumeclaim "nowhere" not found.',
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
    }
    mounts = " ".join(place.told("FailedMount"))
    assert "csi can't be mounted by this node; use" in mounts
    assert "hostPath type check failed: /etc is not a socket file" in mounts
    assert place.told("FailedBinding") == ["no persistent volumes available for this claim and no storage class is set"]


def test_a_change_of_a_config_map_is_in_the_volume_soon_and_all_at_once(place: Place) -> None:
    place.kubectl("create", "configmap", "words", "--from-literal=one=old", "--from-literal=two=old")
    volume = "{name: v, projected: {sources: [{configMap: {name: words}}]}}"
    both = "while :; do (cd -P /v/..data && cat one two 2>/dev/null; echo); sleep 0.02; done"
    place.pod("reader", both, volume, paths="{name: v, mountPath: /v}")
    place.ready("reader")

    place.kubectl("patch", "configmap", "words", "-p", '{"data": {"one": "new", "two": "new"}}')
    began = time.monotonic()
    eventually("the change is seen", lambda: "new" in place.kubectl("logs", "reader", "--tail=2"))

    assert time.monotonic() - began < 10, "it is made by a watch, not by a round that takes a minute"
    seen = set(place.kubectl("logs", "reader").split())
    assert {"oldold", "newnew"} <= seen
    assert not {"oldnew", "newold"} & seen


def test_an_empty_dir_that_outgrows_its_limit_evicts_its_pod(place: Place) -> None:
    fill = "head -c 3000000 /dev/zero > /v/file; exec sleep 1000"
    place.pod("hungry", fill, "{name: v, emptyDir: {sizeLimit: 1Mi}}", paths="{name: v, mountPath: /v}")

    eventually("it is evicted", lambda: place.get("pod", "hungry")["status"].get("reason") == "Evicted")

    status = place.get("pod", "hungry")["status"]
    assert (status["phase"], status["message"]) == ("Failed", 'Usage of EmptyDir volume "v" exceeds the limit "1Mi".')


def test_files_belong_to_whom_the_security_context_names(place: Place) -> None:
    place.kubectl("create", "secret", "generic", "key", "--from-literal=key=x")
    place.apply(CLAIM)
    show = "stat -c '%n %u %g %a' -L /s/key /t/token /d; stat -f -c '%T' /s /t"
    token = "{name: t, projected: {sources: [{serviceAccountToken: {path: token}}]}}"
    secret = "{name: s, secret: {secretName: key, defaultMode: 0400}}"
    place.pod(
        "owner",
        show,
        secret,
        token,
        "{name: d, persistentVolumeClaim: {claimName: data}}",
        paths="{name: s, mountPath: /s}, {name: t, mountPath: /t}, {name: d, mountPath: /d}",
        more="securityContext: {runAsUser: 1000, fsGroup: 2000}",
    )

    assert place.output("owner").splitlines() == [
        "/s/key 0 2000 440",
        "/t/token 1000 2000 640",
        "/d 0 2000 2777",
        "tmpfs",
        "tmpfs",
    ]


def test_a_sub_path_never_leads_out_of_its_volume(place: Place) -> None:
    """The first container plants a link; the second is to get what it leads to."""
    place.apply("""
apiVersion: v1
kind: Pod
metadata: {name: escape}
spec:
  restartPolicy: Never
  initContainers:
  - name: plant
    image: wherry.local/host
    command: [/bin/ln, -s, /etc, /v/out]
    volumeMounts: [{name: v, mountPath: /v}]
  containers:
  - name: main
    image: wherry.local/host
    command: [/bin/ls, /v]
    volumeMounts: [{name: v, mountPath: /v, subPath: out}]
  volumes: [{name: v, emptyDir: {}}]
""")

    def waiting() -> Any:
        states = place.get("pod", "escape")["status"].get("containerStatuses", [{}])
        return states[0].get("state", {}).get("waiting", {})

    eventually("it is refused", lambda: waiting().get("reason") == "CreateContainerConfigError")

    assert "leads out of its volume" in waiting()["message"]


def test_an_image_is_a_volume_that_nobody_writes_to(place: Place, tmp_path: Path) -> None:
    if PODS_ON:
        place.pod(
            "reader", "true", "{name: v, image: {reference: wherry.local/host}}", paths="{name: v, mountPath: /v}"
        )
        eventually("it is told that it can't be", lambda: place.told("Failed") != [])
        pytest.skip(f"{place.cluster.runtime}: {place.told('Failed')[0]}")
    (tmp_path / "tree" / "main").mkdir(parents=True)
    (tmp_path / "tree" / "main" / "words").write_text("from an image\n")
    succeed(place.cluster.wherry("image", "import", str(tmp_path / "tree"), "example.test/words:1"))
    whole, part = "{name: v, mountPath: /v}", "{name: v, mountPath: /part, subPath: main}"

    volume = "{name: v, image: {reference: 'example.test/words:1'}}"
    place.pod("reader", "cat /v/main/words /part/words; ! touch /v/new", volume, paths=f"{whole}, {part}")

    assert place.output("reader").splitlines()[:2] == ["from an image"] * 2
