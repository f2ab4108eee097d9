"""Do the single check or action that probes and lifecycle hooks are made of.

Keeps true: each has its own time limit; what it found is returned as (worked, what was seen).
Talks to the pod's address and, for commands, to the runtime.
Source: kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp

from kube.api.core_v1 import Container, HTTPGetAction, TCPSocketAction
from kube.api.scalars import IntOrString
from nodeagent.cri.client import Cri, CriError

BODY_MAX: Final = 10 * 1024
_USER_AGENT: Final = "kube-probe/1.36"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found."""

    worked: bool
    seen: str


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


async def check_http(action: HTTPGetAction, container: Container, ip: str, timeout_s: float) -> Outcome:
    """Ask a URL; any answer from 200 to 399 is good."""
    scheme = (action.scheme or "HTTP").lower()
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    try:
        url = f"{scheme}://{_host(action.host or ip)}:{port_of(action.port, container)}{path}"
        headers = {"User-Agent": _USER_AGENT, "Accept": "*/*"}
        headers |= {header.name: header.value for header in action.http_headers}
        limit = aiohttp.ClientTimeout(total=timeout_s)
        async with (
            aiohttp.ClientSession(timeout=limit, headers=headers) as session,
            session.get(url, ssl=False, allow_redirects=False) as answer,
        ):
            await answer.content.read(BODY_MAX)
            if 200 <= answer.status < 400:
                return Outcome(True, f"HTTP {answer.status}")
            return Outcome(False, f"HTTP probe failed with statuscode: {answer.status}")
    except TimeoutError:
        return Outcome(False, f"Get {url}: no answer within {timeout_s:g}s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Outcome(False, f"HTTP probe: {error}")


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


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
    return Outcome(code == 0, output[:BODY_MAX].decode(errors="replace").strip() or f"exit code {code}")
