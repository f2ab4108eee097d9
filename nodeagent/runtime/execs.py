"""Further processes in a running container, with their streams.

Keeps true: every descriptor made here is closed here; a command that runs out of time is ended with everything it
started in its session. The shim makes the process, this module feeds and hears it directly, without the shim between.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from nodeagent.runtime import shim_client
from nodeagent.runtime.errors import Reason, RuntimeRefusal
from nodeagent.runtime.shim_client import ShimClient
from proto import cri_v1 as cri

OUTPUT_BYTES_MAX = 16 << 20
_READ_BYTES = 65536


class Exec:
    """A started process: `code` comes at its end; `terminal` is its master, or -1."""

    def __init__(self, shim: ShimClient, name: str, code: asyncio.Future[int], terminal: int) -> None:
        self._shim = shim
        self._name = name
        self.code = code
        self.terminal = terminal

    async def kill(self) -> None:
        """End the process and its session's leader's group."""
        with contextlib.suppress(shim_client.ShimLostError, shim_client.ShimRefusalError):
            await self._shim.call("kill-exec", exec=self._name)


async def start(
    shim: ShimClient, container_id: str, command: Sequence[str], streams: Sequence[int], *, terminal: bool
) -> Exec:
    """Start `command`; streams: its stdin, stdout and stderr (none of them with a terminal), still the caller's."""
    name = secrets.token_hex(8)
    process: dict[str, Any] = {"args": list(command), "terminal": terminal}
    code = shim.further_exit(name)
    try:
        answer = await shim.call("exec", streams, container=container_id, exec=name, process=process)
    except shim_client.ShimRefusalError as refusal:
        code.cancel()
        reason = Reason.FAILED_PRECONDITION if refusal.kind == "not-running" else Reason.UNKNOWN
        raise ExecFailure(reason, f"container {container_id}: {refusal}", refusal.exit_code) from None
    except shim_client.ShimLostError as error:
        raise RuntimeRefusal(Reason.UNAVAILABLE, f"container {container_id}: {error}; ask again") from None
    return Exec(shim, name, code, answer.descriptors[0] if answer.descriptors else -1)


class ExecFailure(RuntimeRefusal):
    """A command that could not be started; exit_code is what a shell would say, or 0."""

    def __init__(self, reason: Reason, message: str, exit_code: int) -> None:
        super().__init__(reason, message)
        self.exit_code = exit_code


class Reader:
    """Everything that comes out of one pipe."""

    def __init__(self, descriptor: int, deliver: Callable[[bytes], None]) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._on_readable)

    def _on_readable(self) -> None:
        if not self._read_one():
            self._loop.remove_reader(self.descriptor)

    def _read_one(self) -> bool:
        """Deliver one piece; return False when there is no more for now or for ever."""
        try:
            data = os.read(self.descriptor, _READ_BYTES)
        except OSError:  # Nothing more just now, or a terminal whose last user has gone.
            return False
        self._deliver(data)
        return bool(data)

    def finish(self) -> None:
        """Deliver what is still in the pipe, and close it."""
        self._loop.remove_reader(self.descriptor)
        while self._read_one():
            pass
        os.close(self.descriptor)


async def run(shim: ShimClient, container_id: str, command: Sequence[str], timeout_s: float) -> cri.ExecSyncResponse:
    """Run `command` to its end and return its output and exit code; timeout_s 0 waits for ever."""
    outputs = [bytearray(), bytearray()]
    pipes = [os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)]
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    readers: list[Reader] = []
    try:
        try:
            further = await start(shim, container_id, command, [nothing, pipes[0][1], pipes[1][1]], terminal=False)
        finally:
            for descriptor in (nothing, pipes[0][1], pipes[1][1]):
                os.close(descriptor)
        readers = [Reader(pipe[0], _keeper(output)) for pipe, output in zip(pipes, outputs, strict=True)]
        code = await _code_within(further, command, timeout_s)
    finally:
        for reader in readers:
            reader.finish()
        if not readers:
            for pipe in pipes:
                os.close(pipe[0])
    return cri.ExecSyncResponse(stdout=bytes(outputs[0]), stderr=bytes(outputs[1]), exit_code=code)


def _keeper(output: bytearray) -> Callable[[bytes], None]:
    def keep(data: bytes) -> None:
        output.extend(data[: OUTPUT_BYTES_MAX - len(output)])

    return keep


async def _code_within(further: Exec, command: Sequence[str], timeout_s: float) -> int:
    try:
        async with asyncio.timeout(timeout_s or None):
            return await further.code
    except TimeoutError:
        await further.kill()
        message = f"exec {command[0]!r}: it ran longer than {timeout_s:.0f} s and was ended; raise the timeout"
        raise RuntimeRefusal(Reason.DEADLINE_EXCEEDED, message) from None
    except asyncio.CancelledError:
        await further.kill()
        raise
    except shim_client.ShimLostError as error:
        raise RuntimeRefusal(Reason.UNAVAILABLE, f"exec {command[0]!r}: {error}; ask again") from None
