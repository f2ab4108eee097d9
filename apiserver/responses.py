"""Answers that are bytes already: written to the connection as they are, past aiohttp's header machinery.

Source: RFC 9112; kubernetes.io/docs/reference/using-api/api-concepts for gzip.
"""

import asyncio
import itertools
import secrets
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from msgspec.structs import replace

from apiserver.documents import Document
from apiserver.pieces import BLOCK_BYTES, Pieces, blocks
from kube.api.meta_v1 import Status
from kube.codec import encode
from kube.errors import ApiError

JSON: Final = "application/json"
GZIP_FROM_BYTES: Final = 128 * 1024
AUDIT_ID: Final = "Audit-Id"
END_OF_CHUNKS: Final = b"0\r\n\r\n"
WARNINGS_MAX: Final = 4096
"""How many letters of warnings an answer's head has; clients read no head of any length."""
CUT_WARNING_MAX: Final = 256
FLOW: Final = web.RequestKey("flow", bytes)
"""Under which a request has the lines of its answer's head that tell its flow schema."""
_USUAL: Final = {
    status: f"HTTP/1.1 {told}\r\n".encode()
    + b"Audit-Id: %b\r\nContent-Type: application/json\r\nCache-Control: no-cache, private\r\n"
    + b"Date: %b\r\n%bContent-Length: %d\r\n\r\n"
    for status, told in ((200, "200 OK"), (201, "201 Created"))
}
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}

Headers = Iterable[tuple[str, str]]


class Answer(web.StreamResponse):
    """A whole answer. aiohttp calls `prepare` and `write_eof`; nothing else of it is used."""

    def __init__(
        self,
        status: int,
        body: bytes | Pieces,
        content_type: str = JSON,
        headers: Headers = (),
        *,
        closes: bool = False,
    ) -> None:
        """closes: the connection ends with this answer."""
        self._code = status
        self._content = body
        self._type = content_type
        self._more = headers
        self._closes = closes

    def add_headers(self, headers: Headers) -> None:
        """Send more headers; not to be called once the answer is on its way."""
        self._more = [*self._more, *headers]

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return self._code

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on."""
        return not self._closes

    @property
    def json(self) -> bytes:
        """The body, if it is JSON."""
        return bytes(self._content) if self._type == JSON else b""

    def reword(self, content_type: str, body: bytes) -> None:
        """Say the same in another form."""
        self._content, self._type = body, content_type

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write everything."""
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        body, headers, ending = self._content, list(self._more), self._ending()
        if len(body) >= GZIP_FROM_BYTES and "gzip" in request.headers.get("Accept-Encoding", ""):
            body, ending = await asyncio.to_thread(_gzip, bytes(body) + ending), b""
            headers += (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
        self._closes = self._closes or not request.keep_alive
        head = _head(request, self._code, self._type, len(body) + len(ending), headers, closes=self._closes)
        if request.protocol.writing_paused:  # The answers before this one have not been read.
            await request.writer.drain()
        if request.method == "HEAD":
            transport.write(head)
        elif len(body) < BLOCK_BYTES:
            transport.write(b"".join((head, bytes(body), ending)))
        else:
            transport.write(head)
            for block in body.blocks() if isinstance(body, Pieces) else blocks(body):
                transport.write(block)
                await request.writer.drain()
            transport.write(ending)
        return None

    def _ending(self) -> bytes:
        """Return what ends the last line of JSON, which comes without: `kubectl get --raw` shows it as it is."""
        body = self._content
        is_ended = isinstance(body, bytes) and (not body or body.endswith(b"\n"))
        return b"" if is_ended or self._type != JSON else b"\n"

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


class Ended(web.StreamResponse):
    """The end of a stream that a handler wrote itself. last: what closes its framing."""

    def __init__(self, last: bytes, *, keep_alive: bool) -> None:
        """keep_alive: whether the connection goes on."""
        self._last = last
        self._goes_on = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the connection goes on."""
        return self._goes_on

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the end."""
        if self._last and request.transport is not None and not request.transport.is_closing():
            request.transport.write(self._last)
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to write."""


def knows_chunks(request: web.BaseRequest) -> bool:
    """Say whether the client reads a body in chunks; for one of HTTP/1.0 it is the connection's end that ends it."""
    return bool(request.version >= HttpVersion11)


def stream_head(request: web.BaseRequest, content_type: str = JSON, headers: Headers = ()) -> bytes:
    """Return the head of an answer whose end is not known yet; it is chunked for those who know chunks."""
    return _head(request, 200, content_type, None, list(headers), closes=not knows_chunks(request))


def stream_end(request: web.BaseRequest) -> Ended:
    """Return the end of such an answer."""
    return (
        Ended(END_OF_CHUNKS, keep_alive=request.keep_alive) if knows_chunks(request) else Ended(b"", keep_alive=False)
    )


def _head(
    request: web.BaseRequest,
    status: int,
    content_type: str,
    length: int | None,
    headers: list[tuple[str, str]],
    *,
    closes: bool,
) -> bytes:
    audit_id = request.headers.get(AUDIT_ID) or _new_audit_id()
    flow: bytes = request.get(FLOW, b"")
    if status in _USUAL and content_type is JSON and length is not None and not headers and not closes:
        return _USUAL[status] % (_bytes(audit_id), _date().encode(), flow, length)
    lines = [
        f"HTTP/1.1 {status} {_PHRASES.get(status, '')}",
        f"{AUDIT_ID}: {audit_id}",
        f"Content-Type: {content_type}",
        "Cache-Control: no-cache, private" if not any(name == "Cache-Control" for name, _ in headers) else "",
        f"Date: {_date()}",
        _framing(length, closes=closes),
        *[f"{name}: {value}" for name, value in headers],
        "Connection: close" if closes else "",
    ]
    return _bytes("\r\n".join(line for line in lines if line) + "\r\n") + flow + b"\r\n"


def _bytes(text: str) -> bytes:
    """Return the text of a head as bytes; what came in a request and was none goes back as it was."""
    return text.encode(errors="surrogateescape")


def _framing(length: int | None, *, closes: bool) -> str:
    if length is not None:
        return f"Content-Length: {length}"
    return "" if closes else "Transfer-Encoding: chunked"


_AUDIT_START: Final = str(uuid.uuid4())[:24]
_AUDIT_NUMBERS: Final = itertools.count(secrets.randbits(46))


def _new_audit_id() -> str:
    """Return a UUID that no other answer of any server has: the first part is the process's, the last counts up."""
    return f"{_AUDIT_START}{next(_AUDIT_NUMBERS):012x}"


class _Clockwork:
    """The Date header's text, made once a second."""

    second = 0
    text = ""


def _date() -> str:
    now = int(time.time())
    if now != _Clockwork.second:
        _Clockwork.second, _Clockwork.text = now, formatdate(now, usegmt=True)
    return _Clockwork.text


def _gzip(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


def status_answer(status: Status, headers: Headers = (), *, closes: bool = False) -> Answer:
    """Return a Status as an answer, with Retry-After where it has one."""
    wait_s = status.details.retry_after_seconds if status.details else 0
    more = [*headers, ("Retry-After", str(wait_s))] if wait_s else headers
    return Answer(status.code or 200, _encoded(status), JSON, more, closes=closes)


def _encoded(status: Status) -> bytes:
    """Return a Status as JSON; what it quotes may be bytes of a request that are no text."""
    try:
        return encode(status)
    except UnicodeEncodeError:
        message = status.message.encode(errors="replace").decode()
        return encode(replace(status, message=message, details=None))


def error_answer(error: ApiError, *, closes: bool = False) -> Answer:
    """Return what was refused, and why."""
    headers = warning_headers(error.warnings)
    if error.code == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    return status_answer(error.status, headers, closes=closes)


def no_page_answer() -> Answer:
    """Return that there is nothing at a path which is no resource's either."""
    return text_answer("404 page not found\n", 404)


def text_answer(text: str, status: int = 200) -> Answer:
    """Return plain text."""
    return Answer(status, text.encode(), "text/plain; charset=utf-8", (("X-Content-Type-Options", "nosniff"),))


def document_answer(document: Document, if_none_match: str) -> Answer:
    """Return a document, or that the client has it already."""
    headers = [*document.headers.items()]
    if document.etag:
        headers.append(("Etag", document.etag))
        if if_none_match and document.etag in if_none_match:
            return Answer(304, b"", document.content_type, headers)
    return Answer(document.status, document.body, document.content_type, headers)


def warning_headers(warnings: Iterable[str]) -> list[tuple[str, str]]:
    """Return a Warning header for each text; where they are long, they are cut, and the last ones left out."""
    texts = list(dict.fromkeys(warnings))
    if sum(map(len, texts)) > WARNINGS_MAX:
        texts = [*_cut(texts)]
    return [("Warning", f'299 - "{_quoted(text)}"') for text in texts]


def _cut(texts: Iterable[str]) -> Iterator[str]:
    left = WARNINGS_MAX
    for text in texts:
        if left <= 0:
            return
        yield text[:CUT_WARNING_MAX]
        left -= min(len(text), CUT_WARNING_MAX)


def _quoted(text: str) -> str:
    """Return a text as it may stand in a header: whatever is no letter there (a line's end, say) as a blank."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown.replace("\\", "\\\\").replace('"', '\\"')
