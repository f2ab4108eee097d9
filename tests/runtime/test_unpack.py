"""Layers, honest and hostile: what unpacking makes of them, and what it never lets happen."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
import zstandard

from nodeagent.runtime.images import layers
from nodeagent.runtime.images.layers import CorruptLayerError
from nodeagent.runtime.images.store import ImageStore

pytestmark = pytest.mark.root


def entry(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", content: bytes = b"", **fields: object
) -> tuple[tarfile.TarInfo, bytes]:
    """Return one entry of a layer."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.mode = kind, link, len(content), 0o755
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def layer(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """Return a tar of the entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def feeding(data: bytes) -> Callable[[IO[bytes]], None]:
    """Return what feeds `data` to a worker."""

    def feed(pipe: IO[bytes]) -> None:
        pipe.write(data)

    return feed


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    """An empty store."""
    return ImageStore(tmp_path / "images", tmp_path / "state")


def unpacked(store: ImageStore, data: bytes) -> Path:
    """Unpack a layer and return its folder."""
    return store.layer_path(layers.take(store, feeding(data)).diff_id)


def test_files_keep_content_mode_owner_and_time(store: ImageStore) -> None:
    tool = entry("bin/tool", content=b"#!", mode=0o4755, uid=5, gid=6, mtime=1000)

    status = (unpacked(store, layer(tool)) / "bin/tool").stat()

    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, status.st_mtime) == (0o4755, 5, 6, 1000)


def test_a_gzipped_layer_of_several_members_is_read_whole(store: ImageStore) -> None:
    data = layer(entry("a", content=b"x" * 100_000))
    halves = gzip.compress(data[:5000]) + gzip.compress(data[5000:])

    folder = unpacked(store, halves)

    assert (folder / "a").read_bytes() == b"x" * 100_000


def test_a_layer_that_inflates_a_thousandfold_is_unpacked_without_haste_or_memory(store: ImageStore) -> None:
    """Each byte that inflates is moved a few times, not a few thousand: 100 MB of nothing are a matter of a second."""
    data = gzip.compress(layer(entry("zeros", content=bytes(100_000_000))))

    folder = unpacked(store, data)

    assert len(data) < 200_000
    assert (folder / "zeros").stat().st_size == 100_000_000


def test_a_layer_that_would_take_the_nodes_memory_is_refused(store: ImageStore) -> None:
    """A header of a few gigabytes is read whole by whoever reads tars."""
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 2 << 30
    with pytest.raises(CorruptLayerError, match="too much to unpack"):
        unpacked(store, gzip.compress(header.tobuf(tarfile.USTAR_FORMAT)) + gzip.compress(bytes(1 << 20)) * (2 << 10))


def test_a_zstd_layer_of_several_frames_is_read_whole(store: ImageStore) -> None:
    data = layer(entry("a", content=b"x" * 100_000))
    frames = zstandard.compress(data[:5000]) + zstandard.compress(data[5000:])

    folder = unpacked(store, frames)

    assert (folder / "a").read_bytes() == b"x" * 100_000


def test_a_zstd_layer_that_shrank_to_next_to_nothing_is_inflated_bit_by_bit(store: ImageStore) -> None:
    """All of it at once would be more than the worker may have."""
    header = tarfile.TarInfo("zeros")
    header.size = 256 << 20
    data = header.tobuf(tarfile.USTAR_FORMAT) + bytes(header.size + 1024)

    folder = unpacked(store, zstandard.compress(data))

    assert (folder / "zeros").stat().st_size == header.size


def test_a_truncated_zstd_is_refused(store: ImageStore) -> None:
    with pytest.raises(layers.CorruptLayerError, match="ends too early"):
        unpacked(store, zstandard.compress(layer(entry("a", content=os.urandom(100_000))))[:-2000])


def test_a_truncated_gzip_is_refused(store: ImageStore) -> None:
    with pytest.raises(CorruptLayerError, match="ends too early"):
        unpacked(store, gzip.compress(layer(entry("a", content=os.urandom(100_000))))[:-2000])


def test_a_layer_may_end_with_its_last_file(store: ImageStore) -> None:
    """umoci inserts layers without the last file's padding and the end mark, and other runtimes take them."""
    whole = layer(entry("a"), entry("b", content=b"last"))
    content_ends = whole.rindex(b"last") + len(b"last")

    folder = unpacked(store, whole[:content_ends])

    assert (folder / "b").read_bytes() == b"last"
    with pytest.raises(CorruptLayerError, match="unexpected end of data"):
        unpacked(store, whole[: content_ends - 1])


def test_what_has_another_digest_than_asked_for_is_refused(store: ImageStore) -> None:
    data, wrong = layer(entry("a")), "sha256:" + "0" * 64

    with pytest.raises(CorruptLayerError, match="the registry is at fault"):
        layers.take(store, feeding(data), digest=wrong)
    with pytest.raises(CorruptLayerError, match="the image is broken"):
        layers.take(store, feeding(data), diff_id=wrong)


def test_noise_is_refused(store: ImageStore) -> None:
    with pytest.raises(CorruptLayerError):
        unpacked(store, os.urandom(4096))


def test_whiteouts_become_those_of_overlayfs(store: ImageStore) -> None:
    folder = unpacked(store, layer(entry("dir/.wh.gone"), entry("opaque/.wh..wh..opq")))

    status = (folder / "dir/gone").lstat()
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0
    assert os.getxattr(folder / "opaque", "trusted.overlay.opaque") == b"y"


def test_whiteouts_behind_a_link_hide_nothing_outside(store: ImageStore, tmp_path: Path) -> None:
    """A link to a folder of the node, and what would be removed or made opaque behind it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    link = entry("link", tarfile.SYMTYPE, str(outside))

    for trap in ("link/.wh.kept", "link/.wh..wh..opq"):
        with pytest.raises(CorruptLayerError):
            unpacked(store, layer(link, entry(trap)))

    assert [item.name for item in outside.iterdir()] == ["kept"]
    assert os.listxattr(outside) == []


@pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "dir/.wh..."])
def test_a_whiteout_of_no_file_is_refused(store: ImageStore, name: str) -> None:
    with pytest.raises(CorruptLayerError, match="hides no file"):
        unpacked(store, layer(entry(name)))


@pytest.mark.parametrize("name", ["../escaped", "a/../../escaped", "/../escaped"])
def test_a_name_that_climbs_is_refused(store: ImageStore, name: str) -> None:
    with pytest.raises(CorruptLayerError, match="leaves the image"):
        unpacked(store, layer(entry(name)))


def test_an_absolute_name_stays_in_the_layer(store: ImageStore) -> None:
    folder = unpacked(store, layer(entry("/wherry-test-absolute", content=b"in")))

    assert (folder / "wherry-test-absolute").read_bytes() == b"in"
    assert not Path("/wherry-test-absolute").exists()


@pytest.mark.parametrize("target", ["{outside}", "../../../../../../../../../../{outside}"])
def test_a_symlink_to_the_outside_leads_nowhere(store: ImageStore, tmp_path: Path, target: str) -> None:
    """A link is made first, then written through: the write must land inside the layer, or nowhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    trap = layer(
        entry("link", tarfile.SYMTYPE, target.format(outside=str(outside).lstrip("/") if ".." in target else outside)),
        entry("link/written", content=b"!"),
    )

    with pytest.raises(CorruptLayerError):
        unpacked(store, trap)

    assert list(outside.iterdir()) == []


def test_a_file_over_a_symlink_replaces_the_link_and_not_its_target(store: ImageStore, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("untouched")

    folder = unpacked(store, layer(entry("a", tarfile.SYMTYPE, str(target)), entry("a", content=b"new")))

    assert target.read_text() == "untouched"
    assert not (folder / "a").is_symlink()


def test_a_hard_link_to_the_outside_is_refused(store: ImageStore) -> None:
    with pytest.raises(CorruptLayerError):
        unpacked(store, layer(entry("passwd", tarfile.LNKTYPE, "/etc/passwd")))
    with pytest.raises(CorruptLayerError, match="leaves the image"):
        unpacked(store, layer(entry("passwd", tarfile.LNKTYPE, "../../etc/passwd")))


def test_device_nodes_are_left_out_and_counted(store: ImageStore) -> None:
    disk = entry("dev/disk", tarfile.BLKTYPE, devmajor=254, devminor=0)

    taken = layers.take(store, feeding(layer(disk, entry("a"))))

    assert taken.skipped == 1
    assert not (store.layer_path(taken.diff_id) / "dev/disk").exists()


def test_attributes_that_would_steer_overlayfs_are_dropped(store: ImageStore) -> None:
    steering = {"SCHILY.xattr.trusted.overlay.redirect": "/etc", "SCHILY.xattr.user.kept": "yes"}

    folder = unpacked(store, layer(entry("dir", tarfile.DIRTYPE, pax_headers=steering)))

    assert os.listxattr(folder / "dir") == ["user.kept"]


def test_a_refused_layer_leaves_nothing(store: ImageStore) -> None:
    with pytest.raises(CorruptLayerError):
        unpacked(store, layer(entry("fine", content=b"x"), entry("../escaped")))

    assert list((store.folder / "new").iterdir()) == []
    assert list((store.folder / "layers").iterdir()) == []
