"""The real kubectl, unmodified, on the kinds: create, print, explain, refuse."""

import json
from pathlib import Path

import pytest

from tests.apiserver.kubectl import Kubectl

MANIFEST = Path(__file__).with_name("one_of_each.yaml")
RECOMPUTED = {"statefulset", "networkpolicy", "poddisruptionbudget", "rolebinding", "limitrange", "secret"}


async def test_one_of_each_kind_is_created_from_its_briefest_manifest_and_then_left_alone(kubectl: Kubectl) -> None:
    """Strict field validation and client-side apply both work from our OpenAPI documents."""
    code, output = await kubectl("apply", "-f", str(MANIFEST))
    assert code == 0, output
    made = [line for line in output.splitlines() if line.endswith(" created")]
    assert len(made) == MANIFEST.read_text().count("\nkind: ")

    code, output = await kubectl("apply", "-f", str(MANIFEST))

    assert code == 0, output
    configured = {line.split(".")[0].split("/")[0] for line in output.splitlines() if line.endswith(" configured")}
    assert configured <= RECOMPUTED, output


async def test_every_kind_can_be_printed_as_a_wide_table(kubectl: Kubectl) -> None:
    _, names = await kubectl("api-resources", "--verbs=list", "-o", "name")
    await kubectl("apply", "-f", str(MANIFEST))
    resources = [name for name in names.splitlines() if name and not name.startswith("W")]
    assert len(resources) > 50

    code, output = await kubectl("get", ",".join(resources), "--all-namespaces", "-o", "wide")

    assert code == 0, output
    lines = {line.split()[1]: line.split() for line in output.splitlines() if line.startswith("default ")}
    assert lines["pod/web"][2:5] == ["0/2", "Pending", "0"]
    assert lines["deployment.apps/web"][2:5] == ["0/3", "0", "0"]
    assert lines["service/headless"][2:6] == ["ClusterIP", "None", "<none>", "80/TCP,81/TCP"]


async def test_a_kind_is_explained_in_the_words_of_its_type(kubectl: Kubectl) -> None:
    code, output = await kubectl("explain", "deployment.spec.strategy")

    assert code == 0, output
    assert "FIELD: strategy <DeploymentStrategy>" in output
    assert output.count("Whether old pods are replaced gradually or all stopped first.") == 1
    assert "rollingUpdate\t<RollingUpdateDeployment>" in output


async def test_a_kind_of_each_group_is_explained_with_all_that_it_is_made_of(kubectl: Kubectl) -> None:
    """Among them the definitions of custom resources, whose schema is made of itself."""
    _, names = await kubectl("api-resources", "--verbs=create", "-o", "name")
    resources = {name.partition(".")[2]: name for name in names.splitlines() if not name.startswith(("W", "events."))}
    assert len(resources) > 15

    for resource in resources.values():
        code, output = await kubectl("explain", resource, "--recursive")

        assert code == 0, output
        assert "FIELDS:" in output
        assert "<no description>" not in output


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("pod.spec.containers.ports.protocol", "The protocol that it speaks."),
        ("pod.spec.containers.livenessProbe.httpGet", "-required-"),
        ("deploy.spec.replicas", "How many pods there should be."),
        ("svc.metadata.labels", "Names and values by which objects are selected."),
        ("crd.spec.versions.schema.openAPIV3Schema", "additionalProperties"),
        ("hpa.spec.metrics.resource.target", "averageUtilization"),
        ("netpol.spec.ingress.from.ipBlock", "cidr"),
    ],
)
async def test_a_field_is_explained(kubectl: Kubectl, path: str, told: str) -> None:
    code, output = await kubectl("explain", path)

    assert code == 0, output
    assert told in output


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("deploy.spec.strategy", "Whether old pods are replaced gradually or all stopped first."),
        ("pod.spec.containers.ports", "containerPort"),
        ("crd.spec.versions.schema.openAPIV3Schema", "additionalProperties"),
    ],
)
async def test_a_field_is_explained_from_the_older_document_too(kubectl: Kubectl, path: str, told: str) -> None:
    code, output = await kubectl("explain", path, "--output=plaintext-openapiv2")

    assert code == 0, output
    assert told in output


async def test_objects_can_be_described(kubectl: Kubectl) -> None:
    await kubectl("apply", "-f", str(MANIFEST))

    code, output = await kubectl("describe", "pod/web", "deploy/web", "svc/web", "node/n1")

    assert code == 0, output
    assert "QoS Class:                   Burstable" in output
    assert "RollingUpdateStrategy:  25% max unavailable, 25% max surge" in output


async def test_all_that_is_wrong_with_an_object_is_told_at_once(kubectl: Kubectl, tmp_path: Path) -> None:
    wrong = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "Bad"},
        "spec": {
            "replicas": -1,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": [{"name": "x"}]}},
        },
    }
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))

    code, output = await kubectl("create", "-f", str(tmp_path / "wrong.json"))

    assert code == 1
    for field in ("metadata.name", "spec.replicas", "spec.template.metadata.labels", "containers[0].image"):
        assert field in output


async def test_what_a_cluster_needs_cannot_be_deleted(kubectl: Kubectl) -> None:
    code, output = await kubectl("delete", "namespace", "kube-system")

    assert code == 1
    assert 'namespaces "kube-system" is forbidden: this namespace may not be deleted' in output
