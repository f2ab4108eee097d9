"""What pods need to start and to go on: images, volumes, what their volumes are made of."""

import pytest
from msgspec.structs import replace

from kube import codec
from kube.api.core_v1 import ConfigMap, Event, Pod
from tests.nodeagent.fake_cri import MISSING
from tests.nodeagent.make import container, pod
from tests.nodeagent.one_node import Node, until


@pytest.mark.parametrize(
    ("wish", "can", "told"), [("IfPossible", False, False), ("IfPossible", True, True), ("Enabled", True, True)]
)
async def test_what_is_below_a_mount_is_read_only_where_the_runtime_can(
    node: Node, wish: str, can: bool, told: bool
) -> None:
    node.runtime.locks_mounts_below = can
    node.api.put(_locked(wish))
    await until(node.is_ready)

    (config,) = node.runtime.configs.values()
    (mount,) = [mount for mount in config.mounts if mount.container_path == "/v"]
    assert (mount.readonly, mount.recursive_read_only) == (True, told)


async def test_a_pod_that_must_have_it_waits_where_the_runtime_can_not(node: Node) -> None:
    node.api.put(_locked("Enabled"))
    await until(lambda: "Failed" in node.reasons())

    told = [event.message for event in node.api.stored(Event)]
    assert any("recursiveReadOnly, which fake can not give; use IfPossible" in message for message in told)
    assert not node.runtime.configs


def _locked(wish: str) -> Pod:
    mount = {"name": "v", "mountPath": "/v", "readOnly": True, "recursiveReadOnly": wish}
    return pod("web", container(command=["sleep"], volumeMounts=[mount]), volumes=[{"name": "v", "emptyDir": {}}])


async def test_a_missing_image_is_told_and_tried_again(node: Node) -> None:
    node.api.put(pod("web", container(image=MISSING)))

    await until(lambda: node.reason() in ("ErrImagePull", "ImagePullBackOff"))
    await until(lambda: node.runtime.calls.count(f"pull {MISSING}") >= 2)

    await until(lambda: "Failed" in node.reasons())


async def test_an_image_that_is_never_pulled_is_refused_without_asking(node: Node) -> None:
    node.api.put(pod("web", container(image="other:1", imagePullPolicy="Never")))

    await until(lambda: node.reason() == "ErrImageNeverPull")

    assert not [call for call in node.runtime.calls if call.startswith("pull")]


async def test_a_slow_pull_of_one_container_does_not_delay_another(node: Node) -> None:
    node.runtime.slow_pull.clear()
    node.api.put(pod("web", container("slow", image="big:1"), container("quick")))

    await until(lambda: "start quick 0" in node.runtime.calls)

    node.runtime.slow_pull.set()
    await until(node.is_ready)


async def test_a_missing_config_map_is_told_and_comes_right_when_it_is_made(node: Node) -> None:
    source = {"configMapKeyRef": {"name": "cm", "key": "a"}}
    node.api.put(pod("web", container(env=[{"name": "A", "valueFrom": source}])))
    await until(lambda: node.reason() == "CreateContainerConfigError")

    node.api.put(codec.from_plain({"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": "1"}}, ConfigMap))

    await until(node.is_ready)


async def test_a_missing_volume_source_keeps_the_sandbox_from_being_made(node: Node) -> None:
    node.api.put(pod(volumes=[{"name": "v", "configMap": {"name": "cm"}}]))
    await until(lambda: "FailedMount" in node.reasons())

    assert node.runtime.calls == []


async def test_a_changed_config_map_reaches_its_volume(node: Node) -> None:
    def config(value: str) -> ConfigMap:
        return codec.from_plain({"metadata": {"name": "cm", "namespace": "default"}, "data": {"a": value}}, ConfigMap)

    stored = node.api.put(config("1"))
    node.api.put(pod(volumes=[{"name": "v", "configMap": {"name": "cm"}}]))
    await until(node.is_ready)
    file = node.room.dirs.state / "pods" / "uid-web" / "volumes" / "v" / "a"
    assert file.read_text() == "1"

    await node.api.patch(ConfigMap, stored.metadata.name, {"data": {"a": "2"}}, namespace="default")

    await until(lambda: file.read_text() == "2")


async def test_a_volume_that_could_not_be_brought_up_to_date_is_tried_again(node: Node) -> None:
    settings = codec.from_plain({"metadata": {"name": "cm", "namespace": "default"}, "data": {"key": "1"}}, ConfigMap)
    node.api.put(settings)
    node.api.put(pod(volumes=[{"name": "v", "configMap": {"name": "cm"}}]))
    await until(node.is_ready)
    volumes = node.room.dirs.pod("uid-web") / "volumes"
    away = volumes.rename(volumes.with_name("away"))
    volumes.touch()

    node.api.put(replace(settings, data={"key": "2"}))
    await until(lambda: "FailedMount" in node.reasons())
    volumes.unlink()
    away.rename(volumes)

    await until(lambda: (volumes / "v" / "key").read_text() == "2")
