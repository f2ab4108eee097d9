"""Persistent volumes on a node: which directory, whose it becomes, and when it goes."""

from pathlib import Path
from typing import Any

import pytest

from kube.api.core_v1 import LocalVolumeSource, NFSVolumeSource, PersistentVolumeClaim
from kube.volumes import LOCAL_PATH, PROVISIONED_BY
from nodeagent.local_volumes import Farewell, plan, remove_files
from nodeagent.pods.downward import PodFacts
from nodeagent.pods.environment import References
from nodeagent.pods.ownership import give_to_group, user_of
from nodeagent.pods.persistent import claim_objection, folder_of
from nodeagent.pods.projections import VolumeError
from nodeagent.pods.volumes import NodeDirs, PodVolumes
from tests import make
from tests.nodeagent.make import container, pod


def local(path: Path, **fields: Any) -> Any:
    """Return a volume that is a directory of the node."""
    return make.volume("disk", host_path=None, local=LocalVolumeSource(path=str(path)), **fields)


def test_the_directory_of_a_volume_that_was_made_here_is_made_when_it_is_needed(tmp_path: Path) -> None:
    volume = local(tmp_path / "disk", annotations={PROVISIONED_BY: LOCAL_PATH})

    folder = folder_of(volume, tmp_path)

    assert folder.stat().st_mode & 0o777 == 0o777


def test_no_directory_is_made_for_a_volume_of_somebody_else(tmp_path: Path) -> None:
    """A path in a volume is just what somebody wrote: only what lies in the node's own directory is its to make."""
    elsewhere = tmp_path / "elsewhere" / "disk"

    for volume in (local(elsewhere), local(elsewhere, annotations={PROVISIONED_BY: LOCAL_PATH})):
        with pytest.raises(VolumeError, match="does not exist"):
            folder_of(volume, tmp_path / "own")


def test_storage_that_this_node_can_not_mount_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match=r"nfs can't be mounted.*local-path"):
        folder_of(make.volume(host_path=None, nfs=NFSVolumeSource(server="a", path="/")), tmp_path)
    with pytest.raises(VolumeError, match="volumeMode Block"):
        folder_of(make.volume(volume_mode="Block"), tmp_path)


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ({"csi": {"driver": "example.com"}}, "csi"),
        ({"nfs": {"server": "a", "path": "/"}}, "nfs"),
        ({"projected": {"sources": [{"clusterTrustBundle": {"path": "ca", "name": "x"}}]}}, "clusterTrustBundle"),
    ],
)
def test_a_volume_of_an_unknown_kind_is_refused_by_its_name(source: dict[str, Any], word: str, tmp_path: Path) -> None:
    wanted = pod(volumes=[{"name": "v", **source}])

    with pytest.raises(VolumeError, match=rf'volume "v" : .*{word}.* can\'t be .*; use '):
        PodVolumes(NodeDirs(tmp_path, tmp_path), wanted).prepare(PodFacts(wanted), References(), {})


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (None, "not there"),
        (make.claim(), "not bound"),
        (make.claim(bound=True, volume="v", terminating=True), "deleted"),
    ],
)
def test_a_claim_that_is_not_ready_is_not_mounted(claim: PersistentVolumeClaim | None, words: str) -> None:
    wanted = pod(volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])

    assert words in claim_objection(wanted, wanted.spec.volumes[0], claim)


def test_a_claim_may_be_read_only_for_a_pod(tmp_path: Path) -> None:
    wanted = pod(
        volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": True}}],
        containers=[container(volumeMounts=[{"name": "v", "mountPath": "/v"}])],
    )
    volumes = PodVolumes(NodeDirs(tmp_path, tmp_path), wanted)
    volumes.prepare(PodFacts(wanted), References(), {}, {"v": local(tmp_path)})

    (mount,) = volumes.mounts(wanted.spec.containers[0], {})

    assert (mount.host_path, mount.is_readonly) == (str(tmp_path), True)


def test_all_of_a_volume_is_given_to_the_group_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.touch(mode=0o600)
    folder = tmp_path / "volume"
    (folder / "below").mkdir(parents=True, mode=0o700)
    (folder / "below" / "file").touch(mode=0o600)
    (folder / "link").symlink_to(outside)

    give_to_group(folder, 2000, "Always")

    below, file = (folder / "below").stat(), (folder / "below" / "file").stat()
    assert (below.st_gid, below.st_mode & 0o7777) == (2000, 0o2770)
    assert (file.st_gid, file.st_mode & 0o7777) == (2000, 0o660)
    assert (outside.stat().st_gid, outside.stat().st_mode & 0o7777) == (0, 0o600)


def test_where_the_root_of_a_volume_is_right_the_rest_may_be_left_alone(tmp_path: Path) -> None:
    give_to_group(tmp_path, 2000, "Always")
    (tmp_path / "new").touch()
    (tmp_path / "new").chmod(0o600)

    give_to_group(tmp_path, 2000, "OnRootMismatch")
    left = (tmp_path / "new").stat().st_mode & 0o777
    give_to_group(tmp_path, 2000, "Always")

    assert (left, (tmp_path / "new").stat().st_mode & 0o777) == (0o600, 0o660)


@pytest.mark.parametrize(("status", "group"), [({}, 2000), ({"containerStatuses": [{"containerID": "w://1"}]}, 0)])
def test_a_volume_changes_hands_before_the_first_container_runs_and_never_after(
    status: dict[str, Any], group: int, tmp_path: Path
) -> None:
    source = {"name": "v", "persistentVolumeClaim": {"claimName": "data"}}
    wanted = pod(volumes=[source], securityContext={"fsGroup": 2000}, status=status)

    PodVolumes(NodeDirs(tmp_path, tmp_path), wanted).prepare(PodFacts(wanted), References(), {}, {"v": local(tmp_path)})

    assert tmp_path.stat().st_gid == group


def test_a_token_belongs_to_the_user_that_all_containers_run_as() -> None:
    as_user = {"securityContext": {"runAsUser": 7}}

    assert user_of(pod("web", container("a", **as_user), container("b", **as_user))) == 7
    assert user_of(pod("web", container("a", **as_user), container("b"))) is None
    assert user_of(pod("web", container("a"), securityContext={"runAsUser": 8})) == 8


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"phase": "Bound"}, None),
        ({"phase": "Bound", "terminating": True}, None),
        ({"phase": "Released"}, Farewell(remove_files=True, delete=True)),
        ({"phase": "Released", "terminating": True}, Farewell(remove_files=True, delete=False)),
        ({"phase": "Released", "policy": "Retain"}, None),
        ({"phase": "Released", "policy": "Retain", "terminating": True}, Farewell(remove_files=False, delete=False)),
        ({"phase": "Released", "finalizers": ()}, None),
    ],
)
def test_a_directory_goes_when_its_volume_is_released_and_to_be_deleted(
    changes: dict[str, Any], expected: Farewell | None
) -> None:
    assert plan(make.volume(**{"policy": "Delete", "finalizers": (LOCAL_PATH,), **changes})) == expected


def test_files_that_are_gone_already_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()

    remove_files(tmp_path / "disk")
    remove_files(tmp_path / "disk")

    assert not (tmp_path / "disk").exists()
