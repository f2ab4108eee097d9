"""What controllers may say of objects."""

import pytest

from kube.api.apps_v1 import DaemonSet, Deployment, StatefulSet
from kube.api.autoscaling_v2 import HorizontalPodAutoscaler
from kube.api.batch_v1 import Job
from kube.api.core_v1 import Namespace, Pod, Service
from kube.api.networking_v1 import Ingress
from kube.api.policy_v1 import PodDisruptionBudget
from kube.kinds import Resource
from tests.apiserver.material import parsed, rules_of, told

HELD = "{type: A, status: 'True', reason: R, lastTransitionTime: '2026-01-01T00:00:00Z'}"


def wrong_statuses(cls: type[Resource], status: str, before: str = "{}") -> list[str]:
    """Return what is wrong with a new status."""
    new, old = (parsed(cls, f"{{metadata: {{name: a}}, status: {text}}}") for text in (status, before))
    return told(rules_of(cls).validate_status_update(new, old))


@pytest.mark.parametrize(
    ("cls", "status", "sentence"),
    [
        (Deployment, "{unavailableReplicas: -1}", "status.unavailableReplicas: Invalid value: -1"),
        (DaemonSet, "{numberReady: -1}", "status.numberReady: Invalid value: -1"),
        (StatefulSet, "{replicas: 1, readyReplicas: 2}", "status.readyReplicas: Invalid value: 2: cannot be greater"),
        (HorizontalPodAutoscaler, "{desiredReplicas: -1}", "status.desiredReplicas: Invalid value: -1"),
        (Job, "{ready: 1}", "status.ready: Invalid value: 1: cannot set more ready pods than active"),
        (Job, "{completedIndexes: a}", 'status.completedIndexes: Invalid value: "a": error parsing completedIndexes'),
        (
            Job,
            "{uncountedTerminatedPods: {failed: ['']}}",
            'status.uncountedTerminatedPods.failed[0]: Invalid value: "": must not be empty',
        ),
        (Service, "{loadBalancer: {ingress: [{ip: a}]}}", 'status.loadBalancer.ingress[0].ip: Invalid value: "a"'),
        (
            Service,
            "{loadBalancer: {ingress: [{ipMode: VIP, hostname: a}]}}",
            "status.loadBalancer.ingress[0].ipMode: Forbidden: may not be specified when `ip` is not set",
        ),
        (
            Ingress,
            "{loadBalancer: {ingress: [{hostname: 1.2.3.4}]}}",
            'status.loadBalancer.ingress[0].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
        ),
        (PodDisruptionBudget, "{disruptionsAllowed: -1}", "status.disruptionsAllowed: Invalid value: -1"),
        (
            PodDisruptionBudget,
            f"{{conditions: [{HELD}, {HELD}]}}",
            'status.conditions[1].type: Duplicate value: "A"',
        ),
        (
            PodDisruptionBudget,
            f"{{conditions: [{HELD.replace('R', '-R')}]}}",
            'status.conditions[0].reason: Invalid value: "-R": a condition reason must start',
        ),
        (Namespace, "{phase: Gone}", "status.Phase: Invalid value: \"Gone\": may only be 'Active' if"),
        (Pod, "{conditions: [{type: a b}]}", 'status.conditions[0].Type: Invalid value: "a b"'),
        (Pod, "{podIP: a}", 'status.podIPs[0]: Invalid value: "a": must be a valid IP address'),
        (Pod, "{observedGeneration: -1}", "status.observedGeneration: Invalid value: -1"),
        (
            Pod,
            "{podIP: 1.2.3.4, podIPs: [{ip: 1.2.3.4}, {ip: 1.2.3.5}]}",
            'status.podIPs: Invalid value: [{"IP":"1.2.3.4"},{"IP":"1.2.3.5"}]: may specify no more than one IP',
        ),
        (
            Pod,
            "{hostIP: 1.2.3.4, hostIPs: [{ip: 1.2.3.5}]}",
            'status.hostIPs[0].ip: Invalid value: "1.2.3.5": must be equal to `hostIP`',
        ),
    ],
)
def test_a_wrong_status_is_refused_with_the_field(cls: type[Resource], status: str, sentence: str) -> None:
    (found,) = wrong_statuses(cls, status)

    assert found.startswith(sentence)


def test_a_pod_of_both_families_has_an_address_of_each() -> None:
    assert wrong_statuses(Pod, "{podIP: 1.2.3.4, podIPs: [{ip: 1.2.3.4}, {ip: 'fd00::1'}]}") == []


def test_what_was_stored_wrong_hinders_no_other_change_of_a_pods_status() -> None:
    stored = "{podIP: a, conditions: [{type: a b}]}"

    assert wrong_statuses(Pod, "{podIP: a, conditions: [{type: a b}], phase: Failed}", stored) == []


def test_how_well_a_pod_is_kept_does_not_change() -> None:
    (found,) = wrong_statuses(Pod, "{qosClass: Guaranteed}", "{qosClass: Burstable}")

    assert found == 'status.qosClass: Invalid value: "Guaranteed": field is immutable'
    assert wrong_statuses(Pod, "{qosClass: Guaranteed}") == []
