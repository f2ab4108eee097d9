"""The containers of a shim: start each once, keep it, and account for its end.

Keeps true: the answer to a start comes once the command runs, or once it is on record why it doesn't; an end is told
to every client after it is on record. A container that another OCI runtime makes is adopted when that runtime is done.
Standard library only.
"""

import functools
import os
import time
from collections.abc import Callable
from socket import SocketType
from typing import Any, NamedTuple, NoReturn

from nodeagent.runtime import container_init, oci_runtime, shim_spawn
from nodeagent.runtime.shim_container import Container
from nodeagent.runtime.shim_loop import Loop
from nodeagent.runtime.shim_reply import Refusal, Reply
from nodeagent.runtime.shim_spawn import NEW_NAMESPACE, NODE_NAMESPACE, Outcome, Spawned


class Parts(NamedTuple):
    """What a child is, from its fork on: a container's first process, or a further one in it."""

    container: Callable[[str, list[int], SocketType], NoReturn]
    further: Callable[[dict[str, Any], str, int, list[int], SocketType], NoReturn]


REAL = Parts(container_init.run_container, container_init.run_further)


class Starts:
    """The containers of one pod. reaper_pid: process 1 of the pid namespace that the pod shares, or 0."""

    def __init__(self, loop: Loop, tell: Callable[[bytes], None], reaper_pid: int, parts: Parts) -> None:
        self._run_container = parts.container
        self._loop = loop
        self._tell = tell
        self._reaper_pid = reaper_pid
        self._known: dict[str, Container] = {}
        self._refused: dict[str, Reply] = {}

    def running(self, name: str) -> Container:
        """Return a container whose command runs."""
        container = self._known.get(name)
        if container is None or not container.is_running:
            raise Refusal(f"container {name}: it is not running", "not-running")
        return container

    def may_trace(self) -> bool:
        """Whether any of the pod's containers may look into other processes."""
        return any(container.launch["may_trace"] for container in self._known.values())

    def kill(self, name: str) -> None:
        """End every process of a container, also of one whose command doesn't run yet."""
        container = self._known.get(name)
        if container is None or not container.has_process:
            raise Refusal(f"container {name}: it is not running", "not-running")
        container.kill_all()

    def kill_all(self) -> None:
        """End every process of every container."""
        for container in self._known.values():
            if container.has_process:
                container.kill_all()

    def begin(self, request: dict[str, Any], reply: Reply) -> None:
        """Start a container."""
        name = request["container"]
        if name in self._known:
            raise Refusal(f"container {name}: it has been started before; create another", "started-before")
        container = self._known[name] = Container(name, request["bundle"], request["launch"])
        if container.launch["handler"]:
            self._begin_by_handler(container, reply)
        else:
            self._begin(container, reply)

    def _begin(self, container: Container, reply: Reply) -> None:
        stdio = container.open_stdio()
        namespace = self._pid_namespace(container.launch)

        def begin(status: SocketType) -> None:
            self._run_container(container.bundle, stdio, status)

        try:
            spawned = shim_spawn.spawn(namespace, begin)
        finally:
            if namespace > 0:
                os.close(namespace)
        self._note(container, spawned, functools.partial(self._on_end, container))
        shim_spawn.hear(self._loop, spawned, functools.partial(self._on_start, container, reply))

    def _pid_namespace(self, launch: dict[str, Any]) -> int:
        mode = launch["pid_mode"]
        if mode == "container":
            return NEW_NAMESPACE
        if mode == "node":
            return NODE_NAMESPACE
        return os.pidfd_open(self._reaper_pid if mode == "pod" else self.running(launch["pid_target"]).pid)

    def _note(self, container: Container, spawned: Spawned, on_end: Callable[[int], None]) -> None:
        container.pid, container.start_time = spawned.pid, spawned.start_time
        self._loop.on_end(spawned.pid, on_end)

    def _begin_by_handler(self, container: Container, reply: Reply) -> None:
        """Have another runtime make the container; its first process is ours once that runtime has ended."""
        stdio = container.open_stdio()
        start = oci_runtime.Start(container.bundle)
        self._loop.keep_orphans()

        def begin(status: SocketType) -> None:
            oci_runtime.run(container.bundle, stdio, status)

        def on_told(outcome: Outcome) -> None:
            start.outcome = outcome
            self._go_on(container, start, reply)

        def on_end(status: int) -> None:
            start.status = status
            self._go_on(container, start, reply)

        spawned = shim_spawn.spawn(NODE_NAMESPACE, begin)
        self._note(container, spawned, on_end)
        shim_spawn.hear(self._loop, spawned, on_told)

    def _go_on(self, container: Container, start: oci_runtime.Start, reply: Reply) -> None:
        """Adopt the container that another runtime has made, or tell why there is none."""
        if start.outcome is None or start.status is None:
            return
        pid = start.pid()
        ended = self._loop.take_orphan(pid)
        self._loop.drop_orphans()
        if not pid:
            container.kill_listed()  # That runtime may have been killed just after it began the command.
            container.ended_status, container.ended_ns = start.status, time.time_ns()
            self._on_start(container, reply, start.failure())
            return
        container.pid, container.start_time = pid, shim_spawn.start_time(pid) if ended is None else 0
        if ended is None:
            self._loop.on_end(pid, functools.partial(self._on_end, container))
        else:
            container.ended_status, container.ended_ns = ended, time.time_ns()
        self._on_start(container, reply, start.outcome)

    def _on_start(self, container: Container, reply: Reply, outcome: Outcome) -> None:
        if outcome.ready:
            container.began(outcome.ready, outcome.rights)
            for descriptor in container.outputs():
                self._loop.watch(descriptor, functools.partial(self._pump, container, descriptor))
            reply.accept()
        else:
            container.failed_start = outcome.error or container.words_of_early_end()
            self._refused[container.name] = reply  # Once its end is on record, as the caller will look for it.
        if container.ended_status is not None:
            self._conclude(container)

    def _pump(self, container: Container, descriptor: int) -> None:
        if not container.pump(descriptor):
            self._loop.unwatch(descriptor)

    def _on_end(self, container: Container, status: int) -> None:
        container.ended_status, container.ended_ns = status, time.time_ns()
        if container.has_begun or container.failed_start:
            self._conclude(container)

    def _conclude(self, container: Container) -> None:
        for descriptor in container.conclude():
            self._loop.unwatch(descriptor)
        container.close()
        self._tell(b'{"event": "exit", "container": "%b"}' % container.name.encode())
        if container.failed_start:
            self._refused.pop(container.name).refuse(container.failed_start, "start-failed")
