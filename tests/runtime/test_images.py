"""Images: their names, importing them, keeping and removing them."""

import json
import subprocess
from pathlib import Path

import pytest

from kube import image_names
from nodeagent.runtime.images import manifest
from nodeagent.runtime.images.archive import import_archive
from nodeagent.runtime.images.model import Image
from nodeagent.runtime.images.store import ImageStore
from proto import cri_v1 as cri
from tests.runtime.machine import IMAGE, Client

_DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("web", "docker.io/library/web:latest"),
        ("team/web:1", "docker.io/team/web:1"),
        ("localhost/web", "localhost/web:latest"),
        ("registry.local:5000/a/b:2", "registry.local:5000/a/b:2"),
        (f"web@{_DIGEST}", f"docker.io/library/web@{_DIGEST}"),
        (f"r.io/web:1@{_DIGEST}", f"r.io/web@{_DIGEST}"),
    ],
)
def test_a_short_name_stands_for_a_full_one(name: str, full: str) -> None:
    assert str(image_names.parse(name)) == full


@pytest.mark.parametrize("name", ["", "Web", "web:", "web:a b", "a//b", "web@sha256:12", "-/x", "web:" + "x" * 129])
def test_a_bad_name_is_refused(name: str) -> None:
    if name == "web:":
        assert image_names.parse(name).tag == "latest"
        return
    with pytest.raises(ValueError, match="image name"):
        image_names.parse(name)


def test_an_index_gives_the_manifest_for_this_platform_or_says_which_there_are() -> None:
    arm = manifest.Descriptor(digest="a", platform=manifest.Platform("arm64", "linux"))
    amd = manifest.Descriptor(digest="b", platform=manifest.Platform("amd64", "linux"))

    assert manifest.choose([arm, amd], manifest.Platform("amd64", "linux"), "web") is amd
    with pytest.raises(ValueError, match="made for linux/arm64; this machine is linux/amd64"):
        manifest.choose([arm], manifest.Platform("amd64", "linux"), "web")


@pytest.mark.parametrize("bad", ["", "..", "sha256:../../../../../etc", f"sha256:{'0' * 63},", "sha512:" + "0" * 64])
def test_a_digest_that_is_none_is_refused_before_it_becomes_a_name(bad: str) -> None:
    """Layers are folders named by their diffIDs: one that climbs would be mounted, and removed with the image."""
    config = json.dumps({"rootfs": {"type": "layers", "diff_ids": [_DIGEST, bad]}}).encode()
    image = json.dumps({"config": {"digest": _DIGEST}, "layers": [{"digest": bad}]}).encode()

    with pytest.raises(ValueError, match="is no sha256 digest"):
        manifest.decode_config(config, "config")
    with pytest.raises(ValueError, match="is no sha256 digest"):
        manifest.decode(image, "manifest")


@pytest.mark.root
class TestImports:
    """Importing from each kind of archive."""

    def test_a_folder_and_its_tar_give_one_image_each(self, tmp_path: Path, busybox_root: Path) -> None:
        tar = tmp_path / "root.tar.gz"
        subprocess.run(["tar", "-C", busybox_root, "-czf", tar, "."], check=True)

        first = import_archive(tmp_path / "store", busybox_root, "a:1")
        second = import_archive(tmp_path / "store", tar, "b:1")

        images = ImageStore(tmp_path / "store", tmp_path).all()
        assert (first, second) == (("docker.io/library/a:1",), ("docker.io/library/b:1",))
        assert sorted(image.repo_tags for image in images) == [first, second]

    def test_layouts_and_docker_archives_of_other_tools_give_the_same_image(self, tmp_path: Path, layout: Path) -> None:
        saved = tmp_path / "saved.tar"
        source = f"oci:{layout}:v1"
        _quiet("skopeo", "copy", "--insecure-policy", source, f"docker-archive:{saved}:registry.local/saved:1")
        packed = tmp_path / "layout.tar"
        subprocess.run(["tar", "-C", layout, "-cf", packed, "."], check=True)

        import_archive(tmp_path / "store", layout, "registry.local/layout:1")
        import_archive(tmp_path / "store", packed, "registry.local/packed:1")
        import_archive(tmp_path / "store", saved)

        (image,) = ImageStore(tmp_path / "store", tmp_path).all()
        assert image.repo_tags == tuple(f"registry.local/{name}:1" for name in ("layout", "packed", "saved"))
        assert (image.config.user, image.config.cmd, image.config.env) == ("web", ("id",), ("A=b",))
        assert image.size_bytes > 100_000

    def test_what_is_no_image_is_refused_with_the_way_out(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("text")

        with pytest.raises(ValueError, match="no tar archive"):
            import_archive(tmp_path / "store", file, "a:1")
        with pytest.raises(ValueError, match="no such file"):
            import_archive(tmp_path / "store", tmp_path / "absent", "a:1")

    def test_an_archive_without_a_name_needs_one(self, tmp_path: Path, busybox_root: Path) -> None:
        with pytest.raises(ValueError, match="give a name"):
            import_archive(tmp_path / "store", busybox_root)


def _quiet(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.root
class TestStore:
    """Keeping and removing."""

    def test_a_layer_stays_while_another_image_has_it(self, tmp_path: Path, busybox_root: Path) -> None:
        store = ImageStore(tmp_path / "store", tmp_path)
        import_archive(store.folder, busybox_root, "a:1")
        (image,) = store.all()
        other = Image(id=_DIGEST, layers=image.layers, size_bytes=1)
        store.add(other, ["r.io/other:1"])

        store.remove("a:1")

        assert store.has_layer(image.layers[0])
        store.remove("r.io/other:1")
        assert not store.has_layer(image.layers[0])
        assert store.all() == []

    def test_a_layer_stays_while_a_container_of_another_cluster_runs_on_it(
        self, tmp_path: Path, busybox_root: Path
    ) -> None:
        store, neighbour = (ImageStore(tmp_path / "store", tmp_path / name) for name in ("one", "two"))
        import_archive(store.folder, busybox_root, "a:1")
        (image,) = store.all()
        neighbour.use([image], "container")

        store.remove("a:1")

        assert store.all() == []
        assert store.has_layer(image.layers[0])

    def test_removing_one_of_two_names_keeps_the_image(self, tmp_path: Path, busybox_root: Path) -> None:
        store = ImageStore(tmp_path / "store", tmp_path)
        import_archive(store.folder, busybox_root, "a:1")
        import_archive(store.folder, busybox_root, "b:1")

        store.remove("a:1")

        assert [image.repo_tags for image in store.all()] == [("docker.io/library/b:1",)]

    def test_a_name_that_looks_like_part_of_an_id_is_a_name(self, tmp_path: Path, busybox_root: Path) -> None:
        store = ImageStore(tmp_path / "store", tmp_path)
        import_archive(store.folder, busybox_root, "b:1")
        name = store.all()[0].id[10:14]
        import_archive(store.folder, busybox_root, name)

        store.remove(name)

        assert [image.repo_tags for image in store.all()] == [("docker.io/library/b:1",)]

    def test_an_id_stands_for_all_names(self, tmp_path: Path, busybox_root: Path) -> None:
        store = ImageStore(tmp_path / "store", tmp_path)
        import_archive(store.folder, busybox_root, "a:1")
        import_archive(store.folder, busybox_root, "b:1")

        store.remove(store.all()[0].id)

        assert store.all() == []
        assert list((store.folder / "names").iterdir()) == []

    def test_an_image_without_its_layers_is_not_taken(self, tmp_path: Path) -> None:
        store = ImageStore(tmp_path / "store", tmp_path)

        with pytest.raises(ValueError, match="1 of its layers are not here"):
            store.add(Image(id=_DIGEST, layers=(_DIGEST,), size_bytes=1), ["r.io/a:1"])


@pytest.mark.root
async def test_images_are_found_by_name_id_and_list(client: Client) -> None:
    by_name = (await client.images.image_status(cri.ImageStatusRequest(image=cri.ImageSpec(image=IMAGE)))).image

    by_id = (await client.images.image_status(cri.ImageStatusRequest(image=cri.ImageSpec(image=by_name.id)))).image
    absent = await client.images.image_status(cri.ImageStatusRequest(image=cri.ImageSpec(image="absent")))
    listed = (await client.images.list_images(cri.ListImagesRequest())).images

    assert by_id == by_name
    assert by_name.size > 0
    assert not absent.HasField("image")
    assert [tag for image in listed for tag in image.repo_tags] == ["wherry.local/host:latest", IMAGE]


@pytest.mark.root
async def test_the_image_file_system_is_measured(client: Client) -> None:
    info = await client.images.image_fs_info(cri.ImageFsInfoRequest())

    assert info.image_filesystems[0].used_bytes.value > 1 << 20
    assert info.image_filesystems[0].fs_id.mountpoint == str(client.settings.image_dir)
