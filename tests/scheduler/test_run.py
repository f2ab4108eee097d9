"""The scheduler on a client in memory and a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from kube import errors
from kube.api.core_v1 import (
    Affinity,
    ContainerStatus,
    Event,
    Node,
    Pod,
    PodAffinity,
    PodAffinityTerm,
    PodAntiAffinity,
    PodCondition,
    ResourceRequirements,
    TopologySpreadConstraint,
)
from kube.api.meta_v1 import LabelSelector
from kube.client import ConnectionLost
from kube.events import LULL_MAX_S
from kube.informers import Informers
from kube.kinds import Resource, kind_of
from kube.objects import condition, with_metadata
from scheduler.run import Scheduler, SchedulerSettings
from tests import make
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock


@dataclass(frozen=True)
class Stage:
    """What a test works with."""

    client: FakeClient
    clock: FakeClock
    scheduler: Scheduler

    def node_of(self, name: str) -> str:
        found = {pod.metadata.name: pod for pod in self.client.stored(Pod)}
        return found[name].spec.node_name

    def bindings(self) -> list[str]:
        return [request for request in self.client.requests if "binding" in request]


@asynccontextmanager
async def stage(*objects: Resource) -> AsyncIterator[Stage]:
    clock = FakeClock()
    client = FakeClient(*objects, clock=clock)
    informers = Informers(client, clock)
    scheduler = Scheduler(client, SchedulerSettings(binders=2), clock, informers)
    jobs = (informers.run(), scheduler.run(), scheduler.events.run())
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        await clock.advance(0)
        yield Stage(client, clock, scheduler)
        for task in tasks:
            task.cancel()


async def test_a_pod_is_bound_and_the_event_says_where() -> None:
    async with stage(make.node(), make.pod("web")) as on:
        assert on.node_of("web") == "node-a"
        await on.clock.advance(LULL_MAX_S)
        (event,) = on.client.stored(Event)
        assert (event.reason, event.message) == ("Scheduled", "Successfully assigned default/web to node-a")


@pytest.mark.parametrize(
    "failure", [ConnectionLost("gone"), errors.unavailable("the store is away"), ValueError("the answer is no JSON")]
)
async def test_a_binding_that_fails_gives_the_room_back_and_is_tried_again(failure: Exception) -> None:
    async with stage(make.node()) as on:
        on.client.failures.append(failure)
        on.client.put(make.pod("web", requests={"cpu": "3"}))
        await on.clock.advance(0.5)
        assert on.node_of("web") == ""
        assert on.scheduler.snapshot.node_of("uid-web") == ""

        await on.clock.advance(1.0)

        assert on.node_of("web") == "node-a"


async def test_a_pod_that_was_bound_by_somebody_else_keeps_that_node() -> None:
    async with stage(make.node(), make.node("node-b")) as on:
        on.client.failures.append(errors.conflict(kind_of(Pod), "web", "pod is already assigned"))
        on.client.put(make.pod("web"))
        on.client.put(make.pod("web", node="node-b"))
        await on.clock.advance(5)

        assert on.node_of("web") == "node-b"
        assert on.scheduler.snapshot.node_of("uid-web") == "node-b"
        assert len(on.scheduler.queue) == 0


async def test_pods_of_another_scheduler_and_pods_that_are_leaving_are_left_alone() -> None:
    other = make.pod("other")
    other = replace(other, spec=replace(other.spec, scheduler_name="custom"))
    async with stage(make.node(), other, make.pod("leaving", terminating=True)) as on:
        await on.clock.advance(1)

        assert on.bindings() == []


async def test_two_pods_never_share_the_last_room() -> None:
    """The second must see what the first was promised, though no watch has told of it yet."""
    async with stage(make.node(allocatable={"pods": "1"}), make.pod("a"), make.pod("b")) as on:
        assert sorted([on.node_of("a"), on.node_of("b")]) == ["", "node-a"]


async def test_a_refusal_is_told_once_and_again_only_when_the_reason_changes() -> None:
    async with stage(make.node(), with_metadata(make.pod("big", requests={"cpu": "9"}), generation=3)) as on:
        writes = [request for request in on.client.requests if request.startswith("patch status Pod")]
        assert len(writes) == 1

        on.client.put(make.node("node-b"))
        await on.clock.advance(2)

        told = condition(on.client.stored(Pod)[0].status.conditions, "PodScheduled")
        assert told is not None
        assert (told.status, told.reason) == ("False", "Unschedulable")
        assert told.message == "0/2 nodes are available: 2 Insufficient cpu."
        assert told.observed_generation == 3
        on.client.put(make.node("node-b", labels={"changed": "yes"}))
        await on.clock.advance(20)
        writes = [request for request in on.client.requests if request.startswith("patch status Pod")]
        assert len(writes) == 2


async def test_room_that_a_finished_pod_leaves_is_used() -> None:
    running = make.pod("job", node="node-a", phase="Running", requests={"cpu": "3"})
    async with stage(make.node(), running, make.pod("next", requests={"cpu": "3"})) as on:
        assert on.node_of("next") == ""
        on.client.put(replace(running, status=replace(running.status, phase="Succeeded")))

        await on.clock.advance(1.5)

        assert on.node_of("next") == "node-a"


async def test_a_pod_that_waits_to_be_near_another_goes_when_that_one_is_placed() -> None:
    term = PodAffinityTerm(topology_key="zone", label_selector=LabelSelector(match_labels={"app": "db"}))
    affinity = Affinity(pod_affinity=PodAffinity(required_during_scheduling_ignored_during_execution=(term,)))
    async with stage(make.node(labels={"zone": "a"}), make.pod("web", affinity=affinity)) as on:
        assert on.node_of("web") == ""
        on.client.put(make.pod("db", labels={"app": "db"}))

        await on.clock.advance(1.5)

        assert on.node_of("web") == "node-a"


async def test_a_pod_that_waits_to_be_spread_goes_when_the_domain_that_has_too_few_is_gone() -> None:
    alike = LabelSelector(match_labels=make.WEB)
    even = TopologySpreadConstraint(
        topology_key="zone", label_selector=alike, max_skew=1, when_unsatisfiable="DoNotSchedule"
    )
    nodes = (make.node(labels={"zone": "a"}), make.node("node-b", labels={"zone": "b"}, unschedulable=True))
    there = make.pod("there", node="node-a", phase="Running")
    async with stage(*nodes, there, make.pod("web", topology_spread_constraints=(even,))) as on:
        assert on.node_of("web") == ""
        on.client.drop(Node, "node-b")

        await on.clock.advance(1.5)

        assert on.node_of("web") == "node-a"


async def test_room_that_a_pod_gives_back_without_ending_is_used() -> None:
    running = with_metadata(make.pod("db", node="node-a", phase="Running", requests={"cpu": "3"}), generation=1)
    async with stage(make.node(), running, make.pod("next", requests={"cpu": "3"})) as on:
        assert on.node_of("next") == ""
        smaller = replace(running, spec=make.pod(node="node-a", requests={"cpu": "1"}).spec)
        on.client.put(with_metadata(smaller, generation=2))

        await on.clock.advance(1.5)

        assert on.node_of("next") == "node-a"


async def test_a_pod_whose_labels_kept_it_from_everywhere_goes_when_they_change() -> None:
    term = PodAffinityTerm(topology_key="zone", label_selector=LabelSelector(match_labels={"app": "noisy"}))
    apart = Affinity(pod_anti_affinity=PodAntiAffinity(required_during_scheduling_ignored_during_execution=(term,)))
    quiet = make.pod("quiet", node="node-a", phase="Running", affinity=apart)
    noisy = with_metadata(make.pod("web", labels={"app": "noisy"}), generation=1)
    async with stage(make.node(labels={"zone": "a"}), quiet, noisy) as on:
        assert on.node_of("web") == ""
        on.client.put(with_metadata(on.client.stored(Pod)[1], labels={"app": "calm"}))

        await on.clock.advance(1.5)

        assert on.node_of("web") == "node-a"


async def test_room_that_a_size_leaves_which_the_node_will_never_give_is_used() -> None:
    greedy = make.pod("db", node="node-a", phase="Running", requests={"cpu": "99"})
    held = ResourceRequirements(requests=make.quantities({"cpu": "1"}))
    told = (ContainerStatus(name=greedy.spec.containers[0].name, resources=held),)
    greedy = replace(greedy, status=replace(greedy.status, container_statuses=told))
    async with stage(make.node(), greedy, make.pod("next", requests={"cpu": "2"})) as on:
        assert on.node_of("next") == ""
        never = PodCondition(type="PodResizePending", status="True", reason="Infeasible")
        on.client.put(replace(greedy, status=replace(greedy.status, conditions=(never,))))

        await on.clock.advance(1.5)

        assert on.node_of("next") == "node-a"
