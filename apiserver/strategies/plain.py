"""Kinds without checks of their own, which differ from others only in how they are written and deleted.

Source: kubernetes.io/docs/reference/kubernetes-api, the operations of each kind.
"""

from collections.abc import Mapping
from typing import TypeVar

from apiserver.strategy import Strategy
from kube.api.resource_v1 import ResourceSlice
from kube.kinds import Resource

from .generations import Ungenerated

T = TypeVar("T", bound=Resource)


class ReturnedWhenDeleted(Strategy[T]):
    """A kind whose deletion is answered with the object itself."""

    returns_deleted = True


class WrittenWithCare(Strategy[T]):
    """A kind that is only ever replaced by those who say which state of it they have seen."""

    allow_unconditional_update = False


class StorageOfNodes(Ungenerated[T]):
    """What drivers tell of their volumes: both of the above."""

    returns_deleted = True
    allow_unconditional_update = False


class ResourceSliceStrategy(ReturnedWhenDeleted[ResourceSlice]):
    """Resource slices, which are looked up by driver and node."""

    field_names = ("spec.driver", "spec.nodeName")

    def refuse_field(self, field: str) -> str:
        return f"field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}"

    def selectable_fields(self, obj: ResourceSlice) -> Mapping[str, str]:
        fields = {"spec.driver": obj.spec.driver, "spec.nodeName": obj.spec.node_name or ""}
        return {**super().selectable_fields(obj), **fields}
