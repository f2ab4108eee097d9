"""The types of autoscaling/v2.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from typing import Annotated

from kube.api.meta_v1 import LabelSelector, ListMeta, ObjectMeta
from kube.api.object import ListMap, Object, always
from kube.api.scalars import Int32, Int64, Time
from kube.quantity import Quantity


class MetricTarget(Object, frozen=True):
    """The value, average or utilization a metric should be held at."""

    average_utilization: Int32 | None = None
    average_value: Quantity | None = None
    type: str = always("")
    value: Quantity | None = None


class ContainerResourceMetricSource(Object, frozen=True):
    """A target for the CPU or memory used by one named container in each pod."""

    container: str = always("")
    name: str = always("")
    target: MetricTarget = always(MetricTarget())


class MetricValueStatus(Object, frozen=True):
    """A metric's current value, average or utilization."""

    average_utilization: Int32 | None = None
    average_value: Quantity | None = None
    value: Quantity | None = None


class ContainerResourceMetricStatus(Object, frozen=True):
    """The latest reading of one named container's CPU or memory use."""

    container: str = always("")
    current: MetricValueStatus = always(MetricValueStatus())
    name: str = always("")


class CrossVersionObjectReference(Object, frozen=True):
    """The kind, name and API version of an object to scale or measure."""

    api_version: str = ""
    kind: str = always("")
    name: str = always("")


class MetricIdentifier(Object, frozen=True):
    """A metric's name and an optional selector to narrow it."""

    name: str = always("")
    selector: LabelSelector | None = None


class ExternalMetricSource(Object, frozen=True):
    """A target for a metric that comes from outside the cluster."""

    metric: MetricIdentifier = always(MetricIdentifier())
    target: MetricTarget = always(MetricTarget())


class ExternalMetricStatus(Object, frozen=True):
    """The latest reading of a metric from outside the cluster."""

    current: MetricValueStatus = always(MetricValueStatus())
    metric: MetricIdentifier = always(MetricIdentifier())


class HPAScalingPolicy(Object, frozen=True):
    """A cap on how many or what share of pods may change in a period."""

    period_seconds: Int32 = always(0)
    type: str = always("")
    value: Int32 = always(0)


class HPAScalingRules(Object, frozen=True):
    """The caps, settling time and tolerance for scaling in one direction."""

    policies: tuple[HPAScalingPolicy, ...] = ()
    select_policy: str | None = None
    stabilization_window_seconds: Int32 | None = None
    tolerance: Quantity | None = None


class HorizontalPodAutoscalerBehavior(Object, frozen=True):
    """Separate scaling rules for growing and for shrinking."""

    scale_down: HPAScalingRules | None = None
    scale_up: HPAScalingRules | None = None


class ObjectMetricSource(Object, frozen=True):
    """A target for a metric that describes a single other object."""

    described_object: CrossVersionObjectReference = always(CrossVersionObjectReference())
    metric: MetricIdentifier = always(MetricIdentifier())
    target: MetricTarget = always(MetricTarget())


class PodsMetricSource(Object, frozen=True):
    """A target for a custom metric averaged over the pods."""

    metric: MetricIdentifier = always(MetricIdentifier())
    target: MetricTarget = always(MetricTarget())


class ResourceMetricSource(Object, frozen=True):
    """A target for the CPU or memory use of whole pods."""

    name: str = always("")
    target: MetricTarget = always(MetricTarget())


class MetricSpec(Object, frozen=True):
    """One metric to scale by, of whichever source type is set."""

    container_resource: ContainerResourceMetricSource | None = None
    external: ExternalMetricSource | None = None
    object: ObjectMetricSource | None = None
    pods: PodsMetricSource | None = None
    resource: ResourceMetricSource | None = None
    type: str = always("")


class HorizontalPodAutoscalerSpec(Object, frozen=True):
    """What to scale, within which bounds, by which metrics, and how fast."""

    behavior: HorizontalPodAutoscalerBehavior | None = None
    max_replicas: Int32 = always(0)
    metrics: tuple[MetricSpec, ...] = ()
    min_replicas: Int32 | None = None
    scale_target_ref: CrossVersionObjectReference = always(CrossVersionObjectReference())


class HorizontalPodAutoscalerCondition(Object, frozen=True):
    """One observed state of an autoscaler, such as AbleToScale."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class ObjectMetricStatus(Object, frozen=True):
    """The latest reading of a metric that describes a single other object."""

    current: MetricValueStatus = always(MetricValueStatus())
    described_object: CrossVersionObjectReference = always(CrossVersionObjectReference())
    metric: MetricIdentifier = always(MetricIdentifier())


class PodsMetricStatus(Object, frozen=True):
    """The latest average of a custom metric over the pods."""

    current: MetricValueStatus = always(MetricValueStatus())
    metric: MetricIdentifier = always(MetricIdentifier())


class ResourceMetricStatus(Object, frozen=True):
    """The latest reading of the pods' CPU or memory use."""

    current: MetricValueStatus = always(MetricValueStatus())
    name: str = always("")


class MetricStatus(Object, frozen=True):
    """The latest reading of one metric, of whichever source type is set."""

    container_resource: ContainerResourceMetricStatus | None = None
    external: ExternalMetricStatus | None = None
    object: ObjectMetricStatus | None = None
    pods: PodsMetricStatus | None = None
    resource: ResourceMetricStatus | None = None
    type: str = always("")


class HorizontalPodAutoscalerStatus(Object, frozen=True):
    """Current and wanted pod counts, metric readings and conditions."""

    conditions: Annotated[tuple[HorizontalPodAutoscalerCondition, ...], ListMap(keys=("type",), patch="type")] = ()
    current_metrics: tuple[MetricStatus, ...] = always(())
    current_replicas: Int32 = 0
    desired_replicas: Int32 = always(0)
    last_scale_time: Time | None = None
    observed_generation: Int64 | None = None


class HorizontalPodAutoscaler(Object, frozen=True):
    """Adds or removes pods so that chosen metrics stay near their targets."""

    api_version: str = always("autoscaling/v2")
    kind: str = always("HorizontalPodAutoscaler")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: HorizontalPodAutoscalerSpec = always(HorizontalPodAutoscalerSpec())
    status: HorizontalPodAutoscalerStatus = always(HorizontalPodAutoscalerStatus())


class HorizontalPodAutoscalerList(Object, frozen=True):
    """A list of horizontal pod autoscalers."""

    api_version: str = always("autoscaling/v2")
    kind: str = always("HorizontalPodAutoscalerList")
    items: tuple[HorizontalPodAutoscaler, ...] = always(())
    metadata: ListMeta = always(ListMeta())
