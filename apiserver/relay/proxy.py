"""The proxy doors of pods, services and nodes: a request goes to what is behind, and the answer comes back.

Keeps true: bodies are passed on as they come, whatever their size, but for HTML up to HTML_MAX_BYTES, whose links are
changed; this server's certificate is shown to nodes' own agents alone; a server that breaks off breaks off its answer.
Source: Kubernetes' UpgradeAwareHandler and proxy transport.
"""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp import web
from yarl import URL

from apiserver.connections import invite_body
from apiserver.paths import Target
from apiserver.relay.agents import CONNECT_TIMEOUT_S, Agents
from apiserver.relay.links import Links
from apiserver.relay.places import Place, place_of
from apiserver.relay.proxy_headers import Headers, is_upgrade, to_client, to_server, value_of
from apiserver.relay.proxy_upgrade import passed_through
from apiserver.responses import END_OF_CHUNKS, Answer, Ended, knows_chunks
from apiserver.strategy import Reader
from kube.errors import unavailable

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HTML_MAX_BYTES: Final = 4 * 1024 * 1024
_OWN_HEADERS: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
_NO_BODY: Final = (204, 304)
_PACKED: Final = {"gzip": 31, "deflate": 15}
_ANY_PACKING: Final = 47


@dataclass(frozen=True, slots=True)
class Passage:
    """One request on its way. path, query: as what is behind sees them, still encoded."""

    request: web.BaseRequest
    place: Place
    path: str
    query: str
    prefix: str

    @property
    def target(self) -> str:
        """Path and query."""
        return self.path + (f"?{self.query}" if self.query else "")

    def headers(self, *, upgrades: bool = False) -> Headers:
        """Return the headers for the server behind."""
        came = [(name, value) for name, value in self.request.headers.items()]
        return to_server(came, self.request.remote or "", self.prefix + self.path, upgrades=upgrades)

    def links(self) -> Links:
        """Return how links have to be changed."""
        return Links(self.prefix, self.place.authority, self.request.headers.get("Host", ""))


class Proxy:
    """Passes requests on."""

    def __init__(self, objects: Reader, agents: Agents) -> None:
        """objects: where pods, services and nodes are found."""
        self._objects = objects
        self._agents = agents
        self._tls = _unverified()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    async def serve(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        """Pass a request on and answer with what comes back. Raises ApiError."""
        place = place_of(self._objects, target.kind.type, target.namespace, target.name)
        full, _, query = request.raw_path.partition("?")
        prefix, path = split_path(full, namespaced=target.kind.namespaced)
        passage = Passage(request, place, path, query, prefix)
        if is_upgrade(request.headers.items()):
            tls = self._agents.tls if place.agent else self._tls
            return await passed_through(request, place, passage.target, passage.headers(upgrades=True), tls)
        if not path and request.method in ("GET", "HEAD"):
            return Answer(301, b"", headers=[("Location", f"{prefix}/{'?' + query if query else ''}")])
        return await self._passed(passage)

    async def _passed(self, passage: Passage) -> web.StreamResponse:
        request, place = passage.request, passage.place
        session = self._agents.session() if place.agent else self._client()
        try:
            async with session.request(
                request.method,
                URL(f"{place.scheme}://{place.authority}{passage.target or '/'}", encoded=True),
                headers=passage.headers(),
                data=_body(request) if request.body_exists else None,
                skip_auto_headers=_OWN_HEADERS,
                allow_redirects=False,
                server_hostname=place.agent.node if place.agent else None,
            ) as answer:
                return await _answered(passage, answer)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise unavailable(f"error trying to reach service: {error or 'it took too long'}", 0) from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._tls, limit=0, force_close=True),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def split_path(path: str, *, namespaced: bool) -> tuple[str, str]:
    """Return the path of a proxy's door, and what follows it."""
    count = 8 if namespaced else 6
    parts = path.split("/", count)
    return "/".join(parts[:count]), "/" + parts[count] if len(parts) > count else ""


def _unverified() -> ssl.SSLContext:
    """Return the TLS to pods and services, whose certificates nobody vouches for, and which see none of ours."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # Without the system's authorities, which take 20 ms to read.
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return tls


async def _body(request: web.BaseRequest) -> AsyncIterator[bytes]:
    invite_body(request)
    async for piece in request.content.iter_any():
        yield piece


async def _answered(passage: Passage, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Pass an answer on. Raises ClientError before anything of it was, ApiError for one that nobody asked for."""
    if answer.status == 101:
        raise unavailable("error trying to reach service: it switched protocols, which it was not asked for", 0)
    headers = to_client([(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers])
    links = passage.links()
    pieces: AsyncIterator[bytes] = answer.content.iter_any()
    if location := value_of(headers, "location"):
        headers = [(name, links.led(location) if name.lower() == "location" else value) for name, value in headers]
    elif _is_page(headers) and _has_body(passage.request, answer.status):
        page, is_whole = await _read_ahead(answer.content)
        if is_whole:
            page = await asyncio.to_thread(_changed, links, page, value_of(headers, "content-encoding"))
            headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
            headers.append(("Content-Length", str(len(page))))
        pieces = _joined(page, pieces)
    return await _written(passage.request, answer, headers, pieces)


def _is_page(headers: Headers) -> bool:
    return value_of(headers, "content-type").partition(";")[0].strip().lower() == "text/html"


def _has_body(request: web.BaseRequest, status: int) -> bool:
    return request.method != "HEAD" and status not in _NO_BODY


async def _read_ahead(content: aiohttp.StreamReader) -> tuple[bytes, bool]:
    """Return the beginning of a body, and whether that is all."""
    read = bytearray()
    async for piece in content.iter_any():
        read += piece
        if len(read) > HTML_MAX_BYTES:
            return bytes(read), False
    return bytes(read), True


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _changed(links: Links, page: bytes, encoding: str) -> bytes:
    """Return a page with its links changed; one that is packed in a way that we don't know stays as it is."""
    if encoding not in ("", *_PACKED):
        return page
    if not encoding:
        return links.html(page.decode("latin-1")).encode("latin-1")
    unpacking = zlib.decompressobj(_ANY_PACKING)
    try:
        plain = unpacking.decompress(page, HTML_MAX_BYTES)
    except zlib.error:
        return page
    if not unpacking.eof:
        return page
    packing = zlib.compressobj(wbits=_PACKED[encoding])
    return packing.compress(links.html(plain.decode("latin-1")).encode("latin-1")) + packing.flush()


async def _written(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, headers: Headers, pieces: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Write an answer as it comes."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    keeps, chunked = request.keep_alive, False
    if _has_body(request, answer.status) and not value_of(headers, "content-length"):
        chunked = knows_chunks(request)
        keeps = keeps and chunked  # Else it is the connection's end that ends the answer.
    framing = [("Transfer-Encoding", "chunked")] if chunked else []
    lines = [f"{name}: {value}" for name, value in (*headers, *framing, *([] if keeps else [("Connection", "close")]))]
    head = "\r\n".join([f"HTTP/1.1 {answer.status} {answer.reason or ''}", *lines, "", ""])
    transport.write(head.encode("latin-1"))
    try:
        async for piece in pieces:
            if piece:
                transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await request.writer.drain()
    except aiohttp.ClientError:
        transport.abort()
    return Ended(END_OF_CHUNKS if chunked else b"", keep_alive=keeps)
