"""When applied objects are ready, and why they never will be."""

from typing import Any

from wherry.readiness import UNSCHEDULABLE_GRACE_S, verdict

Json = dict[str, Any]


def deployment(*, replicas: int = 1, updated: int = 0, total: int = 0, available: int = 0, **extra: Any) -> Json:
    status = {"observedGeneration": 1, "updatedReplicas": updated, "replicas": total, "availableReplicas": available}
    return {
        "kind": "Deployment",
        "metadata": {"name": "web", "generation": 1},
        "spec": {"replicas": replicas},
        "status": {**status, **extra},
    }


def pod(*, container: Json | None = None, conditions: list[Json] | None = None, phase: str = "Pending") -> Json:
    statuses = [{"name": "web", "ready": False, "state": {}, **container}] if container else []
    return {
        "kind": "Pod",
        "metadata": {"name": "web-0"},
        "status": {"phase": phase, "containerStatuses": statuses, "conditions": conditions or []},
    }


def test_a_deployment_is_ready_when_all_its_new_pods_are_available() -> None:
    assert verdict(deployment(replicas=2, updated=2, total=2, available=2), [], 0).is_ready


def test_a_deployment_that_nobody_has_seen_yet_is_not_ready() -> None:
    """A fresh Deployment has no status at all; zero of zero must not count as complete."""
    fresh = {"kind": "Deployment", "metadata": {"name": "web", "generation": 1}, "spec": {"replicas": 1}}

    assert not verdict(fresh, [], 0).is_ready


def test_an_image_that_cannot_be_had_is_told_at_once() -> None:
    waiting = {"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}

    found = verdict(deployment(), [pod(container=waiting)], 0)

    assert found.cause == "pod web-0: container web: ErrImagePull: no such image"
    assert found.crashed is None


def test_a_crash_names_the_container_whose_log_tells_more() -> None:
    ended = {
        "lastState": {"terminated": {"reason": "Error", "exitCode": 3}},
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    }

    found = verdict(deployment(), [pod(container=ended)], 0)

    assert found.cause == "pod web-0: container web: Error, exit code 3"
    assert found.crashed == ("web-0", "web")


def test_a_container_that_came_back_is_no_cause() -> None:
    """One that crashed while its database started, say, and is ready now."""
    recovered = {"ready": True, "lastState": {"terminated": {"reason": "Error", "exitCode": 1}}}

    assert verdict(deployment(), [pod(container=recovered)], 0).cause == ""


def test_no_room_is_a_cause_only_after_a_while() -> None:
    """A node that is just coming up makes room."""
    unscheduled = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available",
    }
    waiting = pod(conditions=[unscheduled])

    assert verdict(deployment(), [waiting], 0).cause == ""
    assert "fits on no node: 0/1 nodes" in verdict(deployment(), [waiting], UNSCHEDULABLE_GRACE_S + 1).cause


def test_a_pod_that_ended_well_is_ready() -> None:
    assert verdict(pod(phase="Succeeded"), [], 0).is_ready


def test_a_deployment_past_its_deadline_tells_what_it_waits_for() -> None:
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "timed out"}

    assert "exceeded its progress deadline" in verdict(deployment(conditions=[late]), [], 0).cause


def test_what_has_no_pods_is_ready_once_it_is_stored() -> None:
    assert verdict({"kind": "ConfigMap", "metadata": {"name": "page"}}, [], 0).is_ready
