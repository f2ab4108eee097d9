"""The objects in files: YAML or JSON, one file, all files of a directory, or standard input.

Only what can be told without the server is checked here: that it can be read and that each object says what it is.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from kube.codec import DecodeError
from kube.kinds import Kind, find_kind
from kube.yaml import load_all
from wherry.connection import Json
from wherry.targets import UsageError

SUFFIXES = (".yaml", ".yml", ".json")

FIRST_KINDS = (
    "Namespace",
    "CustomResourceDefinition",
    "PriorityClass",
    "StorageClass",
    "ServiceAccount",
    "ConfigMap",
    "Secret",
)
"""Kinds that others need to be there already, in the order in which a directory's are applied."""


def read_manifests(sources: Sequence[str]) -> list[Json]:
    """Return the objects of all sources ("-": standard input), those that others need first.

    Raises UsageError that names the file, and the line where there is one.
    """
    objects = [obj for source in sources for obj in _from_source(source)]
    if not objects:
        raise UsageError(f"{', '.join(sources)}: holds no object")
    return sorted(objects, key=lambda obj: _rank(obj["kind"]))


def kind_of_manifest(obj: Json) -> Kind:
    """Return the kind of a manifest's object. Raises UsageError in kubectl's words where it isn't served."""
    kind = find_kind(obj["apiVersion"], obj["kind"])
    if kind is None:
        raise UsageError(
            f'no matches for kind "{obj["kind"]}" in version "{obj["apiVersion"]}"; '
            "`wherry api-resources` lists the kinds"
        )
    return kind


def _rank(kind: str) -> int:
    return FIRST_KINDS.index(kind) if kind in FIRST_KINDS else len(FIRST_KINDS)


def _from_source(source: str) -> Iterator[Json]:
    if source == "-":
        yield from _from_text(sys.stdin.read(), "standard input")
        return
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
        if not files:
            raise UsageError(f"{source}: no file in it ends in {', '.join(SUFFIXES)}")
    elif path.exists():
        files = [path]
    else:
        raise UsageError(f"{source}: no such file or directory")
    for file in files:
        try:
            text = file.read_text()
        except (UnicodeDecodeError, OSError) as error:
            raise UsageError(f"{file}: can't be read ({error})") from error
        yield from _from_text(text, str(file))


def _from_text(text: str, where: str) -> Iterator[Json]:
    try:
        documents = [json.loads(text)] if text.lstrip().startswith("{") and where.endswith(".json") else load_all(text)
    except (DecodeError, ValueError) as error:
        raise UsageError(f"{where}: {error}") from error
    for number, document in enumerate(documents, start=1):
        if document is not None:
            yield from _objects(document, f"{where}, document {number}")


def _objects(document: object, where: str) -> Iterator[Json]:
    if not isinstance(document, dict):
        raise UsageError(f"{where}: is no object; a manifest begins with apiVersion and kind")
    for field in ("apiVersion", "kind"):
        if not isinstance(document.get(field), str) or not document[field]:
            raise UsageError(f"{where}: {field} is not set; a manifest names its apiVersion and kind")
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for number, item in enumerate(document["items"], start=1):
            yield from _objects(item, f"{where}, item {number}")
        return
    yield document
