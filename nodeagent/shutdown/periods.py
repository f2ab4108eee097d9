"""Which pods of a node that shuts down end when, and how long they have. Plain functions.

Source: kubernetes.io/docs/concepts/cluster-administration/node-shutdown; KEP-2000, KEP-2712.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from kube.api.core_v1 import Pod
from nodeagent.pods.plan import DEFAULT_GRACE_S
from nodeagent.settings import AgentSettings

CRITICAL: Final = 2_000_000_000
"""The least priority of the pods that a cluster can't do without."""


@dataclass(frozen=True, slots=True)
class Period:
    """How long the pods of a priority have to end, and those above it up to the next period's."""

    priority: int
    grace_s: int


UNLESS_SET: Final = (Period(0, 20), Period(CRITICAL, 10))
"""What pods have when the node is told to shut down and nothing was set."""


def parse_periods(settings: AgentSettings) -> tuple[Period, ...]:
    """Return the periods, that of the lowest priority first; none where the node doesn't shut down gracefully.

    Raises ValueError for what contradicts itself.
    """
    in_all_s, critical_s = settings.shutdown_grace_s, settings.shutdown_grace_critical_s
    if settings.shutdown_grace_by_priority:
        if in_all_s or critical_s:
            raise ValueError("shutdown_grace_by_priority: excludes shutdown_grace_s and shutdown_grace_critical_s")
        named = [_period(*entry) for entry in settings.shutdown_grace_by_priority.items()]
        return tuple(sorted(named, key=lambda period: period.priority))
    if not 0 <= critical_s <= in_all_s:
        raise ValueError(f"shutdown_grace_critical_s: {critical_s} is not within shutdown_grace_s, which is {in_all_s}")
    return (Period(0, in_all_s - critical_s), Period(CRITICAL, critical_s)) if in_all_s else ()


def _period(priority: str, grace: str) -> Period:
    try:
        return Period(int(priority), int(grace))
    except ValueError:
        raise ValueError(f"shutdown_grace_by_priority: {priority}={grace}: write PRIORITY=SECONDS") from None


def grouped(periods: Sequence[Period], pods: Iterable[Pod]) -> list[tuple[Period, list[Pod]]]:
    """Return the pods of each period, in the order in which they end; a period without any is left out.

    A pod below the lowest priority that is named counts to that.
    """
    groups: dict[Period, list[Pod]] = {period: [] for period in periods}
    for pod in pods:
        reached = [period for period in periods if period.priority <= (pod.spec.priority or 0)]
        groups[reached[-1] if reached else periods[0]].append(pod)
    return [(period, found) for period, found in groups.items() if found]


def grace_of(pod: Pod, period: Period) -> int:
    """Return how long a pod has to end: what it asks for, within its period."""
    asked = pod.spec.termination_grace_period_seconds
    return min(DEFAULT_GRACE_S if asked is None else asked, period.grace_s)
