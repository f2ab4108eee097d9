"""The shim: parent of one pod's containers, and the keeper of what must survive everything else.

Keeps true: while a container runs, its shim pumps its output into its log, and when it ends, writes how into
`exit.json` (by rename) before it tells anyone; neither needs the runtime. One thread, one epoll loop.
Reads `config.json` and `launch.json` of a bundle when asked to start it; writes `shim.json`, and per container
`pid.json` and `exit.json` (docs/runtime.md says who writes which file). Speaks JSON over SOCK_SEQPACKET: requests
{id, op, ...}, answers {id, ok | error}, events {event, ...}; descriptors travel as SCM_RIGHTS.
Standard library only.
"""

import functools
import json
import os
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable
from typing import Any

from nodeagent.runtime import container_init, oci_runtime, shim_sandbox, small_files, syscalls
from nodeagent.runtime.shim_container import Container, Refusal, Spawned, spawn, start_time
from nodeagent.runtime.shim_reply import Further, Reply

PROTOCOL = 1
MESSAGE_BYTES_MAX = 131072
_SUBREAPER_ON = 1


def run(request: dict[str, Any], first: socket.socket) -> None:
    """Be the shim of the sandbox that `request` describes until it is asked to leave."""
    os.setsid()
    _redirect_output(f"{request['run']}/shim.log")
    try:
        _become_shim(request)
        shim = Shim(request)
    except (OSError, ValueError) as error:
        first.send(json.dumps({"error": _words(error)}).encode())
        return
    try:
        shim.adopt(first)
        first.send(json.dumps({"ok": shim.describe()}).encode())
        shim.loop()
    except BaseException:
        traceback.print_exc()
        raise


def _words(error: BaseException) -> str:
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) and error.filename else str(error)


def _redirect_output(path: str) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for place, descriptor in enumerate((null, log, log)):
        os.dup2(descriptor, place)
    os.close(null)
    os.close(log)


def _become_shim(request: dict[str, Any]) -> None:
    syscalls.set_process_name("wherry-shim")
    syscalls.control_process(syscalls.PR_SET_CHILD_SUBREAPER, _SUBREAPER_ON)
    syscalls.control_process(syscalls.PR_SET_DUMPABLE, 0)  # No container may look into it or its unfinished children.
    os.chdir("/")
    small_files.write_json(f"{request['state']}/shim.json", {"pid": os.getpid(), "start_time": start_time(os.getpid())})
    for path in request["cgroups"]:
        small_files.write(path, b"0")
    shim_sandbox.set_up(request)


class Shim:
    """The event loop, the pod's containers and the further processes in them."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._request = request
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._clients: dict[int, socket.socket] = {}
        self._containers: dict[str, Container] = {}
        self._children: dict[int, Callable[[int], None]] = {}
        self._further: dict[str, Further] = {}
        self._refused: dict[str, Reply] = {}
        self._starts: list[oci_runtime.Start] = []
        self._orphans: dict[int, int] = {}
        self._reaper_pid = 0
        self._leaving = False
        self._listener = self._listen()
        self._watch_children()
        if request["shared_pid"]:
            self._start_reaper()

    def describe(self) -> dict[str, Any]:
        """Return what a client needs to know this shim again."""
        pid = os.getpid()
        return {"protocol": PROTOCOL, "pid": pid, "start_time": start_time(pid)}

    def loop(self) -> None:
        """Serve until `leave`."""
        while not self._leaving:
            for descriptor, _ in self._poll.poll():
                handler = self._handlers.get(descriptor)
                if handler is not None:
                    handler()

    def adopt(self, client: socket.socket) -> None:
        """Serve one more connection."""
        client.setblocking(False)
        self._clients[client.fileno()] = client
        self.watch(client.fileno(), lambda: self._receive(client))

    def watch(self, descriptor: int, handler: Callable[[], None]) -> None:
        """Call `handler` whenever `descriptor` can be read or has ended."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, select.EPOLLIN)

    def unwatch(self, descriptor: int) -> None:
        """Stop watching `descriptor`; it stays open."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.chdir(self._request["run"])  # The name alone fits where a long path would not.
        listener.bind("shim.sock")
        os.chdir("/")
        listener.listen(8)
        listener.setblocking(False)
        self.watch(listener.fileno(), lambda: self.adopt(listener.accept()[0]))
        return listener

    def _watch_children(self) -> None:
        reading, writing = socket.socketpair()
        for end in (reading, writing):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)  # It leaves when its pod does, not when a terminal or a session ends.
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        self._wakeup = (reading, writing)
        self.watch(reading.fileno(), self._reap)

    def _reap(self) -> None:
        """Collect every child that has ended: containers, further processes, and orphans, which nobody asks after."""
        self._wakeup[0].recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            on_exit = self._children.pop(pid, None)
            if on_exit is not None:
                on_exit(status)
            elif self._starts:  # It may be a container that another runtime has not named yet.
                self._orphans[pid] = status
        if not self._starts:
            self._orphans.clear()

    def _start_reaper(self) -> None:
        folder = f"{self._request['run']}/reaper"
        os.makedirs(folder, exist_ok=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        syscalls.unshare(syscalls.CLONE_NEWPID)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            ours.close()
            container_init.run_reaper(folder, [], theirs)
        theirs.close()
        _return_to_own_pid_namespace()
        failure = ours.recv(MESSAGE_BYTES_MAX)
        ours.close()
        if failure:
            raise OSError(f"pod pid namespace: {json.loads(failure)['error']}")
        self._reaper_pid = pid

    def _receive(self, client: socket.socket) -> None:
        try:
            message, descriptors, _, _ = socket.recv_fds(client, MESSAGE_BYTES_MAX, 4)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            self.unwatch(client.fileno())
            del self._clients[client.fileno()]
            client.close()
            return
        request = json.loads(message)
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
            self._start(request, reply)
        elif operation == "exec":
            self._exec(request, descriptors, reply)
        elif operation == "kill-exec":
            if request["exec"] in self._further:
                os.killpg(self._further[request["exec"]].pid, signal.SIGKILL)
            reply.accept({})
        elif operation == "kill":
            self._kill(request)
            reply.accept({})
        elif operation == "leave":
            self._leave()
            reply.accept({})
        elif operation == "describe":
            running = [name for name, container in self._containers.items() if container.is_running]
            reply.accept({**self.describe(), "running": running})
        else:
            self._of(request).serve(request, descriptors, reply)

    def _of(self, request: dict[str, Any]) -> Container:
        container = self._containers.get(request["container"])
        if container is None or not container.is_running:
            raise Refusal(f"container {request['container']}: it is not running", "not-running")
        return container

    def _kill(self, request: dict[str, Any]) -> None:
        """End every process of a container, also of one whose command doesn't run yet."""
        container = self._containers.get(request["container"])
        if container is None or not container.has_process:
            raise Refusal(f"container {request['container']}: it is not running", "not-running")
        container.kill_all()

    def _start(self, request: dict[str, Any], reply: Reply) -> None:
        name = request["container"]
        if name in self._containers:
            raise Refusal(f"container {name}: it has been started before; create another", "started-before")
        container = Container(name, request["bundle"])
        self._containers[name] = container
        if container.launch["handler"]:
            self._start_by_handler(container, reply)
            return
        namespace = self._pid_namespace(container.launch)

        def begin(stdio: list[int], status: socket.socket) -> None:
            container_init.run_container(container.launch, stdio, status)

        try:
            spawned = self._spawn(container.open_stdio(), namespace, begin)
        finally:
            if namespace > 0:
                os.close(namespace)
        container.pid, container.start_time = spawned.pid, spawned.start_time
        self._children[spawned.pid] = lambda status: self._on_container_exit(container, status)
        self._await(spawned, lambda message, rights: self._on_container_start(container, message, rights, reply))

    def _start_by_handler(self, container: Container, reply: Reply) -> None:
        """Have another runtime make the container; its first process is ours once that runtime has ended."""

        def begin(stdio: list[int], status: socket.socket) -> None:
            oci_runtime.run(container.launch, stdio, status)

        start = oci_runtime.Start(container.bundle)
        self._starts.append(start)
        spawned = self._spawn(container.open_stdio(), -1, begin)
        container.pid, container.start_time = spawned.pid, spawned.start_time

        def on_told(message: dict[str, Any] | None, _rights: list[int]) -> None:
            start.heard, start.has_told = message, True
            self._go_on(container, start, reply)

        def on_exit(status: int) -> None:
            start.status = status
            self._go_on(container, start, reply)

        self._children[spawned.pid] = on_exit
        self._await(spawned, on_told)

    def _go_on(self, container: Container, start: oci_runtime.Start, reply: Reply) -> None:
        """Adopt the container that another runtime has made, or tell why there is none."""
        if not start.is_over:
            return
        self._starts.remove(start)
        pid = start.pid()
        if not pid:
            container.kill_listed()  # That runtime may have been killed just after it began the command.
            container.ended_status, container.ended_ns = start.status, time.time_ns()
            self._on_container_start(container, start.failure(), [], reply)
            return
        ended = self._orphans.pop(pid, None)
        container.pid, container.start_time = pid, start_time(pid) if ended is None else 0
        if ended is None:
            self._children[pid] = lambda status: self._on_container_exit(container, status)
        else:
            container.ended_status, container.ended_ns = ended, time.time_ns()
        self._on_container_start(container, start.heard, [], reply)

    def _spawn(self, stdio: list[int], namespace: int, begin: Callable[[list[int], socket.socket], None]) -> Spawned:
        """Fork; namespace: a pidfd or namespace file to join, 0 for a new pid namespace, -1 for the node's own."""
        if namespace == 0:
            syscalls.unshare(syscalls.CLONE_NEWPID)
        elif namespace > 0:
            syscalls.join_namespaces(namespace, syscalls.CLONE_NEWPID)
        try:
            return spawn(stdio, begin)
        finally:
            if namespace >= 0:
                _return_to_own_pid_namespace()

    def _pid_namespace(self, launch: dict[str, Any]) -> int:
        mode = launch["pid_mode"]
        if mode == "container":
            return 0
        if mode == "node":
            return -1
        pid = self._reaper_pid if mode == "pod" else self._of({"container": launch["pid_target"]}).pid
        return os.pidfd_open(pid)

    def _await(self, spawned: Spawned, then: Callable[[dict[str, Any] | None, list[int]], None]) -> None:
        """Gather what the child says until it execs or fails, then hand over the last message."""
        status = spawned.status
        heard: dict[str, Any] = {}
        rights: list[int] = []

        def on_message() -> None:
            message, descriptors, _, _ = socket.recv_fds(status, MESSAGE_BYTES_MAX, 4)
            rights.extend(descriptors)
            if message:
                heard.update(json.loads(message))
                return
            self.unwatch(status.fileno())
            status.close()
            then(heard if "user" in heard or "error" in heard else None, rights)

        self.watch(status.fileno(), on_message)

    def _on_container_start(
        self, container: Container, heard: dict[str, Any] | None, rights: list[int], reply: Reply
    ) -> None:
        heard = heard or {"error": container.words_of_early_end(), "exit_code": 128}
        if "error" in heard:
            container.failed_start = heard
            self._refused[container.name] = reply  # Once its end is on record, as the caller will look for it.
            if container.ended_status is not None:
                self._conclude(container)
            return
        container.began(heard, rights)
        for descriptor in container.outputs():
            self.watch(descriptor, functools.partial(self._pump, container, descriptor))
        reply.accept(container.pid_record)
        if container.ended_status is not None:
            self._conclude(container)

    def _pump(self, container: Container, descriptor: int) -> None:
        if not container.pump(descriptor):
            self.unwatch(descriptor)

    def _on_container_exit(self, container: Container, status: int) -> None:
        container.ended_status = status
        container.ended_ns = time.time_ns()
        if container.pid_record or container.failed_start:
            self._conclude(container)

    def _conclude(self, container: Container) -> None:
        for descriptor in container.conclude():
            self.unwatch(descriptor)
        container.close()
        self._tell({"event": "exit", "container": container.name, "exit": container.exit_record})
        if container.failed_start:
            self._refused.pop(container.name).refuse(container.failed_start["error"], "start-failed")

    def _exec(self, request: dict[str, Any], descriptors: list[int], reply: Reply) -> None:
        container = self._of(request)
        pidfd = os.pidfd_open(container.pid)
        node_pids = container.launch["pid_mode"] == "node"
        is_watched = not node_pids and any(other.launch.get("may_trace") for other in self._containers.values())
        process = {**request["process"], "isWatched": is_watched}

        def begin(streams: list[int], status: socket.socket) -> None:
            container_init.run_further(process, container.launch, pidfd, streams, status)

        try:
            spawned = self._spawn(descriptors, -1 if node_pids or is_watched else pidfd, begin)
        finally:
            for descriptor in (pidfd, *descriptors):
                os.close(descriptor)
        further = Further(spawned.pid, request["exec"], reply)
        self._further[request["exec"]] = further

        def on_exit(status: int) -> None:
            self._further.pop(request["exec"], None)
            further.on_exit(status)

        self._children[spawned.pid] = on_exit
        self._await(spawned, further.on_start)

    def _leave(self) -> None:
        """End the reaper and stop listening; the containers have been stopped, but one whose start was cut off."""
        for container in self._containers.values():
            if container.has_process:
                container.kill_all()
        if self._reaper_pid:
            os.kill(self._reaper_pid, signal.SIGKILL)
        self._leaving = True

    def _tell(self, event: dict[str, Any]) -> None:
        message = json.dumps(event).encode()
        for client in list(self._clients.values()):
            try:
                client.send(message)
            except OSError:
                continue  # It has gone or doesn't listen; exit.json tells whoever comes next.


def _return_to_own_pid_namespace() -> None:
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.join_namespaces(own, syscalls.CLONE_NEWPID)
    finally:
        os.close(own)
