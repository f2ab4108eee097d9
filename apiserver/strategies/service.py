"""The rules of Services: their types, addresses and ports, and what may change.

Takes cluster IPs and node ports from the allocators before a Service is stored, and gives back what it no longer has.
Source: kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1
"""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context
from kube import names
from kube.api.core_v1 import ClientIPConfig, Service, ServicePort, ServiceSpec, SessionAffinityConfig
from kube.errors import FieldError, forbidden_field, invalid, invalid_object
from kube.objects import key_of, with_defaults

from .checks import Errors, one_of_if_given
from .filling import each, where_none, within
from .generations import Ungenerated
from .service_rules import EXPOSED, NO_CLUSTER_IP, fixed_errors, needs_health_port, service_errors
from .statuses import balancer_errors

AFFINITY_S: Final = 10_800
_CLIENT_IP: Final = SessionAffinityConfig(client_ip=ClientIPConfig(timeout_seconds=AFFINITY_S))


class ServiceStrategy(Ungenerated[Service]):
    """Services."""

    allow_create_on_update = True
    returns_deleted = True
    field_names = ("spec.clusterIP", "spec.type")

    def check_name(self, name: str) -> list[str]:
        return names.check_dns_label(name)

    def default(self, obj: Service) -> Service:
        spec = default_service_spec(obj.spec)
        return obj if spec is obj.spec else replace(obj, spec=spec)

    def prepare_update(self, new: Service, old: Service, context: Context) -> Service:
        new = super().prepare_update(new, old, context)
        spec = with_kept_addresses(new.spec, old.spec)
        return new if spec is new.spec else replace(new, spec=spec)

    def validate(self, obj: Service) -> list[FieldError]:
        return list(service_errors(obj.spec))

    def validate_update(self, new: Service, old: Service) -> list[FieldError]:
        errors = [*service_errors(new.spec), *fixed_errors(new.spec, old.spec)]
        if old.spec.cluster_ip and new.spec.type != "ExternalName" and new.spec.cluster_ip != old.spec.cluster_ip:
            errors.append(invalid("spec.clusterIPs[0]", [new.spec.cluster_ip], "may not change once set"))
        return errors

    def validate_status_update(self, new: Service, old: Service) -> list[FieldError]:
        return [*balancer_errors(new.status.load_balancer.ingress), *_mode_errors(new)]

    def selectable_fields(self, obj: Service) -> Mapping[str, str]:
        fields = {"spec.clusterIP": obj.spec.cluster_ip, "spec.type": obj.spec.type}
        return {**super().selectable_fields(obj), **fields}

    async def allocate(self, new: Service, old: Service | None, context: Context) -> Service:
        taken = new
        try:
            taken = await self._with_cluster_ip(taken, old, context)
            taken = await self._with_node_ports(taken, old, context)
            return await self._with_health_port(taken, old, context)
        except _Refused as refusal:
            await self.abandon(refusal.so_far, old, context)
            raise invalid_object(self.kind, new.metadata.name, [refusal.error]) from refusal

    async def abandon(self, new: Service, old: Service | None, context: Context) -> None:
        await _release(new, old, context)

    async def after_write(self, new: Service | None, old: Service | None, context: Context) -> None:
        if old is not None:
            await _release(old, new, context)

    async def _with_cluster_ip(self, service: Service, old: Service | None, context: Context) -> Service:
        spec = service.spec
        if spec.type == "ExternalName" or spec.cluster_ip == NO_CLUSTER_IP:
            return service
        if old is not None and spec.cluster_ip and spec.cluster_ip == old.spec.cluster_ip:
            return service
        try:
            address = await context.allocators.take_cluster_ip(key_of(service), spec.cluster_ip)
        except ValueError as error:
            refused = invalid("spec.clusterIPs", [spec.cluster_ip] if spec.cluster_ip else None, str(error))
            nothing = replace(service, spec=replace(spec, cluster_ip="", ports=()))
            raise _Refused(nothing, refused) from error
        family = "IPv6" if ":" in address else "IPv4"
        changed = replace(
            spec,
            cluster_ip=address,
            cluster_ips=(address,),
            ip_families=spec.ip_families or (family,),
            ip_family_policy=spec.ip_family_policy or "SingleStack",
        )
        return replace(service, spec=changed)

    async def _with_node_ports(self, service: Service, old: Service | None, context: Context) -> Service:
        """Take a node port for each port that needs one; ports of one number that differ in protocol share it."""
        if not needs_node_ports(service.spec):
            return service
        held = node_ports(old.spec) if old is not None else frozenset()
        ports: list[ServicePort] = []
        shared: dict[int, int] = {}
        for index, port in enumerate(service.spec.ports):
            wanted = port.node_port or shared.get(port.port, 0)
            if wanted and (wanted in held or wanted in shared.values()):
                number = wanted
            else:
                so_far = replace(service, spec=replace(service.spec, ports=tuple(ports)))
                try:
                    number = await context.allocators.take_node_port(key_of(service), wanted)
                except ValueError as error:
                    refused = invalid(f"spec.ports[{index}].nodePort", wanted, str(error))
                    raise _Refused(so_far, refused) from error
            shared[port.port] = number
            ports.append(replace(port, node_port=number))
        return replace(service, spec=replace(service.spec, ports=tuple(ports)))

    async def _with_health_port(self, service: Service, old: Service | None, context: Context) -> Service:
        """Take the port at which a load balancer asks each node whether it has endpoints of its own."""
        wanted = service.spec.health_check_node_port
        if not needs_health_port(service.spec) or (old is not None and wanted == old.spec.health_check_node_port != 0):
            return service
        try:
            number = await context.allocators.take_node_port(key_of(service), wanted)
        except ValueError as error:
            refused = invalid("spec.healthCheckNodePort", wanted, str(error))
            nothing = replace(service, spec=replace(service.spec, health_check_node_port=0))
            raise _Refused(nothing, refused) from error
        return replace(service, spec=replace(service.spec, health_check_node_port=number))


class _Refused(Exception):  # noqa: N818 - carries what was taken before the refusal to where it is given back.
    def __init__(self, so_far: Service, error: FieldError) -> None:
        super().__init__(str(error))
        self.so_far = so_far
        self.error = error


async def _release(gone: Service, kept: Service | None, context: Context) -> None:
    """Give back what `gone` holds and `kept` does not."""
    owner = key_of(gone)
    if _has_address(gone.spec) and (kept is None or kept.spec.cluster_ip != gone.spec.cluster_ip):
        await context.allocators.give_cluster_ip(owner, gone.spec.cluster_ip)
    for port in node_ports(gone.spec) - (node_ports(kept.spec) if kept is not None else frozenset()):
        await context.allocators.give_node_port(owner, port)


def _has_address(spec: ServiceSpec) -> bool:
    return spec.cluster_ip not in ("", NO_CLUSTER_IP)


def node_ports(spec: ServiceSpec) -> frozenset[int]:
    """Return the node ports that a Service has, the one for health checks included."""
    ports = [port.node_port for port in spec.ports] + [spec.health_check_node_port]
    return frozenset([port for port in ports if port])


def needs_node_ports(spec: ServiceSpec) -> bool:
    """Say whether every port of the Service is to have a node port."""
    if spec.type == "LoadBalancer":
        return spec.allocate_load_balancer_node_ports is not False
    return spec.type == "NodePort"


def default_service_spec(spec: ServiceSpec) -> ServiceSpec:
    """Return the spec with its defaults; addresses come later, from the allocators."""
    spec = with_defaults(spec, type="ClusterIP", session_affinity="None")
    if spec.session_affinity == "ClientIP":
        spec = replace(spec, session_affinity_config=_default_affinity(spec.session_affinity_config))
    elif spec.session_affinity_config is not None and spec.session_affinity == "None":
        spec = replace(spec, session_affinity_config=None)
    spec = within(spec, ports=lambda ports: each(ports, _default_port))
    if spec.type in EXPOSED or (spec.type == "ClusterIP" and spec.external_ips):
        spec = with_defaults(spec, external_traffic_policy="Cluster")
    if spec.type != "ExternalName":
        spec = where_none(spec, internal_traffic_policy="Cluster")
    if spec.type == "LoadBalancer":
        spec = where_none(spec, allocate_load_balancer_node_ports=True)
    return _default_addresses(spec)


def _default_affinity(config: SessionAffinityConfig | None) -> SessionAffinityConfig:
    if config is None or config.client_ip is None:
        return _CLIENT_IP
    return replace(config, client_ip=where_none(config.client_ip, timeout_seconds=AFFINITY_S))


def _default_port(port: ServicePort) -> ServicePort:
    port = with_defaults(port, protocol="TCP")
    return replace(port, target_port=port.port) if port.target_port in (None, 0, "") else port


def _default_addresses(spec: ServiceSpec) -> ServiceSpec:
    """Make clusterIP and clusterIPs say the same; a headless Service is single-stack IPv4 unless it says otherwise."""
    if spec.type == "ExternalName":
        return spec
    if spec.cluster_ip and not spec.cluster_ips:
        spec = replace(spec, cluster_ips=(spec.cluster_ip,))
    if spec.cluster_ip == NO_CLUSTER_IP:
        family_policy = "SingleStack" if spec.selector else "RequireDualStack"
        spec = where_none(spec, ip_family_policy=family_policy)
        families = ("IPv4",) if spec.ip_family_policy == "SingleStack" else ("IPv4", "IPv6")
        spec = with_defaults(spec, ip_families=families)
    return spec


def with_kept_addresses(new: ServiceSpec, old: ServiceSpec) -> ServiceSpec:
    """Return `new` with the addresses and node ports that it leaves open as `old` has them."""
    changes: dict[str, object] = {}
    if new.type == "ExternalName":
        if old.type != "ExternalName" and new.cluster_ip == old.cluster_ip:
            changes = {"cluster_ip": "", "cluster_ips": (), "ip_families": (), "ip_family_policy": None}
    elif old.type != "ExternalName":
        if not new.cluster_ip:
            changes = {"cluster_ip": old.cluster_ip, "cluster_ips": old.cluster_ips}
        elif new.cluster_ip != old.cluster_ip and new.cluster_ips == old.cluster_ips:
            changes = {"cluster_ips": (new.cluster_ip,)}
        if not new.ip_families:
            changes["ip_families"] = old.ip_families
        if new.ip_family_policy is None:
            changes["ip_family_policy"] = old.ip_family_policy
    ports = _with_kept_ports(new, old)
    if ports != new.ports:
        changes["ports"] = ports
    changes |= _left_of_type(new, old)
    return replace(new, **changes) if changes else new


def _left_of_type(new: ServiceSpec, old: ServiceSpec) -> dict[str, object]:
    """Return the changes of what a Service has for its type alone: it goes with the type, or stays with it."""
    changes: dict[str, object] = {}
    if new.type != "LoadBalancer" and old.type == "LoadBalancer":
        for field in ("load_balancer_class", "allocate_load_balancer_node_ports"):
            if getattr(new, field) == getattr(old, field):
                changes[field] = None
    if new.type not in EXPOSED and new.external_traffic_policy and old.type in EXPOSED:
        changes["external_traffic_policy"] = ""
    if needs_health_port(new) and needs_health_port(old) and not new.health_check_node_port:
        changes["health_check_node_port"] = old.health_check_node_port
    elif not needs_health_port(new) and new.health_check_node_port == old.health_check_node_port:
        changes["health_check_node_port"] = 0
    return changes


def _with_kept_ports(new: ServiceSpec, old: ServiceSpec) -> tuple[ServicePort, ...]:
    """Keep node ports that the update doesn't name; drop those that came along from a type that had them."""
    known = {(port.port, port.protocol): port.node_port for port in old.ports}
    if needs_node_ports(new):
        taken = {port.node_port for port in new.ports}
        return tuple(
            port
            if port.node_port or known.get((port.port, port.protocol), 0) in taken
            else replace(port, node_port=known.get((port.port, port.protocol), 0))
            for port in new.ports
        )
    if new.type == "LoadBalancer" or not needs_node_ports(old):
        return new.ports
    return tuple(
        replace(port, node_port=0) if port.node_port == known.get((port.port, port.protocol)) else port
        for port in new.ports
    )


def _mode_errors(service: Service) -> Errors:
    """Check how a load balancer's addresses are to be treated: only where there are any, and one way each."""
    for index, place in enumerate(service.status.load_balancer.ingress):
        here = f"status.loadBalancer.ingress[{index}].ipMode"
        if place.ip_mode is not None and not place.ip:
            yield forbidden_field(here, "may not be specified when `ip` is not set")
        else:
            yield from one_of_if_given(here, place.ip_mode, ("Proxy", "VIP"))
