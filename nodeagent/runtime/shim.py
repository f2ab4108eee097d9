"""The shim: parent of one pod's containers, and the keeper of what must survive everything else.

Keeps true: while a container runs, its shim pumps its output into its log, and when it ends, writes how into
`exit.json` (by rename) before it tells anyone; neither needs the runtime. One thread, one epoll loop.
Writes `shim.json`, and per container `pid.json` and `exit.json` (docs/runtime.md says who writes which file).
Speaks JSON over SOCK_SEQPACKET: requests {id, op, ...}, answers {id, ok | error}, events {event, ...}; descriptors
travel as SCM_RIGHTS. Standard library only.

A shim is a fork of the zygote and shares its memory, as long as it doesn't write to it; a count of references is
written, too. So what it does itself is little and plain; its children do the rest, before they become something else.
"""

import os
import signal
import socket
from socket import SocketType
from typing import Any

from nodeagent.runtime import reaper, shim_messages, shim_sandbox, small_files, syscalls
from nodeagent.runtime.shim_execs import Execs
from nodeagent.runtime.shim_loop import Loop
from nodeagent.runtime.shim_reply import Refusal, Reply
from nodeagent.runtime.shim_spawn import start_time
from nodeagent.runtime.shim_starts import REAL, Parts, Starts

_SUBREAPER_ON = 1
_STDERR = 2
_CLIENTS_WAITING_MAX = 8


def become(request: dict[str, Any], first: SocketType, parts: Parts = REAL) -> "Shim | None":
    """Become the shim of the sandbox that `request` describes; tell `first` how that went. Returns None if not."""
    _redirect_errors(f"{request['run']}/shim.log")
    pid = os.getpid()
    born = start_time(pid)
    try:
        _become_shim(request, pid, born)
        shim = Shim(request["run"], reaper.start(request["run"]) if request["shared_pid"] else 0, parts)
    except (OSError, ValueError) as error:
        shim_messages.send(first, b'{"error": %b}' % shim_messages.quoted(_words(error)))
        return None
    shim.adopt(first)
    shim_messages.send(first, b'{"ok": {"pid": %d, "start_time": %d}}' % (pid, born))
    return shim


def _words(error: BaseException) -> str:
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)


def _redirect_errors(path: str) -> None:
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(log, _STDERR)
    os.close(log)


def _become_shim(request: dict[str, Any], pid: int, born: int) -> None:
    syscalls.control_process(syscalls.PR_SET_CHILD_SUBREAPER, _SUBREAPER_ON)
    os.chdir("/")
    small_files.write_first(f"{request['state']}/shim.json", b'{"pid": %d, "start_time": %d}' % (pid, born))
    shim_sandbox.set_up(request)


class Shim:
    """Its clients, and who serves what they ask for."""

    def __init__(self, folder: str, reaper_pid: int, parts: Parts) -> None:
        self.loop = Loop()
        self._reaper_pid = reaper_pid
        self._clients: dict[int, SocketType] = {}
        self._starts = Starts(self.loop, self._tell, reaper_pid, parts)
        self._execs = Execs(self.loop, self._starts, parts)
        self._listener = self._listen(folder)

    def close(self) -> None:
        """Close what it holds."""
        self.loop.close()
        self._listener.close()
        for client in self._clients.values():
            client.close()

    def adopt(self, client: SocketType) -> None:
        """Serve one more connection."""
        client.setblocking(False)
        self._clients[client.fileno()] = client
        self.loop.watch(client.fileno(), lambda: self._receive(client))

    def _listen(self, folder: str) -> SocketType:
        listener = SocketType(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.chdir(folder)  # The name alone fits where a long path would not.
        listener.bind("shim.sock")
        os.chdir("/")
        listener.listen(_CLIENTS_WAITING_MAX)
        listener.setblocking(False)
        self.loop.watch(listener.fileno(), self._accept)
        return listener

    def _accept(self) -> None:
        with socket.socket(fileno=os.dup(self._listener.fileno())) as listener:  # Only this kind of socket accepts.
            self.adopt(listener.accept()[0])

    def _receive(self, client: SocketType) -> None:
        try:
            message, descriptors = shim_messages.receive(client)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            self.loop.unwatch(client.fileno())
            del self._clients[client.fileno()]
            client.close()
            return
        request = shim_messages.decoded(message)
        reply = Reply(client, request["id"])
        try:
            self._serve(request, descriptors, reply)
        except Refusal as refusal:
            reply.refuse(str(refusal), refusal.kind)
        except (OSError, ValueError) as error:
            reply.refuse(_words(error), "failed")

    def _serve(self, request: dict[str, Any], descriptors: list[int], reply: Reply) -> None:
        operation = request["op"]
        if operation == "start":
            self._starts.begin(request, reply)
        elif operation == "exec":
            self._execs.begin(request, descriptors, reply)
        elif operation == "kill-exec":
            self._execs.kill(request["exec"])
            reply.accept()
        elif operation == "kill":
            self._starts.kill(request["container"])
            reply.accept()
        elif operation == "leave":
            self._leave()
            reply.accept()
        else:
            self._starts.running(request["container"]).serve(request, descriptors, reply)

    def _leave(self) -> None:
        """End the reaper and stop listening; the containers have been stopped, but one whose start was cut off."""
        self._starts.kill_all()
        if self._reaper_pid:
            os.kill(self._reaper_pid, signal.SIGKILL)
        self.loop.is_over = True

    def _tell(self, event: bytes) -> None:
        """Send an event to every client; one that has gone, or doesn't listen, finds exit.json."""
        for client in list(self._clients.values()):
            shim_messages.send(client, event)
