"""One container's end starts all of its pod's anew: in what order, what stays, what is told."""

from typing import Any

from kube.api.core_v1 import Pod, PodStatus
from kube.objects import condition
from nodeagent.cri.values import PodRecord
from nodeagent.pods.restart_all import CONDITION
from nodeagent.pods.status import NodeFacts, pod_status
from nodeagent.pods.view import Action, Backoff, Cancel, KillContainer, RemoveContainer, StartContainer, View
from proto import cri_v1
from tests.nodeagent.make import NOW, after, container, exited, found, pod, record
from tests.nodeagent.one_node import Node, until
from tests.nodeagent.test_plan import LIMITS, actions, planned

RULES = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]


def asks(name: str = "asks", **fields: Any) -> dict[str, Any]:
    """Return a container whose end with 42 starts all anew."""
    return container(name, restartPolicy="Never", restartPolicyRules=RULES, **fields)


def web(**fields: Any) -> Pod:
    """Return a pod with an init container, a sidecar, a container that asks and one that doesn't."""
    init = (container("first"), container("side", restartPolicy="Always"))
    return pod("web", asks(), container(), init=init, restartPolicy="Never", **fields)


ENDED = exited("asks", 42)


def names(kind: type[Action], decided: list[Action]) -> list[str]:
    """Return the containers that a decision does something of a kind with."""
    return [one.name for one in decided if isinstance(one, kind) and not isinstance(one, Cancel)]  # type: ignore[union-attr]


def test_what_runs_is_ended_at_once_and_what_begins_is_cancelled() -> None:
    has = found(exited("first"), record("side"), ENDED)

    decided = actions(web(), has, busy={"main": StartContainer("main", 0)})

    assert decided == [
        Cancel("main"),
        KillContainer("side", "side-0", 0, "Container side will be restarted with all others"),
    ]


def test_what_has_ended_is_removed_and_who_asked_comes_last() -> None:
    others = (exited("first"), exited("side", 137), exited("main", 137))

    assert sorted(names(RemoveContainer, actions(web(), found(*others, ENDED)))) == ["first", "main", "side"]
    assert actions(web(), found(ENDED)) == [RemoveContainer("asks", "asks-0", Backoff(10, NOW))]


def test_then_the_pod_starts_as_from_the_beginning_and_goes_on_counting() -> None:
    counts = {"first": 0, "side": 2, "asks": 0, "main": 0}

    assert actions(web(), found(), counts=counts) == [StartContainer("first", 1)]
    assert StartContainer("side", 3) in actions(web(), found(exited("first", count=1)), counts=counts)


def test_the_first_new_start_is_free_and_the_next_waits() -> None:
    has = found(exited("first"), record("side"), record("main"), ENDED)
    backoff = {"asks": Backoff(10, after(-5))}

    waiting = planned(web(), has, backoff=backoff)

    assert (waiting.actions, waiting.wake_at) == ((), after(10))


def test_another_end_than_the_one_in_the_rule_starts_nothing() -> None:
    has = found(exited("first"), record("side"), record("main"), exited("asks", 1))

    assert actions(web(), has) == []


def told(has: PodRecord, before: PodStatus | None = None) -> PodStatus:
    """Return the status of the pod."""
    view = View(web(), has, volumes_ready=True, limits=LIMITS)
    return pod_status(view, before or PodStatus(phase="Running"), NodeFacts(("192.0.2.1",), "wherry"), NOW)


def test_the_pod_goes_on_running_and_tells_of_it() -> None:
    ended = told(found(exited("first", 137), exited("side", 137), exited("main", 137), ENDED))
    removed = told(found(ENDED), ended)
    again = told(found(), removed)

    conditions = [condition(status.conditions, CONDITION) for status in (ended, removed, again)]
    assert [status.phase for status in (ended, removed, again)] == ["Running"] * 3
    assert [c.status for c in conditions if c is not None] == ["True", "True", "False"]
    waiting = removed.container_statuses[1].state.waiting
    assert waiting is not None
    assert waiting.reason == "RestartingAllContainers"
    assert removed.container_statuses[1].last_state.terminated is not None


async def end(node: Node, name: str, exit_code: int, count: int = 0) -> None:
    """Let a container end, once it runs for that time."""

    def running() -> list[str]:
        known = node.runtime.named(name)
        return [c.id for c in known if c.state == cri_v1.CONTAINER_RUNNING and c.metadata.attempt == count]

    await until(lambda: bool(running()))
    node.runtime.end(running()[0], exit_code)


async def test_all_containers_run_again_in_the_same_sandbox(node: Node) -> None:
    node.api.put(web())
    await end(node, "first", 0)
    await until(node.is_ready)

    await end(node, "asks", 42)
    await end(node, "first", 0, count=1)
    await until(lambda: node.is_ready() and all(s.restart_count == 1 for s in node.pod().status.container_statuses))

    assert len(node.runtime.sandboxes) == 1
    assert {s.name: s.restart_count for s in node.pod().status.init_container_statuses} == {"first": 1, "side": 1}
    held = condition(node.pod().status.conditions, CONDITION)
    assert held is not None
    assert held.status == "False"
