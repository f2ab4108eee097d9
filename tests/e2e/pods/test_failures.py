"""What can't be leaves each pod with the reason that Kubernetes documents: manifests/failures.yaml."""

import pytest

from tests.e2e.pods.conftest import Place, end_of, last_end_of, phase, status_of, waiting

pytestmark = pytest.mark.root


def test_an_image_that_cannot_be_pulled_backs_off(place: Place) -> None:
    place.waits("image-missing", "ErrImagePull")
    told = place.waits("image-missing", "ImagePullBackOff")

    assert told["message"].startswith('Back-off pulling image "127.0.0.1:9/no/such:image"')
    place.event("image-missing", "Failed", "Failed to pull image")
    place.event("image-missing", "BackOff", "Back-off pulling image")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("image-never", "ErrImageNeverPull"),
        ("image-misnamed", "InvalidImageName"),
        ("runs-as-root", "CreateContainerConfigError"),
    ],
)
def test_a_container_that_cannot_be_made_waits_with_its_reason(place: Place, name: str, reason: str) -> None:
    assert place.waits(name, reason)["message"]
    place.event(name, "Failed")


def test_a_missing_config_map_is_waited_for(place: Place) -> None:
    assert place.waits("config-missing", "CreateContainerConfigError")["message"] == 'configmap "comes-later" not found'

    place.do("create", "configmap", "comes-later", "--from-literal=a=b")

    place.pods.when("config-missing", lambda pod: status_of(pod).get("ready"))


def test_a_missing_program_is_a_start_error(place: Place) -> None:
    once = place.ended("command-missing-once")
    place.waits("command-missing", "CrashLoopBackOff")
    again = place.pods.when("command-missing", last_end_of)

    assert (phase(once), end_of(once)["reason"], end_of(once)["exitCode"]) == ("Failed", "StartError", 128)
    assert waiting(once) == {}
    assert last_end_of(again)["reason"] == "StartError"
    told = place.event("command-missing", "Failed")["message"].lower()
    assert told.startswith("error: ")
    assert 'exec: "/no/such/program": ' in told
    assert "no such file or directory" in told


def test_a_container_over_its_memory_limit_is_killed(place: Place) -> None:
    pod = place.ended("out-of-memory")

    assert (phase(pod), end_of(pod)["reason"], end_of(pod)["exitCode"]) == ("Failed", "OOMKilled", 137)
