"""What must hold of how webhooks and admission policies say which requests they are about.

Source: kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers
.../validating-admission-policy
"""

from typing import Final, TypeVar

from kube import names
from kube.api.admissionregistration_v1 import (
    MatchCondition,
    MatchResources,
    NamedRuleWithOperations,
    RuleWithOperations,
)
from kube.api.meta_v1 import LabelSelector
from kube.errors import duplicate, invalid, not_supported, required, too_many

from .checks import Errors, fits, label_selector, named, one_of_if_given
from .filling import each, where_none, within

FAILURE_POLICIES: Final = ("Fail", "Ignore")
MATCH_POLICIES: Final = ("Equivalent", "Exact")
SCOPES: Final = ("*", "Cluster", "Namespaced")
OPERATIONS: Final = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
ALL: Final = LabelSelector()
_CONDITIONS_MAX: Final = 64
AnyRule = TypeVar("AnyRule", RuleWithOperations, NamedRuleWithOperations)


def default_rule(rule: AnyRule) -> AnyRule:
    """Return a rule that says whether it is about namespaced objects, about others, or both."""
    return where_none(rule, scope="*")


def default_match_resources(match: MatchResources) -> MatchResources:
    """Return the resources that a policy is about, with the selectors that it leaves open selecting all."""
    match = where_none(match, match_policy="Equivalent", namespace_selector=ALL, object_selector=ALL)
    return within(match, resource_rules=_default_rules, exclude_resource_rules=_default_rules)


def _default_rules(rules: tuple[NamedRuleWithOperations, ...]) -> tuple[NamedRuleWithOperations, ...]:
    return each(rules, default_rule)


def match_resources_errors(match: MatchResources, path: str) -> Errors:
    """Check the resources that a policy is about."""
    if match.match_policy is None:
        yield required(f"{path}.matchPolicy")
    elif match.match_policy not in MATCH_POLICIES:
        yield not_supported(f"{path}.matchPolicy", match.match_policy, MATCH_POLICIES)
    for field, selector in (
        ("namespaceSelector", match.namespace_selector),
        ("objectSelector", match.object_selector),
    ):
        if selector is None:
            yield required(f"{path}.{field}")
        yield from label_selector(f"{path}.{field}", selector)
    for field, rules in (
        ("resourceRules", match.resource_rules),
        ("excludeResourceRules", match.exclude_resource_rules),
    ):
        for index, rule in enumerate(rules):
            yield from rule_errors(rule, f"{path}.{field}[{index}]")
            yield from _resource_names_errors(rule, f"{path}.{field}[{index}].resourceNames")


def _resource_names_errors(rule: NamedRuleWithOperations, path: str) -> Errors:
    seen: set[str] = set()
    for index, name in enumerate(rule.resource_names):
        yield from fits(f"{path}[{index}]", name, names.check_path_segment)
        if name in seen:
            yield duplicate(f"{path}[{index}]", name)
        seen.add(name)


def rule_errors(rule: RuleWithOperations | NamedRuleWithOperations, path: str) -> Errors:
    """Check one rule: some groups, versions, resources and operations."""
    for field, values in (
        ("operations", rule.operations),
        ("apiGroups", rule.api_groups),
        ("apiVersions", rule.api_versions),
        ("resources", rule.resources),
    ):
        if not values:
            yield required(f"{path}.{field}")
        if len(values) > 1 and "*" in values and field != "resources":
            yield invalid(f"{path}.{field}", values, "if '*' is present, must not specify other " + _TOLD[field])
    for index, operation in enumerate(rule.operations):
        if operation not in OPERATIONS:
            yield not_supported(f"{path}.operations[{index}]", operation, OPERATIONS)
    for index, version in enumerate(rule.api_versions):
        if not version:
            yield required(f"{path}.apiVersions[{index}]")
    yield from _resources_errors(rule.resources, f"{path}.resources")
    yield from one_of_if_given(f"{path}.scope", rule.scope, SCOPES)


_TOLD: Final = {"operations": "operations", "apiGroups": "API groups", "apiVersions": "API versions"}


def _resources_errors(resources: tuple[str, ...], path: str) -> Errors:
    """Check that no resource is named that another entry means already."""
    whole = {resource.removesuffix("/*") for resource in resources if resource.endswith("/*")}
    for index, resource in enumerate(resources):
        here = f"{path}[{index}]"
        name, slash, subresource = resource.partition("/")
        if not resource:
            yield required(here)
        elif slash and subresource != "*" and name in whole:
            yield invalid(here, resource, f"if '{name}/*' is present, must not specify {resource}")
        elif slash and name != "*" and f"*/{subresource}" in resources:
            yield invalid(here, resource, f"if '*/{subresource}' is present, must not specify {resource}")
    if len(resources) > 1 and "*/*" in resources:
        yield invalid(path, resources, "if '*/*' is present, must not specify other resources")


def conditions_errors(conditions: tuple[MatchCondition, ...], path: str) -> Errors:
    """Check the expressions that decide, beyond the rules, which requests are meant."""
    if len(conditions) > _CONDITIONS_MAX:
        yield too_many(path, len(conditions), _CONDITIONS_MAX)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        here = f"{path}[{index}]"
        if not condition.expression.strip():
            yield required(f"{here}.expression")
        yield from named(f"{here}.name", condition.name, names.check_label_key)
        if condition.name and condition.name in seen:
            yield duplicate(f"{here}.name", condition.name)
        seen.add(condition.name)
