"""One tree of cgroups: a hierarchy of v1, or the unified tree of v2; what a group in it may use, and what it has used.

Keeps true: a limit is written or the call fails; what a kernel may lack without a limit being lost is left out.
Reads and writes files under one cgroup mount.
Source: kernel docs admin-guide/cgroup-v1/* and cgroup-v2; KEP-2254 for the translation of cpu shares.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from nodeagent.runtime import cgroup_delegation, device_filter
from nodeagent.runtime.device_filter import DeviceRule

CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "cpuset", "hugetlb", "devices", "io")
PIDS_MAX = "pids.max"
_V1_NO_LIMIT_BYTES = 1 << 62
_OPTIONAL = {"memory.swap.max", "memory.oom.group", "memory.swappiness"}
"""What a kernel may lack without a limit being lost: without swap accounting, or without reservations (`.rsvd.`)."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a group may use; 0 or an empty value leaves a setting as it is, -1 takes a limit away.

    devices: the only ones that may be used, where any are named. unified: files of cgroup v2, by their names.
    is_swap_off: nothing of the group goes to swap; with a memory limit that is so anyway.
    is_everywhere: the group is in every hierarchy, also where it has no limit; else in a hierarchy like freezer its
    processes stay in the runtime's own group.
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
    is_swap_off: bool = False
    is_everywhere: bool = False


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


def controller_of(name: str) -> str:
    """Return which controller a file of cgroup v2 belongs to."""
    return name.partition(".")[0]


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
            _set(folder / name, value)
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
            settings += _hugepages(limits, "limit_in_bytes")
        if "memory" in self.controllers and limits.is_swap_off:
            settings.append(("memory.swappiness", "0"))
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
        wanted = self.controllers & set(CONTROLLERS) - {"devices"}
        folder = self.root
        for name in path.strip("/").split("/"):
            wanted &= cgroup_delegation.offered(folder, wanted)
            if wanted:
                cgroup_delegation.hand_down(folder, wanted)
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
            settings |= {"memory.oom.group": "1"} if limits.memory_bytes > 0 else {}
        if "memory" in self.controllers and (limits.is_swap_off or limits.memory_bytes > 0):
            settings["memory.swap.max"] = "0"
        if "pids" in self.controllers and _pids(limits):
            settings["pids.max"] = _pids(limits)
        if "cpuset" in self.controllers:
            settings |= {"cpuset.cpus": limits.cpuset_cpus} if limits.cpuset_cpus else {}
            settings |= {"cpuset.mems": limits.cpuset_mems} if limits.cpuset_mems else {}
        if "hugetlb" in self.controllers:
            settings |= dict(_hugepages(limits, "max"))
        settings |= {name: value for name, value in limits.unified.items() if controller_of(name) in self.controllers}
        for name, value in settings.items():
            _set(folder / name, value)
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


def _set_v1_memory(folder: Path, limit_bytes: int) -> None:
    """Set memory and memory+swap to one limit, so that swap is off; the larger must never be the smaller."""
    memory, both = folder / "memory.limit_in_bytes", folder / "memory.memsw.limit_in_bytes"
    is_raised = limit_bytes < 0 or limit_bytes > _read_number(memory)
    files = [both, memory] if is_raised else [memory, both]
    for file in files if both.exists() else [memory]:
        _write(file, str(limit_bytes))


def _hugepages(limits: Limits, name: str) -> list[tuple[str, str]]:
    """Return the settings that limit huge pages in use, and those that are reserved, which mmap takes already."""
    kinds = ("", ".rsvd")
    return [(f"hugetlb.{size}{kind}.{name}", str(count)) for size, count in limits.hugepages.items() for kind in kinds]


def _pids(limits: Limits) -> str:
    asked = limits.unified.get(PIDS_MAX, "")
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
        return table_of(file.read_text())
    except OSError:
        return {}


def table_of(text: str) -> dict[str, int]:
    """Return the figures of a text with a name and a number on each line."""
    lines = (line.partition(" ") for line in text.splitlines())
    return {name: int(value) for name, _, value in lines if value.isdigit()}


def _set(file: Path, value: str) -> None:
    """Write a setting, but one that this kernel may lack."""
    if file.exists() or not (file.name in _OPTIONAL or ".rsvd." in file.name):
        _write(file, value)


def _write(file: Path, value: str) -> None:
    try:
        file.write_text(value)
    except OSError as error:
        found = f"cgroup: {file.name}={value!r} was refused: {error.strerror}; use a value that this kernel takes"
        if not file.exists():
            found = f"cgroup: {file.name}={value!r} can't be set: its group was handed no such controller; leave it out"
        raise OSError(error.errno, found, str(file)) from None
