"""Seccomp: the default profile of a container, and the check of those that others wrote.

Keeps true: a call the kernel has gained after the table of calls was written is refused with ENOSYS, so the default is
an allow-list in effect; a call that only a capability makes useful is refused unless the container has that capability.
A profile has the shape of `linux.seccomp` in the OCI runtime specification, so that other runtimes take it too.
Standard library only. Source: moby's default profile (what is refused and why).
"""

import errno
import json
import struct
from typing import Any

from nodeagent.runtime import seccomp_program

_FIELDS = {"defaultAction", "defaultErrnoRet", "architectures", "flags", "syscalls"}
_FLAGS = {"SECCOMP_FILTER_FLAG_TSYNC"}  # There is one thread: nothing is left to do.

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


def default_profile(capabilities: frozenset[str]) -> dict[str, Any]:
    """Return the profile RuntimeDefault of a container that has `capabilities`, as OCI JSON."""
    refused = [
        name for gate, names in _GATES.items() if not capabilities.intersection(gate) for name in sorted(names.split())
    ]
    rules: list[dict[str, Any]] = [_rule(refused, errno.EPERM)]
    if "CAP_SYS_ADMIN" not in capabilities:
        # clone3 hides its flags behind a pointer: a C library that hears ENOSYS falls back to clone.
        rules.append(_rule(["clone3"], errno.ENOSYS))
        rules += [_rule(["clone"], errno.EPERM, "SCMP_CMP_MASKED_EQ", flag, flag) for flag in _NAMESPACE_FLAGS]
    rules += [_rule(["socket"], errno.EPERM, "SCMP_CMP_MASKED_EQ", 0xFFFFFFFF, family) for family in _REFUSED_SOCKETS]
    harmless = [{"index": 0, "value": value, "op": "SCMP_CMP_EQ"} for value in _PERSONALITIES]
    rules.append({"names": ["personality"], "action": "SCMP_ACT_ALLOW", "args": harmless})
    rules.append(_rule(["personality"], errno.EPERM))
    return {"defaultAction": "SCMP_ACT_ALLOW", "unknownErrnoRet": errno.ENOSYS, "syscalls": rules}


def _rule(names: list[str], error: int, compare: str = "", value: int = 0, second: int = 0) -> dict[str, Any]:
    """Return one refusal; with `compare`, only of a first argument that it holds of."""
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": error}
    if compare:
        rule["args"] = [{"index": 0, "value": value, "valueTwo": second, "op": compare}]
    return rule


def checked(text: str) -> dict[str, Any]:
    """Return a profile that was written by somebody (OCI JSON); raises ValueError where it can't be applied."""
    try:
        profile = json.loads(text)
    except ValueError as error:
        raise ValueError(f"seccomp: it is not JSON ({error})") from None
    if not isinstance(profile, dict):
        raise ValueError("seccomp: it is not an object; see linux.seccomp of the OCI specification")  # noqa: TRY004
    unknown = sorted(set(profile) - _FIELDS)
    flags = sorted(set(profile.get("flags") or ()) - _FLAGS)
    if unknown or flags:
        raise ValueError(f"seccomp: {', '.join(unknown + flags)} can't be applied; leave it out")
    try:
        seccomp_program.program(profile)
    except (KeyError, TypeError, AttributeError, struct.error) as error:
        found = f"{type(error).__name__} {error}"
        raise ValueError(
            f"seccomp: a rule is malformed ({found}); see linux.seccomp of the OCI specification"
        ) from None
    return profile
