"""A cluster in one process for scenarios: the scheduler and the controllers on a client, and nodes that only pretend.

The pretended node agent does to pods what a real one does to their status: it runs those that are bound to its nodes,
and lets those go that are being deleted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from controllers.run import run_controllers
from controllers.world import ControllerSettings
from kube.api.core_v1 import Node, Pod, PodCondition, PodIP
from kube.client import Client
from kube.clock import Clock, SystemClock
from kube.codec import to_plain
from kube.errors import ApiError
from kube.informer import Informer
from kube.informers import Informers
from kube.kinds import Resource
from kube.objects import is_terminating, key_of
from kube.times import to_time
from kube.workqueue import WorkQueue
from scheduler.run import run_scheduler
from tests import make

T = TypeVar("T", bound=Resource)

PATIENCE_S: Final = 10.0


@dataclass(eq=False)
class PretendedNodes:
    """Marks bound pods Running and Ready, and ends those that are deleted. is_stuck: pods it leaves pending."""

    client: Client
    informers: Informers
    clock: Clock
    is_stuck: Callable[[Pod], bool] = lambda _: False
    dead: set[str] = field(default_factory=set)
    started: int = 0

    async def run(self) -> None:
        pods = self.informers.of(Pod)
        queue: WorkQueue[tuple[str, str]] = WorkQueue(self.clock)

        def hear(_: Pod | None, new: Pod | None) -> None:
            if new is not None and new.spec.node_name and new.spec.node_name not in self.dead:
                queue.add(key_of(new))

        pods.on_change(hear)
        while True:
            namespace, name = key = await queue.take()
            pod = pods.get(name, namespace)
            if pod is not None and pod.spec.node_name not in self.dead:
                try:
                    await self._tend(pod)
                except ApiError as error:
                    if error.code not in (404, 409):
                        raise
            queue.done(key)

    async def _tend(self, pod: Pod) -> None:
        meta = pod.metadata
        if is_terminating(pod):
            await self.client.delete(Pod, meta.name, namespace=meta.namespace, grace_s=0)
        elif pod.status.phase in ("", "Pending") and not self.is_stuck(pod):
            self.started += 1
            ip = f"10.244.{self.started // 250}.{self.started % 250 + 1}"
            ready = PodCondition(type="Ready", status="True", last_transition_time=to_time(self.clock.now()))
            kept = tuple(item for item in pod.status.conditions if item.type != "Ready")
            status = replace(pod.status, phase="Running", conditions=(*kept, ready), pod_ip=ip, pod_ips=(PodIP(ip=ip),))
            await self.client.update(replace(pod, status=status), subresource="status")


class Cluster:
    """What a scenario works with: the client to act, the informers to see."""

    def __init__(self, client: Client, nodes: PretendedNodes, informers: Informers) -> None:
        self.client = client
        self.nodes = nodes
        self.informers = informers
        self._news = asyncio.Event()
        self._heard: set[type[Any]] = set()

    def all(self, cls: type[T]) -> list[T]:
        """Return all objects of a kind, by name, as last heard of."""
        return sorted(self._informer(cls).all(), key=lambda obj: obj.metadata.name)

    def get(self, cls: type[T], name: str, namespace: str = "default") -> T | None:
        """Return one object as last heard of."""
        return self._informer(cls).get(name, namespace)

    def one(self, cls: type[T], name: str, namespace: str = "default") -> T:
        """Return one object that must be there."""
        found = self.get(cls, name, namespace)
        assert found is not None, f"{cls.__name__} {namespace}/{name} is not there"
        return found

    def pods(self, namespace: str = "default") -> list[Pod]:
        """Return the pods of a namespace that are not going away."""
        return [pod for pod in self.all(Pod) if pod.metadata.namespace == namespace and not is_terminating(pod)]

    async def until(self, told: Callable[[], object], what: str) -> None:
        """Return when `told()` holds, asked after each change; fail with `what` was awaited if that takes too long."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not told():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"waited {PATIENCE_S:g} s in vain for {what}") from None

    def _informer(self, cls: type[T]) -> Informer[T]:
        informer = self.informers.of(cls)
        if cls not in self._heard:
            self._heard.add(cls)
            informer.on_change(lambda old, new: self._news.set())
        return informer


@asynccontextmanager
async def cluster(
    client: Client,
    *,
    nodes: int = 2,
    settings: ControllerSettings | None = None,
    clock: Clock | None = None,
    is_stuck: Callable[[Pod], bool] = lambda _: False,
) -> AsyncIterator[Cluster]:
    """Run scheduler, controllers and pretended nodes on `client`."""
    clock = clock or SystemClock()
    informers = Informers(client, clock)
    pretended = PretendedNodes(client, informers, clock, is_stuck)
    for number in range(nodes):
        await register(client, make.node(f"node-{number}"))
    jobs = (
        informers.run(),
        run_scheduler(client, None, clock, informers),
        run_controllers(client, settings, clock, informers),
        pretended.run(),
    )
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        try:
            yield Cluster(client, pretended, informers)
        finally:
            for task in tasks:
                task.cancel()


async def register(client: Client, node: Node) -> None:
    """Create a node as an agent does: with its status."""
    bare = replace(node, metadata=replace(node.metadata, uid="", creation_timestamp=None))
    await client.create(bare)
    await client.patch(Node, node.metadata.name, {"status": to_plain(node.status)}, subresource="status")
