"""Webhooks, policies, definitions, API services, flow control, devices: what is filled in, what is refused."""

import pytest

from kube.api.admissionregistration_v1 import (
    MutatingAdmissionPolicy,
    MutatingWebhookConfiguration,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
)
from kube.api.apiextensions_v1 import CustomResourceDefinition
from kube.api.apiregistration_v1 import APIService
from kube.api.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from kube.api.resource_v1 import ResourceClaim, ResourceSlice
from kube.codec import to_plain
from kube.kinds import Resource
from tests.apiserver.material import context, defaulted, parsed, rules_of, wrongs

NAMED = "metadata: {name: a}"
HOOK = (
    "name: a.b.io, clientConfig: {url: 'https://x.io/p'}, sideEffects: None, admissionReviewVersions: [v1],"
    " rules: [{apiGroups: ['*'], apiVersions: ['*'], resources: ['*'], operations: ['*']}]"
)
RULES = (
    "matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: ['*']}]}"
)
FLOW = "matchingPrecedence: 10, priorityLevelConfiguration: {name: p}"


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (ValidatingWebhookConfiguration, f"webhooks: [{{{HOOK}}}]"),
        (MutatingWebhookConfiguration, f"webhooks: [{{{HOOK}, reinvocationPolicy: IfNeeded}}]"),
        (ValidatingAdmissionPolicy, f"spec: {{{RULES}, validations: [{{expression: 'true'}}]}}"),
        (ValidatingAdmissionPolicyBinding, "spec: {policyName: p, validationActions: [Deny]}"),
        (FlowSchema, f"spec: {{{FLOW}}}"),
        (PriorityLevelConfiguration, "spec: {type: Limited, limited: {limitResponse: {type: Reject}}}"),
    ],
)
def test_a_good_extension_has_nothing_wrong(cls: type[Resource], text: str) -> None:
    assert wrongs(parsed(cls, f"{{{NAMED}, {text}}}")) == []


@pytest.mark.parametrize(
    ("cls", "text", "sentence"),
    [
        (
            ValidatingWebhookConfiguration,
            f"webhooks: [{{{HOOK.replace('a.b.io', 'x')}}}]",
            'webhooks[0].name: Invalid value: "x": should be a domain with at least three segments separated by dots',
        ),
        (
            ValidatingWebhookConfiguration,
            f"webhooks: [{{{HOOK.replace('None', 'Some')}}}]",
            'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
        ),
        (
            ValidatingWebhookConfiguration,
            f"webhooks: [{{{HOOK.replace('https', 'http')}}}]",
            "webhooks[0].clientConfig.url: Invalid value: \"http\": 'https' is the only allowed URL scheme;"
            " desired format: https://host[/path]",
        ),
        (
            ValidatingWebhookConfiguration,
            f"webhooks: [{{{HOOK}, timeoutSeconds: 31}}]",
            "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds",
        ),
        (
            MutatingWebhookConfiguration,
            f"webhooks: [{{{HOOK.replace('[v1]', '[v2]')}}}]",
            'webhooks[0].admissionReviewVersions: Invalid value: ["v2"]: must include at least one of v1, v1beta1',
        ),
        (
            MutatingWebhookConfiguration,
            f"webhooks: [{{{HOOK}}}, {{{HOOK}}}]",
            'webhooks[1].name: Duplicate value: "a.b.io"',
        ),
        (
            ValidatingAdmissionPolicy,
            f"spec: {{{RULES}}}",
            "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
        ),
        (
            ValidatingAdmissionPolicy,
            "spec: {validations: [{expression: 'true'}]}",
            "spec.matchConstraints: Required value",
        ),
        (
            MutatingAdmissionPolicy,
            f"spec: {{{RULES}, reinvocationPolicy: Never, mutations: [{{patchType: JSONPatch}}]}}",
            "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
        ),
        (
            ValidatingAdmissionPolicyBinding,
            "spec: {policyName: p, validationActions: [Deny, Deny]}",
            'spec.validationActions[1]: Duplicate value: "Deny"',
        ),
        (
            APIService,
            "spec: {group: foo.io, version: v1, groupPriorityMinimum: 1, versionPriority: 1}",
            'metadata.name: Invalid value: "a": must be `spec.version+"."+spec.group`: "v1.foo.io"',
        ),
        (
            FlowSchema,
            f"spec: {{{FLOW}, rules: [{{subjects: [{{kind: User, user: {{name: u}}}}]}}]}}",
            "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
        ),
        (
            FlowSchema,
            f"spec: {{{FLOW.replace('10,', '1,')}}}",
            "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
        ),
        (
            PriorityLevelConfiguration,
            "spec: {type: Exempt}",
            "spec.type: Invalid value: \"Exempt\": must be 'Exempt' if and only if `name` is 'exempt'",
        ),
        (
            PriorityLevelConfiguration,
            "spec: {type: Limited, limited: {limitResponse: {type: Queue, queuing: {queues: 4, handSize: 5}}}}",
            "spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than queues (4)",
        ),
    ],
)
def test_a_wrong_extension_is_refused_with_the_field_that_is_wrong(
    cls: type[Resource], text: str, sentence: str
) -> None:
    assert sentence in wrongs(parsed(cls, f"{{{NAMED}, {text}}}"))


def test_a_webhook_is_asked_about_everything_and_for_ten_seconds_unless_it_says_otherwise() -> None:
    service = HOOK.replace("url: 'https://x.io/p'", "service: {name: s, namespace: n}")

    (hook,) = to_plain(defaulted(ValidatingWebhookConfiguration, f"{{webhooks: [{{{service}}}]}}"))["webhooks"]

    assert hook["timeoutSeconds"] == 10
    assert hook["failurePolicy"] == "Fail"
    assert hook["matchPolicy"] == "Equivalent"
    assert hook["namespaceSelector"] == hook["objectSelector"] == {}
    assert hook["rules"][0]["scope"] == "*"
    assert hook["clientConfig"]["service"]["port"] == 443


def test_a_change_of_webhooks_counts_as_a_generation() -> None:
    rules = rules_of(MutatingWebhookConfiguration)
    asking = parsed(MutatingWebhookConfiguration, f"{{{NAMED}, webhooks: [{{{HOOK}}}]}}")
    silent = parsed(MutatingWebhookConfiguration, f"{{{NAMED}}}")

    old = rules.prepare_create(asking, context())
    same, none = (rules.prepare_update(new, old, context()) for new in (asking, silent))

    assert [item.metadata.generation for item in (old, same, none)] == [1, 1, 2]


CRD = (
    "spec: {group: x.io, scope: Namespaced, names: {plural: foos, kind: Foo},"
    " versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]}"
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"metadata: {{name: foos.y.io}}, {CRD}", 'must be spec.names.plural+"."+spec.group'),
        (f"metadata: {{name: foos.x.io}}, {CRD.replace('storage: true', 'storage: false')}", "one version marked as"),
        (f"metadata: {{name: foos.x.io}}, {CRD.replace('Namespaced', 'World')}", "spec.scope: Unsupported value"),
        (f"metadata: {{name: foos.x.io}}, {CRD.replace('kind: Foo', 'kind: F_o')}", "spec.names.kind: Invalid value"),
    ],
)
def test_a_wrong_definition_is_refused(text: str, sentence: str) -> None:
    assert any(sentence in found for found in wrongs(parsed(CustomResourceDefinition, f"{{{text}}}")))


def test_a_definition_names_what_it_leaves_open() -> None:
    defined = defaulted(CustomResourceDefinition, f"{{metadata: {{name: foos.x.io}}, {CRD}}}")

    assert (defined.spec.names.singular, defined.spec.names.list_kind) == ("foo", "FooList")
    assert defined.spec.conversion is not None
    assert rules_of(defined).prepare_create(defined, context()).status.stored_versions == ("v1",)
    assert wrongs(defined) == []


@pytest.mark.parametrize(
    ("cls", "text", "sentence"),
    [
        (
            ResourceClaim,
            "metadata: {name: a, namespace: b}, spec: {devices: {requests: [{name: r}]}}",
            "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required",
        ),
        (
            ResourceClaim,
            "metadata: {name: a, namespace: b}, spec: {devices: {requests: [{name: r, exactly: {deviceClassName: c,"
            " count: -1}}]}}",
            "spec.devices.requests[0].exactly.count: Invalid value: -1: must be greater than zero",
        ),
        (
            ResourceSlice,
            "metadata: {name: a}, spec: {driver: d.io, pool: {name: p, resourceSliceCount: 1}}",
            "spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is"
            " required",
        ),
    ],
)
def test_wrong_devices_are_refused(cls: type[Resource], text: str, sentence: str) -> None:
    assert sentence in wrongs(parsed(cls, f"{{{text}}}"))


def test_a_claim_asks_for_one_device_unless_it_says_how_many() -> None:
    text = "{spec: {devices: {requests: [{name: r, exactly: {deviceClassName: c}}]}}}"

    asked = defaulted(ResourceClaim, text).spec.devices.requests[0].exactly

    assert asked is not None
    assert (asked.allocation_mode, asked.count) == ("ExactCount", 1)
