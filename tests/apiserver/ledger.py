"""Writers and watchers whose server is killed under them, and what must hold of all they saw.

Each writer has a ConfigMap of its own, which it creates, updates and deletes as fast as it can. A write without an
answer is looked up before the next one, so what happened to each object is known in full, and in order.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.apiserver.wire import Reply, Wire, config_map

MAPS = "/api/v1/namespaces/default/configmaps"
LOST = (aiohttp.ClientError, ConnectionError, TimeoutError)
RETRY_S = 0.05
AWAY = (503, 504)
GONE = -1
WRITERS = 8
WATCHERS = 3
PATIENCE_S = 90.0


@dataclass
class Ledger:
    """What the writers know. states: of each object one after another, as the number it holds, or GONE.

    revisions: which object and number each revision belongs to; writers and watchers must agree on it.
    names: how all objects' names begin. may_fail: whether requests may go unanswered, and watches be cut off.
    """

    states: dict[str, list[int]] = field(default_factory=dict)
    revisions: dict[int, tuple[str, int]] = field(default_factory=dict)
    names: str = "w"
    may_fail: bool = True
    acknowledged: int = 0
    is_over: bool = False

    @property
    def last(self) -> str:
        """The object by which watchers know that it is over."""
        return f"{self.names}-last"

    def excuse(self, failure: str) -> None:
        """Return if something may fail."""
        assert self.may_fail, failure

    def note_revision(self, revision: int, name: str, number: int) -> None:
        """Note what a revision is of. Fails where it is something else's."""
        assert self.revisions.setdefault(revision, (name, number)) == (name, number), f"revision {revision} used twice"


class Writer:
    """Writes one object."""

    def __init__(self, name: str, wires: list[Wire], ledger: Ledger, source: random.Random) -> None:
        """wires: to the servers that it asks, one after another."""
        self._name = name
        self._wires = wires
        self._ledger = ledger
        self._source = source
        self._states = ledger.states.setdefault(name, [])
        self._version = ""
        self._number = 0

    async def run(self) -> None:
        """Write until it is over."""
        while not self._ledger.is_over:
            self._number += 1
            is_there = bool(self._states) and self._states[-1] != GONE
            wanted = GONE if is_there and self._source.random() < 0.1 else self._number
            try:
                reply = await self._write(wanted, is_there=is_there)
            except LOST:
                await self._look_up(wanted)
            else:
                await self._take(reply, wanted)

    async def _write(self, wanted: int, *, is_there: bool) -> Reply:
        wire = self._source.choice(self._wires)
        if wanted == GONE:
            return await wire.send("DELETE", f"{MAPS}/{self._name}")
        body = config_map(self._name, data={"n": str(wanted)})
        if not is_there:
            return await wire.send("POST", MAPS, body)
        body["metadata"]["resourceVersion"] = self._version
        return await wire.send("PUT", f"{MAPS}/{self._name}", body)

    async def _take(self, reply: Reply, wanted: int) -> None:
        if reply.status in AWAY:
            await self._look_up(wanted)
            return
        assert reply.status in (200, 201), (self._name, wanted, self._states[-3:], reply)
        self._ledger.acknowledged += 1
        self._keep(wanted, reply.json["metadata"].get("resourceVersion", "") if wanted != GONE else "")

    def _keep(self, number: int, version: str) -> None:
        self._states.append(number)
        self._version = version
        if version:
            self._ledger.note_revision(int(version), self._name, number)

    async def _look_up(self, wanted: int) -> None:
        """Find out whether a write without an answer happened; nothing but it may have."""
        self._ledger.excuse(f"{self._name}: a write of {wanted} was not answered")
        reply = await answered(lambda: self._wires[0].send("GET", f"{MAPS}/{self._name}"))
        before = self._states[-1] if self._states else GONE
        found = GONE if reply.status == 404 else int(reply.json["data"]["n"])
        assert found in (before, wanted), f"{self._name} is {found} after {before}, then {wanted} without an answer"
        if found != before:
            self._keep(found, "" if found == GONE else reply.json["metadata"]["resourceVersion"])


async def answered(ask: Callable[[], Awaitable[Reply]]) -> Reply:
    """Return the answer to a request, asked until the server is there to answer it."""
    while True:
        try:
            reply = await ask()
        except LOST:
            pass
        else:
            if reply.status not in AWAY:
                return reply
        await asyncio.sleep(RETRY_S)


class Watcher:
    """Follows all objects, from where it was whenever it was cut off; lists anew where it is told to.

    heard: for each object its states one after another, and the revision of the list that told of one, 0 for an event.
    """

    def __init__(self, wire: Wire, ledger: Ledger) -> None:
        self._wire = wire
        self._ledger = ledger
        self._revision = 0
        self.heard: dict[str, list[tuple[int, int]]] = {}
        self.lists = 0

    async def run(self) -> None:
        """Watch until the last object comes by."""
        while self._ledger.last not in self.heard:
            try:
                if not self._revision:
                    await self._list()
                await self._watch()
            except LOST:
                self._ledger.excuse("a watch was cut off")
                await asyncio.sleep(RETRY_S)

    async def _list(self) -> None:
        reply = await answered(lambda: self._wire.send("GET", MAPS))
        found = {item["metadata"]["name"]: item for item in reply.json["items"]}
        self._revision = int(reply.json["metadata"]["resourceVersion"])
        for name in {*found, *self._ledger.states} - ({self._ledger.last} - found.keys()):
            self._tell(name, found.get(name), self._revision)
        self.lists += 1

    async def _watch(self) -> None:
        path = f"{MAPS}?watch=1&resourceVersion={self._revision}&timeoutSeconds=60"
        async with self._wire.stream(path) as (status, lines):
            if status == 410:
                self._revision = 0
            elif status != 200:
                assert status in AWAY, status
                await asyncio.sleep(RETRY_S)
            else:
                await self._follow(lines)

    async def _follow(self, lines: AsyncIterator[Any]) -> None:
        async for line in lines:
            if line["type"] == "ERROR":
                assert line["object"]["code"] == 410, line
                self._revision = 0
                return
            self._hear(line["type"], line["object"])
            if self._ledger.last in self.heard:
                return

    def _hear(self, event: str, obj: dict[str, Any]) -> None:
        name, revision = obj["metadata"]["name"], int(obj["metadata"]["resourceVersion"])
        assert revision > self._revision, f"{name}: revision {revision} comes after {self._revision}"
        self._revision = revision
        if event == "DELETED":
            self._ledger.note_revision(revision, name, GONE)
            self.heard.setdefault(name, []).append((GONE, 0))
        else:
            self._tell(name, obj, 0)

    def _tell(self, name: str, obj: dict[str, Any] | None, listed_at: int) -> None:
        number = GONE if obj is None else int(obj["data"]["n"])
        if obj is not None:
            self._ledger.note_revision(int(obj["metadata"]["resourceVersion"]), name, number)
        self.heard.setdefault(name, []).append((number, listed_at))

    def check(self) -> None:
        """Return if each object was heard of as it was written: all states in order, those before a list excepted."""
        for name, states in self._ledger.states.items():
            place = 0
            for number, listed_at in self.heard.get(name, []):
                if listed_at:
                    place = max(place, self._place_of(name, number, listed_at))
                else:
                    assert states[place : place + 1] == [number], (name, place, number, states[place:][:5])
                    place += 1
            assert place == len(states), (name, place, states[-3:])

    def _place_of(self, name: str, number: int, listed_at: int) -> int:
        """Return how many states an object had been through when a list showed it with a number, or not at all."""
        states = self._ledger.states[name]
        if number != GONE:
            return states.index(number) + 1
        written = {number: revision for revision, (of, number) in self._ledger.revisions.items() if of == name}
        before = [place for place, state in enumerate(states) if state != GONE and written[state] <= listed_at]
        if not before:
            return 0
        assert states[before[-1] + 1] == GONE, (name, listed_at, states[before[-1] :][:5])
        return before[-1] + 2


@asynccontextmanager
async def load(
    wires: list[Wire], source: random.Random, *, names: str = "w", may_fail: bool = True
) -> AsyncIterator[Ledger]:
    """Keep WRITERS writing and WATCHERS watching while the block runs; then check all that they saw."""
    ledger = Ledger(names=names, may_fail=may_fail)
    watchers = [Watcher(wires[number % len(wires)], ledger) for number in range(WATCHERS)]
    writers = [Writer(f"{names}{number}", wires, ledger, random.Random(source.random())) for number in range(WRITERS)]
    async with asyncio.TaskGroup() as group:
        watching = [group.create_task(watcher.run()) for watcher in watchers]
        writing = [group.create_task(writer.run()) for writer in writers]
        yield ledger
        ledger.is_over = True
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*writing)
            last = config_map(ledger.last, data={"n": "1"})
            await answered(lambda: wires[0].send("POST", MAPS, last))
            await asyncio.gather(*watching)
    for watcher in watchers:
        watcher.check()


async def until_written(ledger: Ledger, more: int) -> None:
    """Return when so many more writes have been acknowledged."""
    wanted = ledger.acknowledged + more
    async with asyncio.timeout(PATIENCE_S):
        while ledger.acknowledged < wanted:
            await asyncio.sleep(0.005)
