"""How pods begin, go on and end: manifests/lifecycle.yaml."""

import json

import pytest

from tests.e2e.pods.conftest import Place, condition, end_of, is_true, last_end_of, phase, status_of, waiting

pytestmark = pytest.mark.root


def test_sidecars_start_in_order_and_stop_in_reverse_after_the_others(place: Place) -> None:
    pod = place.ended("sidecars")

    assert phase(pod) == "Succeeded"
    assert end_of(pod)["message"].split() == ["first", "second"]
    pod = place.pods.when("sidecars", lambda pod: end_of(pod, "first") and end_of(pod, "second"))
    assert int(end_of(pod, "second")["message"]) < int(end_of(pod, "first")["message"])


def test_init_containers_run_one_after_the_other(place: Place) -> None:
    assert end_of(place.ended("init-order"))["message"].split() == ["one", "two"]


def test_a_failed_init_container_fails_a_pod_that_never_restarts(place: Place) -> None:
    pod = place.ended("init-fails")

    assert (phase(pod), end_of(pod, "bad")["exitCode"]) == ("Failed", 7)
    assert waiting(pod) == {"reason": "PodInitializing"}
    assert condition(pod, "Initialized")["message"] == "containers with incomplete status: [bad]"


def test_hooks_run_after_the_start_and_before_the_stop(place: Place) -> None:
    """The liveness probe fails, the hook before the stop mends what it asks for, and the next run goes on."""
    pod = place.pods.when("hooks", lambda pod: status_of(pod).get("restartCount") == 1 and status_of(pod)["ready"])

    assert place.do("logs", "hooks").split() == ["started", "stopped"]
    assert last_end_of(pod)["exitCode"] == 137
    place.event("hooks", "Unhealthy", "Liveness probe failed")
    place.event("hooks", "Killing", "Container main failed liveness probe, will be restarted")


def test_a_hook_that_fails_after_the_start_ends_the_container(place: Place) -> None:
    place.event("hook-fails", "FailedPostStartHook", "no such luck")
    place.pods.when("hook-fails", lambda pod: status_of(pod).get("restartCount", 0) >= 1)


def test_a_pod_past_its_deadline_fails(place: Place) -> None:
    pod = place.past_deadline("deadline")

    assert (phase(pod), pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert end_of(pod)["exitCode"] == 137


def test_a_hook_that_sleeps_holds_the_stop_back(place: Place) -> None:
    pod = place.past_deadline("sleeps-before-stop")
    killing = place.event("sleeps-before-stop", "Killing", "Stopping container main")

    assert end_of(pod)["exitCode"] == 0
    assert end_of(pod)["finishedAt"] > killing["firstTimestamp"]


def test_a_container_is_stopped_with_the_signal_that_it_asks_for(place: Place) -> None:
    pod = place.pods.when("signalled", lambda pod: status_of(pod).get("ready"))
    if "stopSignal" not in status_of(pod):
        told = place.event("signalled", "StopSignalIgnored")["message"]
        pytest.skip(f"{place.runtime}: {told}")

    assert end_of(place.past_deadline("signalled"))["message"] == "usr1\n"
    assert status_of(pod)["stopSignal"] == "SIGUSR1"


@pytest.mark.parametrize(("name", "first_code"), [("restart-rule", 42), ("on-failure", 1)])
def test_a_container_runs_again_where_its_policy_or_its_rules_say_so(place: Place, name: str, first_code: int) -> None:
    pod = place.ended(name)

    assert phase(pod) == "Succeeded"
    assert (status_of(pod)["restartCount"], last_end_of(pod)["exitCode"]) == (1, first_code)
    assert "Failed" not in [phase(state) for state in place.pods.of(name)]


def test_a_container_that_keeps_ending_backs_off(place: Place) -> None:
    told = place.waits("crashes", "CrashLoopBackOff")
    pod = place.pods.when("crashes", last_end_of)

    assert told["message"].startswith("back-off ")
    assert "restarting failed container=main pod=crashes_pods(" in told["message"]
    assert (last_end_of(pod)["exitCode"], last_end_of(pod)["message"]) == (3, "oh no\n")
    place.event("crashes", "BackOff", "Back-off restarting failed container main in pod crashes_pods(")


def test_a_readiness_gate_opens_the_pod(place: Place) -> None:
    pod = place.pods.when("gated", lambda pod: is_true(pod, "ContainersReady"))
    assert condition(pod, "Ready")["reason"] == "ReadinessGatesNotReady"

    opened = {"status": {"conditions": [{"type": "example.com/gate", "status": "True"}]}}
    place.do("patch", "pod", "gated", "--subresource=status", "-p", json.dumps(opened))

    place.pods.when("gated", lambda pod: is_true(pod, "Ready"))


def test_each_status_says_which_generation_it_is_about(place: Place) -> None:
    place.pods.when("gated", lambda pod: is_true(pod, "ContainersReady"))
    place.do("patch", "pod", "gated", "-p", '{"spec": {"activeDeadlineSeconds": 3600}}')

    pod = place.pods.when("gated", lambda pod: pod["status"].get("observedGeneration") == 2)

    assert pod["metadata"]["generation"] == 2
    assert condition(pod, "ContainersReady")["observedGeneration"] == 2


def test_all_containers_run_again_where_a_rule_of_one_says_so(place: Place) -> None:
    pod = place.pods.when("restarts-all", lambda pod: phase(pod) in ("Succeeded", "Failed"))

    assert phase(pod) == "Succeeded"
    assert end_of(pod)["message"].split() == ["first", "first"]
    assert [status_of(pod, name)["restartCount"] for name in ("first", "main", "other")] == [1, 1, 1]
    assert condition(pod, "AllContainersRestarting")["status"] == "False"


def test_a_container_learns_from_a_file_what_one_before_it_has_found_out(place: Place) -> None:
    pod = place.ended("env-file")

    assert end_of(pod)["message"].strip() == "found out found out none"
