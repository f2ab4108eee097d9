"""The runtime's end of the zygote, the process that forks shims.

Keeps true: a zygote that has died is replaced at the next request. No thread, no fork in this process: the zygote is
started by vfork and exec.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nodeagent.runtime import syscalls

_ZYGOTE_CODE = """
import array, contextlib, ctypes, fcntl, functools, json, resource, select, signal, socket, struct, sys, termios, typing
# Python's own modules lie together now, so that a shim, which writes to a few things of each, writes to fewer pages.
sys.path.insert(0, sys.argv[1])
from nodeagent.runtime import zygote
zygote.main()
"""
_ROOT = Path(__file__).parents[2]


def _read_only(program: str) -> int:
    """Return a descriptor of `program` through which nobody can write to it.

    An image whose command is /proc/self/exe gets to run what the shim runs, and to open it (CVE-2019-5736).
    """
    tree = syscalls.clone_tree(program, recursive=False)
    syscalls.set_mount_attributes(tree, syscalls.MOUNT_ATTR_RDONLY)
    return tree


class Zygote:
    """The process that forks shims.

    folder: where it may rehearse. entry_files: returns the files by which it enters the cgroup of shims.
    """

    def __init__(self, folder: Path, entry_files: Callable[[], Sequence[str]]) -> None:
        self._folder = folder
        self._entry_files = entry_files
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    @property
    def pid(self) -> int:
        """The zygote's pid, or 0."""
        return self._process.pid if self._process is not None else 0

    def start(self) -> None:
        """Start the zygote (again)."""
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", "-c", _ZYGOTE_CODE, str(_ROOT), str(theirs.fileno())]
        command += [str(self._folder), *self._entry_files()]
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}
        program = _read_only(os.path.realpath(sys.executable))
        try:
            self._process = subprocess.Popen(
                command,
                executable=f"/proc/self/fd/{program}",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), program),
                env=environment,
            )
        finally:
            theirs.close()
            os.close(program)
        self._requests = ours

    def fork_shim(self, request: Mapping[str, Any]) -> socket.socket:
        """Ask for a shim; return our end of its first connection."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        message = json.dumps(request).encode()
        try:
            try:
                self._send(message, theirs.fileno())
            except OSError:  # It was killed: nothing but the next shim needs it.
                self.start()
                self._send(message, theirs.fileno())
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def close(self) -> None:
        """Let the zygote end, and wait for it: it does nothing but fork."""
        if self._requests is not None:
            self._requests.close()
            self._requests = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=2)
            self._process = None

    def _send(self, message: bytes, descriptor: int) -> None:
        if self._requests is None:
            raise OSError("zygote: not started")
        socket.send_fds(self._requests, [message], [descriptor])
