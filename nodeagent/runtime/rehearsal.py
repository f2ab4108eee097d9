"""Live the life of a shim a few times in the zygote, before the first one is forked.

Python writes to code as it runs it (counters, then instructions for the types that were met) and to caches of what it
looked up. What has been written in the zygote is shared by all shims; what each would write is memory of its own.
Keeps true: afterwards the zygote is as it was: its output, its namespaces; nothing is left of it all.
Standard library only.
"""

import json
import os
import signal
from _socket import socketpair
from socket import AF_UNIX, SOCK_SEQPACKET, SocketType
from typing import Any, NoReturn

from nodeagent.runtime import container_init, shim, shim_messages, shim_sandbox, syscalls
from nodeagent.runtime.shim_starts import Parts

TIMES = 10
"""Python 3.11 specializes code that has run eight times."""
_CONTAINER, _EXEC = "c" * 64, "e" * 16
_LAUNCH = {
    "terminal": False,
    "stdin": False,
    "stdin_once": False,
    "log_path": "",
    "pid_mode": "container",
    "pid_target": "",
    "cgroups": [],
    "oom_file": "",
    "handler": [],
    "own_kernel": False,
    "may_trace": False,
}


def rehearse(folder: str) -> None:
    """Be a shim TIMES times over; folder: is made, and removed. Raises OSError where that can't be."""
    errors = os.dup(2)
    homes = {name: os.open(f"/proc/self/ns/{name}", os.O_RDONLY) for name in shim_sandbox.NAMESPACES}
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)  # As in a shim: its loop is woken by it.
    _remove(folder)
    os.mkdir(folder, 0o700)
    try:
        for _ in range(TIMES):
            _live(folder)
    finally:
        _remove(folder)
        for namespace, home in homes.items():
            syscalls.join_namespaces(home, shim_sandbox.NAMESPACES[namespace])
            os.close(home)
        syscalls.control_process(syscalls.PR_SET_CHILD_SUBREAPER, 0)
        os.dup2(errors, 2)
        os.close(errors)


def _live(folder: str) -> None:
    own = {"namespaces": list(shim_sandbox.NAMESPACES), "hostname": "rehearsal", "sysctls": {}, "ids": {}}
    request = {"run": folder, "state": folder, "shared_pid": True, **own}
    client, first = socketpair(AF_UNIX, SOCK_SEQPACKET)
    message = json.dumps(request).encode()
    one = shim.become(shim_messages.decoded(message), first, Parts(_pretend_container, _pretend_further))
    if one is None:
        raise OSError(client.recv(shim_messages.BYTES_MAX).decode())
    one.loop.watch(client.fileno(), Client(client, folder).on_message)
    one.loop.run()
    one.close()
    client.close()
    for name in ("shim.sock", "shim.json"):
        os.unlink(f"{folder}/{name}")
    os.rmdir(f"{folder}/reaper")


class Client:
    """Asks for one thing after the other, as soon as all has come that the last one brings."""

    def __init__(self, connection: SocketType, folder: str) -> None:
        container = {"container": _CONTAINER}
        launch = {**_LAUNCH, "log_path": f"{folder}/log"}
        self._connection = connection
        self._awaited = 1
        self._requests: list[tuple[dict[str, Any], int]] = [
            ({"op": "start", **container, "bundle": folder, "launch": launch}, 1),
            ({"op": "exec", **container, "exec": _EXEC, "process": {"args": ["true"], "terminal": False}}, 2),
            ({"op": "kill", **container}, 2),
            ({"op": "leave"}, 1),
        ]

    def on_message(self) -> None:
        """Take one answer or event; after an error, just leave."""
        message, _ = shim_messages.receive(self._connection)
        self._awaited -= 1
        if b'"error"' in message:
            del self._requests[:-1]
            self._awaited = 0
        if self._awaited <= 0 and self._requests:
            request, self._awaited = self._requests.pop(0)
            shim_messages.send(self._connection, json.dumps({"id": 1, **request}).encode())


def _pretend_container(_bundle: str, stdio: list[int], status: SocketType) -> NoReturn:
    syscalls.control_process(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.write(stdio[1], b"rehearsed\n")
    _say_ready(status)
    while True:
        signal.pause()


def _pretend_further(_process: object, _bundle: str, _pidfd: int, _stdio: list[int], status: SocketType) -> NoReturn:
    _say_ready(status)
    os._exit(0)


def _say_ready(status: SocketType) -> None:
    status.send(container_init.READY + b'{"user": {}, "warnings": []}')
    status.close()


def _remove(folder: str) -> None:
    if os.path.isdir(folder):
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            os.rmdir(path) if os.path.isdir(path) else os.unlink(path)
        os.rmdir(folder)
