"""Further processes in a shim's containers: their start is the answer to the request, their end an event to its client.

Keeps true: the end is told after the beginning. Standard library only.
"""

import contextlib
import os
import signal
from socket import SocketType
from typing import Any

from nodeagent.runtime import oci_runtime, shim_spawn, small_files
from nodeagent.runtime.shim_loop import Loop
from nodeagent.runtime.shim_reply import Reply
from nodeagent.runtime.shim_spawn import NODE_NAMESPACE, Outcome
from nodeagent.runtime.shim_starts import Parts, Starts

_KILLED = "it was killed before it could run the command"
_EXIT_CODE_KILLED = 137


class Execs:
    """The further processes of one pod."""

    def __init__(self, loop: Loop, starts: Starts, parts: Parts) -> None:
        self._loop = loop
        self._starts = starts
        self._run_further = parts.further
        self._known: dict[str, Further] = {}

    def begin(self, request: dict[str, Any], descriptors: list[int], reply: Reply) -> None:
        """Run a command in a container; descriptors: its stdin, stdout and stderr, none of them with a terminal."""
        container = self._starts.running(request["container"])
        pidfd = os.pidfd_open(container.pid)
        node_pids = container.launch["pid_mode"] == "node"
        is_watched = not node_pids and self._starts.may_trace()
        process = {**request["process"], "isWatched": is_watched}
        is_apart = container.launch["own_kernel"]

        def begin(status: SocketType) -> None:
            if is_apart:
                oci_runtime.run_further(process, container.bundle, descriptors, status)
            self._run_further(process, container.bundle, pidfd, descriptors, status)

        try:
            spawned = shim_spawn.spawn(NODE_NAMESPACE if node_pids or is_watched or is_apart else pidfd, begin)
        finally:
            for descriptor in (pidfd, *descriptors):
                os.close(descriptor)
        name = request["exec"]
        further = self._known[name] = Further(spawned.pid, name, reply)

        def on_end(status: int) -> None:
            self._known.pop(name, None)
            further.on_end(status)

        self._loop.on_end(spawned.pid, on_end)
        shim_spawn.hear(self._loop, spawned, further.on_start)

    def kill(self, name: str) -> None:
        """End a further process and its group, if it still runs."""
        if name in self._known:
            _kill_with_children(self._known[name].pid)


class Further:
    """One further process."""

    def __init__(self, pid: int, name: str, reply: Reply) -> None:
        self.pid = pid
        self._name = name
        self._reply = reply
        self._is_started = False
        self._status: int | None = None

    def on_start(self, outcome: Outcome) -> None:
        """Answer that it runs (and with its terminal's master), or why it could not start."""
        if outcome.ready:
            self._is_started = True
            self._reply.accept(outcome.rights)
            if self._status is not None:
                self.on_end(self._status)
        elif outcome.error:
            self._reply.refuse(outcome.error, "start-failed", outcome.exit_code)
        else:
            self._reply.refuse(_KILLED, "start-failed", _EXIT_CODE_KILLED)
        for descriptor in outcome.rights:
            os.close(descriptor)

    def on_end(self, status: int) -> None:
        """Tell the client that asked, after it has heard of the start."""
        self._status = status
        if self._is_started:
            code = os.waitstatus_to_exitcode(status)
            told = (self._name.encode(), code if code >= 0 else 128 - code)
            self._reply.tell(b'{"event": "exec-exit", "exec": "%b", "exit_code": %d}' % told)


def _kill_with_children(pid: int) -> None:
    """End a command and its group; children first: AppArmor takes from them the signal that their parent died."""
    for child in small_files.read(f"/proc/{pid}/task/{pid}/children").split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    os.killpg(pid, signal.SIGKILL)
