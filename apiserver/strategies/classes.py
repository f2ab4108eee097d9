"""The rules of PriorityClasses and RuntimeClasses: names for how pods are placed and run.

Source: kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption; .../containers/runtime-class
"""

from typing import Final

from apiserver.strategy import Context, Strategy
from kube.api.node_v1 import RuntimeClass
from kube.api.scheduling_v1 import PriorityClass
from kube.errors import FieldError, forbidden, forbidden_field, immutable
from kube.names import check_dns_label
from kube.objects import with_metadata

from .checks import Errors, labels, named, one_of_if_set
from .filling import where_none
from .placement import toleration_errors
from .resources import amounts_errors

HIGHEST_OF_USERS: Final = 1_000_000_000
SYSTEM_CLASSES: Final = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


class PriorityClassStrategy(Strategy[PriorityClass]):
    """PriorityClasses: a class's value and policy do not change."""

    def default(self, obj: PriorityClass) -> PriorityClass:
        return where_none(obj, preemption_policy="PreemptLowerPriority")

    async def admit(self, obj: PriorityClass, old: PriorityClass | None, context: Context) -> PriorityClass:
        if obj.global_default:
            for other in context.objects.all(PriorityClass):
                if other.global_default and other.metadata.name != obj.metadata.name:
                    kind, name = self.kind, obj.metadata.name
                    detail = (
                        f"PriorityClass {other.metadata.name} is already marked as default. Only one default can exist"
                    )
                    raise forbidden(kind, name, f'{kind.resource} "{name}" is forbidden: {detail}')
        return obj

    def prepare_create(self, obj: PriorityClass, context: Context) -> PriorityClass:
        return with_metadata(obj, generation=1)

    def validate(self, obj: PriorityClass) -> list[FieldError]:
        return list(_priority_errors(obj))

    async def admit_delete(self, obj: PriorityClass, context: Context) -> None:
        if obj.metadata.name in SYSTEM_CLASSES:
            kind, name = self.kind, obj.metadata.name
            detail = "this is a system priority class and cannot be deleted"
            raise forbidden(kind, name, f'{kind.resource} "{name}" is forbidden: {detail}')

    def validate_update(self, new: PriorityClass, old: PriorityClass) -> list[FieldError]:
        errors = []
        if new.value != old.value:
            errors.append(forbidden_field("value", "may not be changed in an update."))
        if new.preemption_policy != old.preemption_policy:
            errors.append(immutable("preemptionPolicy", new.preemption_policy))
        return errors


def _priority_errors(obj: PriorityClass) -> Errors:
    name = obj.metadata.name
    if name.startswith("system-"):
        if SYSTEM_CLASSES.get(name) != obj.value:
            detail = "priority class names with 'system-' prefix are reserved for system use only"
            yield forbidden_field("metadata.name", f"{detail}. error: {name} is not a known system priority class")
    elif obj.value > HIGHEST_OF_USERS:
        yield forbidden_field("value", f"maximum allowed value of a user defined priority is {HIGHEST_OF_USERS}")
    yield from one_of_if_set("preemptionPolicy", obj.preemption_policy, ("Never", "PreemptLowerPriority"))


class RuntimeClassStrategy(Strategy[RuntimeClass]):
    """RuntimeClasses: a class keeps its handler."""

    allow_create_on_update = True
    allow_unconditional_update = False

    def validate(self, obj: RuntimeClass) -> list[FieldError]:
        return list(_runtime_errors(obj))

    def validate_update(self, new: RuntimeClass, old: RuntimeClass) -> list[FieldError]:
        changed = [immutable("handler", new.handler)] if new.handler != old.handler else []
        return [*self.validate(new), *changed]


def _runtime_errors(obj: RuntimeClass) -> Errors:
    yield from named("handler", obj.handler, check_dns_label)
    if obj.overhead is not None:
        yield from amounts_errors(obj.overhead.pod_fixed, "overhead.podFixed")
    if obj.scheduling is not None:
        yield from labels("scheduling.nodeSelector", obj.scheduling.node_selector)
        for index, toleration in enumerate(obj.scheduling.tolerations):
            yield from toleration_errors(toleration, f"scheduling.tolerations[{index}]")
