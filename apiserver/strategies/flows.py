"""The rules of FlowSchemas and PriorityLevelConfigurations: which requests wait for which.

This server does not queue by them; they are kept for those who ask. A schema is told at once whether the level that it
leads to exists (apiserver.flow_control tells it of levels that come and go).
Source: kubernetes.io/docs/concepts/cluster-administration/flow-control
"""

from datetime import datetime
from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube import names
from kube.api.flowcontrol_v1 import (
    FlowSchema,
    FlowSchemaCondition,
    FlowSchemaSpec,
    FlowSchemaStatus,
    LimitedPriorityLevelConfiguration,
    LimitResponse,
    NonResourcePolicyRule,
    PolicyRulesWithSubjects,
    PriorityLevelConfiguration,
    PriorityLevelConfigurationSpec,
    QueuingConfiguration,
    ResourcePolicyRule,
    Subject,
)
from kube.errors import FieldError, forbidden_field, invalid, not_supported, required
from kube.objects import condition, with_defaults
from kube.times import to_time

from .checks import Errors, between, named
from .filling import where_none, within

PRECEDENCE: Final = 1000
SHARES: Final = 30
EXEMPT: Final = "exempt"
_PRECEDENCE_MAX: Final = 10_000
_QUEUES_MAX: Final = 10_000_000
_ENTROPY_BITS_MAX: Final = 60
_DISTINGUISHERS: Final = ("ByNamespace", "ByUser")
_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_NO_VERBS: Final = "verbs must contain at least one value"


class FlowSchemaStrategy(Strategy[FlowSchema]):
    """FlowSchemas."""

    allow_unconditional_update = False

    def default(self, obj: FlowSchema) -> FlowSchema:
        spec = with_defaults(obj.spec, matching_precedence=PRECEDENCE)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def prepare_create(self, obj: FlowSchema, context: Context) -> FlowSchema:
        return _observed(super().prepare_create(obj, context), context)

    def prepare_update(self, new: FlowSchema, old: FlowSchema, context: Context) -> FlowSchema:
        return _observed(super().prepare_update(new, old, context), context)

    def validate(self, obj: FlowSchema) -> list[FieldError]:
        return list(_schema_errors(obj.spec, obj.metadata.name))


def _observed(schema: FlowSchema, context: Context) -> FlowSchema:
    level = schema.spec.priority_level_configuration.name
    exists = context.objects.get(PriorityLevelConfiguration, level) is not None
    return with_dangling(schema, exists=exists, now=context.now)


def with_dangling(schema: FlowSchema, *, exists: bool, now: datetime) -> FlowSchema:
    """Return a schema that says whether its level exists; the same one if it does already."""
    level = schema.spec.priority_level_configuration.name
    fact = "it exists" if exists else "but there is no such object"
    joint = "and " if exists else ""
    told = FlowSchemaCondition(
        type="Dangling",
        status="False" if exists else "True",
        reason="Found" if exists else "NotFound",
        message=f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" {joint}{fact}',
    )
    found = condition(schema.status.conditions, told.type)
    since = found.last_transition_time if found and found.status == told.status else to_time(now)
    told = replace(told, last_transition_time=since)
    if found == told:
        return schema
    others = tuple(other for other in schema.status.conditions if other.type != told.type)
    return replace(schema, status=FlowSchemaStatus(conditions=(*others, told)))


def _schema_errors(spec: FlowSchemaSpec, name: str) -> Errors:
    path, precedence = "spec.matchingPrecedence", spec.matching_precedence
    if precedence <= 0:
        yield invalid(path, precedence, "must be a positive value")
    elif precedence > _PRECEDENCE_MAX:
        yield invalid(path, precedence, f"must not be greater than {_PRECEDENCE_MAX}")
    if precedence == 1 and name != EXEMPT:
        yield invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    if spec.distinguisher_method is not None and spec.distinguisher_method.type not in _DISTINGUISHERS:
        yield not_supported("spec.distinguisherMethod.type", spec.distinguisher_method, _DISTINGUISHERS)
    level = spec.priority_level_configuration.name
    if level:
        yield from named("spec.priorityLevelConfiguration.name", level, names.check_dns_subdomain)
    else:
        yield required("spec.priorityLevelConfiguration.name", "must reference a priority level")
    for index, rule in enumerate(spec.rules):
        yield from _rules_errors(rule, f"spec.rules[{index}]")


def _rules_errors(rule: PolicyRulesWithSubjects, path: str) -> Errors:
    if not rule.subjects:
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(rule.subjects):
        yield from _subject_errors(subject, f"{path}.subjects[{index}]")
    if not rule.resource_rules and not rule.non_resource_rules:
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for index, resource in enumerate(rule.resource_rules):
        yield from _resource_rule_errors(resource, f"{path}.resourceRules[{index}]")
    for index, other in enumerate(rule.non_resource_rules):
        yield from _non_resource_rule_errors(other, f"{path}.nonResourceRules[{index}]")


def _subject_errors(subject: Subject, path: str) -> Errors:
    kinds = {"Group": subject.group, "ServiceAccount": subject.service_account, "User": subject.user}
    fields = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}
    if subject.kind not in kinds:
        yield not_supported(f"{path}.kind", subject.kind, tuple(kinds))
        return
    for kind, found in kinds.items():
        field = fields[kind]
        if kind != subject.kind and found is not None:
            yield forbidden_field(f"{path}.{field}", f"{field} is forbidden when subject kind is not '{kind}'")
        elif kind == subject.kind and found is None:
            yield required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'")
        elif found is not None and not found.name:
            yield required(f"{path}.{field}.name")
    account = subject.service_account
    if subject.kind == "ServiceAccount" and account is not None:
        if account.name not in ("", "*"):
            yield from named(f"{path}.serviceAccount.name", account.name, names.check_dns_subdomain)
        if account.namespace:
            yield from named(f"{path}.serviceAccount.namespace", account.namespace, names.check_dns_label)
        else:
            yield required(f"{path}.serviceAccount.namespace", "must specify namespace for service account")


def _verbs_errors(verbs: tuple[str, ...], path: str) -> Errors:
    if not verbs:
        yield required(path, _NO_VERBS)
    elif "*" in verbs and len(verbs) > 1:
        yield invalid(path, verbs, "if '*' is present, must not specify other verbs")
    elif "*" not in verbs and not set(verbs) <= set(_VERBS):
        yield not_supported(path, verbs, _VERBS)


def _resource_rule_errors(rule: ResourcePolicyRule, path: str) -> Errors:
    yield from _verbs_errors(rule.verbs, f"{path}.verbs")
    if not rule.api_groups:
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    elif len(rule.api_groups) > 1 and "*" in rule.api_groups:
        yield invalid(f"{path}.apiGroups", rule.api_groups, "if '*' is present, must not specify other api groups")
    if not rule.resources:
        yield required(f"{path}.resources", "resource rules must supply at least one resource")
    elif len(rule.resources) > 1 and "*" in rule.resources:
        yield invalid(f"{path}.resources", rule.resources, "if '*' is present, must not specify other resources")
    here = f"{path}.namespaces"
    if not rule.namespaces and not rule.cluster_scope:
        yield required(here, "resource rules that are not cluster scoped must supply at least one namespace")
    elif len(rule.namespaces) > 1 and "*" in rule.namespaces:
        yield invalid(here, rule.namespaces, "if '*' is present, must not specify other namespaces")
    for index, namespace in enumerate(rule.namespaces):
        for problem in names.check_dns_label(namespace) if namespace != "*" else ():
            detail = f"each member of this list must be '*' or a DNS-1123 label; {problem}"
            yield invalid(f"{here}[{index}]", namespace, detail)


def _non_resource_rule_errors(rule: NonResourcePolicyRule, path: str) -> Errors:
    yield from _verbs_errors(rule.verbs, f"{path}.verbs")
    here = f"{path}.nonResourceURLs"
    if not rule.non_resource_urls:
        yield required(here, "nonResourceURLs must contain at least one value")
    elif len(rule.non_resource_urls) > 1 and "*" in rule.non_resource_urls:
        yield invalid(here, rule.non_resource_urls, "if '*' is present, must not specify other non-resource URLs")
    for index, url in enumerate(rule.non_resource_urls):
        if problem := _url_problem(url):
            yield invalid(f"{here}[{index}]", url, problem)


def _url_problem(url: str) -> str:
    if url in ("*", "/"):
        return ""
    if not url:
        return "must not be empty"
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    if "*" in url[:-1] or (url.endswith("*") and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""


class PriorityLevelStrategy(Strategy[PriorityLevelConfiguration]):
    """PriorityLevelConfigurations."""

    def default(self, obj: PriorityLevelConfiguration) -> PriorityLevelConfiguration:
        spec = within(
            obj.spec,
            limited=_default_limited,
            exempt=lambda exempt: where_none(exempt, nominal_concurrency_shares=0, lendable_percent=0),
        )
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: PriorityLevelConfiguration) -> list[FieldError]:
        return list(_level_errors(obj.spec, obj.metadata.name))


def _default_limited(limited: LimitedPriorityLevelConfiguration) -> LimitedPriorityLevelConfiguration:
    limited = where_none(limited, nominal_concurrency_shares=SHARES, lendable_percent=0)
    return within(limited, limit_response=lambda response: within(response, queuing=_default_queuing))


def _default_queuing(queuing: QueuingConfiguration) -> QueuingConfiguration:
    return with_defaults(queuing, queues=64, hand_size=8, queue_length_limit=50)


def _level_errors(spec: PriorityLevelConfigurationSpec, name: str) -> Errors:
    if (spec.type == "Exempt") != (name == EXEMPT) and spec.type in ("Exempt", "Limited"):
        yield invalid("spec.type", spec.type, "must be 'Exempt' if and only if `name` is 'exempt'")
    if spec.type == "Exempt":
        if spec.limited is not None:
            yield forbidden_field("spec.limited", "must be nil if the type is not Limited")
        if spec.exempt is not None:
            shares, percent = spec.exempt.nominal_concurrency_shares, spec.exempt.lendable_percent
            yield from _shares_errors(shares, percent, "spec.exempt")
    elif spec.type == "Limited":
        if spec.exempt is not None:
            yield forbidden_field("spec.exempt", "must be nil if the type is Limited")
        if spec.limited is None:
            yield required("spec.limited", "must not be empty when type is Limited")
        else:
            yield from _limited_errors(spec.limited, "spec.limited")
    else:
        yield not_supported("spec.type", spec.type, ("Exempt", "Limited"))


def _shares_errors(shares: int | None, percent: int | None, path: str) -> Errors:
    if shares is not None and shares < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")
    if percent is not None:
        yield from between(f"{path}.lendablePercent", percent, 0, 100)


def _limited_errors(limited: LimitedPriorityLevelConfiguration, path: str) -> Errors:
    yield from _shares_errors(limited.nominal_concurrency_shares, limited.lendable_percent, path)
    yield from _response_errors(limited.limit_response, f"{path}.limitResponse")
    borrowed = limited.borrowing_limit_percent
    if borrowed is not None and borrowed < 0:
        yield invalid(f"{path}.borrowingLimitPercent", borrowed, "if specified, must be a non-negative integer")


def _response_errors(response: LimitResponse, path: str) -> Errors:
    if response.type == "Reject":
        if response.queuing is not None:
            detail = "must be nil if limited.limitResponse.type is not Limited"
            yield forbidden_field(f"{path}.queuing", detail)
    elif response.type == "Queue":
        if response.queuing is None:
            yield required(f"{path}.queuing", "must not be empty if limited.limitResponse.type is Limited")
        else:
            yield from _queuing_errors(response.queuing, f"{path}.queuing")
    else:
        yield not_supported(f"{path}.type", response.type, ("Queue", "Reject"))


def _queuing_errors(queuing: QueuingConfiguration, path: str) -> Errors:
    if queuing.queue_length_limit <= 0:
        yield invalid(f"{path}.queueLengthLimit", queuing.queue_length_limit, "must be positive")
    if queuing.queues <= 0:
        yield invalid(f"{path}.queues", queuing.queues, "must be positive")
    elif queuing.queues > _QUEUES_MAX:
        yield invalid(f"{path}.queues", queuing.queues, f"must not be greater than {_QUEUES_MAX}")
    if queuing.hand_size <= 0:
        yield invalid(f"{path}.handSize", queuing.hand_size, "must be positive")
    elif queuing.hand_size > queuing.queues:
        detail = f"should not be greater than queues ({queuing.queues})"
        yield invalid(f"{path}.handSize", queuing.hand_size, detail)
    elif (bits := _entropy_bits(queuing)) > _ENTROPY_BITS_MAX:
        detail = f"required entropy bits of deckSize {queuing.queues} and handSize {queuing.hand_size} should not be"
        yield invalid(f"{path}.handSize", queuing.hand_size, f"{detail} greater than {_ENTROPY_BITS_MAX} ({bits})")


def _entropy_bits(queuing: QueuingConfiguration) -> int:
    """Return how many random bits it takes to deal a hand of queues."""
    bits = 0
    for dealt in range(queuing.hand_size):
        bits += (queuing.queues - dealt - 1).bit_length()
        if bits > _ENTROPY_BITS_MAX:
            break
    return bits
