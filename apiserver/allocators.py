"""Hand out cluster IPs and node ports, each to one Service, with several API servers on one store.

Keeps true: an address or port is held by at most one owner, because holding it is a key in the store that only one
writer can create. Reads and writes keys below PREFIX, which lies beside the objects; a server that dies between taking
and storing leaves a key that nobody uses, which `repair` finds by its age and gives back.
Source: kubernetes.io/docs/concepts/services-networking/cluster-ip-allocation; .../service/#type-nodeport
"""

import logging
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

from apiserver.store.contract import Entry, KeyExists, KeyMissing, RevisionMismatch, Store, StoreUnavailable
from kube.api.core_v1 import Service
from kube.clock import Clock
from kube.objects import ObjectKey, key_of

LOG: Final = logging.getLogger("apiserver.allocators")
PREFIX: Final = "/allocated/"
IP_PREFIX: Final = f"{PREFIX}clusterips/"
PORT_PREFIX: Final = f"{PREFIX}nodeports/"
NODE_PORTS: Final = range(30_000, 32_768)
KUBERNETES_SERVICE: Final = ObjectKey("default", "kubernetes")
DNS_SERVICE: Final = ObjectKey("kube-system", "kube-dns")
UNUSED_AFTER: Final = timedelta(minutes=5)
_RANDOM_TRIES: Final = 16
_DNS_POSITION: Final = 10
_IP_TAKEN: Final = "provided IP is already allocated"
_PORT_TAKEN: Final = "provided port is already allocated"


class Holding(msgspec.Struct, frozen=True):
    """Who holds an address or port, and since when."""

    owner: str
    taken_at: datetime


@dataclass(frozen=True)
class AddressRange:
    """The range that cluster IPs come from. The first address and the tenth are kept for two Services by name."""

    network: IPv4Network | IPv6Network

    @classmethod
    def parse(cls, cidr: str) -> "AddressRange":
        """Return the range of a CIDR. Raises ValueError."""
        network = ip_network(cidr)
        if network.num_addresses < 2 * _DNS_POSITION:
            raise ValueError(
                f"service CIDR: {cidr} has room for {network.num_addresses} addresses; use a /27 or larger"
            )
        return cls(network)

    @property
    def kubernetes_ip(self) -> str:
        """The address of the API's own Service."""
        return str(self.network[1])

    @property
    def dns_ip(self) -> str:
        """The address of the cluster's DNS."""
        return str(self.network[_DNS_POSITION])

    @property
    def kept(self) -> Mapping[str, ObjectKey]:
        """The addresses that one Service each has by its name."""
        return {self.kubernetes_ip: KUBERNETES_SERVICE, self.dns_ip: DNS_SERVICE}

    def has(self, address: IPv4Address | IPv6Address) -> bool:
        """Say whether a Service can have the address."""
        return address in self.network and address != self.network[0] and address != self.network[-1]

    def candidates(self, source: random.Random) -> Iterator[str]:
        """Yield free-standing addresses in the order of trying: random ones of the upper band, then every one.

        The lower band is left to those who choose their address themselves, for as long as there is another.
        """
        size = self.network.num_addresses
        band = min(max(16, size // 16), 256)
        for _ in range(_RANDOM_TRIES):
            yield str(self.network[source.randrange(band, size - 1)])
        for position in (*range(band, min(size - 1, 1 << 16)), *range(1, band)):
            yield str(self.network[position])


@dataclass
class StoredAllocators:
    """The allocators of one API server; any number of them may work on one store."""

    store: Store
    addresses: AddressRange
    clock: Clock
    ports: range = NODE_PORTS
    source: random.Random = field(default_factory=random.Random)

    async def take_cluster_ip(self, owner: ObjectKey, wanted: str = "") -> str:
        """Reserve an address, `wanted` if it isn't "". Raises ValueError with the sentence for the field's error."""
        if wanted:
            return await self._take_wanted_ip(owner, wanted)
        for ip, keeper in self.addresses.kept.items():
            if keeper == owner:
                return ip
        for ip in self.addresses.candidates(self.source):
            if ip not in self.addresses.kept and await self._take(IP_PREFIX + ip, owner):
                return ip
        raise ValueError(f"failed to allocate a serviceIP: range {self.addresses.network} is full")

    async def _take_wanted_ip(self, owner: ObjectKey, wanted: str) -> str:
        address = ip_address(wanted)
        if not self.addresses.has(address):
            told = f"The range of valid IPs is {self.addresses.network}"
            raise ValueError(
                f"failed to allocate IP {wanted}: the provided IP ({wanted}) is not in the valid range. {told}"
            )
        keeper = self.addresses.kept.get(str(address))
        is_taken = keeper != owner if keeper is not None else not await self._take(f"{IP_PREFIX}{address}", owner)
        if is_taken:
            raise ValueError(f"failed to allocate IP {wanted}: {_IP_TAKEN}")
        return wanted

    async def give_cluster_ip(self, owner: ObjectKey, ip: str) -> None:
        """Release an address that `owner` holds; nothing happens if it doesn't."""
        await self._give(f"{IP_PREFIX}{ip_address(ip)}", owner)

    async def take_node_port(self, owner: ObjectKey, wanted: int = 0) -> int:
        """Reserve a port, `wanted` if it isn't 0. Raises ValueError with the sentence for the field's error."""
        if wanted:
            if wanted not in self.ports:
                told = f"The range of valid ports is {self.ports[0]}-{self.ports[-1]}"
                raise ValueError(f"provided port is not in the valid range. {told}")
            if not await self._take(f"{PORT_PREFIX}{wanted}", owner):
                raise ValueError(_PORT_TAKEN)
            return wanted
        tries: list[int] = self.source.sample(self.ports, min(_RANDOM_TRIES, len(self.ports)))
        candidates: list[int] = [*tries, *self.ports]
        for port in candidates:
            if await self._take(f"{PORT_PREFIX}{port}", owner):
                return port
        raise ValueError(f"failed to allocate a nodePort: range {self.ports[0]}-{self.ports[-1]} is full")

    async def give_node_port(self, owner: ObjectKey, port: int) -> None:
        """Release a port that `owner` holds; nothing happens if it doesn't."""
        await self._give(f"{PORT_PREFIX}{port}", owner)

    async def repair(self, services: Iterable[Service]) -> None:
        """Make the keys agree with the stored Services: take what they have, give back what was long since left.

        services: all of them, as of now. A key is left alone for a while, since its Service may be about to be stored.
        """
        wanted = {key: key_of(service) for service in services for key in keys_held_by(service, self.addresses)}
        page = await self.store.range(PREFIX)
        held = {entry.key: entry for entry in page.entries}
        for key in wanted.keys() - held.keys():
            await self._take(key, wanted[key])
        for key in held.keys() - wanted.keys():
            holding = msgspec.json.decode(held[key].value, type=Holding)
            if self.clock.now() - holding.taken_at > UNUSED_AFTER:
                await self._remove(held[key])

    async def _take(self, key: str, owner: ObjectKey) -> bool:
        holding = msgspec.json.encode(Holding(str(owner), self.clock.now()))
        try:
            await self.store.create(key, holding)
        except KeyExists:
            return False
        return True

    async def _give(self, key: str, owner: ObjectKey) -> None:
        """Remove a key that `owner` holds; where the store is away just now, `repair` will."""
        try:
            entry = await self.store.get(key)
            if entry is not None and msgspec.json.decode(entry.value, type=Holding).owner == str(owner):
                await self._remove(entry)
        except StoreUnavailable as error:
            LOG.warning("allocators: %s is given back later reason=%s", key, error)

    async def _remove(self, entry: Entry) -> None:
        """Remove a key as it was seen; one that has changed hands since then stays."""
        try:
            await self.store.delete(entry.key, expected_revision=entry.mod_revision)
        except (KeyMissing, RevisionMismatch):
            return  # Somebody else has released it, and perhaps taken it again.


def keys_held_by(service: Service, addresses: AddressRange) -> Iterator[str]:
    """Yield the keys that a stored Service holds."""
    ip = service.spec.cluster_ip
    if ip not in ("", "None") and ip not in addresses.kept:
        yield f"{IP_PREFIX}{ip_address(ip)}"
    for port in {port.node_port for port in service.spec.ports if port.node_port}:
        yield f"{PORT_PREFIX}{port}"
