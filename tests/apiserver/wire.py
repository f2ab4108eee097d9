"""An API server of a test's own, and raw HTTPS to it: what is sent and what comes back, nothing in between."""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from apiserver.server import ApiServer

JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True)
class Reply:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The reason of a Status."""
        return str(self.json.get("reason", ""))

    @property
    def warnings(self) -> str:
        """The texts of the Warning headers, quotes as they were."""
        return self.headers.get("Warning", "").replace('\\"', '"')

    @property
    def causes(self) -> list[tuple[str, str]]:
        """The fields and reasons of a Status's causes."""
        return [(cause.get("field", ""), cause["reason"]) for cause in self.json["details"]["causes"]]


class Wire:
    """HTTPS connections to one server as one client."""

    def __init__(self, server: ApiServer, session: aiohttp.ClientSession, tls: ssl.SSLContext) -> None:
        self.server = server
        self._session = session
        self._tls = tls

    @classmethod
    @asynccontextmanager
    async def connect(cls, server: ApiServer, client: str = "admin", token: str = "") -> AsyncIterator[Self]:
        """Speak as the holder of a certificate of the server's (client "": none), or of a token."""
        keys = server.credentials
        tls = ssl.create_default_context(cafile=str(keys.certificate("ca")))
        if client and not token:
            tls.load_cert_chain(str(keys.certificate(client)), str(keys.key(client)))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with aiohttp.ClientSession(headers=headers) as session:
            yield cls(server, session, tls)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = JSON,
        accept: str = JSON,
        headers: Mapping[str, str] = {},
        chunked: bool = False,
    ) -> Reply:
        """Send a request. body: bytes as they are, anything else as JSON. chunked: its length isn't told."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        sent = {"Accept": accept, **({"Content-Type": content_type} if data is not None else {}), **headers}
        url = self.server.url + path
        content = io.BytesIO(data) if data else data
        options: dict[str, Any] = {"data": content, "headers": sent, "ssl": self._tls, "chunked": chunked or None}
        async with self._session.request(method, url, **options) as answer:
            joined = {name: ", ".join(answer.headers.getall(name)) for name in answer.headers}
            return Reply(answer.status, joined, await answer.read())

    @asynccontextmanager
    async def socket(
        self, path: str, protocols: Sequence[str] = (), headers: Mapping[str, str] = {}
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket. Raises WSServerHandshakeError where it is refused."""
        url = self.server.url + path
        async with self._session.ws_connect(
            url, ssl=self._tls, protocols=protocols, headers=headers, max_msg_size=0, autoclose=False
        ) as socket:
            yield socket

    async def connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection on which nothing was said yet."""
        return await asyncio.open_connection("localhost", self.server.port, ssl=self._tls)

    async def raw(self, method: str, path: str) -> Reply:
        """Send a request without a body, and follow no redirect."""
        async with self._session.request(
            method, self.server.url + path, ssl=self._tls, allow_redirects=False
        ) as answer:
            return Reply(answer.status, {**answer.headers}, await answer.read())

    @asynccontextmanager
    async def lines(self, path: str, *, accept: str = JSON) -> AsyncIterator[AsyncIterator[Any]]:
        """Open a watch and give its lines as JSON."""
        url = self.server.url + path
        async with self._session.get(url, headers={"Accept": accept}, ssl=self._tls) as answer:
            assert answer.status == 200, await answer.text()
            yield self._lines(answer)

    async def _lines(self, answer: aiohttp.ClientResponse) -> AsyncIterator[Any]:
        rest = b""
        async for data in answer.content.iter_any():
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield json.loads(line)


def config_map(name: str = "settings", **fields: Any) -> dict[str, Any]:
    """Return a ConfigMap as a client writes it."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **fields}


def pod(name: str = "web", **fields: Any) -> dict[str, Any]:
    """Return a Pod of one container as a client writes it. fields: more of its spec."""
    spec = {"containers": [{"name": "main", "image": "web:1"}], "automountServiceAccountToken": False, **fields}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def deployment(name: str = "web", **fields: Any) -> dict[str, Any]:
    """Return a Deployment as a client writes it. fields: more of its spec."""
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "web:1"}]}}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template, **fields}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
