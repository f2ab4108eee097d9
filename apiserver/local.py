"""The Client for the rooms in the server's own process: the same pipeline, without sockets and JSON.

Objects that come back are those the cache holds: shared, and never changed in place.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from apiserver.applying import read_configuration
from apiserver.cache import Cache
from apiserver.fanout import Told
from apiserver.identity import AUTHENTICATED, User
from apiserver.item import Item
from apiserver.options import ListOptions, WriteOptions
from apiserver.patching import Patch
from apiserver.paths import Target
from apiserver.pipeline import Permit, Pipeline
from apiserver.selection import parse_selection
from apiserver.versions import as_served
from apiserver.watching import start_revision
from kube.api.meta_v1 import DeleteOptions, Status
from kube.api.meta_v1 import Preconditions as ApiPreconditions
from kube.client import (
    EVERYTHING,
    A,
    Client,
    EventType,
    Page,
    PatchType,
    Preconditions,
    PropagationPolicy,
    Selection,
    T,
    WatchEvent,
)
from kube.codec import encode
from kube.errors import expired
from kube.kinds import Kind, kind_of

PENDING_MAX: Final = 100_000
NO_PRECONDITIONS: Final = Preconditions()


@dataclass(frozen=True)
class LocalForm:
    """Events as typed values."""

    kind: Kind

    def payload(self, told: Iterable[Told]) -> tuple[WatchEvent[Any], ...]:
        """Return the events of one moment."""
        return tuple(
            WatchEvent(event.type, as_served(event.item.obj, self.kind), str(event.item.revision)) for event in told
        )

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> tuple[WatchEvent[Any], ...]:
        """Return a bookmark."""
        return () if ends_initial else (WatchEvent(EventType.BOOKMARK, None, str(revision)),)

    def after_first(self) -> "LocalForm":
        """All are alike."""
        return self


class LocalSink:
    """The end of a watch that a task of this process reads."""

    wants_bookmarks: Final = True

    def __init__(self) -> None:
        """Begin empty."""
        self._events: deque[WatchEvent[Any]] = deque()
        self._filled = asyncio.Event()
        self._is_cut = False

    def send(self, payload: tuple[WatchEvent[Any], ...]) -> None:
        """Keep events until they are read."""
        self._events.extend(payload)
        self._filled.set()

    def cut(self) -> None:
        """Have the reader list again."""
        self._is_cut = True
        self._filled.set()

    async def next(self, until_s: float | None) -> WatchEvent[Any]:
        """Return the next event. Raises TimeoutError past the loop's time `until_s`, ApiError 410 for a late reader."""
        if len(self._events) > PENDING_MAX:
            raise expired(f"too old resource version: {len(self._events)} events were not read; list again")
        while not self._events:
            if self._is_cut:
                raise expired("the watch was cut; list again")
            self._filled.clear()
            async with asyncio.timeout_at(until_s):
                await self._filled.wait()
        return self._events.popleft()


class LocalClient(Client):
    """Speaks for one user."""

    def __init__(self, pipeline: Pipeline, user: User, manager: str = "") -> None:
        """user: a component, whose permissions apply. manager: of the fields that it writes; "" for its name."""
        self._pipeline = pipeline
        self._user = user
        self._plain = WriteOptions(field_manager=manager or user.name.removeprefix("system:"))

    @property
    def _cache(self) -> Cache:
        return self._pipeline.readings.cache

    async def get(self, cls: type[T], name: str, *, namespace: str = "") -> T:
        """Return one object."""
        target = Target(kind_of(cls), namespace, name)
        return _typed(await self._pipeline.get(self._user, target), cls)

    async def list(
        self,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> Page[T]:
        """Return the objects of a selection."""
        kind = kind_of(cls)
        options = ListOptions(
            label_selector=selection.label_selector,
            field_selector=selection.field_selector,
            resource_version=resource_version,
            limit=limit,
            continue_token=continue_token,
        )
        listed = await self._pipeline.list(self._user, Target(kind, selection.namespace), options)
        items: list[T] = [_typed(item, cls) for item in listed.items]
        return Page(items, str(listed.info.revision), listed.info.continue_token)

    async def watch(
        self,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        resource_version: str = "",
        timeout_s: float = 0,
    ) -> AsyncIterator[WatchEvent[T]]:
        """Yield every change in order."""
        kind = kind_of(cls)
        self._pipeline.authorize(self._user, "watch", Target(kind, selection.namespace), selection.field_selector)
        parsed = parse_selection(kind, selection.namespace, selection.label_selector, selection.field_selector)
        since = await start_revision(self._cache, ListOptions(resource_version=resource_version))
        sink, form = LocalSink(), LocalForm(kind)
        first, _ = self._cache.watch(kind, parsed, form, sink, since=since)
        sink.send(form.payload(first))
        until_s = asyncio.get_running_loop().time() + timeout_s if timeout_s else None
        try:
            while True:
                yield await sink.next(until_s)
        except TimeoutError:
            return
        finally:
            self._cache.unwatch(kind, parsed, sink)

    async def create(self, obj: T, *, dry_run: bool = False) -> T:
        """Store a new object."""
        kind = kind_of(type(obj))
        target = Target(kind, obj.metadata.namespace)
        options = replace(self._plain, dry_run=True) if dry_run else self._plain
        return _typed(await self._pipeline.create(self._may("create", target), obj, options), type(obj))

    async def update(self, obj: T, *, subresource: str = "") -> T:
        """Replace an object, or what a subresource shows of it."""
        target = Target(kind_of(type(obj)), obj.metadata.namespace, obj.metadata.name, subresource)
        return _typed((await self._pipeline.update(self._may("update", target), obj, self._plain))[0], type(obj))

    async def patch(
        self,
        cls: type[T],
        name: str,
        patch: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        *,
        namespace: str = "",
        subresource: str = "",
        patch_type: PatchType = PatchType.MERGE,
        field_manager: str = "",
        force: bool = False,
    ) -> T:
        """Change parts of an object."""
        target = Target(kind_of(cls), namespace, name, subresource)
        options = replace(self._plain, field_manager=field_manager or self._plain.field_manager, force=force)
        if patch_type is PatchType.APPLY:
            config = read_configuration(target.kind, encode(patch), options, name=name, subresource=subresource)
            return _typed((await self._pipeline.apply(self._may("patch", target), config, options))[0], cls)
        parsed = Patch(target.kind, encode(patch), patch_type.value, "Strict")
        return _typed(await self._pipeline.patch(self._may("patch", target), parsed, options), cls)

    async def delete(
        self,
        cls: type[T],
        name: str,
        *,
        namespace: str = "",
        grace_s: int | None = None,
        propagation: PropagationPolicy = "",
        preconditions: Preconditions = NO_PRECONDITIONS,
    ) -> T | None:
        """Delete an object, or begin to."""
        target = Target(kind_of(cls), namespace, name)
        wanted = ApiPreconditions(
            uid=preconditions.uid or None, resource_version=preconditions.resource_version or None
        )
        options = DeleteOptions(
            grace_period_seconds=grace_s, propagation_policy=propagation or None, preconditions=wanted
        )
        return _typed((await self._pipeline.delete(self._may("delete", target), options)).item, cls)

    async def create_subresource(self, cls: type[T], name: str, subresource: str, body: A, *, namespace: str = "") -> A:
        """Post to an object's subresource."""
        target = Target(kind_of(cls), namespace, name, subresource)
        answer = await self._pipeline.post(self._may("create", target), body)
        return body if isinstance(answer, Status) else cast("A", answer)

    def _may(self, verb: str, target: Target) -> Permit:
        return self._pipeline.authorize(self._user, verb, target)

    async def close(self) -> None:
        """Nothing is held: watches end when their readers do."""


def component(name: str) -> User:
    """Return a component of the cluster as a user."""
    return User(name, (AUTHENTICATED,))


def _typed(item: Item, cls: type[T]) -> T:
    return cast("T", as_served(item.obj, kind_of(cls)))
