"""Containers that are added to a running pod for debugging: they run once and change nothing else."""

from typing import Any

from kube.api.core_v1 import Pod
from nodeagent.cri.values import ContainerState, PodRecord
from nodeagent.pods.containers import all_containers, field_path, target_of
from nodeagent.pods.plan import plan
from nodeagent.pods.status import pod_status
from nodeagent.pods.view import Action, KillContainer, StartContainer, StopSandbox, View
from tests.nodeagent.make import NOW, container, exited, found, pod, record
from tests.nodeagent.test_plan import DELETED
from tests.nodeagent.test_status import NODE

DEBUGGER = container("debug", targetContainerName="main")


def actions(wanted: Pod, has: PodRecord, **fields: Any) -> list[Action]:
    """Return what the plan of a pod whose volumes are there does now."""
    return list(plan(View(wanted, has, volumes_ready=True, **fields), NOW).actions)


def debugged(**fields: Any) -> Pod:
    """Return a pod with an ephemeral container."""
    return pod(ephemeralContainers=[DEBUGGER], **fields)


def test_an_added_container_starts_beside_the_others() -> None:
    assert actions(debugged(), found(record())) == [StartContainer("debug", 0)]


def test_an_added_container_starts_though_the_pod_is_not_initialized() -> None:
    """That an init container hangs is a reason to look into the pod."""
    wanted = debugged(init=(container("first"),))

    assert actions(wanted, found(record("first"))) == [StartContainer("debug", 0)]


def test_an_added_container_runs_once_whatever_becomes_of_it() -> None:
    told = [{"name": "debug", "state": {"terminated": {"exitCode": 1}}}]

    assert actions(debugged(), found(record(), exited("debug", 1))) == []
    assert actions(debugged(status={"ephemeralContainerStatuses": told}), found(record())) == []


def test_an_added_container_that_was_created_but_not_started_is_started() -> None:
    created = record("debug", ContainerState.CREATED)

    assert actions(debugged(), found(record(), created)) == [StartContainer("debug", 0, made_id="debug-0")]


def test_an_added_container_ends_with_its_pod_and_holds_it_not() -> None:
    has = found(record(), record("debug"))

    kills = [a.name for a in actions(debugged(metadata=DELETED), has) if isinstance(a, KillContainer)]
    done = actions(debugged(restartPolicy="Never"), found(exited(), record("debug")))
    gone = actions(debugged(restartPolicy="Never"), found(exited(), exited("debug")))

    assert sorted(kills) == ["debug", "main"]
    assert done == [KillContainer("debug", "debug-0", 30, "Stopping container debug")]
    assert gone == [StopSandbox("sandbox-0")]


def test_an_added_container_is_told_of_apart_and_makes_no_pod_unready() -> None:
    wanted = debugged()

    status = pod_status(View(wanted, found(record(), exited("debug", 1)), volumes_ready=True), wanted.status, NODE, NOW)

    (told,) = status.ephemeral_container_statuses
    assert (told.name, told.state.terminated is not None) == ("debug", True)
    assert [c.status for c in status.conditions if c.type == "Ready"] == ["True"]
    assert status.phase == "Running"


def test_all_containers_of_a_pod_are_found_with_their_place() -> None:
    wanted = debugged(init=(container("first"),))

    assert [one.name for one in all_containers(wanted)] == ["first", "main", "debug"]
    assert [field_path(wanted, name) for name in ("first", "main", "debug")] == [
        "spec.initContainers{first}",
        "spec.containers{main}",
        "spec.ephemeralContainers{debug}",
    ]
    assert (target_of(wanted, "debug"), target_of(wanted, "main")) == ("main", "")
