"""Autoscalers, limits, quotas, indexed Jobs and address ranges: what is filled in, what is refused."""

import pytest

from kube.api.autoscaling_v2 import HorizontalPodAutoscaler
from kube.api.batch_v1 import Job
from kube.api.core_v1 import LimitRange, ResourceQuota
from kube.api.networking_v1 import IngressClass, IPAddress, ServiceCIDR
from kube.codec import to_plain
from kube.kinds import Resource
from tests.apiserver.material import context, defaulted, parsed, rules_of, wrong_changes, wrongs

HERE = "metadata: {name: a, namespace: b}"
TARGET = "maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: w}"
PODS = "template: {metadata: {labels: {a: b}}, spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}"
INDEXED = "manualSelector: true, selector: {matchLabels: {a: b}}, completionMode: Indexed, completions: 2"


@pytest.mark.parametrize(
    ("cls", "text", "sentence"),
    [
        (
            HorizontalPodAutoscaler,
            f"spec: {{{TARGET}, metrics: [{{type: Pods}}]}}",
            "spec.metrics[0].pods: Required value: must populate information for the given metric source",
        ),
        (
            HorizontalPodAutoscaler,
            f"spec: {{{TARGET}, behavior: {{scaleUp: {{stabilizationWindowSeconds: 3601}}}}}}",
            "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
        ),
        (
            LimitRange,
            "spec: {limits: [{type: Container, min: {cpu: 1}, max: {cpu: 2}, maxLimitRequestRatio: {cpu: 3}}]}",
            'spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000',
        ),
        (
            LimitRange,
            "spec: {limits: [{type: Pod, max: {cpu: 1}}, {type: Pod, max: {cpu: 1}}]}",
            'spec.limits[1].type: Duplicate value: "Pod"',
        ),
        (
            HorizontalPodAutoscaler,
            "spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: v1, kind: Deployment, name: w}}",
            'spec.scaleTargetRef.apiVersion: Invalid value: "v1": apiVersion must specify API group',
        ),
        (
            HorizontalPodAutoscaler,
            "spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: a/b/c, kind: Deployment, name: w}}",
            'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c',
        ),
        (
            LimitRange,
            "spec: {limits: [{type: Thing, max: {cpu: 1}}]}",
            'spec.limits[0].type: Invalid value: "Thing": must be a standard limit type or fully qualified',
        ),
        (
            ResourceQuota,
            "spec: {hard: {cpu: 1}, scopeSelector: {matchExpressions: [{scopeName: BestEffort, operator: Exists}]}}",
            'spec.scopeSelector.matchExpressions: Invalid value: {"matchExpressions":[{"operator":"Exists",'
            '"scopeName":"BestEffort"}]}: unsupported scope applied to resource',
        ),
        (
            ResourceQuota,
            "spec: {hard: {beans: 1}}",
            'spec.hard[beans]: Invalid value: "beans": must be a standard resource for quota',
        ),
        (
            ResourceQuota,
            "spec: {scopes: [Mine]}",
            'spec.scopes: Invalid value: ["Mine"]: unsupported scope',
        ),
        (
            ResourceQuota,
            "spec: {hard: {cpu: 1}, scopes: [BestEffort]}",
            'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
        ),
        (
            ResourceQuota,
            "spec: {hard: {pods: 1}, scopes: [BestEffort, NotBestEffort]}",
            'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
        ),
        (
            Job,
            f"spec: {{selector: {{matchLabels: {{a: b}}}}, {PODS}}}",
            'spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` not auto-generated',
        ),
        (
            Job,
            f"spec: {{{INDEXED}, {PODS}, maxFailedIndexes: 1}}",
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
        ),
        (
            Job,
            f"spec: {{{INDEXED}, {PODS}, successPolicy: {{rules: [{{succeededIndexes: '0-2'}}]}}}}",
            'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-2": error parsing succeededIndexes:'
            ' too large index: "0-2"',
        ),
        (
            Job,
            f"spec: {{{INDEXED}, {PODS}, podFailurePolicy: {{rules: [{{action: Ignore, onExitCodes:"
            " {operator: In, values: [0]}}]}}",
            "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator",
        ),
    ],
)
def test_a_wrong_limit_is_refused_with_the_field_that_is_wrong(cls: type[Resource], text: str, sentence: str) -> None:
    assert sentence in wrongs(parsed(cls, f"{{{HERE}, {text}}}"))


@pytest.mark.parametrize(
    ("cls", "text", "sentence"),
    [
        (
            IPAddress,
            "metadata: {name: '10.0.0.01'}, spec: {parentRef: {resource: services, name: s}}",
            'metadata.name: Invalid value: "10.0.0.01": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
        (IPAddress, "metadata: {name: 10.0.0.1}", "spec.parentRef: Required value"),
        (ServiceCIDR, "metadata: {name: a}", "spec.cidrs: Required value: at least one CIDR required"),
        (
            IngressClass,
            "metadata: {name: a}, spec: {controller: nginx}",
            'spec.controller: Invalid value: "nginx": must be a domain-prefixed path (such as "acme.io/foo")',
        ),
        (
            IngressClass,
            "metadata: {name: a}, spec: {controller: x.io/c, parameters: {kind: K, name: n, namespace: b}}",
            "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
        ),
    ],
)
def test_a_wrong_address_or_class_is_refused(cls: type[Resource], text: str, sentence: str) -> None:
    assert sentence in wrongs(parsed(cls, f"{{{text}}}"))


def test_a_service_range_can_get_a_second_family_and_never_another_first() -> None:
    old, both, other = (
        parsed(ServiceCIDR, f"{{metadata: {{name: a}}, spec: {{cidrs: [{cidrs}]}}}}")
        for cidrs in ("10.0.0.0/24", "10.0.0.0/24, 'fd00::/64'", "10.1.0.0/24")
    )

    assert wrong_changes(both, old) == []
    assert wrong_changes(other, old) == ['spec.cidrs[0]: Invalid value: "10.1.0.0/24": field is immutable']


def test_an_autoscaler_that_says_something_of_its_moves_gets_the_rest_of_them() -> None:
    text = f"{{spec: {{{TARGET}, behavior: {{scaleDown: {{selectPolicy: Disabled}}}}}}}}"

    behavior = to_plain(defaulted(HorizontalPodAutoscaler, text))["spec"]["behavior"]

    assert behavior["scaleDown"] == {
        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        "selectPolicy": "Disabled",
    }
    assert behavior["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert [policy["type"] for policy in behavior["scaleUp"]["policies"]] == ["Pods", "Percent"]


def test_a_job_that_takes_its_labels_from_its_pods_goes_on_sharing_them() -> None:
    """kubectl finds the Job of a pod by them."""
    rules = rules_of(Job)

    made = rules.prepare_create(defaulted(Job, f"{{metadata: {{name: sum, uid: u-1}}, spec: {{{PODS}}}}}"), context())

    assert made.metadata.labels == made.spec.template.metadata.labels
    assert made.metadata.labels["batch.kubernetes.io/controller-uid"] == "u-1"


def test_the_pods_of_every_index_can_have_the_name_of_their_job() -> None:
    """The index is part of a pod's host name, which is a DNS label."""
    job = f"spec: {{{INDEXED.replace('2', '11')}, {PODS}}}"

    found = wrongs(parsed(Job, f"{{metadata: {{name: {'a' * 61}, namespace: b}}, {job}}}"))

    assert found[0].endswith(f"will not able to create pod with invalid DNS label: {'a' * 61}-10")
    assert wrongs(parsed(Job, f"{{metadata: {{name: {'a' * 60}, namespace: b}}, {job}}}")) == []
