"""The cgroup drivers of v1, v2 and hybrid hosts, against trees of plain files."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from nodeagent.runtime import cgroups
from nodeagent.runtime.cgroup_trees import CONTROLLERS, HierarchyV2, Limits, Usage, cpu_weight


def _hybrid(root: Path) -> str:
    """Return a mount table like a hybrid host's: v1 controllers, and a v2 tree that has none."""
    lines = []
    for number, options in enumerate(("cpu,cpuacct", "memory", "pids", "cpuset", "blkio")):
        (root / options).mkdir(parents=True)
        lines.append(f"{number} 1 0:{number} / {root}/{options} rw - cgroup cgroup rw,{options}")
    (root / "cpuset/cpuset.cpus").write_text("0-1\n")
    (root / "cpuset/cpuset.mems").write_text("0\n")
    (root / "unified").mkdir()
    (root / "unified/cgroup.controllers").write_text("\n")
    return "\n".join([*lines, f"9 1 0:9 / {root}/unified rw - cgroup2 cgroup2 rw"])


def _unified(root: Path, controllers: str = "cpuset cpu io memory hugetlb pids") -> str:
    root.mkdir()
    (root / "cgroup.controllers").write_text(f"{controllers}\n")
    return f"30 23 0:26 / {root} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"


def _kernel_files(folder: Path, **files: str) -> None:
    """Write what a kernel would show in a group."""
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def test_a_hybrid_host_is_driven_by_its_v1_controllers(tmp_path: Path) -> None:
    groups = cgroups.detect(_hybrid(tmp_path / "cg"))

    assert groups.missing == []
    assert groups.mounted_in_containers() == ["cpu,cpuacct", "memory", "pids"]
    assert groups.oom_file("/a/b") == f"{tmp_path}/cg/memory/a/b/memory.oom_control"


def test_v1_limits_go_to_their_hierarchies(tmp_path: Path) -> None:
    groups = cgroups.detect(_hybrid(tmp_path / "cg"))

    groups.create(
        "/pod/one", Limits(cpu_shares=512, cpu_quota_us=20000, cpu_period_us=100000, memory_bytes=1 << 20, pids=7)
    )

    written = {
        str(file.relative_to(tmp_path / "cg")): file.read_text() for file in (tmp_path / "cg").rglob("pod/one/*")
    }
    assert written == {
        "cpu,cpuacct/pod/one/cpu.shares": "512",
        "cpu,cpuacct/pod/one/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/pod/one/cpu.cfs_quota_us": "20000",
        "memory/pod/one/memory.limit_in_bytes": "1048576",
        "pids/pod/one/pids.max": "7",
    }


def test_a_v1_cpuset_group_inherits_what_it_does_not_say(tmp_path: Path) -> None:
    """A cpuset group with empty cpus or mems accepts no process."""
    groups = cgroups.detect(_hybrid(tmp_path / "cg"))

    groups.create("/pod/one", Limits(cpuset_cpus="1"))

    assert (tmp_path / "cg/cpuset/pod/cpuset.cpus").read_text() == "0-1\n"
    assert (tmp_path / "cg/cpuset/pod/one/cpuset.cpus").read_text() == "1"
    assert (tmp_path / "cg/cpuset/pod/one/cpuset.mems").read_text() == "0\n"


def test_v1_memory_and_swap_change_in_the_order_that_the_kernel_allows(tmp_path: Path) -> None:
    groups = cgroups.detect(_hybrid(tmp_path / "cg"))
    groups.create("/one", Limits())
    folder = tmp_path / "cg/memory/one"
    _kernel_files(folder, memory__limit_in_bytes="100\n", memory__memsw__limit_in_bytes="100\n")

    groups.apply("/one", Limits(memory_bytes=200))

    assert (folder / "memory.memsw.limit_in_bytes").read_text() == "200"
    assert (folder / "memory.limit_in_bytes").read_text() == "200"


def test_v1_figures_are_read(tmp_path: Path) -> None:
    groups = cgroups.detect(_hybrid(tmp_path / "cg"))
    groups.create("/one", Limits())
    stat = "total_inactive_file 300\ntotal_rss 400\ntotal_pgfault 5\ntotal_pgmajfault 1\n"
    _kernel_files(
        tmp_path / "cg/memory/one",
        memory__stat=stat,
        memory__usage_in_bytes="1000\n",
        memory__limit_in_bytes="9223372036854771712\n",
    )
    _kernel_files(tmp_path / "cg/cpu,cpuacct/one", cpuacct__usage="123\n")
    _kernel_files(tmp_path / "cg/pids/one", pids__current="4\n")

    usage = groups.measure("/one")

    assert usage == Usage(
        cpu_ns=123,
        memory_bytes=1000,
        working_set_bytes=700,
        rss_bytes=400,
        page_faults=5,
        major_page_faults=1,
        limit_bytes=0,
        processes=4,
    )


def test_a_v2_host_hands_controllers_down_and_takes_every_limit(tmp_path: Path) -> None:
    root = tmp_path / "cg"
    groups = cgroups.detect(_unified(root))
    groups.create("/pod/one", Limits())
    names = ("cpu.weight", "cpu.max", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpuset.cpus")
    _kernel_files(root / "pod/one", **dict.fromkeys(names, ""))

    limits = Limits(cpu_shares=1024, cpu_quota_us=50000, memory_bytes=4096, pids=9, cpuset_cpus="0")
    groups.apply("/pod/one", limits)

    written = {name: (root / "pod/one" / name).read_text() for name in names}
    assert written == {
        "cpu.weight": "39",
        "cpu.max": "50000 100000",
        "memory.max": "4096",
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "9",
        "cpuset.cpus": "0",
    }
    assert (root / "cgroup.subtree_control").read_text() == "+cpu +cpuset +hugetlb +io +memory +pids"
    assert (root / "pod/cgroup.subtree_control").read_text() == "+cpu +cpuset +hugetlb +io +memory +pids"
    assert not (root / "pod/one/cgroup.subtree_control").exists()
    assert groups.mounted_in_containers() == []
    assert groups.oom_file("/pod/one") == f"{root}/pod/one/memory.events"


def test_only_what_a_v2_group_was_given_is_handed_down(tmp_path: Path) -> None:
    """Where processes hold a container's outermost group, the groups below it have no controllers."""
    root = tmp_path / "cg"
    groups = cgroups.detect(_unified(root, controllers="cpu memory"))
    (root / "pod").mkdir()
    (root / "pod/cgroup.controllers").write_text("cpu\n")

    groups.create("/pod/one", Limits())

    assert (root / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (root / "pod/cgroup.subtree_control").read_text() == "+cpu"


@pytest.mark.root
def test_processes_of_the_outermost_group_make_room(outermost: Path) -> None:
    """As in a container, where the kernel refuses to hand controllers down past them."""
    with subprocess.Popen(["/bin/sleep", "100"]) as process:
        (outermost / "cgroup.procs").write_text(str(process.pid))
        controllers = frozenset((outermost / "cgroup.controllers").read_text().split())

        HierarchyV2(outermost, controllers).create("/pod/one")

        handed = frozenset((outermost / "pod/one/cgroup.controllers").read_text().split())
        moved = (outermost / "init/cgroup.procs").read_text().split()
        process.kill()
    assert (handed, moved) == (controllers & frozenset(CONTROLLERS), [str(process.pid)])


@pytest.fixture
def outermost() -> Iterator[Path]:
    """A group of this machine's v2 tree that has controllers, as if it were a container's outermost."""
    top = next((item.root for item in cgroups.detect_here().hierarchies if isinstance(item, HierarchyV2)), None)
    if top is None or not (top / "cgroup.subtree_control").read_text().split():
        pytest.skip("no controllers are handed down in this machine's v2 tree")
    group = top / "wherry-test-outermost"
    group.mkdir()
    yield group
    for folder in (group / "pod/one", group / "pod", group / "init", group):
        folder.rmdir()


def test_huge_pages_are_limited_in_use_and_when_they_are_reserved(tmp_path: Path) -> None:
    """No pages is a limit too: what a container didn't ask for it must not take from others."""
    root = tmp_path / "cg"
    groups = cgroups.detect(_unified(root))
    groups.create("/pod/one", Limits())
    _kernel_files(root / "pod/one", hugetlb__2MB__max="", hugetlb__2MB__rsvd__max="", hugetlb__1GB__max="")

    groups.apply("/pod/one", Limits(hugepages={"2MB": 4 << 20, "1GB": 0}))

    names = ("2MB.max", "2MB.rsvd.max", "1GB.max")
    assert [(root / f"pod/one/hugetlb.{name}").read_text() for name in names] == ["4194304", "4194304", "0"]
    assert not (root / "pod/one/hugetlb.1GB.rsvd.max").exists()


def test_v1_huge_pages_have_a_hierarchy_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "cg/hugetlb").mkdir(parents=True)
    groups = cgroups.detect(f"1 1 0:1 / {tmp_path}/cg/hugetlb rw - cgroup cgroup rw,hugetlb")

    groups.create("/idle", Limits())
    groups.create("/one", Limits(hugepages={"2MB": 0}))

    assert not (tmp_path / "cg/hugetlb/idle").exists()
    assert (tmp_path / "cg/hugetlb/one/hugetlb.2MB.limit_in_bytes").read_text() == "0"


def test_without_a_memory_limit_nothing_goes_to_swap_either(tmp_path: Path) -> None:
    new, old = cgroups.detect(_unified(tmp_path / "v2")), cgroups.detect(_hybrid(tmp_path / "v1"))
    for groups in (new, old):
        groups.create("/one", Limits())
    files = (tmp_path / "v2/one/memory.swap.max", tmp_path / "v1/memory/one/memory.swappiness")
    for file in files:
        file.write_text("60")

    for groups in (new, old):
        groups.apply("/one", Limits(is_swap_off=True))

    assert [file.read_text() for file in files] == ["0", "0"]


def test_a_file_of_v2_is_refused_where_its_controller_is_of_v1(tmp_path: Path) -> None:
    """Left out, it would be a limit that nobody keeps; the number of processes is the same in both."""
    groups = cgroups.detect(_hybrid(tmp_path / "cg"))

    groups.create("/one", Limits(unified={"pids.max": "5"}))
    with pytest.raises(OSError, match=r"memory\.high can't be set"):
        groups.create("/two", Limits(unified={"memory.high": "4096"}))

    assert (tmp_path / "cg/pids/one/pids.max").read_text() == "5"
    assert not (tmp_path / "cg/memory/two").exists()


def test_v2_takes_limits_away(tmp_path: Path) -> None:
    root = tmp_path / "cg"
    groups = cgroups.detect(_unified(root))
    groups.create("/one", Limits())
    _kernel_files(root / "one", cpu__max="", memory__max="", pids__max="")

    groups.apply("/one", Limits(cpu_quota_us=-1, memory_bytes=-1, pids=-1))

    assert [(root / "one" / name).read_text() for name in ("cpu.max", "memory.max", "pids.max")] == [
        "max 100000",
        "max",
        "max",
    ]


def test_v2_figures_are_read(tmp_path: Path) -> None:
    root = tmp_path / "cg"
    groups = cgroups.detect(_unified(root))
    groups.create("/one", Limits())
    _kernel_files(
        root / "one",
        cpu__stat="usage_usec 5\nuser_usec 3\n",
        memory__stat="anon 400\ninactive_file 100\npgfault 2\npgmajfault 1\n",
        memory__current="1000\n",
        memory__max="max\n",
        pids__current="3\n",
    )

    usage = groups.measure("/one")

    assert (usage.cpu_ns, usage.working_set_bytes, usage.rss_bytes, usage.processes) == (5000, 900, 400, 3)
    assert usage.limit_bytes == 0


def test_a_controller_that_no_hierarchy_has_is_named(tmp_path: Path) -> None:
    groups = cgroups.detect(_unified(tmp_path / "cg", controllers="cpu pids"))

    assert groups.missing == ["memory"]
    groups.create("/one", Limits(memory_bytes=4096))
    assert groups.oom_file("/one") == ""


def test_a_refused_setting_is_named_with_its_value(tmp_path: Path) -> None:
    groups = cgroups.detect(_unified(tmp_path / "cg"))
    groups.create("/one", Limits())
    (tmp_path / "cg/one/memory.high").mkdir()

    with pytest.raises(OSError, match=r"memory\.high='1'"):
        groups.apply("/one", Limits(unified={"memory.high": "1"}))


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262144, 10000), (1, 1), (10**9, 10000)])
def test_cpu_shares_become_a_weight(shares: int, weight: int) -> None:
    assert cpu_weight(shares) == weight
