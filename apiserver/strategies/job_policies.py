"""What must hold of how a Job with indexes runs, fails and succeeds.

Source: kubernetes.io/docs/concepts/workloads/controllers/job, the sections on indexed Jobs and on pod failure policies
"""

import re
from typing import Final

from kube import names
from kube.api.batch_v1 import JobSpec, PodFailurePolicy, PodFailurePolicyRule, SuccessPolicy, SuccessPolicyRule
from kube.errors import duplicate, invalid, not_supported, required, too_long, too_many

from .checks import Errors, fits

ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
OPERATORS: Final = ("In", "NotIn")
_INDEXED_MAX: Final = 100_000
_FAILED_INDEXES_MAX: Final = 100_000
_RULES_MAX: Final = 20
_EXIT_CODES_MAX: Final = 255
_CONDITIONS_MAX: Final = 20
_MANAGED_BY_MAX: Final = 63
_NEEDS_INDEXES: Final = "requires indexed completion mode"
_INTERVAL: Final = re.compile(r"([0-9]+)(?:-([0-9]+))?")


def indexed_errors(spec: JobSpec, path: str) -> Errors:
    """Check what Jobs with indexes must have, and what only they may have."""
    if spec.completion_mode == "Indexed":
        if spec.completions is None:
            yield required(f"{path}.completions", "when completion mode is Indexed")
        if (spec.parallelism or 0) > _INDEXED_MAX:
            detail = f"must be less than or equal to {_INDEXED_MAX} when completion mode is Indexed"
            yield invalid(f"{path}.parallelism", spec.parallelism, detail)
        failed = spec.max_failed_indexes
        if spec.completions is not None and failed is not None and failed > spec.completions:
            yield invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
        if failed is not None and failed > _FAILED_INDEXES_MAX:
            yield invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_FAILED_INDEXES_MAX}")
    elif spec.completion_mode in (None, "NonIndexed"):
        if spec.backoff_limit_per_index is not None:
            yield invalid(f"{path}.backoffLimitPerIndex", spec.backoff_limit_per_index, _NEEDS_INDEXES)
        if spec.max_failed_indexes is not None:
            yield invalid(f"{path}.maxFailedIndexes", spec.max_failed_indexes, _NEEDS_INDEXES)
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")


def managed_by_errors(name: str, path: str) -> Errors:
    """Check the name of the controller that is to run a Job."""
    if not name:
        yield required(path)
        return
    yield from fits(path, name, names.check_domain_path)
    if len(name) > _MANAGED_BY_MAX:
        yield too_long(path, _MANAGED_BY_MAX)


def failure_policy_errors(spec: JobSpec, policy: PodFailurePolicy, path: str) -> Errors:
    """Check what is to become of a Job whose pods fail."""
    restart = spec.template.spec.restart_policy
    if restart == "OnFailure":
        yield invalid(
            f"{path.rpartition('.')[0]}.template.spec.restartPolicy",
            restart,
            'only "Never" is supported when podFailurePolicy is specified',
        )
    if len(policy.rules) > _RULES_MAX:
        yield too_many(f"{path}.rules", len(policy.rules), _RULES_MAX)
    pod = spec.template.spec
    containers = {container.name for container in (*pod.containers, *pod.init_containers)}
    for index, rule in enumerate(policy.rules):
        here = f"{path}.rules[{index}]"
        yield from _failure_rule_errors(rule, containers, here)
        if rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
            yield invalid(f"{here}.action", rule.action, "requires the backoffLimitPerIndex to be set")


def _failure_rule_errors(rule: PodFailurePolicyRule, containers: set[str], path: str) -> Errors:
    if not rule.action:
        yield required(f"{path}.action", f"valid values: {_told(ACTIONS)}")
    elif rule.action not in ACTIONS:
        yield not_supported(f"{path}.action", rule.action, ACTIONS)
    if rule.on_exit_codes is not None and rule.on_pod_conditions:
        yield invalid(path, rule, "specifying both OnExitCodes and OnPodConditions is not supported")
    elif rule.on_exit_codes is None and not rule.on_pod_conditions:
        yield invalid(path, rule, "specifying one of OnExitCodes and OnPodConditions is required")
    if rule.on_exit_codes is not None:
        yield from _exit_codes_errors(rule, containers, f"{path}.onExitCodes")
    if len(rule.on_pod_conditions) > _CONDITIONS_MAX:
        yield too_many(f"{path}.onPodConditions", len(rule.on_pod_conditions), _CONDITIONS_MAX)
    for index, pattern in enumerate(rule.on_pod_conditions):
        here = f"{path}.onPodConditions[{index}]"
        yield from fits(f"{here}.type", pattern.type, names.check_label_key)
        if pattern.status not in ("False", "True", "Unknown"):
            yield not_supported(f"{here}.status", pattern.status, ("False", "True", "Unknown"))


def _exit_codes_errors(rule: PodFailurePolicyRule, containers: set[str], path: str) -> Errors:
    asked = rule.on_exit_codes
    if asked is None:
        return
    if not asked.operator:
        yield required(f"{path}.operator", f"valid values: {_told(OPERATORS)}")
    elif asked.operator not in OPERATORS:
        yield not_supported(f"{path}.operator", asked.operator, OPERATORS)
    if asked.container_name is not None and asked.container_name not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", asked.container_name, detail)
    if not asked.values:
        yield invalid(f"{path}.values", asked.values, "at least one value is required")
    elif len(asked.values) > _EXIT_CODES_MAX:
        yield too_many(f"{path}.values", len(asked.values), _EXIT_CODES_MAX)
    if list(asked.values) != sorted(asked.values):
        yield invalid(f"{path}.values", asked.values, "must be ordered")
    for index, code in enumerate(asked.values):
        if code in asked.values[:index]:
            yield duplicate(f"{path}.values[{index}]", code)
    if asked.operator == "In" and 0 in asked.values:
        yield invalid(f"{path}.values[{asked.values.index(0)}]", 0, "must not be 0 for the In operator")


def _told(choices: tuple[str, ...]) -> str:
    return "[" + " ".join(f'"{choice}"' for choice in choices) + "]"


def success_policy_errors(spec: JobSpec, policy: SuccessPolicy, path: str) -> Errors:
    """Check when a Job counts as done before all of its indexes are."""
    if spec.completion_mode != "Indexed":
        yield invalid(path, policy, _NEEDS_INDEXES)
        return
    if not policy.rules:
        yield required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified")
    if len(policy.rules) > _RULES_MAX:
        yield too_many(f"{path}.rules", len(policy.rules), _RULES_MAX)
    for index, rule in enumerate(policy.rules):
        yield from _success_rule_errors(rule, spec.completions or 0, f"{path}.rules[{index}]")


def _success_rule_errors(rule: SuccessPolicyRule, completions: int, path: str) -> Errors:
    indexes, count = rule.succeeded_indexes, rule.succeeded_count
    if indexes is None and count is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    limit, told = completions, "the number of specified completions"
    if indexes is not None:
        number, problem = _count_indexes(indexes, completions)
        if problem:
            yield invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {problem}")
        limit, told = number, "the number of indexes in the specified succeededIndexes field"
    if count is not None and count < 0:
        yield invalid(f"{path}.succeededCount", count, "must be greater than or equal to 0")
    elif count is not None and count > limit:
        yield invalid(f"{path}.succeededCount", count, f"must be less than or equal to {limit} ({told})")


def _count_indexes(text: str, completions: int) -> tuple[int, str]:
    """Return how many indexes a text such as "1,3-5" names, and what is wrong with it, "" if it is good."""
    total, last = 0, -1
    for part in text.split(",") if text else ():
        match = _INTERVAL.fullmatch(part)
        if match is None:
            return 0, f"cannot convert string to integer for index: {part!r}".replace("'", '"')
        first, end = int(match[1]), int(match[2] or match[1])
        if first <= last:
            return 0, f"non-increasing order, previous: {last}, current: {first}"
        if end >= completions:
            return 0, f"too large index: {part!r}".replace("'", '"')
        if match[2] is not None and end <= first:
            return 0, f"non-increasing order, previous: {first}, current: {end}"
        total, last = total + end - first + 1, end
    return total, ""
