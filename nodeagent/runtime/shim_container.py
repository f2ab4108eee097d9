"""One container inside its shim: its streams, its process, its records.

Keeps true: `pid.json` exists once the command runs, `exit.json` once it is over and its whole output is in the log;
both appear by rename. States move forward only: loaded -> running -> ended, or loaded -> ended (docs/runtime.md).
Standard library only.
"""

import fcntl
import os
import select
import signal
import time
from typing import Any

from nodeagent.runtime import shim_messages, small_files
from nodeagent.runtime.shim_log import LogFile
from nodeagent.runtime.shim_reply import Refusal, Reply

_READ_BYTES = 65536
_DRAIN_BYTES_MAX = 64 << 20
_SINK_BYTES = 1 << 20
_KILL_S = 2.0
LAUNCH_KEYS = (
    "terminal",
    "stdin",
    "stdin_once",
    "log_path",
    "pid_mode",
    "pid_target",
    "cgroups",
    "oom_file",
    "handler",
    "own_kernel",
    "may_trace",
)


def _read_pids(listing: str) -> set[int]:
    """Return the processes of a cgroup, or nothing where the group is gone."""
    try:
        return {int(line) for line in small_files.read(listing).splitlines()}
    except FileNotFoundError:
        return set()


def _kill_and_wait(pid: int, until: float) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:  # It has ended meanwhile, or is a thread whose process is listed too.
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, until - time.monotonic()) * 1000)
    except ProcessLookupError:
        return
    finally:
        os.close(descriptor)


class Container:
    """A container from its start to its end. launch: what of `launch.json` its shim must know (see LAUNCH_KEYS)."""

    def __init__(self, name: str, bundle: str, launch: dict[str, Any]) -> None:
        self.name = name
        self.bundle = bundle
        self.launch = launch
        self.pid = 0
        self.start_time = 0
        self.has_begun = False
        self.is_over = False
        self.failed_start = ""
        self.ended_status: int | None = None
        self.ended_ns = 0
        self._log = LogFile(self.launch["log_path"])
        self._outputs: dict[int, str] = {}
        self._given: list[int] = []
        self._stdin = -1
        self._sinks: list[tuple[str, int]] = []

    @property
    def is_running(self) -> bool:
        """Whether its command runs."""
        return self.has_begun and not self.is_over

    @property
    def has_process(self) -> bool:
        """Whether its first process is there, whatever it has come to."""
        return self.pid > 0 and self.ended_status is None

    def open_stdio(self) -> list[int]:
        """Return the three descriptors of the command; their other ends are kept for the log and attach."""
        if self.launch["terminal"]:
            return []
        if self.launch["stdin"]:
            standard_in, self._stdin = os.pipe2(os.O_CLOEXEC)
        else:
            standard_in = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        error_read, error_write = os.pipe2(os.O_CLOEXEC)
        self._outputs = {out_read: "stdout", error_read: "stderr"}
        self._given = [standard_in, out_write, error_write]
        return self._given

    def began(self, ready: bytes, rights: list[int]) -> None:
        """Note that the command runs; ready: a JSON object of who it became and what it could not have."""
        self._close_given()
        if rights:
            self._outputs = {rights[0]: "stdout"}
            self._stdin = rights[0]
        self.has_begun = True
        own = b'{"pid": %d, "start_time": %d, "started_at": %d, ' % (self.pid, self.start_time, time.time_ns())
        small_files.write_whole(f"{self.bundle}/pid.json", own + ready.removeprefix(b"{"))

    def outputs(self) -> list[int]:
        """Return the streams to pump."""
        for descriptor in self._outputs:
            os.set_blocking(descriptor, False)
        return list(self._outputs)

    def pump(self, descriptor: int) -> bool:
        """Move what is there to the log and to who is attached; return False at the stream's end."""
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:  # A terminal whose last user has gone answers EIO.
            return False
        if data:
            self._log.write(self._outputs[descriptor], data)
            self._copy(self._outputs[descriptor], data)
        return bool(data)

    def _copy(self, stream: str, data: bytes) -> None:
        for sink in [sink for sink in self._sinks if sink[0] == stream]:
            try:
                if os.write(sink[1], data) == len(data):
                    continue
            except OSError:
                pass
            self._sinks.remove(sink)  # It has gone, or is too slow to wait for.
            os.close(sink[1])

    def serve(self, request: dict[str, Any], descriptors: list[int], reply: Reply) -> None:
        """Serve a request on a running container."""
        operation = request["op"]
        if operation == "signal":
            os.kill(self.pid, request["signal"])
        elif operation == "reopen-log":
            self._log.reopen()
        elif operation == "attach":
            reply.accept(self._attach(request["streams"], descriptors))
            if self.launch["stdin_once"]:
                self._close_stdin()
            return
        else:
            raise Refusal(f"shim: it knows no operation {operation!r}", "unknown-operation")
        reply.accept()

    def _attach(self, streams: list[str], descriptors: list[int]) -> list[int]:
        """Copy output to `descriptors` (pipes, one per stream) from now on; return the container's stdin, if any."""
        for stream, descriptor in zip(streams, descriptors, strict=True):
            os.set_blocking(descriptor, False)
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _SINK_BYTES)
            self._sinks.append((stream, descriptor))
        return [self._stdin] if self._stdin >= 0 else []

    def _close_stdin(self) -> None:
        """Forget our own end of a pipe: whoever attached holds the last one."""
        if self._stdin >= 0 and not self.launch["terminal"]:
            os.close(self._stdin)
            self._stdin = -1

    def kill_all(self) -> None:
        """End every process of the container."""
        os.kill(self.pid, signal.SIGKILL)
        self._kill_leftovers()

    def _kill_leftovers(self) -> None:
        """End the processes that no pid namespace of the container's own ends for us."""
        if self.launch["pid_mode"] != "container":
            self.kill_listed()

    def kill_listed(self) -> None:
        """End the processes that its cgroup lists."""
        if not self.launch["cgroups"]:
            return
        listing = self.launch["cgroups"][0]
        until = time.monotonic() + _KILL_S
        killed: set[int] = set()
        while fresh := _read_pids(listing) - killed:  # What they forked before they were killed is in the next list.
            for pid in fresh:
                _kill_and_wait(pid, until)
            killed |= fresh

    def conclude(self) -> list[int]:
        """Drain the output, close the log, write exit.json; return the streams that were watched."""
        self._kill_leftovers()
        watched = list(self._outputs)
        for descriptor in watched:
            self._drain(descriptor)
        self._log.close()
        self.is_over = True
        small_files.write_whole(f"{self.bundle}/exit.json", self._describe_end())
        return watched

    def _drain(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        for _ in range(_DRAIN_BYTES_MAX // _READ_BYTES):
            try:
                data = os.read(descriptor, _READ_BYTES)
            except OSError:
                return
            if not data:
                return
            self._log.write(self._outputs[descriptor], data)
            self._copy(self._outputs[descriptor], data)

    def _describe_end(self) -> bytes:
        """Return `exit.json`."""
        if self.failed_start:
            message = shim_messages.quoted(self.failed_start)
            words = b'{"exit_code": 128, "finished_at": %d, "reason": "StartError", "signal": 0, "message": %b}'
            return words % (self.ended_ns, message)
        code = os.waitstatus_to_exitcode(self.ended_status or 0)
        number, code = (-code, 128 - code) if code < 0 else (0, code)
        reason = b"OOMKilled" if self._was_out_of_memory() else b"Error" if code else b"Completed"
        words = b'{"exit_code": %d, "finished_at": %d, "reason": "%b", "signal": %d, "message": ""}'
        return words % (code, self.ended_ns, reason, number)

    def words_of_early_end(self) -> str:
        """Return why its first process never came to run the command."""
        if self._was_out_of_memory():
            return "its memory limit is too low to run any command; raise it"
        return "its first process was killed before it could run the command"

    def _was_out_of_memory(self) -> bool:
        """Whether the kernel has killed any of its processes for want of memory (v1 and v2 have the same line)."""
        if not self.launch["oom_file"]:
            return False
        try:
            lines = small_files.read(self.launch["oom_file"]).splitlines()
            return any(line.startswith(b"oom_kill ") and int(line.split()[1]) > 0 for line in lines)
        except OSError:
            return False

    def close(self) -> None:
        """Close every descriptor."""
        self._close_given()
        if self._stdin not in self._outputs and self._stdin >= 0:
            os.close(self._stdin)
        for descriptor in [*self._outputs, *(sink[1] for sink in self._sinks)]:
            os.close(descriptor)
        self._outputs, self._sinks, self._stdin = {}, [], -1

    def _close_given(self) -> None:
        for descriptor in self._given:
            os.close(descriptor)
        self._given = []
