"""The work queue: no key is lost, none is worked on twice at once."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from kube.workqueue import WorkQueue
from tests.kube.fake_clock import FakeClock, settle


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def queue(clock: FakeClock) -> AsyncIterator[WorkQueue[str]]:
    queue: WorkQueue[str] = WorkQueue(clock, first_retry_s=1, longest_retry_s=10)
    async with asyncio.TaskGroup() as group:
        timer = group.create_task(queue.run())
        yield queue
        timer.cancel()


async def test_a_key_added_twice_is_taken_once(queue: WorkQueue[str]) -> None:
    queue.add("a")
    queue.add("b")
    queue.add("a")

    assert [await queue.take(), await queue.take()] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_added_while_it_is_worked_on_waits_for_that_work_to_end(queue: WorkQueue[str]) -> None:
    """Two workers on one object would see each other's half-done work."""
    queue.add("a")
    await queue.take()
    queue.add("a")

    assert len(queue) == 0
    queue.done("a")
    assert len(queue) == 1
    assert await queue.take() == "a"
    queue.done("a")
    assert queue.is_idle


async def test_a_worker_that_waits_is_woken(queue: WorkQueue[str]) -> None:
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(queue.take())
        await settle()
        queue.add("a")

    assert waiting.result() == "a"


async def test_a_worker_that_was_cancelled_passes_its_key_on(queue: WorkQueue[str]) -> None:
    async with asyncio.TaskGroup() as group:
        first, second = group.create_task(queue.take()), group.create_task(queue.take())
        await settle()
        queue.add("a")
        first.cancel()

    assert second.result() == "a"


async def test_a_delayed_key_comes_when_it_is_due(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 5)

    await clock.advance(4.9)
    assert len(queue) == 0
    await clock.advance(0.2)
    assert len(queue) == 1


async def test_of_two_delays_the_shorter_one_counts(queue: WorkQueue[str], clock: FakeClock) -> None:
    queue.add_after("a", 5)
    await settle()
    queue.add_after("a", 1)
    queue.add_after("a", 9)

    await clock.advance(1)
    assert await queue.take() == "a"
    queue.done("a")
    await clock.advance(20)

    assert queue.is_idle


async def test_retries_back_off_until_the_key_is_forgotten(queue: WorkQueue[str]) -> None:
    assert [queue.retry("a") for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    assert queue.failures("a") == 6

    queue.forget("a")

    assert queue.retry("a") == 1
