"""What is looked at before the network of a node or pod is changed, and how a refusal is told."""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network

from nodeagent.network import rtnetlink
from nodeagent.network.netlink import ROUTE, NetlinkSocket, socket_in


def has_address(netns_path: str, address: IPv4Address) -> bool:
    """Tell whether a namespace has an address."""
    with socket_in(netns_path, ROUTE) as sock:
        return any(found == address for _, found, _ in rtnetlink.read_addresses(sock))


def refuse_foreign(sock: NetlinkSocket, cidr: IPv4Network, own_links: Sequence[int]) -> None:
    """Raise OSError where somebody else on this machine has an address among the pods'."""
    for index, address, _ in rtnetlink.read_addresses(sock):
        if address in cidr and index not in own_links:
            name = next((link.name for link in rtnetlink.read_links(sock) if link.index == index), str(index))
            sentence = f"pod CIDR {cidr}: link {name} of this machine has {address}; use another range of pod addresses"
            raise OSError(errno.EADDRINUSE, sentence)


@contextmanager
def explained(code: int, sentence: str) -> Iterator[None]:
    """Say `sentence` in the place of the kernel's own words where what is done in the block fails with `code`."""
    try:
        yield
    except OSError as error:
        if error.errno != code:
            raise
        raise OSError(code, sentence) from error
