"""Figures as lines of a table, beside their budgets."""

from dataclasses import dataclass
from typing import Final

from bench._pace import Paced

HEAD: Final = f"{'':38} {'here':>10} {'':6} {'to bare':>8} {'p50 ms':>7} {'p99 ms':>7} {'budget':>8} {'here':>8}"


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    budget: as the design states it, in the same unit; 0 for none. allowed: the same for this machine at that moment.
    to_bare: how many times the cost of a bare handler; most_to_bare: how many at most, 0 where that is left open.
    """

    what: str
    value: float
    unit: str
    budget: float = 0
    allowed: float = 0
    to_bare: float = 0
    most_to_bare: float = 0
    waits_ms: tuple[float, float] | None = None

    @property
    def is_missed(self) -> bool:
        """Whether there is a budget, and it doesn't suffice."""
        return bool(self.budget and self.value > self.allowed) or bool(
            self.most_to_bare and self.to_bare > self.most_to_bare
        )

    def line(self) -> str:
        """Return the figure as a line of text."""
        ratio = f"{self.to_bare:7.2f}x" if self.to_bare else " " * 8
        waits = " ".join(f"{wait:7.2f}" for wait in self.waits_ms) if self.waits_ms else " " * 15
        verdict = "MISSED" if self.is_missed else "ok"
        told = f"{self.budget:8.0f} {self.allowed:8.0f} {verdict}" if self.budget else ""
        return f"{self.what:38} {self.value:10.1f} {self.unit:6} {ratio} {waits} {told}".rstrip()


def absolute(what: str, value: float, unit: str, budget: float) -> Figure:
    """Return a figure whose budget is the same on every machine."""
    return Figure(what, value, unit, budget, budget)


def of_cost(
    what: str, found: Paced, *, budget: float = 0, bare: Paced | None = None, most_to_bare: float = 0
) -> Figure:
    """Return what an operation costs as a figure. bare: the same bytes from a bare handler."""
    return Figure(
        what,
        found.cost.cpu_us,
        "µs",
        budget,
        budget * found.pace,
        found.reference_us / bare.reference_us if bare else 0,
        most_to_bare,
        (found.cost.wait_ms(50), found.cost.wait_ms(99)),
    )
