"""Ports of the host that lead to a port of one pod (`hostPort`).

Keeps true: a host port leads to at most one pod, and to none that was detached. Kept in an nftables table of its own,
which outlives the process: who has which port is read from there. Source: the CNI plugin portmap's documentation.
"""

import errno
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from nodeagent.network import nftables as nft
from nodeagent.network.netlink import NetlinkError, NetlinkSocket
from nodeagent.network.nftables import DESTINATION, R0, R1, R2, R4, SOURCE, Batch, Element, Hook, Set, Type

_PORTS, _HAIRPIN = "host-ports", "hairpin"
_ANY = bytes(4)
_PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}


@dataclass(frozen=True, slots=True)
class HostPort:
    """A port of the host and the pod's port behind it. address None: on all of the host's addresses."""

    protocol: str
    host_port: int
    pod_port: int
    address: IPv4Address | None = None


def set_up(sock: NetlinkSocket, table: str, bridge: str) -> None:
    """Make the table where it is missing."""
    if table in nft.read_tables(sock):
        return
    batch = Batch(table)
    batch.add_table()
    batch.add_set(Set(_PORTS, (Type.ADDRESS, Type.PROTOCOL, Type.PORT), (Type.ADDRESS, Type.PORT)))
    batch.add_set(Set(_HAIRPIN, (Type.ADDRESS, Type.ADDRESS)))
    for chain, hook in (("incoming", nft.PREROUTING), ("own", nft.OUTPUT)):
        batch.add_chain(chain, Hook("nat", hook, -100))
        local = nft.address_is_local(DESTINATION)
        for address in (nft.load_address(DESTINATION, R0), nft.load_constant(_ANY, R0)):
            key = [address, nft.load_protocol(R1), nft.load_port(R2)]
            batch.add_rule(chain, local, key, nft.look_up(_PORTS, R0, R4), nft.send_to(R4))
    batch.add_chain("outgoing", Hook("nat", nft.POSTROUTING, 100))
    from_loopback = nft.address_is(SOURCE, IPv4Network("127.0.0.0/8"))
    to_pods = nft.interface_is(bridge, is_output=True)
    batch.add_rule("outgoing", from_loopback, to_pods, nft.masquerade())
    itself = [nft.load_address(SOURCE, R0), nft.load_address(DESTINATION, R1), nft.is_in(_HAIRPIN, R0)]
    batch.add_rule("outgoing", itself, nft.masquerade())
    batch.commit(sock)


def add(sock: NetlinkSocket, table: str, pod: IPv4Address, ports: Iterable[HostPort]) -> None:
    """Lead these ports to a pod; those that lead there already are fine. Raises OSError where another pod has one."""
    wanted = {_key(port): pod.packed + struct.pack("!H2x", port.pod_port) for port in ports}
    held = dict(nft.read_elements(sock, table, _PORTS))
    for key, data in wanted.items():
        if held.get(key, data) != data:
            owner, number = IPv4Address(held[key][:4]), int.from_bytes(key[8:10], "big")
            raise OSError(errno.EADDRINUSE, f"host port {number}: the pod at {owner} has it; use another port or node")
    new = [Element(key, data) for key, data in wanted.items() if key not in held]
    batch = Batch(table)
    batch.add_elements(_PORTS, new)
    if new and pod.packed * 2 not in nft.read_keys(sock, table, _HAIRPIN):
        batch.add_elements(_HAIRPIN, [Element(pod.packed * 2)])
    batch.commit(sock)


def remove(sock: NetlinkSocket, table: str, pods: Iterable[IPv4Address]) -> None:
    """Let no port lead to these pods any more; no table is fine."""
    gone = {pod.packed for pod in pods}
    try:
        held = nft.read_elements(sock, table, _PORTS)
        batch = Batch(table)
        batch.delete_elements(_PORTS, [key for key, data in held if data[:4] in gone])
        batch.delete_elements(_HAIRPIN, [key for key in nft.read_keys(sock, table, _HAIRPIN) if key[:4] in gone])
        batch.commit(sock)
    except NetlinkError as error:
        if error.errno != errno.ENOENT:
            raise


def _key(port: HostPort) -> bytes:
    address = _ANY if port.address is None else port.address.packed
    return address + struct.pack("!B3xH2x", _PROTOCOLS[port.protocol], port.host_port)
