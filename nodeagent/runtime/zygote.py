"""The zygote: a small process, started before any thread, that forks one shim per pod, always one ahead.

Keeps true: what it forks has nothing of the runtime's memory, threads or descriptors, is in the cgroup of shims, and
can't be looked into; it outlives no runtime (it ends when the runtime's end of its socket closes), while its shims
outlive both. A shim reads its request from the SOCK_SEQPACKET socket whose descriptor is the second argument: a JSON
object, with its first connection as SCM_RIGHTS. The third is a folder to rehearse in, the others are the files by which
it enters that cgroup.
Standard library only: run as `python -I -S -c "..."` by `zygote_client`.
"""

import gc
import os
import sys
from socket import AF_UNIX, SOCK_SEQPACKET, SocketType
from typing import NoReturn

from nodeagent.runtime import (
    capabilities,
    memory_gaps,
    rehearsal,
    seccomp,
    seccomp_program,
    shim,
    shim_loop,
    shim_messages,
    small_files,
    syscalls,
)


def main() -> None:
    """Serve until the runtime is gone."""
    os.setsid()
    syscalls.set_process_name("wherry-zygote")
    syscalls.control_process(syscalls.PR_SET_DUMPABLE, 0)  # No container may look into a shim's unfinished children.
    if os.uname().machine in {"x86_64", "aarch64"}:
        seccomp_program.program(seccomp.default_profile(capabilities.DEFAULT))  # Translated here once, for every shim.
    try:
        rehearsal.rehearse(sys.argv[3])
    except OSError as error:
        sys.stderr.write(f"zygote: it could not rehearse ({error}); its shims work, and need more memory\n")
    for path in sys.argv[4:]:
        small_files.write(path, b"0")
    shim_loop.set_signals()
    gc.collect()
    memory_gaps.fill()
    gc.freeze()
    gc.disable()
    requests = SocketType(AF_UNIX, SOCK_SEQPACKET, 0, int(sys.argv[2]))
    while _serve_one(requests):
        pass


def _serve_one(requests: SocketType) -> bool:
    """Fork the next shim, which waits for its request itself; return False when the runtime has gone."""
    taken, taking = os.pipe()
    if os.fork() == 0:
        os.close(taken)
        _await_request(requests, taking)
    os.close(taking)
    has_request = bool(os.read(taken, 1))
    os.close(taken)
    return has_request


def _await_request(requests: SocketType, taking: int) -> NoReturn:
    message, descriptors = shim_messages.receive(requests)
    requests.close()
    if message:
        os.write(taking, b".")
        os.close(taking)
        os.setsid()
        small_files.write("/proc/self/comm", b"wherry-shim")
        first = SocketType(AF_UNIX, SOCK_SEQPACKET, 0, descriptors[0])
        one = shim.become(shim_messages.decoded(message), first)
        if one is not None:
            one.loop.run()
    os._exit(0)
