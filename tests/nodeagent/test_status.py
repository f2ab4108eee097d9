"""How a pod's state is told, one situation per test."""

from dataclasses import replace
from typing import Any

import pytest

from kube.api.core_v1 import Pod, PodCondition, PodStatus
from kube.objects import condition
from nodeagent.cri.values import ContainerState, ContainerUser, PodRecord
from nodeagent.pods.status import NodeFacts, pod_status
from nodeagent.pods.status_writer import status_patch
from nodeagent.pods.view import Backoff, Failure, ProbeKind, StartContainer, View
from tests.nodeagent.make import NOW, after, container, exited, found, pod, record, sandbox

NODE = NodeFacts(("192.0.2.1",), "wherry")
PROBED = container(readinessProbe={"tcpSocket": {"port": 80}})
GRACE_OVER = {"deletionTimestamp": "2026-01-02T03:04:05Z", "deletionGracePeriodSeconds": 0}


def told(wanted: Pod, has: PodRecord = PodRecord(), before: PodStatus | None = None, **fields: Any) -> PodStatus:  # noqa: B008
    """Return the status of a pod."""
    return pod_status(View(wanted, has, volumes_ready=True, **fields), before or wanted.status, NODE, NOW)


def state(status: PodStatus, kind: str) -> str:
    """Return the status of a condition."""
    one = condition(status.conditions, kind)
    return one.status if one is not None else ""


def waiting(status: PodStatus, index: int = 0) -> str:
    """Return why a container waits."""
    held = status.container_statuses[index].state.waiting
    return held.reason if held is not None else ""


def test_a_pod_without_a_sandbox_is_pending_and_its_container_being_created() -> None:
    status = told(pod())

    assert (status.phase, waiting(status)) == ("Pending", "ContainerCreating")
    assert (status.pod_ip, status.host_ip, status.start_time) == ("", "192.0.2.1", "2026-01-02T03:04:05Z")
    assert state(status, "PodReadyToStartContainers") == "False"


def test_a_running_container_makes_the_pod_running_and_ready() -> None:
    status = told(pod(), found(record()))

    assert (status.phase, status.pod_ip) == ("Running", "10.0.0.7")
    assert [state(status, kind) for kind in ("Initialized", "ContainersReady", "Ready")] == ["True"] * 3
    assert status.container_statuses[0].container_id == "wherry://main-0"
    assert (status.container_statuses[0].ready, status.container_statuses[0].started) == (True, True)


def test_a_container_says_who_runs_in_it_and_how_its_volumes_are_mounted() -> None:
    mounts = [
        {"name": "v", "mountPath": "/written"},
        {"name": "v", "mountPath": "/read", "readOnly": True},
        {"name": "v", "mountPath": "/locked", "readOnly": True, "recursiveReadOnly": "IfPossible"},
    ]
    has = replace(record(), user=ContainerUser(1000, 1001, (1001, 5)), locked_paths=frozenset({"/locked"}))

    (status,) = told(pod("web", container(volumeMounts=mounts)), found(has)).container_statuses

    assert status.user is not None
    assert status.user.linux is not None
    assert (status.user.linux.uid, status.user.linux.gid, status.user.linux.supplemental_groups) == (
        1000,
        1001,
        (1001, 5),
    )
    assert [(mount.mount_path, mount.read_only, mount.recursive_read_only) for mount in status.volume_mounts] == [
        ("/written", False, None),
        ("/read", True, "Disabled"),
        ("/locked", True, "Enabled"),
    ]


def test_a_container_is_not_ready_until_its_readiness_probe_says_so() -> None:
    wanted, has = pod("web", PROBED), found(record())

    assert state(told(wanted, has), "Ready") == "False"
    assert state(told(wanted, has, probes={("main-0", ProbeKind.READINESS): True}), "Ready") == "True"


def test_an_unready_pod_names_the_containers_that_are_not_ready() -> None:
    one = condition(told(pod("web", PROBED), found(record())).conditions, "Ready")

    assert one is not None
    assert (one.reason, one.message) == ("ContainersNotReady", "containers with unready status: [main]")


def test_a_container_has_not_started_before_its_startup_probe() -> None:
    status = told(pod("web", container(startupProbe={"tcpSocket": {"port": 80}})), found(record()))

    assert status.container_statuses[0].started is False
    assert status.container_statuses[0].ready is False


def test_a_container_waits_until_its_post_start_hook_is_over() -> None:
    wanted = pod("web", container(lifecycle={"postStart": {"exec": {"command": ["true"]}}}))

    assert waiting(told(wanted, found(record()), busy={"main": StartContainer("main", 0)})) == "ContainerCreating"
    assert told(wanted, found(record())).container_statuses[0].state.running is not None


def test_containers_wait_for_the_init_containers() -> None:
    status = told(pod(init=(container("first"),)), found(record("first")))

    assert (status.phase, waiting(status)) == ("Pending", "PodInitializing")
    one = condition(status.conditions, "Initialized")
    assert one is not None
    assert one.message == "containers with incomplete status: [first]"


def test_an_init_container_that_succeeded_is_ready() -> None:
    status = told(pod(init=(container("first"),)), found(exited("first"), record()))

    assert status.init_container_statuses[0].ready is True
    assert status.phase == "Running"


@pytest.mark.parametrize(
    ("policy", "codes", "phase"),
    [
        ("Never", (0, 0), "Succeeded"),
        ("Never", (0, 1), "Failed"),
        ("OnFailure", (0, 0), "Succeeded"),
        ("OnFailure", (0, 1), "Running"),
        ("Always", (0, 0), "Running"),
    ],
)
def test_the_phase_adds_up_from_the_ends_of_the_containers(policy: str, codes: tuple[int, int], phase: str) -> None:
    wanted = pod("web", container("a"), container("b"), restartPolicy=policy)

    assert told(wanted, found(exited("a", codes[0]), exited("b", codes[1]))).phase == phase


def test_a_containers_own_policy_and_rules_decide_over_the_phase() -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    ruled = pod("web", container(restartPolicy="Never", restartPolicyRules=[rule]))
    once = pod("web", container("a", restartPolicy="Never"), container("b", restartPolicy="OnFailure"))

    assert told(ruled, found(exited(exit_code=42))).phase == "Running"
    assert told(ruled, found(exited(exit_code=1))).phase == "Failed"
    assert told(once, found(exited("a"), exited("b"))).phase == "Succeeded"


def test_a_failed_init_container_fails_a_pod_that_never_restarts() -> None:
    wanted = pod(init=(container("first"),), restartPolicy="Never")

    assert told(wanted, found(exited("first", 1))).phase == "Failed"


def test_the_phase_never_goes_back_from_failed() -> None:
    before = PodStatus(phase="Failed", reason="DeadlineExceeded")

    status = told(pod(), found(record()), before)

    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")


def test_a_crash_that_waits_is_called_crash_loop_back_off() -> None:
    has = found(exited(exit_code=3, count=2, ended_at=after(-1)))

    status = told(pod(), has, backoff={"main": Backoff(20, after(-60))})

    assert waiting(status) == "CrashLoopBackOff"
    held = status.container_statuses[0]
    assert held.state.waiting is not None
    assert held.state.waiting.message == "back-off 20s restarting failed container=main pod=web_default(uid-web)"
    assert held.last_state.terminated is not None
    assert (held.last_state.terminated.exit_code, held.restart_count) == (3, 2)


def test_a_pull_that_failed_is_told_with_its_reason() -> None:
    status = told(pod(), found(), failures={"main": Failure("ErrImagePull", "no such image", NOW)})

    assert waiting(status) == "ErrImagePull"


def test_a_start_that_failed_for_good_is_told_as_an_end() -> None:
    """No program of that name, and the policy says Never: the pod has failed and waits for nothing."""
    failed = {"main": Failure("RunContainerError", "exec: no such program", after(1))}
    has = found(exited(exit_code=128, reason="StartError"))

    once, again = told(pod(restartPolicy="Never"), has, failures=failed), told(pod(), has, failures=failed)

    ended = once.container_statuses[0].state.terminated
    assert ended is not None
    assert (once.phase, ended.reason) == ("Failed", "StartError")
    assert (again.phase, waiting(again)) == ("Running", "RunContainerError")


def test_a_container_killed_for_memory_says_so() -> None:
    status = told(pod(restartPolicy="Never"), found(exited(exit_code=137, reason="OOMKilled")))

    ended = status.container_statuses[0].state.terminated
    assert ended is not None
    assert (ended.reason, ended.exit_code) == ("OOMKilled", 137)


def test_the_end_before_this_run_is_the_last_state() -> None:
    status = told(pod(), found(record(count=1), exited(exit_code=9)))

    last = status.container_statuses[0].last_state.terminated
    assert last is not None
    assert last.exit_code == 9


def test_a_container_that_vanished_from_the_runtime_counts_as_ended() -> None:
    running = told(pod(), found(record()))

    status = told(pod(), PodRecord(), running)

    last = status.container_statuses[0].last_state.terminated
    assert last is not None
    assert last.reason == "ContainerStatusUnknown"


def test_a_rejected_pod_fails_with_the_nodes_reason() -> None:
    status = told(pod(), rejection=Failure("OutOfcpu", "Pod was rejected: no cpu", NOW))

    assert (status.phase, status.reason, status.message) == ("Failed", "OutOfcpu", "Pod was rejected: no cpu")


def test_a_pod_past_its_deadline_fails_when_nothing_of_it_runs_any_more() -> None:
    wanted = pod(activeDeadlineSeconds=5, status={"startTime": "2026-01-02T03:03:00Z"})

    assert told(wanted, found(record())).phase == "Running"
    for code in (0, 143):
        over = told(wanted, found(exited(exit_code=code)))
        assert (over.phase, over.reason) == ("Failed", "DeadlineExceeded")


def test_a_deleted_pod_ends_succeeded_only_if_all_its_containers_did() -> None:
    gone = (sandbox(is_ready=False),)

    assert told(pod(metadata=GRACE_OVER), found(exited(), sandboxes=gone)).phase == "Succeeded"
    assert told(pod(metadata=GRACE_OVER), found(exited(exit_code=143), sandboxes=gone)).phase == "Failed"


def test_a_condition_changes_its_time_only_with_its_status() -> None:
    old = PodCondition(type="Ready", status="True", last_transition_time="2025-01-01T00:00:00Z")
    before = PodStatus(conditions=(old, PodCondition(type="PodScheduled", status="True")))

    status = told(pod(), found(record()), before)

    ready, initialized = (condition(status.conditions, kind) for kind in ("Ready", "Initialized"))
    assert ready is not None
    assert initialized is not None
    assert ready.last_transition_time == "2025-01-01T00:00:00Z"
    assert initialized.last_transition_time == "2026-01-02T03:04:05Z"


def test_a_readiness_gate_keeps_the_pod_unready() -> None:
    wanted = pod(readinessGates=[{"conditionType": "example.com/gate"}])
    opened = PodStatus(conditions=(PodCondition(type="example.com/gate", status="True"),))

    assert state(told(wanted, found(record())), "Ready") == "False"
    assert state(told(wanted, found(record()), opened), "Ready") == "True"


def test_the_termination_message_is_told() -> None:
    status = told(pod(restartPolicy="Never"), found(exited()), messages={"main-0": "all done"})

    ended = status.container_statuses[0].state.terminated
    assert ended is not None
    assert ended.message == "all done"


def test_a_pod_on_the_hosts_network_has_the_hosts_address() -> None:
    assert told(pod(hostNetwork=True), found(record())).pod_ip == "192.0.2.1"


def test_an_unready_sandbox_has_no_new_address() -> None:
    status = told(pod(), found(sandboxes=(sandbox(is_ready=False),)))

    assert (status.pod_ip, state(status, "PodReadyToStartContainers")) == ("", "False")


def test_the_patch_holds_only_what_changed() -> None:
    before = told(pod())
    after_it = told(pod(), found(record()), before)

    patch = status_patch(before, after_it)

    assert set(patch) == {"phase", "podIP", "podIPs", "containerStatuses", "conditions"}
    assert status_patch(after_it, told(pod(), found(record()), after_it)) == {}


def test_the_patch_leaves_the_conditions_of_others_alone() -> None:
    before = PodStatus(conditions=(PodCondition(type="PodScheduled", status="True"),))

    patch = status_patch(before, told(pod(), found(record()), before))

    assert "PodScheduled" not in {one["type"] for one in patch["conditions"]}


def test_an_address_that_changes_replaces_the_old_one() -> None:
    """podIPs is merged by address: without the directive a new sandbox would leave two addresses."""
    before = told(pod(), found(record()))
    moved = PodRecord((replace(sandbox(1), ips=("10.0.0.8",)),), ())

    patch = status_patch(before, told(pod(), moved, before))

    assert patch["podIPs"] == [{"ip": "10.0.0.8"}, {"$patch": "replace"}]


def test_created_containers_wait() -> None:
    assert waiting(told(pod(), found(record(state=ContainerState.CREATED)))) == "ContainerCreating"
