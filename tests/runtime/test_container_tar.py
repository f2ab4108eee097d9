"""`tar` in images that have none: what `kubectl cp` asks of it."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from nodeagent.runtime import container_tar
from proto import cri_v1 as cri
from tests.runtime.machine import Client


def archive(*members: tuple[str, bytes]) -> io.BytesIO:
    """Return an archive of files, each of mode 4755 and owner 7."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as writer:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.uid, member.gid, member.mtime = len(data), 0o4755, 7, 7, 1000
            writer.addfile(member, io.BytesIO(data))
    made.seek(0)
    return made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file, a link and a folder, where the test is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "file").write_text("hello")
    (tmp_path / "data" / "link").symlink_to("deep/file")
    return tmp_path


def test_what_it_packs_another_tar_reads(folder: Path) -> None:
    made = io.BytesIO()

    assert container_tar.run(["cf", "-", "data"], io.BytesIO(), made) == ""

    made.seek(0)
    with tarfile.open(fileobj=made) as reader:
        assert sorted(reader.getnames()) == ["data", "data/deep", "data/deep/file", "data/link"]
        assert reader.getmember("data/link").linkname == "deep/file"


def test_what_is_missing_is_told_and_the_rest_is_packed(folder: Path) -> None:
    made = io.BytesIO()

    told = container_tar.run(["cf", "-", "nowhere", "data/link"], io.BytesIO(), made)

    assert told == "tar: nowhere: No such file or directory\n"
    made.seek(0)
    with tarfile.open(fileobj=made) as reader:
        assert reader.getnames() == ["data/link"]


def test_owners_modes_and_times_are_kept_as_asked(folder: Path) -> None:
    (folder / "kept").mkdir()
    (folder / "new").mkdir()

    assert container_tar.run(["-xf", "-", "-C", "kept"], archive(("/a/f", b"1")), io.BytesIO()) == ""
    os.chdir(folder)
    words = ["--no-same-permissions", "--no-same-owner", "-xmf", "-", "-C", "new"]
    assert container_tar.run(words, archive(("a/f", b"2")), io.BytesIO()) == ""

    kept, new = (folder / "kept/a/f").stat(), (folder / "new/a/f").stat()
    assert (kept.st_mode & 0o7777, kept.st_uid, kept.st_mtime) == (0o4755, 7, 1000)
    assert (new.st_mode & 0o7777, new.st_uid) == (0o755, os.getuid())
    assert new.st_mtime > 1000


def test_a_link_that_is_in_the_way_is_replaced_and_not_followed(folder: Path) -> None:
    assert container_tar.run(["xf", "-"], archive(("data/link", b"mine")), io.BytesIO()) == ""

    assert (folder / "data/link").read_bytes() == b"mine"
    assert (folder / "data/deep/file").read_text() == "hello"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "say c or x"),
        (["tf", "-"], "option -t"),
        (["czf", "-", "data"], "option -z"),
        (["cf", "out.tar", "data"], "knows only f -"),
        (["xf", "-", "-C"], "option C needs a word"),
        (["xf", "-", "-C", "nowhere"], "No such file or directory"),
    ],
)
def test_what_it_can_not_do_is_refused(folder: Path, words: list[str], told: str) -> None:
    assert told in container_tar.run(words, io.BytesIO(), io.BytesIO())


def test_a_name_that_leads_out_is_refused(folder: Path) -> None:
    inner = folder / "data"

    told = container_tar.run(["xf", "-", "-C", str(inner)], archive(("../escaped", b"x")), io.BytesIO())

    assert "../escaped: leads out" in told
    assert not (folder / "escaped").exists()


@pytest.mark.root
async def test_a_container_whose_image_has_no_tar_can_be_copied_from(client: Client) -> None:
    """The busybox of the tests has no such applet."""
    container = await client.run(await client.pod(), "sleep", "1000", run_as_user=cri.Int64Value(value=1000))

    packed = await client.exec(container, "tar", "cf", "-", "/etc/passwd")
    unknown = await client.exec(container, "tar", "tf", "-")

    assert packed.exit_code == 0
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as reader:
        (member,) = reader.getmembers()
        assert (member.name, member.uname) == ("etc/passwd", "")
    assert (unknown.exit_code, b"this image has no tar" in unknown.stderr) == (2, True)
