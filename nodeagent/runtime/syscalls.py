"""The Linux calls that Python's standard library lacks: mounts, namespaces, capabilities, seccomp.

Keeps true: a call either did what it says or raises OSError with the call's name and its subject.
Standard library only: the zygote, the shims and a container's first process use it. Needs Linux 5.12 (mount_setattr).
Source: man7.org mount(2), open_tree(2), move_mount(2), mount_setattr(2), openat2(2), unshare(2), setns(2), prctl(2),
capset(2), keyctl(2).
"""

import ctypes
import errno
import os
import struct
from typing import Any, NoReturn

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24
MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
MOUNT_ATTR_NOEXEC = 8
_MOUNT_ATTR_IDMAP = 0x100000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

# These numbers are the same on every architecture (calls newer than Linux 5.1).
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_CLOSE_RANGE = 436
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442

_AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_RESOLVE_NO_MAGICLINKS = 0x02
_SYS_KEYCTL = {"x86_64": 250, "ppc64le": 271, "s390x": 280}
_SYS_KEYCTL_ELSEWHERE = 219
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CLOSE_RANGE_CLOEXEC = 4

_NO_KEYRINGS = {errno.ENOSYS, errno.EPERM}

_libc: Any = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = [ctypes.c_int, *([ctypes.c_ulong] * 4)]  # The kernel checks the unused ones too.


def _fail(call: str, subject: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{call}: {os.strerror(number)}", subject or None)


def _check(result: int, call: str, subject: str = "") -> int:
    if result < 0:
        _fail(call, subject)
    return result


def labelled(options: str, label: str) -> str:
    """Return mount options that also give every file the SELinux label `label`, which may have commas in it."""
    return ",".join(part for part in (options, f'context="{label}"' if label else "") if part)


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount a new file system of `kind`, or change a mount, as mount(2) has it."""
    data = options.encode() if options else None
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), flags, data), "mount", target)


def unmount(target: str) -> None:
    """Take a mount and what is mounted below it out of the tree at once; who still uses it keeps it."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), "umount", target)


def unshare(flags: int) -> None:
    """Move the caller into new namespaces; a new pid namespace holds its next children."""
    _check(_libc.unshare(flags), "unshare", hex(flags))


def join_namespaces(descriptor: int, flags: int) -> None:
    """Enter the namespaces that `flags` names: those of a pidfd, or the one that a namespace file stands for."""
    _check(_libc.setns(descriptor, flags), "setns", hex(flags))


def pivot_root_here(new_root: str) -> None:
    """Make `new_root` (a mount point) the root of this mount namespace and drop the old one."""
    os.chdir(new_root)
    _check(_libc.pivot_root(b".", b"."), "pivot_root", new_root)
    unmount(".")
    os.chdir("/")


def clone_tree(path: str, *, recursive: bool) -> int:
    """Return a descriptor of a detached copy of the mount at `path` (a bind mount that is nowhere yet)."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    return _check(_libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), "open_tree", path)


def clone_attached(tree: int) -> int:
    """Return a detached copy of the mount `tree`, which has been attached."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_EMPTY_PATH
    return _check(_libc.syscall(_SYS_OPEN_TREE, tree, b"", flags), "open_tree")


def attach_tree(tree: int, target: int) -> None:
    """Put the detached mount `tree` onto the file or folder that is open as `target`."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _check(_libc.syscall(_SYS_MOVE_MOUNT, tree, b"", target, b"", flags), "move_mount")


def open_plain(path: str, flags: int) -> int:
    """Open a path whose links are followed as text, never those of the kernel in /proc, which lead out of any root."""
    how = struct.pack("=QQQ", flags | os.O_CLOEXEC, 0, _RESOLVE_NO_MAGICLINKS)
    return _check(_libc.syscall(_SYS_OPENAT2, _AT_FDCWD, os.fsencode(path), how, len(how)), "open", path)


def set_mount_attributes(tree: int, attributes: int, *, propagation: int = 0, recursive: bool = False) -> None:
    """Set MOUNT_ATTR_* on the mount `tree`, and its propagation (MS_PRIVATE, MS_SLAVE or MS_SHARED) if one is given."""
    request = struct.pack("=QQQQ", attributes, 0, propagation, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    result = _libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", flags, request, len(request))
    _check(result, "mount_setattr", str(tree))


def map_ids(tree: int, user_namespace: int, subject: str, *, recursive: bool = False) -> None:
    """Have the detached mount `tree` show its files' owners as a user namespace (an open file of it) maps them.

    subject: what an error calls it.
    """
    request = struct.pack("=QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, user_namespace)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    result = _libc.syscall(_SYS_MOUNT_SETATTR, tree, b"", flags, request, len(request))
    found = "this file system can't map ids (ext4 can from Linux 5.12 on, overlay 5.19, tmpfs 6.3); use hostUsers: true"
    _check(result, f"mount_setattr(MOUNT_ATTR_IDMAP): {found}", subject)


def close_on_exec_from(first: int) -> None:
    """Mark every descriptor from `first` up to be closed at exec."""
    _check(_libc.syscall(_SYS_CLOSE_RANGE, first, 0xFFFFFFFF, _CLOSE_RANGE_CLOEXEC), "close_range")


def close_all_but(kept: int) -> None:
    """Close every descriptor but the standard three and `kept`, which is closed at exec."""
    for first, last in ((3, kept - 1), (kept + 1, 0xFFFFFFFF)):
        if first <= last:
            _check(_libc.syscall(_SYS_CLOSE_RANGE, first, last, 0), "close_range")
    close_on_exec_from(kept)


def join_new_keyring() -> None:
    """Give the caller a session keyring of its own; a kernel or filter without keyrings keeps them from all it runs."""
    number = _SYS_KEYCTL.get(os.uname().machine, _SYS_KEYCTL_ELSEWHERE)
    if _libc.syscall(number, _KEYCTL_JOIN_SESSION_KEYRING, None) < 0 and ctypes.get_errno() not in _NO_KEYRINGS:
        _fail("keyctl", "session keyring")


def control_process(option: int, value: int = 0, third: int = 0) -> None:
    """Call prctl(2)."""
    if _libc.prctl(option, value, third, 0, 0) < 0:
        _fail(f"prctl({option}, {value})", "")


def set_process_name(name: str) -> None:
    """Set what ps shows as the caller's name, cut at 15 bytes."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    control_process(PR_SET_NAME, ctypes.addressof(buffer))


def set_capabilities(effective: int, permitted: int, inheritable: int) -> None:
    """Set the caller's capabilities; each argument is a mask of capability bits."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    low = struct.pack("=III", effective & 0xFFFFFFFF, permitted & 0xFFFFFFFF, inheritable & 0xFFFFFFFF)
    high = struct.pack("=III", effective >> 32, permitted >> 32, inheritable >> 32)
    _check(_libc.capset(header, low + high), "capset")


def install_seccomp_filter(program: bytes) -> None:
    """Put the BPF `program` (8 bytes per instruction) over every system call of the caller and its children."""
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    control_process(PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(head))
