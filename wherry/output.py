"""How objects look on a terminal: tables as kubectl aligns them, YAML, JSON, names, and the age of things."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from kube.kinds import Kind, find_kind
from kube.times import human_duration, parse_time
from wherry.connection import Json
from wherry.targets import title

COLUMN_GAP = 3
_UNITS = ("B", "kB", "MB", "GB", "TB")


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return rows under their headers, each column as wide as its widest cell."""
    cells = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers))]
    return "\n".join(_line(row, widths) for row in cells)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
    return (" " * COLUMN_GAP).join(padded).rstrip()


def _cell(value: Any) -> str:
    return "<none>" if value is None or value == "" else str(value)


class TablePrinter:
    """Prints the tables that the server makes, one after another, in the columns of the first."""

    def __init__(self, *, wide: bool, with_namespace: bool, prefix: Kind | None = None) -> None:
        """prefix: the kind to put before each name, where tables of several kinds stand together."""
        self._wide = wide
        self._with_namespace = with_namespace
        self._prefix = prefix
        self._columns: list[tuple[int, str]] = []
        self._widths: list[int] = []

    def text(self, server_table: Json, *, with_header: bool = True) -> str:
        """Return one table's lines. Later tables (of a watch) leave out the header and keep the widths."""
        definitions = server_table.get("columnDefinitions") or []
        if definitions:
            self._columns = [
                (index, column["name"].upper())
                for index, column in enumerate(definitions)
                if self._wide or column.get("priority", 0) == 0
            ]
        rows = [self._row(row) for row in server_table.get("rows") or []]
        headers = [*(["NAMESPACE"] if self._with_namespace else []), *(name for _, name in self._columns)]
        lines = [headers, *rows] if with_header else rows
        widest = [max((len(line[column]) for line in lines), default=0) for column in range(len(headers))]
        self._widths = [max(pair) for pair in zip(widest, self._widths or widest, strict=True)]
        return "\n".join(_line(line, self._widths) for line in lines)

    def _row(self, row: Json) -> list[str]:
        about = row.get("object") or {}
        cells = [_cell(row["cells"][index]) for index, _ in self._columns]
        if self._prefix is not None and cells:
            cells[0] = title(self._prefix, cells[0])
        namespace = about.get("metadata", {}).get("namespace", "")
        return [namespace, *cells] if self._with_namespace else cells


def as_yaml(objects: Json | Sequence[Json]) -> str:
    """Return one object, or several as documents of one stream."""
    from kube.yaml import dump  # noqa: PLC0415 - most commands print no YAML.

    many = [objects] if isinstance(objects, dict) else objects
    return "---\n".join(dump(obj) for obj in many).rstrip()


def as_json(obj: Json) -> str:
    """Return an object as indented JSON."""
    return json.dumps(obj, indent=4, ensure_ascii=False)


def name_of(obj: Json) -> str:
    """Return an object's name as `-o name` has it: "pod/web-0"."""
    kind = find_kind(obj.get("apiVersion", ""), obj.get("kind", ""))
    name = obj.get("metadata", {}).get("name", "")
    return title(kind, name) if kind else f"{obj.get('kind', '').lower()}/{name}"


def age_of(timestamp: str | None) -> str:
    """Return how long ago a moment of the API was: "3m12s"; "<unknown>" where there is none."""
    if not timestamp:
        return "<unknown>"
    return human_duration((datetime.now(UTC) - parse_time(timestamp)).total_seconds())


def human_size(size_bytes: int) -> str:
    """Return a size with the unit that leaves up to three digits: "24.1 MB"."""
    size = float(size_bytes)
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {_UNITS[-1]}"
