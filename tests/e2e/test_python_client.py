"""The official Python client from PyPI, unmodified."""

from collections.abc import Iterator

import pytest
from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

from tests.e2e.conftest import Cluster, eventually

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


SHOUTING = """
import socket
listening = socket.create_server(("127.0.0.1", 9000))
while True:
    connection, _ = listening.accept()
    connection.sendall(connection.recv(9).upper())
"""


@pytest.fixture
def listening(cluster: Cluster) -> Iterator[client.CoreV1Api]:
    """A pod `listening` that answers at port 9000 of its loopback."""
    container = client.V1Container(name="main", image="wherry.local/host", command=["python3", "-c", SHOUTING])
    spec = client.V1PodSpec(containers=[container], termination_grace_period_seconds=0)
    pod = client.V1Pod(metadata=client.V1ObjectMeta(name="listening"), spec=spec)
    with config.new_client_from_config(str(cluster.kubeconfig)) as api:
        core = client.CoreV1Api(api)
        core.create_namespaced_pod("default", pod)

        def is_running() -> bool:
            status = core.read_namespaced_pod("listening", "default").status
            return status is not None and status.phase == "Running"

        eventually("the pod runs", is_running)
        yield core
        core.delete_namespaced_pod("listening", "default")


def test_a_command_s_input_output_and_code_pass(listening: client.CoreV1Api) -> None:
    command = ["sh", "-c", "read x; echo got $x; echo bad >&2; exit 3"]
    streams = {"stdin": True, "stdout": True, "stderr": True, "tty": False, "_preload_content": False}

    running = stream(listening.connect_get_namespaced_pod_exec, "listening", "default", command=command, **streams)
    running.write_stdin("word\n")
    running.run_forever(timeout=60)
    running.close()

    assert (running.read_stdout(), running.read_stderr(), running.returncode) == ("got word\n", "bad\n", 3)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # It never closes its WebSocket.
def test_a_port_is_forwarded(listening: client.CoreV1Api) -> None:
    def is_answered() -> bool:
        """Say whether the pod answers: its server may not have begun yet."""
        forward = portforward(listening.connect_get_namespaced_pod_portforward, "listening", "default", ports="9000")
        connection = forward.socket(9000)
        connection.settimeout(10)
        connection.sendall(b"word word")
        answer: bytes = connection.recv(9)
        connection.close()
        return answer == b"WORD WORD"

    eventually("the pod answers", is_answered)
