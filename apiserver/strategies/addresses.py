"""The rules of ServiceCIDRs and IPAddresses: which addresses Services may have, and which are taken.

Source: kubernetes.io/docs/reference/networking/virtual-ips; .../tasks/network/extend-service-ip-ranges
"""

from ipaddress import ip_address, ip_network

from apiserver.strategy import Strategy
from kube import names
from kube.api.networking_v1 import IPAddress, ParentReference, ServiceCIDR
from kube.errors import FieldError, immutable, invalid, required

from .checks import Errors, cidr, is_ip, named, named_if_set
from .generations import Ungenerated


def check_address_name(name: str) -> list[str]:
    """Check a name that is an address, written in the one form that it has."""
    if not is_ip(name):
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    canonical = str(ip_address(name))
    return [] if canonical == name else [f'must be in canonical form ("{canonical}")']


class IPAddressStrategy(Strategy[IPAddress]):
    """IPAddresses: whose an address is does not change."""

    def check_name(self, name: str) -> list[str]:
        return check_address_name(name)

    def validate(self, obj: IPAddress) -> list[FieldError]:
        if obj.spec.parent_ref is None:
            return [required("spec.parentRef")]
        return list(_parent_errors(obj.spec.parent_ref, "spec.parentRef"))

    def validate_update(self, new: IPAddress, old: IPAddress) -> list[FieldError]:
        changed = new.spec.parent_ref != old.spec.parent_ref
        return [*self.validate(new), *([immutable("spec.parentRef", new.spec.parent_ref)] if changed else [])]


def _parent_errors(parent: ParentReference, path: str) -> Errors:
    yield from named_if_set(f"{path}.group", parent.group, names.check_dns_subdomain)
    yield from named(f"{path}.resource", parent.resource, names.check_path_segment)
    yield from named(f"{path}.name", parent.name, names.check_path_segment)
    yield from named_if_set(f"{path}.namespace", parent.namespace, names.check_path_segment)


class ServiceCIDRStrategy(Ungenerated[ServiceCIDR]):
    """ServiceCIDRs: one range of each family at most; one may be added to a single one, and none is changed."""

    def validate(self, obj: ServiceCIDR) -> list[FieldError]:
        return list(_ranges_errors(obj.spec.cidrs))

    def validate_update(self, new: ServiceCIDR, old: ServiceCIDR) -> list[FieldError]:
        return list(_change_errors(new.spec.cidrs, old.spec.cidrs))


def _ranges_errors(ranges: tuple[str, ...]) -> Errors:
    path = "spec.cidrs"
    if not ranges:
        yield required(path, "at least one CIDR required")
    elif len(ranges) > 2:
        yield invalid(path, ranges, "may only hold up to 2 values")
    elif len(ranges) == 2 and all("/" in text for text in ranges) and len({":" in text for text in ranges}) == 1:
        yield invalid(path, ranges, "must specify IPv4 or IPv6 CIDR values, one of each family at most")
    for index, text in enumerate(ranges):
        wrong = list(cidr(f"{path}[{index}]", text))
        yield from wrong
        if not wrong and str(ip_network(text, strict=False)) != text:
            canonical = ip_network(text, strict=False)
            yield invalid(f"{path}[{index}]", text, f'must be in canonical form ("{canonical}")')


def _change_errors(new: tuple[str, ...], old: tuple[str, ...]) -> Errors:
    if len(new) < len(old) or (len(new) > len(old) and len(old) != 1):
        yield immutable("spec.cidrs", new)
        return
    for index, (after, before) in enumerate(zip(new, old, strict=False)):
        if after != before:
            yield immutable(f"spec.cidrs[{index}]", after)
    if len(new) == 2 and len({":" in text for text in new}) == 1:
        detail = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        yield invalid("spec.cidrs", new, detail)
