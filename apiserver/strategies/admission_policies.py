"""The rules of admission policies and their bindings: checks and changes of requests, written as expressions.

The expressions themselves are kept as they are: nothing here evaluates them, so their syntax isn't checked either.
Source: kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy, .../mutating-admission-policy
"""

from typing import Final, TypeVar

from msgspec.structs import replace

from apiserver.strategy import Strategy
from kube import names
from kube.api.admissionregistration_v1 import (
    AuditAnnotation,
    MatchResources,
    MutatingAdmissionPolicy,
    MutatingAdmissionPolicyBinding,
    Mutation,
    ParamKind,
    ParamRef,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    Validation,
    Variable,
)
from kube.errors import FieldError, duplicate, forbidden_field, invalid, not_supported, required

from .checks import Errors, fits, label_selector, one_of_if_given
from .filling import where_none, within
from .generations import Generated
from .matching import FAILURE_POLICIES, conditions_errors, default_match_resources, match_resources_errors
from .statuses import conditions_errors as told_errors

B = TypeVar("B", ValidatingAdmissionPolicyBinding, MutatingAdmissionPolicyBinding)

REINVOCATIONS: Final = ("IfNeeded", "Never")
PATCH_TYPES: Final = ("ApplyConfiguration", "JSONPatch")
CHANGING: Final = ("*", "CONNECT", "CREATE", "UPDATE")
ACTIONS: Final = ("Audit", "Deny", "Warn")
REASONS: Final = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")


class ValidatingPolicyStrategy(Strategy[ValidatingAdmissionPolicy]):
    """ValidatingAdmissionPolicies."""

    allow_unconditional_update = False

    def default(self, obj: ValidatingAdmissionPolicy) -> ValidatingAdmissionPolicy:
        spec = where_none(obj.spec, failure_policy="Fail")
        spec = within(spec, match_constraints=default_match_resources)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: ValidatingAdmissionPolicy) -> list[FieldError]:
        return list(_validating_errors(obj))

    def validate_status_update(
        self, new: ValidatingAdmissionPolicy, old: ValidatingAdmissionPolicy
    ) -> list[FieldError]:
        return list(told_errors(new.status.conditions))


def _validating_errors(policy: ValidatingAdmissionPolicy) -> Errors:
    spec = policy.spec
    yield from _shared_errors(policy)
    for index, variable in enumerate(spec.variables):
        yield from _variable_errors(variable, f"spec.variables[{index}]")
    if not spec.validations and not spec.audit_annotations:
        both = "validations or auditAnnotations must contain at least one item"
        yield required("spec.validations", both)
        yield required("spec.auditAnnotations", both)
    for index, validation in enumerate(spec.validations):
        yield from _validation_errors(validation, f"spec.validations[{index}]")
    seen: set[str] = set()
    for index, annotation in enumerate(spec.audit_annotations):
        yield from _annotation_errors(annotation, policy.metadata.name, f"spec.auditAnnotations[{index}]")
        if annotation.key in seen:
            yield duplicate(f"spec.auditAnnotations[{index}].key", annotation.key)
        seen.add(annotation.key)


def _shared_errors(policy: ValidatingAdmissionPolicy | MutatingAdmissionPolicy) -> Errors:
    spec = policy.spec
    if spec.failure_policy is None:
        yield required("spec.failurePolicy")
    elif spec.failure_policy not in FAILURE_POLICIES:
        yield not_supported("spec.failurePolicy", spec.failure_policy, FAILURE_POLICIES)
    if spec.param_kind is not None:
        yield from _param_kind_errors(spec.param_kind, "spec.paramKind")
    yield from _constraints_errors(spec.match_constraints, "spec.matchConstraints")
    yield from conditions_errors(spec.match_conditions, "spec.matchConditions")


def _constraints_errors(constraints: MatchResources | None, path: str) -> Errors:
    if constraints is None:
        yield required(path)
        return
    yield from match_resources_errors(constraints, path)
    if not constraints.resource_rules:
        yield required(f"{path}.resourceRules")


def _param_kind_errors(kind: ParamKind, path: str) -> Errors:
    if not kind.api_version:
        yield required(f"{path}.apiVersion")
    elif kind.api_version.count("/") > 1:
        yield invalid(f"{path}.apiVersion", kind.api_version, f"unexpected GroupVersion string: {kind.api_version}")
    else:
        group, _, version = kind.api_version.rpartition("/")
        if group:
            yield from fits(f"{path}.apiVersion", group, names.check_dns_subdomain)
        for problem in names.check_dns_1035_label(version):
            yield invalid(f"{path}.apiVersion", version, problem)
    if not kind.kind:
        yield required(f"{path}.kind")
    else:
        for problem in names.check_dns_1035_label(kind.kind.lower()):
            yield invalid(f"{path}.kind", kind.kind, f"may have mixed case, but should otherwise match: {problem}")


def _variable_errors(variable: Variable, path: str) -> Errors:
    if not variable.name or not variable.name.strip():
        yield required(f"{path}.name", "name is not specified")
    else:
        yield from fits(f"{path}.name", variable.name, names.check_cel_identifier)
    if not variable.expression.strip():
        yield required(f"{path}.expression", "expression is not specified")


def _validation_errors(validation: Validation, path: str) -> Errors:
    message = validation.message.strip()
    if not validation.expression.strip():
        yield required(f"{path}.expression", "expression is not specified")
    if validation.message_expression and not validation.message_expression.strip():
        detail = "must be non-empty if specified"
        yield invalid(f"{path}.messageExpression", validation.message_expression, detail)
    if validation.message and not message:
        yield invalid(f"{path}.message", validation.message, "message must be non-empty if specified")
    elif "\n" in message:
        yield invalid(f"{path}.message", validation.message, "message must not contain line breaks")
    elif "\n" in validation.expression.strip() and not message:
        yield required(f"{path}.message", "message must be specified if expression contains line breaks")
    yield from one_of_if_given(f"{path}.reason", validation.reason, REASONS)


def _annotation_errors(annotation: AuditAnnotation, policy: str, path: str) -> Errors:
    yield from fits(f"{path}.key", f"{policy}/{annotation.key}", names.check_label_key)
    if not annotation.value_expression.strip():
        yield required(f"{path}.valueExpression", "valueExpression is not specified")


class MutatingPolicyStrategy(Generated[MutatingAdmissionPolicy]):
    """MutatingAdmissionPolicies."""

    allow_unconditional_update = False

    def default(self, obj: MutatingAdmissionPolicy) -> MutatingAdmissionPolicy:
        spec = where_none(obj.spec, failure_policy="Fail")
        spec = within(spec, match_constraints=default_match_resources)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: MutatingAdmissionPolicy) -> list[FieldError]:
        return list(_mutating_errors(obj))


def _mutating_errors(policy: MutatingAdmissionPolicy) -> Errors:
    spec = policy.spec
    yield from _shared_errors(policy)
    for index, variable in enumerate(spec.variables):
        yield from _variable_errors(variable, f"spec.variables[{index}]")
    for rule in spec.match_constraints.resource_rules if spec.match_constraints is not None else ():
        for operation in rule.operations:
            if operation not in CHANGING:
                yield not_supported("spec.matchConstraints.resourceRules.operations", operation, CHANGING)
    if not spec.mutations:
        yield required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(spec.mutations):
        yield from _mutation_errors(mutation, f"spec.mutations[{index}]")
    if not spec.reinvocation_policy:
        yield required("spec.reinvocationPolicy")
    elif spec.reinvocation_policy not in REINVOCATIONS:
        yield not_supported("spec.reinvocationPolicy", spec.reinvocation_policy, REINVOCATIONS)


def _mutation_errors(mutation: Mutation, path: str) -> Errors:
    forms = {"ApplyConfiguration": mutation.apply_configuration, "JSONPatch": mutation.json_patch}
    fields = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
    if not mutation.patch_type:
        yield required(f"{path}.patchType")
    elif mutation.patch_type not in PATCH_TYPES:
        yield not_supported(f"{path}.patchType", mutation.patch_type, PATCH_TYPES)
    for kind, form in forms.items():
        here = f"{path}.{fields[kind]}"
        if kind != mutation.patch_type:
            if form is not None and mutation.patch_type in PATCH_TYPES:
                yield invalid(here, form, f"must not be set when patchType is '{mutation.patch_type}'")
        elif form is None:
            yield required(here, f"must be specified when patchType is {kind}")
        elif not form.expression.strip():
            yield required(f"{here}.expression", "expression is not specified")


class PolicyBindingStrategy(Generated[B]):
    """Bindings of policies of both sorts."""

    allow_unconditional_update = False

    def default(self, obj: B) -> B:
        spec = within(obj.spec, match_resources=default_match_resources)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: B) -> list[FieldError]:
        return list(_binding_errors(obj))


def _binding_errors(binding: ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding) -> Errors:
    spec = binding.spec
    if not spec.policy_name:
        yield required("spec.policyName")
    else:
        yield from fits("spec.policyName", spec.policy_name, names.check_dns_subdomain)
    if spec.param_ref is not None:
        yield from _param_ref_errors(spec.param_ref, "spec.paramRef")
    if spec.match_resources is not None:
        yield from match_resources_errors(spec.match_resources, "spec.matchResources")
    if isinstance(binding, ValidatingAdmissionPolicyBinding):
        yield from _actions_errors(binding.spec.validation_actions, "spec.validationActions")


def _param_ref_errors(reference: ParamRef, path: str) -> Errors:
    if reference.name:
        yield from fits(f"{path}.name", reference.name, names.check_path_segment)
        if reference.selector is not None:
            yield forbidden_field(f"{path}.name", "name and selector are mutually exclusive")
            yield forbidden_field(f"{path}.selector", "name and selector are mutually exclusive")
    yield from label_selector(f"{path}.selector", reference.selector)
    if not reference.name and reference.selector is None:
        yield required(path, "one of name or selector must be specified")
    if not reference.parameter_not_found_action:
        yield required(f"{path}.parameterNotFoundAction")
    elif reference.parameter_not_found_action not in ("Deny", "Allow"):
        yield not_supported(f"{path}.parameterNotFoundAction", reference.parameter_not_found_action, ("Allow", "Deny"))


def _actions_errors(actions: tuple[str, ...], path: str) -> Errors:
    seen: set[str] = set()
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            yield not_supported(f"{path}[{index}]", action, ACTIONS)
        if action in seen:
            yield duplicate(f"{path}[{index}]", action)
        seen.add(action)
    if {"Deny", "Warn"} <= seen:
        detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API"
        yield invalid(path, actions, f"{detail} response and headers serves no purpose)")
    if not actions:
        yield required(path, "at least one validation action is required")
