"""What the plan of a pod decides, one situation per test."""

from dataclasses import replace
from typing import Any

import pytest

from kube.api.core_v1 import Pod
from nodeagent.cri.values import ContainerState, PodRecord
from nodeagent.pods.plan import Plan, plan
from nodeagent.pods.view import (
    SANDBOX,
    VOLUMES,
    Action,
    Backoff,
    BackoffLimits,
    Cancel,
    CleanUp,
    CreateSandbox,
    Failure,
    KillContainer,
    PrepareVolumes,
    ProbeKind,
    RemoveContainer,
    StartContainer,
    StopSandbox,
    View,
)
from tests.nodeagent.make import NOW, after, container, exited, found, pod, record, sandbox

LIMITS = BackoffLimits(10, 300)
DELETED = {"deletionTimestamp": "2026-01-02T03:04:05Z", "deletionGracePeriodSeconds": 7}
SIDECAR = container("side", restartPolicy="Always")


def planned(wanted: Pod, has: PodRecord = PodRecord(), **fields: Any) -> Plan:  # noqa: B008 - a frozen value.
    """Return the plan for a pod whose volumes are there."""
    return plan(View(wanted, has, **{"volumes_ready": True, "limits": LIMITS, **fields}), NOW)


def actions(wanted: Pod, has: PodRecord = PodRecord(), **fields: Any) -> list[Action]:  # noqa: B008 - a frozen value.
    """Return what the plan does now."""
    return list(planned(wanted, has, **fields).actions)


def test_volumes_come_before_the_sandbox() -> None:
    assert actions(pod(), volumes_ready=False) == [PrepareVolumes()]


def test_the_sandbox_comes_before_the_containers() -> None:
    assert actions(pod()) == [CreateSandbox(0)]


def test_nothing_begins_while_its_key_is_busy() -> None:
    assert actions(pod(), busy={SANDBOX: CreateSandbox(0)}) == []


def test_all_containers_start_together() -> None:
    wanted = pod("web", container("one"), container("two"))

    assert actions(wanted, found()) == [StartContainer("one", 0), StartContainer("two", 0)]


def test_a_running_pod_is_left_alone() -> None:
    assert planned(pod(), found(record())) == Plan()


def test_failed_volumes_wait_for_their_next_try() -> None:
    failed = {VOLUMES: Failure("FailedMount", "no such secret", after(3))}

    assert planned(pod(), volumes_ready=False, failures=failed) == Plan((), after(3))


def test_changed_volumes_are_brought_up_to_date_beside_a_running_container() -> None:
    assert actions(pod(), found(record()), volumes_stale=True) == [PrepareVolumes()]


def test_init_containers_start_one_after_the_other() -> None:
    wanted = pod(init=(container("first"), container("second")))

    assert actions(wanted, found()) == [StartContainer("first", 0)]
    assert actions(wanted, found(record("first"))) == []
    assert actions(wanted, found(exited("first"))) == [StartContainer("second", 0)]
    assert actions(wanted, found(exited("first"), exited("second"))) == [StartContainer("main", 0)]


def test_init_containers_do_not_run_again_beside_running_containers() -> None:
    """The runtime may have dropped the record of an init container: the pod is past it all the same."""
    assert actions(pod(init=(container("first"),)), found(record())) == []


def test_a_failed_init_container_runs_again_unless_the_policy_is_never() -> None:
    has = found(exited("first", 1))

    assert actions(pod(init=(container("first"),)), has)[0] == StartContainer("first", 1, Backoff(10, NOW))
    assert actions(pod(init=(container("first"),), restartPolicy="Never"), has) == [StopSandbox("sandbox-0")]


def test_a_sidecar_lets_the_next_start_once_it_has_started() -> None:
    probed = container("side", restartPolicy="Always", startupProbe={"tcpSocket": {"port": 80}})
    wanted = pod(init=(probed,))
    has = found(record("side"))

    assert actions(wanted, has) == []
    assert actions(wanted, has, probes={("side-0", ProbeKind.STARTUP): True}) == [StartContainer("main", 0)]


def test_a_sidecar_that_ends_is_started_again_beside_the_others() -> None:
    assert actions(pod(init=(SIDECAR,)), found(exited("side"), record())) == [
        StartContainer("side", 1, Backoff(10, NOW))
    ]


@pytest.mark.parametrize(
    ("policy", "exit_code", "runs_again"),
    [
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 0, False),
        ("Never", 1, False),
    ],
)
def test_the_restart_policy_decides_over_a_container_that_ended(policy: str, exit_code: int, runs_again: bool) -> None:
    did = actions(pod(restartPolicy=policy), found(exited(exit_code=exit_code)))

    assert did == ([StartContainer("main", 1, Backoff(10, NOW))] if runs_again else [StopSandbox("sandbox-0")])


def test_a_containers_own_rule_goes_over_the_policy_of_its_pod() -> None:
    rule = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}
    wanted = pod("web", container(restartPolicyRules=[rule]), restartPolicy="Never")

    assert actions(wanted, found(exited(exit_code=42))) == [StartContainer("main", 1, Backoff(10, NOW))]
    assert actions(wanted, found(exited(exit_code=41))) == [StopSandbox("sandbox-0")]


def test_the_second_restart_waits_and_doubles_the_next_delay() -> None:
    """The first restart is free; what ends again waits from its end, not from the look at it."""
    has = found(exited(exit_code=1, count=1, ended_at=after(-4)))
    entry = {"main": Backoff(10, after(-20))}

    assert planned(pod(), has, backoff=entry) == Plan((), after(6))
    assert plan(View(pod(), has, volumes_ready=True, backoff=entry), after(6)).actions == (
        StartContainer("main", 2, Backoff(20, after(6))),
    )


def test_the_delay_never_grows_over_its_limit() -> None:
    has = found(exited(exit_code=1, count=9, ended_at=after(-301)))

    assert actions(pod(), has, backoff={"main": Backoff(300, after(-400))}) == [
        StartContainer("main", 10, Backoff(300, NOW))
    ]


def test_a_long_good_run_forgets_the_past() -> None:
    has = found(exited(exit_code=1, count=9, ended_at=after(-301)))

    assert actions(pod(), has, backoff={"main": Backoff(300, after(-5000))}) == [
        StartContainer("main", 10, Backoff(10, NOW))
    ]


def test_a_container_that_was_created_but_not_started_is_started() -> None:
    """The agent was killed between the two. The runtime may still be about to start it: a removal would end a run."""
    created = record(state=ContainerState.CREATED, count=2)

    assert actions(pod(), found(created)) == [StartContainer("main", 2, made_id="main-2")]


def test_a_container_that_was_created_for_another_image_and_not_started_is_removed() -> None:
    created = replace(record(state=ContainerState.CREATED), spec_hash="other")

    assert actions(pod(), found(created)) == [RemoveContainer("main", "main-0")]


def test_a_container_that_was_created_and_cannot_be_started_is_made_anew_in_the_end() -> None:
    created = found(record(state=ContainerState.CREATED))
    early = {"main": Failure("RunContainerError", "it is starting", NOW, after(-4))}
    late = {"main": Failure("RunContainerError", "it was started before", NOW, after(-8))}

    assert actions(pod(), created, failures=early) == [StartContainer("main", 0, made_id="main-0")]
    assert actions(pod(), created, failures=late) == [RemoveContainer("main", "main-0")]


def test_a_failed_start_waits_for_its_next_try() -> None:
    failed = {"main": Failure("ErrImagePull", "no such image", after(9))}

    assert planned(pod(), found(), failures=failed) == Plan((), after(9))


@pytest.mark.parametrize(
    ("kind", "field"), [(ProbeKind.LIVENESS, "livenessProbe"), (ProbeKind.STARTUP, "startupProbe")]
)
def test_a_failed_probe_kills_the_container(kind: ProbeKind, field: str) -> None:
    probed: dict[str, Any] = {field: {"tcpSocket": {"port": 80}}}
    wanted = pod("web", container(**probed), terminationGracePeriodSeconds=5)
    why = f"Container main failed {kind.value} probe, will be restarted"

    assert actions(wanted, found(record()), probes={("main-0", kind): False}) == [
        KillContainer("main", "main-0", 5, why)
    ]


def test_a_probes_own_grace_period_goes_over_its_pods() -> None:
    probe = {"tcpSocket": {"port": 80}, "terminationGracePeriodSeconds": 1}
    (kill,) = actions(
        pod("web", container(livenessProbe=probe)), found(record()), probes={("main-0", ProbeKind.LIVENESS): False}
    )

    assert isinstance(kill, KillContainer)
    assert kill.grace_s == 1


def test_a_failed_readiness_probe_kills_nothing() -> None:
    wanted = pod("web", container(readinessProbe={"tcpSocket": {"port": 80}}))

    assert actions(wanted, found(record()), probes={("main-0", ProbeKind.READINESS): False}) == []


def test_a_changed_image_restarts_the_container() -> None:
    (kill,) = actions(pod("web", container(image="other")), found(record()))

    assert isinstance(kill, KillContainer)
    assert kill.why == "Container main definition changed, will be restarted"


def test_a_lost_sandbox_is_made_again_after_its_containers_ended() -> None:
    lost = (sandbox(is_ready=False),)

    (kill,) = actions(pod(), found(record(), sandboxes=lost))
    assert isinstance(kill, KillContainer)
    assert actions(pod(), found(exited(exit_code=137), sandboxes=lost)) == [StopSandbox("sandbox-0")]
    assert actions(pod(), found(exited(exit_code=137), sandboxes=lost), stopped=["sandbox-0"]) == [CreateSandbox(1)]


def test_a_container_that_did_its_work_does_not_run_again_in_a_new_sandbox() -> None:
    wanted = pod("web", container("job"), container("server"), restartPolicy="OnFailure")
    has = found(exited("job"), exited("server", 137), sandboxes=(sandbox(1), sandbox(0, is_ready=False)))

    assert actions(wanted, has) == [StartContainer("server", 1)]


def test_only_the_last_end_of_a_container_is_kept() -> None:
    has = found(record(count=3), exited(count=2), exited(count=1), exited(count=0))

    assert actions(pod(), has) == [RemoveContainer("main", "main-1"), RemoveContainer("main", "main-0")]


def test_a_deleted_pod_stops_in_order() -> None:
    wanted = pod(metadata=DELETED)
    stopping = KillContainer("main", "main-0", 7, "Stopping container main")

    assert actions(wanted, found(record())) == [stopping]
    assert actions(wanted, found(record()), busy={"main": stopping}) == []
    assert actions(wanted, found(exited())) == [StopSandbox("sandbox-0")]
    stopped = found(exited(), sandboxes=(sandbox(is_ready=False),))
    assert actions(wanted, stopped, stopped=["sandbox-0"]) == [CleanUp(is_deleted=True)]


def test_a_shorter_grace_period_replaces_the_one_under_way() -> None:
    """`kubectl delete --grace-period=1` must not wait for the thirty seconds that another asked for."""
    slow = KillContainer("main", "main-0", 30, "Stopping container main")

    (kill,) = actions(pod(metadata=DELETED), found(record()), busy={"main": slow})

    assert kill == KillContainer("main", "main-0", 7, "Stopping container main")


def test_sidecars_stop_after_the_others_the_last_first() -> None:
    wanted = pod(
        init=(container("a", restartPolicy="Always"), container("b", restartPolicy="Always")), metadata=DELETED
    )

    assert [
        a.name for a in actions(wanted, found(record("a"), record("b"), record())) if isinstance(a, KillContainer)
    ] == ["main"]
    (last,) = actions(wanted, found(record("a"), record("b"), exited()))
    assert isinstance(last, KillContainer)
    assert last.name == "b"


@pytest.mark.parametrize(("began_s", "rest_s"), [(0, 7), (3, 4), (60, 2)])
def test_a_sidecar_has_what_is_left_of_the_time_to_end(began_s: float, rest_s: int) -> None:
    wanted = pod(init=(container("a", restartPolicy="Always"),), metadata=DELETED)
    seen = found(record("a"), exited())

    (kill,) = actions(wanted, seen, ending_since=after(-began_s))

    assert kill == KillContainer("a", "a-0", rest_s, "Stopping container a")
    assert actions(wanted, seen, ending_since=after(-began_s - 1), busy={"a": kill}) == [], "time alone hurries nobody"


def test_a_start_under_way_is_given_up_when_the_pod_ends() -> None:
    wanted = pod(metadata=DELETED)

    assert actions(wanted, found(), busy={"main": StartContainer("main", 0)}) == [Cancel("main")]


def test_a_pod_past_its_deadline_ends() -> None:
    wanted = pod(activeDeadlineSeconds=60, status={"startTime": "2026-01-02T03:03:00Z"})

    (kill,) = actions(wanted, found(record()))

    assert isinstance(kill, KillContainer)


def test_a_pod_is_looked_at_again_when_its_deadline_comes() -> None:
    wanted = pod(activeDeadlineSeconds=60, status={"startTime": "2026-01-02T03:04:00Z"})

    assert planned(wanted, found(record())) == Plan((), after(55))


def test_a_rejected_pod_starts_nothing() -> None:
    refused = Failure("OutOfcpu", "Pod was rejected", NOW)

    assert actions(pod(), rejection=refused) == [CleanUp(is_deleted=False)]
    assert actions(pod(), rejection=refused, is_clean=True) == []


def test_a_pod_that_the_api_calls_failed_never_starts_again() -> None:
    assert actions(pod(status={"phase": "Failed"}), is_clean=True) == []


def test_a_finished_pod_keeps_its_containers_but_not_its_sandbox() -> None:
    wanted = pod(restartPolicy="Never")
    has = found(exited(), sandboxes=(sandbox(is_ready=False),))

    assert actions(wanted, has, stopped=["sandbox-0"]) == [CleanUp(is_deleted=False)]
    assert actions(wanted, has, stopped=["sandbox-0"], is_clean=True) == []


def test_a_sandbox_that_is_not_ready_is_stopped_unless_it_was_seen_to_be() -> None:
    """Where a stop was cut off, as when the node agent was killed, the sandbox may still hold its network."""
    has = found(exited(), sandboxes=(sandbox(1, is_ready=False), sandbox(0, is_ready=False)))

    assert actions(pod(restartPolicy="Never"), has, stopped=["sandbox-1"]) == [StopSandbox("sandbox-0")]


def test_restarts_are_counted_on_from_the_status_when_the_runtime_has_forgotten() -> None:
    state = {"running": {"startedAt": "2026-01-02T03:04:05Z"}}
    told = [{"name": "main", "restartCount": 4, "image": "", "imageID": "", "ready": True, "state": state}]

    assert actions(pod(status={"containerStatuses": told}), found()) == [StartContainer("main", 5)]
