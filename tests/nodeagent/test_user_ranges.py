"""Pods with users of their own: which ids of the node they are, and that no two pods share one."""

from pathlib import Path

import pytest

from kube.api.core_v1 import Event
from nodeagent.pods.user_ranges import LENGTH, USUAL, IdRange, UserRangeError, UserRanges, free_range, node_ids
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.make import container, pod
from tests.nodeagent.one_node import agent, until

FOUR = IdRange(LENGTH, 4 * LENGTH)


def test_a_free_range_is_looked_for_from_the_start_on_and_then_around() -> None:
    assert free_range(FOUR, (), 6) == IdRange(3 * LENGTH)
    assert free_range(FOUR, (3 * LENGTH, 4 * LENGTH), 6) == IdRange(LENGTH)
    assert free_range(FOUR, (LENGTH + 1,), 0) == IdRange(3 * LENGTH)
    assert free_range(FOUR, [LENGTH * place for place in range(1, 5)], 0) is None


def test_a_pod_keeps_its_range_until_its_files_go(tmp_path: Path) -> None:
    ranges = UserRanges(tmp_path, FOUR)
    first, second = ranges.of("a"), ranges.of("b")

    restarted = UserRanges(tmp_path, FOUR)

    assert first != second
    assert [restarted.of("b"), restarted.of("a")] == [second, first]
    restarted.of("c"), restarted.of("d")
    with pytest.raises(UserRangeError, match="all 4 ranges of ids are taken; widen kubelet's in /etc/subuid"):
        restarted.of("e")
    (tmp_path / "a" / "users").unlink()
    assert restarted.of("e") == first


def test_the_node_sets_ids_aside_under_the_name_kubelet() -> None:
    text = "me:100000:65536\nkubelet:131072:262144\n"

    assert node_ids(text, text) == IdRange(131072, 262144)
    assert node_ids("me:100000:65536\n", "") == USUAL


@pytest.mark.parametrize(
    ("subuid", "subgid"),
    [
        ("kubelet:131072:65536", ""),
        ("kubelet:131072:65536", "kubelet:196608:65536"),
        ("kubelet:131072:65536\nkubelet:327680:65536", "kubelet:131072:65536\nkubelet:327680:65536"),
        ("kubelet:100000:65536", "kubelet:100000:65536"),
        ("kubelet:0:65536", "kubelet:0:65536"),
        ("kubelet:131072:1000", "kubelet:131072:1000"),
    ],
)
def test_ids_that_would_not_do_are_refused_with_their_file(subuid: str, subgid: str) -> None:
    with pytest.raises(ValueError, match="/etc/subuid"):
        node_ids(subuid, subgid)


async def test_sandbox_container_and_mounts_map_the_pods_own_range(tmp_path: Path) -> None:
    async with FakeRuntime(tmp_path / "cri.sock") as runtime, agent(FakeClient(), runtime, tmp_path) as node:
        node.api.put(pod("own", container(), hostUsers=False))
        node.api.put(pod("usual"))
        await until(lambda: node.is_ready("own") and node.is_ready("usual"))

    own, usual = sorted(runtime.sandbox_configs, key=lambda config: config.metadata.name)
    users = own.linux.security_context.namespace_options.userns_options
    (made,) = (c for i, c in runtime.configs.items() if c.labels["io.kubernetes.pod.name"] == "own")
    first = users.uids[0].host_id
    assert [(ids[0].host_id, ids[0].length) for ids in (users.uids, users.gids)] == [(first, LENGTH)] * 2
    assert made.linux.security_context.namespace_options.userns_options == users
    assert {mount.uidMappings[0].host_id for mount in made.mounts} == {first}
    assert (node.room.users.started, node.room.users.failed) == (1, 0)
    assert not usual.linux.security_context.namespace_options.userns_options.uids


async def test_a_runtime_without_user_namespaces_is_told_of_before_anything_is_made(tmp_path: Path) -> None:
    async with FakeRuntime(tmp_path / "cri.sock") as runtime, agent(FakeClient(), runtime, tmp_path) as node:
        runtime.gives_users = False
        node.api.put(pod("own", container(), hostUsers=False))
        await until(lambda: "FailedCreatePodSandBox" in node.reasons())

    (event,) = (event for event in node.api.stored(Event) if event.reason == "FailedCreatePodSandBox")
    assert "spec.hostUsers: this node's runtime gives pods no users of their own" in event.message
    assert runtime.sandbox_configs == []
    assert node.room.users.started == node.room.users.failed > 0
