"""The controller's loop and the runner."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest

from kube.api.core_v1 import ConfigMap
from kube.api.meta_v1 import ObjectMeta
from kube.controller import Controller
from kube.informer import Informer
from kube.objects import ObjectKey
from kube.runner import Runner, attempt
from tests.kube.fake_client import FakeClient
from tests.kube.fake_clock import FakeClock, settle

PATIENCE_S = 5.0

Job = Callable[[], Coroutine[None, None, None]]
KEY = ObjectKey("default", "a")


def config_map(name: str = "a", **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


@asynccontextmanager
async def running(*jobs: Job) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job()) for job in jobs]
        await settle()
        yield
        for task in tasks:
            task.cancel()


async def test_each_object_that_changes_is_reconciled() -> None:
    client, seen = FakeClient(config_map("a")), list[ObjectKey]()
    informer = Informer(client, ConfigMap)

    async def reconcile(key: ObjectKey) -> None:
        seen.append(key)

    controller = Controller("test", reconcile)
    controller.hear(informer)
    async with running(informer.run, controller.run):
        client.put(config_map("b"))
        await settle()

    assert seen == [KEY, ObjectKey("default", "b")]


async def test_it_waits_until_the_cache_has_seen_its_own_write() -> None:
    """Else it would act twice on what it merely hasn't heard of."""
    client, created = FakeClient(), list[str]()
    children = Informer(client, ConfigMap)

    async def reconcile(key: ObjectKey) -> None:
        if children.get("child", "default") is None:
            created.append("child")
            controller.wrote(key, await client.create(config_map("child")))

    controller = Controller("test", reconcile, workers=1)
    controller.know(children)
    async with running(children.run, controller.run):
        client.hold()
        controller.queue.add(KEY)
        await settle()
        controller.queue.add(KEY)
        await settle()
        assert created == ["child"]
        client.release()
        await settle()

        assert children.get("child", "default") is not None
        assert controller.queue.is_idle
    assert created == ["child"]


async def test_a_failure_is_logged_with_its_key_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    clock, tries = FakeClock(), list[float]()

    async def reconcile(key: ObjectKey) -> None:
        tries.append(clock.monotonic_s())
        if len(tries) < 3:
            raise ValueError("not yet")

    controller = Controller("test", reconcile, clock=clock)
    async with running(controller.run):
        controller.queue.add(KEY)
        await clock.advance(1)

        assert controller.queue.is_idle
    assert tries == [0, 0.005, 0.015]
    assert "test default/a: failed: ValueError: not yet" in caplog.text


async def test_a_key_comes_back_when_it_asked_to() -> None:
    clock, tries = FakeClock(), list[float]()

    async def reconcile(key: ObjectKey) -> float | None:
        tries.append(clock.monotonic_s())
        return 30 if len(tries) == 1 else None

    controller = Controller("test", reconcile, clock=clock)
    async with running(controller.run):
        controller.queue.add(KEY)
        await clock.advance(100)

    assert tries == [0, 30]


async def test_a_task_that_fails_is_started_again_and_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    clock, starts = FakeClock(), list[float]()

    async def shaky() -> None:
        starts.append(clock.monotonic_s())
        if len(starts) < 3:
            raise RuntimeError("shaken")

    async def steady() -> None:
        await asyncio.Event().wait()

    async with Runner(clock) as runner:
        other, task = runner.start("steady", steady), runner.start("shaky", shaky)
        await clock.advance(1)

        assert task.done()
        assert not other.done()
    assert starts == pytest.approx([0, 0.1, 0.3])
    assert "task shaky: failed: RuntimeError: shaken" in caplog.text
    assert other.cancelled()


async def test_the_last_started_task_is_stopped_first() -> None:
    ended = list[str]()

    def job(name: str) -> Job:
        async def run() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                ended.append(name)

        return run

    async with Runner() as runner:
        for name in ("store", "server", "room"):
            runner.start(name, job(name))
        await settle()

    assert ended == ["room", "server", "store"]


async def test_sigterm_stops_a_runner(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async with Runner() as runner, asyncio.timeout(PATIENCE_S):
        runner.stop_on_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        await runner.stopped()

    loop = asyncio.get_running_loop()
    assert loop.remove_signal_handler(signal.SIGTERM) is False
    assert "signal=SIGTERM" in caplog.text


async def test_notes_on_an_exception_are_part_of_its_story(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        error = KeyError("x")
        error.add_note("while looking at volume data")
        raise error

    assert isinstance(await attempt("pod default/web", fails), KeyError)
    assert "pod default/web: failed: KeyError: 'x' (while looking at volume data)" in caplog.text
