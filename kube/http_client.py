"""The Client over HTTPS: what kube.client promises, for rooms in another process than the API server.

One session of kept connections per client; who it is comes from an Access (certificate or token). A watch is read line
by line, however the bytes arrive. Every wait has a named timeout; where no answer came, ConnectionLost is raised.
Source: kubernetes.io/docs/reference/using-api/api-concepts
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar
from urllib.parse import quote

import aiohttp

from kube import codec
from kube.client import (
    EVERYTHING,
    Client,
    ConnectionLost,
    Page,
    PatchType,
    Preconditions,
    PropagationPolicy,
    Selection,
    WatchEvent,
)
from kube.config import Access
from kube.http_answers import LINE_MAX_BYTES, is_status, lines_of, object_of, page_of, refusal, watch_event
from kube.kinds import Kind, Resource, kind_of
from kube.tls import tls_context

T = TypeVar("T", bound=Resource)
A = TypeVar("A")

CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 60.0
WATCH_SLACK_S: Final = 30.0
SILENT_WATCH_S: Final = 600.0
QUIET_S: Final = 30
"""After so long without a word the kernel asks whether the other side is there; it has as long again to say so."""
QUESTIONS: Final = 3
NO_PRECONDITIONS: Final = Preconditions()

JSON: Final = "application/json"


class HttpClient(Client):
    """The verbs of the API at one server, as whoever `access` says."""

    def __init__(self, access: Access, *, user_agent: str = "wherry") -> None:
        self.access = access
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def get(self, cls: type[T], name: str, *, namespace: str = "") -> T:
        """Return one object."""
        return object_of(await self.request_raw("GET", path_of(kind_of(cls), namespace, name)), cls)

    async def list(
        self,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> Page[T]:
        """Return the objects of a selection."""
        query = _selectors(selection)
        query |= {"limit": str(limit)} if limit else {}
        query |= {"continue": continue_token} if continue_token else {}
        query |= {"resourceVersion": resource_version} if resource_version else {}
        body = await self.request_raw("GET", path_of(kind_of(cls), selection.namespace), query=query)
        return page_of(body, cls)

    async def watch(
        self,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        resource_version: str = "",
        timeout_s: float = 0,
    ) -> AsyncIterator[WatchEvent[T]]:
        """Yield changes until the server ends the watch; a line that comes in pieces is put together."""
        query = {**_selectors(selection), "watch": "true", "allowWatchBookmarks": "true"}
        query |= {"resourceVersion": resource_version} if resource_version else {}
        query |= {"timeoutSeconds": str(max(1, int(timeout_s)))} if timeout_s else {}
        path = path_of(kind_of(cls), selection.namespace)
        read_timeout_s = timeout_s + WATCH_SLACK_S if timeout_s else SILENT_WATCH_S
        async with self.stream(path, query=query, read_timeout_s=read_timeout_s) as pieces:
            async for line in lines_of(pieces):
                yield watch_event(line, cls)

    async def create(self, obj: T, *, dry_run: bool = False) -> T:
        """Store a new object."""
        query = {"dryRun": "All"} if dry_run else {}
        path = path_of(kind_of(type(obj)), obj.metadata.namespace)
        return object_of(await self.request_raw("POST", path, query=query, body=codec.encode(obj)), type(obj))

    async def update(self, obj: T, *, subresource: str = "") -> T:
        """Replace an object, or its status."""
        path = path_of(kind_of(type(obj)), obj.metadata.namespace, obj.metadata.name, subresource)
        return object_of(await self.request_raw("PUT", path, body=codec.encode(obj)), type(obj))

    async def patch(
        self,
        cls: type[T],
        name: str,
        patch: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        namespace: str = "",
        subresource: str = "",
        patch_type: PatchType = PatchType.MERGE,
        field_manager: str = "",
        force: bool = False,
    ) -> T:
        """Change parts of an object."""
        query = {"fieldManager": field_manager} if field_manager else {}
        query |= {"force": "true"} if force else {}
        path = path_of(kind_of(cls), namespace, name, subresource)
        body = codec.encode(patch)
        answer = await self.request_raw("PATCH", path, query=query, body=body, content_type=patch_type.value)
        return object_of(answer, cls)

    async def delete(
        self,
        cls: type[T],
        name: str,
        *,
        namespace: str = "",
        grace_s: int | None = None,
        propagation: PropagationPolicy = "",
        preconditions: Preconditions = NO_PRECONDITIONS,
    ) -> T | None:
        """Delete an object. A server that answers with a mere Status gives None."""
        conditions = {"uid": preconditions.uid, "resourceVersion": preconditions.resource_version}
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        options |= {"gracePeriodSeconds": grace_s} if grace_s is not None else {}
        options |= {"propagationPolicy": propagation} if propagation else {}
        options |= {"preconditions": set_ones} if (set_ones := {k: v for k, v in conditions.items() if v}) else {}
        path = path_of(kind_of(cls), namespace, name)
        answer = await self.request_raw("DELETE", path, body=codec.encode(options))
        return None if is_status(answer) else object_of(answer, cls)

    async def create_subresource(self, cls: type[T], name: str, subresource: str, body: A, *, namespace: str = "") -> A:
        """Post `body` to an object's subresource."""
        path = path_of(kind_of(cls), namespace, name, subresource)
        answer = await self.request_raw("POST", path, body=codec.encode(body))
        return body if is_status(answer) else codec.decode(answer, type(body))

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request_raw(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> bytes:
        """Return the body of any request's answer. Raises ApiError for one of 400 and above, and ConnectionLost."""
        headers = self._headers(accept)
        if body is not None:
            headers["Content-Type"] = content_type
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._opened().request(method, self._url(path), params=query, data=body, headers=headers) as response,
            ):
                answer = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(f"{method} {path}", error) from error
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise refusal(response.status, answer)
        return answer

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        accept: str = JSON,
        read_timeout_s: float = SILENT_WATCH_S,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a GET whose answer has no known end (a watch, logs) and give its bytes in pieces, as they come."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=read_timeout_s)
        try:
            response = await self._opened().get(
                self._url(path), params=query, headers=self._headers(accept), timeout=timeout
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(f"GET {path}", error) from error
        try:
            if response.status >= HTTPStatus.BAD_REQUEST:
                raise refusal(response.status, await response.read())
            yield self._pieces(response, path)
        finally:
            response.close()

    async def _pieces(self, response: aiohttp.ClientResponse, path: str) -> AsyncIterator[bytes]:
        try:
            async for piece in response.content.iter_any():
                yield piece
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(f"GET {path}", error) from error

    @asynccontextmanager
    async def websocket(
        self, path: str, protocols: Sequence[str], *, query: Sequence[tuple[str, str]] = ()
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket (exec, attach, port-forward) with one of the subprotocols."""
        try:
            channel = await self._opened().ws_connect(
                self._url(path),
                params=list(query),
                protocols=protocols,
                headers=self._headers("*/*"),
                max_msg_size=LINE_MAX_BYTES,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise refusal(error.status, error.message.encode()) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._lost(f"WebSocket {path}", error) from error
        try:
            yield channel
        finally:
            await channel.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            is_secure = self.access.server.startswith("https")
            context: ssl.SSLContext | bool = tls_context(self.access) if is_secure else True
            connector = aiohttp.TCPConnector(
                ssl=context, limit=0, keepalive_timeout=60, socket_factory=_watchful_socket
            )
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=True)
        return self._session

    def _headers(self, accept: str) -> dict[str, str]:
        headers = {"Accept": accept, "Accept-Encoding": "identity", "User-Agent": self._user_agent}
        if token := self.access.bearer_token():
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _url(self, path: str) -> str:
        return self.access.server.rstrip("/") + path

    def _lost(self, what: str, error: Exception) -> ConnectionLost:
        told = str(error) or type(error).__name__
        return ConnectionLost(f"{what}: no answer from {self.access.server} ({told})")


@lru_cache(maxsize=4096)
def path_of(kind: Kind, namespace: str = "", name: str = "", subresource: str = "") -> str:
    """Return the path of a kind's collection, of one object or of its subresource."""
    parts = [kind.root]
    if namespace and kind.namespaced:
        parts += ["namespaces", quote(namespace, safe="")]
    parts += [kind.plural, *([quote(name, safe="")] if name else []), *([subresource] if subresource else [])]
    return "/".join(parts)


def _watchful_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket that notices a server which is gone without a word, as when its machine lost its power."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, QUIET_S)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, QUIET_S // QUESTIONS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, QUESTIONS)
    return made


def _selectors(selection: Selection) -> dict[str, str]:
    query = {"labelSelector": selection.label_selector, "fieldSelector": selection.field_selector}
    return {name: text for name, text in query.items() if text}
