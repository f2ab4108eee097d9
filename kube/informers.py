"""The informers of one process: one for each kind, however many rooms ask.

Keeps true: rooms that share a process share one list and one watch of each kind. Each informer has the same indexes:

    namespace    the object's namespace
    controller   the uid of the owner that manages it
    orphan       its namespace, for objects that nobody manages
    node         for Pods: the name of the node, "" before there is one
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast

from kube.api.core_v1 import Pod
from kube.client import Client
from kube.clock import Clock
from kube.informer import Informer
from kube.kinds import Resource
from kube.objects import controller_of

T = TypeVar("T", bound=Resource)

Index = Callable[[Any], Iterable[Hashable]]


class Informers:
    """Hands out the informer of a kind, made when it is first asked for. `run` must be running for them to fill."""

    def __init__(self, client: Client, clock: Clock | None = None) -> None:
        self._client = client
        self._clock = clock
        self._informers: dict[type[Any], Informer[Any]] = {}
        self._added = asyncio.Event()

    def of(self, cls: type[T]) -> Informer[T]:
        """Return the informer of all objects of a kind."""
        found = self._informers.get(cls)
        if found is None:
            indexes = {**_INDEXES, "node": _node} if cls is Pod else _INDEXES
            found = self._informers[cls] = Informer(self._client, cls, indexes=indexes, clock=self._clock)
            self._added.set()
        return cast("Informer[T]", found)

    async def run(self) -> None:
        """Keep all informers up to date, those that are asked for later too, for ever."""
        running: set[type[Any]] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                self._added.clear()
                for cls in self._informers.keys() - running:
                    running.add(cls)
                    group.create_task(self._informers[cls].run(), name=f"informer {cls.__name__}")
                await self._added.wait()


def _namespace(obj: Resource) -> tuple[str, ...]:
    return (obj.metadata.namespace,)


def _controller(obj: Resource) -> tuple[str, ...]:
    owner = controller_of(obj)
    return (owner.uid,) if owner else ()


def _orphan(obj: Resource) -> tuple[str, ...]:
    return () if controller_of(obj) else (obj.metadata.namespace,)


def _node(obj: Pod) -> tuple[str, ...]:
    return (obj.spec.node_name,)


_INDEXES: Final[Mapping[str, Index]] = {"namespace": _namespace, "controller": _controller, "orphan": _orphan}
