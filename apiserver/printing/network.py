"""What carries traffic, as rows: Services, Endpoints, EndpointSlices, Ingresses, NetworkPolicies and their kin.

Source: what `kubectl get` has always shown.
"""

from datetime import datetime
from typing import Any, Final

from kube.api.core_v1 import Endpoints, LoadBalancerIngress, Service, ServicePort
from kube.api.discovery_v1 import EndpointSlice
from kube.api.networking_v1 import Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR

from .column import AGE, NAME, NONE, UNSET, Printer, age, first_few, joined, labels, selector, text, wide


def service_cells(obj: Service, now: datetime) -> list[Any]:
    """Return the cells of a Service."""
    spec = obj.spec
    ports = joined(_port(port) for port in spec.ports)
    address = spec.cluster_ips[0] if spec.cluster_ips else spec.cluster_ip
    return [obj.metadata.name, spec.type, address or NONE, _outside(obj), ports, age(obj, now), labels(spec.selector)]


def _port(port: ServicePort) -> str:
    outside = f":{port.node_port}" if port.node_port else ""
    return f"{port.port}{outside}/{port.protocol}"


def _outside(service: Service) -> str:
    """Return the addresses by which a Service is reached from outside the cluster."""
    spec = service.spec
    if spec.type == "ExternalName":
        return spec.external_name
    if spec.type != "LoadBalancer":
        return joined(spec.external_ips)
    balancer = _balancer(service.status.load_balancer.ingress)
    return joined([*([balancer] if balancer else []), *spec.external_ips], nothing="<pending>")


def _balancer(ingress: tuple[LoadBalancerIngress, ...]) -> str:
    return ",".join(sorted({entry.ip or entry.hostname for entry in ingress}))


def endpoints_cells(obj: Endpoints, now: datetime) -> list[Any]:
    """Return the cells of Endpoints."""
    found: list[str] = []
    for subset in obj.subsets:
        addresses = [_bracketed(address.ip) for address in subset.addresses]
        if subset.ports:
            found += [f"{address}:{port.port}" for port in subset.ports for address in addresses]
        else:
            found += addresses
    return [obj.metadata.name, first_few(found), age(obj, now)]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def endpoint_slice_cells(obj: EndpointSlice, now: datetime) -> list[Any]:
    """Return the cells of an EndpointSlice."""
    ports = first_few([str(port.port) if port.port is not None else "*" for port in obj.ports], UNSET)
    addresses = first_few([address for endpoint in obj.endpoints for address in endpoint.addresses], UNSET)
    return [obj.metadata.name, obj.address_type, ports, addresses, age(obj, now)]


def ingress_cells(obj: Ingress, now: datetime) -> list[Any]:
    """Return the cells of an Ingress."""
    hosts = [rule.host for rule in obj.spec.rules if rule.host]
    addresses = [entry.ip or entry.hostname for entry in obj.status.load_balancer.ingress]
    ports = "80, 443" if obj.spec.tls else "80"
    name = obj.spec.ingress_class_name or NONE
    hosts_told = first_few(hosts, "*")
    return [obj.metadata.name, name, hosts_told, joined(addresses, nothing=""), ports, age(obj, now)]


def ingress_class_cells(obj: IngressClass, now: datetime) -> list[Any]:
    """Return the cells of an IngressClass."""
    parameters = obj.spec.parameters
    told = NONE
    if parameters is not None:
        group = f".{parameters.api_group}" if parameters.api_group else ""
        told = f"{parameters.kind}{group}/{parameters.name}"
    return [obj.metadata.name, obj.spec.controller, told, age(obj, now)]


def network_policy_cells(obj: NetworkPolicy, now: datetime) -> list[Any]:
    """Return the cells of a NetworkPolicy."""
    return [obj.metadata.name, selector(obj.spec.pod_selector), age(obj, now)]


def ip_address_cells(obj: IPAddress, _now: datetime) -> list[Any]:
    """Return the cells of an IPAddress."""
    parent = obj.spec.parent_ref
    if parent is None:
        return [obj.metadata.name, NONE]
    group = f".{parent.group}" if parent.group else ""
    told = "/".join(part for part in (f"{parent.resource}{group}", parent.namespace, parent.name) if part)
    return [obj.metadata.name, told]


def service_cidr_cells(obj: ServiceCIDR, now: datetime) -> list[Any]:
    """Return the cells of a ServiceCIDR."""
    return [obj.metadata.name, joined(obj.spec.cidrs, nothing=""), age(obj, now)]


SERVICE: Final = Printer(
    (NAME, *text("Type", "Cluster-IP", "External-IP", "Port(s)"), AGE, *wide("Selector")), service_cells
)
ENDPOINTS: Final = Printer((NAME, *text("Endpoints"), AGE), endpoints_cells)
ENDPOINT_SLICE: Final = Printer((NAME, *text("AddressType", "Ports", "Endpoints"), AGE), endpoint_slice_cells)
INGRESS: Final = Printer((NAME, *text("Class", "Hosts", "Address", "Ports"), AGE), ingress_cells)
INGRESS_CLASS: Final = Printer((NAME, *text("Controller", "Parameters"), AGE), ingress_class_cells)
NETWORK_POLICY: Final = Printer((NAME, *text("Pod-Selector"), AGE), network_policy_cells)
IP_ADDRESS: Final = Printer((NAME, *text("ParentRef")), ip_address_cells)
SERVICE_CIDR: Final = Printer((NAME, *text("CIDRs"), AGE), service_cidr_cells)
