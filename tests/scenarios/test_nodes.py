"""What happens when nodes come, fall silent and go."""

from controllers.world import ControllerSettings, NodeSettings
from kube.api.apps_v1 import Deployment
from kube.api.core_v1 import Node, Pod, PodSchedulingGate
from kube.client import Client
from kube.objects import condition, is_terminating
from tests import make
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock
from tests.scenarios.rooms import Cluster, cluster, register

FAST = ControllerSettings(nodes=NodeSettings(grace_s=10, startup_grace_s=10, pod_quarantine_s=10))


async def beat(rooms: Cluster, name: str, clock: FakeClock) -> None:
    """Give a sign of life, as a node agent does."""
    found = rooms.one(Node, name, "")
    conditions = [
        {
            "type": c.type,
            "status": "True" if c.type == "Ready" else "False",
            "lastHeartbeatTime": clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        for c in found.status.conditions
    ]
    await rooms.client.patch(Node, name, {"status": {"conditions": conditions}}, subresource="status")


def ready(rooms: Cluster, name: str) -> str:
    found = condition(rooms.one(Node, name, "").status.conditions, "Ready")
    return found.status if found else ""


def taints(rooms: Cluster, name: str) -> set[tuple[str, str]]:
    return {
        (taint.key.removeprefix("node.kubernetes.io/"), taint.effect) for taint in rooms.one(Node, name, "").spec.taints
    }


async def test_every_node_gets_a_range_of_its_own(client: Client) -> None:
    async with cluster(client, nodes=3) as rooms:
        await rooms.until(lambda: all(node.spec.pod_cidr for node in rooms.all(Node)) and rooms.all(Node), "ranges")

        ranges = [node.spec.pod_cidr for node in rooms.all(Node)]
        assert sorted(ranges) == ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]
        assert all(node.spec.pod_cidrs == (node.spec.pod_cidr,) for node in rooms.all(Node))


async def test_a_lost_node_is_marked_tainted_and_its_pods_come_back_elsewhere() -> None:
    clock = FakeClock()
    client = FakeClient(clock=clock)
    async with cluster(client, settings=FAST, clock=clock) as rooms:
        await clock.advance(0)
        tolerations = (make.tolerating("node.kubernetes.io/unreachable", effect="NoExecute", seconds=5),)
        wanted = make.deployment(replicas=2)
        spec = make.pod(tolerations=tolerations).spec
        await client.create(make.with_pod_spec(wanted, spec))
        await settle_until(rooms, clock, lambda: [p.status.phase for p in rooms.pods()] == ["Running"] * 2)
        assert {pod.spec.node_name for pod in rooms.pods()} == {"node-0", "node-1"}

        rooms.nodes.dead.add("node-1")
        await pass_time(rooms, clock, 12)
        assert ready(rooms, "node-1") == "Unknown"
        assert ready(rooms, "node-0") == "True"
        assert taints(rooms, "node-1") == {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
        stranded = next(pod for pod in rooms.all(Pod) if pod.spec.node_name == "node-1")
        assert not is_terminating(stranded)
        state = condition(stranded.status.conditions, "Ready")
        assert state is not None
        assert (state.status, state.reason) == ("False", "NodeNotReady")

        await pass_time(rooms, clock, 6)
        assert is_terminating(rooms.one(Pod, stranded.metadata.name))
        assert [(pod.spec.node_name, pod.status.phase) for pod in rooms.pods()] == [("node-0", "Running")] * 2
        assert rooms.one(Deployment, "web").status.available_replicas == 2

        rooms.nodes.dead.clear()
        await beat(rooms, "node-1", clock)
        await clock.advance(0)
        assert taints(rooms, "node-1") == set()


async def pass_time(rooms: Cluster, clock: FakeClock, seconds: int) -> None:
    """Let time pass; the nodes that live give a sign of life each second."""
    for _ in range(seconds):
        for node in rooms.all(Node):
            if node.metadata.name not in rooms.nodes.dead:
                await beat(rooms, node.metadata.name, clock)
        await clock.advance(1)


async def settle_until(rooms: Cluster, clock: FakeClock, told: object) -> None:
    """Let everything that is due happen until `told()` holds."""
    assert callable(told)
    for _ in range(100):
        if told():
            return
        await clock.advance(0.05)
    raise AssertionError("it never came")


async def test_if_all_nodes_seem_lost_no_pod_is_driven_off() -> None:
    """Then the fault is more likely on this side, and there is nowhere to go anyway."""
    clock = FakeClock()
    client = FakeClient(clock=clock)
    async with cluster(client, settings=FAST, clock=clock) as rooms:
        await clock.advance(0)
        assert len(rooms.all(Node)) == 2

        await clock.advance(12)

        assert [ready(rooms, name) for name in ("node-0", "node-1")] == ["Unknown", "Unknown"]
        assert taints(rooms, "node-0") == {("unreachable", "NoSchedule")}


async def test_the_only_node_keeps_its_pods_while_it_is_silent() -> None:
    clock = FakeClock()
    client = FakeClient(clock=clock)
    async with cluster(client, nodes=1, settings=FAST, clock=clock) as rooms:
        await client.create(make.deployment(replicas=1))
        await settle_until(rooms, clock, lambda: [p.status.phase for p in rooms.pods()] == ["Running"])
        before = rooms.pods()[0].metadata.uid

        await clock.advance(30)
        assert ready(rooms, "node-0") == "Unknown"
        await beat(rooms, "node-0", clock)
        await clock.advance(1)

        assert [pod.metadata.uid for pod in rooms.pods()] == [before]
        assert taints(rooms, "node-0") == set()


async def test_pods_of_a_node_that_was_deleted_are_cleared_away() -> None:
    clock = FakeClock()
    client = FakeClient(clock=clock)
    async with cluster(client, settings=FAST, clock=clock) as rooms:
        await client.create(make.deployment(replicas=2))
        await settle_until(rooms, clock, lambda: [p.status.phase for p in rooms.pods()] == ["Running"] * 2)
        rooms.nodes.dead.add("node-1")

        await client.delete(Node, "node-1")
        await pass_time(rooms, clock, 5)
        assert any(pod.spec.node_name == "node-1" for pod in rooms.all(Pod))
        await pass_time(rooms, clock, 8)

        assert [pod.spec.node_name for pod in rooms.all(Pod)] == ["node-0"] * 2


async def test_a_pod_that_fits_nowhere_says_why_and_goes_to_the_node_that_helps(client: Client) -> None:
    async with cluster(client) as rooms:
        await client.create(make.pod("big", requests={"cpu": "6"}))

        await rooms.until(
            lambda: (
                (
                    c := condition(rooms.one(Pod, "big").status.conditions, "PodScheduled")
                    if rooms.get(Pod, "big")
                    else None
                )
                and c.message == "0/2 nodes are available: 2 Insufficient cpu."
            ),
            "the reason",
        )
        await register(client, make.node("big-node", allocatable={"cpu": "8"}))

        await rooms.until(lambda: rooms.one(Pod, "big").spec.node_name == "big-node", "the pod to be bound")


async def test_a_gated_pod_waits_until_its_gate_is_lifted(client: Client) -> None:
    async with cluster(client) as rooms:
        await client.create(make.pod("gated", scheduling_gates=(PodSchedulingGate(name="example.com/wait"),)))
        await client.create(make.pod("free"))
        await rooms.until(lambda: (pod := rooms.get(Pod, "free")) and pod.spec.node_name, "the free pod to be bound")
        assert rooms.one(Pod, "gated").spec.node_name == ""

        await client.patch(Pod, "gated", {"spec": {"schedulingGates": None}}, namespace="default")

        await rooms.until(lambda: rooms.one(Pod, "gated").spec.node_name, "the gated pod to be bound")
