"""The ways in which WebSocket clients speak of channels, and how each is told to an agent, which speaks v4 and v5.

A binary message is one byte of a channel and its data; a text message of the base64 ways is the channel's digit and the
data in base64. Before v4 a command's end was no Status but a sentence, or nothing.
Source: Kubernetes' wsstream and remotecommand protocols.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from apiserver.relay.spdy_exec import sentence

ERROR: Final = 3
_DIGITS: Final = b"0123456789"


@dataclass(frozen=True, slots=True)
class Way:
    """How a client speaks. name: its subprotocol, "" for none. node: what the agent is asked to speak."""

    name: str
    node: str
    is_text: bool = False
    tells_status: bool = True

    def to_node(self, message: bytes | str) -> bytes:
        """Return a client's message as the agent reads it, b"" where it is none."""
        if not self.is_text:
            return message if isinstance(message, bytes) else message.encode()
        data = message.encode() if isinstance(message, str) else message
        if not data or data[0] not in _DIGITS:
            return b""
        try:
            return bytes([_DIGITS.index(data[0])]) + base64.b64decode(data[1:], validate=True)
        except binascii.Error:
            return b""

    def to_client(self, message: bytes) -> bytes | str:
        """Return an agent's message as the client reads it, b"" where it is told nothing."""
        channel, data = message[0], message[1:]
        if channel == ERROR and not self.tells_status:
            data = sentence(data)
            if not data:
                return b""
        if self.is_text:
            return f"{channel}{base64.b64encode(data).decode()}"
        return message[:1] + data


_V5, _V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
_COMMAND_WAYS: Final = (
    Way(_V5, _V5),
    Way(_V4, _V4),
    Way("v4.base64.channel.k8s.io", _V4, is_text=True),
    Way("channel.k8s.io", _V4, tells_status=False),
    Way("base64.channel.k8s.io", _V4, is_text=True, tells_status=False),
    Way("", _V4, tells_status=False),
)
_PORT_WAYS: Final = (Way(_V4, _V4), Way("v4.base64.channel.k8s.io", _V4, is_text=True), Way("", _V4))
WAYS: Final[Mapping[str, Sequence[Way]]] = {"exec": _COMMAND_WAYS, "attach": _COMMAND_WAYS, "portforward": _PORT_WAYS}


def chosen_way(action: str, offered: Sequence[str]) -> Way | None:
    """Return the first of a client's subprotocols that is known for a subresource, None where none is."""
    known = {way.name: way for way in WAYS[action]}
    return next((known[name] for name in offered or [""] if name in known), None)
