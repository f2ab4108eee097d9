"""Volumes as files: who may write what, and what is left of them."""

from pathlib import Path
from typing import Any

import pytest

from kube.api.core_v1 import ConfigMap, Secret
from kube.api.meta_v1 import ObjectMeta
from nodeagent.empty_dirs import excess, used_bytes
from nodeagent.pods.downward import PodFacts
from nodeagent.pods.environment import References
from nodeagent.pods.host_paths import host_path
from nodeagent.pods.mounts import mounts_below, unmount
from nodeagent.pods.projections import VolumeError
from nodeagent.pods.subpaths import bind_subpath
from nodeagent.pods.volumes import NodeDirs, PodVolumes
from tests.nodeagent.make import container, pod

_HELD = References(
    {"cm": ConfigMap(metadata=ObjectMeta(name="cm"), data={"a": "1"})},
    {"sec": Secret(metadata=ObjectMeta(name="sec"), data={"pw": b"hunter2"})},
)
_SOURCES: dict[str, dict[str, Any]] = {
    "configMap": {"configMap": {"name": "cm"}},
    "secret": {"secret": {"secretName": "sec"}},
    "downwardAPI": {"downwardAPI": {"items": [{"path": "n", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    "projected": {"projected": {"sources": [{"configMap": {"name": "cm"}}]}},
    "emptyDir": {"emptyDir": {}},
}


@pytest.mark.parametrize("kind", _SOURCES)
def test_no_container_writes_where_the_node_writes_files(kind: str, tmp_path: Path) -> None:
    """A link planted beside `..data` would make the next update write, as root, wherever it leads."""
    mounts = [{"name": "v", "mountPath": "/v"}]
    wanted = pod(volumes=[{"name": "v", **_SOURCES[kind]}], containers=[container(volumeMounts=mounts)])
    volumes = PodVolumes(NodeDirs(tmp_path / "state", tmp_path / "run"), wanted)

    volumes.prepare(PodFacts(wanted), _HELD, {})
    (mount,) = volumes.mounts(wanted.spec.containers[0], {})

    assert mount.is_readonly is (kind != "emptyDir")


def test_an_empty_dir_over_its_limit_is_told(tmp_path: Path) -> None:
    dirs = NodeDirs(tmp_path, tmp_path / "run")
    wanted = pod(volumes=[{"name": "v", "emptyDir": {"sizeLimit": "64Ki"}}, {"name": "w", "emptyDir": {}}])
    PodVolumes(dirs, wanted).prepare(PodFacts(wanted), _HELD, {})
    folder = dirs.pod(wanted.metadata.uid) / "volumes"
    (folder / "w" / "file").write_bytes(b"x" * 200_000)
    before = excess(wanted, dirs)

    (folder / "v" / "file").write_bytes(b"x" * 100_000)

    assert before == ""
    assert excess(wanted, dirs) == 'Usage of EmptyDir volume "v" exceeds the limit "64Ki".'


def test_a_file_with_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    once = used_bytes(tmp_path)

    (tmp_path / "b").hardlink_to(tmp_path / "a")

    assert used_bytes(tmp_path) == once


def test_what_containers_have_made_of_an_empty_dir_stays(tmp_path: Path) -> None:
    """A change of a ConfigMap brings all volumes up to date: a database's own directory is not to be opened again."""
    wanted = pod(volumes=[{"name": "v", "emptyDir": {}}])
    volumes = PodVolumes(NodeDirs(tmp_path, tmp_path / "run"), wanted)
    volumes.prepare(PodFacts(wanted), _HELD, {})
    folder = tmp_path / "pods" / wanted.metadata.uid / "volumes" / "v"
    made = folder.stat().st_mode & 0o777
    folder.chmod(0o700)

    volumes.prepare(PodFacts(wanted), _HELD, {})

    assert (made, folder.stat().st_mode & 0o777) == (0o777, 0o700)


@pytest.mark.root
def test_a_sub_path_that_is_made_is_as_open_as_its_volume(tmp_path: Path) -> None:
    """A container that doesn't run as root can write to an emptyDir, and so to a part of it."""
    volume, target = tmp_path / "volume", tmp_path / "target"
    volume.mkdir()
    volume.chmod(0o2777)
    (volume / "there").mkdir(mode=0o700)

    bind_subpath(volume, "there/new", target)
    try:
        assert (volume / "there" / "new").stat().st_mode & 0o7777 == 0o2777
        assert (volume / "there").stat().st_mode & 0o777 == 0o700
    finally:
        unmount(target)


@pytest.mark.root
def test_a_container_that_starts_again_gets_what_a_sub_path_is_by_now(tmp_path: Path) -> None:
    """A ConfigMap's file is another one after each change, and the old one can't be mounted any more."""
    volume, target = tmp_path / "volume", tmp_path / "target"
    volume.mkdir()
    (volume / "file").write_text("old")
    bind_subpath(volume, "file", target)
    bind_subpath(volume, "file", target)
    assert len(mounts_below(target)) == 1
    (volume / "file").unlink()
    (volume / "file").write_text("new")

    bind_subpath(volume, "file", target)
    try:
        assert target.read_text() == "new"
        (volume / "file").unlink()
        (volume / "file").mkdir()
        bind_subpath(volume, "file", target)
        assert target.is_dir()
    finally:
        unmount(target)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("", "nothing"),
        ("Directory", "folder"),
        ("DirectoryOrCreate", "folder"),
        ("DirectoryOrCreate", "new/folder"),
        ("File", "file"),
        ("FileOrCreate", "file"),
        ("FileOrCreate", "new"),
        ("CharDevice", "/dev/null"),
    ],
)
def test_a_host_path_is_of_the_type_that_was_asked_for(kind: str, path: str, host: Path) -> None:
    found = host_path(str(host / path), kind)

    assert found == host / path
    if "Create" in kind:
        assert found.is_dir() is kind.startswith("Directory")


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        ("Directory", "nothing", "is not a directory"),
        ("Directory", "file", "is not a directory"),
        ("DirectoryOrCreate", "file", "is not a directory"),
        ("File", "folder", "is not a file"),
        ("FileOrCreate", "nothing/file", "make that first"),
        ("Socket", "file", "is not a socket file"),
        ("CharDevice", "file", "is not a character device"),
        ("BlockDevice", "/dev/null", "is not a block device"),
    ],
)
def test_a_host_path_of_another_type_is_refused(kind: str, path: str, words: str, host: Path) -> None:
    with pytest.raises(VolumeError, match=words):
        host_path(str(host / path), kind)


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A directory of the node with one file and one directory in it."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    return tmp_path
