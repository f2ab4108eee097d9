"""A pod's log over a WebSocket: each piece of it is a message, as it is or in base64; what the client sends is ignored.

Source: the WebSocket subprotocols binary.k8s.io and base64.binary.k8s.io; without any, the first is meant.
"""

import base64
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web

from apiserver.relay.upgrade import offered_protocols, opened_socket, until_one_ends
from kube.errors import bad_request

_BINARY: Final = "binary.k8s.io"
_BASE64: Final = "base64.binary.k8s.io"


async def serve_log_socket(request: web.BaseRequest, pieces: AsyncIterator[bytes]) -> web.StreamResponse:
    """Send a log until it ends or the client closes. Raises ApiError before the upgrade."""
    offered = offered_protocols(request)
    protocol = next((name for name in offered if name in (_BINARY, _BASE64)), "")
    if offered and not protocol:
        told = ", ".join(offered)[:200]
        raise bad_request(f"unable to upgrade: {told} offered; use {_BINARY} or {_BASE64}")
    client = await opened_socket(request, [protocol] if protocol else [])
    await until_one_ends(_send(client, pieces, protocol), _closed(client))
    await client.close()
    return client


async def _send(client: web.WebSocketResponse, pieces: AsyncIterator[bytes], protocol: str) -> None:
    """Send an empty message, by which the client knows that it is connected, and then what there is."""
    await _send_piece(client, b"", protocol)
    try:
        async for piece in pieces:
            await _send_piece(client, piece, protocol)
    except aiohttp.ClientPayloadError:
        await client.close(code=aiohttp.WSCloseCode.INTERNAL_ERROR, message=b"the node's agent broke off")


async def _send_piece(client: web.WebSocketResponse, piece: bytes, protocol: str) -> None:
    if protocol == _BASE64:
        await client.send_str(base64.b64encode(piece).decode())
    else:
        await client.send_bytes(piece)


async def _closed(client: web.WebSocketResponse) -> None:
    async for _ in client:
        pass
