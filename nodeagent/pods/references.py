"""Have the ConfigMaps and Secrets that pods refer to at hand, and hear when one changes.

Keeps true: an object is watched as long as some pod refers to it and no longer, and not at all once it says that it is
immutable; what a pod gets is never older than its own binding, as each watch begins with a read.
Reads ConfigMaps and Secrets, one watch per object; writes nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from kube.api.core_v1 import ConfigMap, Secret
from kube.client import Client, Selection
from kube.informer import Informer
from kube.runner import Runner
from nodeagent.pods.environment import References

T = TypeVar("T", ConfigMap, Secret)

SYNC_TIMEOUT_S: Final = 10.0


@dataclass(slots=True)
class _Watched(Generic[T]):
    """One object that pods refer to.

    users: the uids of those pods, with what to call when it changes. is_final: it never will, and is watched no more.
    """

    informer: Informer[T]
    task: asyncio.Task[None]
    users: dict[str, Callable[[], None]]
    is_final: bool = False


class _Kept(Generic[T]):
    """The watched objects of one kind."""

    def __init__(self, client: Client, cls: type[T], runner: Runner) -> None:
        self._client = client
        self._cls: type[T] = cls
        self._runner = runner
        self._watched: dict[tuple[str, str], _Watched[T]] = {}

    async def get(self, namespace: str, name: str, uid: str, on_change: Callable[[], None]) -> T | None:
        watched = self._watched.get((namespace, name))
        if watched is None or (watched.is_final and uid not in watched.users):
            watched = self._watch(namespace, name, watched.users if watched is not None else {})
        watched.users[uid] = on_change
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            await watched.informer.wait_synced()
        found = watched.informer.get(name, namespace)
        if found is not None and found.immutable:
            watched.is_final = True
            watched.task.cancel()
        return found

    def _watch(self, namespace: str, name: str, users: dict[str, Callable[[], None]]) -> _Watched[T]:
        selection = Selection(namespace=namespace, field_selector=f"metadata.name={name}")
        informer = Informer(self._client, self._cls, selection)
        task = self._runner.start(f"{self._cls.__name__} {namespace}/{name}", informer.run)
        watched = self._watched[namespace, name] = _Watched(informer, task, users)

        def tell(_old: T | None, _new: T | None) -> None:
            if informer.synced:
                for on_change in list(watched.users.values()):
                    on_change()

        informer.on_change(tell)
        return watched

    def release(self, uid: str, keep: set[tuple[str, str]]) -> None:
        for key, watched in list(self._watched.items()):
            if key not in keep and watched.users.pop(uid, None) is not None and not watched.users:
                watched.task.cancel()
                del self._watched[key]


class ReferenceCache:
    """What the pods of this node refer to."""

    def __init__(self, client: Client, runner: Runner) -> None:
        self._config_maps = _Kept(client, ConfigMap, runner)
        self._secrets = _Kept(client, Secret, runner)

    async def get(
        self, namespace: str, config_maps: set[str], secrets: set[str], uid: str, on_change: Callable[[], None]
    ) -> References:
        """Return the objects of those names; from now on the pod `uid` hears of their changes. Raises TimeoutError."""
        maps, hidden = sorted(config_maps), sorted(secrets)
        found_maps, found_secrets = await asyncio.gather(
            asyncio.gather(*(self._config_maps.get(namespace, name, uid, on_change) for name in maps)),
            asyncio.gather(*(self._secrets.get(namespace, name, uid, on_change) for name in hidden)),
        )
        return References(dict(zip(maps, found_maps, strict=True)), dict(zip(hidden, found_secrets, strict=True)))

    def release(self, uid: str) -> None:
        """Forget what a pod referred to."""
        self._config_maps.release(uid, set())
        self._secrets.release(uid, set())
