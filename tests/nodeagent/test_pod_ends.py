"""How pods end: in which order, with how much time, and what stays of them."""

from kube.api.core_v1 import Pod
from nodeagent.pods.status_teller import StatusTeller
from nodeagent.pods.view import StartContainer, View
from tests.nodeagent.make import NOW, container, exited, found, pod, sandbox
from tests.nodeagent.one_node import Node, until

HOOK = {"exec": {"command": ["hook"]}}


async def test_a_pod_that_never_restarts_ends(node: Node) -> None:
    node.api.put(pod("web", container(command=["exit", "0"]), restartPolicy="Never"))

    await until(lambda: node.pod().status.phase == "Succeeded")
    await until(lambda: "stop sandbox-1" in node.runtime.calls)

    assert len(node.runtime.named("main")) == 1, "its container is kept for its log"


async def test_a_deleted_pod_leaves_nothing_behind(node: Node) -> None:
    node.api.put(pod(volumes=[{"name": "v", "emptyDir": {}}]))
    await until(node.is_ready)

    await node.api.delete(Pod, "web", namespace="default", grace_s=4)
    await until(node.is_gone)
    await until(lambda: not node.runtime.sandboxes)

    assert node.runtime.graces == [4]
    await until(lambda: not (node.room.dirs.state / "pods" / "uid-web").exists())
    await until(lambda: not list(node.roster.workers()))


async def test_the_hook_before_the_stop_runs_first(node: Node) -> None:
    node.api.put(pod("web", container(lifecycle={"preStop": HOOK})))
    await until(node.is_ready)

    await node.api.delete(Pod, "web", namespace="default", grace_s=4)
    await until(node.is_gone)

    assert node.runtime.calls.index("exec hook") < node.runtime.calls.index("kill main")


async def test_a_failed_hook_after_the_start_restarts_the_container(node: Node) -> None:
    node.runtime.commands[("hook",)] = 1
    node.api.put(pod("web", container(lifecycle={"postStart": HOOK})))

    await until(lambda: "start main 1" in node.runtime.calls)

    await until(lambda: "FailedPostStartHook" in node.reasons())


async def test_a_second_deletion_shortens_the_grace_period(node: Node) -> None:
    node.api.put(pod("web", container(command=["stubborn"]), terminationGracePeriodSeconds=60))
    await until(node.is_ready)
    await node.api.delete(Pod, "web", namespace="default", grace_s=60)
    await until(lambda: node.runtime.graces == [60])

    await node.api.delete(Pod, "web", namespace="default", grace_s=1)

    await until(lambda: node.runtime.graces == [60, 1])


async def test_a_deletion_by_force_leaves_only_a_moment(node: Node) -> None:
    node.api.put(pod("web", container(command=["stubborn"]), terminationGracePeriodSeconds=60))
    await until(node.is_ready)

    await node.api.delete(Pod, "web", namespace="default", grace_s=0)

    await until(lambda: node.runtime.graces == [2])


async def test_a_pull_under_way_does_not_keep_a_deleted_pod(node: Node) -> None:
    node.runtime.slow_pull.clear()
    node.api.put(pod("web", container(image="big:1")))
    await until(lambda: "pull big:1" in node.runtime.calls)

    await node.api.delete(Pod, "web", namespace="default", grace_s=30)
    await until(node.is_gone)

    node.runtime.slow_pull.set()


async def test_a_pod_whose_object_vanished_is_stopped_all_the_same(node: Node) -> None:
    """Somebody deleted it by force: there is nothing to write to any more."""
    node.api.put(pod(terminationGracePeriodSeconds=1))
    await until(node.is_ready)

    node.api.drop(Pod, "web", "default")

    await until(lambda: not node.runtime.sandboxes)


async def test_a_pod_that_ends_before_it_was_told_of_keeps_its_address(node: Node) -> None:
    """Its sandbox is stopped by then, and has none any more."""
    wanted = pod("brief", restartPolicy="Never", nodeName="n2")
    node.api.put(wanted)
    teller = StatusTeller(node.room, wanted, lambda: None)
    starting = View(wanted, found(), volumes_ready=True, busy={"main": StartContainer("main", 0)})
    over = View(wanted, found(exited(), sandboxes=(sandbox(is_ready=False),)), volumes_ready=True)

    held_until = teller.tell(starting, NOW)
    teller.tell(over, NOW)
    await until(lambda: node.pod("brief").status.phase == "Succeeded")

    assert held_until is not None
    assert node.pod("brief").status.pod_ip == "10.0.0.7"


async def test_sidecars_get_what_the_others_have_left_of_the_time_to_end(node: Node) -> None:
    slow = container(lifecycle={"preStop": {"sleep": {"seconds": 1}}})
    beside = container("beside", restartPolicy="Always")
    node.api.put(pod("web", slow, init=(beside,), terminationGracePeriodSeconds=4))
    await until(node.is_ready)

    await node.api.delete(Pod, "web", namespace="default", grace_s=4)
    await until(node.is_gone)

    assert node.runtime.graces == [3, 3]
