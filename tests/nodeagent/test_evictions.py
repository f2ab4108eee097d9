"""Pods that have to leave a real node. Its thresholds are such that they are met at once; nothing is filled up."""

import signal
from typing import Any

import pytest

from kube.api.core_v1 import Event, Node, Pod
from kube.api.meta_v1 import ObjectMeta
from kube.api.scheduling_v1 import PriorityClass
from kube.client import Selection
from kube.objects import condition
from tests.nodeagent.real_node import NODE, Cluster, sh, until

pytestmark = pytest.mark.root

QUICK = {"pressure_look_s": "0.2", "eviction_pressure_transition_s": "1"}
SLEEP = "trap 'exit 0' TERM; while true; do sleep 0.1; done"


async def restarted(cluster: Cluster, **changes: str) -> None:
    """Start the agent again, with other settings."""
    agent = cluster.machine.processes[-1]
    cluster.machine.end(agent, signal.SIGTERM)
    cluster.machine.start_agent(**QUICK, **changes)


async def event_of(cluster: Cluster, name: str, reason: str) -> str:
    """Return the message of an Event about an object, once it is there."""
    selection = Selection(field_selector=f"involvedObject.name={name},reason={reason}")

    async def messages() -> list[str]:
        return [event.message for event in (await cluster.client.list(Event, selection)).items]

    await until(messages, f"event {reason} of {name}")
    return (await messages())[0]


async def node_condition(cluster: Cluster, kind: str) -> str:
    """Return the status of a condition of the node."""
    found = condition((await cluster.client.get(Node, NODE)).status.conditions, kind)
    return found.status if found is not None else ""


async def gone_processes(cluster: Cluster, name: str) -> Pod:
    """Return an evicted pod when its containers have ended."""

    async def has_ended() -> bool:
        pod = await cluster.pod(name)
        return bool(pod.status.container_statuses) and all(
            told.state.terminated is not None for told in pod.status.container_statuses
        )

    await until(has_ended, f"the end of {name}")
    return await cluster.pod(name)


async def test_a_pod_that_has_more_on_disk_than_it_may_leaves(cluster: Cluster) -> None:
    await restarted(cluster)
    mount = [{"name": "data", "mountPath": "/data"}]
    write = "head -c 3000000 /dev/zero > {}; " + SLEEP
    limited: dict[str, Any] = {"limits": {"ephemeral-storage": "1Mi"}}
    await cluster.run(
        "volume",
        sh(write.format("/data/x"), volumeMounts=mount),
        volumes=[{"name": "data", "emptyDir": {"sizeLimit": "1Mi"}}],
    )
    await cluster.run("layer", sh(write.format("/tmp/x"), resources=limited))
    await cluster.run("frugal", sh(SLEEP, resources=limited))

    volume, layer = await cluster.wait_phase("volume", "Failed"), await cluster.wait_phase("layer", "Failed")

    assert (volume.status.reason, layer.status.reason) == ("Evicted", "Evicted")
    assert volume.status.message == 'Usage of EmptyDir volume "data" exceeds the limit "1Mi".'
    assert layer.status.message == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
    assert await event_of(cluster, "layer", "Evicted") == layer.status.message
    await gone_processes(cluster, "layer")
    assert await cluster.is_ready("frugal")
    for name in ("volume", "layer", "frugal"):
        await cluster.delete(name)


async def test_a_node_short_of_memory_tells_it_and_lets_the_least_important_pod_leave_first(cluster: Cluster) -> None:
    asked = {"requests": {"memory": "1Mi"}}
    await restarted(cluster)
    await cluster.client.create(PriorityClass(metadata=ObjectMeta(name="dear"), value=1000))
    await cluster.run("cheap", sh(SLEEP, resources=asked))
    await cluster.run("dear", sh(SLEEP, resources=asked), priorityClassName="dear")
    await cluster.run("critical", sh(SLEEP, resources=asked), priorityClassName="system-node-critical")
    for name in ("cheap", "dear", "critical"):
        await cluster.wait_ready(name)

    await restarted(cluster, eviction_hard="memory.available=100Ti")

    cheap, dear = await cluster.wait_phase("cheap", "Failed"), await cluster.wait_phase("dear", "Failed")
    assert cheap.status.reason == "Evicted"
    assert cheap.status.message.startswith(
        "The node was low on resource: memory. Threshold quantity: 100Ti, available: "
    )
    target = condition(cheap.status.conditions, "DisruptionTarget")
    assert target is not None
    assert (target.status, target.reason) == ("True", "TerminationByKubelet")
    assert await event_of(cluster, NODE, "EvictionThresholdMet") == "Attempting to reclaim memory"
    assert await node_condition(cluster, "MemoryPressure") == "True"
    ends = [
        (await gone_processes(cluster, pod.metadata.name)).status.container_statuses[0].state for pod in (cheap, dear)
    ]
    first, second = (end.terminated.finished_at if end.terminated else "" for end in ends)
    assert (first or "") <= (second or "")

    await cluster.run("late", sh(SLEEP))
    late = await cluster.wait_phase("late", "Failed")
    assert (late.status.reason, late.status.message) == ("Evicted", "The node had condition: [MemoryPressure]. ")
    assert await cluster.is_ready("critical")

    await restarted(cluster)

    async def is_calm() -> bool:
        return await node_condition(cluster, "MemoryPressure") == "False"

    await until(is_calm, "the end of the shortage")
    for name in ("cheap", "dear", "critical", "late"):
        await cluster.delete(name)


async def test_a_machine_that_is_switched_off_lets_its_pods_end_the_important_last(cluster: Cluster) -> None:
    await restarted(cluster)
    slow = "trap 'sleep 1; date +%s%N > /dev/termination-log; exit 0' TERM; while true; do sleep 0.1; done"
    await cluster.run("plain", sh(slow), terminationGracePeriodSeconds=10)
    await cluster.run("last", sh(slow), terminationGracePeriodSeconds=10, priorityClassName="system-node-critical")
    await cluster.wait_ready("plain")
    await cluster.wait_ready("last")
    (agent,) = cluster.machine.processes[-1:]

    agent.send_signal(signal.SIGPWR)
    await until(lambda: unready_because(cluster), "the node that tells why it isn't ready")
    await cluster.run("late", sh(slow))
    late = await cluster.wait_phase("late", "Failed")
    cluster.machine.end(agent, signal.SIGPWR)

    plain, last = await cluster.pod("plain"), await cluster.pod("last")
    assert late.status.reason == "NodeShutdown"
    assert (plain.status.phase, plain.status.reason, last.status.reason) == ("Failed", "Terminated", "Terminated")
    ends = [pod.status.container_statuses[0].state.terminated for pod in (plain, last)]
    assert [end.exit_code for end in ends if end is not None] == [0, 0]
    assert int(ends[0].message if ends[0] else 0) < int(ends[1].message if ends[1] else 0)
    assert await event_of(cluster, NODE, "Shutdown") == "Shutdown manager detected shutdown event"

    cluster.machine.start_agent(**QUICK)
    for name in ("plain", "last", "late"):
        await cluster.delete(name)


async def unready_because(cluster: Cluster) -> bool:
    """Say whether the node tells that it is shutting down."""
    ready = condition((await cluster.client.get(Node, NODE)).status.conditions, "Ready")
    return ready is not None and "node is shutting down" in ready.message
