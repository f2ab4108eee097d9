"""A node whose machine is about to be switched off: which pods end when, what is told, how the machine is held."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from kube.api import core_v1 as api_v1
from kube.informer import Informer
from kube.objects import condition
from nodeagent.settings import AgentSettings
from nodeagent.shutdown.keeper import MESSAGE, ShutdownKeeper
from nodeagent.shutdown.logind import Logind
from nodeagent.shutdown.periods import CRITICAL, Period, grace_of, grouped, parse_periods
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime
from tests.nodeagent.make import container, pod
from tests.nodeagent.one_node import Node, agent, until

PERIODS = (Period(0, 5), Period(CRITICAL, 3))
MANAGER = "org.freedesktop.login1.Manager"


def settings(**fields: Any) -> AgentSettings:
    """Return the settings of a node."""
    return AgentSettings(node_name="n1", state_dir=Path("s"), run_dir=Path("r"), image_dir=Path("i"), **fields)


def test_the_last_part_of_the_time_is_that_of_critical_pods() -> None:
    assert parse_periods(settings()) == ()
    assert parse_periods(settings(shutdown_grace_s=30, shutdown_grace_critical_s=10)) == (
        Period(0, 20),
        Period(CRITICAL, 10),
    )


def test_periods_by_priority_are_sorted_as_numbers() -> None:
    told = {"100000": "10", "0": "60", "-5": "7", "20000": "5"}

    assert parse_periods(settings(shutdown_grace_by_priority=told)) == (
        Period(-5, 7),
        Period(0, 60),
        Period(20000, 5),
        Period(100000, 10),
    )


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"shutdown_grace_critical_s": 5}, "5 is not within shutdown_grace_s, which is 0"),
        ({"shutdown_grace_s": 5, "shutdown_grace_by_priority": {"0": "1"}}, "excludes"),
        ({"shutdown_grace_by_priority": {"0": "soon"}}, "0=soon: write PRIORITY=SECONDS"),
    ],
)
def test_periods_that_contradict_themselves_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_periods(settings(**fields))


def test_pods_end_by_priority_each_within_its_period() -> None:
    low, usual, dear, most = (
        pod(name, priority=priority) for name, priority in (("low", -9), ("usual", 0), ("dear", 500), ("most", 1000))
    )
    periods = (Period(-1, 1), Period(0, 20), Period(1000, 10), Period(CRITICAL, 5))

    assert grouped(periods, [most, dear, usual, low]) == [
        (Period(-1, 1), [low]),
        (Period(0, 20), [dear, usual]),
        (Period(1000, 10), [most]),
    ]
    assert grace_of(pod(terminationGracePeriodSeconds=7), Period(0, 20)) == 7
    assert grace_of(pod(), Period(0, 20)) == 20


class FakePower:
    """The machine's power in a test's hands. holds: how often the machine is held just now."""

    def __init__(self) -> None:
        self.holds = 0
        self.announced: asyncio.Queue[bool] = asyncio.Queue()

    async def most_s(self) -> float:
        return 5.0

    async def hold(self) -> Callable[[], None]:
        self.holds += 1
        held = [self]

        def let_go() -> None:
            while held:
                held.pop().holds -= 1

        return let_go

    async def announcements(self) -> AsyncIterator[bool]:
        while True:
            yield await self.announced.get()


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    """A node with a plain pod and a critical one, both ready."""
    async with FakeRuntime(tmp_path / "cri.sock") as runtime, agent(FakeClient(), runtime, tmp_path) as made:
        made.api.put(pod("critical", container("critical"), priority=CRITICAL))
        made.api.put(pod("plain", container("plain"), priority=0))
        await until(lambda: made.is_ready("plain") and made.is_ready("critical"))
        yield made


def keeper_of(node: Node) -> ShutdownKeeper:
    """Return what shuts a node down."""
    return ShutdownKeeper("n1", PERIODS, node.room, node.roster, Informer(node.api, api_v1.Node))


async def test_the_machine_is_held_until_its_pods_have_ended_in_their_order(node: Node) -> None:
    power = FakePower()
    following = asyncio.create_task(keeper_of(node).follow(power))
    await until(lambda: power.holds == 1)

    power.announced.put_nowait(True)
    await until(lambda: power.holds == 0)

    assert [call for call in node.runtime.calls if call.startswith("kill")] == ["kill plain", "kill critical"]
    assert node.runtime.graces == [5, 3]
    for name in ("plain", "critical"):
        status = node.pod(name).status
        target = condition(status.conditions, "DisruptionTarget")
        assert (status.phase, status.reason, status.message) == ("Failed", "Terminated", MESSAGE)
        assert target is not None
        assert (target.status, target.reason, target.message) == ("True", "TerminationByKubelet", MESSAGE)

    power.announced.put_nowait(False)
    await until(lambda: power.holds == 1 and not node.room.trouble.is_shutting_down)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    assert power.holds == 0


async def test_a_node_that_shuts_down_takes_no_pod(node: Node) -> None:
    await keeper_of(node).shut_down()

    node.api.put(pod("late"))
    await until(lambda: node.pod("late").status.phase == "Failed")

    status = node.pod("late").status
    assert (status.reason, status.message) == ("NodeShutdown", "Pod was rejected as the node is shutting down.")


async def test_a_pod_that_has_not_ended_in_time_does_not_hold_the_next_ones(node: Node) -> None:
    node.api.put(pod("stubborn", container("stubborn", command=["stubborn"]), priority=0))
    await until(lambda: node.is_ready("stubborn"))
    periods = (Period(0, 1), Period(CRITICAL, 1))
    keeper = ShutdownKeeper("n1", periods, node.room, node.roster, Informer(node.api, api_v1.Node))

    await keeper.shut_down()

    assert {node.pod(name).status.phase for name in ("plain", "critical", "stubborn")} == {"Failed"}


async def test_a_pod_is_not_called_failed_while_it_still_runs(node: Node) -> None:
    """Whoever owns it would make another one, and both would run."""
    node.api.put(pod("stubborn", container("stubborn", command=["stubborn"]), priority=0))
    await until(lambda: node.is_ready("stubborn"))

    async with asyncio.TaskGroup() as group:
        group.create_task(keeper_of(node).shut_down())
        await until(lambda: "kill stubborn" in node.runtime.calls and node.pod("plain").status.phase == "Failed")
        assert node.pod("stubborn").status.phase == "Running"
        (running,) = node.runtime.named("stubborn")
        node.runtime.end(running.id, 0)

    assert node.pod("stubborn").status.phase == "Failed"


async def test_a_signal_shuts_the_node_down_and_ends_its_agent(node: Node) -> None:
    ended = asyncio.Event()
    heeding = asyncio.create_task(keeper_of(node).heed_signal(ended.set))
    await asyncio.sleep(0)

    os.kill(os.getpid(), signal.SIGPWR)
    await asyncio.wait_for(ended.wait(), 10)
    await heeding

    assert node.pod("plain").status.reason == "Terminated"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A bus of the test's own, and where it is."""
    config = tmp_path / "bus.conf"
    socket = tmp_path / "bus"
    config.write_text(
        f"<busconfig><listen>unix:path={socket}</listen><policy context='default'><allow send_destination='*'/>"
        "<allow own='*'/><allow receive_sender='*'/></policy></busconfig>"
    )
    argv = ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


class FakeLogind:
    """The far end of the bus: what logind answers, as far as it is asked here."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.asked: list[Any] = []
        self.reader, self._writer = os.pipe()
        bus.add_message_handler(self._answer)

    def _answer(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        self.asked.append(message.body)
        if message.member == "Get":
            return Message.new_method_return(message, "v", [Variant("t", 5_000_000)])
        if message.member == "Inhibit":
            return Message.new_method_return(message, "h", [0], [self._writer])
        return None

    def announce(self, *, is_coming: bool) -> None:
        """Tell whoever listens."""
        path = "/org/freedesktop/login1"
        self.bus.send(Message.new_signal(path, MANAGER, "PrepareForShutdown", "b", [is_coming]))

    def is_held(self) -> bool:
        """Say whether anybody still has the writing end that was handed out."""
        with suppress(OSError):
            os.close(self._writer)
        os.set_blocking(self.reader, False)
        try:
            return os.read(self.reader, 1) != b""
        except BlockingIOError:
            return True


@pytest.fixture
async def far(address: str) -> AsyncIterator[FakeLogind]:
    """A bus on which somebody answers to logind's name."""
    bus = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
    await bus.request_name("org.freedesktop.login1")
    fake = FakeLogind(bus)
    yield fake
    bus.disconnect()
    os.close(fake.reader)


async def test_logind_is_asked_held_and_heard_over_the_bus(far: FakeLogind, address: str) -> None:
    async with await Logind.connect(address) as logind:
        assert await logind.most_s() == 5.0
        let_go = await logind.hold()
        assert far.asked[1][0] == "shutdown"
        assert far.asked[1][3] == "delay"
        assert far.is_held()

        far.announce(is_coming=True)
        far.announce(is_coming=False)
        heard = logind.announcements()
        assert [await asyncio.wait_for(anext(heard), 10) for _ in range(2)] == [True, False]

        let_go()
        let_go()
        await until(lambda: not far.is_held())


async def test_a_bus_without_logind_says_so(address: str) -> None:
    async with await Logind.connect(address) as logind:
        with pytest.raises(OSError, match=r"Get of org\.freedesktop\.login1"):
            await logind.most_s()
    with pytest.raises(OSError, match="No such file"):
        await Logind.connect("unix:path=/nowhere/bus")
