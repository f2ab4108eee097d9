"""Decide which conditions a node has and when pods must leave, from one observation to the next. Plain functions.

Keeps true: a hard threshold is due at once and a soft one when its grace has passed; a condition stays for the
transition period after it was last seen, so that the node doesn't flap between full and empty; what became due stays so
until the minimum that is to be won back is there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nodeagent.pressure.thresholds import SIGNALS, Observation, Threshold


@dataclass(frozen=True, slots=True)
class Pressure:
    """What is known after an observation.

    met_since: when each threshold that is met was first met. seen_at: when each condition was last seen.
    conditions: those that hold, of MemoryPressure, DiskPressure and PIDPressure. due: thresholds on which to act now,
    the most urgent first.
    """

    met_since: Mapping[Threshold, datetime] = field(default_factory=dict)
    seen_at: Mapping[str, datetime] = field(default_factory=dict)
    conditions: frozenset[str] = frozenset()
    due: tuple[Threshold, ...] = ()


def advance(
    before: Pressure,
    thresholds: Iterable[Threshold],
    seen: Mapping[str, Observation],
    now: datetime,
    transition: timedelta,
) -> Pressure:
    """Return what is known after the observation `seen` that was made `now`."""
    met = [limit for limit in thresholds if limit.signal in seen and _is_met(limit, before, seen)]
    met_since = {limit: before.met_since.get(limit, now) for limit in met}
    seen_at = {**before.seen_at, **{SIGNALS[limit.signal].condition: now for limit in met}}
    seen_at = {condition: at for condition, at in seen_at.items() if at == now or now - at < transition}
    due = [limit for limit in met if limit.grace is None or now - met_since[limit] >= limit.grace]
    return Pressure(met_since, seen_at, frozenset(seen_at), tuple(sorted(due, key=_urgency)))


def _is_met(limit: Threshold, before: Pressure, seen: Mapping[str, Observation]) -> bool:
    return limit.is_met(seen[limit.signal], was_met=limit in before.due)


def _urgency(limit: Threshold) -> tuple[bool, bool]:
    """Memory first, because the kernel kills when it is gone; then what is hard."""
    return limit.signal != "memory.available", limit.grace is not None
