"""The official Python client from PyPI, unmodified: objects in every way, lists, refusals, a pod's log and commands."""

import gc
import json
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream

from tests.e2e.conftest import Cluster

pytestmark = [pytest.mark.root, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

APPLY = "application/apply-patch+yaml"


@pytest.fixture
def api(cluster: Cluster) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(cluster.kubeconfig)) as connected:
        yield connected


def page(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_objects_are_replaced_patched_and_applied(api: client.ApiClient, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    found = core.create_namespaced_config_map(namespace, page("page", a="1"))
    found.data["b"] = "2"
    core.replace_namespaced_config_map("page", namespace, found)
    core.patch_namespaced_config_map("page", namespace, {"data": {"c": "3"}})
    operations = [{"op": "remove", "path": "/data/a"}]
    core.patch_namespaced_config_map("page", namespace, operations)

    applied = core.patch_namespaced_config_map(
        "page", namespace, page("page", d="4"), field_manager="me", _content_type=APPLY
    )

    assert applied.data == {"b": "2", "c": "3", "d": "4"}
    assert ("me", "Apply") in {(entry.manager, entry.operation) for entry in applied.metadata.managed_fields}


def test_a_long_list_comes_in_pages(api: client.ApiClient, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    for number in range(5):
        core.create_namespaced_config_map(namespace, page(f"page-{number}"))

    pages = [core.list_namespaced_config_map(namespace, limit=2)]
    while pages[-1].metadata._continue:
        pages.append(core.list_namespaced_config_map(namespace, limit=2, _continue=pages[-1].metadata._continue))

    names = [item.metadata.name for listed in pages for item in listed.items]
    assert len(pages) == 3
    assert [name for name in names if name.startswith("page-")] == [f"page-{number}" for number in range(5)]


def test_refusals_are_the_clients_own_exceptions(api: client.ApiClient, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    core.create_namespaced_config_map(namespace, page("page"))

    with pytest.raises(ApiException) as missing:
        core.read_namespaced_pod("nosuch", namespace)
    with pytest.raises(ApiException) as taken:
        core.create_namespaced_config_map(namespace, page("page"))
    with pytest.raises(ApiException) as invalid:
        core.create_namespaced_config_map(namespace, page("Not A Name"))

    told = [(error.value.status, json.loads(error.value.body or "")["reason"]) for error in (missing, taken, invalid)]
    assert told == [(404, "NotFound"), (409, "AlreadyExists"), (422, "Invalid")]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_pod_tells_its_log_and_runs_a_command(api: client.ApiClient, talker: str) -> None:
    core: Any = client.CoreV1Api(api)

    assert core.read_namespaced_pod_log("talker", talker) == "one\ntwo\n"
    assert core.read_namespaced_pod_log("talker", talker, tail_lines=1) == "two\n"
    command = ["/bin/sh", "-c", "echo out; echo err >&2"]
    asked = {"command": command, "stdout": True, "stderr": True, "stdin": False, "_preload_content": False}
    running = stream(core.connect_get_namespaced_pod_exec, "talker", talker, **asked)
    running.run_forever(timeout=30)
    assert (running.read_stdout(), running.read_stderr(), running.returncode) == ("out\n", "err\n", 0)
    del running
    gc.collect()  # The client leaves its socket to the garbage collector, which warns of that.
