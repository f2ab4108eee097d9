"""Clients that take their time, take nothing, take too much, or vanish: each ends within its bound, alone."""

import asyncio
import contextlib
import json
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from apiserver.connections import BODY_MAX_BYTES, DESCRIPTORS_KEPT, Bounds, within_descriptors
from apiserver.server import ApiServer
from apiserver.settings import ApiServerSettings
from tests.apiserver.wire import Wire, config_map, connection

MAPS = "/api/v1/namespaces/default/configmaps"
PATIENCE_S = 20.0
SHORT = Bounds(handshake_s=2.0, head_s=1.0, body_s=2.0, stalled_s=2, sweep_s=0.1, connections=40)
HEAD = f"POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BIG = "x" * 900_000


@pytest.fixture
async def hasty(pki_dir: Path) -> AsyncIterator[ApiServer]:
    """A server that has little patience."""
    async with ApiServer(ApiServerSettings(pki_dir=pki_dir, port=0), bounds=SHORT) as running:
        await running.ready()
        yield running


async def until(holds: Callable[[], bool]) -> None:
    """Return when something holds."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.02)


async def dripped(server: ApiServer, data: bytes) -> bytes:
    """Send bytes one by one, for as long as the server takes them; return its answer."""
    async with asyncio.timeout(PATIENCE_S), connection(server) as (reader, writer):
        answer = asyncio.ensure_future(reader.read())
        with contextlib.suppress(ConnectionError):
            for byte in data:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.wait((answer,), timeout=0.05)
                if answer.done():
                    break
        with contextlib.suppress(ConnectionError):
            return await answer
        return b""


async def test_a_head_that_comes_byte_by_byte_is_cut(hasty: ApiServer) -> None:
    answer = await dripped(hasty, HEAD.encode())

    assert answer == b""


async def test_a_body_that_comes_byte_by_byte_is_given_up(hasty: ApiServer) -> None:
    async with connection(hasty) as (reader, writer):
        writer.write(f"{HEAD}Content-Length: 500\r\n\r\n{{".encode())
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 504 ")
    assert b"the body of the request did not come within 2 seconds" in answer


async def test_a_client_without_a_handshake_is_cut(hasty: ApiServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    garbled_reader, garbled_writer = await asyncio.open_connection("127.0.0.1", hasty.port)
    garbled_writer.write(b"\x16\x03\x01\x02\x00\x01" + b"\xff" * 600)

    async with asyncio.timeout(PATIENCE_S):
        silent = await reader.read()
        with contextlib.suppress(ConnectionError):
            await garbled_reader.read()

    assert silent == b""
    for each in (writer, garbled_writer):
        each.close()


@pytest.mark.parametrize("framing", ["Content-Length: 104857600", "Transfer-Encoding: chunked"])
async def test_a_body_of_100_mb_is_refused_at_once_and_never_kept(server: ApiServer, wire: Wire, framing: str) -> None:
    """The most that is ever held of it is the limit, wherever it ends."""
    part = b"100000\r\n" + b"x" * 0x100000 + b"\r\n" if "chunked" in framing else b"x" * 0x100000
    sent = 0
    async with asyncio.timeout(PATIENCE_S), connection(server) as (reader, writer):
        writer.write(f"{HEAD}{framing}\r\n\r\n".encode())
        answer = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
        with contextlib.suppress(ConnectionError):
            while not answer.done() and sent < 100:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
                sent += 1
        head = await answer

    assert head.startswith(b"HTTP/1.1 413 ")
    assert sent < 100
    assert BODY_MAX_BYTES < 100 << 20


async def test_one_connection_too_many_is_closed_and_there_is_room_again_later(hasty: ApiServer) -> None:
    async with contextlib.AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(connection(hasty)) for _ in range(SHORT.connections)]
        async with connection(hasty) as (reader, writer), asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        reader, writer = kept[0]
        writer.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            still = await reader.readuntil(b"\r\n")

    async def has_room() -> bool:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            async with connection(hasty) as (late_reader, late_writer):
                late_writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                return (await late_reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        return False

    async with asyncio.timeout(PATIENCE_S):
        while not await has_room():
            await asyncio.sleep(0.05)
    assert still.startswith(b"HTTP/1.1 200")


def test_there_are_no_more_connections_than_descriptors(caplog: pytest.LogCaptureFixture) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    found = within_descriptors(Bounds(connections=hard + 1))

    assert found.connections == hard - DESCRIPTORS_KEPT
    assert f"for {hard + 1} raise the limit to {hard + 1 + DESCRIPTORS_KEPT}" in caplog.text


@asynccontextmanager
async def deaf_watch(server: ApiServer) -> AsyncIterator[None]:
    """Keep a watch open as a client that never reads what comes."""
    keys = server.credentials
    tls = ssl.create_default_context(cafile=str(keys.certificate("ca")))
    tls.load_cert_chain(str(keys.certificate("admin")), str(keys.key("admin")))
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

        def begin() -> ssl.SSLSocket:
            plain.connect(("127.0.0.1", server.port))
            channel = tls.wrap_socket(plain, server_hostname="127.0.0.1")
            channel.sendall(f"GET {MAPS}?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            channel.recv(10)
            return channel

        with await asyncio.to_thread(begin):
            yield


def open_connections() -> int:
    """Return how many sockets this process has open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(link.readlink()).startswith("socket:")
    return found


async def test_a_watcher_that_does_not_read_is_cut_and_nobody_else_notices(hasty: ApiServer) -> None:
    """By the kernel, for what waits for it is far from filling the buffer that it may have."""
    watch = f"{MAPS}?watch=1&timeoutSeconds=60"
    async with deaf_watch(hasty), Wire.connect(hasty) as wire, wire.lines(watch) as lines:
        await wire.send("GET", MAPS)
        watching = open_connections()
        for number in range(4):
            reply = await wire.send("POST", MAPS, config_map(f"big-{number}", data={"x": BIG}))
            assert reply.status == 201
        async with asyncio.timeout(PATIENCE_S):
            heard = [(await anext(lines))["object"]["metadata"]["name"] for _ in range(4)]
        await until(lambda: open_connections() < watching)

    assert heard == [f"big-{number}" for number in range(4)]


async def test_a_client_that_reads_none_of_its_answers_gets_no_more_of_them(server: ApiServer, wire: Wire) -> None:
    """Each request costs it a line, and would cost the server fifty kilobytes."""
    await wire.send("POST", MAPS, config_map(data={"x": "x" * 50_000}))
    before = json.loads((await wire.send("GET", f"{MAPS}/settings")).body)
    memory = resident_bytes()
    async with connection(server) as (_, writer):
        cast("asyncio.Transport", writer.transport).pause_reading()
        request = f"GET {MAPS}/settings HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(2):
                while True:
                    writer.write(request * 100)
                    await writer.drain()
                    await asyncio.sleep(0)
        grown = resident_bytes() - memory
    after = json.loads((await wire.send("GET", f"{MAPS}/settings")).body)

    assert grown < 20 << 20
    assert after == before


def resident_bytes() -> int:
    """Return how much memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def test_half_closed_and_vanished_clients_leave_nothing_behind(hasty: ApiServer) -> None:
    before = open_connections()
    tasks = len(asyncio.all_tasks())
    paths = [f"{MAPS}?watch=1", f"{MAPS}?limit=1", "/api/v1/pods?watch=1&sendInitialEvents=true"]
    for number in range(30):
        async with connection(hasty) as (reader, writer):
            writer.write(f"GET {paths[number % 3]} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            if number % 2:
                await reader.read(10)
            elif number % 4:
                writer.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)

    await until(lambda: open_connections() <= before and len(asyncio.all_tasks()) <= tasks)
