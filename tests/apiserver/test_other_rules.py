"""Events, Leases, budgets, storage, classes, networking, RBAC, quotas: a rule or two of each."""

import pytest
from msgspec.structs import replace

from kube.api.autoscaling_v2 import HorizontalPodAutoscaler
from kube.api.coordination_v1 import Lease
from kube.api.core_v1 import Event, LimitRange, PersistentVolume, PersistentVolumeClaim
from kube.api.meta_v1 import ObjectMeta
from kube.api.networking_v1 import Ingress, IngressClass, NetworkPolicy
from kube.api.node_v1 import RuntimeClass
from kube.api.policy_v1 import PodDisruptionBudget
from kube.api.rbac_v1 import ClusterRoleBinding, Role, RoleBinding
from kube.api.scheduling_v1 import PriorityClass
from kube.api.storage_v1 import StorageClass
from kube.errors import ApiError
from kube.kinds import Resource
from tests.apiserver.material import context, defaulted, parsed, rules_of, wrong_changes, wrongs

IN_DEFAULT = "metadata: {name: a, namespace: default}"
BOUND = "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}"


@pytest.mark.parametrize(
    ("cls", "text", "sentence"),
    [
        (
            Event,
            "involvedObject: {namespace: other}",
            'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
        ),
        (
            Lease,
            "spec: {leaseDurationSeconds: 0}",
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        ),
        (
            PodDisruptionBudget,
            "spec: {minAvailable: 150%}",
            'spec.minAvailable: Invalid value: "150%": must not be greater than 100%',
        ),
        (
            HorizontalPodAutoscaler,
            "spec: {maxReplicas: 1, minReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}}",
            "spec.maxReplicas: Invalid value: 1: must be greater than or equal to `minReplicas`",
        ),
        (
            PersistentVolumeClaim,
            "spec: {resources: {requests: {storage: 1Gi}}}",
            "spec.accessModes: Required value: at least 1 access mode is required",
        ),
        (
            Ingress,
            "spec: {rules: [{http: {paths: [{path: x, pathType: Prefix,"
            " backend: {service: {name: a, port: {number: 1}}}}]}}]}",
            'spec.rules[0].http.paths[0].path: Invalid value: "x": must be an absolute path',
        ),
        (
            Ingress,
            "spec: {defaultBackend: {service: {name: a.b, port: {number: 1}}}}",
            'spec.defaultBackend.service.name: Invalid value: "a.b": must not contain dots',
        ),
        (
            NetworkPolicy,
            "spec: {ingress: [{from: [{}]}]}",
            "spec.ingress[0].from[0]: Required value: must specify a peer",
        ),
        (
            Role,
            "rules: [{apiGroups: [''], resources: [pods]}]",
            "rules[0].verbs: Required value: verbs must contain at least one value",
        ),
        (
            ClusterRoleBinding,
            "roleRef: {kind: ClusterRole, name: view}, subjects: [{kind: ServiceAccount, name: a}]",
            "subjects[0].namespace: Required value",
        ),
        (
            LimitRange,
            "spec: {limits: [{type: Container, min: {cpu: 2}, max: {cpu: 1},"
            " default: {cpu: 1}, defaultRequest: {cpu: 1}}]}",
            'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
        ),
    ],
)
def test_a_wrong_object_is_refused_with_the_field_that_is_wrong(cls: type[Resource], text: str, sentence: str) -> None:
    assert sentence in wrongs(parsed(cls, f"{{{IN_DEFAULT}, {text}}}"))


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (Event, "involvedObject: {namespace: default}"),
        (Lease, "spec: {holderIdentity: n1, leaseDurationSeconds: 40}"),
        (Lease, 'spec: {holderIdentity: "", leaseDurationSeconds: 1}'),  # Its holder has let go.
        (PodDisruptionBudget, "spec: {maxUnavailable: 1}"),
        (
            HorizontalPodAutoscaler,
            "spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}}",
        ),
        (PersistentVolumeClaim, "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}"),
        (Ingress, "spec: {defaultBackend: {service: {name: a, port: {name: http}}}}"),
        (Ingress, "spec: {defaultBackend: {service: {name: 1a, port: {number: 80}}}, tls: [{hosts: [10.1.2.3]}]}"),
        (NetworkPolicy, "spec: {podSelector: {}, egress: [{ports: [{port: 53, protocol: UDP}]}]}"),
        (RoleBinding, f"{BOUND}, subjects: [{{kind: User, name: a}}]"),
        (RoleBinding, f"{BOUND}, subjects: [{{kind: ServiceAccount, name: a}}]"),
        (LimitRange, "spec: {limits: [{type: Container, max: {cpu: 1}}]}"),
    ],
)
def test_a_good_object_has_nothing_wrong(cls: type[Resource], text: str) -> None:
    assert wrongs(parsed(cls, f"{{{IN_DEFAULT}, {text}}}")) == []


def test_a_network_policy_with_egress_rules_means_both_directions() -> None:
    """Without it a policy that only allows egress would not restrict it."""
    assert defaulted(NetworkPolicy, "{spec: {egress: [{}]}}").spec.policy_types == ("Ingress", "Egress")
    assert defaulted(NetworkPolicy, "{spec: {}}").spec.policy_types == ("Ingress",)


def test_a_binding_keeps_its_role() -> None:
    """Else who may edit a binding could give himself any role."""
    old = parsed(ClusterRoleBinding, "{metadata: {name: a}, roleRef: {kind: ClusterRole, name: view}}")
    new = parsed(ClusterRoleBinding, "{metadata: {name: a}, roleRef: {kind: ClusterRole, name: admin}}")

    (found,) = wrong_changes(new, old)

    assert found.startswith("roleRef: Invalid value: ")
    assert found.endswith("cannot change roleRef")


def test_a_runtime_class_keeps_its_handler() -> None:
    old = parsed(RuntimeClass, "{metadata: {name: a}, handler: runc}")

    assert wrong_changes(replace(old, handler="kata"), old) == ['handler: Invalid value: "kata": field is immutable']


@pytest.mark.parametrize(("name", "value"), [("system-mine", 1), ("mine", 1_000_000_001)])
def test_only_the_system_has_the_highest_priorities(name: str, value: int) -> None:
    (found,) = wrongs(PriorityClass(metadata=ObjectMeta(name=name), value=value))

    assert "Forbidden" in found


async def test_a_claim_without_a_class_gets_the_default_one() -> None:
    default = StorageClass(
        metadata=ObjectMeta(name="fast", annotations={"storageclass.kubernetes.io/is-default-class": "true"})
    )
    claim = PersistentVolumeClaim(metadata=ObjectMeta(name="a", namespace="default"))

    made = await rules_of(claim).admit(claim, None, context(default))

    assert made.spec.storage_class_name == "fast"


def test_a_bound_claim_can_grow_and_never_shrink() -> None:
    spec = "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}"
    text = f"{{{IN_DEFAULT}, {spec}, status: {{phase: Bound, capacity: {{storage: 2G}}}}}}"
    old = parsed(PersistentVolumeClaim, text)

    assert wrong_changes(parsed(PersistentVolumeClaim, text.replace("2Gi", "3Gi")), old) == []
    assert wrong_changes(parsed(PersistentVolumeClaim, text.replace("2Gi", "1Gi")), old) == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]


def test_a_claim_that_waits_for_a_volume_asks_for_what_it_asked_for() -> None:
    text = f"{{{IN_DEFAULT}, spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 2Gi}}}}}}}}"

    (found,) = wrong_changes(*(parsed(PersistentVolumeClaim, text.replace("2Gi", size)) for size in ("3Gi", "2Gi")))

    assert found.startswith("spec: Forbidden: spec is immutable after creation except resources.requests")


def test_a_volume_has_exactly_one_source() -> None:
    text = "{metadata: {name: v}, spec: {accessModes: [ReadWriteOnce], capacity: {storage: 1Gi}}}"

    assert wrongs(parsed(PersistentVolume, text)) == ["spec: Required value: must specify a volume type"]


def ingress_class(name: str, made: str, default: str = "true") -> IngressClass:
    annotations = {"ingressclass.kubernetes.io/is-default-class": default}
    return IngressClass(metadata=ObjectMeta(name=name, creation_timestamp=made, annotations=annotations))


async def test_an_ingress_without_a_class_gets_the_newest_default() -> None:
    bench = context(
        ingress_class("old", "2026-01-01T00:00:00Z"),
        ingress_class("second", "2026-01-02T00:00:00Z"),
        ingress_class("first", "2026-01-02T00:00:00Z"),
        ingress_class("other", "2026-01-03T00:00:00Z", default="false"),
    )
    named = parsed(Ingress, "{spec: {ingressClassName: mine}}")
    annotated = parsed(Ingress, "{metadata: {annotations: {kubernetes.io/ingress.class: nginx}}}")

    assert (await rules_of(Ingress).admit(Ingress(), None, bench)).spec.ingress_class_name == "first"
    for chosen in (named, annotated):
        assert await rules_of(Ingress).admit(chosen, None, bench) is chosen
    assert (await rules_of(Ingress).admit(Ingress(), None, context())).spec.ingress_class_name is None


async def test_only_one_priority_class_can_be_the_default() -> None:
    first = PriorityClass(metadata=ObjectMeta(name="first"), value=1, global_default=True)
    second = PriorityClass(metadata=ObjectMeta(name="second"), value=2, global_default=True)

    assert await rules_of(PriorityClass).admit(first, first, context(first)) is first
    with pytest.raises(ApiError) as refused:
        await rules_of(PriorityClass).admit(second, None, context(first))
    assert (refused.value.code, str(refused.value)) == (
        403,
        'priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass first is already marked as default. '
        "Only one default can exist",
    )
