"""Messages of a shim: JSON over SOCK_SEQPACKET sockets, descriptors as SCM_RIGHTS.

Keeps true: a client that has left is no error. What a shim writes to is no longer shared with the zygote, and `dumps`
and `loads` of json write to 50 pages: so requests are read by its scanner alone, and answers put together by hand.
Standard library only.
"""

import json
from array import array
from socket import SCM_RIGHTS, SOL_SOCKET, SocketType
from typing import Any

BYTES_MAX = 131072
_RIGHTS_BYTES = 64
_DECODER = json.JSONDecoder()


def receive(connection: SocketType) -> tuple[bytes, list[int]]:
    """Return the next message and its descriptors; an empty one is the end."""
    message, rights, _, _ = connection.recvmsg(BYTES_MAX, _RIGHTS_BYTES)
    descriptors: list[int] = []
    for _, kind, data in rights:
        if kind == SCM_RIGHTS:
            descriptors.extend(memoryview(data[: len(data) // 4 * 4]).cast("i"))
    return message, descriptors


def send(connection: SocketType, message: bytes, rights: list[int] | None = None) -> None:
    """Send one message, unless the other side has gone or doesn't listen."""
    try:
        if rights:
            connection.sendmsg([message], [(SOL_SOCKET, SCM_RIGHTS, array("i", rights))])
        else:
            connection.send(message)
    except OSError:
        return


def decoded(message: bytes) -> dict[str, Any]:
    """Return the object that a message is."""
    found: dict[str, Any] = _DECODER.raw_decode(message.decode())[0]
    return found


def quoted(words: str) -> bytes:
    """Return a JSON string; for what is rarely said."""
    return json.dumps(words).encode()
