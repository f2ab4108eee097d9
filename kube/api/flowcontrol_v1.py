"""The types of flowcontrol.apiserver.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from typing import Annotated

from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import ListMap, ListSet, Object, always, renamed
from kube.api.scalars import Int32, Time


class ExemptPriorityLevelConfiguration(Object, frozen=True):
    """The seats nominally set aside for requests that are never held back."""

    lendable_percent: Int32 | None = None
    nominal_concurrency_shares: Int32 | None = None


class FlowDistinguisherMethod(Object, frozen=True):
    """Whether a schema's requests are split into flows by user or by namespace."""

    type: str = always("")


class NonResourcePolicyRule(Object, frozen=True, rename=renamed(non_resource_urls="nonResourceURLs")):
    """Verbs and plain URL paths that a flow schema matches."""

    non_resource_urls: Annotated[tuple[str, ...], ListSet()] = always(())
    verbs: Annotated[tuple[str, ...], ListSet()] = always(())


class ResourcePolicyRule(Object, frozen=True):
    """Verbs and resources that a flow schema matches."""

    api_groups: Annotated[tuple[str, ...], ListSet()] = always(())
    cluster_scope: bool = False
    namespaces: Annotated[tuple[str, ...], ListSet()] = always(())
    resources: Annotated[tuple[str, ...], ListSet()] = always(())
    verbs: Annotated[tuple[str, ...], ListSet()] = always(())


class GroupSubject(Object, frozen=True):
    """A user group that a flow schema matches."""

    name: str = always("")


class ServiceAccountSubject(Object, frozen=True):
    """A service account that a flow schema matches."""

    name: str = always("")
    namespace: str = always("")


class UserSubject(Object, frozen=True):
    """A user name that a flow schema matches."""

    name: str = always("")


class Subject(Object, frozen=True):
    """A user, group or service account that a flow schema matches."""

    group: GroupSubject | None = None
    kind: str = always("")
    service_account: ServiceAccountSubject | None = None
    user: UserSubject | None = None


class PolicyRulesWithSubjects(Object, frozen=True):
    """Who and what a request must be for a flow schema to match it."""

    non_resource_rules: tuple[NonResourcePolicyRule, ...] = ()
    resource_rules: tuple[ResourcePolicyRule, ...] = ()
    subjects: tuple[Subject, ...] = always(())


class PriorityLevelConfigurationReference(Object, frozen=True):
    """The name of the priority level to use."""

    name: str = always("")


class FlowSchemaSpec(Object, frozen=True):
    """Which requests a schema takes, in what order, and the level they go to."""

    distinguisher_method: FlowDistinguisherMethod | None = None
    matching_precedence: Int32 = always(0)
    priority_level_configuration: PriorityLevelConfigurationReference = always(PriorityLevelConfigurationReference())
    rules: tuple[PolicyRulesWithSubjects, ...] = ()


class FlowSchemaCondition(Object, frozen=True):
    """One observed state of a flow schema, such as Dangling."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class FlowSchemaStatus(Object, frozen=True):
    """The conditions of a flow schema."""

    conditions: Annotated[tuple[FlowSchemaCondition, ...], ListMap(keys=("type",), patch="type")] = ()


class FlowSchema(Object, frozen=True):
    """Sorts incoming API requests into a priority level."""

    api_version: str = always("flowcontrol.apiserver.k8s.io/v1")
    kind: str = always("FlowSchema")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: FlowSchemaSpec = always(FlowSchemaSpec())
    status: FlowSchemaStatus = always(FlowSchemaStatus())


class FlowSchemaList(Object, frozen=True):
    """A list of flow schemas."""

    api_version: str = always("flowcontrol.apiserver.k8s.io/v1")
    kind: str = always("FlowSchemaList")
    items: tuple[FlowSchema, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class QueuingConfiguration(Object, frozen=True):
    """How many queues a level has, their length, and the hand size."""

    hand_size: Int32 = always(0)
    queue_length_limit: Int32 = always(0)
    queues: Int32 = always(0)


class LimitResponse(Object, frozen=True):
    """Whether requests over the limit are queued or turned away."""

    queuing: QueuingConfiguration | None = None
    type: str = always("")


class LimitedPriorityLevelConfiguration(Object, frozen=True):
    """The share of seats a level has, what it lends, and what happens when full."""

    borrowing_limit_percent: Int32 | None = None
    lendable_percent: Int32 | None = None
    limit_response: LimitResponse = always(LimitResponse())
    nominal_concurrency_shares: Int32 | None = None


class PriorityLevelConfigurationSpec(Object, frozen=True):
    """Whether a priority level is exempt or limited, and its settings."""

    exempt: ExemptPriorityLevelConfiguration | None = None
    limited: LimitedPriorityLevelConfiguration | None = None
    type: str = always("")


class PriorityLevelConfigurationCondition(Object, frozen=True):
    """One observed state of a priority level."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = ""
    type: str = ""


class PriorityLevelConfigurationStatus(Object, frozen=True):
    """The conditions of a priority level."""

    conditions: Annotated[tuple[PriorityLevelConfigurationCondition, ...], ListMap(keys=("type",), patch="type")] = ()


class PriorityLevelConfiguration(Object, frozen=True):
    """How much of the API server's capacity one class of requests gets."""

    api_version: str = always("flowcontrol.apiserver.k8s.io/v1")
    kind: str = always("PriorityLevelConfiguration")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: PriorityLevelConfigurationSpec = always(PriorityLevelConfigurationSpec())
    status: PriorityLevelConfigurationStatus = always(PriorityLevelConfigurationStatus())


class PriorityLevelConfigurationList(Object, frozen=True):
    """A list of priority level configurations."""

    api_version: str = always("flowcontrol.apiserver.k8s.io/v1")
    kind: str = always("PriorityLevelConfigurationList")
    items: tuple[PriorityLevelConfiguration, ...] = always(())
    metadata: ListMeta = always(ListMeta())
