"""What a node's pods really have on the machine: asked of the runtime and of the kernel, never of the agent."""

import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodeagent.cri.client import Cri
from nodeagent.cri.values import PodRecord
from nodeagent.network.network import link_prefix
from tests.e2e.conftest import Cluster

CGROUPS = Path("/sys/fs/cgroup")
_UID = re.compile(r"(?:/pods/|/pod|_)([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32})\b")
"""A pod's uid where paths have it: that of the API, or the shorter one of a static pod."""
_ID = re.compile(r"\b[0-9a-f]{64}\b")


@dataclass(frozen=True)
class Traces:
    """What there is of pods.

    records: what the runtime tells, by uid. processes: how many first processes of containers live, by uid. uids, ids:
    the pods, and the sandboxes and containers, that cgroups, mounts and files are named after. links: of pods.
    """

    records: dict[str, PodRecord]
    processes: Counter[str]
    uids: frozenset[str]
    ids: frozenset[str]
    links: int


class Eye:
    """Looks at what a cluster's only node has. endpoint: its runtime's socket."""

    def __init__(self, cluster: Cluster, endpoint: str) -> None:
        self._cluster = cluster
        self._endpoint = endpoint
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """Look no more."""
        self._runner.close()

    def look(self) -> Traces:
        """Return what is there now. Raises CriError where the runtime gives no answer."""
        paths = [*_cgroups(self._cluster), *_mounts(self._cluster), *_files(self._cluster)]
        prefix = link_prefix(self._cluster.name)
        return Traces(
            records=self._runner.run(self._ask()),
            processes=Counter(_first_processes(self._cluster)),
            uids=frozenset(uid for path in paths for uid in _UID.findall(path)),
            ids=frozenset(found for path in paths for found in _ID.findall(path)),
            links=sum(_is_of_pod(path.name, prefix) for path in Path("/sys/class/net").iterdir()),
        )

    async def _ask(self) -> dict[str, PodRecord]:
        cri = Cri(self._endpoint)
        try:
            return await cri.pods()
        finally:
            await cri.close()


def _first_processes(cluster: Cluster) -> Iterator[str]:
    """Yield for each container whose first process lives, by the kernel, the uid of its pod."""
    ours = f"/wherry-{cluster.name}-"
    for path in Path("/proc").glob("[0-9]*"):
        try:
            is_first = (path / "cmdline").read_bytes().startswith(b"/bin/sh\0-c\0trap 'echo")
            groups = (path / "cgroup").read_text() if is_first else ""
        except OSError:
            continue  # It has ended meanwhile.
        yield from set(_UID.findall(groups)) if ours in groups else ()


def _cgroups(cluster: Cluster) -> Iterator[str]:
    for top in (CGROUPS, *CGROUPS.iterdir()):
        for group in top.glob(f"wherry-{cluster.name}-*"):
            yield from (folder for folder, _, _ in os.walk(group))


def _mounts(cluster: Cluster) -> Iterator[str]:
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    yield from (point for point in points if f"/wherry/{cluster.name}/" in point)


def _files(cluster: Cluster) -> Iterator[str]:
    for root in ("/var/lib/wherry", "/run/wherry"):
        for pattern in ("pods/*", "logs/*", "runtime/*/*", "*", "*/*"):
            yield from (str(path) for path in Path(root, cluster.name, "nodes").glob(f"*/{pattern}"))


def _is_of_pod(link: str, prefix: str) -> bool:
    return link.startswith(prefix) and link not in (f"{prefix}0", f"{prefix}v")
