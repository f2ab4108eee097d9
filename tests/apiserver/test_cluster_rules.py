"""Namespaces, Nodes, Endpoints, ConfigMaps and Secrets."""

import pytest
from msgspec.structs import replace

from kube.api.certificates_v1 import CertificateSigningRequest
from kube.api.core_v1 import ConfigMap, Endpoints, Namespace, NamespaceSpec, Node, NodeSpec, Secret, Taint
from kube.api.discovery_v1 import EndpointSlice
from kube.api.meta_v1 import ObjectMeta
from kube.errors import ApiError
from tests.apiserver.material import context, defaulted, parsed, rules_of, told, wrong_changes, wrongs

NOT_READY = Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule")
NAMESPACES = rules_of(Namespace)
NODE = "{metadata: {name: n}, spec: {podCIDR: 10.0.0.0/24}, status: {capacity: {cpu: 2}}}"


def test_a_namespace_is_born_active_with_its_name_as_a_label() -> None:
    made = NAMESPACES.prepare_create(Namespace(metadata=ObjectMeta(name="a")), context())

    assert made.metadata.labels["kubernetes.io/metadata.name"] == "a"
    assert (made.status.phase, made.spec.finalizers, made.metadata.generation) == ("Active", ("kubernetes",), 0)


def test_a_namespace_that_is_deleted_stays_until_its_finalizer_is_gone() -> None:
    made = NAMESPACES.prepare_create(Namespace(metadata=ObjectMeta(name="a")), context())

    ending = NAMESPACES.prepare_delete(made, context())
    emptied = NAMESPACES.prepare_subresource_update(
        "finalize", replace(ending, spec=NamespaceSpec()), ending, context()
    )

    assert ending.status.phase == "Terminating"
    assert NAMESPACES.is_held(ending)
    assert not NAMESPACES.is_held(emptied)
    assert emptied.status == ending.status


def test_a_plain_update_cannot_take_a_namespaces_finalizer_off() -> None:
    made = NAMESPACES.prepare_create(Namespace(metadata=ObjectMeta(name="a")), context())

    assert NAMESPACES.prepare_update(replace(made, spec=NamespaceSpec()), made, context()).spec == made.spec


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_the_clusters_own_namespaces_cannot_be_deleted(name: str) -> None:
    with pytest.raises(ApiError) as refusal:
        await NAMESPACES.admit_delete(Namespace(metadata=ObjectMeta(name=name)), context())

    assert refusal.value.code == 403
    assert str(refusal.value) == f'namespaces "{name}" is forbidden: this namespace may not be deleted'


async def test_the_namespace_of_node_leases_can_be_deleted() -> None:
    await NAMESPACES.admit_delete(Namespace(metadata=ObjectMeta(name="kube-node-lease")), context())


def test_a_node_registers_with_its_status() -> None:
    node = defaulted(Node, NODE)

    assert rules_of(Node).prepare_create(node, context()).status == node.status
    assert node.status.allocatable == node.status.capacity
    assert node.spec.pod_cidrs == ("10.0.0.0/24",)


@pytest.mark.parametrize("taints", [(), (NOT_READY,), (Taint(key="a", effect="NoExecute"),)])
def test_a_new_node_takes_no_pods_until_it_is_ready(taints: tuple[Taint, ...]) -> None:
    created = rules_of(Node).prepare_create(Node(spec=NodeSpec(taints=taints)), context())

    assert created.spec.taints.count(NOT_READY) == 1
    assert set(created.spec.taints) == {*taints, NOT_READY}


def test_a_nodes_pod_range_can_be_set_once_and_never_changed() -> None:
    """Pods with addresses of the old range would become unreachable."""
    bare, given = parsed(Node, "{metadata: {name: n}}"), parsed(Node, NODE)
    other = replace(given, spec=NodeSpec(pod_cidr="10.0.1.0/24"))

    assert wrong_changes(given, bare) == []
    assert wrong_changes(other, given) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid'
    ]


def test_a_taint_with_an_unknown_effect_is_refused() -> None:
    assert wrongs(parsed(Node, "{metadata: {name: n}, spec: {taints: [{key: a, effect: Now}]}}")) == [
        'metadata.taints[0].effect: Unsupported value: "Now": supported values: "NoSchedule", "PreferNoSchedule",'
        ' "NoExecute"'
    ]


def test_a_secrets_text_is_stored_as_bytes() -> None:
    secret = defaulted(Secret, "{metadata: {name: s, namespace: d}, data: {b: eA==}, stringData: {a: text}}")

    assert dict(secret.data) == {"a": b"text", "b": b"x"}
    assert dict(secret.string_data) == {}
    assert secret.type == "Opaque"


def test_an_immutable_config_map_keeps_its_data() -> None:
    old = parsed(ConfigMap, "{metadata: {name: c, namespace: d}, immutable: true, data: {a: b}}")
    new = replace(old, data={"a": "c"})

    assert wrong_changes(new, old) == ["data: Forbidden: field is immutable when `immutable` is set"]


def test_a_config_map_of_more_than_a_mebibyte_is_refused() -> None:
    big = ConfigMap(metadata=ObjectMeta(name="c", namespace="d"), data={"a": "x" * (1024 * 1024 + 1)})

    assert wrongs(big) == ["Too long: may not be more than 1048576 bytes"]


def test_a_tls_secret_has_both_its_parts() -> None:
    secret = parsed(Secret, "{metadata: {name: s, namespace: d}, type: kubernetes.io/tls, data: {tls.crt: eA==}}")

    assert wrongs(secret) == ["data[tls.key]: Required value"]


def test_endpoints_on_the_loopback_are_refused() -> None:
    """They would mean another machine on every node."""
    found = wrongs(parsed(Endpoints, "{metadata: {name: e, namespace: d}, subsets: [{addresses: [{ip: 127.0.0.1}]}]}"))

    assert found == [
        'subsets[0].addresses[0].ip: Invalid value: "127.0.0.1": may not be in the loopback, unspecified or link-local'
        " range"
    ]


def test_a_slice_holds_addresses_of_its_own_family() -> None:
    text = "{metadata: {name: e, namespace: d}, addressType: IPv4, endpoints: [{addresses: ['fd00::1']}]}"

    assert wrongs(parsed(EndpointSlice, text)) == [
        'endpoints[0].addresses[0]: Invalid value: "fd00::1": must be an IPv4 address'
    ]


def test_a_slices_generation_grows_with_its_endpoints() -> None:
    rules = rules_of(EndpointSlice)
    old = rules.prepare_create(
        parsed(EndpointSlice, "{addressType: IPv4, endpoints: [{addresses: [10.0.0.1]}]}"), context()
    )
    other = replace(old, endpoints=())

    assert old.metadata.generation == 1
    assert rules.prepare_update(old, old, context()).metadata.generation == 1
    assert rules.prepare_update(other, old, context()).metadata.generation == 2


def test_a_decision_on_a_signing_request_may_bring_labels_and_annotations_along() -> None:
    rules = rules_of(CertificateSigningRequest)
    asked = parsed(CertificateSigningRequest, "{metadata: {name: a}, spec: {signerName: x/y}}")
    approved = parsed(
        CertificateSigningRequest,
        "{metadata: {name: a, annotations: {by: me}}, status: {conditions: [{type: Approved, status: 'True'}]}}",
    )

    decided = rules.prepare_subresource_update("approval", approved, asked, context())

    assert decided.metadata.annotations == {"by": "me"}
    assert decided.spec == asked.spec


def test_what_was_decided_on_a_signing_request_is_final_and_has_its_moment() -> None:
    rules = rules_of(CertificateSigningRequest)
    asked = parsed(CertificateSigningRequest, "{metadata: {name: a}}")
    approved = parsed(CertificateSigningRequest, "{status: {conditions: [{type: Approved, status: 'True'}]}}")
    doubtful = parsed(CertificateSigningRequest, "{status: {conditions: [{type: Approved, status: 'False'}]}}")

    decided = rules.prepare_subresource_update("approval", approved, asked, context())

    assert decided.status.conditions[0].last_transition_time == "2026-01-02T03:04:05Z"
    assert rules.validate_subresource_update("approval", decided, asked) == []
    assert told(rules.validate_subresource_update("approval", asked, decided)) == [
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    ]
    assert told(rules.validate_subresource_update("approval", doubtful, asked)) == [
        'status.conditions[0].status: Unsupported value: "False": supported values: "True"'
    ]
