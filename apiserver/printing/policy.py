"""Who may do what, and how much, as rows: roles and bindings, budgets, autoscalers, certificates, hooks, flow control.

Source: what `kubectl get` has always shown.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from kube.api.admissionregistration_v1 import (
    MutatingAdmissionPolicy,
    MutatingAdmissionPolicyBinding,
    MutatingWebhookConfiguration,
    ParamKind,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
)
from kube.api.apiregistration_v1 import APIService
from kube.api.autoscaling_v2 import HorizontalPodAutoscaler, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus
from kube.api.certificates_v1 import CertificateSigningRequest
from kube.api.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from kube.api.policy_v1 import PodDisruptionBudget
from kube.api.rbac_v1 import ClusterRoleBinding, RoleBinding, Subject
from kube.api.resource_v1 import ResourceClaim, ResourceSlice
from kube.objects import condition
from kube.times import human_duration

from .column import AGE, NAME, NONE, UNKNOWN, UNSET, Printer, age, joined, numbers, selector, text, wide

_METRICS_SHOWN_MAX: Final = 2


def binding_cells(obj: RoleBinding | ClusterRoleBinding, now: datetime) -> list[Any]:
    """Return the cells of a RoleBinding or ClusterRoleBinding."""
    role = f"{obj.role_ref.kind}/{obj.role_ref.name}"
    accounts = ", ".join(f"{one.namespace}/{one.name}" for one in obj.subjects if one.kind == "ServiceAccount")
    users, groups = _subjects(obj.subjects, "User"), _subjects(obj.subjects, "Group")
    return [obj.metadata.name, role, age(obj, now), users, groups, accounts]


def _subjects(subjects: Iterable[Subject], kind: str) -> str:
    return ", ".join(subject.name for subject in subjects if subject.kind == kind)


def budget_cells(obj: PodDisruptionBudget, now: datetime) -> list[Any]:
    """Return the cells of a PodDisruptionBudget."""
    least, most = obj.spec.min_available, obj.spec.max_unavailable
    return [
        obj.metadata.name,
        "N/A" if least is None else str(least),
        "N/A" if most is None else str(most),
        obj.status.disruptions_allowed,
        age(obj, now),
    ]


def autoscaler_cells(obj: HorizontalPodAutoscaler, now: datetime) -> list[Any]:
    """Return the cells of a HorizontalPodAutoscaler."""
    spec = obj.spec
    least = UNSET if spec.min_replicas is None else str(spec.min_replicas)
    return [
        obj.metadata.name,
        f"{spec.scale_target_ref.kind}/{spec.scale_target_ref.name}",
        _metrics(spec.metrics, obj.status.current_metrics),
        least,
        spec.max_replicas,
        obj.status.current_replicas,
        age(obj, now),
    ]


def _metrics(wanted: tuple[MetricSpec, ...], seen: tuple[MetricStatus, ...]) -> str:
    """Return what each metric is against what it should be, the first two of them."""
    if not wanted:
        return NONE
    told = [_metric(one, seen[index] if index < len(seen) else None) for index, one in enumerate(wanted)]
    shown = ", ".join(told[:_METRICS_SHOWN_MAX])
    return f"{shown} + {len(told) - _METRICS_SHOWN_MAX} more..." if len(told) > _METRICS_SHOWN_MAX else shown


def _metric(wanted: MetricSpec, seen: MetricStatus | None) -> str:
    field = {"ContainerResource": "container_resource"}.get(wanted.type, wanted.type.lower())
    source = getattr(wanted, field, None)
    if source is None:
        return "<unknown type>"
    status = getattr(seen, field, None) if seen is not None else None
    prefix = f"{source.name}: " if wanted.type in ("Resource", "ContainerResource") else ""
    return f"{prefix}{_current(source.target, status.current if status is not None else None)}/{_target(source.target)}"


def _current(target: MetricTarget, seen: MetricValueStatus | None) -> str:
    if seen is None:
        return UNKNOWN
    if target.average_utilization is not None:
        return UNKNOWN if seen.average_utilization is None else f"{seen.average_utilization}%"
    value = seen.average_value if target.average_value is not None else seen.value
    return value.text if value is not None else UNKNOWN


def _target(target: MetricTarget) -> str:
    if target.average_utilization is not None:
        return f"{target.average_utilization}%"
    if target.average_value is not None:
        return f"{target.average_value} (avg)" if target.type == "Value" else target.average_value.text
    return target.value.text if target.value is not None else "<auto>"


def request_cells(obj: CertificateSigningRequest, now: datetime) -> list[Any]:
    """Return the cells of a CertificateSigningRequest."""
    seconds = obj.spec.expiration_seconds
    duration = NONE if seconds is None else human_duration(seconds)
    words = [item.type for item in obj.status.conditions if item.type in ("Approved", "Denied", "Failed")]
    if obj.status.certificate:
        words.append("Issued")
    told = ",".join(words) or "Pending"
    return [obj.metadata.name, age(obj, now), obj.spec.signer_name, obj.spec.username, duration, told]


def webhook_cells(obj: MutatingWebhookConfiguration | ValidatingWebhookConfiguration, now: datetime) -> list[Any]:
    """Return the cells of a configuration of webhooks."""
    return [obj.metadata.name, len(obj.webhooks), age(obj, now)]


def validating_policy_cells(obj: ValidatingAdmissionPolicy, now: datetime) -> list[Any]:
    """Return the cells of a ValidatingAdmissionPolicy."""
    return [obj.metadata.name, len(obj.spec.validations), _parameter_kind(obj.spec.param_kind), age(obj, now)]


def mutating_policy_cells(obj: MutatingAdmissionPolicy, now: datetime) -> list[Any]:
    """Return the cells of a MutatingAdmissionPolicy."""
    return [obj.metadata.name, len(obj.spec.mutations), _parameter_kind(obj.spec.param_kind), age(obj, now)]


def _parameter_kind(kind: ParamKind | None) -> str:
    return f"{kind.api_version}/{kind.kind}" if kind is not None else UNSET


def policy_binding_cells(
    obj: ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding, now: datetime
) -> list[Any]:
    """Return the cells of the binding of an admission policy."""
    parameters = obj.spec.param_ref
    told = UNSET
    if parameters is not None:
        told = f"{parameters.namespace or '*'}/{parameters.name}" if parameters.name else selector(parameters.selector)
    return [obj.metadata.name, obj.spec.policy_name, told, age(obj, now)]


def flow_schema_cells(obj: FlowSchema, now: datetime) -> list[Any]:
    """Return the cells of a FlowSchema."""
    spec = obj.spec
    missing = condition(obj.status.conditions, "Dangling")
    return [
        obj.metadata.name,
        spec.priority_level_configuration.name,
        spec.matching_precedence,
        spec.distinguisher_method.type if spec.distinguisher_method is not None else NONE,
        age(obj, now),
        missing.status if missing is not None else "?",
    ]


def priority_level_cells(obj: PriorityLevelConfiguration, now: datetime) -> list[Any]:
    """Return the cells of a PriorityLevelConfiguration."""
    limited = obj.spec.limited
    shares: Any = NONE
    queueing: list[Any] = [NONE, NONE, NONE]
    if limited is not None:
        shares = limited.nominal_concurrency_shares
        queues = limited.limit_response.queuing
        if queues is not None:
            queueing = [queues.queues, queues.hand_size, queues.queue_length_limit]
    return [obj.metadata.name, obj.spec.type, shares, *queueing, age(obj, now)]


def claim_cells(obj: ResourceClaim, now: datetime) -> list[Any]:
    """Return the cells of a ResourceClaim."""
    words = []
    if obj.metadata.deletion_timestamp is not None:
        words.append("deleted")
    if obj.status.allocation is not None:
        words.append("allocated")
    if obj.status.reserved_for:
        words.append("reserved")
    return [obj.metadata.name, joined(words, nothing="pending"), age(obj, now)]


def slice_cells(obj: ResourceSlice, now: datetime) -> list[Any]:
    """Return the cells of a ResourceSlice."""
    spec = obj.spec
    return [obj.metadata.name, spec.node_name or "", spec.driver, spec.pool.name, age(obj, now)]


def api_service_cells(obj: APIService, now: datetime) -> list[Any]:
    """Return the cells of an APIService."""
    service = obj.spec.service
    available = condition(obj.status.conditions, "Available")
    word = UNKNOWN
    if available is not None:
        word = available.status if available.status == "True" else f"{available.status} ({available.reason})"
    told = f"{service.namespace}/{service.name}" if service is not None else "Local"
    return [obj.metadata.name, told, word, age(obj, now)]


BINDING: Final = Printer((NAME, *text("Role"), AGE, *wide("Users", "Groups", "ServiceAccounts")), binding_cells)
BUDGET: Final = Printer(
    (NAME, *text("Min Available", "Max Unavailable"), *numbers("Allowed Disruptions"), AGE), budget_cells
)
AUTOSCALER: Final = Printer(
    (NAME, *text("Reference", "Targets", "MinPods", "MaxPods", "Replicas"), AGE), autoscaler_cells
)
REQUEST: Final = Printer((NAME, AGE, *text("SignerName", "Requestor", "RequestedDuration", "Condition")), request_cells)
WEBHOOK: Final = Printer((NAME, *numbers("Webhooks"), AGE), webhook_cells)
VALIDATING_POLICY: Final = Printer((NAME, *numbers("Validations"), *text("ParamKind"), AGE), validating_policy_cells)
MUTATING_POLICY: Final = Printer((NAME, *numbers("Mutations"), *text("ParamKind"), AGE), mutating_policy_cells)
POLICY_BINDING: Final = Printer((NAME, *text("PolicyName", "ParamRef"), AGE), policy_binding_cells)
FLOW_SCHEMA: Final = Printer(
    (NAME, *text("PriorityLevel", "MatchingPrecedence", "DistinguisherMethod"), AGE, *text("MissingPL")),
    flow_schema_cells,
)
_LEVEL: Final = ("Type", "NominalConcurrencyShares", "Queues", "HandSize", "QueueLengthLimit")
PRIORITY_LEVEL: Final = Printer((NAME, *text(*_LEVEL), AGE), priority_level_cells)
CLAIM: Final = Printer((NAME, *text("State"), AGE), claim_cells)
SLICE: Final = Printer((NAME, *text("Node", "Driver", "Pool"), AGE), slice_cells)
API_SERVICE: Final = Printer((NAME, *text("Service", "Available"), AGE), api_service_cells)
