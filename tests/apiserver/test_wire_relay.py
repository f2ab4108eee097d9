"""Logs and exec pass through the API server to the agent of the pod's node and back, byte for byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web

from apiserver.authentication import user_of_certificate
from apiserver.relay.agents import REFUSAL_MAX_BYTES
from apiserver.relay.upgrade import MESSAGE_MAX_BYTES
from apiserver.server import ApiServer
from tests.apiserver.agents import add_node, node_tls, serving
from tests.apiserver.wire import Wire, connection, pod

PODS = "/api/v1/namespaces/default/pods"
PATIENCE_S = 10.0
HELD_S = 0.3
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
UPGRADE = (
    b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
)


class PretendedAgent:
    """A node's agent that serves one log and echoes what exec sends; or dies, once `dies` is set, where it is asked to.

    is_held_back: set when nobody takes what it sends.
    """

    def __init__(self) -> None:
        self.dies = asyncio.Event()
        self.is_held_back = asyncio.Event()
        self.sends_on_to = ""
        self.refuses_at_length = False
        self.asked: list[str] = []
        self.callers: list[str] = []
        self.streams = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        assert request.transport is not None
        user = user_of_certificate(request.transport.get_extra_info("ssl_object").getpeercert())
        self.callers.append(user.name if user else "")
        if self.sends_on_to:
            return web.Response(status=307, headers={"Location": self.sends_on_to})
        if request.path.startswith("/containerLogs/"):
            if self.refuses_at_length:
                return await self._refuse_for_ever(request)
            if "previous" in request.query:
                return web.Response(status=400, text='previous terminated container "main" in pod "web" not found')
            if "follow" in request.query:
                return await self._begun_log(request)
            return web.Response(text="one\ntwo\n")
        socket = web.WebSocketResponse(protocols=(V5, V4))
        await socket.prepare(request)
        self.streams += 1
        try:
            match request.query.get("command"):
                case "die":
                    await self._die(request)
                case "flood":
                    await self._flood(socket)
                case _:
                    return await self._echo(socket)
        finally:
            self.streams -= 1
        return socket

    async def _refuse_for_ever(self, request: web.BaseRequest) -> web.StreamResponse:
        refusal = web.StreamResponse(status=400)
        await refusal.prepare(request)
        while True:
            await refusal.write(b"no" * 1000)

    async def _begun_log(self, request: web.BaseRequest) -> web.StreamResponse:
        log = web.StreamResponse()
        log.content_length = 1000
        await log.prepare(request)
        await log.write(b"one\n")
        await self._die(request)
        return log

    async def _die(self, request: web.BaseRequest) -> None:
        await self.dies.wait()
        assert request.transport is not None
        request.transport.abort()

    async def _flood(self, socket: web.WebSocketResponse) -> None:
        while True:
            try:
                await asyncio.wait_for(socket.send_bytes(b"\x01" + bytes(60_000)), HELD_S)
            except TimeoutError:
                self.is_held_back.set()

    async def _echo(self, socket: web.WebSocketResponse) -> web.StreamResponse:
        async for message in socket:
            if message.data == b"\xff\x00":
                await socket.send_bytes(b'\x03{"metadata":{},"status":"Success"}')
                break
            if message.data == b"\x00fail":
                await socket.send_bytes(b'\x03{"status":"Failure","message":"it ended with 7"}')
            else:
                await socket.send_bytes(b"\x01" + message.data[1:])
        await socket.close(code=1000)
        return socket


@pytest.fixture
async def agent(server: ApiServer, wire: Wire, tmp_path: Path) -> AsyncIterator[PretendedAgent]:
    """A node `here` with a pretended agent, and a pod `web` on it."""
    agent = PretendedAgent()
    async with serving(agent.handle, tls=node_tls(server, tmp_path)) as port:
        await add_node(wire, port)
        await wire.send("POST", PODS, pod(nodeName="here"))
        yield agent


async def test_a_log_comes_through(wire: Wire, agent: PretendedAgent) -> None:
    reply = await wire.send("GET", f"{PODS}/web/log?tailLines=2&timestamps=true&colour=blue")

    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b"one\ntwo\n", "text/plain")
    assert agent.asked == ["/containerLogs/default/web/main?timestamps=true&tailLines=2"]
    assert agent.callers == ["kube-apiserver"]


@pytest.mark.parametrize(
    ("offered", "chosen", "heard"),
    [
        (("binary.k8s.io",), "binary.k8s.io", [b"", b"one\ntwo\n"]),
        (("v9", "base64.binary.k8s.io"), "base64.binary.k8s.io", ["", "b25lCnR3bwo="]),
        ((), None, [b"", b"one\ntwo\n"]),
    ],
)
async def test_a_log_comes_in_the_messages_of_a_socket_where_the_client_wants_one(
    wire: Wire, agent: PretendedAgent, offered: tuple[str, ...], chosen: str, heard: list[Any]
) -> None:
    async with wire.socket(f"{PODS}/web/log?container=main", offered) as socket, asyncio.timeout(PATIENCE_S):
        found = [(await socket.receive()).data for _ in heard]
        end = await socket.receive()

    assert (socket.protocol, found) == (chosen, heard)
    assert (end.type, socket.close_code) == (aiohttp.WSMsgType.CLOSE, 1000)


async def test_a_socket_for_a_log_in_another_way_is_refused(wire: Wire, agent: PretendedAgent) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with wire.socket(f"{PODS}/web/log", (V5,)):
            pass

    assert refused.value.status == 400


async def test_what_the_agent_refuses_is_refused_with_its_words(wire: Wire, agent: PretendedAgent) -> None:
    reply = await wire.send("GET", f"{PODS}/web/log?previous=true")

    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert reply.json["message"] == 'previous terminated container "main" in pod "web" not found'


async def test_a_client_of_http_1_0_gets_a_log_without_frames(server: ApiServer, agent: PretendedAgent) -> None:
    async with connection(server) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(f"GET {PODS}/web/log HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        answer = await reader.read()

    assert answer.partition(b"\r\n\r\n")[2] == b"one\ntwo\n"


async def test_of_what_an_agent_refuses_with_no_more_is_kept_than_people_read(
    wire: Wire, agent: PretendedAgent
) -> None:
    agent.refuses_at_length = True

    async with asyncio.timeout(PATIENCE_S):
        reply = await wire.send("GET", f"{PODS}/web/log?previous=true")

    assert (reply.status, len(reply.json["message"])) == (400, REFUSAL_MAX_BYTES)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
        ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
        (
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            "at most one of `sinceTime` or `sinceSeconds` may be specified",
        ),
        ("stream=Both", 'stream: Unsupported value: "Both": supported values: "All", "Stderr", "Stdout"'),
        ("stream=Stdout&tailLines=1", "`tailLines` and specific `stream` are mutually exclusive for now"),
    ],
)
async def test_lines_that_can_t_be_wanted_are_refused_before_the_node_is_asked(
    wire: Wire, agent: PretendedAgent, query: str, message: str
) -> None:
    reply = await wire.send("GET", f"{PODS}/web/log?{query}")

    assert (reply.status, reply.reason) == (422, "Invalid")
    assert message in reply.json["message"]
    assert agent.asked == []


@pytest.mark.parametrize("query", ["tailLines=all", "limitBytes=1.5"])
async def test_log_options_that_can_t_be_read_are_a_bad_request(wire: Wire, agent: PretendedAgent, query: str) -> None:
    reply = await wire.send("GET", f"{PODS}/web/log?{query}")

    assert (reply.status, reply.reason) == (400, "BadRequest")


async def test_a_container_that_the_pod_has_not_is_refused(wire: Wire, agent: PretendedAgent) -> None:
    reply = await wire.send("GET", f"{PODS}/web/log?container=other")

    assert (reply.status, reply.json["message"]) == (400, "container other is not valid for pod web")
    assert agent.asked == []


async def test_exec_passes_both_ways_and_ends_as_the_agent_ends_it(wire: Wire, agent: PretendedAgent) -> None:
    path = f"{PODS}/web/exec?command=cat&command=-&stdin=true&stdout=true"

    async with wire.socket(path, (V5, V4)) as socket, asyncio.timeout(PATIENCE_S):
        await socket.send_bytes(b"\x00hello")
        echoed = await socket.receive_bytes()
        await socket.send_bytes(b"\xff\x00")
        status = await socket.receive_bytes()
        end = await socket.receive()

    assert socket.protocol == V5
    assert (echoed, status[:1]) == (b"\x01hello", b"\x03")
    assert (end.type, socket.close_code) == (aiohttp.WSMsgType.CLOSE, 1000)
    assert agent.asked[0].startswith("/exec/default/web/main?command=cat&command=-&")


async def test_a_log_that_breaks_off_ends_its_socket(
    wire: Wire, agent: PretendedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        wire.socket(f"{PODS}/web/log?follow=1", ("binary.k8s.io",)) as socket,
        asyncio.timeout(PATIENCE_S),
    ):
        heard = [await socket.receive_bytes() for _ in range(2)]
        agent.dies.set()
        end = await socket.receive()

    assert (heard, end.type, socket.close_code) == ([b"", b"one\n"], aiohttp.WSMsgType.CLOSE, 1011)
    assert caplog.record_tuples == []


async def test_an_agent_that_dies_while_it_is_sent_something_ends_the_exec(
    wire: Wire, agent: PretendedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire.socket(f"{PODS}/web/exec?command=die&stdin=1", (V5,)) as socket, asyncio.timeout(PATIENCE_S):
        with suppress(TimeoutError):
            while True:
                await asyncio.wait_for(socket.send_bytes(bytes(60_000)), HELD_S)
        agent.dies.set()
        end = await socket.receive()

    assert (end.type, socket.close_code) == (aiohttp.WSMsgType.CLOSE, 1011)
    assert caplog.record_tuples == []


async def test_a_client_that_vanishes_from_its_output_is_no_fault_of_the_server(
    server: ApiServer, agent: PretendedAgent, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(PATIENCE_S):
        async with connection(server) as (_, writer):
            writer.write(UPGRADE % f"{PODS}/web/exec?command=flood&stdout=1".encode())
            await agent.is_held_back.wait()
        while agent.streams:
            await asyncio.sleep(0.02)

    assert caplog.record_tuples == []


async def test_a_message_without_an_end_is_not_kept(wire: Wire) -> None:
    """A watch takes nothing from its client, which could fill the memory with one message else."""
    async with wire.socket("/api/v1/pods?watch=1") as socket, asyncio.timeout(PATIENCE_S):
        header = b"\x82\xff" + (MESSAGE_MAX_BYTES + 1).to_bytes(8, "big") + bytes(4)
        cast("Any", socket)._response.connection.transport.write(header)
        await socket.receive()

    assert socket.closed


@pytest.mark.parametrize(
    ("offered", "chosen", "said", "heard"),
    [
        ((V4,), V4, [b"\0hi", b"\0fail"], [b"\1hi", b'\3{"status":"Failure","message":"it ended with 7"}']),
        (("channel.k8s.io",), "channel.k8s.io", [b"\0hi", b"\0fail"], [b"\1hi", b"\3it ended with 7"]),
        ((), None, [b"\0hi", b"\0fail"], [b"\1hi", b"\3it ended with 7"]),
        (
            ("base64.channel.k8s.io",),
            "base64.channel.k8s.io",
            ["0aGk=", "0ZmFpbA=="],
            ["1aGk=", "3aXQgZW5kZWQgd2l0aCA3"],
        ),
        (("v9", "v4.base64.channel.k8s.io"), "v4.base64.channel.k8s.io", ["0aGk="], ["1aGk="]),
    ],
)
async def test_clients_speak_of_channels_in_their_own_ways(
    wire: Wire, agent: PretendedAgent, offered: tuple[str, ...], chosen: str, said: list[Any], heard: list[Any]
) -> None:
    """What a command's end is called depends on it too: before v4 it is a sentence."""
    async with wire.socket(f"{PODS}/web/exec?command=x&stdin=1", offered) as socket, asyncio.timeout(PATIENCE_S):
        for message in said:
            await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
        found = [(await socket.receive()).data for _ in heard]

    assert (socket.protocol, found) == (chosen, heard)


@pytest.mark.parametrize("action", ["exec", "attach"])
async def test_a_way_to_speak_of_channels_that_is_unknown_is_refused(
    wire: Wire, agent: PretendedAgent, action: str
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with wire.socket(f"{PODS}/web/{action}?command=x", ["v9.channel.k8s.io"]):
            pass

    assert (refused.value.status, agent.asked) == (400, [])


async def test_a_node_that_does_not_answer_is_an_error_and_not_a_hang(wire: Wire) -> None:
    await add_node(wire, 9, "gone")
    await wire.send("POST", PODS, pod(nodeName="gone"))

    reply = await wire.send("GET", f"{PODS}/web/log")

    assert (reply.status, reply.reason) == (500, "InternalError")
    assert "error dialing backend" in reply.json["message"]


@pytest.mark.parametrize("action", ["log", "exec"])
async def test_an_agent_can_not_send_the_server_elsewhere_with_its_certificate(
    server: ApiServer, wire: Wire, agent: PretendedAgent, action: str
) -> None:
    """The server's certificate is a master's: following a redirect would show the node's agent any Secret."""
    agent.sends_on_to = f"{server.url}/api/v1/namespaces/kube-system"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers = {**upgrade, "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg=="} if action == "exec" else {}

    reply = await wire.send("GET", f"{PODS}/web/{action}?command=true", headers=headers)

    assert reply.status == 500
    assert "would send this server elsewhere" in reply.json["message"]


@pytest.mark.parametrize(
    ("address", "port"), [("localhost/api/v1/secrets?", 443), ("me@localhost", 1), ("a:b", 1), ("127.0.0.1", 99_999)]
)
async def test_an_address_that_is_none_is_not_called(wire: Wire, address: str, port: int) -> None:
    """What a Node says of itself is put into a URL: it must not become its path."""
    await add_node(wire, port, "odd", address)
    await wire.send("POST", PODS, pod(nodeName="odd"))

    reply = await wire.send("GET", f"{PODS}/web/log")

    assert (reply.status, reply.reason) == (500, "InternalError")
    assert "node odd has no usable address" in reply.json["message"]


async def test_an_exec_whose_client_vanishes_ends_at_the_node_too(server: ApiServer, agent: PretendedAgent) -> None:
    """Else the process would run on for nobody."""
    tasks = len(asyncio.all_tasks())
    async with asyncio.timeout(PATIENCE_S):
        for _ in range(10):
            async with connection(server) as (reader, writer):
                writer.write(UPGRADE % f"{PODS}/web/exec?command=cat&stdin=1&stdout=1".encode())
                assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        while agent.streams or len(asyncio.all_tasks()) > tasks + 1:  # One kept connection to the agent, perhaps.
            await asyncio.sleep(0.02)
