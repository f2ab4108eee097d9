"""`wherry exec`: run a command in a container, its streams joined to this terminal.

Speaks the v5 channel protocol over a WebSocket: each message is a channel's byte and its data.
Source: kubernetes.io/docs/reference/using-api/api-concepts and KEP-4006.
"""

import argparse
import asyncio
import base64
import fcntl
import http
import json
import os
import signal
import struct
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from kube.config import Access
from kube.tls import tls_context
from wherry.commands.logs import container_of, find_pod
from wherry.connection import Unreachable
from wherry.context import Context
from wherry.targets import Target, UsageError, kind_named

if TYPE_CHECKING:
    from aiohttp import ClientSession, ClientWebSocketResponse

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
CHUNK: Final = 32768


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("-i", "--stdin", action="store_true", help="pass this terminal's input on")
    parser.add_argument("-t", "--tty", action="store_true", help="give the command a terminal")
    parser.add_argument("-c", "--container", default="", help="which container, where the pod has several")
    parser.add_argument("target", metavar="POD|TYPE/NAME", help="a pod, or deploy/web for one of its pods")
    parser.usage = "wherry exec [-it] [-c CONTAINER] [-n NAMESPACE] POD|TYPE/NAME -- COMMAND ..."


def run(context: Context) -> int:
    """Run the command and return its exit code."""
    args = context.args
    command = args.after_dashes
    if not command:
        raise UsageError("which command? Write it after `--`, such as `wherry exec web-0 -- ls /`")
    pod = find_pod(context, [args.target])
    container = container_of(pod, args.container)
    is_terminal = args.tty and args.stdin and sys.stdin.isatty()
    if args.tty and not is_terminal:
        context.warn("Unable to use a TTY - input is not a terminal")
    streams = {"stdin": args.stdin, "stdout": True, "stderr": not is_terminal, "tty": is_terminal}
    query = [("command", word) for word in command] + [("container", container)]
    query += [(name, "true") for name, wanted in streams.items() if wanted]
    target = Target(kind_named("pod"), pod["metadata"]["name"])
    path = target.path(pod["metadata"]["namespace"], "exec") + "?" + urlencode(query)
    with _raw_terminal(enabled=is_terminal):
        return asyncio.run(_joined(context, path, with_stdin=args.stdin, with_size=is_terminal))


@contextmanager
def _raw_terminal(*, enabled: bool) -> Iterator[None]:
    if not enabled:
        yield
        return
    before = termios.tcgetattr(sys.stdin.fileno())
    tty.setraw(sys.stdin.fileno(), termios.TCSADRAIN)  # Keeps what has been typed ahead.
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


async def _joined(context: Context, path: str, *, with_stdin: bool, with_size: bool) -> int:
    """Join this process's streams to the remote command until it ends; return its exit code."""
    import aiohttp  # noqa: PLC0415 - takes longer to import than most commands to run.

    access = context.access
    headers = {"Authorization": f"Bearer {access.bearer_token()}"} if access.bearer_token() else {}
    url = access.server.rstrip("/") + path
    async with aiohttp.ClientSession() as session:
        try:
            socket = await session.ws_connect(
                url, protocols=PROTOCOLS, ssl=tls_context(access), headers=headers, max_msg_size=0, heartbeat=30
            )
        except aiohttp.WSServerHandshakeError as error:
            raise Unreachable(f"exec: {await _reason(session, url, headers, access)}") from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"{access.server}: no answer ({error})") from error
        async with socket, asyncio.TaskGroup() as tasks:
            helpers = []
            if with_size:
                helpers.append(tasks.create_task(_send_sizes(socket)))
            if with_stdin:
                helpers.append(tasks.create_task(_send_input(socket)))
            code = await _receive(context, socket)
            for helper in helpers:
                helper.cancel()
            return code


async def _reason(session: "ClientSession", url: str, headers: dict[str, str], access: Access) -> str:
    """Return why the server refuses a stream: asked once more by hand, as aiohttp drops what a refusal says."""
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    asked = {**headers, **upgrade, "Sec-WebSocket-Protocol": PROTOCOLS[0]}
    async with session.get(url, headers=asked, ssl=tls_context(access)) as answer:
        body = await answer.read() if answer.status >= http.HTTPStatus.BAD_REQUEST else b""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"the server refused ({answer.status} {answer.reason})"


async def _receive(context: Context, socket: "ClientWebSocketResponse") -> int:
    code = None
    async for message in socket:
        data = message.data
        if not isinstance(data, bytes) or not data:
            continue
        if data[0] == STDOUT:
            context.write(data[1:])
        elif data[0] == STDERR:
            sys.stderr.buffer.write(data[1:])
            sys.stderr.buffer.flush()
        elif data[0] == ERROR:
            code = _exit_code(context, data[1:])
    if code is None:
        raise Unreachable("exec: the connection ended before the command did")
    return code


def _exit_code(context: Context, data: bytes) -> int:
    status = json.loads(data)
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or []
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            context.warn(f"command terminated with exit code {cause['message']}")
            return int(cause["message"])
    context.warn(f"error: {status.get('message', 'the command could not be run')}")
    return 1


async def _send_input(socket: "ClientWebSocketResponse") -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb"))
    while data := await reader.read(CHUNK):
        await socket.send_bytes(bytes([STDIN]) + data)
    if socket.protocol == PROTOCOLS[0]:
        await socket.send_bytes(bytes([CLOSE, STDIN]))


async def _send_sizes(socket: "ClientWebSocketResponse") -> None:
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    changed.set()
    loop.add_signal_handler(signal.SIGWINCH, changed.set)
    while True:
        await changed.wait()
        changed.clear()
        rows, columns = struct.unpack("HHHH", fcntl.ioctl(sys.stdin.fileno(), termios.TIOCGWINSZ, b"\0" * 8))[:2]
        await socket.send_bytes(bytes([RESIZE]) + json.dumps({"Width": columns, "Height": rows}).encode())
