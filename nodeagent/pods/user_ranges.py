"""Give each pod that has users of its own (hostUsers: false) a range of the node's ids.

Keeps true: no two pods of a node have an id in common while anything of either is there; a pod keeps its range over
restarts of the node agent and reboots. Reads /etc/subuid and /etc/subgid at the start; writes `STATE/pods/UID/users`,
which goes with the pod's other files.
Source: kubernetes.io/docs/concepts/workloads/pods/user-namespaces; KEP-127; subuid(5).
"""

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kube.files import write_private

LENGTH: Final = 1 << 16
_FILE: Final = "users"
_WHO: Final = "kubelet"
_HIGHEST: Final = 1 << 31
"""Ids from here on are negative to some programs, so that nobody is given them unasked."""


class UserRangeError(Exception):
    """A pod can't have users of its own; the message says why, and the way out."""


@dataclass(frozen=True, slots=True)
class IdRange:
    """Ids of the node, for users and groups alike."""

    first: int
    length: int = LENGTH


USUAL: Final = IdRange(LENGTH, _HIGHEST - LENGTH)
"""What pods are given from where the node names nothing."""


def node_ids(subuid: str, subgid: str) -> IdRange:
    """Return what /etc/subuid and /etc/subgid set aside for pods, under the name `kubelet`. Raises ValueError."""
    uids, gids = _entries(subuid), _entries(subgid)
    if not uids and not gids:
        return USUAL
    if uids != gids or len(uids) != 1:
        raise ValueError(f"/etc/subuid, /etc/subgid: {_WHO} has {uids} and {gids}; give it one range, the same in both")
    first, length = (int(text) for text in uids[0].split(":"))
    if first < LENGTH or first % LENGTH or length % LENGTH or not length:
        raise ValueError(f"/etc/subuid: {_WHO}: {first}:{length}: both must be multiples of {LENGTH}, and not 0")
    return IdRange(first, length)


def _entries(text: str) -> list[str]:
    lines = (line.split(":", 1) for line in text.split())
    return [rest[0] for name, *rest in lines if name == _WHO and rest]


def free_range(ids: IdRange, taken: Collection[int], start: int) -> IdRange | None:
    """Return a range that overlaps none of those that begin at `taken`; None where there is no more.

    start: where the search begins, so that nodes that share a machine seldom give out the same ids.
    """
    count = ids.length // LENGTH
    for place in range(count):
        first = ids.first + (start + place) % count * LENGTH
        if all(abs(first - other) >= LENGTH for other in taken):
            return IdRange(first)
    return None


class UserRanges:
    """The ranges of one node's pods.

    folder: where each pod has a folder by its uid. ids: what there is to give. started, failed: how many sandboxes with
    users of their own were begun, and how often one of them or a container in it couldn't be started.
    """

    def __init__(self, folder: Path, ids: IdRange = USUAL) -> None:
        self.started = 0
        self.failed = 0
        self._folder = folder
        self._ids = ids

    def of(self, uid: str) -> IdRange:
        """Return the range of a pod; one that has none is given one. Raises UserRangeError."""
        own = self._folder / uid / _FILE
        if own.exists():
            return IdRange(int(own.read_text()))
        taken = [int(file.read_text()) for file in self._folder.glob(f"*/{_FILE}")]
        free = free_range(self._ids, taken, zlib.crc32(bytes(self._folder)))
        if free is None:
            raise UserRangeError(
                f"spec.hostUsers: all {len(taken)} ranges of ids are taken; widen {_WHO}'s in /etc/subuid"
            )
        write_private(own, f"{free.first}\n")
        return free
