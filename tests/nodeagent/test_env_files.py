"""Variables from files that a pod has written: how they are read, and what nobody may have read by them."""

import os
from pathlib import Path
from typing import Any

import pytest

from nodeagent.pods.downward import PodFacts
from nodeagent.pods.env_files import FILE_MAX_BYTES, EnvFileError, parse_variable, read_env_file
from nodeagent.pods.environment import ConfigError, References, environment
from nodeagent.pods.projections import VolumeError
from nodeagent.pods.volumes import NodeDirs, PodVolumes
from tests.nodeagent.make import container, pod

TEXT = """# what the first container found out
  FIRST='one'

	SECOND='two words # and no comment'   # a comment
SEVERAL='a
b'
SPACED= 'x'
EMPTY=''
LAST='$(FIRST) \\n "x"'"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FIRST", "one"),
        ("SECOND", "two words # and no comment"),
        ("SEVERAL", "a\nb"),
        ("SPACED", None),
        ("EMPTY", None),
        ("LAST", '$(FIRST) \\n "x"'),
        ("MISSING", None),
    ],
)
def test_a_value_is_what_stands_between_the_quotes(name: str, value: str | None) -> None:
    assert parse_variable(TEXT, name) == value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A='1'\nB", 2),
        ("A ='1'", 1),
        ("='1'", 1),
        ("A=1", 1),
        ("A=", 1),
        ('A="1"', 1),
        ("A='1' 2", 1),
        ("A='1", 1),
        ("\n\nA='x\ny'\nC=c\n", 5),
    ],
)
def test_what_a_shell_would_read_otherwise_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(EnvFileError, match=f"line {line}: write NAME='value'"):
        parse_variable(text, "X")


def test_nothing_is_looked_at_beyond_the_variable() -> None:
    assert parse_variable("A='1'\nnonsense", "A") == "1"


def test_only_plain_files_within_the_volume_are_read(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    (volume / "folder").mkdir(parents=True)
    (tmp_path / "secret").write_text("A='1'")
    (volume / "file").write_text("A='1'\r\n")
    (volume / "inner").symlink_to("file")
    (volume / "outer").symlink_to("../secret")
    (volume / "big").write_bytes(b"#" * (FILE_MAX_BYTES + 1))
    os.mkfifo(volume / "pipe")

    assert read_env_file(volume, "inner") == "A='1'\n"
    assert read_env_file(volume, "missing") is None
    assert read_env_file(volume, "file/below") is None
    for path, why in (("outer", "leads out"), ("folder", "no regular"), ("pipe", "no regular"), ("big", "is bigger")):
        with pytest.raises(EnvFileError, match=why):
            read_env_file(volume, path)


def variables(folder: Path, **wanted: Any) -> dict[str, str]:
    """Return the environment of a container that takes X from the file `env` of a volume."""
    source = {"fileKeyRef": {"volumeName": "v", "path": "env", **wanted}}
    main = container(env=[{"name": "X", "valueFrom": source}, {"name": "Y", "value": "<$(X)>"}])
    asked = pod("web", main, volumes=[{"name": "v", "emptyDir": {}}])
    volumes = PodVolumes(NodeDirs(folder / "state", folder / "run"), asked)
    volumes.prepare(PodFacts(asked), References(), {})
    made = folder / "state" / "pods" / asked.metadata.uid / "volumes" / "v"
    if (folder / "env").exists():
        (made / "env").write_bytes((folder / "env").read_bytes())
    (only,) = asked.spec.containers
    return environment(only, PodFacts(asked), References(files=volumes.variables(only)), {})


def test_a_container_takes_a_variable_from_a_file_of_its_pods_volume(tmp_path: Path) -> None:
    (tmp_path / "env").write_text(TEXT)

    assert variables(tmp_path, key="FIRST") == {"X": "one", "Y": "<one>"}


def test_a_variable_that_is_not_there_is_told_unless_it_is_optional(tmp_path: Path) -> None:
    assert variables(tmp_path, key="FIRST", optional=True) == {"Y": "<$(X)>"}
    with pytest.raises(ConfigError, match='variable key "FIRST" not found in file env of volume v'):
        variables(tmp_path, key="FIRST")


def test_a_file_that_cannot_be_read_is_told_even_so(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("nonsense")

    with pytest.raises(VolumeError, match='env: file "env" of volume "v": line 1'):
        variables(tmp_path, key="FIRST", optional=True)
