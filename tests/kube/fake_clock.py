"""A clock that stands still until a test moves it."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    """Time that `advance` moves; whoever sleeps wakes up when their moment has come."""

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._passed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._sequence = 0

    def now(self) -> datetime:
        """Return the start and all that was advanced since."""
        return self._start + timedelta(seconds=self._passed_s)

    def monotonic_s(self) -> float:
        """Return the seconds advanced so far."""
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was advanced by `seconds`."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sequence += 1
        heapq.heappush(self._sleepers, (self._passed_s + seconds, self._sequence, waiter))
        await waiter

    @property
    def sleepers(self) -> int:
        """How many are asleep now."""
        return sum(not waiter.done() for _, _, waiter in self._sleepers)

    async def advance(self, seconds: float) -> None:
        """Let `seconds` pass, waking each sleeper at its moment and letting others run in between."""
        end_s = self._passed_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            due_s, _, waiter = heapq.heappop(self._sleepers)
            if not waiter.done():
                self._passed_s = max(self._passed_s, due_s)
                waiter.set_result(None)
                await settle()
        self._passed_s = end_s
        await settle()


async def settle(turns: int = 50) -> None:
    """Let every task that can go on go on, `turns` times round the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
