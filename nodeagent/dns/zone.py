"""What names of the cluster mean, read from Services and EndpointSlices at the moment of the question.

Plain functions over a Directory: a name and a type in, records out. Nothing is built ahead or kept.
Source: github.com/kubernetes/dns/blob/master/docs/specification.md (schema 1.1.0).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address
from typing import Protocol

from kube.api.core_v1 import Service
from kube.api.discovery_v1 import Endpoint, EndpointSlice
from kube.objects import ObjectKey, key_of
from nodeagent.dns.message import Authority, Name, Record, RecordType, to_name
from nodeagent.dns.message import Service as ServiceData
from nodeagent.proxy.rules import services_of

Address = IPv4Address | IPv6Address

TTL_S = 5
SCHEMA_VERSION = b"1.1.0"
_REVERSE = to_name("in-addr.arpa")
_REVERSE_6 = to_name("ip6.arpa")


class Directory(Protocol):
    """Where Services and EndpointSlices are looked up."""

    def service(self, key: ObjectKey) -> Service | None:
        """Return a Service by its key."""

    def slices(self, key: ObjectKey) -> Sequence[EndpointSlice]:
        """Return the EndpointSlices of a Service."""

    def services_at(self, address: str) -> Sequence[Service]:
        """Return the Services that have this cluster IP."""

    def slices_at(self, address: str) -> Sequence[EndpointSlice]:
        """Return the EndpointSlices that have this endpoint address."""

    def has_namespace(self, name: str) -> bool:
        """Tell whether any Service is in this namespace."""

    @property
    def serial(self) -> int:
        """A number that grows with every change."""


@dataclass(frozen=True, slots=True)
class Zone:
    """The cluster's domain. cidrs: pods and services: reverse names in there are nobody else's to answer."""

    directory: Directory
    domain: Name = field(default_factory=lambda: to_name("cluster.local"))
    cidrs: tuple[IPv4Network, ...] = ()

    def authority(self) -> Record:
        """Return the SOA record, which says how long a "no" holds."""
        data = Authority((b"ns", b"dns", *self.domain), (b"hostmaster", *self.domain), self.directory.serial, TTL_S)
        return Record(self.domain, RecordType.SOA, TTL_S, data)


@dataclass(frozen=True, slots=True)
class Found:
    """What a name has. exists False: no such name. alias: all of it is a CNAME to there."""

    exists: bool
    records: Sequence[Record] = ()
    additional: Sequence[Record] = ()
    alias: Name = ()


NOTHING = Found(exists=False)
NO_RECORDS = Found(exists=True)


def owns(zone: Zone, name: Name) -> bool:
    """Tell whether a name is the cluster's to answer, be it yes or no."""
    if name[-len(zone.domain) :] == zone.domain:
        return True
    address = _reversed_address(name)
    if address is None:
        return False
    text = str(address)
    is_ours = isinstance(address, IPv4Address) and any(address in cidr for cidr in zone.cidrs)
    return is_ours or bool(zone.directory.services_at(text) or zone.directory.slices_at(text))


def look_up(zone: Zone, name: Name, kind: int) -> Found:
    """Return what an owned name has of that type."""
    address = _reversed_address(name)
    if address is not None:
        return _pointers(zone, name, address, kind)
    match name[: -len(zone.domain)]:
        case ():
            is_authority = kind in (RecordType.SOA, RecordType.ANY)
            return Found(exists=True, records=[zone.authority()]) if is_authority else NO_RECORDS
        case (b"dns-version",):
            data = bytes((len(SCHEMA_VERSION),)) + SCHEMA_VERSION
            return _only(kind, [Record(name, RecordType.TXT, TTL_S, data)])
        case (b"svc",) | (b"pod",):
            return NO_RECORDS
        case (namespace, b"svc") | (namespace, b"pod"):
            return NO_RECORDS if zone.directory.has_namespace(_text(namespace)) else NOTHING
        case (dashed, _, b"pod"):
            address = _dashed_address(dashed)
            return NOTHING if address is None else _only(kind, [_address_record(name, address)])
        case (*prefix, service, namespace, b"svc"):
            found = zone.directory.service(ObjectKey(_text(namespace), _text(service)))
            return NOTHING if found is None else _in_service(zone, found, name, tuple(prefix), kind)
    return NOTHING


def _in_service(zone: Zone, service: Service, name: Name, prefix: Name, kind: int) -> Found:
    if service.spec.type == "ExternalName":
        is_alias = not prefix and service.spec.external_name
        return Found(exists=True, alias=to_name(service.spec.external_name)) if is_alias else NOTHING
    match prefix:
        case ():
            if kind == RecordType.SRV:
                return _ports(zone, service, name, None, None)
            return _only(kind, [_address_record(name, address) for address in _addresses(zone, service)])
        case (port, protocol) if port[:1] == b"_" and protocol[:1] == b"_":
            found = _ports(zone, service, name, _text(port[1:]), _text(protocol[1:]).upper())
            if not found.exists:
                return NOTHING
            return found if kind in (RecordType.SRV, RecordType.ANY) else NO_RECORDS
        case (host,):
            records = [_address_record(name, address) for _, label, address in _hosts(zone, service) if label == host]
            return _only(kind, records) if records else NOTHING
    return NOTHING


def _addresses(zone: Zone, service: Service) -> list[Address]:
    if _is_headless(service):
        return list(dict.fromkeys(address for _, _, address in _hosts(zone, service)))
    return [ip_address(text) for text in service.spec.cluster_ips or (service.spec.cluster_ip,) if text]


def _ports(zone: Zone, service: Service, name: Name, port: str | None, protocol: str | None) -> Found:
    """Return the SRV records of a Service's named ports, or of the one asked for, and the addresses they lead to."""
    base = _name_of(zone, service)
    wanted = [
        offered
        for offered in service.spec.ports
        if offered.name and (port is None or (offered.name.lower(), offered.protocol) == (port, protocol))
    ]
    if not wanted:
        return NOTHING if port is not None else NO_RECORDS
    if not _is_headless(service):
        records = [Record(name, RecordType.SRV, TTL_S, ServiceData(0, 100, offered.port, base)) for offered in wanted]
        return Found(True, records, [_address_record(base, address) for address in _addresses(zone, service)])
    records, additional = [], {}
    for offered in wanted:
        for found, label, address in _hosts(zone, service):
            target = (label, *base)
            for number in _numbers(found, offered.name, offered.protocol):
                records.append(Record(name, RecordType.SRV, TTL_S, ServiceData(0, 100, number, target)))
                additional[target, address] = _address_record(target, address)
    return Found(True, records, list(additional.values()))


def _numbers(found: EndpointSlice, port: str, protocol: str) -> Iterator[int]:
    for offered in found.ports:
        if (offered.name or "", offered.protocol or "TCP") == (port, protocol) and offered.port:
            yield offered.port


def _hosts(zone: Zone, service: Service) -> Iterator[tuple[EndpointSlice, bytes, Address]]:
    """Yield the ready addresses of a headless Service, each with the label it has below the Service's name."""
    if not _is_headless(service):
        return
    for found in zone.directory.slices(key_of(service)):
        for endpoint in found.endpoints:
            if endpoint.conditions.ready in (None, True):
                for text in endpoint.addresses:
                    yield found, _label_of(endpoint, text), ip_address(text)


def _label_of(endpoint: Endpoint, address: str) -> bytes:
    return (endpoint.hostname or address.replace(".", "-").replace(":", "-")).lower().encode()


def _pointers(zone: Zone, name: Name, address: Address, kind: int) -> Found:
    text = str(address)
    targets = [_name_of(zone, service) for service in zone.directory.services_at(text)]
    for found in zone.directory.slices_at(text):
        for key in services_of(found):
            service = zone.directory.service(key)
            if service is not None and _is_headless(service):
                base = _name_of(zone, service)
                targets += [(_label_of(e, text), *base) for e in found.endpoints if text in e.addresses]
    if not targets:
        return NOTHING
    return _only(kind, [Record(name, RecordType.PTR, TTL_S, target) for target in dict.fromkeys(targets)])


def _only(kind: int, records: Iterable[Record]) -> Found:
    return Found(exists=True, records=[record for record in records if kind in (record.type, RecordType.ANY)])


def _is_headless(service: Service) -> bool:
    return service.spec.cluster_ip == "None"


def _name_of(zone: Zone, service: Service) -> Name:
    return (service.metadata.name.encode(), service.metadata.namespace.encode(), b"svc", *zone.domain)


def _address_record(name: Name, address: Address) -> Record:
    kind = RecordType.A if isinstance(address, IPv4Address) else RecordType.AAAA
    return Record(name, kind, TTL_S, address)


def _text(label: bytes) -> str:
    return label.decode("ascii", errors="replace")


def _dashed_address(label: bytes) -> Address | None:
    """Read 10-244-1-7, or an IPv6 address with dashes for colons."""
    text = _text(label)
    for separator in (".", ":"):
        try:
            return ip_address(text.replace("-", separator))
        except ValueError:
            continue
    return None


def _reversed_address(name: Name) -> Address | None:
    """Return the address whose reverse name this is."""
    try:
        if name[-2:] == _REVERSE and len(name) == 6:
            return IPv4Address(".".join(_text(label) for label in reversed(name[:4])))
        if name[-2:] == _REVERSE_6 and len(name) == 34:
            return IPv6Address(bytes.fromhex("".join(_text(label) for label in reversed(name[:32]))))
    except ValueError:
        pass
    return None
