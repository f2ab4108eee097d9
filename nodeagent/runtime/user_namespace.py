"""A pod's user namespace: made with one range of ids, and the owner of the pod's other namespaces.

Keeps true: who is root in the pod is nobody on the node. The namespaces are born in a process that lives only until
its parent has pinned them. Standard library only. Source: user_namespaces(7); KEP-127.
"""

import contextlib
import os
import re
from collections.abc import Sequence

from nodeagent.runtime import small_files, syscalls

_OLDEST = (5, 19)
"""The first Linux that maps the ids of the layers of an overlay."""


def can_be_made(release: str, limit_file: str = "/proc/sys/user/max_user_namespaces") -> bool:
    """Say whether a kernel of that release, with that limit, gives pods user namespaces."""
    version = re.match(r"(\d+)\.(\d+)", release)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST or not os.path.exists(limit_file):
        return False
    with open(limit_file) as limit:
        return int(limit.read()) > 0


def make_owned(mapping: dict[str, int], flags: int, pins: Sequence[tuple[str, str]]) -> None:
    """Make a user namespace with `mapping` and, in it, the namespaces that `flags` names; pin each at its file.

    mapping: the node's first `uid` and `gid`, and how many of each (`length`). pins: name under /proc/<pid>/ns, file.
    """
    ask, told = os.pipe(), os.pipe()  # The child's words, and ours; neither outlives this call.
    pid = os.fork()
    ours, theirs = (ask[0], told[1]), (told[0], ask[1])
    for descriptor in ours if pid == 0 else theirs:
        os.close(descriptor)
    if pid == 0:
        _be_born(flags, *theirs)
    try:
        _hear(ask[0])
        length = mapping["length"]
        small_files.write(f"/proc/{pid}/uid_map", f"0 {mapping['uid']} {length}".encode())
        small_files.write(f"/proc/{pid}/gid_map", f"0 {mapping['gid']} {length}".encode())
        os.write(told[1], b"m")
        _hear(ask[0])
        for name, file in pins:
            syscalls.mount(f"/proc/{pid}/ns/{name}", file, "", syscalls.MS_BIND)
    finally:
        for descriptor in ours:
            os.close(descriptor)
        with contextlib.suppress(ChildProcessError):  # Where the kernel reaps by itself.
            os.waitpid(pid, 0)


def _be_born(flags: int, hear: int, say: int) -> None:
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
        os.write(say, b"u")
        os.read(hear, 1)
        syscalls.unshare(flags)
        os.write(say, b"n")
        while os.read(hear, 1):
            pass
    finally:
        os._exit(0)


def _hear(descriptor: int) -> None:
    if not os.read(descriptor, 1):
        raise OSError("user namespace: this kernel makes none for root; see user.max_user_namespaces")
