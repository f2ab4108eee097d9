"""The zygote: a small process, started before any thread, that forks one shim per pod on request.

Keeps true: what it forks has nothing of the runtime's memory, threads or descriptors; it outlives no runtime (it ends
when the runtime's end of its socket closes), while its shims outlive both. Reads requests from the SOCK_SEQPACKET
socket whose descriptor is the last argument: one JSON object each, with the shim's first connection as SCM_RIGHTS.
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
    """Fork the shim that the next request asks for; return False when the runtime has gone."""
    message, descriptors, _, _ = socket.recv_fds(requests, REQUEST_BYTES_MAX, 1)
    if not message:
        return False
    if os.fork() == 0:
        requests.close()
        shim.run(json.loads(message), socket.socket(fileno=descriptors[0]))
        os._exit(0)
    for descriptor in descriptors:
        os.close(descriptor)
    return True
