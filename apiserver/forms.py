"""The forms in which objects leave: as they are, as their metadata alone, or as rows of a table.

A form writes single objects, lists, and lines of a watch.
Source: kubernetes.io/docs/reference/using-api/api-concepts, sections on tables, metadata and content negotiation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from typing import Any, Final, Protocol

from apiserver import printing
from apiserver.accepting import JSON, accepted
from apiserver.fanout import Told
from apiserver.item import Item, type_text
from apiserver.pieces import Pieces
from apiserver.versions import stored_kind
from kube.client import EventType
from kube.codec import encode
from kube.errors import bad_request, invalid, not_acceptable
from kube.kinds import Kind

INITIAL_EVENTS_END: Final = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class ListInfo:
    """What stands in a list's metadata. revision: 0 for what isn't stored."""

    revision: int
    continue_token: str = ""
    remaining: int | None = None

    def encoded(self) -> bytes:
        """Return it as the JSON of a ListMeta."""
        fields: dict[str, Any] = {"resourceVersion": str(self.revision)} if self.revision else {}
        if self.continue_token:
            fields["continue"] = self.continue_token
        if self.remaining is not None:
            fields["remainingItemCount"] = self.remaining
        return encode(fields)


class Form(Protocol):
    """A way to write objects of one kind."""

    def one(self, item: Item) -> bytes:
        """Write one object."""

    def many(self, items: Iterable[Item], info: ListInfo) -> bytes | Pieces:
        """Write a list."""

    def payload(self, told: Iterable[Told]) -> bytes:
        """Write lines of a watch, as one HTTP chunk."""

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> bytes:
        """Write a bookmark, as one HTTP chunk."""

    def after_first(self) -> "Form":
        """Return the form for the lines after the first."""


def chunk(data: bytes) -> bytes:
    """Return data framed as one chunk of an HTTP/1.1 body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def unchunked(chunks: bytes) -> bytes:
    """Return what stands in some whole chunks."""
    parts, place = [], 0
    while place < len(chunks):
        start = chunks.index(b"\r\n", place) + 2
        end = start + int(chunks[place : start - 2], 16)
        parts.append(chunks[start:end])
        place = end + 2
    return b"".join(parts)


def _line(event: EventType, obj: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (event.value.encode(), obj)


def _bookmark_metadata(revision: int, *, ends_initial: bool) -> dict[str, Any]:
    meta: dict[str, Any] = {"resourceVersion": str(revision)}
    if ends_initial:
        meta["annotations"] = {INITIAL_EVENTS_END: "true"}
    return meta


@dataclass(frozen=True)
class ObjectForm:
    """Objects as they are."""

    kind: Kind

    def one(self, item: Item) -> bytes:
        """Write one object."""
        return item.data_as(self.kind)

    def many(self, items: Iterable[Item], info: ListInfo) -> Pieces:
        """Write a list; what its items are is said once."""
        kind = self.kind
        parts = [item.data for item in items] if stored_kind(kind) is kind else [item.data_as(kind) for item in items]
        head = f'{{"kind":"{kind.kind}List","apiVersion":"{kind.api_version}","metadata":'.encode()
        return Pieces(b'%b%b,"items":[' % (head, info.encoded()), parts, b"]}", skip=len(b"{" + type_text(kind)))

    def payload(self, told: Iterable[Told]) -> bytes:
        """Write lines, each of which is made once per change."""
        return chunk(b"".join([self._told(event) for event in told]))

    def _told(self, told: Told) -> bytes:
        if told.change is None:
            return _line(told.type, told.item.data_as(self.kind))
        key = (self.kind, told.type)
        line = told.change.lines.get(key)
        if line is None:
            line = told.change.lines[key] = _line(told.type, told.item.data_as(self.kind))
        return line

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> bytes:
        """Write a bookmark."""
        meta = _bookmark_metadata(revision, ends_initial=ends_initial)
        obj = {"kind": self.kind.kind, "apiVersion": self.kind.api_version, "metadata": meta}
        return chunk(_line(EventType.BOOKMARK, encode(obj)))

    def after_first(self) -> "ObjectForm":
        """All lines are alike."""
        return self


@dataclass(frozen=True)
class MetadataForm:
    """The metadata of objects alone. version: of meta.k8s.io."""

    kind: Kind
    version: str

    def one(self, item: Item) -> bytes:
        """Write the metadata of one object."""
        head = f'{{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/{self.version}","metadata":'.encode()
        return b"%b%b}" % (head, encode(item.obj.metadata))

    def many(self, items: Iterable[Item], info: ListInfo) -> bytes:
        """Write the metadata of the objects of a list."""
        head = f'{{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/{self.version}","metadata":'.encode()
        found = [self.one(item) for item in items]
        return b'%b%b,"items":%b}' % (head, info.encoded(), b"[%b]" % b",".join(found) if found else b"null")

    def payload(self, told: Iterable[Told]) -> bytes:
        """Write lines."""
        return chunk(b"".join([_line(event.type, self.one(event.item)) for event in told]))

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> bytes:
        """Write a bookmark."""
        meta = _bookmark_metadata(revision, ends_initial=ends_initial)
        obj = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{self.version}", "metadata": meta}
        return chunk(_line(EventType.BOOKMARK, encode(obj)))

    def after_first(self) -> "MetadataForm":
        """All lines are alike."""
        return self


@dataclass(frozen=True)
class TableForm:
    """Rows, as `kubectl get` prints them. include: what of the object stands beside each row's cells."""

    kind: Kind
    version: str
    include: str = "Metadata"
    has_columns: bool = True

    def one(self, item: Item) -> bytes:
        """Write a table of one row."""
        return self.many((item,), ListInfo(item.revision))

    def many(self, items: Iterable[Item], info: ListInfo) -> bytes:
        """Write a table."""
        now = datetime.now(UTC)
        return self._table(
            b",".join([self._told(item, now) for item in printing.in_order(self.kind, items)]),
            info.encoded(),
            columns=True,
        )

    def payload(self, told: Iterable[Told]) -> bytes:
        """Write lines, each a table of one row; only the first ever has the columns."""
        now, columns, lines = datetime.now(UTC), self.has_columns, []
        for event in told:
            table = self._table(self._told(event.item, now), ListInfo(event.item.revision).encoded(), columns=columns)
            lines.append(_line(event.type, table))
            columns = False
        return chunk(b"".join(lines))

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> bytes:
        """Write a bookmark: a table of one row, whose object has the mark and is empty else."""
        stored, head = stored_kind(self.kind), ListInfo(revision).encoded()
        cells = printing.row(stored, stored.type(), datetime.now(UTC))
        meta = _bookmark_metadata(revision, ends_initial=ends_initial)
        marked = {"kind": "PartialObjectMetadata", "apiVersion": f"meta.k8s.io/{self.version}", "metadata": meta}
        if self.include == "Object":
            marked = {"kind": self.kind.kind, "apiVersion": self.kind.api_version, "metadata": meta}
        row = _row(cells, encode(marked if self.include != "None" else None))
        return chunk(_line(EventType.BOOKMARK, self._table(row, head, columns=False)))

    def after_first(self) -> "TableForm":
        """Return the form without columns."""
        return replace(self, has_columns=False) if self.has_columns else self

    def _table(self, rows: bytes, meta: bytes, *, columns: bool) -> bytes:
        head = f'{{"kind":"Table","apiVersion":"meta.k8s.io/{self.version}","metadata":'.encode()
        defined = encode(printing.columns(self.kind)) if columns else b"null"
        return b'%b%b,"columnDefinitions":%b,"rows":[%b]}' % (head, meta, defined, rows)

    def _told(self, item: Item, now: datetime) -> bytes:
        cells = printing.row(item.kind, item.obj, now)
        match self.include:
            case "Object":
                return _row(cells, item.data_as(self.kind))
            case "None":
                return _row(cells, b"null")
        return _row(cells, MetadataForm(self.kind, self.version).one(item))


def _row(cells: list[Any], obj: bytes) -> bytes:
    return b'{"cells":%b,"object":%b}' % (encode(cells), obj)


class Shape(Enum):
    """What is asked for: one object, a list, or a watch."""

    ONE = "one"
    LIST = "list"
    WATCH = "watch"


PLAIN: Final = (JSON, "", "*/*")
"""What most clients send: objects as they are."""
_INCLUDED: Final = ("", "Metadata", "Object", "None")
_MISFITS: Final = {
    ("PartialObjectMetadata", Shape.LIST): "you requested {kind}, but the requested object is a list",
    ("PartialObjectMetadataList", Shape.ONE): "you requested {kind}, but the requested object is not a list",
}


def form_for(header: str, kind: Kind, include: str, shape: Shape) -> Form:
    """Return the form that a request's Accept header asks for. Raises ApiError 400 or 406."""
    if header in PLAIN:
        return object_form(kind)
    found = accepted(header, streams=shape is Shape.WATCH)
    if not found.transformed:
        return object_form(kind)
    if (misfit := _MISFITS.get((found.transformed, shape))) is not None:
        raise not_acceptable(misfit.format(kind=found.transformed))
    if found.transformed != "Table":
        return MetadataForm(kind, found.version)
    if include not in _INCLUDED:
        detail = "must be 'Metadata', 'Object', 'None', or empty"
        wrong = invalid("includeObject", include, detail)
        raise bad_request(f"Unable to convert to Table as requested: {wrong}")
    return TableForm(kind, found.version, include or "Metadata")


@lru_cache(maxsize=512)
def object_form(kind: Kind) -> ObjectForm:
    """Return the form of plain objects of a kind."""
    return ObjectForm(kind)
