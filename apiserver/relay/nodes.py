"""Logs, exec, attach and port-forward: relayed to the agent of the pod's node, byte for byte.

Source: the paths of a kubelet's server.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp import web

from apiserver.forms import chunk
from apiserver.log_options import log_options
from apiserver.options import Query, flag_of, text_of
from apiserver.relay import port_forward, spdy_exec
from apiserver.relay.agents import Agent, Agents, agent_of, as_error, refusal_text
from apiserver.relay.channels import WAYS, Way, chosen_way
from apiserver.relay.log_socket import serve_log_socket
from apiserver.relay.upgrade import offered_protocols, opened_socket, until_one_ends, wants_websocket
from apiserver.responses import Answer, knows_chunks, stream_end, stream_head
from apiserver.strategy import Reader
from kube.api.core_v1 import Pod
from kube.errors import bad_request, internal
from kube.kinds import Resource

STREAM_OPTIONS: Final = {"stdin": "input", "stdout": "output", "stderr": "error", "tty": "tty"}


class NodeRelay:
    """The doors of pods that lead to the agents of their nodes."""

    def __init__(self, objects: Reader, agents: Agents) -> None:
        """objects: where the nodes are found."""
        self._objects = objects
        self._agents = agents

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
        agent = agent_of(self._objects, pod.spec.node_name)
        if subresource == "portforward":
            return await self._port_forward(request, agent, pod, query)
        url = agent.url(_parts(subresource, pod, container), _command_query(query))
        if spdy_exec.wants_spdy(request):
            return await spdy_exec.serve(request, partial(self._agents.connect, agent, url), query)
        if not wants_websocket(request):
            raise bad_request("Upgrade request required: connect with the WebSocket protocol v5.channel.k8s.io or v4")
        return await self._stream(request, agent, url, subresource)

    async def _log(self, request: web.BaseRequest, pod: Pod, container: str, query: Query) -> web.StreamResponse:
        options = log_options(pod.metadata.name, query)
        agent = agent_of(self._objects, pod.spec.node_name)
        url = agent.url(_parts("containerLogs", pod, container), options)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        try:
            async with self._agents.session().get(url, server_hostname=agent.node) as answer:
                if answer.status != 200:
                    raise as_error(answer.status, await refusal_text(answer))
                if wants_websocket(request):
                    return await serve_log_socket(request, answer.content.iter_any())
                transport.write(stream_head(request, "text/plain"))
                framed = chunk if knows_chunks(request) else bytes
                async for data in answer.content.iter_any():
                    transport.write(framed(data))
                    await request.writer.drain()
        except (aiohttp.ClientConnectionError, TimeoutError) as error:
            if request.transport is None or transport.is_closing():
                raise ConnectionResetError("the client has gone") from error
            raise internal(f"error dialing backend: {error}") from error
        except aiohttp.ClientPayloadError:
            transport.abort()
        return stream_end(request)

    async def _port_forward(self, request: web.BaseRequest, agent: Agent, pod: Pod, query: Query) -> web.StreamResponse:
        parts = _parts("portForward", pod)

        def connect(port: int, offered: Iterable[str]) -> Any:
            return self._agents.connect(agent, agent.url(parts, [("port", str(port))]), [*offered])

        if spdy_exec.wants_spdy(request):
            return await port_forward.serve_spdy(request, connect)
        if not wants_websocket(request):
            raise bad_request(f"Upgrade request required: connect with the WebSocket protocol {port_forward.TUNNELLED}")
        if port_forward.TUNNELLED in offered_protocols(request):
            return await port_forward.serve_tunnelled(request, connect)
        ports = [("port", str(port)) for port in port_forward.wanted_ports(query)]
        return await self._stream(request, agent, agent.url(parts, ports), "portforward")

    async def _stream(self, request: web.BaseRequest, agent: Agent, url: str, action: str) -> web.StreamResponse:
        """Relay the channels of a WebSocket."""
        way = chosen_way(action, offered_protocols(request))
        if way is None:
            known = ", ".join(way.name for way in WAYS[action] if way.name)
            raise bad_request(
                f"unable to upgrade: {', '.join(offered_protocols(request))[:200]} offered; use one of {known}"
            )
        async with self._agents.connect(agent, url, [way.node]) as node:
            if node.protocol != way.node:
                raise internal(f"the node's agent chose {node.protocol}; it has to speak {way.node}")
            client = await opened_socket(request, [way.name] if way.name else [])
            await _relay(client, node, way)
            return client


def _parts(action: str, pod: Pod, *container: str) -> list[str]:
    return [action, pod.metadata.namespace, pod.metadata.name, *container]


async def _relay(client: web.WebSocketResponse, node: aiohttp.ClientWebSocketResponse, way: Way) -> None:
    """Pass messages both ways until either side closes, then close the other with the same code."""
    await until_one_ends(_to_node(client, node, way), _to_client(node, client, way))
    await _close_alike(client, node)
    await _close_alike(node, client)
    if not client.closed:
        await client.close(code=1011, message=b"the node's agent has gone")
    if not node.closed:
        await node.close(code=1001)


_Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _close_alike(here: _Socket, there: _Socket) -> None:
    """Close a side as the other was closed, if it was: one that broke off has said nothing that could be passed on."""
    if here.close_code not in (None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE) and not there.closed:
        await there.close(code=here.close_code if here.close_code >= 1000 else 1000)


_DATA: Final = (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT)


async def _to_node(client: web.WebSocketResponse, node: aiohttp.ClientWebSocketResponse, way: Way) -> None:
    while (message := await client.receive()).type in _DATA:
        if data := way.to_node(message.data):
            await node.send_bytes(data)


async def _to_client(node: aiohttp.ClientWebSocketResponse, client: web.WebSocketResponse, way: Way) -> None:
    while (message := await node.receive()).type is aiohttp.WSMsgType.BINARY:
        told = way.to_client(message.data) if message.data else b""
        if isinstance(told, str):
            await client.send_str(told)
        elif told:
            await client.send_bytes(told)


def _command_query(query: Query) -> list[tuple[str, str]]:
    """Return the options of exec and attach as a node's agent reads them."""
    found = [("command", word) for word in query.get("command", ())]
    return found + [(theirs, "1") for ours, theirs in STREAM_OPTIONS.items() if flag_of(query, ours)]


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
