"""Upgrades through the proxy: once what is behind has agreed, bytes pass both ways and mean nothing to us.

Keeps true: a server that refuses is heard with its own words; when one side ends, so does the other.
Source: RFC 9110, section 7.8; Kubernetes' UpgradeAwareHandler.
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from apiserver.relay.agents import CONNECT_TIMEOUT_S
from apiserver.relay.places import Place
from apiserver.relay.proxy_headers import Headers, value_of
from apiserver.relay.upgrade import RawLine, until_one_ends
from apiserver.responses import Answer, Ended
from kube.errors import bad_request, internal, unavailable

HEAD_MAX_BYTES: Final = 64 * 1024
ANSWER_S: Final = 30.0
PIECE_BYTES: Final = 64 * 1024
REFUSAL_MAX_BYTES: Final = 1024 * 1024
CLOSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer. raw: as it came."""

    status: int
    headers: Headers
    raw: bytes


def parse_head(raw: bytes) -> Head:
    """Read the head of an answer. Raises ValueError."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    version, status, *_ = [*first.split(" ", 2), ""]
    if not version.startswith("HTTP/1.") or not status.isdigit():
        raise ValueError(f"no answer in HTTP/1.1: {first[:100]!r}")
    pairs = (line.partition(":") for line in lines if line)
    return Head(int(status), [(name.strip(), value.strip()) for name, _, value in pairs], raw)


async def passed_through(
    request: web.BaseRequest, place: Place, target: str, headers: Headers, tls: ssl.SSLContext
) -> web.StreamResponse:
    """Ask for the upgrade and pass bytes until one side ends. Raises ApiError before the 101."""
    if request.body_exists:
        raise bad_request("upgrade: the request has a body; send none")
    reader, writer = await _connected(place, tls)
    try:
        lines = (f"{request.method} {target or '/'} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", "")
        writer.write("\r\n".join(lines).encode("latin-1", "replace"))
        head = await _answer(reader)
        if head.status != 101:
            return await _refusal(head, reader)
        line = RawLine.begun(request, head.raw)
        await until_one_ends(_to_server(line, writer), _to_client(reader, line))
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await writer.wait_closed()
    return Ended(b"", keep_alive=False)


async def _connected(place: Place, tls: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    is_tls = place.scheme == "https"
    name = (place.agent.node if place.agent else place.host) if is_tls else None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await asyncio.open_connection(
                place.host, place.port, ssl=tls if is_tls else None, server_hostname=name, limit=HEAD_MAX_BYTES
            )
    except (OSError, TimeoutError) as error:
        raise unavailable(f"error trying to reach service: {error or 'it took too long'}", 0) from error


async def _answer(reader: asyncio.StreamReader) -> Head:
    try:
        async with asyncio.timeout(ANSWER_S):
            return parse_head(await reader.readuntil(b"\r\n\r\n"))
    except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, ValueError) as error:
        raise unavailable(f"error trying to reach service: {error or 'it did not answer'}", 0) from error


async def _refusal(head: Head, reader: asyncio.StreamReader) -> web.StreamResponse:
    """Return what a server says that doesn't upgrade. Raises ApiError where it should have."""
    if head.status < 400:
        raise internal(f"invalid upgrade response: status code {head.status}")
    length = value_of(head.headers, "content-length")
    wanted = min(int(length), REFUSAL_MAX_BYTES) if length.isdigit() else REFUSAL_MAX_BYTES
    body = b""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            while len(body) < wanted and (data := await reader.read(wanted - len(body))):
                body += data
    return Answer(head.status, body, value_of(head.headers, "content-type") or "text/plain", closes=True)


async def _to_server(line: RawLine, writer: asyncio.StreamWriter) -> None:
    while data := await line.read():
        writer.write(data)
        await writer.drain()


async def _to_client(reader: asyncio.StreamReader, line: RawLine) -> None:
    while data := await reader.read(PIECE_BYTES):
        await line.write(data)
