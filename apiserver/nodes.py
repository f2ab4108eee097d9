"""Logs, exec, attach and port-forward: relayed to the agent of the pod's node, byte for byte.

The agent is found by the Node's InternalIP and the port it registered; it is spoken to over HTTPS with this server's
client certificate, and must show one that the cluster's authority signed. What a Node says of itself is not trusted:
an address is an address and nothing more, and where an agent would send us on to, we don't go.
Source: kubernetes.io/docs/concepts/architecture/control-plane-node-communication; the kubelet's paths.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast
from urllib.parse import quote, urlencode

import aiohttp
from aiohttp import web

from apiserver import spdy_exec
from apiserver.options import Query, flag_of, text_of
from apiserver.responses import Answer, Ended, stream_head
from apiserver.strategies.checks import is_ip
from apiserver.strategy import Reader
from apiserver.watching import END_OF_CHUNKS
from kube.api.core_v1 import Node, Pod
from kube.errors import ApiError, bad_request, internal, method_not_allowed, not_found
from kube.kinds import Resource, kind_of
from kube.names import check_dns_subdomain

NODE_PORT: Final = 10250
CONNECT_TIMEOUT_S: Final = 10.0
CHUNK_BYTES: Final = 64 * 1024
PING_S: Final = 30.0
LOG_OPTIONS: Final = (
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
    "stream",
)
STREAM_OPTIONS: Final = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}
ADDRESS_TYPES: Final = ("InternalIP", "Hostname", "ExternalIP")


class NodeRelay:
    """Connections to node agents."""

    def __init__(self, objects: Reader, tls: ssl.SSLContext) -> None:
        """tls: with our client certificate, trusting the cluster's authority."""
        self._objects = objects
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()

    async def serve(
        self, request: web.BaseRequest, resource: Resource, subresource: str, query: Query
    ) -> web.StreamResponse:
        """Relay a request for a pod's subresource. Raises ApiError."""
        pod = cast("Pod", resource)
        container = "" if subresource == "portforward" else chosen_container(pod, text_of(query, "container"))
        if subresource == "log":
            if not pod.spec.node_name:
                return Answer(200, b"", "text/plain")
            return await self._log(request, pod, container, query)
        if not pod.spec.node_name:
            raise bad_request(f"pod {pod.metadata.name} does not have a host assigned")
        if spdy_exec.wants_spdy(request) and subresource != "portforward":
            url = self._url(pod, subresource, container, _stream_query(query))
            return await spdy_exec.serve(request, self._connect, url, query)
        if not _wants_websocket(request):
            raise bad_request("Upgrade request required: connect with the WebSocket protocol v5.channel.k8s.io or v4")
        return await self._stream(request, self._url(pod, subresource, container, _stream_query(query)))

    def _url(self, pod: Pod, action: str, container: str, query: Iterable[tuple[str, str]]) -> str:
        node = self._objects.get(Node, pod.spec.node_name)
        if node is None:
            raise not_found(kind_of(Node), pod.spec.node_name)
        addresses = {address.type: address.address for address in node.status.addresses}
        host = next((addresses[kind] for kind in ADDRESS_TYPES if addresses.get(kind)), "")
        if not host:
            raise internal(f"node {node.metadata.name} has no address; its agent registers one")
        port = node.status.daemon_endpoints.kubelet_endpoint.port or NODE_PORT
        if not (is_ip(host) or not check_dns_subdomain(host)) or not 0 < port < 1 << 16:
            raise internal(f"node {node.metadata.name} has no usable address: {host!r}, port {port}")
        shown = f"[{host}]" if ":" in host else host
        parts = [action, pod.metadata.namespace, pod.metadata.name, *([container] if container else [])]
        path = "/".join(quote(part, safe="") for part in parts)
        text = urlencode(list(query))
        return f"https://{shown}:{port}/{path}{'?' + text if text else ''}"

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S)
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=0, keepalive_timeout=15)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=timeout,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[_going_nowhere_else()],
            )
        return self._session

    async def _log(self, request: web.BaseRequest, pod: Pod, container: str, query: Query) -> web.StreamResponse:
        options = [(name, query[name][0]) for name in LOG_OPTIONS if name in query]
        url = self._url(pod, "containerLogs", container, options)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        try:
            async with self._client().get(url) as answer:
                if answer.status != 200:
                    raise _as_error(answer.status, (await answer.text()).strip())
                transport.write(stream_head("text/plain"))
                async for data in answer.content.iter_any():
                    transport.write(b"%x\r\n%b\r\n" % (len(data), data))
                    await request.writer.drain()
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            if request.transport is None or transport.is_closing():
                raise ConnectionResetError("the client has gone") from error
            raise internal(f"error dialing backend: {error}") from error
        except aiohttp.ClientPayloadError:
            transport.abort()
        return Ended(END_OF_CHUNKS, keep_alive=request.keep_alive)

    async def _stream(self, request: web.BaseRequest, url: str) -> web.StreamResponse:
        words = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
        offered = [word.strip() for word in words if word.strip()]
        async with self._connect(url, offered) as node:
            chosen = (node.protocol,) if node.protocol else ()
            client = web.WebSocketResponse(
                protocols=chosen, compress=False, max_msg_size=0, autoclose=False, heartbeat=PING_S
            )
            await client.prepare(request)
            await _relay(client, node)
            return client

    @asynccontextmanager
    async def _connect(self, url: str, offered: Sequence[str]) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a WebSocket to a node's agent. Raises ApiError."""
        try:
            connection = self._client().ws_connect(url, protocols=offered, compress=0, max_msg_size=0, autoclose=False)
            async with connection as node:
                yield node
        except aiohttp.WSServerHandshakeError as error:
            raise _as_error(error.status, await self._reason(url) or error.message) from error
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            raise internal(f"error dialing backend: {error}") from error

    async def _reason(self, url: str) -> str:
        """Return why an agent refuses a stream: asked without an upgrade, as aiohttp drops what a refused one says."""
        try:
            async with self._client().get(url) as answer:
                return (await answer.text()).strip()
        except (aiohttp.ClientError, TimeoutError):
            return ""


def _going_nowhere_else() -> aiohttp.TraceConfig:
    """Return what makes a session refuse redirects: with our certificate they would lend a node our rights."""

    async def refuse(_session: object, _context: object, seen: aiohttp.TraceRequestRedirectParams) -> None:
        raise internal(f"the node's agent answered {seen.response.status} and would send this server elsewhere")

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(refuse)
    return config


async def _relay(client: Any, node: Any) -> None:
    """Pass messages both ways until either side closes, then close the other with the same code."""
    async with asyncio.TaskGroup() as group:
        ways = [group.create_task(_pass_on(client, node)), group.create_task(_pass_on(node, client))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
    for here, there in ((client, node), (node, client)):
        if here.close_code is not None and not there.closed:
            await there.close(code=here.close_code if here.close_code >= 1000 else 1000)
    if not client.closed:
        await client.close(code=1011, message=b"the node's agent has gone")
    if not node.closed:
        await node.close(code=1001)


async def _pass_on(source: Any, target: Any) -> None:
    while True:
        message = await source.receive()
        match message.type:
            case aiohttp.WSMsgType.BINARY:
                await target.send_bytes(message.data)
            case aiohttp.WSMsgType.TEXT:
                await target.send_str(message.data)
            case _:
                return


def _wants_websocket(request: web.BaseRequest) -> bool:
    return request.headers.get("Upgrade", "").lower() == "websocket"


def _stream_query(query: Query) -> list[tuple[str, str]]:
    """Return the options of exec, attach and portforward as a node's agent reads them."""
    found = [("command", word) for word in query.get("command", ())]
    found += [(theirs, "1") for ours, theirs in STREAM_OPTIONS.items() if flag_of(query, ours)]
    return found + [(name, value) for name in ("port", "ports") for value in query.get(name, ())]


def chosen_container(pod: Pod, wanted: str) -> str:
    """Return the container that a request is about: the one it names, or the only one. Raises ApiError 400."""
    spec = pod.spec
    names = [container.name for container in spec.containers]
    init = [container.name for container in spec.init_containers]
    others = [*init, *(debugger.name for debugger in spec.ephemeral_containers)]
    name = pod.metadata.name
    if wanted:
        if wanted not in names and wanted not in others:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(names) == 1:
        return names[0]
    choices = f"[{' '.join(names)}]" + (f" or one of the init containers: [{' '.join(init)}]" if init else "")
    raise bad_request(f"a container name must be specified for pod {name}, choose one of: {choices}")


def _as_error(status: int, text: str) -> ApiError:
    """Return what the node's agent refused, as our own refusal."""
    if status == 400:
        return bad_request(text)
    if status == 405:
        return method_not_allowed(text)
    return internal(f"the node's agent answered {status}: {text}")
