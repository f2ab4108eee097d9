"""Process 1 of a pod's shared pid namespace: it ends orphans, holds nothing, and sees nothing of the host.

Keeps true: what becomes an orphan in the namespace is collected, by the kernel, since SIGCHLD is ignored; the pod's
processes end with their shim. It has no capability and an empty root, and nobody may look into it.
As a fork of the shim it would keep half a megabyte, so it becomes a program of a few bytes where it knows the machine.
Standard library only. Source: wait(2) on SIG_IGN; execve(2) and prctl(2) on programs that can't be read; elf(5).
"""

import os
import signal
import struct
from contextlib import suppress
from socket import SocketType
from typing import NoReturn

from nodeagent.runtime import container_init, shim_messages, shim_spawn, syscalls
from nodeagent.runtime.shim_spawn import NEW_NAMESPACE

_NAME = "wherry-reaper"
_MACHINE, _MACHINE_NUMBER = "x86_64", 62
_PAUSE_FOR_EVER = bytes.fromhex("b8 22 00 00 00  0f 05  eb f7")  # mov eax, SYS_pause; syscall; jmp to the first.
_LOADED_AT = 0x400000
_HEADS_BYTES = 64 + 56
_ALIGNMENT = 0x1000


def start(folder: str) -> int:
    """Start the reaper of a pod, whose run directory is `folder`; return its pid. Raises OSError."""
    place = f"{folder}/reaper"
    os.makedirs(place, exist_ok=True)
    spawned = shim_spawn.spawn(NEW_NAMESPACE, lambda status: _run(place, status))
    word, rights = shim_messages.receive(spawned.status)
    spawned.status.close()
    if word:
        raise OSError(f"pod pid namespace: {shim_spawn.outcome(word, rights).error}")
    return spawned.pid


def _run(place: str, status: SocketType) -> NoReturn:
    with container_init.Reporting(status):
        container_init.prepare([], None)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        program = _program() if os.uname().machine == _MACHINE else -1
        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP)
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_SLAVE)
        syscalls.mount("tmpfs", place, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, "size=4k")
        syscalls.pivot_root_here(place)
        syscalls.mount("none", "/", "", syscalls.MS_REMOUNT | syscalls.MS_BIND | syscalls.MS_RDONLY)
        container_init.drop_bounding_capabilities(0)
        syscalls.control_process(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.set_capabilities(0, 0, 0)
        syscalls.control_process(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)  # The pod's processes end with its shim.
        syscalls.close_on_exec_from(0)
        if program >= 0:
            with suppress(OSError):  # A node may forbid programs that are no files (vm.memfd_noexec).
                os.execve(program, [_NAME], {})  # noqa: S606 - the whole point of this module.
    os.closerange(0, container_init.DESCRIPTORS_MAX)  # With the status socket: it has started.
    while True:
        signal.pause()


def _program() -> int:
    """Return a descriptor of a program that may be run but not read: nobody can trace what runs it."""
    written = os.memfd_create(_NAME)
    os.write(written, elf(_MACHINE_NUMBER, _PAUSE_FOR_EVER))
    os.fchmod(written, 0o100)
    program = os.open(f"/proc/self/fd/{written}", os.O_PATH | os.O_CLOEXEC)
    os.close(written)
    return program


def elf(machine: int, code: bytes) -> bytes:
    """Return a program for Linux of 64 bits: its head, one segment, which is the whole of it, and `code`."""
    size, entry = _HEADS_BYTES + len(code), _LOADED_AT + _HEADS_BYTES
    identity = b"\x7fELF" + bytes((2, 1, 1)) + bytes(9)
    head = struct.pack("<16sHHIQQQIHHHHHH", identity, 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    readable_and_executable = 5
    segment = struct.pack("<IIQQQQQQ", 1, readable_and_executable, 0, _LOADED_AT, _LOADED_AT, size, size, _ALIGNMENT)
    return head + segment + code
