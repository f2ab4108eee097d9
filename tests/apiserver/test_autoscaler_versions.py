"""Autoscalers as autoscaling/v1: what it has no fields for rides in annotations, in a real server's words."""

import json

import pytest

from apiserver.autoscaler_versions import new_autoscaler, old_autoscaler
from kube.api import autoscaling_v1, autoscaling_v2
from kube.api.meta_v1 import ObjectMeta
from kube.codec import from_plain

PREFIX = "autoscaling.alpha.kubernetes.io/"
SPEC = {
    "maxReplicas": 5,
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"},
    "metrics": [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
        {
            "type": "Pods",
            "pods": {
                "metric": {"name": "p", "selector": {"matchLabels": {"a": "b"}}},
                "target": {"type": "AverageValue", "averageValue": "1"},
            },
        },
        {
            "type": "Object",
            "object": {
                "describedObject": {"kind": "Service", "name": "s", "apiVersion": "v1"},
                "metric": {"name": "o"},
                "target": {"type": "AverageValue", "averageValue": "3"},
            },
        },
        {"type": "External", "external": {"metric": {"name": "e"}, "target": {"type": "Value", "value": "3"}}},
        {
            "type": "ContainerResource",
            "containerResource": {
                "name": "memory",
                "container": "c",
                "target": {"type": "AverageValue", "averageValue": "5"},
            },
        },
    ],
    "behavior": {
        "scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 5}], "stabilizationWindowSeconds": 3}
    },
}
STATUS = {
    "currentReplicas": 1,
    "desiredReplicas": 2,
    "conditions": [{"type": "AbleToScale", "status": "True", "reason": "r"}],
    "currentMetrics": [
        {"type": "Resource", "resource": {"name": "cpu", "current": {"averageValue": "1", "averageUtilization": 33}}},
        {"type": "External", "external": {"metric": {"name": "e"}, "current": {"value": "3"}}},
    ],
}
NEW = from_plain(
    {"metadata": {"name": "h", "annotations": {"mine": "x"}}, "spec": SPEC, "status": STATUS},
    autoscaling_v2.HorizontalPodAutoscaler,
)


def test_what_v1_cannot_say_is_said_as_a_real_server_says_it() -> None:
    old = old_autoscaler(NEW)
    carried = old.metadata.annotations

    assert (old.spec.target_cpu_utilization_percentage, old.status.current_cpu_utilization_percentage) == (50, 33)
    assert json.loads(carried[f"{PREFIX}metrics"])[:3] == [
        {
            "type": "Pods",
            "pods": {"metricName": "p", "targetAverageValue": "1", "selector": {"matchLabels": {"a": "b"}}},
        },
        {
            "type": "Object",
            "object": {
                "target": {"kind": "Service", "name": "s", "apiVersion": "v1"},
                "metricName": "o",
                "targetValue": "0",
                "averageValue": "3",
            },
        },
        {"type": "External", "external": {"metricName": "e", "targetValue": "3"}},
    ]
    assert carried[f"{PREFIX}behavior"] == (
        '{"ScaleUp":{"StabilizationWindowSeconds":3,"SelectPolicy":null,"Policies":[{"Type":"Pods","Value":1,'
        '"PeriodSeconds":5}],"Tolerance":null},"ScaleDown":null}'
    )
    assert carried[f"{PREFIX}conditions"] == (
        '[{"type":"AbleToScale","status":"True","lastTransitionTime":null,"reason":"r"}]'
    )
    assert carried["mine"] == "x"


def test_there_and_back_nothing_is_lost() -> None:
    back = new_autoscaler(old_autoscaler(NEW))

    key = lambda metric: metric.type  # noqa: E731
    assert sorted(back.spec.metrics, key=key) == sorted(NEW.spec.metrics, key=key)
    assert (back.metadata, back.spec.behavior, back.status) == (NEW.metadata, NEW.spec.behavior, NEW.status)


@pytest.mark.parametrize("text", ["", "{", "3", "[{}]", '[{"type":"Pods"}]', '{"ScaleUp":{"Policies":3}}'])
@pytest.mark.parametrize("name", ["metrics", "current-metrics", "behavior", "conditions"])
def test_an_annotation_that_makes_no_sense_says_nothing(name: str, text: str) -> None:
    meta = ObjectMeta(name="h", annotations={f"{PREFIX}{name}": text})

    new = new_autoscaler(autoscaling_v1.HorizontalPodAutoscaler(metadata=meta))

    assert new.metadata.annotations == {}
    assert (new.spec.metrics, new.spec.behavior, new.status.current_metrics) == ((), None, ())
