"""The types of discovery.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from collections.abc import Mapping
from typing import Annotated

from kube.api.core_v1 import ObjectReference
from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import ListSet, Object, always, atomic
from kube.api.scalars import Int32


class EndpointConditions(Object, frozen=True):
    """Whether a backend is ready, serving or terminating."""

    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ForNode(Object, frozen=True):
    """A node that should use a backend."""

    name: str = always("")


class ForZone(Object, frozen=True):
    """A zone that should use a backend."""

    name: str = always("")


class EndpointHints(Object, frozen=True):
    """Which zones or nodes should use a backend."""

    for_nodes: tuple[ForNode, ...] = ()
    for_zones: tuple[ForZone, ...] = ()


class Endpoint(Object, frozen=True):
    """One backend of a service, with its addresses, state and location."""

    addresses: Annotated[tuple[str, ...], ListSet()] = always(())
    conditions: EndpointConditions = always(EndpointConditions())
    deprecated_topology: Mapping[str, str] = {}
    hints: EndpointHints | None = None
    hostname: str | None = None
    node_name: str | None = None
    target_ref: ObjectReference | None = None
    zone: str | None = None


@atomic
class EndpointPort(Object, frozen=True):
    """A port that every backend in a slice answers on."""

    app_protocol: str | None = None
    name: str | None = None
    port: Int32 | None = None
    protocol: str | None = None


class EndpointSlice(Object, frozen=True):
    """A share of the backends of a service."""

    api_version: str = always("discovery.k8s.io/v1")
    kind: str = always("EndpointSlice")
    address_type: str = always("")
    endpoints: tuple[Endpoint, ...] = always(())
    metadata: ObjectMeta = always(ObjectMeta())
    ports: tuple[EndpointPort, ...] = always(())


class EndpointSliceList(Object, frozen=True):
    """A list of endpoint slices."""

    api_version: str = always("discovery.k8s.io/v1")
    kind: str = always("EndpointSliceList")
    items: tuple[EndpointSlice, ...] = always(())
    metadata: ListMeta = always(ListMeta())
