"""A pod's namespaces: make them, pin them under the run directory, dress them (hostname, sysctls, loopback, shm).

Keeps true: after `set_up` the caller is in the pod's net, ipc and uts namespaces (those not shared with the node), and
bind mounts under `<run>/ns` hold them whatever dies. Standard library only.
Source: namespaces(7), netdevice(7); the sysctls are those that the kernel keeps per namespace.
"""

import fcntl
import os
import socket
import struct
from typing import Any

from nodeagent.runtime import syscalls, user_namespace
from nodeagent.runtime.syscalls import labelled

_NAMESPACES = {"net": syscalls.CLONE_NEWNET, "ipc": syscalls.CLONE_NEWIPC, "uts": syscalls.CLONE_NEWUTS}
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def set_up(request: dict[str, Any]) -> None:
    """Make the namespaces that `request["namespaces"]` lists (of net, ipc, uts) and everything that belongs to them."""
    run, wanted = request["run"], request["namespaces"]
    flags = sum(_NAMESPACES[name] for name in wanted)
    mapping = request["ids"]
    pins = [(name, f"{run}/ns/{name}") for name in [*wanted, *(["user"] if mapping else [])]]
    for _, pin in pins:
        os.close(os.open(pin, os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC, 0o600))
    if mapping:
        user_namespace.make_owned(mapping, flags, pins)
        for name in wanted:
            _join(f"{run}/ns/{name}", _NAMESPACES[name])
    else:
        syscalls.unshare(flags)
        for name, pin in pins:
            syscalls.mount(f"/proc/self/ns/{name}", pin, "", syscalls.MS_BIND)
    if "uts" in wanted:
        socket.sethostname(request["hostname"])
    if "net" in wanted:
        _raise_loopback()
    if "ipc" in wanted:
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
        owner = f",uid={mapping['uid']},gid={mapping['gid']}" if mapping else ""
        syscalls.mount("shm", f"{run}/shm", "tmpfs", flags, labelled(f"mode=1777,size=64m{owner}", request["label"]))
    for name, value in request["sysctls"].items():
        _set_sysctl(name, value)


def _join(pin: str, flag: int) -> None:
    namespace = os.open(pin, os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.join_namespaces(namespace, flag)
    finally:
        os.close(namespace)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        asked = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("16xH", fcntl.ioctl(control, _SIOCGIFFLAGS, asked))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


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
