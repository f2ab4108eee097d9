"""Cgroups of v1, v2 and hybrid hosts behind one interface: make, limit, measure, remove.

Keeps true: each controller is driven where the host has it (a v1 hierarchy, else the v2 tree, else nowhere, and
`missing` names it); a group is one relative path in every hierarchy. Reads and writes files under the cgroup mounts.
Source: kernel docs admin-guide/cgroup-v1/* and cgroup-v2; KEP-2254 for the translation of cpu shares.
"""

import contextlib
import errno
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from nodeagent.runtime import device_filter
from nodeagent.runtime.device_filter import DeviceRule

CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "cpuset", "hugetlb", "devices", "io")
_ON_DEMAND = {"cpuset", "hugetlb", "devices", "io"}
_V1_NO_LIMIT_BYTES = 1 << 62


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a group may use; 0 or an empty value leaves a setting as it is, -1 takes a limit away.

    devices: the only ones that may be used, where any are named.
    """

    cpu_shares: int = 0
    cpu_quota_us: int = 0
    cpu_period_us: int = 0
    memory_bytes: int = 0
    pids: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    unified: Mapping[str, str] = {}
    hugepages: Mapping[str, int] = {}
    devices: tuple[DeviceRule, ...] = ()


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a group has used; a figure that no controller of the host gives is 0."""

    cpu_ns: int = 0
    memory_bytes: int = 0
    working_set_bytes: int = 0
    rss_bytes: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    limit_bytes: int = 0
    processes: int = 0


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
        """Make the group `path` and its parents, and set its limits."""
        for hierarchy in self._for(limits):
            hierarchy.create(path)
            hierarchy.apply(path, limits)

    def apply(self, path: str, limits: Limits) -> None:
        """Change the limits of a group; raises OSError where the kernel refuses one."""
        for hierarchy in self._for(limits):
            if not (hierarchy.root / path.strip("/")).is_dir():
                hierarchy.create(path)
            hierarchy.apply(path, limits)

    def exists(self, path: str) -> bool:
        """Whether any hierarchy has the group."""
        return any((hierarchy.root / path.strip("/")).is_dir() for hierarchy in self.hierarchies)

    def entry_files(self, path: str) -> list[str]:
        """Return the files that a process writes "0" to, to enter the group."""
        files = (hierarchy.entry_file(path) for hierarchy in self.hierarchies)
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
        return _table(self.text(path, name))

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
        asked = {"cpuset"} if limits.cpuset_cpus or limits.cpuset_mems else set()
        asked |= {"hugetlb"} if any(limits.hugepages.values()) else set()
        asked |= {"devices"} if limits.devices else set()
        return [item for item in self.hierarchies if not item.controllers <= _ON_DEMAND - asked]


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


class HierarchyV1:
    """One v1 hierarchy, such as memory, or cpu,cpuacct."""

    def __init__(self, root: Path, option: str, controllers: frozenset[str]) -> None:
        self.root = root
        self.option = option
        self.controllers = controllers

    def create(self, path: str) -> None:
        """Make the group; a new cpuset group must be given its parent's cpus before anything can enter."""
        self._make(self.root / path.strip("/"))

    def _make(self, folder: Path) -> None:
        """Make the group at `folder`, and its parents where they are not there, which is rare."""
        try:
            folder.mkdir()
        except FileExistsError:
            return
        except FileNotFoundError:
            if folder.parent == self.root:
                raise
            self._make(folder.parent)
            folder.mkdir(exist_ok=True)
        if "cpuset" in self.controllers:
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (folder / setting).write_text((folder.parent / setting).read_text())

    def entry_file(self, path: str) -> Path:
        """Return `tasks`: a single thread that enters by it takes no global lock, which saves 10 ms."""
        return self.root / path.strip("/") / "tasks"

    def apply(self, path: str, limits: Limits) -> None:
        """Write the limits of the controllers that live here."""
        folder = self.root / path.strip("/")
        for name, value in self._settings(limits):
            _write(folder / name, value)
        if "memory" in self.controllers and limits.memory_bytes:
            _set_v1_memory(folder, limits.memory_bytes)

    def _settings(self, limits: Limits) -> list[tuple[str, str]]:
        settings: list[tuple[str, str]] = []
        if "cpu" in self.controllers:
            settings += [("cpu.shares", str(limits.cpu_shares))] if limits.cpu_shares else []
            settings += [("cpu.cfs_period_us", str(limits.cpu_period_us))] if limits.cpu_period_us else []
            settings += [("cpu.cfs_quota_us", str(limits.cpu_quota_us))] if limits.cpu_quota_us else []
        if "pids" in self.controllers and _pids(limits):
            settings.append(("pids.max", _pids(limits)))
        if "cpuset" in self.controllers:
            settings += [("cpuset.cpus", limits.cpuset_cpus)] if limits.cpuset_cpus else []
            settings += [("cpuset.mems", limits.cpuset_mems)] if limits.cpuset_mems else []
        if "hugetlb" in self.controllers:
            settings += [(f"hugetlb.{size}.limit_in_bytes", str(count)) for size, count in limits.hugepages.items()]
        if "devices" in self.controllers and limits.devices:
            settings += [("devices.deny", "a"), *(("devices.allow", str(rule)) for rule in limits.devices)]
        return settings

    def measure(self, path: str) -> dict[str, int]:
        """Return the figures of the controllers that live here."""
        folder = self.root / path.strip("/")
        figures: dict[str, int] = {}
        if "cpuacct" in self.controllers:
            figures["cpu_ns"] = _read_number(folder / "cpuacct.usage")
        if "pids" in self.controllers:
            figures["processes"] = _read_number(folder / "pids.current")
        if "memory" in self.controllers:
            table = _read_table(folder / "memory.stat")
            usage = _read_number(folder / "memory.usage_in_bytes")
            limit = _read_number(folder / "memory.limit_in_bytes")
            figures |= _memory_figures(usage, table, "total_", limit if limit < _V1_NO_LIMIT_BYTES else 0)
            figures["rss_bytes"] = table.get("total_rss", 0)
        return figures


class HierarchyV2:
    """The unified tree."""

    def __init__(self, root: Path, controllers: frozenset[str]) -> None:
        self.root = root
        self.controllers = controllers

    def create(self, path: str) -> None:
        """Make the group; each parent must hand its controllers down."""
        wanted = " ".join(f"+{name}" for name in sorted(self.controllers & {"memory", "cpu", "pids", "cpuset", "io"}))
        folder = self.root
        for name in path.strip("/").split("/"):
            if wanted:
                _write(folder / "cgroup.subtree_control", wanted)
            folder /= name
            folder.mkdir(exist_ok=True)

    def entry_file(self, path: str) -> Path:
        """Return `cgroup.procs`."""
        return self.root / path.strip("/") / "cgroup.procs"

    def apply(self, path: str, limits: Limits) -> None:
        """Write the limits; an out-of-memory kill takes the whole group, as kubelet asks for."""
        folder = self.root / path.strip("/")
        settings: dict[str, str] = {}
        if "cpu" in self.controllers:
            settings |= {"cpu.weight": str(cpu_weight(limits.cpu_shares))} if limits.cpu_shares else {}
            settings |= {"cpu.max": _cpu_max(limits)} if limits.cpu_quota_us else {}
        if "memory" in self.controllers and limits.memory_bytes:
            settings |= {"memory.max": _bytes_or_max(limits.memory_bytes)}
            if limits.memory_bytes > 0:
                settings |= {"memory.swap.max": "0", "memory.oom.group": "1"}
        if "pids" in self.controllers and _pids(limits):
            settings["pids.max"] = _pids(limits)
        if "cpuset" in self.controllers:
            settings |= {"cpuset.cpus": limits.cpuset_cpus} if limits.cpuset_cpus else {}
            settings |= {"cpuset.mems": limits.cpuset_mems} if limits.cpuset_mems else {}
        for name, value in (settings | dict(limits.unified)).items():
            if (folder / name).exists() or name in limits.unified:
                _write(folder / name, value)
        if "devices" in self.controllers and limits.devices:
            device_filter.attach(folder, limits.devices)

    def measure(self, path: str) -> dict[str, int]:
        """Return the figures of the controllers that live here."""
        folder = self.root / path.strip("/")
        figures: dict[str, int] = {}
        if "cpu" in self.controllers:
            figures["cpu_ns"] = _read_table(folder / "cpu.stat").get("usage_usec", 0) * 1000
        if "pids" in self.controllers:
            figures["processes"] = _read_number(folder / "pids.current")
        if "memory" in self.controllers:
            table = _read_table(folder / "memory.stat")
            usage = _read_number(folder / "memory.current")
            figures |= _memory_figures(usage, table, "", _read_number(folder / "memory.max"))
            figures["rss_bytes"] = table.get("anon", 0)
        return figures


def cpu_weight(shares: int) -> int:
    """Translate v1 cpu.shares (2..262144) into v2 cpu.weight (1..10000). Source: KEP-2254."""
    return 1 + (max(2, min(shares, 262144)) - 2) * 9999 // 262142


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


def _set_v1_memory(folder: Path, limit_bytes: int) -> None:
    """Set memory and memory+swap to one limit, so that swap is off; the larger must never be the smaller."""
    memory, both = folder / "memory.limit_in_bytes", folder / "memory.memsw.limit_in_bytes"
    is_raised = limit_bytes < 0 or limit_bytes > _read_number(memory)
    files = [both, memory] if is_raised else [memory, both]
    for file in files if both.exists() else [memory]:
        _write(file, str(limit_bytes))


def _pids(limits: Limits) -> str:
    asked = limits.unified.get("pids.max", "")
    if asked:
        return asked
    return "max" if limits.pids < 0 else str(limits.pids) if limits.pids else ""


def _cpu_max(limits: Limits) -> str:
    period = limits.cpu_period_us or 100_000
    return f"max {period}" if limits.cpu_quota_us < 0 else f"{limits.cpu_quota_us} {period}"


def _bytes_or_max(count: int) -> str:
    return "max" if count < 0 else str(count)


def _memory_figures(usage: int, table: Mapping[str, int], prefix: str, limit: int) -> dict[str, int]:
    """Return the memory figures; the working set leaves out what the kernel can drop first, as kubelet counts it."""
    return {
        "memory_bytes": usage,
        "working_set_bytes": max(0, usage - table.get(f"{prefix}inactive_file", 0)),
        "page_faults": table.get(f"{prefix}pgfault", 0),
        "major_page_faults": table.get(f"{prefix}pgmajfault", 0),
        "limit_bytes": limit,
    }


def _read_number(file: Path) -> int:
    try:
        text = file.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() else 0


def _read_table(file: Path) -> dict[str, int]:
    try:
        return _table(file.read_text())
    except OSError:
        return {}


def _table(text: str) -> dict[str, int]:
    lines = (line.partition(" ") for line in text.splitlines())
    return {name: int(value) for name, _, value in lines if value.isdigit()}


def _write(file: Path, value: str) -> None:
    try:
        file.write_text(value)
    except OSError as error:
        raise OSError(error.errno, f"cgroup: {file.name}={value!r} was refused: {error.strerror}", str(file)) from None
