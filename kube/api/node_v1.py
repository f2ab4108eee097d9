"""The types of node.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.core_v1 import Toleration
from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import Atomic, Object, always
from kube.quantity import Quantity


class Overhead(Object, frozen=True):
    """Resources a runtime itself uses up for each pod."""

    pod_fixed: Mapping[str, Quantity] = {}


class Scheduling(Object, frozen=True):
    """Which nodes support a runtime class, and tolerations to add."""

    node_selector: Annotated[Mapping[str, str], Atomic()] = {}
    tolerations: tuple[Toleration, ...] = ()


class RuntimeClass(Object, frozen=True):
    """A named container runtime setup that pods can ask for."""

    api_version: str = always("node.k8s.io/v1")
    kind: str = always("RuntimeClass")
    handler: str = always("")
    metadata: ObjectMeta = always(ObjectMeta())
    overhead: Overhead | None = None
    scheduling: Scheduling | None = None


class RuntimeClassList(Object, frozen=True):
    """A list of runtime classes."""

    api_version: str = always("node.k8s.io/v1")
    kind: str = always("RuntimeClassList")
    items: tuple[RuntimeClass, ...] = always(())
    metadata: ListMeta = always(ListMeta())
