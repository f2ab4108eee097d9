"""Keep a container to its own devices by a BPF program on its v2 cgroup.

Keeps true: whatever device node a process of the group opens or makes, it is one of the allowed ones, and for an
allowed access (`devices` says when that is needed).
Source: kernel docs cgroup-v2, "Device controller"; linux/bpf.h (BPF_PROG_TYPE_CGROUP_DEVICE).
"""

import ctypes
import os
import platform
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

_SYS_BPF = {"x86_64": 321, "aarch64": 280}
_PROG_LOAD, _PROG_ATTACH = 5, 8
_PROG_TYPE_CGROUP_DEVICE, _ATTACH_TYPE_CGROUP_DEVICE = 15, 6
_LOAD_WORD, _AND, _MOVE, _COPY, _JUMP_NOT_EQUAL, _JUMP_IF_ANY_BIT, _EXIT = 0x61, 0x54, 0xB7, 0xBF, 0x55, 0x45, 0x95
_TYPES = {"b": 1, "c": 2}
_ACCESS = {"r": 2, "w": 4, "m": 1}
EVERY_ACCESS = "".join(_ACCESS)
ANY_MINOR = -1

_libc: Any = ctypes.CDLL(None, use_errno=True)


class DeviceRule(msgspec.Struct, frozen=True):
    """A device that may be used; kind: `b` or `c`; minor -1: every one of its major; access: some of EVERY_ACCESS."""

    kind: str
    major: int
    minor: int
    access: str = EVERY_ACCESS

    def __str__(self) -> str:
        return f"{self.kind} {self.major}:{'*' if self.minor == ANY_MINOR else self.minor} {self.access}"


USUAL_DEVICES = (
    *(DeviceRule("c", 1, minor) for minor in (3, 5, 7, 8, 9)),  # null, zero, full, random, urandom
    DeviceRule("c", 5, 0),  # tty
    DeviceRule("c", 5, 2),  # ptmx
    DeviceRule("c", 136, ANY_MINOR),  # terminals
)


def program(rules: Sequence[DeviceRule]) -> bytes:
    """Return BPF instructions that answer 1 for what a rule allows (minor -1: any), else 0."""
    code = [
        _step(_LOAD_WORD, 2, 1, 0),  # r2 = access and type; the type is its lower half.
        _step(_COPY, 5, 2),
        _step(_AND, 2, value=0xFFFF),
        _step(_LOAD_WORD, 3, 1, 4),
        _step(_LOAD_WORD, 4, 1, 8),
    ]
    for rule in rules:
        checks = [(2, _TYPES[rule.kind]), (3, rule.major)]
        checks += [(4, rule.minor)] if rule.minor != ANY_MINOR else []
        missing = sum(bit for name, bit in _ACCESS.items() if name not in rule.access) << 16
        steps = [_step(_JUMP_IF_ANY_BIT, 5, offset=2, value=missing)] if missing else []
        steps += [_step(_MOVE, 0, value=1), _step(_EXIT)]
        for place, (register, value) in enumerate(checks):
            code.append(_step(_JUMP_NOT_EQUAL, register, offset=len(checks) - place - 1 + len(steps), value=value))
        code += steps
    return b"".join([*code, _step(_MOVE, 0, value=0), _step(_EXIT)])


def attach(folder: Path, rules: Sequence[DeviceRule]) -> None:
    """Put the filter on the group at `folder`; it goes with the group. Raises OSError where the kernel refuses."""
    code, licence = ctypes.create_string_buffer(program(rules)), ctypes.create_string_buffer(b"Apache-2.0")
    instructions = (len(code) - 1) // 8
    load = struct.pack(
        "=IIQQ", _PROG_TYPE_CGROUP_DEVICE, instructions, ctypes.addressof(code), ctypes.addressof(licence)
    )
    loaded = _bpf(_PROG_LOAD, load.ljust(120, b"\0"), folder)
    group = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _bpf(_PROG_ATTACH, struct.pack("=IIII", group, loaded, _ATTACH_TYPE_CGROUP_DEVICE, 0).ljust(120, b"\0"), folder)
    finally:
        os.close(group)
        os.close(loaded)


def _bpf(operation: int, attributes: bytes, folder: Path) -> int:
    result: int = _libc.syscall(_SYS_BPF[platform.machine()], operation, attributes, len(attributes))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"device filter: {os.strerror(number)}", str(folder))
    return result


def _step(operation: int, register: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", operation, source << 4 | register, offset, value)
