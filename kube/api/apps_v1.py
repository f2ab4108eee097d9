"""The types of apps/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from typing import Annotated

from kube.api.core_v1 import PersistentVolumeClaim, PodTemplateSpec
from kube.api.meta_v1 import LabelSelector, ListMeta, ObjectMeta
from kube.api.object import ListMap, Object, Patch, always
from kube.api.scalars import Int32, Int64, IntOrString, JsonObject, Time


class ControllerRevision(Object, frozen=True):
    """A numbered snapshot of a workload's template, kept for rollback."""

    api_version: str = always("apps/v1")
    kind: str = always("ControllerRevision")
    data: JsonObject | None = None
    metadata: ObjectMeta = always(ObjectMeta())
    revision: Int64 = always(0)


class ControllerRevisionList(Object, frozen=True):
    """A list of controller revisions."""

    api_version: str = always("apps/v1")
    kind: str = always("ControllerRevisionList")
    items: tuple[ControllerRevision, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class RollingUpdateDaemonSet(Object, frozen=True):
    """Limits on missing and extra daemon pods while an update rolls."""

    max_surge: IntOrString | None = None
    max_unavailable: IntOrString | None = None


class DaemonSetUpdateStrategy(Object, frozen=True):
    """Whether daemon pods are replaced in a rolling way or only once deleted."""

    rolling_update: RollingUpdateDaemonSet | None = None
    type: str = ""


class DaemonSetSpec(Object, frozen=True):
    """The pod template to put on each node, and how it is updated."""

    min_ready_seconds: Int32 = 0
    revision_history_limit: Int32 | None = None
    selector: LabelSelector | None = None
    template: PodTemplateSpec = always(PodTemplateSpec())
    update_strategy: DaemonSetUpdateStrategy = always(DaemonSetUpdateStrategy())


class DaemonSetCondition(Object, frozen=True):
    """One observed state of a daemon set."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class DaemonSetStatus(Object, frozen=True):
    """Counts of nodes where a daemon set's pod should be, is, and is ready."""

    collision_count: Int32 | None = None
    conditions: Annotated[tuple[DaemonSetCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    current_number_scheduled: Int32 = always(0)
    desired_number_scheduled: Int32 = always(0)
    number_available: Int32 = 0
    number_misscheduled: Int32 = always(0)
    number_ready: Int32 = always(0)
    number_unavailable: Int32 = 0
    observed_generation: Int64 = 0
    updated_number_scheduled: Int32 = 0


class DaemonSet(Object, frozen=True):
    """Keeps a copy of one pod running on every matching node."""

    api_version: str = always("apps/v1")
    kind: str = always("DaemonSet")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: DaemonSetSpec = always(DaemonSetSpec())
    status: DaemonSetStatus = always(DaemonSetStatus())


class DaemonSetList(Object, frozen=True):
    """A list of daemon sets."""

    api_version: str = always("apps/v1")
    kind: str = always("DaemonSetList")
    items: tuple[DaemonSet, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class RollingUpdateDeployment(Object, frozen=True):
    """Limits on missing and extra pods while a deployment rolls out."""

    max_surge: IntOrString | None = None
    max_unavailable: IntOrString | None = None


class DeploymentStrategy(Object, frozen=True):
    """Whether old pods are replaced gradually or all stopped first."""

    rolling_update: RollingUpdateDeployment | None = None
    type: str = ""


class DeploymentSpec(Object, frozen=True):
    """How many pods, from which template, and how a change is rolled out."""

    min_ready_seconds: Int32 = 0
    paused: bool = False
    progress_deadline_seconds: Int32 | None = None
    replicas: Int32 | None = None
    revision_history_limit: Int32 | None = None
    selector: LabelSelector | None = None
    strategy: Annotated[DeploymentStrategy, Patch(retain_keys=True)] = always(DeploymentStrategy())
    template: PodTemplateSpec = always(PodTemplateSpec())


class DeploymentCondition(Object, frozen=True):
    """One observed state of a deployment, such as Available or Progressing."""

    last_transition_time: Time | None = always(None)
    last_update_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class DeploymentStatus(Object, frozen=True):
    """Counts of a deployment's pods by state, and its conditions."""

    available_replicas: Int32 = 0
    collision_count: Int32 | None = None
    conditions: Annotated[tuple[DeploymentCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    observed_generation: Int64 = 0
    ready_replicas: Int32 = 0
    replicas: Int32 = 0
    terminating_replicas: Int32 | None = None
    unavailable_replicas: Int32 = 0
    updated_replicas: Int32 = 0


class Deployment(Object, frozen=True):
    """Keeps a number of identical pods running and rolls out changes to them."""

    api_version: str = always("apps/v1")
    kind: str = always("Deployment")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: DeploymentSpec = always(DeploymentSpec())
    status: DeploymentStatus = always(DeploymentStatus())


class DeploymentList(Object, frozen=True):
    """A list of deployments."""

    api_version: str = always("apps/v1")
    kind: str = always("DeploymentList")
    items: tuple[Deployment, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ReplicaSetSpec(Object, frozen=True):
    """How many pods a replica set keeps, which it owns, and their template."""

    min_ready_seconds: Int32 = 0
    replicas: Int32 | None = None
    selector: LabelSelector | None = None
    template: PodTemplateSpec = always(PodTemplateSpec())


class ReplicaSetCondition(Object, frozen=True):
    """One observed state of a replica set."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class ReplicaSetStatus(Object, frozen=True):
    """Counts of a replica set's pods by state, and its conditions."""

    available_replicas: Int32 = 0
    conditions: Annotated[tuple[ReplicaSetCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    fully_labeled_replicas: Int32 = 0
    observed_generation: Int64 = 0
    ready_replicas: Int32 = 0
    replicas: Int32 = always(0)
    terminating_replicas: Int32 | None = None


class ReplicaSet(Object, frozen=True):
    """Keeps a fixed number of pods from one template running."""

    api_version: str = always("apps/v1")
    kind: str = always("ReplicaSet")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ReplicaSetSpec = always(ReplicaSetSpec())
    status: ReplicaSetStatus = always(ReplicaSetStatus())


class ReplicaSetList(Object, frozen=True):
    """A list of replica sets."""

    api_version: str = always("apps/v1")
    kind: str = always("ReplicaSetList")
    items: tuple[ReplicaSet, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class RollingUpdateStatefulSetStrategy(Object, frozen=True):
    """The ordinal to update down to, and how many pods may be down meanwhile."""

    max_unavailable: IntOrString | None = None
    partition: Int32 | None = None


class StatefulSetOrdinals(Object, frozen=True):
    """The number from which a stateful set's pods are counted."""

    start: Int32 = always(0)


class StatefulSetPersistentVolumeClaimRetentionPolicy(Object, frozen=True):
    """Whether a stateful set's claims outlive its deletion or scaling down."""

    when_deleted: str = ""
    when_scaled: str = ""


class StatefulSetUpdateStrategy(Object, frozen=True):
    """Whether stateful pods are replaced in a rolling way or only once deleted."""

    rolling_update: RollingUpdateStatefulSetStrategy | None = None
    type: str = ""


class StatefulSetSpec(Object, frozen=True):
    """The pod template, claim templates, count and update rules of a stateful set."""

    min_ready_seconds: Int32 = 0
    ordinals: StatefulSetOrdinals | None = None
    persistent_volume_claim_retention_policy: StatefulSetPersistentVolumeClaimRetentionPolicy | None = None
    pod_management_policy: str = ""
    replicas: Int32 | None = None
    revision_history_limit: Int32 | None = None
    selector: LabelSelector | None = None
    service_name: str = always("")
    template: PodTemplateSpec = always(PodTemplateSpec())
    update_strategy: StatefulSetUpdateStrategy = always(StatefulSetUpdateStrategy())
    volume_claim_templates: tuple[PersistentVolumeClaim, ...] = ()


class StatefulSetCondition(Object, frozen=True):
    """One observed state of a stateful set."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class StatefulSetStatus(Object, frozen=True):
    """Pod counts and revisions of a stateful set."""

    available_replicas: Int32 = always(0)
    collision_count: Int32 | None = None
    conditions: Annotated[tuple[StatefulSetCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    current_replicas: Int32 = 0
    current_revision: str = ""
    observed_generation: Int64 = 0
    ready_replicas: Int32 = 0
    replicas: Int32 = always(0)
    update_revision: str = ""
    updated_replicas: Int32 = 0


class StatefulSet(Object, frozen=True):
    """Runs pods with stable names, a fixed order and storage of their own."""

    api_version: str = always("apps/v1")
    kind: str = always("StatefulSet")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: StatefulSetSpec = always(StatefulSetSpec())
    status: StatefulSetStatus = always(StatefulSetStatus())


class StatefulSetList(Object, frozen=True):
    """A list of stateful sets."""

    api_version: str = always("apps/v1")
    kind: str = always("StatefulSetList")
    items: tuple[StatefulSet, ...] = always(())
    metadata: ListMeta = always(ListMeta())
