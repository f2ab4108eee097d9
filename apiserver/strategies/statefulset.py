"""The rules of StatefulSets: pods with names, order and storage of their own.

Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources/stateful-set-v1
"""

from typing import Any, Final

from msgspec.structs import replace

from apiserver.strategy import Strategy
from kube.api.apps_v1 import (
    RollingUpdateStatefulSetStrategy,
    StatefulSet,
    StatefulSetPersistentVolumeClaimRetentionPolicy,
    StatefulSetSpec,
    StatefulSetStatus,
    StatefulSetUpdateStrategy,
)
from kube.api.core_v1 import PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, PodTemplateSpec, Volume
from kube.errors import FieldError, forbidden_field, invalid, required
from kube.names import check_dns_label
from kube.objects import with_defaults

from .checks import Errors, fits, not_negative, one_of
from .claims import claim_spec_errors
from .filling import each, where_none
from .pod_defaults import default_claim_spec, default_template
from .pod_spec import always_restarting_errors
from .statuses import at_most, counts_errors
from .workloads import selected_template_errors

_MUTABLE: Final = (
    "replicas",
    "ordinals",
    "template",
    "update_strategy",
    "revision_history_limit",
    "persistent_volume_claim_retention_policy",
    "min_ready_seconds",
)
_MAY_CHANGE: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy',"
    " 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_KEEP_CLAIMS: Final = StatefulSetPersistentVolumeClaimRetentionPolicy()


class StatefulSetStrategy(Strategy[StatefulSet]):
    """StatefulSets."""

    def check_name(self, name: str) -> list[str]:
        return check_dns_label(name)

    def default(self, obj: StatefulSet) -> StatefulSet:
        spec = where_none(obj.spec, replicas=1, revision_history_limit=10)
        policy = with_defaults(
            spec.persistent_volume_claim_retention_policy or _KEEP_CLAIMS, when_deleted="Retain", when_scaled="Retain"
        )
        spec = replace(
            with_defaults(spec, pod_management_policy="OrderedReady"),
            update_strategy=_default_update(spec.update_strategy),
            persistent_volume_claim_retention_policy=policy,
            volume_claim_templates=each(spec.volume_claim_templates, _default_claim),
            template=default_template(spec.template),
        )
        return obj if spec == obj.spec else replace(obj, spec=spec)

    def validate(self, obj: StatefulSet) -> list[FieldError]:
        return [*_errors(obj.spec), *_lasting_errors(obj.spec)]

    def validate_status_update(self, new: StatefulSet, old: StatefulSet) -> list[FieldError]:
        return list(_status_errors(new.status))

    def validate_update(self, new: StatefulSet, old: StatefulSet) -> list[FieldError]:
        errors = list(_errors(new.spec))
        kept: dict[str, Any] = {field: getattr(old.spec, field) for field in _MUTABLE}
        if replace(new.spec, **kept) != old.spec:
            errors.append(forbidden_field("spec", _MAY_CHANGE))
        return errors


def _default_update(strategy: StatefulSetUpdateStrategy) -> StatefulSetUpdateStrategy:
    rolling = strategy.rolling_update
    if rolling is None and not strategy.type:
        rolling = RollingUpdateStatefulSetStrategy()
    strategy = with_defaults(strategy, type="RollingUpdate")
    if strategy.type != "RollingUpdate" or rolling is None:
        return strategy
    partition = rolling.partition
    return replace(strategy, rolling_update=RollingUpdateStatefulSetStrategy(partition=partition or 0))


def _default_claim(claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    status = with_defaults(claim.status, phase="Pending")
    return replace(
        claim, api_version="v1", kind="PersistentVolumeClaim", spec=default_claim_spec(claim.spec), status=status
    )


def _errors(spec: StatefulSetSpec) -> Errors:
    management, strategy = spec.pod_management_policy, spec.update_strategy
    if not management:
        yield required("spec.podManagementPolicy")
    elif management not in ("OrderedReady", "Parallel"):
        yield invalid("spec.podManagementPolicy", management, "must be 'OrderedReady' or 'Parallel'")
    if not strategy.type:
        yield required("spec.updateStrategy")
    elif strategy.type not in ("OnDelete", "RollingUpdate"):
        yield invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'")
    rolling = strategy.rolling_update
    if rolling is not None:
        here = "spec.updateStrategy.rollingUpdate"
        if strategy.type == "OnDelete":
            yield invalid(here, rolling, "only allowed for updateStrategy 'RollingUpdate'")
        yield from not_negative(f"{here}.partition", rolling.partition)
    policy = spec.persistent_volume_claim_retention_policy
    if policy is not None:
        here = "spec.persistentVolumeClaimRetentionPolicy"
        yield from one_of(f"{here}.whenDeleted", policy.when_deleted, ("Retain", "Delete"))
        yield from one_of(f"{here}.whenScaled", policy.when_scaled, ("Retain", "Delete"))
    yield from not_negative("spec.replicas", spec.replicas)
    yield from not_negative("spec.minReadySeconds", spec.min_ready_seconds)
    if spec.ordinals is not None:
        yield from not_negative("spec.ordinals.start", spec.ordinals.start)
    yield from selected_template_errors(spec.selector, _as_of_pods(spec), "statefulset")
    yield from always_restarting_errors(spec.template, "spec.template", "StatefulSet")


def _status_errors(status: StatefulSetStatus) -> Errors:
    yield from counts_errors(status)
    for field, part in (
        ("readyReplicas", status.ready_replicas),
        ("currentReplicas", status.current_replicas),
        ("updatedReplicas", status.updated_replicas),
        ("availableReplicas", status.available_replicas),
    ):
        yield from at_most(field, part, "replicas", status.replicas)
    yield from at_most("availableReplicas", status.available_replicas, "readyReplicas", status.ready_replicas)


def _lasting_errors(spec: StatefulSetSpec) -> Errors:
    """Check what can't be changed later, and so needs no second look."""
    if spec.service_name:
        yield from fits("spec.serviceName", spec.service_name, check_dns_label)
    for index, claim in enumerate(spec.volume_claim_templates):
        yield from claim_spec_errors(claim.spec, f"spec.volumeClaimTemplates[{index}].spec")


def _as_of_pods(spec: StatefulSetSpec) -> PodTemplateSpec:
    """Return the template as pods are made of it: with a volume for each claim, and their own host names."""
    pod = spec.template.spec
    if not (spec.volume_claim_templates or pod.hostname or pod.subdomain):
        return spec.template
    present = {volume.name for volume in pod.volumes}
    wanted = dict.fromkeys(claim.metadata.name for claim in spec.volume_claim_templates)
    claims = tuple(_claimed(name) for name in wanted if name not in present)
    return replace(spec.template, spec=replace(pod, volumes=(*claims, *pod.volumes), hostname="", subdomain=""))


def _claimed(name: str) -> Volume:
    return Volume(name=name, persistent_volume_claim=PersistentVolumeClaimVolumeSource(claim_name=name))
