"""The official Python client from PyPI, unmodified."""

import pytest
from kubernetes import client, config, watch

from tests.e2e.conftest import Cluster

pytestmark = [pytest.mark.root, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def deployment(name: str) -> client.V1Deployment:
    container = client.V1Container(
        name="main",
        image="wherry.local/host",
        command=["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.2; done"],
    )
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels={"app": name}),
        spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=1),
    )
    spec = client.V1DeploymentSpec(
        replicas=2, selector=client.V1LabelSelector(match_labels={"app": name}), template=template
    )
    return client.V1Deployment(metadata=client.V1ObjectMeta(name=name), spec=spec)


def test_a_deployment_is_created_watched_and_deleted(cluster: Cluster) -> None:
    with config.new_client_from_config(str(cluster.kubeconfig)) as api:
        apps = client.AppsV1Api(api)
        created = apps.create_namespaced_deployment("default", deployment("from-python"))
        assert created.metadata is not None
        assert created.metadata.uid

        ready = False
        for event in watch.Watch().stream(apps.list_namespaced_deployment, "default", timeout_seconds=60):
            status = event["object"].status
            if event["object"].metadata.name == "from-python" and status.ready_replicas == 2:
                ready = True
                break
        assert ready

        apps.delete_namespaced_deployment("from-python", "default", propagation_policy="Foreground")
        kinds = []
        version = created.metadata.resource_version
        for event in watch.Watch().stream(
            apps.list_namespaced_deployment, "default", resource_version=version, timeout_seconds=60
        ):
            kinds.append(event["type"])
            if event["type"] == "DELETED":
                break
        assert kinds[-1] == "DELETED"
