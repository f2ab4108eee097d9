"""When a pod is tried, and tried again."""

from msgspec.structs import replace

from kube.api.core_v1 import Pod
from scheduler.filters import ClusterEvent, Filter
from scheduler.queue import PAUSE_MAX_S, UNSCHEDULABLE_MAX_S, SchedulingQueue, Waiting, Where
from tests import make


def taken(queue: SchedulingQueue) -> Waiting:
    entry = queue.pop()
    assert entry is not None
    return entry


def names(queue: SchedulingQueue) -> list[str]:
    found = []
    while (entry := queue.pop()) is not None:
        found.append(entry.pod.metadata.name)
    return found


def prioritized(name: str, priority: int, age_s: float) -> Pod:
    return make.pod(name, age_s=age_s, priority=priority)


def test_the_more_important_pod_goes_first_then_the_older() -> None:
    queue = SchedulingQueue()
    for pod in (prioritized("young", 0, 1), prioritized("old", 0, 60), prioritized("vip", 10, 0)):
        queue.put(pod)

    assert names(queue) == ["vip", "old", "young"]


def test_a_pod_put_twice_is_tried_once_with_its_latest_spec() -> None:
    queue = SchedulingQueue()
    queue.put(make.pod("a"))
    newer = replace(make.pod("a"), spec=make.pod(requests={"cpu": "1"}).spec)
    queue.put(newer)

    assert taken(queue).pod is newer
    assert queue.pop() is None


def test_a_pod_that_is_gone_is_not_tried() -> None:
    queue = SchedulingQueue()
    queue.put(make.pod("a"))
    queue.remove("uid-a")

    assert queue.pop() is None


def test_an_unschedulable_pod_waits_for_an_event_that_could_help() -> None:
    queue = SchedulingQueue()
    queue.put(make.pod("a"))
    queue.fail(taken(queue), 0.0, {Filter.RESOURCES})

    queue.hear({ClusterEvent.NODE_TAINTS, ClusterEvent.NODE_LABELS}, 100.0)
    assert queue.where("uid-a") is Where.UNSCHEDULABLE
    queue.hear({ClusterEvent.POD_GONE}, 100.0)

    assert names(queue) == ["a"]


def test_any_filter_that_objected_may_be_the_one_that_is_helped() -> None:
    queue = SchedulingQueue()
    queue.put(make.pod("a"))
    queue.fail(taken(queue), 0.0, {Filter.RESOURCES, Filter.TAINTS})

    queue.hear({ClusterEvent.NODE_TAINTS}, 100.0)

    assert names(queue) == ["a"]


def test_a_helped_pod_waits_out_its_pause_first() -> None:
    queue = SchedulingQueue()
    queue.put(make.pod("a"))
    queue.fail(taken(queue), 10.0, {Filter.RESOURCES})

    queue.hear({ClusterEvent.NODE_ADDED}, 10.2)

    assert queue.where("uid-a") is Where.BACKING_OFF
    assert queue.next_tick_s() == 11.0
    queue.tick(10.9)
    assert queue.pop() is None
    queue.tick(11.0)
    assert names(queue) == ["a"]


def test_the_pause_doubles_up_to_its_limit() -> None:
    queue = SchedulingQueue()
    queue.put(make.pod("a"))
    pauses = []
    now_s = 0.0
    for _ in range(6):
        queue.fail(taken(queue), now_s, None)
        due_s = queue.next_tick_s()
        assert due_s is not None
        pauses.append(due_s - now_s)
        now_s = due_s
        queue.tick(now_s)

    assert pauses == [1, 2, 4, 8, PAUSE_MAX_S, PAUSE_MAX_S]


def test_nothing_waits_for_ever() -> None:
    queue = SchedulingQueue()
    queue.put(make.pod("a"))
    queue.fail(taken(queue), 0.0, {Filter.UNSUPPORTED})
    queue.hear(set(ClusterEvent), 1.0)
    assert queue.where("uid-a") is Where.UNSCHEDULABLE

    queue.tick(UNSCHEDULABLE_MAX_S)

    assert names(queue) == ["a"]


def test_a_changed_spec_is_tried_at_once() -> None:
    queue = SchedulingQueue()
    queue.put(make.pod("a"))
    queue.fail(taken(queue), 0.0, {Filter.RESOURCES})

    queue.put(make.pod("a"))

    assert names(queue) == ["a"]
