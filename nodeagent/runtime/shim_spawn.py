"""Children of a shim: fork one into a pid namespace, and hear from it until it execs or fails.

Keeps true: the child's end of the status socket closes at its exec, so its last word before that is the outcome.
Standard library only.
"""

import os
import signal
from _socket import socketpair  # That of `socket` wraps both ends in Python, which dirties memory for nothing.
from collections.abc import Callable
from socket import AF_UNIX, SOCK_SEQPACKET, SocketType
from typing import NamedTuple, NoReturn

from nodeagent.runtime import container_init, shim_messages, small_files, syscalls
from nodeagent.runtime.shim_loop import Loop

NEW_NAMESPACE = 0
NODE_NAMESPACE = -1


class Outcome(NamedTuple):
    """How a start went. ready: a JSON object, empty where there is an `error`; rights: what came with the words."""

    ready: bytes
    rights: list[int]
    error: str = ""
    exit_code: int = 0


class Spawned(NamedTuple):
    """A child that has not said yet whether its command runs."""

    pid: int
    start_time: int
    status: SocketType


def spawn(namespace: int, begin: Callable[[SocketType], None]) -> Spawned:
    """Fork a child that calls `begin` (which never returns) with its end of the status socket.

    namespace: a pidfd or namespace file to join, NEW_NAMESPACE, or NODE_NAMESPACE to stay in the node's own.
    """
    if namespace == NEW_NAMESPACE:
        syscalls.unshare(syscalls.CLONE_NEWPID)
    elif namespace != NODE_NAMESPACE:
        syscalls.join_namespaces(namespace, syscalls.CLONE_NEWPID)
    try:
        ours, theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            _run_child(begin, ours, theirs)
        theirs.close()
        return Spawned(pid, start_time(pid), ours)
    finally:
        if namespace != NODE_NAMESPACE:
            _return_to_own_pid_namespace()


def _run_child(begin: Callable[[SocketType], None], ours: SocketType, theirs: SocketType) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        ours.close()
        begin(theirs)
    finally:
        os._exit(container_init.EXIT_NOT_STARTED)


def start_time(pid: int) -> int:
    """Return when a process started (clock ticks since boot): with its pid, this names it for ever."""
    return int(small_files.read(f"/proc/{pid}/stat").rpartition(b")")[2].split(None, 20)[19])


def _return_to_own_pid_namespace() -> None:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.join_namespaces(own, syscalls.CLONE_NEWPID)
    finally:
        os.close(own)


def hear(loop: Loop, spawned: Spawned, then: Callable[[Outcome], None]) -> None:
    """Call `then` once the child has become its command, has failed, or has been killed."""
    status = spawned.status
    last = b""
    rights: list[int] = []

    def on_message() -> None:
        nonlocal last
        message, more = shim_messages.receive(status)
        rights.extend(more)
        if message:
            last = message
            return
        loop.unwatch(status.fileno())
        status.close()
        then(outcome(last, rights))

    loop.watch(status.fileno(), on_message)


def outcome(last: bytes, rights: list[int]) -> Outcome:
    """Return what a child's last word stands for; one without any was killed, which has no `error` of its own."""
    if last.startswith(container_init.READY):
        return Outcome(last[len(container_init.READY) :], rights)
    if last.startswith(container_init.FAILED):
        code, _, words = last[len(container_init.FAILED) :].partition(b" ")
        return Outcome(b"", rights, words.decode(), int(code))
    return Outcome(b"", rights)
