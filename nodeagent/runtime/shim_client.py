"""The runtime's end of a shim: requests and answers, and events.

Keeps true: an answer reaches the caller that asked; when a shim is lost every waiting caller hears it, and
`on_lost` is called once. Speaks the protocol that `shim` describes.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nodeagent.runtime.errors import Reason, RuntimeRefusal

ANSWER_TIMEOUT_S = 60.0
_MESSAGE_BYTES_MAX = 131072
_DESCRIPTORS_MAX = 4


class ShimLostError(Exception):
    """The shim has gone, or its connection has."""


class ShimRefusalError(Exception):
    """The shim refused a request; kind: see the shim. exit_code: for a command that could not start."""

    def __init__(self, message: str, kind: str, exit_code: int) -> None:
        super().__init__(message)
        self.kind = kind
        self.exit_code = exit_code


class Answer:
    """An answer's content and the descriptors that came with it, which the caller owns."""

    def __init__(self, content: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        self.content = content
        self.descriptors = list(descriptors)


class ShimClient:
    """A connection to one shim."""

    def __init__(
        self, connection: socket.socket, on_event: Callable[[Mapping[str, Any]], None], on_lost: Callable[[], None]
    ) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._on_event = on_event
        self._on_lost = on_lost
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._further: dict[str, asyncio.Future[int]] = {}
        self._next_number = 0
        self._is_open = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(connection.fileno(), self._receive)

    async def call(self, operation: str, rights: Sequence[int] = (), **fields: Any) -> Answer:
        """Send one request and return its answer; raises ShimRefusalError or ShimLostError."""
        if not self._is_open:
            raise ShimLostError(f"shim: its connection is closed; {operation} was not sent")
        self._next_number += 1
        number = self._next_number
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[number] = answer
        message = json.dumps({"id": number, "op": operation, **fields}).encode()
        try:
            if len(message) > _MESSAGE_BYTES_MAX:
                found = f"{operation}: {len(message)} bytes are too many; give it at most {_MESSAGE_BYTES_MAX}"
                raise ShimRefusalError(found, "too-long", 0)
            socket.send_fds(self._connection, [message], list(rights))
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await answer
        except TimeoutError:
            message_text = f"shim: no answer to {operation!r} within {ANSWER_TIMEOUT_S:.0f} s; look into its shim.log"
            raise RuntimeRefusal(Reason.DEADLINE_EXCEEDED, message_text) from None
        except OSError as error:
            raise ShimLostError(f"shim: {operation} could not be sent: {error.strerror}") from error
        finally:
            self._waiting.pop(number, None)

    async def first_answer(self) -> Answer:
        """Return what a new shim says by itself once its namespaces stand; raises RuntimeRefusal when they don't."""
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._waiting[0] = answer
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await answer

    def further_exit(self, name: str) -> asyncio.Future[int]:
        """Return the exit code to come of the further process that will be started under `name`."""
        code: asyncio.Future[int] = self._loop.create_future()
        self._further[name] = code
        return code

    def close(self) -> None:
        """Close the connection; the shim goes on."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._connection.fileno())
        self._connection.close()
        lost = ShimLostError("shim: the connection ended")
        futures: list[asyncio.Future[Any]] = [*self._waiting.values(), *self._further.values()]
        for waiting in futures:
            if not waiting.done():
                waiting.set_exception(lost)
                waiting.exception()  # Heard: whoever waits hears it too, and nobody waiting is no fault.
        self._waiting.clear()
        self._further.clear()

    def _receive(self) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(self._connection, _MESSAGE_BYTES_MAX, _DESCRIPTORS_MAX)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            self.close()
            self._on_lost()
            return
        self._dispatch(json.loads(message), descriptors)

    def _dispatch(self, heard: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        if heard.get("event") == "exec-exit":
            code = self._further.pop(heard["exec"], None)
            if code is not None and not code.done():
                code.set_result(heard["exit_code"])
            return
        if "event" in heard:
            self._on_event(heard)
            return
        waiting = self._waiting.pop(heard.get("id", 0), None)
        if waiting is None or waiting.done():
            for descriptor in descriptors:
                os.close(descriptor)
        elif "error" in heard:
            waiting.set_exception(_refusal(heard["error"]))
        else:
            waiting.set_result(Answer(heard["ok"], descriptors))


def _refusal(error: str | Mapping[str, Any]) -> Exception:
    if isinstance(error, str):
        return RuntimeRefusal(Reason.UNKNOWN, f"sandbox: {error}")
    return ShimRefusalError(error["message"], error["kind"], error["exit_code"])


def connect(path: Path) -> socket.socket:
    """Return a connection to the shim that listens at `path`, however long that path is; raises OSError."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError:
        connection.close()
        raise
    finally:
        os.close(folder)
    return connection
