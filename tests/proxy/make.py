"""Builders of Services and EndpointSlices that state only what matters."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from kube.api.core_v1 import ObjectReference, Service, ServicePort, ServiceSpec
from kube.api.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from kube.api.meta_v1 import ObjectMeta

NAMESPACE = "default"


def port(number: int, name: str = "", protocol: str = "TCP", node_port: int = 0) -> ServicePort:
    return ServicePort(name=name, port=number, protocol=protocol, node_port=node_port)


def service(
    name: str = "web",
    ip: str = "10.150.0.10",
    ports: Sequence[ServicePort] = (port(80),),
    labels: Mapping[str, str] | None = None,
    namespace: str = NAMESPACE,
    **spec: Any,
) -> Service:
    metadata = ObjectMeta(name=name, namespace=namespace, labels=labels or {}, uid=f"uid-{name}")
    ips = (ip,) if ip else ()
    return Service(
        metadata=metadata,
        spec=ServiceSpec(**{"cluster_ip": ip, "cluster_ips": ips, "ports": tuple(ports), "type": "ClusterIP", **spec}),
    )


def endpoint(
    ip: str | IPv4Address,
    node: str = "node-0",
    *,
    ready: bool | None = True,
    serving: bool | None = None,
    terminating: bool | None = None,
    hostname: str | None = None,
) -> Endpoint:
    return Endpoint(
        addresses=(str(ip),),
        node_name=node,
        hostname=hostname,
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        target_ref=ObjectReference(kind="Pod", name=f"pod-{ip}"),
    )


def endpoints(
    *found: Endpoint,
    of: str = "web",
    number: int = 8080,
    port_name: str = "",
    protocol: str = "TCP",
    name: str = "",
    namespace: str = NAMESPACE,
) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=name or f"{of}-1", namespace=namespace, labels={"kubernetes.io/service-name": of}),
        address_type="IPv4",
        endpoints=tuple(found),
        ports=(EndpointPort(name=port_name, port=number, protocol=protocol),),
    )
