"""Pods with users of their own: manifests/users.yaml."""

import pytest

from tests.e2e.pods.conftest import Place, end_of, phase, status_of

pytestmark = pytest.mark.root


@pytest.fixture(autouse=True)
def _able(place: Place) -> None:
    """Go on where the runtime can give pods users of their own; where it can't, that is told."""
    if place.runtime.startswith("containerd://1."):
        told = place.event("own-users", "FailedCreatePodSandBox")["message"]
        assert "hostUsers" in told
        pytest.skip(f"{place.runtime}: {told}")


def test_each_pod_has_a_range_of_ids_to_itself(place: Place) -> None:
    pod = place.ended("own-users")
    place.pods.when("own-users-too", lambda pod: status_of(pod).get("ready"))

    root, first, length = end_of(pod, "root")["message"].split()
    root_too, first_too, length_too = place.do("exec", "own-users-too", "--", "cat", "/proc/self/uid_map").split()

    assert (root, length, root_too, length_too) == ("0", "65536", "0", "65536")
    assert abs(int(first) - int(first_too)) >= 65536
    assert min(int(first), int(first_too)) >= 65536


def test_volumes_are_their_users_own(place: Place) -> None:
    pod = place.ended("own-users")

    assert phase(pod) == "Succeeded"
    assert end_of(pod)["message"].splitlines() == [
        "0 2000 /shared/of-root",
        "1000 2000 /shared/of-user",
        "1000 2000 /memory/d/of-user",
        "toldpods",
    ]
