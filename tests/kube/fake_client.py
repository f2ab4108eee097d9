"""A Client on a dictionary: the API's promises about revisions, conflicts, watches and deletion, without a server.

It keeps the contract of kube.client (tests/contracts/test_client.py holds it to that) but sets no defaults and
validates nothing.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

import msgspec

from kube import codec, errors
from kube.client import (
    EVERYTHING,
    Client,
    ConnectionLost,
    EventType,
    Page,
    PatchType,
    Preconditions,
    PropagationPolicy,
    Selection,
    WatchEvent,
)
from kube.clock import Clock, SystemClock
from kube.kinds import Resource, kind_of
from kube.names import generated_name
from kube.objects import ObjectKey, key_of, with_metadata
from kube.patch.json_patch import apply_json_patch
from kube.patch.merge_patch import apply_merge_patch
from kube.patch.strategic import apply_strategic_patch
from kube.selectors import FieldSelector, LabelSelector, parse_field_selector, parse_label_selector
from kube.times import to_time

T = TypeVar("T", bound=Resource)
A = TypeVar("A")

NO_PRECONDITIONS: Final = Preconditions()

_FIRST_REVISION: Final = 100


@dataclass(frozen=True, slots=True)
class _Change:
    """One write: the object before and after it."""

    revision: int
    cls: type[Any]
    old: Any
    new: Any


class FakeClient(Client):
    """Objects in memory. Tests may look at `requests`, raise `failures`, and `compact` or `disconnect` watches."""

    def __init__(self, *objects: Resource, clock: Clock | None = None) -> None:
        self.requests: list[str] = []
        """Each call so far: "create Pod default/web"."""
        self.failures: list[Exception] = []
        """What the next calls raise, first one first."""
        self.revision = _FIRST_REVISION
        self.connections = 0
        """How many watches are open."""
        self._clock = clock or SystemClock()
        self._objects: dict[tuple[type[Any], ObjectKey], Any] = {}
        self._changes: list[_Change] = []
        self._compacted = _FIRST_REVISION
        self._random = random.Random(1)
        self._news = asyncio.Event()
        self._cuts = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        for obj in objects:
            self.put(obj)

    def put(self, obj: T) -> T:
        """Store an object as somebody else would: no conflict, no request noted."""
        cls: type[T] = type(obj)
        old: T | None = self._objects.get((cls, key_of(obj)))
        return self._write(cls, old, obj)

    def drop(self, cls: type[T], name: str, namespace: str = "") -> None:
        """Remove an object as somebody else would, whatever finalizers it has."""
        self._erase(cls, self._objects[cls, ObjectKey(namespace, name)])

    def stored(self, cls: type[T]) -> list[T]:
        """Return all objects of a kind, by name."""
        return [obj for (kind, _), obj in sorted(self._objects.items(), key=lambda i: i[0][1]) if kind is cls]

    def compact(self) -> None:
        """Forget all changes so far: a watch from before is answered 410."""
        self._compacted = self.revision
        self._changes.clear()

    def hold(self) -> None:
        """Have watches tell nothing until `release`, as a slow network does."""
        self._flowing.clear()

    def release(self) -> None:
        """Let watches tell what they held."""
        self._flowing.set()

    def disconnect(self) -> None:
        """Break every open watch."""
        self._cuts += 1
        self._tell()

    async def get(self, cls: type[T], name: str, *, namespace: str = "") -> T:
        """Return one object."""
        self._request("get", cls, namespace, name)
        return self._find(cls, name, namespace)

    async def list(
        self,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> Page[T]:
        """Return what matches, by namespace and name. A token continues where the page before it ended."""
        self._request("list", cls, selection.namespace, "")
        matches = _Filter(selection)
        found = [obj for obj in self.stored(cls) if matches(obj) and str(key_of(obj)) > continue_token]
        page = found[:limit] if limit else found
        more = str(key_of(page[-1])) if len(page) < len(found) else ""
        return Page(page, str(self.revision), more)

    async def watch(
        self,
        cls: type[T],
        selection: Selection = EVERYTHING,
        *,
        resource_version: str = "",
        timeout_s: float = 0,
    ) -> AsyncIterator[WatchEvent[T]]:
        """Yield changes, bookmarks for those of other kinds; objects that leave the selection are DELETED."""
        self._request("watch", cls, selection.namespace, resource_version)
        matches = _Filter(selection)
        cuts, seen = self._cuts, int(resource_version or 0)
        if seen == 0:
            seen = self.revision
            for obj in self.stored(cls):
                if matches(obj):
                    yield WatchEvent(EventType.ADDED, obj, obj.metadata.resource_version)
        end_s = self._clock.monotonic_s() + timeout_s if timeout_s else None
        self.connections += 1
        try:
            while end_s is None or self._clock.monotonic_s() < end_s:
                if self._cuts != cuts:
                    raise ConnectionLost("the fake was disconnected")
                if seen < self._compacted:
                    raise errors.expired(f"too old resource version: {seen} ({self._compacted})")
                news = self._news
                for change in [change for change in self._changes if change.revision > seen]:
                    seen = change.revision
                    event = _event(change, matches) if change.cls is cls else None
                    yield event or WatchEvent(EventType.BOOKMARK, None, str(seen))
                if seen == self.revision and self._cuts == cuts:
                    await news.wait()
                await self._flowing.wait()
        finally:
            self.connections -= 1

    async def create(self, obj: T, *, dry_run: bool = False) -> T:
        """Store a new object."""
        meta = obj.metadata
        if not meta.name:
            obj = with_metadata(obj, name=generated_name(meta.generate_name, self._random))
        self._request("create", type(obj), meta.namespace, obj.metadata.name)
        if (type(obj), key_of(obj)) in self._objects:
            raise errors.already_exists(kind_of(type(obj)), obj.metadata.name)
        now = to_time(self._clock.now())
        obj = with_metadata(obj, creation_timestamp=now, generation=1, uid="", resource_version="")
        return obj if dry_run else self._write(type(obj), None, obj)

    async def update(self, obj: T, *, subresource: str = "") -> T:
        """Replace an object, or only its status."""
        self._request(f"update {subresource}".strip(), type(obj), obj.metadata.namespace, obj.metadata.name)
        old = self._find(type(obj), obj.metadata.name, obj.metadata.namespace)
        wanted = obj.metadata.resource_version
        if wanted and wanted != old.metadata.resource_version:
            raise errors.stale(kind_of(type(obj)), obj.metadata.name)
        return self._replace(old, obj, subresource)

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
        """Change an object by one of the three patches; APPLY is refused, as a server without it does."""
        self._request(f"patch {subresource}".strip(), cls, namespace, name)
        old = self._find(cls, name, namespace)
        plain, change = codec.to_plain(old), codec.to_plain(patch)
        match patch_type:
            case PatchType.JSON:
                plain = apply_json_patch(plain, change)
            case PatchType.MERGE:
                plain = apply_merge_patch(plain, change)
            case PatchType.STRATEGIC:
                plain = apply_strategic_patch(plain, change, cls)
            case PatchType.APPLY:
                raise errors.unsupported_media_type("the fake client has no server-side apply; use another patch type")
        new = codec.from_plain(plain, cls)
        if new.metadata.resource_version != old.metadata.resource_version:
            raise errors.stale(kind_of(cls), name)
        return self._replace(old, new, subresource)

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
        """Delete an object, or mark it where a finalizer or a running pod's grace keeps it."""
        self._request("delete", cls, namespace, name)
        old = self._find(cls, name, namespace)
        meta = old.metadata
        if preconditions.uid not in ("", meta.uid):
            raise errors.conflict(
                kind_of(cls), name, f"Precondition failed: UID: {preconditions.uid}, found: {meta.uid}"
            )
        if preconditions.resource_version not in ("", meta.resource_version):
            raise errors.conflict(kind_of(cls), name, "Precondition failed: ResourceVersion in precondition is stale")
        wait_s = _grace_s(old) if grace_s is None else min(grace_s, _grace_s(old))
        finalizers = [*meta.finalizers]
        added = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation)
        if added and added not in finalizers:
            finalizers.append(added)
        if not wait_s and not finalizers:
            return self._erase(cls, old)
        marked = with_metadata(
            old,
            finalizers=tuple(finalizers),
            deletion_timestamp=meta.deletion_timestamp or to_time(self._clock.now()),
            deletion_grace_period_seconds=wait_s,
        )
        return self._write(cls, old, marked)

    async def create_subresource(self, cls: type[T], name: str, subresource: str, body: A, *, namespace: str = "") -> A:
        """Bind or evict a pod; others only have to name an object that exists."""
        self._request(f"create {subresource}", cls, namespace, name)
        old = self._find(cls, name, namespace)
        if subresource == "binding":
            target = cast("Any", body).target.name
            if cast("Any", old).spec.node_name:
                raise errors.conflict(kind_of(cls), name, "pod is already assigned to a node")
            pod = cast("Any", old)
            self._write(
                cls, old, msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name=target))
            )
        elif subresource == "eviction":
            self._erase(cls, old)
        return body

    async def close(self) -> None:
        """End every watch."""
        self.disconnect()

    def _request(self, verb: str, cls: type[Any], namespace: str, name: str) -> None:
        self.requests.append(f"{verb} {cls.__name__} {ObjectKey(namespace, name)}".strip())
        if self.failures:
            raise self.failures.pop(0)

    def _find(self, cls: type[T], name: str, namespace: str) -> T:
        found = self._objects.get((cls, ObjectKey(namespace, name)))
        if found is None:
            raise errors.not_found(kind_of(cls), name)
        return cast("T", found)

    def _replace(self, old: T, new: T, subresource: str) -> T:
        """Store an update with the fields that its door may change."""
        meta, before = new.metadata, cast("Any", old)
        if subresource == "status":
            new = msgspec.structs.replace(before, status=cast("Any", new).status)
        elif not subresource and "status" in kind_of(type(old)).subresources:
            new = msgspec.structs.replace(cast("Any", new), status=before.status)
        new = with_metadata(
            new,
            resource_version=old.metadata.resource_version,
            uid=old.metadata.uid,
            creation_timestamp=old.metadata.creation_timestamp,
            deletion_timestamp=old.metadata.deletion_timestamp,
            deletion_grace_period_seconds=old.metadata.deletion_grace_period_seconds,
            generation=old.metadata.generation,
        )
        if new == old:
            return old
        if not subresource and getattr(new, "spec", None) != getattr(old, "spec", None):
            new = with_metadata(new, generation=old.metadata.generation + 1)
        if meta.deletion_timestamp and not meta.finalizers and not old.metadata.deletion_grace_period_seconds:
            return self._erase(type(old), new)
        return self._write(type(old), old, new)

    def _write(self, cls: type[T], old: T | None, new: T) -> T:
        self.revision += 1
        uid = new.metadata.uid or (old.metadata.uid if old else f"uid-{self.revision}")
        new = with_metadata(new, resource_version=str(self.revision), uid=uid)
        self._objects[cls, key_of(new)] = new
        self._note(cls, old, new)
        return new

    def _erase(self, cls: type[T], old: T) -> T:
        self.revision += 1
        last = with_metadata(old, resource_version=str(self.revision))
        del self._objects[cls, key_of(old)]
        self._note(cls, last, None)
        return last

    def _note(self, cls: type[Any], old: Any, new: Any) -> None:
        self._changes.append(_Change(self.revision, cls, old, new))
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class _Filter:
    """Whether an object is in a selection."""

    def __init__(self, selection: Selection) -> None:
        self._namespace = selection.namespace
        self._labels: LabelSelector = parse_label_selector(selection.label_selector)
        self._fields: FieldSelector = parse_field_selector(selection.field_selector)

    def __call__(self, obj: Resource | None) -> bool:
        if obj is None or (self._namespace and obj.metadata.namespace != self._namespace):
            return False
        if not self._labels.matches(obj.metadata.labels):
            return False
        return self._fields.is_empty or self._fields.matches(_fields(codec.to_plain(obj)))


def _fields(plain: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return every scalar of an object by its path."""
    found: dict[str, str] = {}
    for key, value in plain.items():
        if isinstance(value, dict):
            found |= _fields(value, f"{prefix}{key}.")
        elif not isinstance(value, list):
            found[prefix + key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found


def _event(change: _Change, matches: _Filter) -> WatchEvent[Any] | None:
    """Return what a watcher with that filter sees of a change, None where it sees nothing."""
    was, is_now = matches(change.old), matches(change.new)
    revision = str(change.revision)
    if is_now:
        return WatchEvent(EventType.MODIFIED if was else EventType.ADDED, change.new, revision)
    return (
        WatchEvent(EventType.DELETED, with_metadata(change.old, resource_version=revision), revision) if was else None
    )


def _grace_s(obj: Any) -> int:
    """Return how long an object may take to end: only pods that are bound and have not ended take any time."""
    if type(obj).__name__ != "Pod" or not obj.spec.node_name or obj.status.phase in ("Succeeded", "Failed"):
        return 0
    wanted = obj.spec.termination_grace_period_seconds
    return 30 if wanted is None else int(wanted)
