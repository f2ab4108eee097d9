"""The proxy's nftables table: what the kernel has, and how it becomes what the rules say.

Keeps true: every change is one atomic batch, so no packet sees half a Service; other tables are left alone.
Writes one table of the namespace it is opened in. Remembers what it wrote, to send differences; where the kernel
disagrees (someone deleted the table), it writes everything anew. For one thread.
"""

import errno
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

from nodeagent.network import nftables
from nodeagent.network.netlink import NETFILTER, NetlinkError, NetlinkSocket
from nodeagent.network.nftables import Batch, Element
from nodeagent.proxy import conntrack, encoding
from nodeagent.proxy.encoding import Chain
from nodeagent.proxy.rules import PROTOCOLS, Backend, Frontend, Rules, Target

_log = logging.getLogger(__name__)
_Place = tuple[str, bytes]


@dataclass(slots=True)
class _Held:
    """An element in the kernel and how many frontends need it."""

    element: Element
    users: int


class ProxyTable:
    """One node's table. name: tells clusters on one machine apart. cluster_cidr: which clients are pods."""

    def __init__(self, name: str, cluster_cidr: IPv4Network) -> None:
        self.name = name
        self.rules: dict[Frontend, Backend] = {}
        self._cluster_cidr = cluster_cidr
        self._held: dict[_Place, _Held] = {}
        self._chain_users: dict[str, int] = {}
        self._socket = NetlinkSocket(NETFILTER)

    def close(self) -> None:
        """Let go of the kernel; the rules stay."""
        self._socket.close()

    def remove(self) -> None:
        """Delete the table; nothing there is fine."""
        nftables.delete_table(self._socket, self.name)
        self._forget()

    def is_present(self) -> bool:
        """Tell whether the kernel still has the table."""
        return self.name in nftables.read_tables(self._socket)

    def replace(self, rules: Rules) -> None:
        """Make the table hold exactly these rules, whatever it held."""
        before = self.rules
        self._forget()
        batch = Batch(self.name)
        batch.add_table()
        batch.delete_table()
        batch.add_table()
        encoding.write_base(batch)
        self._write(batch, {}, rules)
        self._commit(batch)
        self.rules = dict(rules)
        self._forget_flows({*before, *rules})

    def update(self, changes: Mapping[Frontend, Backend | None]) -> None:
        """Change these frontends; None removes one."""
        real = {key: backend for key, backend in changes.items() if self.rules.get(key) != backend}
        if not real:
            return
        old = {key: self.rules[key] for key in real if key in self.rules}
        new = {key: backend for key, backend in real.items() if backend is not None}
        before = self.rules
        batch = Batch(self.name)
        try:
            self._write(batch, old, new)
            self._commit(batch)
        except NetlinkError as error:
            _log.warning("proxy table %s: change refused (%s); writing it anew", self.name, error)
            self.replace({key: backend for key, backend in before.items() if key not in real} | new)
            return
        for key in old:
            del before[key]
        before.update(new)
        self._forget_clients(old)
        self._forget_flows(real)

    def _commit(self, batch: Batch) -> None:
        try:
            batch.commit(self._socket)
        except NetlinkError:
            self._forget()  # What is in the kernel is no longer what was counted here.
            raise

    def _forget(self) -> None:
        self.rules = {}
        self._held, self._chain_users = {}, {}

    def _write(self, batch: Batch, old: Rules, new: Rules) -> None:
        """Put into `batch` what turns the elements and chains of `old` into those of `new`."""
        unused = self._count_chains(batch, old, new)
        leaving = self._leave(old)
        added, changed = self._enter(new, leaving)
        for name, elements in _by_set([*leaving, *changed]).items():
            batch.delete_elements(name, elements)
        for name, elements in _by_set(added).items():
            batch.add_elements(name, (added[name, key] for key in elements))
        for chain in unused:
            batch.delete_chain(chain)

    def _leave(self, old: Rules) -> dict[_Place, Element]:
        """Take `old` off the counts and return the elements that nobody needs any more."""
        leaving: dict[_Place, Element] = {}
        for frontend, backend in old.items():
            for name, element in encoding.elements_of(frontend, backend):
                held = self._held[name, element.key]
                held.users -= 1
                if not held.users:
                    leaving[name, element.key] = self._held.pop((name, element.key)).element
        return leaving

    def _enter(self, new: Rules, leaving: dict[_Place, Element]) -> tuple[dict[_Place, Element], list[_Place]]:
        """Count `new` in; return the elements to add, and of those the ones that replace another.

        Takes out of `leaving` what need not go, or is named in the second result.
        """
        added: dict[_Place, Element] = {}
        changed: list[_Place] = []
        for frontend, backend in new.items():
            for name, element in encoding.elements_of(frontend, backend):
                place = name, element.key
                held = self._held.get(place)
                if held is not None:
                    held.users += 1
                    continue
                self._held[place] = _Held(element, 1)
                before = leaving.pop(place, None)
                if before != element:
                    added[place] = element
                    if before is not None:
                        changed.append(place)
        return added, changed

    def _count_chains(self, batch: Batch, old: Rules, new: Rules) -> list[str]:
        """Add the chains that `new` needs and return those that only `old` needed, callers before the called."""
        touched: dict[str, Chain] = {}
        for rules, step in ((new, 1), (old, -1)):
            for frontend, backend in rules.items():
                if backend.is_empty:
                    continue
                for chain in encoding.chain_of(frontend, backend).with_next():
                    name = chain.name
                    if name not in self._chain_users:
                        encoding.write_chain(batch, chain, self._cluster_cidr)
                    self._chain_users[name] = self._chain_users.get(name, 0) + step
                    touched[name] = chain
        unused = [name for name in touched if not self._chain_users[name]]
        for name in unused:
            del self._chain_users[name]
        return sorted(unused, key=lambda name: -len(touched[name].with_next()))

    def _forget_clients(self, old: Rules) -> None:
        """Forget which clients had an endpoint that no longer counts: it may come back when they have long moved on."""
        gone = {
            (frontend.protocol, frontend.port, target)
            for frontend, backend in old.items()
            if backend.affinity_s
            for target in _targets(backend) - _targets(self.rules.get(frontend))
        }
        if not gone:
            return
        for key in nftables.read_keys(self._socket, self.name, encoding.AFFINITY):
            if encoding.affinity_of(key) in gone:
                batch = Batch(self.name)
                batch.delete_elements(encoding.AFFINITY, [key])
                try:
                    batch.commit(self._socket)
                except NetlinkError as error:
                    if error.errno != errno.ENOENT:  # Its time was up meanwhile.
                        raise

    def _forget_flows(self, frontends: Iterable[Frontend]) -> None:
        """End the UDP flows to endpoints that no longer count: they would go on for as long as someone sends."""
        udp = {key: _targets(self.rules.get(key)) for key in frontends if key.protocol == PROTOCOLS["UDP"]}
        if udp:
            conntrack.delete_stale(self._socket, udp)


def _targets(backend: Backend | None) -> frozenset[Target]:
    return frozenset() if backend is None else frozenset((*backend.targets, *backend.cluster_targets))


def _by_set(places: Iterable[_Place]) -> dict[str, list[bytes]]:
    grouped: dict[str, list[bytes]] = {}
    for name, key in places:
        grouped.setdefault(name, []).append(key)
    return grouped
