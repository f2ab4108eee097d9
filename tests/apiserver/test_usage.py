"""What is made of two things that a node told: rates over the time between, and nothing where that would be a guess."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apiserver.usage import Summary, node_metrics, pod_metrics
from kube.api.core_v1 import Node, Pod
from kube.codec import decode, encode, from_plain, to_plain
from kube.objects import ObjectKey

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NODE = from_plain({"metadata": {"name": "here", "labels": {"zone": "a"}}}, Node)
POD = from_plain({"metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}}}, Pod)


def at(seconds: float) -> str:
    """Return a moment after NOW, with its fraction."""
    return f"{NOW + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S.%f}Z"


def used(seconds: float, cpu_s: float, memory: int = 0) -> dict[str, Any]:
    """Return CPU time and memory as a Summary has them."""
    cpu = {"time": at(seconds), "usageCoreNanoSeconds": int(cpu_s * 1e9)}
    return {"cpu": cpu, "memory": {"workingSetBytes": memory}}


def container(name: str, seconds: float, cpu_s: float, started: float = -60) -> dict[str, Any]:
    """Return a container as a Summary has it."""
    return {"name": name, "startTime": at(started), **used(seconds, cpu_s, 3 << 20)}


def summary(seconds: float, cpu_s: float, *containers: dict[str, Any]) -> Summary:
    """Return what a node tells at a moment."""
    pods = [{"podRef": {"name": "web", "namespace": "default", "uid": "1"}, "containers": containers}]
    plain = {"node": used(seconds, cpu_s, 1 << 30), "pods": pods if containers else []}
    return decode(encode(plain), Summary)


def test_a_node_s_cpu_is_the_mean_of_the_window_and_its_memory_that_of_the_end() -> None:
    found = node_metrics(NODE, summary(0, 10), summary(10, 15))

    assert to_plain(found) == {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "NodeMetrics",
        "metadata": {"name": "here", "labels": {"zone": "a"}, "creationTimestamp": "2026-01-02T03:04:15Z"},
        "timestamp": "2026-01-02T03:04:15Z",
        "window": "10s",
        "usage": {"cpu": "500m", "memory": "1Gi"},
    }


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (summary(0, 10), summary(0, 10), "no time has passed"),
        (summary(0, 10), summary(0.1, 11), "too little time has passed"),
        (summary(0, 10), summary(60, 1), "the machine was started anew"),
    ],
)
def test_a_node_of_which_no_rate_is_known_is_left_out(before: Summary, after: Summary, why: str) -> None:
    assert node_metrics(NODE, before, after) is None, why


def cores(before: Summary, after: Summary) -> list[dict[str, str]]:
    """Return the CPU of each container of each pod that is told of."""
    found = pod_metrics({ObjectKey("default", "web"): POD}, before, after)
    return [{each.name: str(each.usage["cpu"]) for each in told.containers} for told in found]


def test_containers_are_measured_each_on_its_own() -> None:
    before = summary(0, 0, container("a", 0, 1), container("b", 0.5, 100))
    after = summary(10, 0, container("a", 10, 2), container("b", 10.5, 100))

    assert cores(before, after) == [{"a": "100m", "b": "0"}]


def test_a_container_that_has_come_or_was_started_anew_is_measured_from_its_start() -> None:
    before = summary(0, 0, container("a", 0, 50))
    after = summary(10, 0, container("a", 10, 2, started=5), container("b", 10, 1, started=8))

    assert cores(before, after) == [{"a": "400m", "b": "500m"}]


def test_a_pod_of_which_half_is_unknown_is_left_out() -> None:
    """The sum of half of its containers would make an autoscaler think that it idles."""
    before = summary(0, 0, container("a", 0, 1))
    after = summary(10, 0, container("a", 10, 2), container("b", 10, 1, started=9.9))

    assert cores(before, after) == []


def test_a_pod_that_the_api_has_not_is_left_out() -> None:
    after = summary(10, 0, container("a", 10, 2))

    assert list(pod_metrics({}, summary(0, 0, container("a", 0, 1)), after)) == []
