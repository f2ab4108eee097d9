"""Do the single check or action that probes and lifecycle hooks are made of; `http_check` has the one over HTTP.

Keeps true: each has its own time limit; what it found is returned as (worked, what was seen).
Talks to the pod's address and, for commands, to the runtime.
Source: kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from kube.api.core_v1 import Container, TCPSocketAction
from kube.api.scalars import IntOrString
from nodeagent.cri.client import Cri, CriError

SEEN_BYTES_MAX: Final = 10 * 1024
"""How much of an answer is read and told."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found. is_warning: whether people should know, though it worked."""

    worked: bool
    seen: str
    is_warning: bool = False


def port_of(port: IntOrString | None, container: Container) -> int:
    """Return the number of a port that may be given by name. Raises ValueError."""
    if isinstance(port, int):
        return port
    for offered in container.ports:
        if offered.name == port:
            return offered.container_port
    if isinstance(port, str) and port.isdigit():
        return int(port)
    raise ValueError(f'port "{port}": container "{container.name}" has no port of that name')


async def check_tcp(action: TCPSocketAction, container: Container, ip: str, timeout_s: float) -> Outcome:
    """Open a connection and close it again."""
    host = action.host or ip
    try:
        port = port_of(action.port, container)
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
    except TimeoutError:
        return Outcome(False, f"dial tcp {host}: no answer within {timeout_s:g}s")
    except (OSError, ValueError) as error:
        return Outcome(False, f"dial tcp {host}: {error}")
    return Outcome(True, "connected")


async def check_exec(cri: Cri, container_id: str, command: Sequence[str], timeout_s: float) -> Outcome:
    """Run a command in the container; exit code 0 is good."""
    try:
        code, output = await cri.exec_sync(container_id, command, max(1, round(timeout_s)))
    except CriError as error:
        if error.code == "DEADLINE_EXCEEDED":
            return Outcome(False, f"command timed out: {list(command)} timed out after {timeout_s:g}s")
        return Outcome(False, f"command {list(command)}: {error}")
    return Outcome(code == 0, output[:SEEN_BYTES_MAX].decode(errors="replace").strip() or f"exit code {code}")
