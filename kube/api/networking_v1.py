"""The types of networking.k8s.io/v1.

Source: kubernetes.io/docs/reference/kubernetes-api, version 1.36. See kube/api/object.py for how to read a field.
"""

from typing import Annotated

from kube.api.core_v1 import TypedLocalObjectReference
from kube.api.meta_v1 import Condition, LabelSelector, ListMeta, ObjectMeta
from kube.api.object import ListMap, Object, always, atomic
from kube.api.scalars import Int32, IntOrString


@atomic
class ServiceBackendPort(Object, frozen=True):
    """A service port, by name or by number."""

    name: str = ""
    number: Int32 = 0


class IngressServiceBackend(Object, frozen=True):
    """A service and port that receive routed traffic."""

    name: str = always("")
    port: ServiceBackendPort = always(ServiceBackendPort())


class IngressBackend(Object, frozen=True):
    """The service or other object that receives routed traffic."""

    resource: TypedLocalObjectReference | None = None
    service: IngressServiceBackend | None = None


class HTTPIngressPath(Object, frozen=True):
    """A URL path, how it is matched, and the backend it goes to."""

    backend: IngressBackend = always(IngressBackend())
    path: str = ""
    path_type: str | None = None


class HTTPIngressRuleValue(Object, frozen=True):
    """The paths routed for one host."""

    paths: tuple[HTTPIngressPath, ...] = always(())


class ParentReference(Object, frozen=True):
    """Points to the object that an IP address belongs to."""

    group: str = ""
    name: str = ""
    namespace: str = ""
    resource: str = ""


class IPAddressSpec(Object, frozen=True):
    """The object that an IP address was given to."""

    parent_ref: ParentReference | None = None


class IPAddress(Object, frozen=True):
    """Marks one IP address as taken, and by whom."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("IPAddress")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: IPAddressSpec = always(IPAddressSpec())


class IPAddressList(Object, frozen=True):
    """A list of IP addresses."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("IPAddressList")
    items: tuple[IPAddress, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class IPBlock(Object, frozen=True):
    """An address range, less any ranges cut out of it."""

    cidr: str = always("")
    except_: tuple[str, ...] = ()


class IngressRule(Object, frozen=True):
    """A host and how its paths are routed."""

    host: str = ""
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Object, frozen=True):
    """Hosts served over TLS and the secret with their certificate."""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(Object, frozen=True):
    """The class, rules, TLS and default backend of an ingress."""

    default_backend: IngressBackend | None = None
    ingress_class_name: str | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTLS, ...] = ()


class IngressPortStatus(Object, frozen=True):
    """An ingress port, its protocol and any error with it."""

    error: str | None = None
    port: Int32 = always(0)
    protocol: str = always("")


class IngressLoadBalancerIngress(Object, frozen=True):
    """One IP or host name at which an ingress takes traffic."""

    hostname: str = ""
    ip: str = ""
    ports: tuple[IngressPortStatus, ...] = ()


class IngressLoadBalancerStatus(Object, frozen=True):
    """The entry points an ingress has been given."""

    ingress: tuple[IngressLoadBalancerIngress, ...] = ()


class IngressStatus(Object, frozen=True):
    """The load balancer state of an ingress."""

    load_balancer: IngressLoadBalancerStatus = always(IngressLoadBalancerStatus())


class Ingress(Object, frozen=True):
    """Routes outside HTTP traffic to services by host and path."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("Ingress")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: IngressSpec = always(IngressSpec())
    status: IngressStatus = always(IngressStatus())


class IngressClassParametersReference(Object, frozen=True):
    """The object that holds extra settings for an ingress class."""

    api_group: str | None = None
    kind: str = always("")
    name: str = always("")
    namespace: str | None = None
    scope: str | None = None


class IngressClassSpec(Object, frozen=True):
    """The controller behind an ingress class and its parameters."""

    controller: str = ""
    parameters: IngressClassParametersReference | None = None


class IngressClass(Object, frozen=True):
    """A kind of ingress, and the controller that handles it."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("IngressClass")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: IngressClassSpec = always(IngressClassSpec())


class IngressClassList(Object, frozen=True):
    """A list of ingress classes."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("IngressClassList")
    items: tuple[IngressClass, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class IngressList(Object, frozen=True):
    """A list of ingresses."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("IngressList")
    items: tuple[Ingress, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class NetworkPolicyPeer(Object, frozen=True):
    """Pods, namespaces or addresses at the other end of traffic."""

    ip_block: IPBlock | None = None
    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None


class NetworkPolicyPort(Object, frozen=True):
    """A port, or range of ports, that a rule allows."""

    end_port: Int32 | None = None
    port: IntOrString | None = None
    protocol: str | None = None


class NetworkPolicyEgressRule(Object, frozen=True):
    """Destinations and ports that pods may send to."""

    ports: tuple[NetworkPolicyPort, ...] = ()
    to: tuple[NetworkPolicyPeer, ...] = ()


class NetworkPolicyIngressRule(Object, frozen=True):
    """Sources and ports from which pods may receive."""

    from_: tuple[NetworkPolicyPeer, ...] = ()
    ports: tuple[NetworkPolicyPort, ...] = ()


class NetworkPolicySpec(Object, frozen=True):
    """The pods a policy covers and its rules for each direction."""

    egress: tuple[NetworkPolicyEgressRule, ...] = ()
    ingress: tuple[NetworkPolicyIngressRule, ...] = ()
    pod_selector: LabelSelector = always(LabelSelector())
    policy_types: tuple[str, ...] = ()


class NetworkPolicy(Object, frozen=True):
    """Says what traffic certain pods may receive and send."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("NetworkPolicy")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: NetworkPolicySpec = always(NetworkPolicySpec())


class NetworkPolicyList(Object, frozen=True):
    """A list of network policies."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("NetworkPolicyList")
    items: tuple[NetworkPolicy, ...] = always(())
    metadata: ListMeta = always(ListMeta())


class ServiceCIDRSpec(Object, frozen=True):
    """The address ranges, at most one for each IP family."""

    cidrs: tuple[str, ...] = ()


class ServiceCIDRStatus(Object, frozen=True):
    """The conditions of a service address range."""

    conditions: Annotated[tuple[Condition, ...], ListMap(keys=("type",), patch="type")] = ()


class ServiceCIDR(Object, frozen=True):
    """A range from which service addresses are taken."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("ServiceCIDR")
    metadata: ObjectMeta = always(ObjectMeta())
    spec: ServiceCIDRSpec = always(ServiceCIDRSpec())
    status: ServiceCIDRStatus = always(ServiceCIDRStatus())


class ServiceCIDRList(Object, frozen=True):
    """A list of service CIDRs."""

    api_version: str = always("networking.k8s.io/v1")
    kind: str = always("ServiceCIDRList")
    items: tuple[ServiceCIDR, ...] = always(())
    metadata: ListMeta = always(ListMeta())
