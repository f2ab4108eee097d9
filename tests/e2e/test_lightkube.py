"""The `lightkube` client from PyPI, unmodified."""

from collections.abc import Iterator

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

from tests.e2e.conftest import Cluster

pytestmark = pytest.mark.root


@pytest.fixture
def api(cluster: Cluster, namespace: str) -> Iterator[Client]:
    connected = Client(KubeConfig.from_file(str(cluster.kubeconfig)), namespace=namespace, field_manager="me")
    yield connected
    connected.close()


def page(name: str, **data: str) -> ConfigMap:
    return ConfigMap(apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name=name), data=data)


def test_objects_are_written_in_every_way(api: Client) -> None:
    found = api.create(page("page", a="1"))
    assert found.data is not None
    found.data["b"] = "2"
    api.replace(found)
    api.patch(ConfigMap, "page", {"data": {"c": "3"}})
    api.patch(ConfigMap, "page", {"data": {"c": None}}, patch_type=PatchType.MERGE)
    api.patch(ConfigMap, "page", [{"op": "remove", "path": "/data/a"}], patch_type=PatchType.JSON)

    applied = api.apply(page("page", d="4"))

    assert applied.data == {"b": "2", "d": "4"}
    api.delete(ConfigMap, "page")


def test_a_conflict_of_appliers_is_told_until_it_is_forced(api: Client) -> None:
    api.apply(page("page", a="1"))

    with pytest.raises(ApiError) as conflict:
        api.apply(page("page", a="2"), field_manager="other")
    forced = api.apply(page("page", a="2"), field_manager="other", force=True)

    assert conflict.value.status.code == 409
    assert conflict.value.status.message == 'Apply failed with 1 conflict: conflict with "me": .data.a'
    assert forced.data == {"a": "2"}


def test_lists_come_in_chunks_and_watches_go_on_from_there(api: Client) -> None:
    for number in range(5):
        api.create(page(f"page-{number}"))

    listed = api.list(ConfigMap, chunk_size=2)
    names = [item.metadata.name for item in listed if item.metadata]
    events = api.watch(ConfigMap, resource_version=listed.resourceVersion, server_timeout=30)
    api.delete(ConfigMap, "page-3")

    assert [name for name in names if name and name.startswith("page-")] == [f"page-{number}" for number in range(5)]
    told = next((event, obj.metadata.name) for event, obj in events if obj.metadata)
    assert told == ("DELETED", "page-3")


def test_refusals_are_the_clients_own_exceptions(api: Client) -> None:
    api.create(page("page"))

    with pytest.raises(ApiError) as missing:
        api.get(ConfigMap, "nosuch")
    with pytest.raises(ApiError) as taken:
        api.create(page("page"))
    with pytest.raises(ApiError) as invalid:
        api.create(page("Not A Name"))

    told = [(error.value.status.code, error.value.status.reason) for error in (missing, taken, invalid)]
    assert told == [(404, "NotFound"), (409, "AlreadyExists"), (422, "Invalid")]


def test_a_pod_tells_its_log_and_runs_a_command(api: Client, talker: str) -> None:
    assert list(api.log("talker", namespace=talker)) == ["one\n", "two\n"]

    said = api.exec("talker", namespace=talker, command=["/bin/cat"], stdin="through\n", stdout=True)
    ended = api.exec("talker", namespace=talker, command=["/bin/sh", "-c", "exit 7"], stdout=True)

    assert (said.stdout, ended.exit_code) == ("through\n", 7)
