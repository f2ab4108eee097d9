"""Links, addresses, routes and neighbours: the part of rtnetlink that a node needs, typed.

Each function makes the Message of one change; each `read_*` asks the kernel for a table and returns values.
Source: rtnetlink(7), linux/if_link.h, linux/rtnetlink.h.
"""

import errno
import socket
import struct
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from nodeagent.network.netlink import (
    ACK,
    CREATE,
    EXCLUSIVE,
    REPLACE,
    Message,
    NetlinkError,
    NetlinkSocket,
    attribute,
    attributes_of,
    nest,
    text,
    u8,
    u32,
)

_NEW_LINK, _DEL_LINK, _GET_LINK, _SET_LINK = 16, 17, 18, 19
_NEW_ADDRESS, _GET_ADDRESS = 20, 22
_NEW_ROUTE, _DEL_ROUTE, _GET_ROUTE = 24, 25, 26
_NEW_NEIGHBOUR, _DEL_NEIGHBOUR, _GET_NEIGHBOUR = 28, 29, 30

_IFF_UP = 1
_RT_TABLE_MAIN = 254
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_UNICAST = 1
_ONLINK = 4
_PERMANENT = 0x80
_NEIGHBOUR_OF_SELF = 2
_NO_ADDRESS_GENERATION = 1

# Marks the routes that Wherry made, so that they can be told from everyone else's ("W"; see rt_protos).
OUR_PROTOCOL = 87


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface. kind: bridge, veth, vxlan ..., "" for hardware; master: index of its bridge or 0."""

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    alias: str
    master: int
    is_up: bool


@dataclass(frozen=True, slots=True)
class Route:
    """A unicast route of the main table that carries our mark. gateway None: straight out of the link."""

    destination: IPv4Network
    gateway: IPv4Address | None
    link: int


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A permanent entry. Of a vxlan's forwarding table (is_forwarding: address is the remote host) or of ARP."""

    link: int
    address: IPv4Address
    mac: str
    is_forwarding: bool


def mac_bytes(mac: str) -> bytes:
    """Turn aa:bb:cc:dd:ee:ff into six bytes."""
    return bytes.fromhex(mac.replace(":", ""))


def mac_of(address: IPv4Address) -> str:
    """Return the hardware address that goes with an IP address everywhere in a cluster."""
    return (b"\x0a\x58" + address.packed).hex(":")


def _link_head(index: int = 0, family: int = socket.AF_UNSPEC, flags: int = 0, change: int = 0) -> bytes:
    return struct.pack("=BxHiII", family, 0, index, flags, change)


def add_veth(name: str, peer: str, *, namespace: int, peer_mac: str, mtu: int, master: int) -> Message:
    """Make a veth pair: `name` here, still down, on the bridge `master`; `peer` in the namespace of that descriptor."""
    other = _link_head() + text(3, peer) + u32(28, namespace) + u32(4, mtu) + attribute(1, mac_bytes(peer_mac))
    info = nest(18, text(1, "veth"), nest(2, attribute(1, other)))
    body = _link_head() + text(3, name) + u32(4, mtu) + u32(10, master) + info
    return Message(_NEW_LINK, body, ACK | CREATE | EXCLUSIVE)


def add_bridge(name: str, *, mac: str, mtu: int) -> Message:
    """Make a bridge that keeps its own hardware address whatever joins it."""
    body = _link_head() + text(3, name) + u32(4, mtu) + attribute(1, mac_bytes(mac))
    return Message(_NEW_LINK, body + nest(18, text(1, "bridge")), ACK | CREATE | EXCLUSIVE)


def add_vxlan(name: str, *, vni: int, port: int, local: IPv4Address, mac: str, mtu: int) -> Message:
    """Make a vxlan device that learns nothing: its peers are told to it."""
    data = nest(2, u32(1, vni), attribute(4, local.packed), u8(7, 0), attribute(15, struct.pack("!H", port)))
    body = _link_head() + text(3, name) + u32(4, mtu) + attribute(1, mac_bytes(mac))
    return Message(_NEW_LINK, body + nest(18, text(1, "vxlan"), data), ACK | CREATE | EXCLUSIVE)


def set_quiet(name: str) -> Message:
    """Give a link that is still down no IPv6 address of its own: it comes up without duplicate-address probes."""
    spec = nest(26, nest(socket.AF_INET6, u8(8, _NO_ADDRESS_GENERATION)))
    return Message(_SET_LINK, _link_head() + text(3, name) + spec)


def set_alias(name: str, alias: str) -> Message:
    """Write a note on a link; it lives as long as the link."""
    return Message(_SET_LINK, _link_head() + text(3, name) + attribute(20, alias.encode()))


def set_hairpin(index: int) -> Message:
    """Let a bridge port send a frame back out of itself."""
    return Message(_SET_LINK, _link_head(index, socket.AF_BRIDGE) + nest(12, u8(4, 1)))


def set_up(index: int) -> Message:
    """Bring a link up."""
    return Message(_NEW_LINK, _link_head(index, flags=_IFF_UP, change=_IFF_UP))


def delete_link(name: str) -> Message:
    """Delete a link and, of a veth, its other end."""
    return Message(_DEL_LINK, _link_head() + text(3, name))


def set_group(name: str, group: int) -> Message:
    """Put a link into a group, so that many can be deleted as one."""
    return Message(_SET_LINK, _link_head() + text(3, name) + u32(27, group))


def delete_group(group: int) -> Message:
    """Delete all links of a group: the kernel waits once for all packets under way, not once for each link."""
    return Message(_DEL_LINK, _link_head() + u32(27, group))


def add_address(index: int, address: IPv4Address, prefix: int) -> Message:
    """Give a link an address."""
    body = struct.pack("=BBBBI", socket.AF_INET, prefix, 0, 0, index)
    return Message(_NEW_ADDRESS, body + attribute(2, address.packed) + attribute(1, address.packed), ACK | CREATE)


def _route_body(destination: IPv4Network, index: int, gateway: IPv4Address | None) -> bytes:
    scope, flags = (_SCOPE_LINK, 0) if gateway is None else (_SCOPE_UNIVERSE, _ONLINK)
    head = struct.pack(
        "=BBBBBBBBI", socket.AF_INET, destination.prefixlen, 0, 0, _RT_TABLE_MAIN, OUR_PROTOCOL, scope, _UNICAST, flags
    )
    parts = [head, u32(4, index)]
    if destination.prefixlen:
        parts.append(attribute(1, destination.network_address.packed))
    if gateway is not None:
        parts.append(attribute(5, gateway.packed))
    return b"".join(parts)


def add_route(destination: IPv4Network, index: int, gateway: IPv4Address | None = None) -> Message:
    """Add a route with our mark; EEXIST where another one has that destination."""
    return Message(_NEW_ROUTE, _route_body(destination, index, gateway), ACK | CREATE | EXCLUSIVE)


def replace_route(destination: IPv4Network, index: int, gateway: IPv4Address | None = None) -> Message:
    """Add a route with our mark in the place of whatever has that destination."""
    return Message(_NEW_ROUTE, _route_body(destination, index, gateway), ACK | CREATE | REPLACE)


def delete_route(route: Route) -> Message:
    """Delete a route that carries our mark."""
    return Message(_DEL_ROUTE, _route_body(route.destination, route.link, route.gateway))


def _neighbour_body(neighbour: Neighbour) -> bytes:
    family = socket.AF_BRIDGE if neighbour.is_forwarding else socket.AF_INET
    flags = _NEIGHBOUR_OF_SELF if neighbour.is_forwarding else 0
    head = struct.pack("=BBHiHBB", family, 0, 0, neighbour.link, _PERMANENT, flags, 0)
    return head + attribute(1, neighbour.address.packed) + attribute(2, mac_bytes(neighbour.mac))


def replace_neighbour(neighbour: Neighbour) -> Message:
    """Add or change a permanent neighbour."""
    return Message(_NEW_NEIGHBOUR, _neighbour_body(neighbour), ACK | CREATE | REPLACE)


def delete_neighbour(neighbour: Neighbour) -> Message:
    """Delete a neighbour."""
    return Message(_DEL_NEIGHBOUR, _neighbour_body(neighbour))


def read_links(sock: NetlinkSocket) -> list[Link]:
    """Return every link of the socket's namespace."""
    return [_link_of(reply.body) for reply in sock.dump(_GET_LINK, _link_head())]


def find_link(sock: NetlinkSocket, name: str) -> Link | None:
    """Return the link of that name, or None."""
    replies = sock.request([Message(_GET_LINK, _link_head() + text(3, name))], tolerate=[errno.ENODEV])
    return _link_of(replies[0].body) if replies else None


def need_link(sock: NetlinkSocket, name: str) -> Link:
    """Return the link of that name; raises NetlinkError where it is missing."""
    link = find_link(sock, name)
    if link is None:
        raise NetlinkError(errno.ENODEV, f"link {name}: not there; set the node's network up first")
    return link


def _link_of(body: bytes) -> Link:
    _, _, index, flags, _ = struct.unpack_from("=BxHiII", body)
    found = attributes_of(body, 16)
    info = attributes_of(found.get(18, b""))
    return Link(
        index=index,
        name=_string(found.get(3, b"")),
        kind=_string(info.get(1, b"")),
        mac=found.get(1, b"").hex(":"),
        mtu=_number(found.get(4)),
        alias=_string(found.get(20, b"")),
        master=_number(found.get(10)),
        is_up=bool(flags & _IFF_UP),
    )


def read_addresses(sock: NetlinkSocket) -> list[tuple[int, IPv4Address, int]]:
    """Return (link index, address, prefix length) of every IPv4 address of the socket's namespace."""
    found = []
    for reply in sock.dump(_GET_ADDRESS, struct.pack("=BBBBI", socket.AF_INET, 0, 0, 0, 0)):
        _, prefix, _, _, index = struct.unpack_from("=BBBBI", reply.body)
        values = attributes_of(reply.body, 8)
        found.append((index, IPv4Address(values.get(2, values.get(1, b""))), prefix))
    return found


def read_routes(sock: NetlinkSocket) -> list[Route]:
    """Return the routes of the main table that carry our mark."""
    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    found = []
    for reply in sock.dump(_GET_ROUTE, head):
        _, length, _, _, table, protocol, _, kind, _ = struct.unpack_from("=BBBBBBBBI", reply.body)
        if (table, protocol, kind) != (_RT_TABLE_MAIN, OUR_PROTOCOL, _UNICAST):
            continue
        values = attributes_of(reply.body, 12)
        network = IPv4Network((values.get(1, bytes(4)), length))
        gateway = IPv4Address(values[5]) if 5 in values else None
        found.append(Route(network, gateway, _number(values.get(4))))
    return found


def find_route_to(sock: NetlinkSocket, address: IPv4Address) -> tuple[int, IPv4Address | None]:
    """Return the link and the source address that the kernel would use for `address`."""
    head = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0)
    replies = sock.request([Message(_GET_ROUTE, head + attribute(1, address.packed))])
    values = attributes_of(replies[0].body, 12)
    return _number(values.get(4)), IPv4Address(values[7]) if 7 in values else None


def read_neighbours(sock: NetlinkSocket, index: int) -> list[Neighbour]:
    """Return the permanent neighbours of one link, ARP and forwarding entries."""
    found = []
    for family in (socket.AF_INET, socket.AF_BRIDGE):
        for reply in sock.dump(_GET_NEIGHBOUR, struct.pack("=BBHiHBB", family, 0, 0, 0, 0, 0, 0)):
            _, _, _, link, state, _, _ = struct.unpack_from("=BBHiHBB", reply.body)
            values = attributes_of(reply.body, 12)
            if link == index and state & _PERMANENT and len(values.get(1, b"")) == 4 and 2 in values:
                is_forwarding = family == socket.AF_BRIDGE
                found.append(Neighbour(link, IPv4Address(values[1]), values[2].hex(":"), is_forwarding))
    return found


def _string(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode(errors="replace")


def _number(raw: bytes | None) -> int:
    return int.from_bytes(raw[:4], sys.byteorder) if raw else 0
