"""The `kubernetes_asyncio` client from PyPI, unmodified."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.client.exceptions import ApiException
from kubernetes_asyncio.stream import WsApiClient

from tests.e2e.conftest import Cluster

pytestmark = [pytest.mark.root, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

APPLY = "application/apply-patch+yaml"


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[client.ApiClient]:
    connected = await config.new_client_from_config(str(cluster.kubeconfig))
    yield connected
    await connected.close()


def page(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def test_objects_are_written_in_every_way(api: client.ApiClient, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    found = await core.create_namespaced_config_map(namespace, page("page", a="1"))
    found.data["b"] = "2"
    await core.replace_namespaced_config_map("page", namespace, found)
    await core.patch_namespaced_config_map("page", namespace, {"data": {"c": "3"}})
    applied = await core.patch_namespaced_config_map(
        "page", namespace, page("page", d="4"), field_manager="me", _content_type=APPLY
    )

    assert applied.data == {"a": "1", "b": "2", "c": "3", "d": "4"}
    await core.delete_namespaced_config_map("page", namespace)
    with pytest.raises(ApiException) as missing:
        await core.read_namespaced_config_map("page", namespace)
    assert (missing.value.status, missing.value.reason) == (404, "Not Found")


async def test_a_watch_tells_what_happens_after_a_list(api: client.ApiClient, namespace: str) -> None:
    core: Any = client.CoreV1Api(api)
    version = (await core.list_namespaced_config_map(namespace)).metadata.resource_version
    await core.create_namespaced_config_map(namespace, page("page"))
    await core.delete_namespaced_config_map("page", namespace)

    told = []
    async with watch.Watch() as watching:
        since = {"resource_version": version, "timeout_seconds": 30}
        async for event in watching.stream(core.list_namespaced_config_map, namespace, **since):
            if event["object"].metadata.name == "page":
                told.append(event["type"])
            if event["type"] == "DELETED":
                watching.stop()

    assert told == ["ADDED", "DELETED"]


async def test_a_pod_tells_its_log_and_runs_a_command(api: client.ApiClient, cluster: Cluster, talker: str) -> None:
    assert await client.CoreV1Api(api).read_namespaced_pod_log("talker", talker) == "one\ntwo\n"

    configuration = client.Configuration()
    await config.load_kube_config(str(cluster.kubeconfig), client_configuration=configuration)
    async with WsApiClient(configuration=configuration) as streaming:
        core: Any = client.CoreV1Api(streaming)
        said = await core.connect_get_namespaced_pod_exec(
            "talker", talker, command=["/bin/echo", "hello"], stdout=True, stderr=True, stdin=False
        )
    assert said == "hello\n"
