"""The real kubectl, unmodified, on a real cluster."""

import base64
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from kube.config import load_kubeconfig, save_kubeconfig
from kube.pki import Subject, new_key, signing_request
from tests.e2e.conftest import Cluster, Result, eventually, kubectl_binary, succeed

Kubectl = Callable[..., Result]

pytestmark = pytest.mark.root

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: wherry.local/host
        command: [/bin/sh, -c, "echo ready as $ROLE; trap 'exit 0' TERM; while :; do sleep 0.2; done"]
        env: [{name: ROLE, value: first}]
        resources: {requests: {cpu: 5m, memory: 8Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""

REQUEST = """
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: {name}}}
spec: {{request: {text}, signerName: kubernetes.io/kube-apiserver-client, expirationSeconds: 3600, usages: [{usage}]}}
"""


@pytest.fixture
def web(kubectl: Kubectl, namespace: str) -> str:
    """A namespace in which the Deployment `web` is complete."""
    succeed(kubectl("apply", "-n", namespace, "-f", "-", stdin=DEPLOYMENT))
    succeed(kubectl("rollout", "status", "deploy/web", "-n", namespace, "--timeout=60s"))
    return namespace


def pods(kubectl: Kubectl, namespace: str) -> list[str]:
    """Return the pods of `web` that are not on their way out."""
    found = json.loads(succeed(kubectl("get", "pods", "-n", namespace, "-l", "app=web", "-o", "json")))["items"]
    return [pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]]


def test_version_and_kinds_are_told(kubectl: Kubectl) -> None:
    assert "v1.36" in succeed(kubectl("version"))
    kinds = succeed(kubectl("api-resources"))

    assert all(word in kinds for word in ("deployments", "services", "endpointslices", "leases"))


def test_get_prints_the_usual_columns(kubectl: Kubectl, web: str) -> None:
    table = succeed(kubectl("get", "pods", "-n", web)).splitlines()
    wide = succeed(kubectl("get", "pods", "-n", web, "-o", "wide"))

    assert table[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert table[1].split()[1:4] == ["1/1", "Running", "0"]
    assert "NODE" in wide.splitlines()[0]


@pytest.mark.parametrize("form", ["yaml", "json", "name"])
def test_get_in_other_forms_names_the_object(kubectl: Kubectl, web: str, form: str) -> None:
    assert "web" in succeed(kubectl("get", "deploy/web", "-n", web, "-o", form))


def test_get_all_lists_every_kind_of_the_category(kubectl: Kubectl, web: str) -> None:
    out = succeed(kubectl("get", "all", "-n", web))

    assert all(word in out for word in ("pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-"))


@pytest.mark.parametrize("target", ["pod", "deployment/web", "service/web", "node"])
def test_describe_tells_what_is_known(kubectl: Kubectl, web: str, target: str) -> None:
    out = succeed(kubectl("describe", target, "-n", web))

    assert out.startswith("Name:")
    assert "Events:" in out or target == "service/web"


def test_a_change_is_rolled_out_and_taken_back(kubectl: Kubectl, web: str) -> None:
    succeed(kubectl("set", "env", "deploy/web", "-n", web, "ROLE=second"))
    succeed(kubectl("rollout", "status", "deploy/web", "-n", web, "--timeout=60s"))
    assert "ready as second" in succeed(kubectl("logs", pods(kubectl, web)[0], "-n", web))

    succeed(kubectl("rollout", "undo", "deploy/web", "-n", web))
    succeed(kubectl("rollout", "status", "deploy/web", "-n", web, "--timeout=60s"))

    assert "ready as first" in succeed(kubectl("logs", pods(kubectl, web)[0], "-n", web))


def test_scale_changes_the_number_of_pods(kubectl: Kubectl, web: str) -> None:
    succeed(kubectl("scale", "deploy/web", "-n", web, "--replicas=3"))

    eventually("three pods", lambda: len(pods(kubectl, web)) == 3)
    succeed(kubectl("wait", "-n", web, "--for=condition=Ready", "pod", "-l", "app=web", "--timeout=60s"))


def test_exec_returns_output_and_exit_code(kubectl: Kubectl, web: str) -> None:
    pod = pods(kubectl, web)[0]

    assert succeed(kubectl("exec", pod, "-n", web, "--", "/bin/echo", "hello")).strip() == "hello"
    assert kubectl("exec", pod, "-n", web, "--", "/bin/sh", "-c", "exit 7").code == 7


def test_exec_passes_standard_input_on(kubectl: Kubectl, web: str) -> None:
    pod = pods(kubectl, web)[0]

    assert (
        succeed(kubectl("exec", "-i", pod, "-n", web, "--", "/bin/cat", stdin="through and back")) == "through and back"
    )


def test_labels_annotations_and_three_kinds_of_patch_are_kept(kubectl: Kubectl, web: str) -> None:
    succeed(kubectl("label", "deploy/web", "-n", web, "tier=front"))
    succeed(kubectl("annotate", "deploy/web", "-n", web, "owner=me"))
    succeed(kubectl("patch", "deploy/web", "-n", web, "-p", '{"metadata":{"labels":{"a":"1"}}}'))
    succeed(kubectl("patch", "deploy/web", "-n", web, "--type=merge", "-p", '{"metadata":{"labels":{"b":"2"}}}'))
    operations = '[{"op":"add","path":"/metadata/labels/c","value":"3"}]'
    succeed(kubectl("patch", "deploy/web", "-n", web, "--type=json", "-p", operations))

    metadata = json.loads(succeed(kubectl("get", "deploy/web", "-n", web, "-o", "json")))["metadata"]

    assert metadata["labels"] == {"app": "web", "tier": "front", "a": "1", "b": "2", "c": "3"}
    assert metadata["annotations"]["owner"] == "me"


def test_applying_the_same_again_changes_nothing(kubectl: Kubectl, web: str) -> None:
    out = succeed(kubectl("apply", "-n", web, "-f", "-", stdin=DEPLOYMENT))

    assert out.splitlines() == ["deployment.apps/web unchanged", "service/web unchanged"]


def test_wherry_takes_what_kubectl_applied_only_by_force(kubectl: Kubectl, cluster: Cluster, namespace: str) -> None:
    """Two tools that apply the same object should be a decision."""
    page = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: page}\ndata: {text: %s}\n"
    succeed(kubectl("apply", "-n", namespace, "-f", "-", stdin=page % "one"))

    refused = cluster.wherry("apply", "-n", namespace, "-f", "-", stdin=page % "two")
    forced = cluster.wherry("apply", "-n", namespace, "--force-conflicts", "-f", "-", stdin=page % "two")

    assert refused.code == 1
    assert '.data.text is managed by "kubectl-client-side-apply" using v1' in refused.err
    assert succeed(forced) == "configmap/page applied\n"


def test_watch_tells_of_changes_as_they_happen(kubectl: Kubectl, web: str, cluster: Cluster) -> None:
    argv = [
        kubectl_binary("1.32"),
        "--kubeconfig",
        str(cluster.kubeconfig),
        "get",
        "deploy",
        "-n",
        web,
        "-w",
        "--no-headers",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().split()[1] == "2/2"

        succeed(kubectl("scale", "deploy/web", "-n", web, "--replicas=1"))
        line = ""
        until = time.monotonic() + 30
        while not line.startswith("web") or line.split()[1] != "1/1":
            line = watching.stdout.readline()
            assert time.monotonic() < until
        watching.terminate()


def test_logs_follow_what_is_printed(kubectl: Kubectl, web: str) -> None:
    assert "ready as first" in succeed(kubectl("logs", "-n", web, pods(kubectl, web)[0], "--tail=1", "--timestamps"))


def test_delete_waits_until_the_pods_are_gone(kubectl: Kubectl, web: str) -> None:
    succeed(kubectl("delete", "deploy/web", "-n", web, "--cascade=foreground", "--timeout=60s"))

    assert pods(kubectl, web) == []


def test_a_cordoned_node_gets_no_pods(kubectl: Kubectl, web: str) -> None:
    node = succeed(kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"))
    succeed(kubectl("cordon", node))
    try:
        succeed(kubectl("scale", "deploy/web", "-n", web, "--replicas=3"))
        eventually("a pod that waits", lambda: "Pending" in kubectl("get", "pods", "-n", web).out)
    finally:
        succeed(kubectl("uncordon", node))

    succeed(kubectl("rollout", "status", "deploy/web", "-n", web, "--timeout=60s"))


def test_what_cannot_be_is_refused_with_the_field(kubectl: Kubectl, namespace: str) -> None:
    bad = DEPLOYMENT.replace("replicas: 2", "replicas: -1").replace(
        "selector: {matchLabels: {app: web}}", "selector: {matchLabels: {app: other}}"
    )

    result = kubectl("apply", "-n", namespace, "-f", "-", stdin=bad)

    assert result.code == 1
    assert "spec.replicas: Invalid value: -1: must be greater than or equal to 0" in result.err
    assert "`selector` does not match template `labels`" in result.err


def test_a_person_gets_a_certificate_that_somebody_approves(
    kubectl: Kubectl, cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    key = new_key()
    text = base64.b64encode(signing_request(key, Subject("carol", ("devs",))).encode()).decode()
    succeed(kubectl("create", "-f", "-", stdin=REQUEST.format(name=namespace, text=text, usage="client auth")))

    succeed(kubectl("certificate", "approve", namespace))

    def certificate() -> str:
        return succeed(kubectl("get", "csr", namespace, "-o", "jsonpath={.status.certificate}"))

    eventually("the certificate is signed", lambda: certificate() != "")
    signed = base64.b64decode(certificate()).decode()
    access = replace(load_kubeconfig(cluster.kubeconfig), certificate_pem=signed, key_pem=key)
    save_kubeconfig(tmp_path / "carol", access, "carol")
    as_carol = f"--kubeconfig={tmp_path}/carol"
    assert 'User "carol" cannot list resource "pods"' in kubectl("get", "pods", "-n", namespace, as_carol).err
    succeed(kubectl("get", "--raw", "/version", as_carol))


def test_a_certificate_that_its_signer_refuses_is_told_as_failed(kubectl: Kubectl, namespace: str) -> None:
    text = base64.b64encode(signing_request(new_key(), Subject("carol")).encode()).decode()
    succeed(kubectl("create", "-f", "-", stdin=REQUEST.format(name=namespace, text=text, usage="server auth")))

    succeed(kubectl("certificate", "approve", namespace))

    succeed(kubectl("wait", f"csr/{namespace}", "--for=condition=Failed", "--timeout=30s"))
    assert "Approved,Failed" in succeed(kubectl("get", "csr", namespace))
