"""What an API server answers, read: objects with their kind, the lines of a watch, refusals.

A watch that tells what is no event has lost its connection: it isn't the server that speaks. Reads and writes nothing.
Source: kubernetes.io/docs/reference/using-api/api-concepts
"""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec

from kube import codec
from kube.api.meta_v1 import ListMeta, Status
from kube.client import ConnectionLost, EventType, Page, WatchEvent
from kube.errors import ApiError
from kube.kinds import Kind, Resource, kind_of

T = TypeVar("T", bound=Resource)

LINE_MAX_BYTES: Final = 64 * 1024 * 1024


class _ListEnvelope(msgspec.Struct, frozen=True, gc=False):
    """A list whose items are decoded one by one, by the type that the caller wants."""

    metadata: ListMeta = ListMeta()
    items: list[msgspec.Raw] | None = None


class _EventEnvelope(msgspec.Struct, frozen=True, gc=False):
    type: str
    object: msgspec.Raw = msgspec.Raw(b"{}")


class _OnlyMetadata(msgspec.Struct, frozen=True, gc=False):
    metadata: ListMeta = ListMeta()


def object_of(body: bytes, cls: type[T]) -> T:
    """Return the object that a body holds."""
    return _stamped(codec.decode(body, cls), kind_of(cls))


def page_of(body: bytes, cls: type[T]) -> Page[T]:
    """Return the list that a body holds."""
    envelope = codec.decode(body, _ListEnvelope)
    items = [object_of(bytes(item), cls) for item in envelope.items or ()]
    return Page(items, envelope.metadata.resource_version, envelope.metadata.continue_)


async def lines_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, without their ends, however it was cut. Raises ConnectionLost for an endless one."""
    parts: list[bytes] = []
    size = 0
    async for piece in pieces:
        head, *rest = piece.split(b"\n")
        parts.append(head)
        size += len(head)
        if size > LINE_MAX_BYTES:
            raise ConnectionLost(f"a line is longer than {LINE_MAX_BYTES} bytes; the stream is not a watch")
        for following in rest:
            if line := b"".join(parts):
                yield line
            parts, size = [following], len(following)
    if line := b"".join(parts):
        raise ConnectionLost(f"the stream ended in the middle of a line ({len(line)} bytes)")


def watch_event(line: bytes, cls: type[T]) -> WatchEvent[T]:
    """Return what a line of a watch tells. Raises ApiError for the error that ends it, ConnectionLost for no event."""
    try:
        envelope = codec.decode(line, _EventEnvelope)
        raw = bytes(envelope.object)
        if envelope.type == "ERROR":
            raise ApiError(codec.decode(raw, Status))
        event = EventType(envelope.type)
        if event is EventType.BOOKMARK:
            return WatchEvent(event, None, codec.decode(raw, _OnlyMetadata).metadata.resource_version)
        obj = object_of(raw, cls)
    except ValueError as error:
        raise ConnectionLost(f"the watch sent what is no event: {line[:100]!r} ({error})") from error
    return WatchEvent(event, obj, obj.metadata.resource_version)


def _stamped(obj: T, kind: Kind) -> T:
    """Return the object with its kind, which servers leave out of the items of lists."""
    if obj.kind == kind.kind and obj.api_version == kind.api_version:
        return obj
    changed: Any = obj
    stamped: T = msgspec.structs.replace(changed, kind=kind.kind, api_version=kind.api_version)
    return stamped


def is_status(body: bytes) -> bool:
    """Say whether a body holds a mere Status."""
    plain = codec.decode_plain(body)
    return isinstance(plain, dict) and plain.get("kind") == "Status"


def refusal(code: int, body: bytes) -> ApiError:
    """Return the error that an answer holds; one of our own where a proxy or another program answered."""
    try:
        status = codec.decode(body, Status)
    except codec.DecodeError:
        status = Status()
    if status.kind == "Status" and status.code:
        return ApiError(status)
    text = body.decode(errors="replace").strip()[:500] or _PHRASES.get(code, str(code))
    return ApiError(Status(status="Failure", code=code, reason=_REASONS.get(code, ""), message=text))


_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
