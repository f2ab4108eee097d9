"""What is served as it stands: discovery and OpenAPI documents.

`discovery.find(path, accept)` and `schema.openapi.find(path, accept, query)` return the Document at a path in a form
that the Accept header takes, or None where there is none; the HTTP shell answers If-None-Match from the ETag.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Document:
    """Bytes that are made once. etag: with its quotes, "" for none. headers: beyond Content-Type and Etag.

    status: 200, or 301 where headers say where it is to be found instead.
    """

    body: bytes
    content_type: str = "application/json"
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 200
