"""Exec over SPDY: streams to channels and back, the end of a command, and clients and nodes that misbehave."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from apiserver.options import parse_query
from apiserver.relay import spdy_exec
from apiserver.relay.spdy_exec import NODE_PROTOCOL, QUEUE_BYTES, Translator, negotiated
from kube.errors import ApiError
from kube.spdy.connection import Connection, Reset
from kube.spdy.events import DataReceived, Event, PeerLeaving, StreamAccepted, StreamEnded, StreamReset

V5, V4, V1 = "v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io"
SUCCESS = b'{"metadata":{},"status":"Success"}'
EXIT_7 = b'{"metadata":{},"status":"Failure","message":"it ended with 7","reason":"NonZeroExitCode"}'
WAIT_S = 10.0
HELD_S = 0.3


class Talk:
    """A client with streams open on a translator."""

    def __init__(self, version: str = V4, *names: str) -> None:
        self.translator = Translator(version, frozenset(names))
        self.client = Connection(is_client=True, windows=False)
        self.streams = {name: self.client.open({"streamtype": name}) for name in names}
        self.to_node()
        assert self.to_client() == [StreamAccepted(stream, {}) for stream in self.streams.values()]

    def to_node(self) -> list[bytes]:
        return self.translator.from_client(self.client.take_output())

    def to_client(self) -> list[Event]:
        return self.client.receive(self.translator.connection.take_output())


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [([V5, V4, V1], V5), ([V4, V1], V4), ([f"new, {V1}"], V1), ([], V1)],
)
def test_the_client_s_first_protocol_that_is_known_is_chosen(offered: list[str], chosen: str) -> None:
    assert negotiated(offered) == chosen


def test_protocols_that_are_all_unknown_are_refused_with_those_that_are_known() -> None:
    with pytest.raises(ApiError, match=r"unable to upgrade.*v9.*v4\.channel") as refused:
        negotiated(["v9"])

    assert refused.value.code == 403


def test_input_becomes_channel_0_and_its_end_a_close() -> None:
    talk = Talk(V4, "error", "stdin")
    talk.client.send(talk.streams["stdin"], b"typed")
    talk.client.end(talk.streams["stdin"])

    assert talk.to_node() == [b"\x00typed", b"\xff\x00"]


def test_input_that_is_reset_has_ended() -> None:
    talk = Talk(V4, "error", "stdin")
    talk.client.reset(talk.streams["stdin"], Reset.CANCEL)

    assert talk.to_node() == [b"\xff\x00"]


def test_sizes_of_the_terminal_are_passed_on_one_by_one_however_they_are_cut() -> None:
    talk = Talk(V4, "error", "resize")
    talk.client.send(talk.streams["resize"], b'{"Width":80,"Height":24}\n{"Width":1')
    talk.client.send(talk.streams["resize"], b'00,"Height":30}\n')

    assert talk.to_node() == [b'\x04{"Width":80,"Height":24}', b'\x04{"Width":100,"Height":30}']


def test_output_goes_to_its_stream_and_ends_before_the_status() -> None:
    talk = Talk(V4, "error", "stdout", "stderr")
    error, out, err = (talk.streams[name] for name in ("error", "stdout", "stderr"))

    for message in (b"\x01out", b"\x02err", b"\x03" + SUCCESS, b"\x01late", b"\x03" + EXIT_7):
        talk.translator.from_node(message)

    assert talk.to_client() == [
        DataReceived(out, b"out"),
        DataReceived(err, b"err"),
        StreamEnded(out),
        StreamEnded(err),
        DataReceived(error, SUCCESS),
        StreamEnded(error),
    ]


@pytest.mark.parametrize(
    ("version", "status", "told"),
    [
        (V5, EXIT_7, EXIT_7),
        (V4, EXIT_7, EXIT_7),
        ("v3.channel.k8s.io", EXIT_7, b"it ended with 7"),
        (V1, EXIT_7, b"it ended with 7"),
        (V1, SUCCESS, b""),
        (V1, b"no status", b"no status"),
    ],
)
def test_the_end_is_told_as_the_protocol_s_version_tells_it(version: str, status: bytes, told: bytes) -> None:
    talk = Talk(version, "error")

    talk.translator.from_node(b"\x03" + status)

    expected: list[Event] = [DataReceived(1, told)] if told else []
    assert talk.to_client() == [*expected, StreamEnded(1)]


def test_a_stream_of_an_unknown_type_or_a_second_of_one_is_refused() -> None:
    talk = Talk(V4, "error", "stdin")
    odd, second = talk.client.open({"streamtype": "odd"}), talk.client.open({"streamtype": "stdin"})

    assert talk.to_node() == []
    assert talk.to_client() == [StreamReset(odd, Reset.REFUSED_STREAM), StreamReset(second, Reset.REFUSED_STREAM)]


def test_output_for_a_stream_that_the_client_closed_is_dropped() -> None:
    talk = Talk(V4, "error", "stdout")
    talk.client.reset(talk.streams["stdout"], Reset.CANCEL)
    talk.to_node()

    talk.translator.from_node(b"\x01nobody reads this")
    talk.translator.from_node(b"\x02nor this")

    assert talk.to_client() == []


def test_it_waits_for_the_streams_that_the_request_names() -> None:
    translator = Translator(V4, frozenset({"error", "stdout"}))
    client = Connection(is_client=True, windows=False)

    client.open({"streamtype": "error"})
    translator.from_client(client.take_output())
    assert not translator.is_ready
    client.open({"streamtype": "stdout"})
    translator.from_client(client.take_output())

    assert translator.is_ready


def test_a_client_that_says_goodbye_or_nonsense_has_left() -> None:
    polite, hostile = Talk(V4, "error"), Talk(V4, "error")
    polite.client.leave()
    polite.to_node()
    hostile.translator.from_client(b"\x80\x07nonsense")

    assert (polite.translator.has_left, hostile.translator.has_left) == (True, True)
    assert hostile.to_client() == [PeerLeaving(1)]


# Over real connections: a client's bytes, aiohttp's server, and a WebSocket in the node's place.

Node = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def serving(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    """Answer requests on a loopback port."""
    server = web.Server(handler, handler_cancellation=True)
    runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def relayed(node: Node, query: str, protocol: str = NODE_PROTOCOL) -> AsyncIterator[int]:
    """Serve exec over SPDY at a port, with `node` answering as the node's agent."""

    async def agent(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=(protocol,))
        await socket.prepare(request)
        await node(socket)
        await socket.close()
        return socket

    async with serving(agent) as port, aiohttp.ClientSession() as session:

        def connect(offered: Sequence[str]) -> Any:
            return session.ws_connect(f"http://127.0.0.1:{port}/", protocols=offered, autoclose=False)

        async def front(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await spdy_exec.serve(request, connect, parse_query(query))
            except ApiError as error:
                return web.Response(status=error.code, text=str(error))

        async with serving(front) as front_port:
            yield front_port


class Client:
    """A client as kubectl is one."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.spdy = Connection(is_client=True, windows=False)
        self.events: list[Event] = []
        self.head = b""

    @classmethod
    @asynccontextmanager
    async def connect(cls, port: int, *headers: str) -> AsyncIterator["Client"]:
        """Ask for the upgrade."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        wanted = ("Host: x", "Connection: Upgrade", "Upgrade: SPDY/3.1", *headers)
        client.writer.write("\r\n".join(["POST / HTTP/1.1", *wanted, "", ""]).encode())
        async with asyncio.timeout(WAIT_S):
            client.head = await client.reader.readuntil(b"\r\n\r\n")
        try:
            yield client
        finally:
            client.writer.transport.abort()

    def open(self, *names: str) -> list[int]:
        """Open streams."""
        streams = [self.spdy.open({"streamtype": name}) for name in names]
        self.flush()
        return streams

    def flush(self) -> None:
        """Send what is to be sent."""
        self.writer.write(self.spdy.take_output())

    async def until(self, event: Event) -> None:
        """Read until an event was seen."""
        async with asyncio.timeout(WAIT_S):
            while event not in self.events:
                data = await self.reader.read(65536)
                assert data, f"the connection ended before {event}; seen: {self.events}"
                self.events += self.spdy.receive(data)
                self.flush()

    async def at_end(self) -> list[Event]:
        """Read to the end of the connection, and return all events."""
        async with asyncio.timeout(WAIT_S):
            while data := await self.reader.read(65536):
                self.events += self.spdy.receive(data)
        return self.events

    def text(self, stream: int) -> bytes:
        """Return what came on a stream."""
        return b"".join(
            event.data for event in self.events if isinstance(event, DataReceived) and event.stream == stream
        )


async def echo(socket: web.WebSocketResponse) -> None:
    """Send input back as output until it ends, then end well."""
    async for message in socket:
        if message.data == b"\xff\x00":
            await socket.send_bytes(b"\x03" + SUCCESS)
            return
        await socket.send_bytes(b"\x01" + message.data[1:])


async def test_the_upgrade_is_answered_with_the_chosen_protocol() -> None:
    offers = [f"X-Stream-Protocol-Version: {version}" for version in (V4, V1)]
    async with relayed(echo, "stdin=true") as port, Client.connect(port, *offers) as client:
        lines = client.head.decode().split("\r\n")

    assert lines[0] == "HTTP/1.1 101 Switching Protocols"
    assert {"Connection: Upgrade", "Upgrade: SPDY/3.1", f"X-Stream-Protocol-Version: {V4}"} <= {*lines}


async def test_what_goes_in_comes_out_and_the_status_follows() -> None:
    sent = bytes(range(256)) * 8192
    async with (
        relayed(echo, "stdin=true&stdout=true") as port,
        Client.connect(port, f"X-Stream-Protocol-Version: {V4}") as client,
    ):
        error, given, out = client.open("error", "stdin", "stdout")
        for start in range(0, len(sent), 30_000):
            client.spdy.send(given, sent[start : start + 30_000])
        client.spdy.end(given)
        client.flush()
        await client.until(StreamEnded(error))

        assert (client.text(out) == sent, client.text(error)) == (True, SUCCESS)
        assert client.events.index(StreamEnded(out)) < client.events.index(StreamEnded(error))


async def test_a_node_that_breaks_off_is_told_as_a_failure() -> None:
    async def gone(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\x01half")

    async with (
        relayed(gone, "stdout=true") as port,
        Client.connect(port, f"X-Stream-Protocol-Version: {V4}") as client,
    ):
        error, out = client.open("error", "stdout")
        await client.until(StreamEnded(error))

        status = json.loads(client.text(error))
        assert client.text(out) == b"half"
        assert (status["status"], status["reason"]) == ("Failure", "InternalError")


@pytest.mark.parametrize("parting", ["goodbye", "hang up", "nonsense"])
async def test_a_client_that_leaves_ends_the_connection_to_the_node(parting: str) -> None:
    closed = asyncio.Event()

    async def wait(socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass
        closed.set()

    async with relayed(wait, "stdin=true") as port, Client.connect(port) as client:
        error, _ = client.open("error", "stdin")
        await client.until(StreamAccepted(error, {}))
        match parting:
            case "goodbye":
                client.spdy.leave()
                client.flush()
                assert PeerLeaving(0) in await client.at_end()
            case "hang up":
                client.writer.transport.abort()
            case _:
                client.writer.write(b"\x80\x09nonsense")
                assert PeerLeaving(1) in await client.at_end()
        async with asyncio.timeout(WAIT_S):
            await closed.wait()


async def test_input_that_nobody_takes_is_not_read_from_the_client() -> None:
    """Memory stays bounded: the sender is held back by TCP."""
    done = asyncio.Event()

    async def deaf(socket: web.WebSocketResponse) -> None:
        await done.wait()

    async with relayed(deaf, "stdin=true") as port, Client.connect(port) as client:
        _, given = client.open("error", "stdin")
        is_held_back = False
        for _ in range(64 * 1024 * 1024 // QUEUE_BYTES):
            client.spdy.send(given, bytes(QUEUE_BYTES))
            client.flush()
            try:
                await asyncio.wait_for(client.writer.drain(), HELD_S)
            except TimeoutError:
                is_held_back = True
                break
        done.set()

    assert is_held_back


async def test_a_node_that_speaks_another_protocol_is_refused_before_the_upgrade() -> None:
    async with relayed(echo, "stdin=true", protocol="v4.channel.k8s.io") as port, Client.connect(port) as client:
        assert client.head.startswith(b"HTTP/1.1 500 ")


async def test_protocols_that_nobody_knows_are_refused_before_the_upgrade() -> None:
    async with (
        relayed(echo, "stdin=true") as port,
        Client.connect(port, "X-Stream-Protocol-Version: v9.channel.k8s.io") as client,
    ):
        assert client.head.startswith(b"HTTP/1.1 403 ")
