"""What must hold of a Service's spec, and what of it may change.

Source: kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1
"""

from typing import Final

from kube import names
from kube.api.core_v1 import ServicePort, ServiceSpec
from kube.errors import duplicate, forbidden_field, invalid, not_supported, required

from .checks import (
    PROTOCOLS,
    Errors,
    cidr,
    fits,
    fits_if_given,
    ip,
    labels,
    named,
    named_if_set,
    one_of,
    one_of_if_given,
    one_of_if_set,
    port_number,
    port_or_name,
)

TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
EXPOSED: Final = ("NodePort", "LoadBalancer")
NO_CLUSTER_IP: Final = "None"
_FAMILIES: Final = ("IPv4", "IPv6")
_AFFINITY_MAX_S: Final = 86_400
_BALANCERS_ONLY: Final = "may only be used when `type` is 'LoadBalancer'"


def needs_health_port(spec: ServiceSpec) -> bool:
    """Say whether nodes differ in whether they can take what a load balancer sends."""
    return spec.type == "LoadBalancer" and spec.external_traffic_policy == "Local"


def service_errors(spec: ServiceSpec) -> Errors:
    """Check a Service's spec."""
    yield from one_of("spec.type", spec.type, TYPES)
    if not spec.ports and spec.type != "ExternalName" and spec.cluster_ip != NO_CLUSTER_IP:
        yield required("spec.ports")
    yield from _type_errors(spec)
    yield from ports_errors(spec)
    if spec.selector:
        yield from labels("spec.selector", spec.selector)
    yield from _affinity_errors(spec)
    yield from _address_errors(spec)
    yield from _traffic_errors(spec)


def fixed_errors(new: ServiceSpec, old: ServiceSpec) -> Errors:
    """Check what a load balancer was told once and for all."""
    if new.type != "LoadBalancer" or old.type != "LoadBalancer":
        return
    if new.load_balancer_class != old.load_balancer_class:
        yield invalid("spec.loadBalancerClass", new.load_balancer_class, "may not change once set")
    if needs_health_port(new) and needs_health_port(old) and old.health_check_node_port != new.health_check_node_port:
        yield forbidden_field("spec.healthCheckNodePort", "field is immutable")


def _type_errors(spec: ServiceSpec) -> Errors:
    if spec.type == "ExternalName":
        yield from named("spec.externalName", spec.external_name.rstrip("."), names.check_dns_subdomain)
        if spec.cluster_ip and spec.cluster_ip != NO_CLUSTER_IP:
            detail = "may not be set when type is 'ExternalName'"
            yield forbidden_field("spec.clusterIPs", detail)
    if spec.cluster_ip == NO_CLUSTER_IP and spec.type in EXPOSED:
        yield invalid("spec.clusterIPs[0]", NO_CLUSTER_IP, f"may not be set to 'None' for {spec.type} services")
    if spec.type != "LoadBalancer":
        for field, value in (
            ("loadBalancerClass", spec.load_balancer_class),
            ("allocateLoadBalancerNodePorts", spec.allocate_load_balancer_node_ports),
        ):
            if value is not None:
                yield forbidden_field(f"spec.{field}", _BALANCERS_ONLY)
        if spec.load_balancer_source_ranges:
            yield forbidden_field("spec.LoadBalancerSourceRanges", _BALANCERS_ONLY)
    elif spec.load_balancer_class is not None:
        yield from fits("spec.loadBalancerClass", spec.load_balancer_class, names.check_label_key)


def ports_errors(spec: ServiceSpec) -> Errors:
    """Check the ports of a Service by themselves and against one another."""
    several = len(spec.ports) > 1
    seen: set[str] = set()
    pairs: set[tuple[str, int]] = set()
    node_pairs: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        here = f"spec.ports[{index}]"
        if several and not port.name:
            yield required(f"{here}.name")
        yield from named_if_set(f"{here}.name", port.name, names.check_dns_label)
        if port.name and port.name in seen:
            yield duplicate(f"{here}.name", port.name)
        seen.add(port.name)
        yield from port_number(f"{here}.port", port.port)
        yield from one_of(f"{here}.protocol", port.protocol, PROTOCOLS)
        yield from port_or_name(f"{here}.targetPort", port.target_port)
        yield from fits_if_given(f"{here}.appProtocol", port.app_protocol, names.check_label_key)
        pair = (port.protocol, port.port)
        if pair in pairs:
            yield duplicate(here, _pair_shown(port))
        pairs.add(pair)
        if port.node_port:
            yield from _node_port_errors(spec, port, node_pairs, f"{here}.nodePort")


def _pair_shown(port: ServicePort) -> dict[str, object]:
    """Return what is told of a port that stands twice: a port of which only the number and the protocol are known."""
    unknown = {"AppProtocol": None, "Port": port.port, "TargetPort": 0, "NodePort": 0}
    return {"Name": "", "Protocol": port.protocol, **unknown}


def _node_port_errors(spec: ServiceSpec, port: ServicePort, seen: set[tuple[str, int]], path: str) -> Errors:
    if spec.type not in EXPOSED:
        yield forbidden_field(path, f"may not be used when `type` is '{spec.type}'")
    if (port.protocol, port.node_port) in seen:
        yield duplicate(path, port.node_port)
    seen.add((port.protocol, port.node_port))


def _affinity_errors(spec: ServiceSpec) -> Errors:
    yield from one_of("spec.sessionAffinity", spec.session_affinity, ("ClientIP", "None"))
    config = spec.session_affinity_config
    if spec.session_affinity == "ClientIP" and config is not None and config.client_ip is not None:
        seconds = config.client_ip.timeout_seconds or 0
        if not 0 < seconds <= _AFFINITY_MAX_S:
            path = "spec.sessionAffinityConfig.clientIP.timeoutSeconds"
            yield invalid(path, seconds, f"must be greater than 0 and less than {_AFFINITY_MAX_S}")


def _address_errors(spec: ServiceSpec) -> Errors:
    if spec.type == "ExternalName":
        for field, is_set in (
            ("clusterIPs", spec.cluster_ips),
            ("ipFamilies", spec.ip_families),
            ("ipFamilyPolicy", spec.ip_family_policy is not None),
        ):
            if is_set:
                yield forbidden_field(f"spec.{field}", "may not be set for ExternalName services")
    else:
        yield from _cluster_ips_errors(spec)
        yield from _families_errors(spec)
    for index, address in enumerate(spec.external_ips):
        yield from ip(f"spec.externalIPs[{index}]", address)
    for index, source in enumerate(spec.load_balancer_source_ranges):
        yield from cidr(f"spec.LoadBalancerSourceRanges[{index}]", source.strip())


def _cluster_ips_errors(spec: ServiceSpec) -> Errors:
    if spec.cluster_ips and not spec.cluster_ip:
        yield invalid("spec.clusterIPs", spec.cluster_ips, "must be empty when `clusterIP` is not specified")
    elif spec.cluster_ips and spec.cluster_ip != spec.cluster_ips[0]:
        yield invalid("spec.clusterIPs", spec.cluster_ips, "first value must match `clusterIP`")
    elif len(spec.cluster_ips) > 1 and NO_CLUSTER_IP in spec.cluster_ips:
        yield invalid("spec.clusterIPs", spec.cluster_ips, "'None' must be the first and only value")
    elif len(spec.cluster_ips) > 1:
        yield invalid(
            "spec.clusterIPs", spec.cluster_ips, "must be empty or have exactly one value in a single-stack cluster"
        )
    for index, address in enumerate(spec.cluster_ips):
        if address != NO_CLUSTER_IP:
            yield from ip(f"spec.clusterIPs[{index}]", address)


def _families_errors(spec: ServiceSpec) -> Errors:
    seen: set[str] = set()
    for index, family in enumerate(spec.ip_families):
        here = f"spec.ipFamilies[{index}]"
        if family not in _FAMILIES:
            yield not_supported(here, family, _FAMILIES)
        if family in seen:
            yield duplicate(here, family)
        seen.add(family)
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    yield from one_of_if_given("spec.ipFamilyPolicy", spec.ip_family_policy, policies)


def _traffic_errors(spec: ServiceSpec) -> Errors:
    outer = spec.external_traffic_policy
    if outer and spec.type not in EXPOSED and not (spec.type == "ClusterIP" and spec.external_ips):
        yield invalid("spec.externalTrafficPolicy", outer, "may only be set for externally-accessible services")
    else:
        yield from one_of_if_set("spec.externalTrafficPolicy", outer, ("Cluster", "Local"))
    yield from one_of_if_given("spec.internalTrafficPolicy", spec.internal_traffic_policy, ("Cluster", "Local"))
    distributions = ("PreferClose", "PreferSameZone", "PreferSameNode")
    yield from one_of_if_given("spec.trafficDistribution", spec.traffic_distribution, distributions)
    if spec.health_check_node_port and needs_health_port(spec):
        yield from port_number("spec.healthCheckNodePort", spec.health_check_node_port)
    elif spec.health_check_node_port:
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid("spec.healthCheckNodePort", spec.health_check_node_port, detail)
