"""The rules of Ingresses, IngressClasses and NetworkPolicies.

Source: kubernetes.io/docs/reference/kubernetes-api/service-resources/ingress-v1; .../policy-resources/network-policy-v1
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube import names
from kube.api.networking_v1 import (
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressClassSpec,
    IngressRule,
    IPBlock,
    NetworkPolicy,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from kube.errors import FieldError, forbidden_field, immutable, invalid, not_supported, required, too_long
from kube.objects import default_among

from .checks import (
    PROTOCOLS_AS_INVENTED,
    Errors,
    cidr,
    fits,
    fits_if_given,
    is_ip,
    label_selector,
    named,
    named_if_set,
    one_of_if_given,
    port_number,
    port_or_name,
)
from .filling import each, where_none
from .generations import Generated
from .statuses import balancer_errors

DEFAULT_CLASS: Final = "ingressclass.kubernetes.io/is-default-class"
OLD_CLASS: Final = "kubernetes.io/ingress.class"
"""The annotation in which Ingresses named their class before there was a field for it."""
_CONTROLLER_MAX: Final = 250
DIRECTIONS: Final = ("Ingress", "Egress")
PATH_TYPES: Final = ("Exact", "ImplementationSpecific", "Prefix")


class IngressStrategy(Strategy[Ingress]):
    """Ingresses; one that names no class gets the default one."""

    async def admit(self, obj: Ingress, old: Ingress | None, context: Context) -> Ingress:
        if old is not None or obj.spec.ingress_class_name is not None or OLD_CLASS in obj.metadata.annotations:
            return obj
        chosen = default_among(context.objects.all(IngressClass), DEFAULT_CLASS)
        if chosen is None:
            return obj
        return replace(obj, spec=replace(obj.spec, ingress_class_name=chosen.metadata.name))

    def validate(self, obj: Ingress) -> list[FieldError]:
        return list(_ingress_errors(obj))

    def validate_status_update(self, new: Ingress, old: Ingress) -> list[FieldError]:
        return list(balancer_errors(new.status.load_balancer.ingress))


def _ingress_errors(ingress: Ingress) -> Errors:
    spec = ingress.spec
    if not spec.rules and spec.default_backend is None:
        yield invalid("spec", spec.rules, "either `defaultBackend` or `rules` must be specified")
    if spec.default_backend is not None:
        yield from _backend_errors(spec.default_backend, "spec.defaultBackend")
    yield from fits_if_given("spec.ingressClassName", spec.ingress_class_name, names.check_dns_subdomain)
    for index, rule in enumerate(spec.rules):
        yield from _rule_errors(rule, f"spec.rules[{index}]")
    for index, tls in enumerate(spec.tls):
        for place, host in enumerate(tls.hosts):
            yield from _name_errors(host, f"spec.tls[{index}].hosts[{place}]")
        yield from named_if_set(f"spec.tls[{index}].secretName", tls.secret_name, names.check_dns_subdomain)


def _host_errors(host: str, path: str) -> Errors:
    if is_ip(host):
        yield invalid(path, host, "must be a DNS name, not an IP address")
    else:
        yield from _name_errors(host, path)


def _name_errors(host: str, path: str) -> Errors:
    check = names.check_wildcard_subdomain if "*" in host else names.check_dns_subdomain
    yield from fits(path, host, check)


def _rule_errors(rule: IngressRule, path: str) -> Errors:
    if rule.host:
        yield from _host_errors(rule.host, f"{path}.host")
    if rule.http is None:
        return
    if not rule.http.paths:
        yield required(f"{path}.http.paths")
    for index, target in enumerate(rule.http.paths):
        yield from _path_errors(target, f"{path}.http.paths[{index}]")


def _path_errors(target: HTTPIngressPath, path: str) -> Errors:
    if target.path_type is None:
        yield required(f"{path}.pathType", "pathType must be specified")
    else:
        yield from one_of_if_given(f"{path}.pathType", target.path_type, PATH_TYPES)
    if target.path_type in ("Exact", "Prefix"):
        if not target.path.startswith("/"):
            yield invalid(f"{path}.path", target.path, "must be an absolute path")
        for part in ("//", "/./", "/../", "%2f", "%2F"):
            if part in target.path:
                yield invalid(f"{path}.path", target.path, f"must not contain '{part}'")
    elif target.path_type == "ImplementationSpecific" and target.path and not target.path.startswith("/"):
        yield invalid(f"{path}.path", target.path, "must be an absolute path")
    yield from _backend_errors(target.backend, f"{path}.backend")


def _backend_errors(backend: IngressBackend, path: str) -> Errors:
    if backend.resource is not None and backend.service is not None:
        yield invalid(path, "", "cannot set both resource and service backends")
    elif backend.resource is None and backend.service is None:
        yield invalid(path, "", "resource or service backend is required")
    elif backend.resource is not None:
        resource = backend.resource
        yield from reference_errors(resource.api_group, resource.kind, resource.name, f"{path}.resource")
    elif backend.service is not None:
        service = backend.service
        yield from named(f"{path}.service.name", service.name, names.check_dns_label)
        if service.port.name and service.port.number:
            yield invalid(path, "", "cannot set both port name & port number")
        elif service.port.name:
            yield from named(f"{path}.service.port.name", service.port.name, names.check_port_name)
        elif service.port.number:
            yield from port_number(f"{path}.service.port.number", service.port.number)
        else:
            yield required(path, "port name or number is required")


class IngressClassStrategy(Generated[IngressClass]):
    """IngressClasses: a class keeps its controller; changes of spec count as generations."""

    def default(self, obj: IngressClass) -> IngressClass:
        parameters = obj.spec.parameters
        if parameters is None or parameters.scope is not None:
            return obj
        return replace(obj, spec=replace(obj.spec, parameters=replace(parameters, scope="Cluster")))

    def validate(self, obj: IngressClass) -> list[FieldError]:
        return list(_class_errors(obj.spec))

    def validate_update(self, new: IngressClass, old: IngressClass) -> list[FieldError]:
        changed = new.spec.controller != old.spec.controller
        immutables = [immutable("spec.controller", new.spec.controller)] if changed else []
        return [*_class_errors(new.spec), *immutables]


def _class_errors(spec: IngressClassSpec) -> Errors:
    path = "spec.controller"
    if len(spec.controller) > _CONTROLLER_MAX:
        yield too_long(path, _CONTROLLER_MAX)
    if not spec.controller:
        yield required(path)
    else:
        yield from fits(path, spec.controller, names.check_domain_path)
    parameters = spec.parameters
    if parameters is None:
        return
    here = "spec.parameters"
    yield from reference_errors(parameters.api_group, parameters.kind, parameters.name, here)
    if parameters.scope not in ("Cluster", "Namespace"):
        yield not_supported(f"{here}.scope", parameters.scope, ("Cluster", "Namespace"))
    if parameters.scope == "Namespace":
        if parameters.namespace is None:
            yield required(f"{here}.namespace", "`parameters.scope` is set to 'Namespace'")
        else:
            yield from fits(f"{here}.namespace", parameters.namespace, names.check_dns_label)
    elif parameters.scope == "Cluster" and parameters.namespace is not None:
        yield forbidden_field(f"{here}.namespace", "`parameters.scope` is set to 'Cluster'")


def reference_errors(group: str | None, kind: str, name: str, path: str) -> Errors:
    """Check a reference to an object of any kind."""
    yield from fits_if_given(f"{path}.apiGroup", group, names.check_dns_subdomain)
    yield from named(f"{path}.kind", kind, names.check_path_segment)
    yield from named(f"{path}.name", name, names.check_path_segment)


class NetworkPolicyStrategy(Generated[NetworkPolicy]):
    """NetworkPolicies: those that name no direction mean ingress, and egress if they have rules for it."""

    def default(self, obj: NetworkPolicy) -> NetworkPolicy:
        spec = obj.spec
        if not spec.policy_types:
            spec = replace(spec, policy_types=("Ingress", "Egress") if spec.egress else ("Ingress",))
        spec = replace(
            spec,
            ingress=tuple([replace(rule, ports=each(rule.ports, _default_port)) for rule in spec.ingress]),
            egress=tuple([replace(rule, ports=each(rule.ports, _default_port)) for rule in spec.egress]),
        )
        return obj if spec == obj.spec else replace(obj, spec=spec)

    def validate(self, obj: NetworkPolicy) -> list[FieldError]:
        return list(_policy_errors(obj.spec))


def _default_port(port: NetworkPolicyPort) -> NetworkPolicyPort:
    return where_none(port, protocol="TCP")


def _policy_errors(spec: NetworkPolicySpec) -> Errors:
    yield from label_selector("spec.podSelector", spec.pod_selector)
    if len(spec.policy_types) > len(DIRECTIONS):
        yield invalid("spec.policyTypes", spec.policy_types, "may not specify more than two policyTypes")
        return
    for index, direction in enumerate(spec.policy_types):
        yield from one_of_if_given(f"spec.policyTypes[{index}]", direction, DIRECTIONS)
    for index, ingress in enumerate(spec.ingress):
        yield from _ports_errors(ingress.ports, f"spec.ingress[{index}].ports")
        yield from _peers_errors(ingress.from_, f"spec.ingress[{index}].from")
    for index, egress in enumerate(spec.egress):
        yield from _ports_errors(egress.ports, f"spec.egress[{index}].ports")
        yield from _peers_errors(egress.to, f"spec.egress[{index}].to")


def _ports_errors(ports: tuple[NetworkPolicyPort, ...], path: str) -> Errors:
    for index, port in enumerate(ports):
        here = f"{path}[{index}]"
        yield from one_of_if_given(f"{here}.protocol", port.protocol, PROTOCOLS_AS_INVENTED)
        if port.port is not None:
            yield from port_or_name(f"{here}.port", port.port)
        if port.end_port is not None:
            if port.port is None:
                yield invalid(f"{here}.endPort", port.end_port, "may not be specified when `port` is not specified")
            elif isinstance(port.port, str):
                yield invalid(f"{here}.endPort", port.end_port, "may not be specified when `port` is non-numeric")
            else:
                if port.end_port < port.port:
                    yield invalid(f"{here}.endPort", port.end_port, "must be greater than or equal to `port`")
                yield from port_number(f"{here}.endPort", port.end_port)


def _peers_errors(peers: tuple[NetworkPolicyPeer, ...], path: str) -> Errors:
    for index, peer in enumerate(peers):
        here = f"{path}[{index}]"
        yield from label_selector(f"{here}.podSelector", peer.pod_selector)
        yield from label_selector(f"{here}.namespaceSelector", peer.namespace_selector)
        if peer.ip_block is not None:
            yield from _block_errors(peer.ip_block, f"{here}.ipBlock")
            if peer.pod_selector is not None or peer.namespace_selector is not None:
                yield forbidden_field(here, "may not specify both ipBlock and another peer")
        elif peer.pod_selector is None and peer.namespace_selector is None:
            yield required(here, "must specify a peer")


def _block_errors(block: IPBlock, path: str) -> Errors:
    if not block.cidr:
        yield required(f"{path}.cidr")
        return
    yield from cidr(f"{path}.cidr", block.cidr)
    for index, excepted in enumerate(block.except_):
        yield from cidr(f"{path}.except[{index}]", excepted)
