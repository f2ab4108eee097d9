"""One node's pods between a fake API and a fake runtime, behind the real CRI client."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kube.api import core_v1 as api_v1
from kube.api.core_v1 import Event, Pod
from kube.client import Selection
from kube.clock import Clock, SystemClock
from kube.events import EventRecorder
from kube.informer import Informer
from kube.quantity import Quantity
from kube.runner import Runner
from nodeagent.cri.client import Cri
from nodeagent.pods.images import ImagePuller
from nodeagent.pods.references import ReferenceCache
from nodeagent.pods.room import PodRoom, PodSettings
from nodeagent.pods.roster import Roster
from nodeagent.pods.static_keeper import StaticKeeper
from nodeagent.pods.status import NodeFacts
from nodeagent.pods.user_ranges import UserRanges
from nodeagent.pods.view import BackoffLimits
from nodeagent.pods.volumes import NodeDirs
from tests.kube.fake_client import FakeClient
from tests.nodeagent.fake_cri import FakeRuntime

WAIT_S = 5.0
ALLOCATABLE = {"cpu": Quantity("4"), "memory": Quantity("4Gi"), "pods": Quantity("20")}


@dataclass
class Node:
    """A node agent's pods between a fake API and a fake runtime."""

    api: FakeClient
    runtime: FakeRuntime
    roster: Roster
    room: PodRoom

    def pod(self, name: str = "web") -> Pod:
        """Return the pod as it is stored."""
        return next(one for one in self.api.stored(Pod) if one.metadata.name == name)

    def is_ready(self, name: str = "web") -> bool:
        """Say whether the stored pod is ready."""
        return is_ready(self.pod(name))

    def is_gone(self, name: str = "web") -> bool:
        """Say whether the pod is stored no more."""
        return all(one.metadata.name != name for one in self.api.stored(Pod))

    def reason(self, name: str = "web") -> str:
        """Return why the pod's first container waits."""
        statuses = self.pod(name).status.container_statuses
        waiting = statuses[0].state.waiting if statuses else None
        return waiting.reason if waiting is not None else ""

    def reasons(self) -> list[str]:
        """Return the reasons of all events."""
        return [event.reason for event in self.api.stored(Event)]


def is_ready(found: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in found.status.conditions)


async def until(holds: Callable[[], bool], what: str = "") -> None:
    """Return when a condition holds; fail after a while."""
    end = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"never came true within {WAIT_S:g}s: {what or holds}")
        await asyncio.sleep(0.002)


@asynccontextmanager
async def agent(
    api: FakeClient, runtime: FakeRuntime, folder: Path, *, static: Path | None = None, clock: Clock | None = None
) -> AsyncIterator[Node]:
    """Run a node agent's pods for the length of a block. static: the folder of static pods."""
    cri = Cri(f"unix:{runtime.socket}")
    dirs = NodeDirs(folder / "state", folder / "run")
    for made in (dirs.state / "pods", dirs.state / "logs", dirs.run / "pods"):
        made.mkdir(parents=True, exist_ok=True)
    async with Runner() as runner:
        recorder = EventRecorder(api, "kubelet")
        room = PodRoom(
            client=api,
            cri=cri,
            clock=clock or SystemClock(),
            runner=runner,
            recorder=recorder,
            references=ReferenceCache(api, runner),
            images=ImagePuller(cri),
            dirs=dirs,
            users=UserRanges(dirs.pods),
            node=NodeFacts(("192.0.2.1",), "fake"),
            settings=PodSettings(ALLOCATABLE, 4 << 30, limits=BackoffLimits(0.05, 0.2)),
            services=lambda: (),
        )
        pods = Informer(api, Pod, Selection(field_selector="spec.nodeName=n1"))
        roster = Roster(room, pods)
        runner.start("events", recorder.run)
        runner.start("informer", pods.run)
        runner.start("roster", roster.run)
        if static is not None:
            nodes = Informer(api, api_v1.Node)
            runner.start("nodes", nodes.run)
            runner.start("static", StaticKeeper(static, room, roster, node="n1", nodes=nodes, pods=pods).run)
            await until(static.is_dir)
        yield Node(api, runtime, roster, room)
    await cri.close()
