"""Events: told once, counted when they repeat, never in the way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from kube.api.core_v1 import Event, Pod
from kube.api.meta_v1 import ObjectMeta
from kube.client import ConnectionLost
from kube.events import BURST, LULL_MAX_S, LULL_S, NAME_MAX, QUEUE_MAX, EventRecorder
from kube.names import check_dns_subdomain
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock, settle


def pod(name: str = "web") -> Pod:
    return Pod(metadata=ObjectMeta(name=name, namespace="team", uid=f"uid-{name}"))


@asynccontextmanager
async def running(recorder: EventRecorder, clock: FakeClock) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(recorder.run())
        yield
        await lull(clock)
        task.cancel()


async def lull(clock: FakeClock) -> None:
    """Let everything that was recorded be written."""
    await clock.advance(LULL_MAX_S)
    await settle(2000)


@pytest.mark.parametrize("mark", ["-", ".", "a"])
async def test_a_name_that_is_cut_gives_events_a_name_that_they_can_have(mark: str) -> None:
    """Else an object would have no events at all because of one letter in the middle of its name."""
    client, clock = FakeClient(), FakeClock()
    recorder = EventRecorder(client, "kubelet", clock=clock)

    async with running(recorder, clock):
        recorder.record(pod(f"{'a' * (NAME_MAX - 1)}{mark}7d9f-x2x4z"), "Normal", "Started", "Started container web")

    (event,) = client.stored(Event)
    assert check_dns_subdomain(event.metadata.name) == []


async def test_an_event_says_what_happened_to_whom() -> None:
    client, clock = FakeClient(), FakeClock()
    recorder = EventRecorder(client, "kubelet", host="n1", clock=clock)

    async with running(recorder, clock):
        recorder.record(pod(), "Normal", "Started", "Started container web", field_path="spec.containers{web}")

    (event,) = client.stored(Event)
    assert event.metadata.namespace == "team"
    assert event.metadata.name.startswith("web.")
    assert (event.type, event.reason, event.message, event.count) == ("Normal", "Started", "Started container web", 1)
    about = event.involved_object
    assert (about.kind, about.name, about.uid, about.field_path) == ("Pod", "web", "uid-web", "spec.containers{web}")
    assert (event.source.component, event.source.host) == ("kubelet", "n1")
    assert event.first_timestamp == event.last_timestamp == "2026-01-02T03:04:05Z"


async def test_the_same_event_again_raises_its_count() -> None:
    client, clock = FakeClient(), FakeClock()
    recorder = EventRecorder(client, "kubelet", clock=clock)

    async with running(recorder, clock):
        recorder.record(pod(), "Warning", "BackOff", "Back-off restarting")
        await clock.advance(10)
        recorder.record(pod(), "Warning", "BackOff", "Back-off restarting")
        recorder.record(pod(), "Warning", "BackOff", "something else")

    first, second = sorted(client.stored(Event), key=lambda event: event.count)
    assert (first.message, first.count) == ("something else", 1)
    assert (second.count, second.first_timestamp, second.last_timestamp) == (
        2,
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:15Z",
    )


async def test_an_event_that_was_cleared_away_is_written_anew() -> None:
    client, clock = FakeClient(), FakeClock()
    recorder = EventRecorder(client, "kubelet", clock=clock)

    async with running(recorder, clock):
        recorder.record(pod(), "Normal", "Pulled", "Pulled")
        await lull(clock)
        (first,) = client.stored(Event)
        client.drop(Event, first.metadata.name, "team")
        recorder.record(pod(), "Normal", "Pulled", "Pulled")

    (again,) = client.stored(Event)
    assert again.count == 1


async def test_one_noisy_object_is_held_back_and_others_are_not() -> None:
    client, clock = FakeClient(), FakeClock()
    recorder = EventRecorder(client, "kubelet", clock=clock)

    async with running(recorder, clock):
        for number in range(BURST + 5):
            recorder.record(pod("noisy"), "Normal", "Tick", f"number {number}")
        recorder.record(pod("quiet"), "Normal", "Tick", "once")
        await lull(clock)
        await clock.advance(300)
        recorder.record(pod("noisy"), "Normal", "Tick", "after a rest")

    assert len(client.stored(Event)) == BURST + 2
    assert recorder.dropped == 5


async def test_a_server_that_is_away_costs_events_and_nothing_else() -> None:
    client, clock = FakeClient(), FakeClock()
    client.failures = [ConnectionLost("away")]
    recorder = EventRecorder(client, "kubelet", clock=clock)

    async with running(recorder, clock):
        recorder.record(pod(), "Normal", "One", "lost")
        recorder.record(pod(), "Normal", "Two", "kept")

    assert [event.reason for event in client.stored(Event)] == ["Two"]
    assert recorder.dropped == 1


async def test_recording_never_waits() -> None:
    recorder = EventRecorder(FakeClient(), "kubelet")

    for number in range(QUEUE_MAX + 3):
        recorder.record(pod(), "Normal", "Tick", str(number))

    assert recorder.dropped == 3


async def test_events_wait_until_nothing_happens_but_not_for_ever() -> None:
    client, clock = FakeClient(), FakeClock()
    recorder = EventRecorder(client, "kubelet", clock=clock)

    async with running(recorder, clock):
        recorder.record(pod(), "Normal", "Tick", "first")
        written: list[Event] = []
        while not written:
            await clock.advance(LULL_S / 2)
            recorder.record(pod(), "Normal", "Tick", f"another at {clock.monotonic_s():g}")
            written = client.stored(Event)
        assert LULL_MAX_S <= clock.monotonic_s() < 2 * LULL_MAX_S
