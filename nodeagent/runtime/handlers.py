"""Runtime handlers: the OCI runtimes of this node that a RuntimeClass may name, and what they can't be asked for.

Keeps true: what a handler can't give is refused before anything exists. The handler "" is the built-in one.
Source: kubernetes.io/docs/concepts/containers/runtime-class.
"""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from nodeagent.runtime.errors import invalid
from proto import cri_v1 as cri

USUAL = {"runc": "", "crun": "", "runsc": " --network=host"}
"""Looked for on PATH, and what is said to them. The network namespace that runsc takes for the host's is the pod's: its
own network stack would take the addresses away from the pod's other containers."""
_OWN_KERNEL = ("runsc",)
"""Those whose processes the node's kernel doesn't know: only the runtime itself can add another one."""


def on_path() -> dict[str, str]:
    """Return the handlers that this machine has: their names and their command lines."""
    found = {name: shutil.which(name) for name in USUAL}
    return {name: f"{shlex.quote(program)}{USUAL[name]}" for name, program in found.items() if program is not None}


def command_of(handler: str, known: Mapping[str, str]) -> list[str]:
    """Return the program of a handler and what is always said to it; nothing for the built-in one."""
    return shlex.split(known[handler]) if handler else []


def has_own_kernel(command: list[str]) -> bool:
    """Say whether a handler's containers run on a kernel of its own."""
    return bool(command) and Path(command[0]).name in _OWN_KERNEL


def check(handler: str, known: Mapping[str, str], where: str) -> None:
    """Refuse a handler that this node doesn't have."""
    if handler and handler not in known:
        has = ", ".join(sorted(known)) or "none"
        found = f"runtime handler {handler!r} is unknown; this node has: {has}"
        raise invalid(where, f"{found}; name one of them, or leave it empty for the built-in one")


def check_container(config: cri.ContainerConfig, handler: str, where: str) -> None:
    """Refuse what only the built-in runtime can give."""
    security = config.linux.security_context
    options = security.namespace_options
    asked = (
        ("a terminal (tty)", config.tty),
        ("privileged", security.privileged),
        ("a pid namespace shared with others (shareProcessNamespace)", options.pid in (cri.POD, cri.TARGET)),
        ("a user namespace (hostUsers: false)", bool(options.userns_options.uids)),
        ("an image volume", any(mount.image.image for mount in config.mounts)),
    )
    missing = [what for what, is_asked in asked if is_asked]
    if handler and missing:
        found = f"runtime handler {handler!r} can't be asked for {', '.join(missing)}"
        raise invalid(where, f"{found}; leave that out, or use the built-in runtime")
