"""The types of policy/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.meta_v1 import Condition, DeleteOptions, LabelSelector, ListMeta, ObjectMeta
from kube.api.object import ListMap, Object, Patch, always
from kube.api.scalars import Int32, Int64, IntOrString, Time


class Eviction(Object, frozen=True):
    """Asks for a pod to be removed if its disruption budget allows."""

    api_version: str = always("policy/v1")
    kind: str = always("Eviction")
    delete_options: DeleteOptions | None = None
    metadata: ObjectMeta = always(ObjectMeta())


class PodDisruptionBudgetSpec(Object, frozen=True):
    """Which pods a budget covers and how many must stay or may go."""

    max_unavailable: IntOrString | None = None
    min_available: IntOrString | None = None
    selector: Annotated[LabelSelector | None, Patch(patch="replace")] = None
    unhealthy_pod_eviction_policy: str | None = None


class PodDisruptionBudgetStatus(Object, frozen=True):
    """How many pods are healthy and how many more may be disrupted."""

    conditions: Annotated[tuple[Condition, ...], ListMap(keys=("type",), patch="type")] = ()
    current_healthy: Int32 = always(0)
    desired_healthy: Int32 = always(0)
    disrupted_pods: Mapping[str, Time] = {}
    disruptions_allowed: Int32 = always(0)
    expected_pods: Int32 = always(0)
    observed_generation: Int64 = 0


class PodDisruptionBudget(Object, frozen=True):
    """Limits how many pods of a set may be taken down on purpose at once."""

    api_version: str = always("policy/v1")
    kind: str = always("PodDisruptionBudget")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PodDisruptionBudgetSpec = always(PodDisruptionBudgetSpec())
    status: PodDisruptionBudgetStatus = always(PodDisruptionBudgetStatus())


class PodDisruptionBudgetList(Object, frozen=True):
    """A list of pod disruption budgets."""

    api_version: str = always("policy/v1")
    kind: str = always("PodDisruptionBudgetList")
    items: tuple[PodDisruptionBudget, ...] = always(())
    metadata: ListMeta = always(ListMeta())
