"""Port-forward, in each of the ways that clients speak it, to an agent that forwards to servers of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from apiserver.relay.port_forward import AHEAD_BYTES, TUNNELLED
from apiserver.server import ApiServer
from kube.spdy.connection import Connection, Reset
from kube.spdy.events import DataReceived, Event, StreamEnded, StreamReset
from tests.apiserver.agents import add_node, add_pod, node_tls, serving
from tests.apiserver.wire import Wire

PATH = "/api/v1/namespaces/default/pods/web/portforward"
V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
PATIENCE_S = 20.0
HELD_S = 0.3


class PretendedAgent:
    """A node's agent whose pods answer by port: 1 refuses, 2 takes nothing, 3 dies, any other echoes to the end."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open = 0
        self.changed = asyncio.Condition()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        socket = web.WebSocketResponse(protocols=(V5, V4), max_msg_size=0)
        await socket.prepare(request)
        await self._count(1)
        try:
            await self._serve(socket, request.transport, int(request.query["port"]))
        finally:
            await self._count(-1)
        await socket.close()
        return socket

    async def _serve(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, port: int) -> None:
        for channel in (0, 1):
            await socket.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
        if port == 1:
            await socket.send_bytes(b"\x01port 1: nothing accepts connections there")
        elif port == 2:
            await asyncio.Event().wait()
        elif port == 3:
            assert transport is not None
            transport.abort()
        else:
            async for message in socket:
                await socket.send_bytes(message.data)
                if message.data == b"\xff\x00":
                    return

    async def _count(self, change: int) -> None:
        async with self.changed:
            self.open += change
            self.changed.notify_all()

    async def until_open(self, count: int) -> None:
        """Wait until so many connections are open."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: self.open == count)


@pytest.fixture
async def agent(server: ApiServer, wire: Wire, tmp_path: Path) -> AsyncIterator[PretendedAgent]:
    """A node `here` with a pretended agent, and a pod `web` on it."""
    agent = PretendedAgent()
    async with serving(agent.handle, tls=node_tls(server, tmp_path)) as port:
        await add_node(wire, port)
        await add_pod(wire, "web", "192.0.2.1", 80)
        yield agent


class Client:
    """What kubectl does, over whatever carries its bytes."""

    def __init__(self, carrier: Any) -> None:
        self.carrier = carrier
        self.spdy = Connection(is_client=True, windows=False)
        self.events: list[Event] = []
        self._count = 0

    async def pair(self, port: int) -> tuple[int, int]:
        """Open the streams of a connection: data, error."""
        self._count += 1
        headers = {"port": str(port), "requestid": str(self._count)}
        error = self.spdy.open({**headers, "streamtype": "error"})
        self.spdy.end(error)
        data = self.spdy.open({**headers, "streamtype": "data"})
        await self.flush()
        return data, error

    async def flush(self) -> None:
        """Send what is to be sent."""
        await self.carrier.send(self.spdy.take_output())

    async def until(self, *wanted: Event) -> None:
        """Read until all of some events were seen."""
        async with asyncio.timeout(PATIENCE_S):
            while not all(event in self.events for event in wanted):
                self.events += self.spdy.receive(await self.carrier.receive())
                await self.flush()

    def text(self, stream: int) -> bytes:
        """Return what came on a stream."""
        return b"".join(e.data for e in self.events if isinstance(e, DataReceived) and e.stream == stream)


class Tunnel:
    """Bytes in the messages of a WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, data: bytes) -> None:
        for start in range(0, len(data), 50_000):  # Where a message ends means nothing.
            await self.socket.send_bytes(data[start : start + 50_000])

    async def receive(self) -> bytes:
        return await self.socket.receive_bytes()


class Raw:
    """Bytes on the connection itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def receive(self) -> bytes:
        data = await self.reader.read(65536)
        assert data, "the connection ended"
        return data


@asynccontextmanager
async def forwarding(wire: Wire, way: str) -> AsyncIterator[Client]:
    """Connect as a kubectl: "tunnelled" from 1.30 on, "raw" before."""
    if way == "tunnelled":
        async with wire.socket(PATH, [TUNNELLED]) as socket:
            assert socket.protocol == TUNNELLED
            yield Client(Tunnel(socket))
        return
    reader, writer = await wire.connection()
    upgrade = ("Connection: Upgrade", "Upgrade: SPDY/3.1", "X-Stream-Protocol-Version: portforward.k8s.io")
    writer.write("\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", *upgrade, "", ""]).encode())
    try:
        async with asyncio.timeout(PATIENCE_S):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert head[0] == "HTTP/1.1 101 Switching Protocols"
        assert "X-Stream-Protocol-Version: portforward.k8s.io" in head
        yield Client(Raw(reader, writer))
    finally:
        writer.transport.abort()


ways = pytest.mark.parametrize("way", ["tunnelled", "raw"])


@ways
async def test_bytes_pass_both_ways_and_the_pod_s_end_follows_the_client_s(
    wire: Wire, agent: PretendedAgent, way: str
) -> None:
    sent = bytes(range(256)) * 12_000
    async with forwarding(wire, way) as client:
        data, error = await client.pair(8080)
        for start in range(0, len(sent), 32_768):
            client.spdy.send(data, sent[start : start + 32_768])
        client.spdy.end(data)
        await client.flush()
        await client.until(StreamEnded(data), StreamEnded(error))

        assert (client.text(data) == sent, client.text(error)) == (True, b"")
    assert agent.asked == ["/portForward/default/web?port=8080"]


@ways
async def test_many_connections_share_one_session(wire: Wire, agent: PretendedAgent, way: str) -> None:
    async with forwarding(wire, way) as client:
        pairs = [await client.pair(8000 + number) for number in range(60)]
        for data, _ in pairs:
            client.spdy.send(data, b"I am %d" % data)
            client.spdy.end(data)
        await client.flush()
        await client.until(*[StreamEnded(stream) for pair in pairs for stream in pair])

        assert [client.text(data) for data, _ in pairs] == [b"I am %d" % data for data, _ in pairs]


@ways
@pytest.mark.parametrize(
    ("port", "told"),
    [(1, b"port 1: nothing accepts connections there"), (3, b"the connection to the node's agent broke off")],
)
async def test_a_connection_that_fails_tells_why_and_the_others_go_on(
    wire: Wire, agent: PretendedAgent, way: str, port: int, told: bytes
) -> None:
    async with forwarding(wire, way) as client:
        good, _ = await client.pair(8080)
        data, error = await client.pair(port)
        await client.until(StreamEnded(error))
        client.spdy.send(good, b"still here")
        await client.flush()
        await client.until(DataReceived(good, b"still here"))

    assert told in client.text(error)
    assert any(isinstance(event, StreamReset) and event.stream == data for event in client.events)


@ways
async def test_a_client_that_goes_ends_its_connections(wire: Wire, agent: PretendedAgent, way: str) -> None:
    async with forwarding(wire, way) as client:
        for port in (8080, 2):
            await client.pair(port)
        await agent.until_open(2)

    await agent.until_open(0)


async def test_what_a_pod_does_not_take_is_not_read_from_the_client(wire: Wire, agent: PretendedAgent) -> None:
    """Memory stays bounded: the sender is held back by TCP."""
    async with forwarding(wire, "raw") as client:
        data, _ = await client.pair(2)
        is_held_back = False
        for _ in range(200):
            client.spdy.send(data, bytes(AHEAD_BYTES // 8))
            try:
                await asyncio.wait_for(client.flush(), HELD_S)
            except TimeoutError:
                is_held_back = True
                break

    assert is_held_back


async def test_what_was_sent_to_connections_that_were_dropped_at_once_is_forgotten(
    wire: Wire, agent: PretendedAgent
) -> None:
    """Else it would count for ever in what waits for the pods, and in the end nothing more would be read."""
    piece = bytes(40_000)
    async with forwarding(wire, "tunnelled") as client:
        for number in range(AHEAD_BYTES // len(piece) + 2):
            headers = {"port": "8080", "requestid": f"dropped-{number}"}
            client.spdy.open({**headers, "streamtype": "error"}, fin=True)
            data = client.spdy.open({**headers, "streamtype": "data"})
            client.spdy.send(data, piece)
            client.spdy.reset(data, Reset.CANCEL)
            await client.flush()
        good, _ = await client.pair(8080)
        client.spdy.send(good, b"still here")
        await client.flush()
        await client.until(DataReceived(good, b"still here"))


async def test_a_pod_whose_node_is_gone_is_told_per_connection(wire: Wire) -> None:
    await add_node(wire, 9)
    await add_pod(wire, "web", "192.0.2.1", 80)

    async with forwarding(wire, "tunnelled") as client:
        _, error = await client.pair(8080)
        await client.until(StreamEnded(error))

        assert b"error dialing backend" in client.text(error)


@pytest.mark.parametrize("offered", [[V4], [V5, V4], []])
async def test_a_plain_websocket_has_a_channel_for_each_port_s_data_and_errors(
    wire: Wire, agent: PretendedAgent, offered: list[str]
) -> None:
    async with wire.socket(f"{PATH}?ports=8080", offered) as socket, asyncio.timeout(PATIENCE_S):
        ports = [await socket.receive_bytes(), await socket.receive_bytes()]
        await socket.send_bytes(b"\0hello")
        echoed = await socket.receive_bytes()

    assert (socket.protocol, ports, echoed) == (V4 if offered else None, [b"\0\x90\x1f", b"\1\x90\x1f"], b"\0hello")


async def test_a_plain_websocket_may_speak_base64(wire: Wire, agent: PretendedAgent) -> None:
    async with (
        wire.socket(f"{PATH}?ports=8080", ["v4.base64.channel.k8s.io"]) as socket,
        asyncio.timeout(PATIENCE_S),
    ):
        port = await socket.receive_str()
        await socket.receive_str()
        await socket.send_str("0aGVsbG8=")

        assert (port, await socket.receive_str()) == ("0kB8=", "0aGVsbG8=")


@pytest.mark.parametrize(
    ("query", "offered", "code"),
    [
        ("", [V4], 400),
        ("?ports=", [V4], 400),
        ("?ports=0", [V4], 400),
        ("?ports=x", [V4], 400),
        ("?ports=1", ["v9"], 400),
    ],
)
async def test_what_can_not_be_forwarded_is_refused_before_the_upgrade(
    wire: Wire, agent: PretendedAgent, query: str, offered: list[str], code: int
) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with wire.socket(PATH + query, offered):
            pass

    assert (refused.value.status, agent.asked) == (code, [])


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, 400),
        ({"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v9"}, 403),
        ({"Connection": "Upgrade", "Upgrade": "odd"}, 400),
    ],
)
async def test_a_request_for_no_protocol_of_ours_is_refused(
    wire: Wire, agent: PretendedAgent, headers: dict[str, str], code: int
) -> None:
    assert (await wire.send("POST", PATH, headers=headers)).status == code
