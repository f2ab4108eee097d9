"""What the scheduler knows of the nodes."""

from scheduler.snapshot import LOG_MAX, NodeInfo, Snapshot, placed_pod
from tests import make


def found(snapshot: Snapshot, name: str = "node-a") -> NodeInfo:
    info = snapshot.node(name)
    assert info is not None
    return info


def test_a_pod_gives_back_exactly_what_it_took() -> None:
    snapshot = Snapshot()
    snapshot.set_node(make.node())
    pod = make.pod(requests={"cpu": "1", "memory": "1Gi"}, of=make.replicaset())

    snapshot.put_pod(placed_pod(pod), "node-a")
    taken = dict(found(snapshot).taken)
    snapshot.remove_pod(pod.metadata.uid)

    assert taken == {"cpu": 1000, "memory": 1 << 30}
    info = found(snapshot)
    assert set(info.taken.values()) == {0}
    assert (info.pods, info.owners, info.weights_cpu_millis, info.weights_memory_bytes) == ({}, {}, 0, 0)


def test_a_pod_told_twice_takes_its_room_once() -> None:
    snapshot = Snapshot()
    snapshot.set_node(make.node())
    pod = placed_pod(make.pod(requests={"cpu": "1"}))

    snapshot.put_pod(pod, "node-a")
    snapshot.put_pod(pod, "node-a")

    assert found(snapshot).taken == {"cpu": 1000}


def test_a_pod_bound_elsewhere_than_assumed_moves() -> None:
    snapshot = Snapshot()
    snapshot.set_node(make.node("node-a"))
    snapshot.set_node(make.node("node-b"))
    pod = placed_pod(make.pod())

    snapshot.put_pod(pod, "node-a")
    snapshot.put_pod(pod, "node-b")

    assert not found(snapshot, "node-a").pods
    assert list(found(snapshot, "node-b").pods) == [pod.uid]


def test_pods_of_a_node_not_yet_known_count_once_it_is() -> None:
    snapshot = Snapshot()
    snapshot.put_pod(placed_pod(make.pod(requests={"cpu": "1"})), "node-a")
    assert len(snapshot) == 0

    snapshot.set_node(make.node())

    assert found(snapshot).taken == {"cpu": 1000}


def test_the_log_tells_which_nodes_changed_and_when_it_can_no_longer_tell() -> None:
    snapshot = Snapshot()
    snapshot.set_node(make.node("node-a"))
    position = snapshot.position
    snapshot.set_node(make.node("node-b"))

    assert snapshot.changed_since(position) == {"node-b"}
    for _ in range(2 * LOG_MAX):
        snapshot.set_node(make.node("node-a"))
    assert snapshot.changed_since(position) is None
