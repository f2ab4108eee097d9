"""What a shim answers to one request.

Standard library only.
"""

from socket import SocketType

from nodeagent.runtime import shim_messages


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault.
    """A request that can't be served; kind: a word that the client acts on."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class Reply:
    """Where the answer to one request goes; a client that has left is not an error."""

    def __init__(self, client: SocketType, number: int) -> None:
        self._client = client
        self._number = number

    def accept(self, rights: list[int] | None = None) -> None:
        """Say that it is done, and hand descriptors over."""
        self.tell(b'{"id": %d, "ok": {}}' % self._number, rights)

    def refuse(self, message: str, kind: str, exit_code: int = 0) -> None:
        """Answer with an error; kind: a word that the client acts on."""
        words = (self._number, shim_messages.quoted(message), kind.encode(), exit_code)
        self.tell(b'{"id": %d, "error": {"message": %b, "kind": "%b", "exit_code": %d}}' % words)

    def tell(self, message: bytes, rights: list[int] | None = None) -> None:
        """Send one message to whoever asked."""
        shim_messages.send(self._client, message, rights)
