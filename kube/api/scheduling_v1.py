"""The types of scheduling.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import Object, always
from kube.api.scalars import Int32


class PriorityClass(Object, frozen=True):
    """A name for a pod priority, and whether it may push others out."""

    api_version: str = always("scheduling.k8s.io/v1")
    kind: str = always("PriorityClass")
    description: str = ""
    global_default: bool = False
    metadata: ObjectMeta = always(ObjectMeta())
    preemption_policy: str | None = None
    value: Int32 = always(0)


class PriorityClassList(Object, frozen=True):
    """A list of priority classes."""

    api_version: str = always("scheduling.k8s.io/v1")
    kind: str = always("PriorityClassList")
    items: tuple[PriorityClass, ...] = always(())
    metadata: ListMeta = always(ListMeta())
