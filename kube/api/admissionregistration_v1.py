"""The types of admissionregistration.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from typing import Annotated

from kube.api.meta_v1 import Condition, LabelSelector, ListMeta, ObjectMeta
from kube.api.object import ListMap, ListSet, Object, always, atomic
from kube.api.scalars import Int32, Int64


class ApplyConfiguration(Object, frozen=True):
    """A CEL expression yielding a partial object to merge in by server-side apply."""

    expression: str = ""


class AuditAnnotation(Object, frozen=True):
    """A key and a CEL expression whose result is noted in the audit log."""

    key: str = always("")
    value_expression: str = always("")


class ExpressionWarning(Object, frozen=True):
    """A type-check complaint about one expression in a policy."""

    field_ref: str = always("")
    warning: str = always("")


class JSONPatch(Object, frozen=True):
    """A CEL expression producing JSON patch operations that alter the object."""

    expression: str = ""


class MatchCondition(Object, frozen=True):
    """A named CEL test that a request must pass before the hook or policy runs."""

    expression: str = always("")
    name: str = always("")


@atomic
class NamedRuleWithOperations(Object, frozen=True):
    """A matching rule for verbs and resources that can be narrowed to object names."""

    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scope: str | None = None


@atomic
class MatchResources(Object, frozen=True):
    """Filters choosing which requests a policy or binding looks at."""

    exclude_resource_rules: tuple[NamedRuleWithOperations, ...] = ()
    match_policy: str | None = None
    namespace_selector: LabelSelector | None = None
    object_selector: LabelSelector | None = None
    resource_rules: tuple[NamedRuleWithOperations, ...] = ()


class Mutation(Object, frozen=True):
    """One change a policy makes, either an apply configuration or a JSON patch."""

    apply_configuration: ApplyConfiguration | None = None
    json_patch: JSONPatch | None = None
    patch_type: str = always("")


@atomic
class ParamKind(Object, frozen=True):
    """The kind of object a policy takes its parameters from."""

    api_version: str = ""
    kind: str = ""


@atomic
class Variable(Object, frozen=True):
    """A named CEL expression that other expressions in the policy can reuse."""

    expression: str = always("")
    name: str = always("")


class MutatingAdmissionPolicySpec(Object, frozen=True):
    """What a mutating policy matches, the changes it makes, and how errors are treated."""

    failure_policy: str | None = None
    match_conditions: Annotated[tuple[MatchCondition, ...], ListMap(keys=("name",), patch="name")] = ()
    match_constraints: MatchResources | None = None
    mutations: tuple[Mutation, ...] = ()
    param_kind: ParamKind | None = None
    reinvocation_policy: str = ""
    variables: tuple[Variable, ...] = ()


class MutatingAdmissionPolicy(Object, frozen=True):
    """CEL rules that change objects as they are admitted, with no webhook needed."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("MutatingAdmissionPolicy")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: MutatingAdmissionPolicySpec = always(MutatingAdmissionPolicySpec())


@atomic
class ParamRef(Object, frozen=True):
    """Points a binding at the object or objects holding its policy's parameters."""

    name: str = ""
    namespace: str = ""
    parameter_not_found_action: str | None = None
    selector: LabelSelector | None = None


class MutatingAdmissionPolicyBindingSpec(Object, frozen=True):
    """Which mutating policy to apply, with what parameters, to which objects."""

    match_resources: MatchResources | None = None
    param_ref: ParamRef | None = None
    policy_name: str = ""


class MutatingAdmissionPolicyBinding(Object, frozen=True):
    """Puts a mutating policy into force, with parameters and a scope."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("MutatingAdmissionPolicyBinding")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: MutatingAdmissionPolicyBindingSpec = always(MutatingAdmissionPolicyBindingSpec())


class MutatingAdmissionPolicyBindingList(Object, frozen=True):
    """A list of mutating admission policy bindings."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("MutatingAdmissionPolicyBindingList")
    items: tuple[MutatingAdmissionPolicyBinding, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class MutatingAdmissionPolicyList(Object, frozen=True):
    """A list of mutating admission policies."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("MutatingAdmissionPolicyList")
    items: tuple[MutatingAdmissionPolicy, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class RuleWithOperations(Object, frozen=True):
    """A rule pairing request verbs with the resources they act on."""

    api_groups: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    scope: str | None = None


class ServiceReference(Object, frozen=True):
    """The in-cluster service, path and port where an admission webhook listens."""

    name: str = always("")
    namespace: str = always("")
    path: str | None = None
    port: Int32 | None = None


class WebhookClientConfig(Object, frozen=True):
    """How to reach an admission webhook, by URL or service, and the CA to trust."""

    ca_bundle: bytes = b""
    service: ServiceReference | None = None
    url: str | None = None


class MutatingWebhook(Object, frozen=True):
    """One outside service that may modify requests, and when to call it."""

    admission_review_versions: tuple[str, ...] = always(())
    client_config: WebhookClientConfig = always(WebhookClientConfig())
    failure_policy: str | None = None
    match_conditions: Annotated[tuple[MatchCondition, ...], ListMap(keys=("name",), patch="name")] = ()
    match_policy: str | None = None
    name: str = always("")
    namespace_selector: LabelSelector | None = None
    object_selector: LabelSelector | None = None
    reinvocation_policy: str | None = None
    rules: tuple[RuleWithOperations, ...] = ()
    side_effects: str | None = None
    timeout_seconds: Int32 | None = None


class MutatingWebhookConfiguration(Object, frozen=True):
    """A set of webhooks that can modify objects on their way in."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("MutatingWebhookConfiguration")
    metadata: ObjectMeta = always(ObjectMeta())
    webhooks: Annotated[tuple[MutatingWebhook, ...], ListMap(keys=("name",), patch="name")] = ()


class MutatingWebhookConfigurationList(Object, frozen=True):
    """A list of mutating webhook configurations."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("MutatingWebhookConfigurationList")
    items: tuple[MutatingWebhookConfiguration, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class TypeChecking(Object, frozen=True):
    """What type checking found in a validating policy's expressions."""

    expression_warnings: tuple[ExpressionWarning, ...] = ()


class Validation(Object, frozen=True):
    """A CEL test a request must satisfy, and the message given when it does not."""

    expression: str = always("")
    message: str = ""
    message_expression: str = ""
    reason: str | None = None


class ValidatingAdmissionPolicySpec(Object, frozen=True):
    """What a validating policy matches, the tests it makes, and how errors are treated."""

    audit_annotations: tuple[AuditAnnotation, ...] = ()
    failure_policy: str | None = None
    match_conditions: Annotated[tuple[MatchCondition, ...], ListMap(keys=("name",), patch="name")] = ()
    match_constraints: MatchResources | None = None
    param_kind: ParamKind | None = None
    validations: tuple[Validation, ...] = ()
    variables: Annotated[tuple[Variable, ...], ListMap(keys=("name",), patch="name")] = ()


class ValidatingAdmissionPolicyStatus(Object, frozen=True):
    """Type-check results and conditions for a validating policy."""

    conditions: Annotated[tuple[Condition, ...], ListMap(keys=("type",))] = ()
    observed_generation: Int64 = 0
    type_checking: TypeChecking | None = None


class ValidatingAdmissionPolicy(Object, frozen=True):
    """CEL rules that accept or reject requests, with no webhook needed."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("ValidatingAdmissionPolicy")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ValidatingAdmissionPolicySpec = always(ValidatingAdmissionPolicySpec())
    status: ValidatingAdmissionPolicyStatus = always(ValidatingAdmissionPolicyStatus())


class ValidatingAdmissionPolicyBindingSpec(Object, frozen=True):
    """Which validating policy to enforce, where, and what to do on failure."""

    match_resources: MatchResources | None = None
    param_ref: ParamRef | None = None
    policy_name: str = ""
    validation_actions: Annotated[tuple[str, ...], ListSet()] = ()


class ValidatingAdmissionPolicyBinding(Object, frozen=True):
    """Puts a validating policy into force, with parameters and a scope."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("ValidatingAdmissionPolicyBinding")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ValidatingAdmissionPolicyBindingSpec = always(ValidatingAdmissionPolicyBindingSpec())


class ValidatingAdmissionPolicyBindingList(Object, frozen=True):
    """A list of validating admission policy bindings."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("ValidatingAdmissionPolicyBindingList")
    items: tuple[ValidatingAdmissionPolicyBinding, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ValidatingAdmissionPolicyList(Object, frozen=True):
    """A list of validating admission policies."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("ValidatingAdmissionPolicyList")
    items: tuple[ValidatingAdmissionPolicy, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ValidatingWebhook(Object, frozen=True):
    """One outside service that may refuse requests, and when to call it."""

    admission_review_versions: tuple[str, ...] = always(())
    client_config: WebhookClientConfig = always(WebhookClientConfig())
    failure_policy: str | None = None
    match_conditions: Annotated[tuple[MatchCondition, ...], ListMap(keys=("name",), patch="name")] = ()
    match_policy: str | None = None
    name: str = always("")
    namespace_selector: LabelSelector | None = None
    object_selector: LabelSelector | None = None
    rules: tuple[RuleWithOperations, ...] = ()
    side_effects: str | None = None
    timeout_seconds: Int32 | None = None


class ValidatingWebhookConfiguration(Object, frozen=True):
    """A set of webhooks that can refuse objects on their way in."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("ValidatingWebhookConfiguration")
    metadata: ObjectMeta = always(ObjectMeta())
    webhooks: Annotated[tuple[ValidatingWebhook, ...], ListMap(keys=("name",), patch="name")] = ()


class ValidatingWebhookConfigurationList(Object, frozen=True):
    """A list of validating webhook configurations."""

    api_version: str = always("admissionregistration.k8s.io/v1")
    kind: str = always("ValidatingWebhookConfigurationList")
    items: tuple[ValidatingWebhookConfiguration, ...] = always(())
    metadata: ListMeta = always(ListMeta())
