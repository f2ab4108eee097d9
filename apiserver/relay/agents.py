"""Connections to the nodes' agents, each to the agent of the node that is meant and to nobody else.

An agent is found by the Node's addresses and the port it registered; it is spoken to over HTTPS with this server's
client certificate, and must show one that the cluster's authority signed for that very node before it hears a word.
What a Node says of itself is not trusted: an address is an address and nothing more, and where an agent would send us
on to, we don't go.
Source: kubernetes.io/docs/concepts/architecture/control-plane-node-communication
"""

import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import aiohttp

from apiserver.authentication import user_of_certificate
from apiserver.relay.upgrade import MESSAGE_MAX_BYTES
from apiserver.strategies.checks import is_ip
from apiserver.strategy import Reader
from kube.api.core_v1 import Node
from kube.errors import ApiError, bad_request, internal, method_not_allowed, not_found
from kube.kinds import kind_of
from kube.names import check_dns_subdomain

NODE_PORT: Final = 10250
NODE_NAME: Final = "system:node:"
CONNECT_TIMEOUT_S: Final = 10.0
KEPT_S: Final = 15
REFUSAL_MAX_BYTES: Final = 64 * 1024
ADDRESS_TYPES: Final = ("InternalIP", "Hostname", "ExternalIP")


@dataclass(frozen=True, slots=True)
class Agent:
    """Where a node's agent is."""

    node: str
    host: str
    port: int

    def url(self, parts: Iterable[str], query: Iterable[tuple[str, str]] = ()) -> str:
        """Return the URL of a path, given as its parts."""
        path = "/".join(quote(part, safe="") for part in parts)
        text = urlencode(list(query))
        return f"https://{shown_host(self.host)}:{self.port}/{path}{'?' + text if text else ''}"


def shown_host(host: str) -> str:
    """Return a host as URLs have it."""
    return f"[{host}]" if ":" in host else host


def agent_of(objects: Reader, name: str) -> Agent:
    """Return where the agent of a node is. Raises ApiError."""
    node = objects.get(Node, name)
    if node is None:
        raise not_found(kind_of(Node), name)
    addresses = {address.type: address.address for address in node.status.addresses}
    host = next((addresses[kind] for kind in ADDRESS_TYPES if addresses.get(kind)), "")
    if not host:
        raise internal(f"node {name} has no address; its agent registers one")
    port = node.status.daemon_endpoints.kubelet_endpoint.port or NODE_PORT
    if not (is_ip(host) or not check_dns_subdomain(host)) or not 0 < port < 1 << 16:
        raise internal(f"node {name} has no usable address: {host!r}, port {port}")
    return Agent(name, host, port)


class _AgentTls(ssl.SSLObject):
    """TLS to an agent, which has to be that of the node whose name the connection is made with."""

    def do_handshake(self) -> None:
        """Finish the handshake, and see whose certificate the other side has. Raises SSLCertVerificationError."""
        super().do_handshake()
        found, wanted = user_of_certificate(self.getpeercert()), f"{NODE_NAME}{self.server_hostname}"
        if found is None or found.name != wanted:
            held = found.name if found else "nobody"
            raise ssl.SSLCertVerificationError(f"the certificate is for {held}, not for {wanted}")


def agent_tls(authority: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS to agents. A connection's server name is the node's: its address may be any that it has."""
    tls = ssl.create_default_context(cafile=str(authority))
    tls.check_hostname = False
    tls.sslobject_class = _AgentTls
    tls.load_cert_chain(str(certificate), str(key))
    return tls


class Agents:
    """Asks the agents of nodes."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        """tls: as `agent_tls` makes it."""
        self.tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    def session(self) -> aiohttp.ClientSession:
        """Return what sends requests to agents; each names its node as `server_hostname`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self.tls, limit=0, keepalive_timeout=KEPT_S),
                timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S),
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[_going_nowhere_else()],
            )
        return self._session

    @asynccontextmanager
    async def connect(
        self, agent: Agent, url: str, offered: Sequence[str]
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket to an agent. Raises ApiError."""
        try:
            async with self.session().ws_connect(
                url,
                protocols=offered,
                compress=0,
                max_msg_size=MESSAGE_MAX_BYTES,
                autoclose=False,
                server_hostname=agent.node,
            ) as node:
                yield node
        except aiohttp.WSServerHandshakeError as error:
            raise as_error(error.status, await self._reason(agent, url) or error.message) from error
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise internal(f"error dialing backend: {error}") from error

    async def _reason(self, agent: Agent, url: str) -> str:
        """Return why an agent refuses a stream: asked without an upgrade, as aiohttp drops what a refused one says."""
        try:
            async with self.session().get(url, server_hostname=agent.node) as answer:
                return await refusal_text(answer)
        except (aiohttp.ClientError, TimeoutError):
            return ""


async def read_at_most(answer: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """Return the beginning of what an agent answers: a node doesn't say how much this server keeps of it."""
    read = bytearray()
    async for piece in answer.content.iter_any():
        read += piece
        if len(read) >= most_bytes:
            break
    return bytes(read[:most_bytes])


async def refusal_text(answer: aiohttp.ClientResponse) -> str:
    """Return in what words an agent refuses."""
    return (await read_at_most(answer, REFUSAL_MAX_BYTES)).decode(errors="replace").strip()


def _going_nowhere_else() -> aiohttp.TraceConfig:
    """Return what makes a session refuse redirects: with our certificate they would lend a node our rights."""

    async def refuse(_session: object, _context: object, seen: aiohttp.TraceRequestRedirectParams) -> None:
        raise internal(f"the node's agent answered {seen.response.status} and would send this server elsewhere")

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(refuse)
    return config


def as_error(status: int, text: str) -> ApiError:
    """Return what a node's agent refused, as our own refusal."""
    if status == 400:
        return bad_request(text)
    if status == 405:
        return method_not_allowed(text)
    return internal(f"the node's agent answered {status}: {text}")
