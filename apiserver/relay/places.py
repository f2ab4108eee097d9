"""Where a proxied request goes: from pods/[SCHEME:]NAME[:PORT] and the like to a host and a port.

Keeps true: a pod's door leads to the pod's own address, a service's to one of its ready pods, a node's to the address
that it registered. An address that is this machine's own, or only has a meaning on its link (where clouds keep their
metadata), is refused; but for the port of a node's own agent, which has to prove who it is.
Source: kubernetes.io/docs/tasks/access-application-cluster/access-cluster-services; Kubernetes' ResourceLocation.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, cast

from apiserver.relay.agents import Agent, agent_of, shown_host
from apiserver.strategy import Reader
from kube.api.core_v1 import Node, Pod, Service
from kube.api.discovery_v1 import EndpointSlice
from kube.errors import bad_request, not_found, unavailable
from kube.kinds import Resource, kind_of

SERVICE_LABEL: Final = "kubernetes.io/service-name"
SCHEMES: Final = ("", "http", "https")
PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """Where to. agent: set where it is a node's own agent, which alone is shown this server's certificate."""

    scheme: str
    host: str
    port: int
    agent: Agent | None = None

    @property
    def authority(self) -> str:
        """Host and port as URLs have them."""
        return f"{shown_host(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A name as the path has it, taken apart. port: a number, a name, or "" for none."""

    scheme: str
    name: str
    port: str


def parse_name(kind: str, text: str) -> Asked:
    """Take NAME, NAME:PORT or SCHEME:NAME:PORT apart. Raises ApiError 400."""
    match text.split(":"):
        case [name] if name:
            return Asked("", name, "")
        case [name, port] if name:
            return Asked("", name, port)
        case [scheme, name, port] if name and scheme in SCHEMES:
            return Asked(scheme, name, port)
    raise bad_request(f'invalid {kind} request "{text}"')


def is_allowed(address: str) -> bool:
    """Return whether an address is one that other machines may have."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    is_special = mapped.is_loopback or mapped.is_link_local or mapped.is_multicast or mapped.is_unspecified
    return not is_special and str(mapped) != "255.255.255.255"


def place_of(objects: Reader, kind: type[Resource], namespace: str, text: str) -> Place:
    """Return where a name leads. Raises ApiError."""
    asked = parse_name(kind.__name__.lower(), text)
    if kind is Node:
        return _node(objects, asked)
    found = objects.get(kind, asked.name, namespace)
    if found is None:
        raise not_found(kind_of(kind), asked.name)
    return _pod(cast("Pod", found), asked) if kind is Pod else _service(objects, cast("Service", found), asked, text)


def _pod(pod: Pod, asked: Asked) -> Place:
    address = next((found.ip for found in pod.status.pod_ips), pod.status.pod_ip)
    if not is_allowed(address):
        raise bad_request("address not allowed")
    scheme = asked.scheme or "http"
    return Place(scheme, address, _container_port(pod, asked.port) or PORTS[scheme])


def _container_port(pod: Pod, wanted: str) -> int:
    """Return a port of a pod by number or name, its first one where none is wanted, 0 where it has none."""
    declared = [port for container in pod.spec.containers for port in container.ports]
    if not wanted:
        return declared[0].container_port if declared else 0
    if wanted.isascii() and wanted.isdigit() and 0 < int(wanted) < 1 << 16:
        return int(wanted)
    named = next((port.container_port for port in declared if port.name == wanted), 0)
    if not named:
        raise unavailable(f'error trying to reach service: pod "{pod.metadata.name}" has no port "{wanted}"', 0)
    return named


def _service(objects: Reader, service: Service, asked: Asked, text: str) -> Place:
    name, port = service.metadata.name, asked.port
    if port.isascii() and port.isdigit():
        declared = next((item for item in service.spec.ports if item.port == int(port)), None)
        if declared is None:
            raise unavailable(f'no service port {port} found for service "{name}"', 0)
        port = declared.name
    choices = [*_endpoints(objects, service, port)]
    if not choices:
        raise unavailable(f'no endpoints available for service "{text}"', 0)
    host, number = random.choice(choices)
    return Place(asked.scheme or "http", host, number)


def _endpoints(objects: Reader, service: Service, port_name: str) -> Iterator[tuple[str, int]]:
    """Yield the addresses and ports of a service's ready pods; what is no pod's of its namespace is left out."""
    meta = service.metadata
    for piece in objects.all(EndpointSlice, meta.namespace):
        if piece.metadata.labels.get(SERVICE_LABEL) != meta.name:
            continue
        ports = [port.port for port in piece.ports if (port.name or "") == port_name and port.port]
        for endpoint in piece.endpoints:
            target = endpoint.target_ref
            if endpoint.conditions.ready is False or target is None or target.kind != "Pod":
                continue
            pod = objects.get(Pod, target.name, meta.namespace)
            owned = {found.ip for found in pod.status.pod_ips} if pod is not None else set()
            yield from ((ip, port) for ip in endpoint.addresses if ip in owned and is_allowed(ip) for port in ports)


def _node(objects: Reader, asked: Asked) -> Place:
    agent = agent_of(objects, asked.name)
    if asked.port in ("", str(agent.port)):
        return Place("https", agent.host, agent.port, agent)
    if not is_allowed(agent.host):
        raise bad_request("address not allowed")
    if not (asked.port.isascii() and asked.port.isdigit() and 0 < int(asked.port) < 1 << 16):
        raise bad_request(f'invalid node request "{asked.name}:{asked.port}": the port is no number of 1 to 65535')
    return Place(asked.scheme or "http", agent.host, int(asked.port))
