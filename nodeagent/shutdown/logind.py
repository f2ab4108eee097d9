"""The machine's power, as systemd-logind has it: asked and held over D-Bus. The only door to dbus_fast.

Keeps true: a hold ends with the descriptor that stands for it, so also with this process.
Source: org.freedesktop.login1(5); systemd.io/INHIBITOR_LOCKS.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from kube.clock import Clock
from nodeagent.shutdown.keeper import ShutdownKeeper

ANNOUNCED_MAX: Final = 64
CALL_S: Final = 10.0
LOOK_S: Final = 1.0
"""How long a connection that broke goes unnoticed."""
RECONNECT_S: Final = 10.0
SOCKET: Final = Path("/run/dbus/system_bus_socket")
_BUS: Final = "org.freedesktop.DBus"
_NAME: Final = "org.freedesktop.login1"
_PATH: Final = "/org/freedesktop/login1"
_MANAGER: Final = "org.freedesktop.login1.Manager"
_RULE: Final = f"type='signal',sender='{_NAME}',path='{_PATH}',interface='{_MANAGER}',member='PrepareForShutdown'"

_log = logging.getLogger(__name__)


async def follow_logind(keeper: ShutdownKeeper, clock: Clock) -> None:
    """Have the keeper heed what logind announces, for ever; a bus that isn't there, or goes away, is tried again."""
    told = ""
    while True:
        try:
            async with await Logind.connect() as logind:
                await keeper.follow(logind)
        except OSError as error:
            if str(error) != told:
                told = str(error)
                _log.warning("shutdown: logind can't be heard: %s; SIGPWR to this process shuts the node down", told)
        await clock.sleep(RECONNECT_S)


@asynccontextmanager
async def _in_time(what: str) -> AsyncIterator[None]:
    """Bound what the bus is asked, and let its refusals be OSErrors."""
    try:
        async with asyncio.timeout(CALL_S):
            yield
    except (DBusFastError, EOFError) as error:
        raise OSError(f"D-Bus: {what}: {error}") from error


class Logind:
    """One connection to the bus on which logind is. Raises OSError for whatever the bus refuses."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus
        self._announced: asyncio.Queue[bool] = asyncio.Queue(ANNOUNCED_MAX)
        bus.add_message_handler(self._hear)

    @classmethod
    async def connect(cls, address: str = f"unix:path={SOCKET}") -> Self:
        """Return a connection that hears of everything that is announced from now on."""
        async with _in_time("connect"):
            bus = await MessageBus(bus_address=address, bus_type=BusType.SYSTEM, negotiate_unix_fd=True).connect()
        made = cls(bus)
        try:
            await made._call(_BUS, "/org/freedesktop/DBus", _BUS, "AddMatch", "s", _RULE)
        except OSError:
            bus.disconnect()
            raise
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bus.disconnect()

    async def most_s(self) -> float:
        """Return how long logind lets anybody hold the machine."""
        answer = await self._call(_NAME, _PATH, f"{_BUS}.Properties", "Get", "ss", _MANAGER, "InhibitDelayMaxUSec")
        most: Variant = answer.body[0]
        return int(most.value) / 1_000_000

    async def hold(self) -> Callable[[], None]:
        """Hold the machine before it is switched off; return what lets it go, which may be called again."""
        words = ("shutdown", "wherry", "Pods end before the machine does", "delay")
        answer = await self._call(_NAME, _PATH, _MANAGER, "Inhibit", "ssss", *words)
        held = [answer.unix_fds[answer.body[0]]]

        def let_go() -> None:
            while held:
                os.close(held.pop())

        return let_go

    async def announcements(self) -> AsyncIterator[bool]:
        """Yield what logind announces, for as long as the connection stands."""
        while self._bus.connected:
            try:
                async with asyncio.timeout(LOOK_S):
                    is_coming = await self._announced.get()
            except TimeoutError:
                continue
            yield is_coming

    def _hear(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.member == "PrepareForShutdown":
            self._announced.put_nowait(bool(message.body[0]))

    async def _call(self, name: str, path: str, interface: str, member: str, signature: str, *body: Any) -> Message:
        call = Message(
            destination=name, path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        async with _in_time(member):
            answer = await self._bus.call(call)
        if answer is None or answer.message_type is MessageType.ERROR:
            told = answer.body if answer is not None else "no answer"
            raise OSError(f"D-Bus: {member} of {name}: {told}")
        return answer
