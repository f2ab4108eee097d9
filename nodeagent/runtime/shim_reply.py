"""What a shim says to its clients: the answer to one request, and how a further process began and ended.

Keeps true: a client that has left is no error; the end of a process is told after its beginning, to whoever asked.
Standard library only.
"""

import json
import os
import socket
from typing import Any


class Reply:
    """Where the answer to one request goes; a client that has left is not an error."""

    def __init__(self, client: socket.socket, number: int) -> None:
        self._client = client
        self._number = number

    def accept(self, result: dict[str, Any], rights: list[int] | None = None) -> None:
        """Answer with `result` and descriptors."""
        self.tell({"id": self._number, "ok": result}, rights)

    def refuse(self, message: str, kind: str, exit_code: int = 0) -> None:
        """Answer with an error; kind: a word that the client acts on."""
        self.tell({"id": self._number, "error": {"message": message, "kind": kind, "exit_code": exit_code}})

    def tell(self, message: dict[str, Any], rights: list[int] | None = None) -> None:
        """Send one message."""
        try:
            socket.send_fds(self._client, [json.dumps(message).encode()], rights or [])
        except OSError:
            return


class Further:
    """A further process in a container: its start is the answer to the request, its end an event to the same client."""

    def __init__(self, pid: int, name: str, reply: Reply) -> None:
        self.pid = pid
        self._name = name
        self._reply = reply
        self._is_started = False
        self._status: int | None = None

    def on_start(self, heard: dict[str, Any] | None, rights: list[int]) -> None:
        """Answer with the pid (and the terminal's master), or with why it could not start."""
        if heard is None or "error" in heard:
            failure = heard or {"error": "it was killed before it could run the command", "exit_code": 137}
            self._reply.refuse(failure["error"], "start-failed", failure["exit_code"])
        else:
            self._is_started = True
            self._reply.accept({"pid": self.pid}, rights)
            if self._status is not None:
                self.on_exit(self._status)
        for descriptor in rights:
            os.close(descriptor)

    def on_exit(self, status: int) -> None:
        """Tell the client that asked, after it has heard of the start."""
        self._status = status
        if self._is_started:
            code = os.waitstatus_to_exitcode(status)
            self._reply.tell({"event": "exec-exit", "exec": self._name, "exit_code": code if code >= 0 else 128 - code})
