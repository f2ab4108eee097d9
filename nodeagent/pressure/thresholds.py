"""What is measured of a node, and from when on it is too little. Plain functions.

Source: kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from kube.quantity import Quantity
from kube.times import parse_duration
from nodeagent.pods.resources import HUGE_PAGES
from nodeagent.settings import AgentSettings
from nodeagent.stats.machine_usage import NodeUsage

MEMORY: Final = "memory"
STORAGE: Final = "ephemeral-storage"
INODES: Final = "inodes"
PIDS: Final = "pids"


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that can run short: the condition that tells it, and what pods give back when they go."""

    condition: str
    resource: str


SIGNALS: Final[Mapping[str, Signal]] = {
    "memory.available": Signal("MemoryPressure", MEMORY),
    "nodefs.available": Signal("DiskPressure", STORAGE),
    "nodefs.inodesFree": Signal("DiskPressure", INODES),
    "imagefs.available": Signal("DiskPressure", STORAGE),
    "imagefs.inodesFree": Signal("DiskPressure", INODES),
    "pid.available": Signal("PIDPressure", PIDS),
}


@dataclass(frozen=True, slots=True)
class Observation:
    """How much of something there is left, and how much there could be."""

    available: int
    capacity: int


def observe(node: NodeUsage) -> Mapping[str, Observation]:
    """Return what was measured, by signal."""
    return {
        "memory.available": Observation(node.memory.available_bytes, node.memory.capacity_bytes),
        "nodefs.available": Observation(node.nodefs.available_bytes, node.nodefs.capacity_bytes),
        "nodefs.inodesFree": Observation(node.nodefs.inodes_free, node.nodefs.inodes),
        "imagefs.available": Observation(node.imagefs.available_bytes, node.imagefs.capacity_bytes),
        "imagefs.inodesFree": Observation(node.imagefs.inodes_free, node.imagefs.inodes),
        "pid.available": Observation(max(0, node.processes.most - node.processes.count), node.processes.most),
    }


@dataclass(frozen=True, slots=True)
class Amount:
    """So much, or such a part of all there is."""

    quantity: Quantity | None = None
    part: Decimal = Decimal(0)

    def of(self, capacity: int) -> int:
        """Return how much that is."""
        return self.quantity.whole if self.quantity is not None else int(capacity * self.part)


NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Threshold:
    """Less than `least` of a signal is too little. grace: how long that may last, None for not at all (a hard one).

    reclaim: how much more than `least` there must be for it to be over, once it was reached.
    """

    signal: str
    least: Amount
    grace: timedelta | None = None
    reclaim: Amount = NOTHING

    def is_met(self, seen: Observation, *, was_met: bool = False) -> bool:
        """Say whether there is too little. A file system that doesn't count its inodes has always enough."""
        if not seen.capacity:
            return False
        least = self.least.of(seen.capacity) + (self.reclaim.of(seen.capacity) if was_met else 0)
        return seen.available < least


def parse_thresholds(settings: AgentSettings) -> tuple[Threshold, ...]:
    """Return the thresholds that a node's settings name, hard ones first. Raises ValueError."""
    reclaim = {signal: _amount(text, signal) for signal, text in settings.eviction_minimum_reclaim.items()}
    grace = {signal: parse_duration(text) for signal, text in settings.eviction_soft_grace_period.items()}
    for signal in (*reclaim, *grace):
        _check(signal)
    return (*_hard(settings, reclaim), *_soft(settings, reclaim, grace))


def _hard(settings: AgentSettings, reclaim: Mapping[str, Amount]) -> Iterator[Threshold]:
    for signal, text in settings.eviction_hard.items():
        yield Threshold(_check(signal), _amount(text, signal), None, reclaim.get(signal, NOTHING))


def _soft(
    settings: AgentSettings, reclaim: Mapping[str, Amount], grace: Mapping[str, timedelta]
) -> Iterator[Threshold]:
    for signal, text in settings.eviction_soft.items():
        if signal not in grace:
            raise ValueError(f"eviction_soft: {signal} has no grace period; name one in eviction_soft_grace_period")
        yield Threshold(_check(signal), _amount(text, signal), grace[signal], reclaim.get(signal, NOTHING))


def _check(signal: str) -> str:
    if signal not in SIGNALS:
        raise ValueError(f'eviction threshold "{signal}": there is no such signal; use {", ".join(SIGNALS)}')
    return signal


def _amount(text: str, signal: str) -> Amount:
    """Read "100Mi" or "10%". Raises ValueError."""
    try:
        if text.endswith("%"):
            part = Decimal(text[:-1]) / 100
            if not 0 <= part < 1:
                raise ValueError
            return Amount(part=part)
        quantity = Quantity(text)
    except (InvalidOperation, ValueError) as error:
        raise ValueError(f'eviction threshold {signal}: "{text}" is no amount; write 100Mi or 10%') from error
    if quantity.value < 0:
        raise ValueError(f'eviction threshold {signal}: "{text}" is less than nothing; write 100Mi or 10%')
    return Amount(quantity)


def allocatable(settings: AgentSettings, capacity: Mapping[str, Quantity]) -> Mapping[str, Quantity]:
    """Return what pods get of what there is: not what is reserved, nor what hard thresholds keep free.

    Memory that is set aside for huge pages is none for anything else.
    """
    kept = [settings.kube_reserved, settings.system_reserved, _kept_free(settings, capacity)]
    kept += [{"memory": str(amount)} for name, amount in capacity.items() if name.startswith(HUGE_PAGES)]
    left = dict(capacity)
    for name, text in (item for amounts in kept for item in amounts.items() if item[0] in left):
        left[name] = max(left[name] - Quantity(text), Quantity("0"))
    return left


def _kept_free(settings: AgentSettings, capacity: Mapping[str, Quantity]) -> Mapping[str, str]:
    signals = {"memory": "memory.available", "ephemeral-storage": "nodefs.available"}
    found = {}
    for resource, signal in signals.items():
        if signal in settings.eviction_hard and resource in capacity:
            least = _amount(settings.eviction_hard[signal], signal)
            found[resource] = f"{least.of(capacity[resource].whole) // 1024}Ki"
    return found
