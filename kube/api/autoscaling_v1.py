"""The types of autoscaling/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import Object, always, atomic, renamed
from kube.api.scalars import Int32, Int64, Time


@atomic
class CrossVersionObjectReference(Object, frozen=True):
    """The kind, name and API version of an object to scale."""

    api_version: str = ""
    kind: str = always("")
    name: str = always("")


class HorizontalPodAutoscalerSpec(
    Object, frozen=True, rename=renamed(target_cpu_utilization_percentage="targetCPUUtilizationPercentage")
):
    """What to scale, the fewest and most pods, and the CPU target."""

    max_replicas: Int32 = always(0)
    min_replicas: Int32 | None = None
    scale_target_ref: CrossVersionObjectReference = always(CrossVersionObjectReference())
    target_cpu_utilization_percentage: Int32 | None = None


class HorizontalPodAutoscalerStatus(
    Object, frozen=True, rename=renamed(current_cpu_utilization_percentage="currentCPUUtilizationPercentage")
):
    """Current and wanted pod counts and the CPU use seen."""

    current_cpu_utilization_percentage: Int32 | None = None
    current_replicas: Int32 = always(0)
    desired_replicas: Int32 = always(0)
    last_scale_time: Time | None = None
    observed_generation: Int64 | None = None


class HorizontalPodAutoscaler(Object, frozen=True):
    """Adds or removes pods to hold a CPU target (older form)."""

    api_version: str = always("autoscaling/v1")
    kind: str = always("HorizontalPodAutoscaler")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: HorizontalPodAutoscalerSpec = always(HorizontalPodAutoscalerSpec())
    status: HorizontalPodAutoscalerStatus = always(HorizontalPodAutoscalerStatus())


class HorizontalPodAutoscalerList(Object, frozen=True):
    """A list of horizontal pod autoscalers."""

    api_version: str = always("autoscaling/v1")
    kind: str = always("HorizontalPodAutoscalerList")
    items: tuple[HorizontalPodAutoscaler, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ScaleSpec(Object, frozen=True):
    """The number of replicas wanted."""

    replicas: Int32 = 0


class ScaleStatus(Object, frozen=True):
    """The number of replicas there are, and the selector that finds them."""

    replicas: Int32 = always(0)
    selector: str = ""


class Scale(Object, frozen=True):
    """A uniform view of a workload's size, for reading or changing it."""

    api_version: str = always("autoscaling/v1")
    kind: str = always("Scale")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ScaleSpec = always(ScaleSpec())
    status: ScaleStatus = always(ScaleStatus())
