"""Exec and attach: a client's channels, moved to and from a process's streams.

Keeps true: what a slow client doesn't take stays in the pipe, not in memory; a client that leaves ends the command it
started, also one that doesn't read what it is sent (AHEAD_PIECES of it are held).
Source: CRI v1 Exec and Attach.
"""

import asyncio
import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from nodeagent.runtime import execs
from nodeagent.runtime.channels import CLOSE, RESIZE, STDERR, STDIN, STDOUT, Channels
from nodeagent.runtime.errors import RuntimeRefusal
from nodeagent.runtime.pod import Container
from nodeagent.runtime.shim_client import ShimClient, ShimLostError, ShimRefusalError
from proto import cri_v1 as cri

_PIECE_BYTES = 32768
AHEAD_PIECES = 256
FAREWELL_S = 2.0
_SUCCESS: dict[str, object] = {"metadata": {}, "status": "Success"}


class _Size(msgspec.Struct, rename="pascal"):
    width: int
    height: int


async def serve_exec(channels: Channels, shim: ShimClient, wanted: cri.ExecRequest, container: str) -> None:
    """Run a command with the client's streams, and say how it ended."""
    session = _Session(channels)
    await session.conclude(_serve_exec(session, shim, wanted, container))


async def serve_attach(channels: Channels, shim: ShimClient, wanted: cri.AttachRequest, container: Container) -> None:
    """Join the client to the streams of a container's own process until one of them leaves."""
    session = _Session(channels)
    await session.conclude(_serve_attach(session, shim, wanted, container))


class _Session:
    """One client and its channels."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self.gone = asyncio.Event()

    async def conclude(self, serving: Coroutine[Any, Any, dict[str, object]]) -> None:
        """Serve, and tell the end as a Status."""
        try:
            await self._channels.open()
        except TimeoutError:  # Nobody has come to listen.
            serving.close()
            return
        try:
            end = await serving
        except (RuntimeRefusal, ShimLostError, ShimRefusalError, OSError) as error:
            end = {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": str(error), "code": 500}
        await self._channels.finish(end)

    async def pump(self, descriptor: int, channel: int, ended: asyncio.Future[int] | None) -> None:
        """Send what `descriptor` has until its end; once `ended` is done, only what is there already."""
        os.set_blocking(descriptor, False)
        while data := await read_piece(descriptor, ended):
            await self._channels.send(channel, data)

    async def receive(
        self, write: Callable[[bytes], Awaitable[None]], close: Callable[[], None], terminal: int
    ) -> None:
        """Feed stdin and the terminal's size until the client leaves; the rest of stdin then has FAREWELL_S."""
        ahead: asyncio.Queue[bytes | None] = asyncio.Queue(AHEAD_PIECES)
        async with asyncio.TaskGroup() as tasks:
            feeding = tasks.create_task(_feed(ahead, write, close))
            while (message := await self._channels.receive()) is not None:
                channel, data = message
                if channel == STDIN:
                    await ahead.put(data)
                elif channel == RESIZE and terminal >= 0:
                    resize(terminal, data)
                elif channel == CLOSE and data[:1] == bytes([STDIN]):
                    await ahead.put(None)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL_S):
                    await ahead.join()
            feeding.cancel()
        close()
        self.gone.set()


async def _feed(
    ahead: asyncio.Queue[bytes | None], write: Callable[[bytes], Awaitable[None]], close: Callable[[], None]
) -> None:
    """Write what comes in the queue; None: the end of stdin."""
    while True:
        data = await ahead.get()
        if data is None:
            close()
        else:
            await write(data)
        ahead.task_done()


def resize(terminal: int, data: bytes) -> None:
    """Set a terminal's size from the client's JSON; what isn't a size is ignored, as a screen of no size is none."""
    try:
        size = msgspec.json.decode(data, type=_Size)
        packed = struct.pack("HHHH", size.height, size.width, 0, 0)
    except (msgspec.DecodeError, struct.error):
        return
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)


async def read_piece(descriptor: int, ended: asyncio.Future[int] | None) -> bytes:
    """Return the next piece of a non-blocking descriptor, or nothing at its end, or when empty with `ended` done."""
    loop = asyncio.get_running_loop()
    while True:
        was_over = ended is not None and ended.done()
        try:
            return os.read(descriptor, _PIECE_BYTES)
        except BlockingIOError:
            if was_over:
                return b""
        except OSError:  # A terminal whose last user has gone.
            return b""
        ready = loop.create_future()
        loop.add_reader(descriptor, _set, ready)
        try:
            await asyncio.wait([ready, ended] if ended is not None else [ready], return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(descriptor)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data` to a non-blocking descriptor; a reader that has gone is no error."""
    loop, view = asyncio.get_running_loop(), memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            ready = loop.create_future()
            loop.add_writer(descriptor, _set, ready)
            try:
                await ready
            finally:
                loop.remove_writer(descriptor)
        except OSError:
            return


class _Descriptors:
    """Descriptors that are closed once, at the latest at the end of a session."""

    def __init__(self) -> None:
        self._open: set[int] = set()

    def add(self, descriptor: int) -> int:
        self._open.add(descriptor)
        return descriptor

    def pipe(self) -> tuple[int, int]:
        reading, writing = os.pipe2(os.O_CLOEXEC)
        return self.add(reading), self.add(writing)

    def close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            if descriptor in self._open:
                self._open.discard(descriptor)
                os.close(descriptor)

    def close_all(self) -> None:
        self.close(*self._open)


async def _serve_exec(
    session: _Session, shim: ShimClient, wanted: cri.ExecRequest, container_id: str
) -> dict[str, object]:
    held = _Descriptors()
    try:
        if wanted.tty:
            further = await execs.start(shim, container_id, wanted.cmd, [], terminal=True)
            terminal = held.add(further.terminal)
            os.set_blocking(terminal, False)
            outputs, standard_in = {terminal: STDOUT}, terminal if wanted.stdin else -1
        else:
            terminal = -1
            in_read, standard_in = held.pipe()
            (out_read, out_write), (error_read, error_write) = held.pipe(), held.pipe()
            streams = [in_read, out_write, error_write]
            further = await execs.start(shim, container_id, wanted.cmd, streams, terminal=False)
            held.close(*streams)
            os.set_blocking(standard_in, False)
            outputs = {out_read: STDOUT, error_read: STDERR}
            if not wanted.stdin:
                held.close(standard_in)
                standard_in = -1
        code = await _relay(session, outputs, standard_in, terminal=terminal, further=further, held=held)
    finally:
        held.close_all()
    return _SUCCESS if code == 0 else _exit_status(code)


async def _relay(
    session: _Session,
    outputs: dict[int, int],
    standard_in: int,
    *,
    terminal: int,
    further: execs.Exec,
    held: _Descriptors,
) -> int:
    """Move data both ways until the command has ended, or its client has left."""

    async def write(data: bytes) -> None:
        if standard_in >= 0:
            await write_all(standard_in, data)

    def close() -> None:
        if standard_in >= 0 and terminal < 0:
            held.close(standard_in)

    async def end_with_client() -> None:
        await session.gone.wait()
        await further.kill()

    async with asyncio.TaskGroup() as tasks:
        hearing = [
            tasks.create_task(session.receive(write, close, terminal)),
            tasks.create_task(end_with_client()),
        ]
        async with asyncio.TaskGroup() as pumps:
            for descriptor, channel in outputs.items():
                pumps.create_task(_quietly(session.pump(descriptor, channel, further.code)))
        code = await further.code
        for task in hearing:
            task.cancel()
    return code


async def _quietly(pump: Awaitable[None]) -> None:
    """Let a client leave in the middle of a piece: hearing its end is another task's work."""
    with contextlib.suppress(ConnectionError):
        await pump


async def _serve_attach(
    session: _Session, shim: ShimClient, wanted: cri.AttachRequest, container: Container
) -> dict[str, object]:
    held = _Descriptors()
    try:
        pipes = {"stdout": held.pipe()} if wanted.stdout or wanted.tty else {}
        if wanted.stderr and not wanted.tty:
            pipes["stderr"] = held.pipe()
        answer = await shim.call(
            "attach", [pipe[1] for pipe in pipes.values()], container=container.id, streams=list(pipes)
        )
        held.close(*(pipe[1] for pipe in pipes.values()))
        given = held.add(answer.descriptors[0]) if answer.descriptors else -1

        async def write(data: bytes) -> None:
            if wanted.stdin and given >= 0:
                await write_all(given, data)

        def close() -> None:
            if given >= 0 and not wanted.tty:
                held.close(given)

        async with asyncio.TaskGroup() as tasks:
            hearing = tasks.create_task(session.receive(write, close, given if wanted.tty else -1))
            channels = {"stdout": STDOUT, "stderr": STDERR}
            pumps = [
                tasks.create_task(_quietly(session.pump(pipe[0], channels[name], None))) for name, pipe in pipes.items()
            ]
            await asyncio.wait([hearing, *pumps], return_when=asyncio.FIRST_COMPLETED)
            for task in (hearing, *pumps):
                task.cancel()
    finally:
        held.close_all()
    return _SUCCESS


def _exit_status(code: int) -> dict[str, object]:
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }
