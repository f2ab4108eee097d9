"""The types of apiregistration.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from typing import Annotated

from kube.api.meta_v1 import ListMeta, ObjectMeta
from kube.api.object import ListMap, Object, always, renamed
from kube.api.scalars import Int32, Time


class ServiceReference(Object, frozen=True):
    """The in-cluster service and port of an extension API server."""

    name: str = ""
    namespace: str = ""
    port: Int32 | None = None


class APIServiceSpec(Object, frozen=True, rename=renamed(insecure_skip_tls_verify="insecureSkipTLSVerify")):
    """The group version served, the backing service, its CA and its priorities."""

    ca_bundle: bytes = b""
    group: str = ""
    group_priority_minimum: Int32 = always(0)
    insecure_skip_tls_verify: bool = False
    service: ServiceReference | None = None
    version: str = ""
    version_priority: Int32 = always(0)


class APIServiceCondition(Object, frozen=True):
    """One observed state of an API service, such as Available."""

    last_transition_time: Time | None = always(None)
    message: str = ""
    reason: str = ""
    status: str = always("")
    type: str = always("")


class APIServiceStatus(Object, frozen=True):
    """Conditions telling whether a registered API can be reached."""

    conditions: Annotated[tuple[APIServiceCondition, ...], ListMap(keys=("type",), patch="type")] = ()


class APIService(Object, frozen=True):
    """Registers a group version and the server that answers for it."""

    api_version: str = always("apiregistration.k8s.io/v1")
    kind: str = always("APIService")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: APIServiceSpec = always(APIServiceSpec())
    status: APIServiceStatus = always(APIServiceStatus())


class APIServiceList(Object, frozen=True):
    """A list of API services."""

    api_version: str = always("apiregistration.k8s.io/v1")
    kind: str = always("APIServiceList")
    items: tuple[APIService, ...] = always(())
    metadata: ListMeta = always(ListMeta())
