"""Seccomp: the default profile of a container, and its translation to a BPF program.

Keeps true: a call the kernel has gained after this table was written is refused with ENOSYS, so the profile is an
allow-list in effect; a call that only a capability makes useful is refused unless the container has that capability.
A profile has the shape of `linux.seccomp` in the OCI runtime specification, so that other runtimes take it too.
Standard library only. Source: moby's default profile (what is refused and why), linux/unistd.h, linux/filter.h.
"""

import errno
import functools
import json
import os
import struct
from typing import Any

# name: number on (x86_64, aarch64); -1 where the architecture lacks the call.
_NUMBERS = {
    "_sysctl": (156, -1),
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "create_module": (174, -1),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "get_kernel_syms": (177, -1),
    "get_mempolicy": (239, 236),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, -1),
    "iopl": (172, -1),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "listmount": (458, 458),
    "lookup_dcookie": (212, 18),
    "mbind": (237, 235),
    "migrate_pages": (256, 238),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "query_module": (178, -1),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "socket": (41, 198),
    "statmount": (457, 457),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "sysfs": (139, -1),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, -1),
    "userfaultfd": (323, 282),
    "ustat": (136, -1),
    "vhangup": (153, 58),
    "vserver": (236, -1),
}
_NEWEST_KNOWN = 462  # mseal; what came later is refused as if this kernel lacked it.

# Refused unless the container has one of these capabilities; an empty tuple refuses always.
_GATES: dict[tuple[str, ...], str] = {
    (): "_sysctl add_key clock_adjtime create_module get_kernel_syms io_uring_enter io_uring_register io_uring_setup "
    "kexec_file_load kexec_load keyctl migrate_pages move_pages nfsservctl pivot_root query_module request_key swapoff "
    "swapon sysfs uselib userfaultfd ustat vserver",
    ("CAP_SYS_ADMIN",): "fanotify_init fsconfig fsmount fsopen fspick listmount lookup_dcookie mount mount_setattr "
    "move_mount open_tree quotactl quotactl_fd setdomainname sethostname setns statmount umount2 unshare",
    ("CAP_SYS_ADMIN", "CAP_BPF"): "bpf",
    ("CAP_SYS_ADMIN", "CAP_PERFMON"): "perf_event_open",
    ("CAP_SYS_ADMIN", "CAP_SYSLOG"): "syslog",
    ("CAP_DAC_READ_SEARCH",): "open_by_handle_at",
    ("CAP_SYS_BOOT",): "reboot",
    ("CAP_SYS_CHROOT",): "chroot",
    ("CAP_SYS_MODULE",): "delete_module finit_module init_module",
    ("CAP_SYS_NICE",): "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    ("CAP_SYS_PACCT",): "acct",
    ("CAP_SYS_PTRACE",): "kcmp pidfd_getfd process_madvise",
    ("CAP_SYS_RAWIO",): "ioperm iopl",
    ("CAP_SYS_TIME",): "clock_settime settimeofday",
    ("CAP_SYS_TTY_CONFIG",): "vhangup",
}
_NAMESPACE_FLAGS = (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)  # CLONE_NEW*
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
_REFUSED_SOCKETS = (38, 40)  # AF_ALG and AF_VSOCK reach the kernel's crypto and the hypervisor past every namespace.

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_OFFSET_NUMBER, _OFFSET_ARCHITECTURE, _OFFSET_ARGUMENT = 0, 4, 16


def default_profile(capabilities: frozenset[str]) -> dict[str, Any]:
    """Return the profile RuntimeDefault of a container that has `capabilities`, as OCI JSON."""
    refused = [
        name for gate, names in _GATES.items() if not capabilities.intersection(gate) for name in sorted(names.split())
    ]
    rules: list[dict[str, Any]] = [_rule(refused, errno.EPERM)]
    if "CAP_SYS_ADMIN" not in capabilities:
        # clone3 hides its flags behind a pointer: a C library that hears ENOSYS falls back to clone.
        rules.append(_rule(["clone3"], errno.ENOSYS))
        rules += [_rule(["clone"], errno.EPERM, "SCMP_CMP_MASKED_EQ", flag) for flag in _NAMESPACE_FLAGS]
    rules += [_rule(["socket"], errno.EPERM, "SCMP_CMP_EQ", family) for family in _REFUSED_SOCKETS]
    rules.append(_rule(["personality"], errno.EPERM, "SCMP_CMP_NE", *_PERSONALITIES))
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}


def _rule(names: list[str], error: int, compare: str = "", *values: int) -> dict[str, Any]:
    """Return one refusal; with `compare`, only of a first argument that it holds of (with NE: of every value)."""
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error}
    if compare:
        rule["args"] = [{"index": 0, "value": value, "valueTwo": value, "op": compare} for value in values]
    return rule


def program(profile: dict[str, Any]) -> bytes:
    """Translate `profile` for this machine; the same profile is translated once per process."""
    return _program(json.dumps(profile, sort_keys=True), os.uname().machine)


@functools.lru_cache(maxsize=16)
def _program(profile: str, machine: str) -> bytes:
    if machine not in _ARCHITECTURES:
        raise OSError(
            errno.ENOSYS, f"seccomp: no table of calls for {machine}; use {' or '.join(_ARCHITECTURES)}, or Unconfined"
        )
    column, architecture = _ARCHITECTURES[machine]
    code = [
        _step(_LOAD, _OFFSET_ARCHITECTURE),
        _step(_JUMP_EQUAL, architecture, 1, 0),
        _refuse(errno.ENOSYS),
        _step(_LOAD, _OFFSET_NUMBER),
        _step(_JUMP_GREATER, _NEWEST_KNOWN, 0, 1),  # The x32 calls of x86_64 have bit 30 set: they are above too.
        _refuse(errno.ENOSYS),
    ]
    for rule in json.loads(profile)["syscalls"]:
        numbers = sorted(_NUMBERS[name][column] for name in rule["names"] if _NUMBERS[name][column] >= 0)
        code += _conditional(numbers[0], rule) if "args" in rule else _unconditional(numbers, rule["errnoRet"])
    code.append(_step(_RETURN, _ALLOW))
    return b"".join(code)


def _unconditional(numbers: list[int], error: int) -> list[bytes]:
    """Return steps that refuse every call in `numbers`: one compare each, all jumping to one refusal."""
    last = len(numbers)
    compares = [_step(_JUMP_EQUAL, number, last - place, 0) for place, number in enumerate(numbers)]
    return [*compares, _step(0x05, 1), _refuse(error)]


def _conditional(number: int, rule: dict[str, Any]) -> list[bytes]:
    """Return steps that refuse call `number` where its first argument (lower half) meets the rule's condition."""
    values = [argument["value"] for argument in rule["args"]]
    compare = rule["args"][0]["op"]
    body = [_step(_LOAD, _OFFSET_ARGUMENT)]
    if compare == "SCMP_CMP_NE":  # None of the values: each hit jumps over the refusal.
        body += [_step(_JUMP_EQUAL, value, len(values) - place, 0) for place, value in enumerate(values)]
    else:
        jump = _JUMP_EQUAL if compare == "SCMP_CMP_EQ" else _JUMP_ANY_BIT
        body += [_step(jump, values[0], 0, 1)]
    body += [_refuse(rule["errnoRet"]), _step(_LOAD, _OFFSET_NUMBER)]
    return [_step(_JUMP_EQUAL, number, 0, len(body)), *body]


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)


def _refuse(error: int) -> bytes:
    return _step(_RETURN, _ERRNO | error)
