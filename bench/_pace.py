"""How fast the machine is while something is measured, so that a budget means the same on each and at every hour.

The budgets of CPU were set on a machine where a bare aiohttp handler took REFERENCE_US to send 4 kB over TLS, to a
client that left it no time to sleep. So what is measured comes in parts, between which the bare handler is measured:
what else runs on the machine weighs on both, and each part is judged by its neighbours.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench._server import Cost, Subject, bare_server

REFERENCE_US: Final = 52.0
PARTS: Final = 5
_SAMPLE: Final = 400
_BODY: Final = b"x" * 4096


@dataclass(frozen=True)
class Paced:
    """What an operation costs here, and what it would cost on the reference machine."""

    cost: Cost
    reference_us: float

    @property
    def pace(self) -> float:
        """How many times as long the same takes here."""
        return self.cost.cpu_us / self.reference_us


@dataclass
class Yardstick:
    """The bare handler. seen: what it took, each time that it was measured."""

    handler: Subject
    seen: list[float] = field(default_factory=list)

    async def look(self) -> float:
        """Return how many times as long as on the reference machine things take now."""
        cost = await self.handler.measure(range(_SAMPLE), lambda _: self.handler.send("GET", "/"))
        self.seen.append(cost.cpu_us)
        return cost.cpu_us / REFERENCE_US

    async def measure(self, subject: Subject, count: int, job: Callable[[int], Awaitable[Any]]) -> Paced:
        """Run `job` for each number below `count`; the costs are the medians of the parts."""
        before, costs, judged = await self.look(), [], []
        for part in range(PARTS):
            numbers = range(count * part // PARTS, count * (part + 1) // PARTS)
            cost = await subject.measure(numbers, job)
            after = await self.look()
            costs.append(cost)
            judged.append(cost.cpu_us / ((before + after) / 2))
            before = after
        waits = [wait for cost in costs for wait in cost.waits_s]
        return Paced(Cost(median(cost.cpu_us for cost in costs), waits), median(judged))


@asynccontextmanager
async def yardstick(folder: Path) -> AsyncIterator[Yardstick]:
    """Run the bare handler for as long as things are measured."""
    async with bare_server(folder, _BODY) as handler:
        found = Yardstick(handler)
        await found.look()  # To warm up.
        found.seen.clear()
        yield found
