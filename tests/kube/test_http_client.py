"""The client over HTTP: what only a wire can do wrong."""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta
from kube.client import ConnectionLost, EventType
from kube.config import Access
from kube.errors import ApiError
from kube.http_answers import lines_of
from kube.http_client import QUIET_S, HttpClient, path_of
from kube.kinds import kind_of
from kube.pki import Pair, Subject, issue, new_authority, save_pair
from tests.kube.fake_client import FakeClient
from tests.kube.fake_server import FakeServer

PATIENCE_S = 5.0
KEEPALIVE_TIMER = "02"
"""Source: proc_net_tcp of the kernel's documentation."""


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def listening(handler: Handler, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve one handler on loopback and give its address."""
    runner = web.ServerRunner(web.Server(handler), handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        yield f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def server_context(directory: Path, authority: Pair, server: Pair) -> ssl.SSLContext:
    """Return the TLS settings of a server that asks its clients for a certificate of the authority."""
    save_pair(directory, "server", server)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.crt", directory / "server.key")
    context.load_verify_locations(cadata=authority.certificate_pem)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_lines_are_whole_however_they_were_cut() -> None:
    found = [line async for line in lines_of(pieces(b"a", b"b\nc", b"\n\n", b"d\ne\n"))]

    assert found == [b"ab", b"c", b"d", b"e"]


async def test_a_stream_that_ends_within_a_line_is_a_lost_connection() -> None:
    """Half an event must not be taken for the end of the watch."""
    with pytest.raises(ConnectionLost, match="in the middle of a line"):
        [line async for line in lines_of(pieces(b"a\nb"))]


def test_paths_are_those_of_the_api() -> None:
    assert path_of(kind_of(ConfigMap)) == "/api/v1/configmaps"
    assert path_of(kind_of(ConfigMap), "a", "b/c", "status") == "/api/v1/namespaces/a/configmaps/b%2Fc/status"


def asks_whether_the_other_side_lives_in_s(port: int) -> float | None:
    """Return in how many seconds the kernel will ask the peer at a port of loopback, None while it won't."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        timer, _, ticks = words[5].partition(":")
        if words[2] == f"0100007F:{port:04X}" and timer == KEEPALIVE_TIMER:
            return int(ticks, 16) / os.sysconf("SC_CLK_TCK")
    return None


async def test_a_watch_on_which_nothing_comes_notices_that_its_server_is_gone() -> None:
    """A machine that lost its power closes no connection, and a watch may rightly be silent for long."""
    async with FakeServer(FakeClient()).serve() as address, HttpClient(Access(address)) as client:
        port = int(address.rpartition(":")[2])
        events = client.watch(ConfigMap, resource_version="100", timeout_s=30)
        waiting = asyncio.ensure_future(anext(events))
        async with asyncio.timeout(PATIENCE_S):
            while (next_s := asks_whether_the_other_side_lives_in_s(port)) is None:
                await asyncio.sleep(0.01)
        waiting.cancel()

    assert next_s <= QUIET_S


async def test_an_event_of_many_megabytes_arrives() -> None:
    fake = FakeClient()
    big = ConfigMap(metadata=ObjectMeta(name="big", namespace="a"), data={"text": "x" * 3_000_000})

    async with FakeServer(fake).serve() as address, HttpClient(Access(address)) as client:
        events = client.watch(ConfigMap, resource_version="100", timeout_s=30)
        fake.put(big)
        async with asyncio.timeout(PATIENCE_S):
            event = await anext(events)

    assert event.type is EventType.ADDED
    assert event.obj is not None
    assert event.obj.data == big.data


async def test_an_error_event_ends_the_watch_with_that_error() -> None:
    fake = FakeClient(ConfigMap(metadata=ObjectMeta(name="a", namespace="a")))
    fake.compact()

    async with FakeServer(fake).serve() as address, HttpClient(Access(address)) as client:
        with pytest.raises(ApiError) as refused:
            await anext(client.watch(ConfigMap, resource_version="100"))

    assert (refused.value.code, refused.value.reason) == (410, "Expired")


async def test_a_watch_whose_connection_breaks_says_so() -> None:
    fake = FakeClient()

    async with FakeServer(fake).serve() as address, HttpClient(Access(address)) as client:
        events = client.watch(ConfigMap, resource_version="100")
        fake.put(ConfigMap(metadata=ObjectMeta(name="a", namespace="a")))
        await anext(events)
        fake.disconnect()
        with pytest.raises(ConnectionLost, match="no answer from"):
            async with asyncio.timeout(PATIENCE_S):
                await anext(events)


async def test_a_token_is_read_again_when_its_file_changes(tmp_path: Path) -> None:
    """Tokens of service accounts are renewed while the client lives."""
    token = tmp_path / "token"
    token.write_text("first\n")
    server = FakeServer(FakeClient())

    async with server.serve() as address, HttpClient(Access(address, token_file=str(token))) as client:
        await client.list(ConfigMap)
        token.write_text("second\n")
        await client.list(ConfigMap)

    assert [headers["Authorization"] for headers in server.headers] == ["Bearer first", "Bearer second"]


async def test_an_answer_that_is_no_status_still_tells_what_happened() -> None:
    async def proxy(request: web.BaseRequest) -> web.Response:
        return web.Response(status=503, text="backend is down")

    async with listening(proxy) as address, HttpClient(Access(address)) as client:
        with pytest.raises(ApiError, match="backend is down") as refused:
            await client.list(ConfigMap)

    assert (refused.value.code, refused.value.reason) == (503, "ServiceUnavailable")


async def test_a_code_that_no_standard_has_is_a_refusal_too() -> None:
    async def proxy(request: web.BaseRequest) -> web.Response:
        return web.Response(status=520)

    async with listening(proxy) as address, HttpClient(Access(address)) as client:
        with pytest.raises(ApiError, match="520") as refused:
            await client.list(ConfigMap)

    assert refused.value.code == 520


async def test_a_server_that_does_not_answer_in_time_is_lost() -> None:
    async def silent(request: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with listening(silent) as address, HttpClient(Access(address)) as client:
        with pytest.raises(ConnectionLost, match="no answer"):
            await client.request_raw("GET", "/version", timeout_s=0.05)


async def test_a_websocket_carries_its_subprotocol() -> None:
    async def echo(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        await socket.send_bytes(await socket.receive_bytes())
        await socket.close()
        return socket

    async with (
        listening(echo) as address,
        HttpClient(Access(address)) as client,
        client.websocket("/exec", ["v5.channel.k8s.io"], query=[("command", "a"), ("command", "b")]) as socket,
    ):
        await socket.send_bytes(b"\x00hello")

        assert await socket.receive_bytes() == b"\x00hello"
        assert socket.protocol == "v5.channel.k8s.io"


async def test_both_ends_of_a_connection_prove_who_they_are(tmp_path: Path) -> None:
    authority = new_authority("test-ca")
    server = issue(authority, Subject("server", (), ("127.0.0.1",)), ["server"])
    client_pair = issue(authority, Subject("admin", ("system:masters",)), ["client"])
    strangers = new_authority("others")

    async def who(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        subject = request.transport.get_extra_info("peercert")["subject"]
        return web.Response(text=dict(pair for (pair,) in subject)["commonName"])

    async with listening(who, server_context(tmp_path, authority, server)) as address:
        admin = Access(address, authority.certificate_pem, client_pair.certificate_pem, client_pair.key_pem)
        async with HttpClient(admin) as client:
            assert await client.request_raw("GET", "/") == b"admin"
        async with HttpClient(Access(address, strangers.certificate_pem)) as client:
            with pytest.raises(ConnectionLost, match="certificate verify failed"):
                await client.request_raw("GET", "/")
