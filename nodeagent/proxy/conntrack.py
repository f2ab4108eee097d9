"""The kernel's table of flows: find those that a proxy rule once sent to an endpoint that is gone, and end them.

A TCP connection to a dead endpoint fails by itself; UDP flows keep their old destination for as long as packets come.
Source: linux/netfilter/nfnetlink_conntrack.h; kubernetes/kubernetes #48370 tells why a proxy must do this.
"""

import errno
import struct
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from ipaddress import IPv4Address

from nodeagent.network.netlink import ACK, Message, NetlinkSocket, attribute, attributes_of
from nodeagent.proxy.rules import Frontend, Target

_SUBSYSTEM = 1
_GET, _DELETE = _SUBSYSTEM << 8 | 1, _SUBSYSTEM << 8 | 2
_ORIGINAL, _REPLY, _ID = 1, 2, 12
_NESTED = 0x8000
_HEAD = struct.pack("!BBH", 2, 0, 0)


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow: where its first packet was sent, and who answers. raw: what names it to the kernel."""

    destination: Target
    answerer: Target
    protocol: int
    raw: bytes


def read_flows(sock: NetlinkSocket) -> Iterator[Flow]:
    """Yield the IPv4 flows of TCP, UDP and SCTP."""
    for reply in sock.dump(_GET, _HEAD):
        fields = attributes_of(reply.body, 4)
        original, answer = attributes_of(fields.get(_ORIGINAL, b"")), attributes_of(fields.get(_REPLY, b""))
        sent, answered = attributes_of(original.get(2, b"")), attributes_of(answer.get(2, b""))
        if 3 not in sent or 2 not in answered:
            continue  # A protocol without ports.
        there, back = attributes_of(original[1]), attributes_of(answer[1])
        yield Flow(
            destination=(IPv4Address(there[2]), int.from_bytes(sent[3], "big")),
            answerer=(IPv4Address(back[1]), int.from_bytes(answered[2], "big")),
            protocol=sent[1][0],
            raw=attribute(_ORIGINAL | _NESTED, fields[_ORIGINAL]) + attribute(_ID, fields[_ID]),
        )


def delete_stale(sock: NetlinkSocket, frontends: Mapping[Frontend, AbstractSet[Target]]) -> int:
    """End the flows to these frontends that are answered by none of their targets; return how many.

    Flows to a node port count only where they were redirected: others merely use that port number elsewhere.
    """
    stale = [flow for flow in read_flows(sock) if _is_stale(flow, frontends)]
    for flow in stale:
        sock.request([Message(_DELETE, _HEAD + flow.raw, ACK)], tolerate=[errno.ENOENT])
    return len(stale)


def _is_stale(flow: Flow, frontends: Mapping[Frontend, AbstractSet[Target]]) -> bool:
    address, port = flow.destination
    targets = frontends.get(Frontend(address, flow.protocol, port))
    if targets is None and flow.answerer != flow.destination:
        targets = frontends.get(Frontend(None, flow.protocol, port))
    return targets is not None and flow.answerer not in targets
