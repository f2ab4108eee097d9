"""A pod's namespaces from within: make them, and dress them (hostname, loopback, sysctls).

Keeps true: after `set_up` the caller is in the pod's net, ipc and uts namespaces (those not shared with the node).
The runtime pins them (`sandbox_mounts`), but those of a pod with a user namespace, which are pinned here.
Standard library only. Source: namespaces(7), netdevice(7); the sysctls are those that the kernel keeps per namespace.
"""

import fcntl
import os
import socket
import struct
from typing import Any

from nodeagent.runtime import syscalls, user_namespace

NAMESPACES = {"net": syscalls.CLONE_NEWNET, "ipc": syscalls.CLONE_NEWIPC, "uts": syscalls.CLONE_NEWUTS}
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_LOOPBACK_UP = struct.pack("16sH14x", b"lo", _IFF_UP)


def set_up(request: dict[str, Any]) -> None:
    """Make the namespaces that `request["namespaces"]` lists (of net, ipc, uts) and what is set in them."""
    wanted = request["namespaces"]
    flags = 0
    for name in wanted:
        flags |= NAMESPACES[name]
    if request["ids"]:
        pins = [(name, f"{request['run']}/ns/{name}") for name in (*wanted, "user")]
        user_namespace.make_owned(request["ids"], flags, pins)
        for name in wanted:
            _join(f"{request['run']}/ns/{name}", NAMESPACES[name])
    elif flags:
        syscalls.unshare(flags)
    if "uts" in wanted:
        socket.sethostname(request["hostname"])
    if "net" in wanted:
        _raise_loopback()
    for name, value in request["sysctls"].items():
        _set_sysctl(name, value)


def _join(pin: str, flag: int) -> None:
    namespace = os.open(pin, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.join_namespaces(namespace, flag)
    finally:
        os.close(namespace)


def _raise_loopback() -> None:
    control = socket.SocketType(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(control, _SIOCSIFFLAGS, _LOOPBACK_UP)
    control.close()


def _set_sysctl(name: str, value: str) -> None:
    path = f"/proc/sys/{name.replace('.', '/')}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise OSError(f"sysctl {name}: this kernel has no such setting; remove it from the pod") from None
    try:
        os.write(descriptor, value.encode())
    except OSError as error:
        raise OSError(f"sysctl {name}: the kernel refused {value!r}: {error.strerror}") from None
    finally:
        os.close(descriptor)
