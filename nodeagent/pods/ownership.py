"""Whose a volume's files are: the group and the user that a pod's security context names.

Source: kubernetes.io/docs/tasks/configure-pod-container/security-context (fsGroup, fsGroupChangePolicy).
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kube.api.core_v1 import Container, EphemeralContainer, Pod

GROUP_READS: Final = 0o440
_GROUP_WRITES: Final = 0o660
_FOLDER: Final = stat.S_ISGID | 0o110


def group_of(pod: Pod) -> int | None:
    """Return the group that a pod's volumes belong to, None where it asks for none."""
    return pod.spec.security_context.fs_group if pod.spec.security_context is not None else None


def user_of(pod: Pod) -> int | None:
    """Return the user as whom all containers of a pod run, None where they differ or don't say."""
    usual = pod.spec.security_context.run_as_user if pod.spec.security_context is not None else None
    found = {_user(container, usual) for container in _containers(pod)}
    return found.pop() if len(found) == 1 else None


def _containers(pod: Pod) -> Iterator[Container | EphemeralContainer]:
    yield from pod.spec.init_containers
    yield from pod.spec.containers
    yield from pod.spec.ephemeral_containers


def _user(container: Container | EphemeralContainer, usual: int | None) -> int | None:
    own = container.security_context.run_as_user if container.security_context is not None else None
    return usual if own is None else own


def give_to_group(folder: Path, group: int, policy: str) -> None:
    """Give all that a volume holds to a group, which may read and write it; new files will be the group's too.

    policy: with OnRootMismatch nothing is looked at where the volume's root is right. Links are not followed.
    """
    if policy == "OnRootMismatch" and _is_given(folder.stat(), group):
        return
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            _give(Path(parent, name), group)
    _give(folder, group)


def _is_given(found: os.stat_result, group: int) -> bool:
    wanted = _GROUP_WRITES | _FOLDER
    return found.st_gid == group and found.st_mode & wanted == wanted


def _give(path: Path, group: int) -> None:
    os.chown(path, -1, group, follow_symlinks=False)
    found = path.lstat()
    if not stat.S_ISLNK(found.st_mode):
        added = _GROUP_WRITES | (_FOLDER if stat.S_ISDIR(found.st_mode) else 0)
        path.chmod(stat.S_IMODE(found.st_mode) | added)
