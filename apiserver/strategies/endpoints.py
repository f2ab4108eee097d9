"""The rules of Endpoints and EndpointSlices: the addresses behind a Service.

Source: kubernetes.io/docs/reference/kubernetes-api/service-resources
"""

from typing import Final

from msgspec.structs import replace

from apiserver.strategy import Context, Strategy
from kube import names
from kube.api.core_v1 import EndpointAddress, Endpoints, EndpointSubset
from kube.api.core_v1 import EndpointPort as SubsetPort
from kube.api.discovery_v1 import Endpoint, EndpointPort, EndpointSlice
from kube.errors import FieldError, duplicate, immutable, invalid, required, too_many
from kube.objects import with_defaults, with_metadata

from .checks import (
    PROTOCOLS,
    PROTOCOLS_AS_INVENTED,
    Check,
    Errors,
    fits,
    fits_if_given,
    ip,
    is_ip,
    named,
    named_if_set,
    not_negative,
    one_of,
    one_of_if_set,
    port_number,
)
from .filling import each, where_none

ADDRESS_TYPES: Final = ("FQDN", "IPv4", "IPv6")
_ENDPOINTS_MAX: Final = 1000
_ADDRESSES_MAX: Final = 100
_HINTS_MAX: Final = 8
_PORTS_MAX: Final = 20_000


class EndpointsStrategy(Strategy[Endpoints]):
    """Endpoints, the older form."""

    allow_create_on_update = True

    def default(self, obj: Endpoints) -> Endpoints:
        subsets = each(obj.subsets, _default_subset)
        return obj if subsets is obj.subsets else replace(obj, subsets=subsets)

    def validate(self, obj: Endpoints) -> list[FieldError]:
        return list(_subsets_errors(obj.subsets))


def _default_subset(subset: EndpointSubset) -> EndpointSubset:
    ports = each(subset.ports, _default_subset_port)
    return subset if ports is subset.ports else replace(subset, ports=ports)


def _default_subset_port(port: SubsetPort) -> SubsetPort:
    return with_defaults(port, protocol="TCP")


def _subsets_errors(subsets: tuple[EndpointSubset, ...]) -> Errors:
    for index, subset in enumerate(subsets):
        here = f"subsets[{index}]"
        if not subset.addresses and not subset.not_ready_addresses:
            yield required(here, "must specify `addresses` or `notReadyAddresses`")
        for field, addresses in (("addresses", subset.addresses), ("notReadyAddresses", subset.not_ready_addresses)):
            for place, address in enumerate(addresses):
                yield from _address_errors(address, f"{here}.{field}[{place}]")
        for place, port in enumerate(subset.ports):
            spot = f"{here}.ports[{place}]"
            if len(subset.ports) > 1 and not port.name:
                yield required(f"{spot}.name")
            yield from named_if_set(f"{spot}.name", port.name, names.check_dns_label)
            yield from port_number(f"{spot}.port", port.port)
            yield from one_of(f"{spot}.protocol", port.protocol, PROTOCOLS_AS_INVENTED)
            yield from fits_if_given(f"{spot}.appProtocol", port.app_protocol, names.check_label_key)


def _address_errors(address: EndpointAddress, path: str) -> Errors:
    yield from ip(f"{path}.ip", address.ip)
    yield from named_if_set(f"{path}.hostname", address.hostname, names.check_dns_label)
    yield from fits_if_given(f"{path}.nodeName", address.node_name, names.check_dns_subdomain)
    if is_ip(address.ip) and (address.ip.startswith(("127.", "0.", "169.254.")) or address.ip == "::1"):
        yield invalid(f"{path}.ip", address.ip, "may not be in the loopback, unspecified or link-local range")


class EndpointSliceStrategy(Strategy[EndpointSlice]):
    """EndpointSlices; a slice never changes the family of its addresses."""

    def default(self, obj: EndpointSlice) -> EndpointSlice:
        ports, endpoints = each(obj.ports, _default_port), each(obj.endpoints, _without_topology)
        return (
            obj if ports is obj.ports and endpoints is obj.endpoints else replace(obj, ports=ports, endpoints=endpoints)
        )

    def prepare_create(self, obj: EndpointSlice, context: Context) -> EndpointSlice:
        return with_metadata(obj, generation=1)

    def prepare_update(self, new: EndpointSlice, old: EndpointSlice, context: Context) -> EndpointSlice:
        changed = (new.endpoints, new.ports) != (old.endpoints, old.ports)
        return with_metadata(new, generation=old.metadata.generation + changed)

    def validate(self, obj: EndpointSlice) -> list[FieldError]:
        return list(_slice_errors(obj))

    def validate_update(self, new: EndpointSlice, old: EndpointSlice) -> list[FieldError]:
        errors = self.validate(new)
        if new.address_type != old.address_type:
            errors.append(immutable("addressType", new.address_type))
        return errors


def _without_topology(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint without what only an older version of the API could say."""
    return replace(endpoint, deprecated_topology={}) if endpoint.deprecated_topology else endpoint


def _default_port(port: EndpointPort) -> EndpointPort:
    return where_none(port, name="", protocol="TCP")


def _slice_errors(piece: EndpointSlice) -> Errors:
    yield from one_of("addressType", piece.address_type, ADDRESS_TYPES)
    if len(piece.endpoints) > _ENDPOINTS_MAX:
        yield too_many("endpoints", len(piece.endpoints), _ENDPOINTS_MAX)
    if len(piece.ports) > _PORTS_MAX:
        yield too_many("ports", len(piece.ports), _PORTS_MAX)
    for index, endpoint in enumerate(piece.endpoints):
        yield from _endpoint_errors(endpoint, piece.address_type, f"endpoints[{index}]")
    seen: set[str] = set()
    for index, port in enumerate(piece.ports):
        here = f"ports[{index}]"
        yield from named_if_set(f"{here}.name", port.name, names.check_dns_label)
        if (port.name or "") in seen:
            yield duplicate(f"{here}.name", port.name)
        seen.add(port.name or "")
        yield from not_negative(f"{here}.port", port.port)
        yield from one_of_if_set(f"{here}.protocol", port.protocol, PROTOCOLS)
        yield from fits_if_given(f"{here}.appProtocol", port.app_protocol, names.check_label_key)


def _endpoint_errors(endpoint: Endpoint, family: str, path: str) -> Errors:
    if not endpoint.addresses:
        yield required(f"{path}.addresses", "must contain at least 1 address")
    if len(endpoint.addresses) > _ADDRESSES_MAX:
        yield too_many(f"{path}.addresses", len(endpoint.addresses), _ADDRESSES_MAX)
    for index, address in enumerate(endpoint.addresses):
        here = f"{path}.addresses[{index}]"
        if family == "FQDN":
            yield from named(here, address, names.check_dns_subdomain)
        elif not is_ip(address) or (":" in address) != (family == "IPv6"):
            yield invalid(here, address, f"must be an {family} address")
    yield from fits_if_given(f"{path}.hostname", endpoint.hostname, names.check_dns_label)
    yield from fits_if_given(f"{path}.nodeName", endpoint.node_name, names.check_dns_subdomain)
    if endpoint.hints is not None:
        zones = [zone.name for zone in endpoint.hints.for_zones]
        yield from _hints_errors(zones, f"{path}.hints.forZones", names.check_label_value)
        nodes = [node.name for node in endpoint.hints.for_nodes]
        yield from _hints_errors(nodes, f"{path}.hints.forNodes", names.check_dns_subdomain)


def _hints_errors(found: list[str], path: str, check: Check) -> Errors:
    """Check for whom an endpoint is meant."""
    if len(found) > _HINTS_MAX:
        yield too_many(path, len(found), _HINTS_MAX)
    for index, name in enumerate(found):
        if name in found[:index]:
            yield duplicate(f"{path}[{index}].name", name)
        yield from fits(f"{path}[{index}].name", name, check)
