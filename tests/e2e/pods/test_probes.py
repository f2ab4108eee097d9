"""What probes do to their containers: manifests/probes.yaml."""

import pytest

from tests.e2e.pods.conftest import Place, condition, end_of, phase, status_of

pytestmark = pytest.mark.root


def test_probes_of_all_kinds_find_a_good_container_ready_and_a_bad_one_not(place: Place) -> None:
    pod = place.pods.when("probed", lambda pod: status_of(pod, "web").get("ready"))

    assert status_of(pod, "web")["started"] is True
    assert status_of(pod, "wrong-header")["ready"] is False
    assert condition(pod, "Ready")["message"] == "containers with unready status: [wrong-header]"
    place.event("probed", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 500")


def test_a_container_that_never_starts_is_killed(place: Place) -> None:
    pod = place.ended("never-starts")

    assert (phase(pod), end_of(pod)["exitCode"]) == ("Failed", 137)
    place.event("never-starts", "Killing", "Container main failed startup probe")


def test_a_slow_probe_delays_no_other(place: Place) -> None:
    """The liveness probe takes thirty seconds; readiness is told long before."""
    pod = place.pods.when("slow-probe", lambda pod: status_of(pod).get("ready"))

    assert status_of(pod)["restartCount"] == 0
