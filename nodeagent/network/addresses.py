"""Which pod has which address of the node's pod CIDR.

Keeps true: no address has two pods, and one that was given back rests until all others had their turn.
Knows only what it is told: what is in use is read from the links by its caller.
"""

from ipaddress import IPv4Address, IPv4Network


class NoAddressLeft(Exception):  # noqa: N818 - a state of the pool, told to the pod that waits for it.
    """Every address of the CIDR has a pod."""


class AddressPool:
    """The addresses of one CIDR: the first is the gateway's; the network's own and broadcast are nobody's."""

    def __init__(self, cidr: IPv4Network) -> None:
        if cidr.prefixlen > 29:
            raise ValueError(f"pod CIDR {cidr}: no room for pods; use a /29 or larger")
        self.cidr = cidr
        self.gateway = cidr.network_address + 1
        self._owners: dict[IPv4Address, str] = {}
        self._by_owner: dict[str, IPv4Address] = {}
        self._next = 2

    def take(self, owner: str) -> IPv4Address:
        """Return the owner's address; where it has none, the next free one. Raises NoAddressLeft."""
        if owner in self._by_owner:
            return self._by_owner[owner]
        size = self.cidr.num_addresses - 3
        for step in range(size):
            offset = 2 + (self._next - 2 + step) % size
            address = self.cidr.network_address + offset
            if address not in self._owners:
                self._next = offset + 1
                self.claim(owner, address)
                return address
        raise NoAddressLeft(f"pod CIDR {self.cidr}: all {size} addresses have pods; use a larger CIDR per node")

    def claim(self, owner: str, address: IPv4Address) -> None:
        """Record that a pod has this address. Raises ValueError where another one has it."""
        holder = self._owners.setdefault(address, owner)
        if holder != owner:
            raise ValueError(f"pod address {address}: {holder} has it, {owner} claims it too; remove one of them")
        self._by_owner[owner] = address
        self._next = max(self._next, int(address) - int(self.cidr.network_address) + 1)

    def give_back(self, owner: str) -> None:
        """Free the owner's address; an owner without one is fine."""
        address = self._by_owner.pop(owner, None)
        if address is not None:
            del self._owners[address]

    def owners(self) -> dict[str, IPv4Address]:
        """Return a copy of who has what."""
        return dict(self._by_owner)
