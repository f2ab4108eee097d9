"""The rules of what keeps pods running: ReplicationControllers, ReplicaSets, Deployments, DaemonSets.

Each finds its pods by a selector that its own template must meet and that never changes. The user writes spec, the
kind's controller status.
Source: kubernetes.io/docs/reference/kubernetes-api/workload-resources
"""

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube.api.apps_v1 import (
    ControllerRevision,
    DaemonSet,
    DaemonSetUpdateStrategy,
    Deployment,
    DeploymentStrategy,
    ReplicaSet,
    RollingUpdateDaemonSet,
    RollingUpdateDeployment,
)
from kube.api.core_v1 import PodTemplateSpec, ReplicationController
from kube.api.meta_v1 import LabelSelector
from kube.errors import FieldError, forbidden_field, immutable, invalid, not_supported, required
from kube.objects import with_defaults, with_metadata
from kube.selectors import label_selector_from_map, label_selector_from_object

from .checks import (
    Errors,
    count_or_percent,
    is_empty_selector,
    label_selector,
    not_negative,
    percent_at_most_100,
    unchanged,
)
from .filling import where_none
from .pod_defaults import default_template
from .pod_spec import always_restarting_errors, template_errors, unselected_error
from .statuses import at_most, counts_errors

_ALL_IS_INVALID: Final = "empty selector is invalid for"
_SELECTOR_WORDS: Final = {"deployment": "invalid label selector", "statefulset": ""}
"""What is said of a selector as a whole with something wrong in it, for the kinds for which something is."""


def selected_template_errors(
    selector: LabelSelector | None, template: PodTemplateSpec, kind: str, path: str = "spec"
) -> Errors:
    """Check a selector, its template, and that the one finds the other."""
    labels = template.metadata.labels
    if selector is None:
        if kind in _SELECTOR_WORDS:
            yield required(f"{path}.selector")
        yield from unselected_error(labels, f"{path}.template")
    else:
        wrong = list(label_selector(f"{path}.selector", selector))
        yield from wrong
        if wrong and kind in _SELECTOR_WORDS:
            yield invalid(f"{path}.selector", selector, _SELECTOR_WORDS[kind])
        elif not wrong and is_empty_selector(selector):
            yield invalid(f"{path}.selector", selector, f"{_ALL_IS_INVALID} {kind}")
        elif not wrong and not label_selector_from_object(selector).matches(labels):
            yield from unselected_error(labels, f"{path}.template")
    yield from template_errors(template, f"{path}.template")


class ReplicationControllerStrategy(Strategy[ReplicationController]):
    """ReplicationControllers: selector and labels may be left to the template's labels."""

    default_propagation = "Orphan"
    field_names = ("status.replicas",)

    def default(self, obj: ReplicationController) -> ReplicationController:
        spec = where_none(obj.spec, replicas=1)
        labels: Mapping[str, str] = {}
        if spec.template is not None:
            template = default_template(spec.template)
            labels = template.metadata.labels
            spec = spec if template is spec.template else replace(spec, template=template)
        if labels and not spec.selector:
            spec = replace(spec, selector=labels)
        if labels and not obj.metadata.labels:
            obj = with_metadata(obj, labels=labels)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: ReplicationController) -> list[FieldError]:
        return list(_replication_errors(obj))

    def selectable_fields(self, obj: ReplicationController) -> Mapping[str, str]:
        return {**super().selectable_fields(obj), "status.replicas": str(obj.status.replicas)}

    def validate_status_update(self, new: ReplicationController, old: ReplicationController) -> list[FieldError]:
        return list(replica_status_errors(new.status))


def _replication_errors(controller: ReplicationController) -> Errors:
    spec = controller.spec
    yield from not_negative("spec.replicas", spec.replicas)
    yield from not_negative("spec.minReadySeconds", spec.min_ready_seconds)
    if not spec.selector:
        yield required("spec.selector")
    if spec.template is None:
        yield required("spec.template")
        return
    if spec.selector and not label_selector_from_map(spec.selector).matches(spec.template.metadata.labels):
        yield from unselected_error(spec.template.metadata.labels, "spec.template")
    yield from template_errors(spec.template, "spec.template")
    yield from always_restarting_errors(spec.template, "spec.template")


class ReplicaSetStrategy(Strategy[ReplicaSet]):
    """ReplicaSets."""

    def default(self, obj: ReplicaSet) -> ReplicaSet:
        spec = where_none(obj.spec, replicas=1)
        template = default_template(spec.template)
        if template is not spec.template:
            spec = replace(spec, template=template)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def validate(self, obj: ReplicaSet) -> list[FieldError]:
        return list(_replica_set_errors(obj))

    def validate_update(self, new: ReplicaSet, old: ReplicaSet) -> list[FieldError]:
        return [*self.validate(new), *unchanged("spec.selector", new.spec.selector, old.spec.selector)]

    def validate_status_update(self, new: ReplicaSet, old: ReplicaSet) -> list[FieldError]:
        return list(replica_status_errors(new.status))


def _replica_set_errors(owner: ReplicaSet) -> Errors:
    spec = owner.spec
    yield from not_negative("spec.replicas", spec.replicas)
    yield from not_negative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from selected_template_errors(spec.selector, spec.template, "deployment")
    yield from always_restarting_errors(spec.template, "spec.template")


def replica_status_errors(status: Any) -> Errors:
    """Check the counts of a ReplicaSet's or ReplicationController's status against one another."""
    for field, value in (
        ("replicas", status.replicas),
        ("fullyLabeledReplicas", status.fully_labeled_replicas),
        ("readyReplicas", status.ready_replicas),
        ("availableReplicas", status.available_replicas),
        ("observedGeneration", status.observed_generation),
    ):
        yield from not_negative(f"status.{field}", value)
    for field, part in (
        ("fullyLabeledReplicas", status.fully_labeled_replicas),
        ("readyReplicas", status.ready_replicas),
        ("availableReplicas", status.available_replicas),
    ):
        if part > status.replicas:
            yield invalid(f"status.{field}", part, "cannot be greater than status.replicas")
    if status.available_replicas > status.ready_replicas:
        detail = "cannot be greater than readyReplicas"
        yield invalid("status.availableReplicas", status.available_replicas, detail)


_DEPLOYMENT_TYPES: Final = ("Recreate", "RollingUpdate")
_ROLLING: Final = RollingUpdateDeployment(max_unavailable="25%", max_surge="25%")


class DeploymentRules(Strategy[Deployment]):
    """Deployments."""

    status_ignores = ("labels",)

    def default(self, obj: Deployment) -> Deployment:
        spec = where_none(obj.spec, replicas=1, revision_history_limit=10, progress_deadline_seconds=600)
        changes: dict[str, Any] = {}
        template = default_template(spec.template)
        if template is not spec.template:
            changes["template"] = template
        strategy = _default_deployment_strategy(spec.strategy)
        if strategy is not spec.strategy:
            changes["strategy"] = strategy
        if changes:
            spec = replace(spec, **changes)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def spec_changed(self, new: Deployment, old: Deployment) -> bool:
        """Annotations count too: the controller copies them to the ReplicaSet."""
        return new.spec != old.spec or new.metadata.annotations != old.metadata.annotations

    def validate(self, obj: Deployment) -> list[FieldError]:
        return list(_deployment_errors(obj))

    def validate_update(self, new: Deployment, old: Deployment) -> list[FieldError]:
        return [*self.validate(new), *unchanged("spec.selector", new.spec.selector, old.spec.selector)]

    def validate_status_update(self, new: Deployment, old: Deployment) -> list[FieldError]:
        return list(_deployment_status_errors(new, old))


def _default_deployment_strategy(strategy: DeploymentStrategy) -> DeploymentStrategy:
    strategy = with_defaults(strategy, type="RollingUpdate")
    if strategy.type != "RollingUpdate":
        return strategy
    rolling = where_none(strategy.rolling_update or _ROLLING, max_unavailable="25%", max_surge="25%")
    return strategy if rolling is strategy.rolling_update else replace(strategy, rolling_update=rolling)


def _deployment_errors(deployment: Deployment) -> Errors:
    spec = deployment.spec
    yield from not_negative("spec.replicas", spec.replicas)
    yield from selected_template_errors(spec.selector, spec.template, "deployment")
    yield from always_restarting_errors(spec.template, "spec.template")
    yield from _deployment_strategy_errors(spec.strategy, "spec.strategy")
    yield from not_negative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from not_negative("spec.revisionHistoryLimit", spec.revision_history_limit)
    if spec.progress_deadline_seconds is not None:
        yield from not_negative("spec.progressDeadlineSeconds", spec.progress_deadline_seconds)
        if spec.progress_deadline_seconds <= spec.min_ready_seconds:
            detail = "must be greater than minReadySeconds"
            yield invalid("spec.progressDeadlineSeconds", spec.progress_deadline_seconds, detail)


def _deployment_strategy_errors(strategy: DeploymentStrategy, path: str) -> Errors:
    if strategy.type not in _DEPLOYMENT_TYPES:
        yield not_supported(path, strategy, _DEPLOYMENT_TYPES)
    rolling = strategy.rolling_update
    if strategy.type == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            yield forbidden_field(f"{path}.rollingUpdate", detail)
    elif rolling is not None:
        yield from rolling_errors(rolling, f"{path}.rollingUpdate")


def _is_nothing(count: int | str | None) -> bool:
    """Say whether a number or a share is zero, or is a text that means none."""
    return count in (0, "0%") or (isinstance(count, str) and not count.endswith("%"))


def rolling_errors(rolling: RollingUpdateDeployment | RollingUpdateDaemonSet, path: str) -> Errors:
    """Check that a rolling update can move at all."""
    yield from count_or_percent(f"{path}.maxUnavailable", rolling.max_unavailable)
    yield from count_or_percent(f"{path}.maxSurge", rolling.max_surge)
    if _is_nothing(rolling.max_unavailable) and _is_nothing(rolling.max_surge):
        if isinstance(rolling, RollingUpdateDaemonSet):
            yield required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0")
        else:
            yield invalid(f"{path}.maxUnavailable", rolling.max_unavailable, "may not be 0 when `maxSurge` is 0")
    yield from percent_at_most_100(f"{path}.maxUnavailable", rolling.max_unavailable)


def _deployment_status_errors(new: Deployment, old: Deployment) -> Errors:
    status = new.status
    yield from counts_errors(status)
    for field, part in (
        ("updatedReplicas", status.updated_replicas),
        ("readyReplicas", status.ready_replicas),
        ("availableReplicas", status.available_replicas),
    ):
        yield from at_most(field, part, "replicas", status.replicas)
    if status.available_replicas > status.ready_replicas:
        detail = "cannot be greater than readyReplicas"
        yield invalid("status.availableReplicas", status.available_replicas, detail)
    if status.collision_count is not None and status.collision_count < (old.status.collision_count or 0):
        yield invalid("status.collisionCount", status.collision_count, "cannot be decremented")


_DAEMON_TYPES: Final = ("RollingUpdate", "OnDelete")
_ROLLING_DAEMONS: Final = RollingUpdateDaemonSet(max_unavailable=1, max_surge=0)


class DaemonSetStrategy(Strategy[DaemonSet]):
    """DaemonSets."""

    def default(self, obj: DaemonSet) -> DaemonSet:
        spec = where_none(obj.spec, revision_history_limit=10)
        strategy: DaemonSetUpdateStrategy = with_defaults(spec.update_strategy, type="RollingUpdate")
        if strategy.type == "RollingUpdate":
            rolling = where_none(strategy.rolling_update or _ROLLING_DAEMONS, max_unavailable=1, max_surge=0)
            strategy = replace(strategy, rolling_update=rolling)
        spec = replace(spec, update_strategy=strategy, template=default_template(spec.template))
        obj = obj if spec == obj.spec else replace(obj, spec=spec)
        return obj if _TEMPLATE_GENERATION in obj.metadata.annotations else _with_template_generation(obj, 1)

    def prepare_create(self, obj: DaemonSet, context: Context) -> DaemonSet:
        return _with_template_generation(super().prepare_create(obj, context), 1)

    def prepare_update(self, new: DaemonSet, old: DaemonSet, context: Context) -> DaemonSet:
        changed = (new.spec.template, new.spec.update_strategy) != (old.spec.template, old.spec.update_strategy)
        new = super().prepare_update(new, old, context)
        return _with_template_generation(new, _template_generation(old) + changed)

    def validate(self, obj: DaemonSet) -> list[FieldError]:
        return list(_daemon_set_errors(obj))

    def validate_status_update(self, new: DaemonSet, old: DaemonSet) -> list[FieldError]:
        return list(counts_errors(new.status))

    def validate_update(self, new: DaemonSet, old: DaemonSet) -> list[FieldError]:
        return [*self.validate(new), *unchanged("spec.selector", new.spec.selector, old.spec.selector)]


_TEMPLATE_GENERATION: Final = "deprecated.daemonset.template.generation"


def _template_generation(daemons: DaemonSet) -> int:
    found = daemons.metadata.annotations.get(_TEMPLATE_GENERATION, "")
    return int(found) if found.isdecimal() else 0


def _with_template_generation(daemons: DaemonSet, generation: int) -> DaemonSet:
    """Return a DaemonSet that tells how often its template changed, as its annotation does since extensions/v1beta1."""
    annotations = {**daemons.metadata.annotations, _TEMPLATE_GENERATION: str(generation)}
    return with_metadata(daemons, annotations=annotations)


def _daemon_set_errors(daemons: DaemonSet) -> Errors:
    spec = daemons.spec
    yield from selected_template_errors(spec.selector, spec.template, "daemonset")
    yield from always_restarting_errors(spec.template, "spec.template")
    yield from not_negative("spec.minReadySeconds", spec.min_ready_seconds)
    yield from not_negative("spec.revisionHistoryLimit", spec.revision_history_limit)
    if spec.update_strategy.type not in _DAEMON_TYPES:
        yield not_supported("spec.updateStrategy", spec.update_strategy, _DAEMON_TYPES)
    rolling = spec.update_strategy.rolling_update
    if spec.update_strategy.type == "RollingUpdate" and rolling is not None:
        yield from rolling_errors(rolling, "spec.updateStrategy.rollingUpdate")
        if rolling.max_surge not in (0, "0%") and rolling.max_unavailable not in (0, "0%"):
            detail = "may not be set when maxUnavailable is non-zero"
            yield invalid("spec.updateStrategy.rollingUpdate.maxSurge", rolling.max_surge, detail)


class ControllerRevisionStrategy(Strategy[ControllerRevision]):
    """Snapshots of a workload's template: their data never changes."""

    def validate(self, obj: ControllerRevision) -> list[FieldError]:
        errors = list(not_negative("revision", obj.revision))
        return errors if obj.data is not None else [*errors, required("data", "data is mandatory")]

    def validate_update(self, new: ControllerRevision, old: ControllerRevision) -> list[FieldError]:
        changed = [immutable("data", new.data)] if new.data != old.data else []
        return [*self.validate(new), *changed]

    def prepare_create(self, obj: ControllerRevision, context: Context) -> ControllerRevision:
        return obj
