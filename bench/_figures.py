"""Figures as lines of a table, beside their budgets."""

from dataclasses import dataclass, replace
from typing import Final

from bench._server import Cost

HEAD: Final = f"{'':44} {'':>10} {'':6} {'to bare':>9} {'p50 ms':>8} {'p99 ms':>8}  budget"


@dataclass(frozen=True)
class Figure:
    """One line of the table. budget: as the design states it, in the same unit; 0 for none. bare: to compare with."""

    what: str
    value: float
    unit: str
    budget: float = 0
    bare: float = 0
    p50_ms: float = 0
    p99_ms: float = 0

    @property
    def is_missed(self) -> bool:
        """Whether there is a budget, and it doesn't suffice."""
        return bool(self.budget) and self.value > self.budget

    def line(self) -> str:
        """Return the figure as a line of text."""
        ratio = f"{self.value / self.bare:8.2f}x" if self.bare else " " * 9
        waits = f"{self.p50_ms:8.2f} {self.p99_ms:8.2f}" if self.p50_ms else " " * 17
        told = f"{self.budget:8.1f} {'MISSED' if self.is_missed else 'ok'}" if self.budget else ""
        return f"{self.what:44} {self.value:10.1f} {self.unit:6} {ratio} {waits}  {told}".rstrip()


def of_cost(what: str, cost: Cost, *, budget: float = 0, bare: Cost | None = None) -> Figure:
    """Return what an operation costs as a figure."""
    figure = Figure(what, cost.cpu_us, "µs", budget, p50_ms=cost.p50_ms, p99_ms=cost.p99_ms)
    return replace(figure, bare=bare.cpu_us) if bare else figure
