"""Cgroups of v1, v2 and hybrid hosts behind one interface: make, limit, measure, remove.

Keeps true: each controller is driven where the host has it (a v1 hierarchy, else the v2 tree, else nowhere, and
`missing` names it); a group is one relative path in every hierarchy. `cgroup_trees` does what differs between them.
Source: kernel docs admin-guide/cgroup-v1/* and cgroup-v2.
"""

import contextlib
import errno
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from nodeagent.runtime.cgroup_trees import (
    CONTROLLERS,
    PIDS_MAX,
    HierarchyV1,
    HierarchyV2,
    Limits,
    Usage,
    controller_of,
    table_of,
)

_ON_DEMAND = {"cpuset", "hugetlb", "devices", "io"}


class Hierarchy(Protocol):
    """One tree of cgroups and the controllers it drives."""

    root: Path
    controllers: frozenset[str]

    def create(self, path: str) -> None: ...

    def apply(self, path: str, limits: Limits) -> None: ...

    def entry_file(self, path: str) -> Path: ...

    def measure(self, path: str) -> dict[str, int]: ...


class Cgroups:
    """Every hierarchy of the host that is in use."""

    def __init__(self, hierarchies: Iterable[Hierarchy], missing: Iterable[str], unused: Iterable[Path] = ()) -> None:
        """unused: where hierarchies are that aren't driven here, but by other runtimes, which leave groups there."""
        self.hierarchies = list(hierarchies)
        self._unused = tuple(unused)
        self.missing = sorted(missing)

    def create(self, path: str, limits: Limits) -> None:
        """Make the group `path` and its parents, and set its limits; raises OSError where one can't be had."""
        self._check_unified(limits)
        for hierarchy in self._for(limits):
            hierarchy.create(path)
            hierarchy.apply(path, limits)
        for root in self._unused if limits.is_everywhere else ():
            (root / path.strip("/")).mkdir(parents=True, exist_ok=True)

    def apply(self, path: str, limits: Limits) -> None:
        """Change the limits of a group; raises OSError where the kernel refuses one."""
        self._check_unified(limits)
        for hierarchy in self._for(limits):
            if not (hierarchy.root / path.strip("/")).is_dir():
                hierarchy.create(path)
            hierarchy.apply(path, limits)

    def exists(self, path: str) -> bool:
        """Whether any hierarchy has the group."""
        return any((hierarchy.root / path.strip("/")).is_dir() for hierarchy in self.hierarchies)

    def entry_files(self, path: str) -> list[str]:
        """Return the files that a process writes "0" to, to enter the group."""
        files = [hierarchy.entry_file(path) for hierarchy in self.hierarchies]
        files += [root / path.strip("/") / "cgroup.procs" for root in self._unused]
        return [str(file) for file in files if file.exists()]

    def oom_file(self, path: str) -> str:
        """Return the file whose line `oom_kill N` counts the group's kills, or nothing without a memory controller."""
        for hierarchy in self.hierarchies:
            if "memory" in hierarchy.controllers:
                name = "memory.oom_control" if isinstance(hierarchy, HierarchyV1) else "memory.events"
                return str(hierarchy.root / path.strip("/") / name)
        return ""

    def mounted_in_containers(self) -> list[str]:
        """Return the v1 hierarchies that a container should see, as their mount option; nothing means the v2 tree."""
        own = (item for item in self.hierarchies if not item.controllers <= _ON_DEMAND)
        return [hierarchy.option for hierarchy in own if isinstance(hierarchy, HierarchyV1)]

    def measure(self, path: str) -> Usage:
        """Return what the group has used."""
        figures: dict[str, int] = {}
        for hierarchy in self.hierarchies:
            figures |= hierarchy.measure(path)
        return Usage(**figures)

    def text(self, path: str, name: str) -> str:
        """Return what the group's file `name` says, or nothing where no hierarchy has it."""
        for hierarchy in self.hierarchies:
            with contextlib.suppress(OSError):
                return (hierarchy.root / path.strip("/") / name).read_text()
        return ""

    def table(self, path: str, name: str) -> dict[str, int]:
        """Return the figures of a file with a name and a number on each line."""
        return table_of(self.text(path, name))

    def number(self, path: str, name: str) -> int | None:
        """Return the number in a file, or None where there is none."""
        text = self.text(path, name).strip()
        return int(text) if text.isdigit() else None

    def processes(self, path: str) -> set[int]:
        """Return the pids in the group and the groups below it."""
        found: set[int] = set()
        for hierarchy in self.hierarchies:
            for listing in (hierarchy.root / path.strip("/")).rglob("cgroup.procs"):
                with contextlib.suppress(OSError):
                    found.update(int(line) for line in listing.read_text().split())
        return found

    def remove(self, path: str) -> bool:
        """Remove the group and those below it; return False while a dying process still holds one."""
        is_gone = True
        for root in (*(hierarchy.root for hierarchy in self.hierarchies), *self._unused):
            top = root / path.strip("/")
            if not _remove_folder(top):
                below = sorted((item for item in top.rglob("*") if item.is_dir()), reverse=True)
                gone = [_remove_folder(folder) for folder in [*below, top]]
                is_gone &= all(gone)
        return is_gone

    def _for(self, limits: Limits) -> list[Hierarchy]:
        """Return the hierarchies to use: those of on-demand controllers only when `limits` ask for them."""
        if limits.is_everywhere:
            return self.hierarchies
        asked = {"cpuset"} if limits.cpuset_cpus or limits.cpuset_mems else set()
        asked |= {"hugetlb"} if limits.hugepages else set()
        asked |= {"devices"} if limits.devices else set()
        asked |= {controller_of(name) for name in limits.unified}
        return [item for item in self.hierarchies if not item.controllers <= _ON_DEMAND - asked]

    def _check_unified(self, limits: Limits) -> None:
        """Refuse the files of cgroup v2 that belong to a controller which this host has in v1, or not at all."""
        unified = {name for item in self.hierarchies if isinstance(item, HierarchyV2) for name in item.controllers}
        lost = sorted(name for name in limits.unified if name != PIDS_MAX and controller_of(name) not in unified)
        if lost:
            found = f"cgroup: {', '.join(lost)} can't be set where cgroup v2 doesn't drive that controller"
            raise OSError(errno.ENOTSUP, f"{found}; leave it out")


def _remove_folder(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def detect(mounts: str) -> Cgroups:
    """Return the cgroups that `mounts` (the text of /proc/self/mountinfo) has."""
    hierarchies: list[Hierarchy] = []
    driven: set[str] = set()
    unified: Path | None = None
    found: set[Path] = set()
    for line in mounts.splitlines():
        mount, _, rest = line.partition(" - ")
        place, (kind, _, options) = Path(mount.split()[4]), rest.split()
        here = frozenset(options.split(",")) & frozenset(CONTROLLERS)
        if kind.startswith("cgroup"):
            found.add(place)
        if kind == "cgroup" and here - driven:
            option = ",".join(name for name in options.split(",") if name in {*CONTROLLERS, "net_cls", "net_prio"})
            hierarchies.append(HierarchyV1(place, option, here))
            driven |= here
        elif kind == "cgroup2":
            unified = place
    if unified is not None:
        offered = frozenset((unified / "cgroup.controllers").read_text().split()) & frozenset(CONTROLLERS)
        offered |= {"devices"}  # By a BPF program, which needs no controller.
        if offered - driven:
            hierarchies.append(HierarchyV2(unified, offered - driven))
            driven |= offered | ({"cpuacct"} if "cpu" in offered else set())
    roots = {hierarchy.root for hierarchy in hierarchies}
    return Cgroups(hierarchies, set(CONTROLLERS) - _ON_DEMAND - driven, sorted(found - roots))


def detect_here() -> Cgroups:
    """Return the cgroups of this machine."""
    return detect(Path("/proc/self/mountinfo").read_text())
