"""Bytes that are no HTTP, or lie about themselves: each is refused or the connection ends, and the others go on."""

import asyncio
import logging
import os
import random
import re

import pytest

from apiserver.server import ApiServer
from tests.apiserver.mutation import mutated_bytes
from tests.apiserver.wire import Wire, config_map, connection

MAPS = "/api/v1/namespaces/default/configmaps"
SEED = int(os.environ.get("FUZZ_SEED", "1"))
ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "300"))
PATIENCE_S = 10.0
STATUS_LINE = re.compile(rb"HTTP/1\.\d \d\d\d")
QUIET_S = 0.3
AT_ONCE = 25
BODY = b'{"metadata":{"name":"a"}}'

WHOLE = [
    b"GET %b?limit=1 HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\n\r\n" % MAPS.encode(),
    b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (MAPS.encode(), len(BODY), BODY),
    b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (MAPS.encode(), len(BODY), BODY),
    b"GET /api/v1/namespaces/default/pods/x/exec?command=a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
]

GET = b"GET %b HTTP/1.1\r\nHost: x\r\n" % MAPS.encode()
POST = b"POST %b HTTP/1.1\r\nHost: x\r\n" % MAPS.encode()
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED = {
    "no HTTP at all": b"\x16\x03\x01 hello\r\n\r\n",
    "a length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a negative length": POST + b"Content-Length: -5\r\n\r\n",
    "a length that is no number": POST + b"Content-Length: 5x\r\n\r\nhello",
    "a length with a plus": POST + b"Content-Length: +5\r\n\r\nhello",
    "a chunk's size that is none": CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n",
    "an endless chunk's size": CHUNKED + b"f" * 40 + b"\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n",
    "a blank before the colon": GET + b"Accept : a\r\n\r\n",
    "a NUL in a header": GET + b"Accept: a\0b\r\n\r\n",
    "a folded header": GET + b"Accept: a\r\n b\r\n\r\n",
    "a NUL in the path": GET.replace(b"default", b"def\0ault") + b"Connection: close\r\n\r\n",
    "an unknown method": GET.replace(b"GET", b"BREW") + b"Connection: close\r\n\r\n",
    "a version of the future": GET.replace(b"HTTP/1.1", b"HTTP/9.9") + b"\r\n",
    "a huge header": GET + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
    "a huge path": GET.replace(b"default", b"x" * 200_000) + b"\r\n",
    "many headers": GET + b"X: x\r\n" * 10_000 + b"\r\n",
}


async def answered(server: ApiServer, request: bytes, *, ends: bool = True) -> bytes:
    """Return what comes back for bytes after which the client has no more to say, until the server is silent."""
    answer = b""
    async with asyncio.timeout(PATIENCE_S), connection(server) as (reader, writer):
        writer.write(request)
        try:
            while data := await asyncio.wait_for(reader.read(1 << 16), None if ends else QUIET_S):
                answer += data
        except (TimeoutError, ConnectionError):
            pass
    return answer


@pytest.mark.parametrize("request_", REFUSED.values(), ids=REFUSED.keys())
async def test_what_is_no_sound_http_is_refused_and_ends_the_connection(server: ApiServer, request_: bytes) -> None:
    answer = await answered(server, request_)

    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:200]
    assert len(STATUS_LINE.findall(answer)) == 1


SMUGGLED = b"GET /api/v1/secrets HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_what_follows_a_body_that_lies_is_not_taken_for_a_request(server: ApiServer) -> None:
    """A proxy in front may have read the first one to another end."""
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"

    answer = await answered(server, head % (MAPS.encode(), 5 + len(SMUGGLED)) + SMUGGLED)

    assert len(STATUS_LINE.findall(answer)) == 1


async def test_pipelined_requests_are_answered_in_turn(server: ApiServer) -> None:
    one = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    answer = await answered(server, one * 500 + last)

    assert answer.count(b"HTTP/1.1 200") == 501
    assert answer.endswith(b"ok")


PATHS = [
    "/api/v1/namespaces/default/configmaps/..",
    "/api/v1/namespaces/default/configmaps/%2e%2e%2fsecrets",
    "/api/v1/namespaces/../secrets",
    "/api/v1/namespaces/%2e%2e/secrets/x",
    "/api/v1//secrets",
    "//api/v1/secrets/x",
    "/api/v1/namespaces/default/secrets%2fx",
    "/api/v1/namespaces/default%2fsecrets%2fx/configmaps",
    "/api/v1/namespaces/default/configmaps/a%00b",
    "/api/v1/namespaces/default/configmaps/%ff%fe",
    "/api/v1/namespaces/default/configmaps/%",
    "/api/v1/namespaces/default/configmaps/%zz",
    "/api/v1/namespaces/default/configmaps/%252e",
    "/api/v1/namespaces/default/configmaps/a;b",
    "/version/../api/v1/secrets",
    "/healthz/%2e%2e/metrics",
    "/readyz/../../metrics",
    "http://evil/api/v1/secrets/x",
    "*",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_with_tricks_in_it_leads_nowhere(server: ApiServer, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    async with asyncio.timeout(PATIENCE_S), connection(server, client="") as (reader, writer):
        writer.write(request)
        stranger = await reader.read()

    admin = await answered(server, request)

    assert admin[:12] in (b"HTTP/1.1 404", b"HTTP/1.1 400", b"HTTP/1.0 400"), admin[:200]
    assert stranger[9:12] in (b"400", b"403", b"404"), stranger[:200]


@pytest.mark.parametrize("path", ["/%61pi/v1/secrets", "/api/v1/%73ecrets", "/api/v1/secrets/"])
async def test_a_path_is_allowed_by_what_it_means_and_not_by_how_it_is_written(server: ApiServer, path: str) -> None:
    async with asyncio.timeout(PATIENCE_S), connection(server, client="") as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()

    assert answer.startswith(b"HTTP/1.1 403")


async def test_random_damage_to_sound_requests_fails_nothing(
    server: ApiServer, wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    source = random.Random(SEED)
    before = len(asyncio.all_tasks())
    sent = [mutated_bytes(source.choice(WHOLE) * source.choice((1, 1, 3)), source) for _ in range(ROUNDS)]

    answers: list[bytes] = []
    for first in range(0, ROUNDS, AT_ONCE):
        answers += await asyncio.gather(*(answered(server, each, ends=False) for each in sent[first : first + AT_ONCE]))

    failed = [(request, answer) for request, answer in zip(sent, answers, strict=True) if b"HTTP/1.1 500" in answer]
    assert failed == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    assert (await wire.send("POST", MAPS, config_map("after"))).status == 201
    async with asyncio.timeout(PATIENCE_S):
        while len(asyncio.all_tasks()) > before + 4:  # The connections of `wire` among them.
            await asyncio.sleep(0.05)
