"""The zygote: a small process, started before any thread, that forks one shim per pod, always one ahead.

Keeps true: what it forks has nothing of the runtime's memory, threads or descriptors; it outlives no runtime (it ends
when the runtime's end of its socket closes), while its shims outlive both. A shim reads its request from the
SOCK_SEQPACKET socket whose descriptor is the last argument: a JSON object, with its first connection as SCM_RIGHTS.
Standard library only: run as `python -I -S -c "..."` by `shim_client`.
"""

import gc
import json
import os
import signal
import socket
import sys

from nodeagent.runtime import capabilities, seccomp, seccomp_program, shim, syscalls

REQUEST_BYTES_MAX = 65536


def main() -> None:
    """Serve until the runtime is gone."""
    os.setsid()
    syscalls.set_process_name("wherry-zygote")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel reaps the shims; nobody asks for their status.
    if os.uname().machine in {"x86_64", "aarch64"}:
        seccomp_program.program(seccomp.default_profile(capabilities.DEFAULT))  # Translated here once, for every shim.
    gc.collect()
    gc.freeze()
    gc.disable()
    requests = socket.socket(fileno=int(sys.argv[2]))
    while _serve_one(requests):
        pass


def _serve_one(requests: socket.socket) -> bool:
    """Fork the next shim, which waits for its request itself; return False when the runtime has gone."""
    taken, taking = os.pipe()
    if os.fork() == 0:
        os.close(taken)
        message, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES_MAX, 1)
        requests.close()
        if message:
            os.write(taking, b".")
            os.close(taking)
            shim.run(json.loads(message), socket.socket(fileno=descriptors[0]))
        os._exit(0)
    os.close(taking)
    has_taken = os.read(taken, 1)
    os.close(taken)
    return bool(has_taken)
