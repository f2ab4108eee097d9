"""When a node is short of something, and who has to leave: observations in, decisions out."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kube.api.core_v1 import Pod
from kube.quantity import Quantity
from nodeagent.cri.values import ImageRecord, PodRecord
from nodeagent.pods.storage_usage import FolderUsage, PodStorage
from nodeagent.pressure.eviction import beyond_limits, choose, is_limited, ranked, refusal, unneeded
from nodeagent.pressure.pressure import Pressure, advance
from nodeagent.pressure.thresholds import Observation, Threshold, allocatable, parse_thresholds
from nodeagent.settings import AgentSettings
from nodeagent.stats.pod_usage import PodUsage
from proto import cri_v1
from tests.nodeagent.make import NOW, after, container, found, pod, record

MIB = 1 << 20
TRANSITION = timedelta(seconds=300)


def settings(**fields: Any) -> AgentSettings:
    """Return the settings of a node with thresholds of its own alone."""
    usual = {"eviction_hard": {}, "state_dir": Path("/s"), "run_dir": Path("/r"), "image_dir": Path("/i")}
    return AgentSettings(node_name="n1", **{**usual, **fields})


def left(available_mib: int, signal: str = "memory.available", capacity_mib: int = 1000) -> dict[str, Observation]:
    """Return what is left of one thing."""
    return {signal: Observation(available_mib * MIB, capacity_mib * MIB)}


HARD = parse_thresholds(settings(eviction_hard={"memory.available": "100Mi"}))
SOFT = parse_thresholds(
    settings(eviction_soft={"memory.available": "20%"}, eviction_soft_grace_period={"memory.available": "30s"})
)


def told(pressure: Pressure) -> tuple[set[str], list[str]]:
    """Return the conditions that hold, and the signals on which to act."""
    return set(pressure.conditions), [threshold.signal for threshold in pressure.due]


@pytest.mark.parametrize(
    ("available", "expected"),
    [(101, (set(), [])), (100, (set(), [])), (99, ({"MemoryPressure"}, ["memory.available"]))],
)
def test_a_hard_threshold_is_due_as_soon_as_there_is_less(available: int, expected: tuple[set[str], list[str]]) -> None:
    assert told(advance(Pressure(), HARD, left(available), NOW, TRANSITION)) == expected


def test_a_soft_threshold_is_told_at_once_and_due_after_its_grace() -> None:
    first = advance(Pressure(), SOFT, left(199), NOW, TRANSITION)
    early = advance(first, SOFT, left(199), after(29), TRANSITION)
    late = advance(early, SOFT, left(199), after(30), TRANSITION)

    assert [told(each) for each in (first, early, late)] == [
        ({"MemoryPressure"}, []),
        ({"MemoryPressure"}, []),
        ({"MemoryPressure"}, ["memory.available"]),
    ]


def test_the_grace_begins_anew_where_there_was_enough_meanwhile() -> None:
    first = advance(Pressure(), SOFT, left(199), NOW, TRANSITION)
    enough = advance(first, SOFT, left(500), after(20), TRANSITION)
    again = advance(enough, SOFT, left(199), after(40), TRANSITION)

    assert again.due == ()


def test_a_condition_stays_for_a_while_after_it_was_last_seen() -> None:
    """A node that flaps would draw pods and drive them off in turn."""
    short = advance(Pressure(), HARD, left(1), NOW, TRANSITION)
    calm = advance(short, HARD, left(900), after(299), TRANSITION)
    over = advance(calm, HARD, left(900), after(300), TRANSITION)

    assert told(calm) == ({"MemoryPressure"}, [])
    assert told(over) == (set(), [])


def test_what_was_due_stays_so_until_the_minimum_is_won_back() -> None:
    thresholds = parse_thresholds(
        settings(eviction_hard={"nodefs.available": "10%"}, eviction_minimum_reclaim={"nodefs.available": "50Mi"})
    )

    def observed(available: int, before: Pressure) -> Pressure:
        return advance(before, thresholds, left(available, "nodefs.available"), NOW, TRANSITION)

    short = observed(99, Pressure())

    assert observed(149, short).due
    assert not observed(150, short).due
    assert not observed(149, Pressure()).due


def test_memory_is_the_most_urgent() -> None:
    thresholds = parse_thresholds(settings(eviction_hard={"pid.available": "10%", "memory.available": "10%"}))
    seen = {**left(1), **left(1, "pid.available")}

    assert told(advance(Pressure(), thresholds, seen, NOW, TRANSITION)) == (
        {"MemoryPressure", "PIDPressure"},
        ["memory.available", "pid.available"],
    )


def test_a_file_system_that_counts_no_inodes_is_never_short_of_them() -> None:
    thresholds = parse_thresholds(settings(eviction_hard={"nodefs.inodesFree": "5%"}))

    assert not advance(Pressure(), thresholds, left(0, "nodefs.inodesFree", 0), NOW, TRANSITION).due


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"eviction_hard": {"memory": "1Gi"}}, 'threshold "memory": there is no such signal; use memory.available'),
        ({"eviction_hard": {"memory.available": "much"}}, '"much" is no amount; write 100Mi or 10%'),
        ({"eviction_hard": {"memory.available": "100%"}}, '"100%" is no amount'),
        ({"eviction_hard": {"memory.available": "-1"}}, "less than nothing"),
        ({"eviction_soft": {"memory.available": "1Gi"}}, "has no grace period; name one in eviction_soft_grace_period"),
    ],
)
def test_a_threshold_that_is_none_is_refused_with_a_way_out(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        parse_thresholds(settings(**fields))


def test_memory_in_huge_pages_is_none_for_anything_else() -> None:
    wanted = settings(eviction_hard={})
    has = {"memory": Quantity("100Mi"), "hugepages-2Mi": Quantity("16Mi"), "hugepages-1Gi": Quantity("0")}

    left = allocatable(wanted, has)

    assert (left["memory"].whole, left["hugepages-2Mi"].whole) == (84 << 20, 16 << 20)


def test_pods_get_what_is_neither_reserved_nor_kept_free() -> None:
    wanted = settings(
        kube_reserved={"cpu": "500m"},
        system_reserved={"memory": "100Mi", "cpu": "500m"},
        eviction_hard={"memory.available": "24Mi", "nodefs.available": "10%"},
    )
    has = {name: Quantity(text) for name, text in {"cpu": "4", "memory": "1Gi", "ephemeral-storage": "10Gi"}.items()}

    assert {name: str(amount) for name, amount in allocatable(wanted, has).items()} == {
        "cpu": "3",
        "memory": "900Mi",
        "ephemeral-storage": "9Gi",
    }


def used(
    name: str,
    *,
    memory_mib: int = 0,
    asked_mib: int = 0,
    priority: int = 0,
    disk_mib: int = 0,
    logs_mib: int = 0,
    volume_mib: int = 0,
    processes: int = 1,
    disk_limit: str = "",
    **spec: Any,
) -> PodUsage:
    """Return a pod of one container and what it uses."""
    resources: dict[str, Any] = {"requests": {"memory": f"{asked_mib}Mi"}} if asked_mib else {}
    if disk_limit:
        resources["limits"] = {"ephemeral-storage": disk_limit}
    made = pod(name, container(resources=resources), priority=priority, **spec)
    mine = cri_v1.ContainerStats(
        attributes=cri_v1.ContainerAttributes(id="main-0", metadata=cri_v1.ContainerMetadata(name="main")),
        memory=cri_v1.MemoryUsage(working_set_bytes=cri_v1.UInt64Value(value=memory_mib * MIB)),
        writable_layer=cri_v1.FilesystemUsage(used_bytes=cri_v1.UInt64Value(value=disk_mib * MIB)),
    )
    stats = cri_v1.PodSandboxStats(
        linux=cri_v1.LinuxPodSandboxStats(
            memory=cri_v1.MemoryUsage(working_set_bytes=cri_v1.UInt64Value(value=memory_mib * MIB)),
            process=cri_v1.ProcessUsage(process_count=cri_v1.UInt64Value(value=processes)),
            containers=[mine],
        )
    )
    storage = PodStorage({"main": FolderUsage(logs_mib * MIB, 1)}, {"data": FolderUsage(volume_mib * MIB, 1)})
    records: PodRecord = found(record())
    return PodUsage(made, records, stats, storage)


def names(pods: list[PodUsage], resource: str) -> list[str]:
    """Return the order in which pods leave."""
    return [usage.pod.metadata.name for usage in ranked(pods, resource)]


def test_those_leave_first_who_use_more_than_they_asked_for_then_the_less_important_then_the_greedy() -> None:
    pods = [
        used("modest", memory_mib=90, asked_mib=100),
        used("important", memory_mib=900, asked_mib=100, priority=1000),
        used("greedy", memory_mib=400, asked_mib=100),
        used("greedier", memory_mib=401, asked_mib=100),
        used("best-effort", memory_mib=350),
    ]

    assert names(pods, "memory") == ["best-effort", "greedier", "greedy", "important", "modest"]


def test_for_want_of_processes_priority_decides_then_their_number() -> None:
    pods = [used("many", processes=50, priority=10), used("few", processes=5), used("more", processes=6)]

    assert names(pods, "pids") == ["more", "few", "many"]


def test_for_want_of_disk_logs_volumes_and_layers_count_together() -> None:
    volume: dict[str, Any] = {"volumes": [{"name": "data", "emptyDir": {}}]}
    pods = [
        used("layer", disk_mib=30),
        used("all", disk_mib=10, logs_mib=20, volume_mib=10, **volume),
        used("in memory", disk_mib=5, volume_mib=90, volumes=[{"name": "data", "emptyDir": {"medium": "Memory"}}]),
    ]

    assert names(pods, "ephemeral-storage") == ["all", "layer", "in memory"]


def decided(*pods: PodUsage, due: tuple[Threshold, ...] = HARD, most_grace_s: int = 0) -> tuple[str, str, int] | None:
    """Return who leaves with 50 MiB left, why, and what it gets to end in."""
    chosen = choose(due, left(50), pods, most_grace_s)
    return (chosen.pod.metadata.name, chosen.message, chosen.grace_s) if chosen is not None else None


def test_who_leaves_is_told_why_in_kubernetes_words() -> None:
    assert decided(used("web", memory_mib=300, asked_mib=100)) == (
        "web",
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container main was using 300Mi, request is 100Mi, has larger consumption of memory. ",
        1,
    )


def test_static_and_critical_pods_never_leave() -> None:
    static = {"annotations": {"kubernetes.io/config.source": "file"}}

    assert decided(used("static", metadata=static), used("critical", priority=2_000_000_000)) is None


@pytest.mark.parametrize(("asked", "most", "grace"), [(60, 20, 20), (10, 20, 10), (None, 20, 20)])
def test_a_soft_threshold_gives_time_to_end(asked: int | None, most: int, grace: int) -> None:
    leaving = decided(used("web", terminationGracePeriodSeconds=asked), due=SOFT, most_grace_s=most)

    assert leaving is not None
    assert leaving[2] == grace


@pytest.mark.parametrize(
    ("usage", "message"),
    [
        (used("web", disk_mib=6, logs_mib=4, disk_limit="10Mi"), None),
        (
            used("web", volume_mib=7, disk_mib=4, disk_limit="10Mi", volumes=[{"name": "data", "emptyDir": {}}]),
            "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
        ),
        (used("web", disk_mib=900), None),
    ],
)
def test_who_has_more_on_disk_than_it_may_leaves(usage: PodUsage, message: str | None) -> None:
    found_ = beyond_limits(usage)

    assert (found_.message if found_ is not None else None) == message


def test_only_pods_with_limits_are_measured() -> None:
    """Measuring walks through their files, again and again."""
    assert [is_limited(used("web", disk_limit=limit).pod) for limit in ("", "1Gi")] == [False, True]


def test_one_container_of_several_may_not_use_what_the_others_may() -> None:
    resources = {"limits": {"ephemeral-storage": "10Mi"}}
    usage = used("web", disk_mib=11)
    both = pod("web", container(resources=resources), container("side", resources=resources))
    leaving = beyond_limits(PodUsage(both, usage.record, usage.stats, usage.storage))

    assert leaving is not None
    assert leaving.message == 'Container main exceeded its local ephemeral storage limit "10Mi". '
    assert leaving.signal == "ephemeralcontainerfs.limit"


def test_only_images_that_nobody_needs_and_that_can_be_pulled_again_are_given_up() -> None:
    def image(name: str, *digests: str) -> ImageRecord:
        return ImageRecord(f"id-{name}", (name,), digests, MIB, None, "")

    images = [
        image("wherry.local/host"),
        image("imported:1"),
        image("running:1", "running@sha256:1"),
        image("awaited:1", "awaited@sha256:2"),
        image("idle:1", "idle@sha256:3"),
    ]
    runs = replace(record(), image="x", image_id="running@sha256:1")
    pods = [(pod("web"), found(runs)), (pod("later", {"name": "main", "image": "awaited:1"}), found())]

    assert [each.tags for each in unneeded(images, pods)] == [("idle:1",)]


def asking(name: str = "web", **spec: Any) -> Pod:
    """Return a pod that asks for memory."""
    return pod(name, container(resources={"requests": {"memory": "1Mi"}}), **spec)


TOLERATES = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("wanted", "conditions", "is_taken"),
    [
        (pod(), set(), True),
        (pod(), {"MemoryPressure"}, False),
        (asking(), {"MemoryPressure"}, True),
        (pod(tolerations=[TOLERATES]), {"MemoryPressure"}, True),
        (asking(), {"DiskPressure"}, False),
        (asking(tolerations=[TOLERATES]), {"MemoryPressure", "DiskPressure"}, False),
        (pod(priority=2_000_000_000), {"DiskPressure"}, True),
    ],
)
def test_a_node_in_need_takes_only_who_may_come(wanted: Pod, conditions: set[str], is_taken: bool) -> None:
    refused = refusal(wanted, conditions)

    assert (refused is None) == is_taken
    if refused is not None:
        assert refused == ("Evicted", f"The node had condition: [{' '.join(sorted(conditions))}]. ")
