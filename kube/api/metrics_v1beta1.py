"""The types of metrics.k8s.io/v1beta1: what nodes and pods use, worked out when somebody asks; nothing of it is stored.

Source: github.com/kubernetes/metrics. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping

from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import Object, always
from kube.api.scalars import Duration, Time
from kube.quantity import Quantity


class NodeMetrics(Object, frozen=True):
    """What a node uses: CPU as the mean of a window, memory as of its end."""

    api_version: str = always("metrics.k8s.io/v1beta1")
    kind: str = always("NodeMetrics")
    metadata: ObjectMeta = always(ObjectMeta())
    timestamp: Time | None = None
    usage: Mapping[str, Quantity] = always({})
    window: Duration = always("0s")


class NodeMetricsList(Object, frozen=True):
    """A list of what nodes use."""

    api_version: str = always("metrics.k8s.io/v1beta1")
    kind: str = always("NodeMetricsList")
    items: tuple[NodeMetrics, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ContainerMetrics(Object, frozen=True):
    """What one container uses."""

    name: str = always("")
    usage: Mapping[str, Quantity] = always({})


class PodMetrics(Object, frozen=True):
    """What the containers of a pod use: CPU as the mean of a window, memory as of its end."""

    api_version: str = always("metrics.k8s.io/v1beta1")
    kind: str = always("PodMetrics")
    containers: tuple[ContainerMetrics, ...] = always(())
    metadata: ObjectMeta = always(ObjectMeta())
    timestamp: Time | None = None
    window: Duration = always("0s")


class PodMetricsList(Object, frozen=True):
    """A list of what pods use."""

    api_version: str = always("metrics.k8s.io/v1beta1")
    kind: str = always("PodMetricsList")
    items: tuple[PodMetrics, ...] = always(())
    metadata: ListMeta = always(ListMeta())
