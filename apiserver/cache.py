"""The watch cache: what is stored, in memory, fed by one watch of the store.

Keeps true: objects appear here in the order of their revisions and every revision appears whole; `revision` is the one
up to which all is known. A write is answered only when it has been seen here, and a consistent read first asks the
store how far it is, so that a read sees every write answered before it, whichever server answered.
Reads the store; writes nothing. What watchers get comes from here alone.
Source: KEP-2340 (consistent reads from cache), KEP-3157 (watch list).
"""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Iterable, Iterator
from typing import Final

from apiserver.fanout import Fanout, Form, Sink, Told, judge
from apiserver.item import ROOT, Item, split_key, store_key
from apiserver.selection import Selection
from apiserver.shelf import INDEXED_FIELDS, Change, Place, Shelf
from apiserver.store.contract import Batch, Compacted, Entry, Event, Store, StoreUnavailable, Watch
from apiserver.unreadable import Unreadable, read, refusal
from apiserver.versions import stored_kind
from kube.client import EventType
from kube.errors import ApiError, expired, future_revision, not_found, unavailable
from kube.kinds import KINDS, Kind, Resource

LOG: Final = logging.getLogger("apiserver.cache")
WATCHED: Final = "/"
LOAD_PAGE: Final = 5000
SEEN_TIMEOUT_S: Final = 3.0
ARRIVAL_S: Final = 0.005
"""How long what was written last has to arrive by itself, before the store is asked how far all is told."""
RETRY_S: Final = 0.5


class Cache:
    """All stored objects of all kinds, and their watchers."""

    def __init__(self, store: Store) -> None:
        """Begin empty; `run` fills it."""
        self.revision = 0
        self.loaded = asyncio.Event()
        self._store = store
        self._watch: Watch | None = None
        self._kinds = {kind.resource: kind for kind in KINDS if stored_kind(kind) is kind and "get" in kind.verbs}
        self._shelves = {resource: Shelf(kind, 0) for resource, kind in self._kinds.items()}
        self._fanouts = {
            resource: Fanout(kind, INDEXED_FIELDS.get((kind.group, kind.kind), ""))
            for resource, kind in self._kinds.items()
        }
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._expected: dict[tuple[str, bytes], Resource] = {}
        self.unreadable: dict[str, Unreadable] = {}

    def shelf(self, kind: Kind) -> Shelf:
        """Return the objects of a kind, whichever version of it is asked for."""
        return self._shelves[stored_kind(kind).resource]

    def check_readable(self, kind: Kind, namespace: str = "", name: str = "") -> None:
        """Return if all of a collection, or that object, can be read. Raises ApiError 500."""
        if self.unreadable:
            stored = stored_kind(kind)
            if found := [each for each in self.unreadable.values() if each.belongs_to(stored, namespace, name)]:
                raise refusal(found)

    def absence(self, kind: Kind, namespace: str, name: str) -> ApiError:
        """Return why there is no such object: 404, or 500 where what is stored there can't be read."""
        found = self.unreadable.get(store_key(stored_kind(kind), namespace, name))
        return refusal([found]) if found else not_found(kind, name)

    def counts(self) -> dict[str, int]:
        """Return how many objects there are of each resource that has any."""
        return {resource: len(shelf) for resource, shelf in self._shelves.items() if len(shelf)}

    @property
    def is_following(self) -> bool:
        """Whether the store has been read, and what happens in it arrives here."""
        return self.loaded.is_set() and self._watch is not None and self._watch.is_connected

    @property
    def waiting(self) -> int:
        """How many wait to see a revision."""
        return len(self._waiting)

    def expect(self, key: str, value: bytes, obj: Resource) -> None:
        """Keep the typed form of what is about to be written, so that it needn't be decoded when it comes back."""
        self._expected[key, value] = obj

    def forget(self, key: str, value: bytes) -> None:
        """Drop what `expect` kept, when the write is over."""
        self._expected.pop((key, value), None)

    async def wait_seen(self, revision: int) -> None:
        """Return when all up to `revision` is known. Raises ApiError 504 if that takes too long."""
        if not await self._sees(revision, SEEN_TIMEOUT_S):
            raise future_revision(revision, self.revision)

    async def _sees(self, revision: int, timeout_s: float) -> bool:
        """Return when all up to `revision` is known, or the time is over; say whether it is known."""
        if self.revision >= revision:
            return True
        seen: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (revision, next(self._numbers), seen)
        heapq.heappush(self._waiting, waiting)
        try:
            async with asyncio.timeout(timeout_s):
                await seen
        except TimeoutError:
            return self.revision >= revision  # It may have come in the same moment.
        finally:
            if seen.cancelled() and waiting in self._waiting:  # The time is over, or the client has gone.
                self._waiting.remove(waiting)
                heapq.heapify(self._waiting)
        return True

    async def catch_up(self) -> None:
        """Return when every write answered before this call, by any server, is known. Raises ApiError 503 or 504."""
        if not self.loaded.is_set():
            raise unavailable("the server has not read its store yet; try again")
        known = self.revision
        try:
            current = await self._store.current_revision()
            if current < known:
                await self._begin_anew(current)
                raise unavailable("the store has gone back to an older state and is being read anew; try again")
            if not await self._sees(current, ARRIVAL_S) and self._watch is not None:
                await self._watch.request_progress()
        except StoreUnavailable as error:
            raise unavailable(f"the store does not answer: {error}") from error
        await self.wait_seen(current)

    def watch(
        self, kind: Kind, selection: Selection, form: Form, sink: Sink, *, since: int | None
    ) -> tuple[list[Told], int]:
        """Add a watcher; return what it must be told first, and the revision up to which that goes.

        since: tell of the changes after this revision; None: begin with the objects that exist. Raises ApiError 410.
        """
        shelf = self.shelf(kind)
        if since is None:
            self.check_readable(kind, selection.namespace, selection.name)
            first = [Told(EventType.ADDED, item, None) for item in self.select(shelf, selection)]
        elif since < shelf.floor:
            raise expired(f"too old resource version: {since} ({shelf.floor})")
        else:
            first = [told for change in shelf.since(since) if (told := judge(change, selection)) is not None]
        self._fanouts[shelf.kind.resource].join(selection, form, sink)
        return first, self.revision

    def unwatch(self, kind: Kind, selection: Selection, sink: Sink) -> None:
        """Remove a watcher."""
        self._fanouts[stored_kind(kind).resource].leave(selection, sink)

    def select(self, shelf: Shelf, selection: Selection, after: Place | None = None) -> Iterator[Item]:
        """Yield the objects of a selection (that follow a place) in the order of their keys, by the shortest way."""
        if selection.name and (selection.namespace or not shelf.kind.namespaced):
            item = shelf.get(selection.namespace, selection.name)
            indexed: Iterable[Item] | None = () if item is None else (item,)
        else:
            pin = selection.pin(shelf.kind)
            indexed = shelf.with_field(*pin) if pin else None
        if indexed is None:
            items = shelf.in_order(selection.namespace, after)
        else:
            items = (item for item in indexed if after is None or item.follows(*after))
        return items if not selection.is_partial else (item for item in items if selection.matches(item))

    def bookmark(self) -> None:
        """Tell all watchers that want it how far they have heard everything."""
        for fanout in self._fanouts.values():
            fanout.bookmark(self.revision)

    async def run(self) -> None:
        """Read the store, then follow it until cancelled; a store that is away is tried again until it is back."""
        while True:
            try:
                await self._load()
                await self._follow()
            except Compacted as error:
                LOG.warning("cache: fell behind the store's compaction; reading it anew reason=%s", error)
            except StoreUnavailable as error:
                LOG.warning("cache: the store is away; trying again retry_s=%s reason=%s", RETRY_S, error)
                await asyncio.sleep(RETRY_S)

    async def _begin_anew(self, current: int) -> None:
        """Forget everything, for the store was put back to an older state: what came after it never happened."""
        if not self.loaded.is_set() or self._watch is None:
            return
        LOG.error("cache: the store went back from revision %d to %d; reading it anew", self.revision, current)
        self.loaded.clear()
        await self._watch.aclose()
        for fanout in self._fanouts.values():
            fanout.cut()
        self._shelves = {resource: Shelf(kind, 0) for resource, kind in self._kinds.items()}
        self.revision = 0

    async def _load(self) -> None:
        """Bring the shelves to the store's present state; what changed unseen is told as changes of that revision."""
        if self.loaded.is_set():
            return await self._reload()
        revision, after = 0, ""
        items: list[Item] = []
        self.unreadable.clear()
        while True:
            page = await self._store.range(ROOT, start_after=after, limit=LOAD_PAGE, revision=revision)
            revision = page.revision
            for entry in page.entries:
                shelf = self._shelves.get(split_key(entry.key)[0])
                item = self._read(shelf, entry.key, entry.mod_revision, entry.value) if shelf is not None else None
                if item is not None:
                    item.shed()
                    items.append(item)
            if not page.more:
                break
            after = page.entries[-1].key
        for item in items:  # Only now, for a store that goes away between two pages is read anew from the first.
            self._shelves[item.kind.resource].put(item)
        for shelf in self._shelves.values():
            shelf.floor = shelf.revision = revision
        self.revision = revision
        self.loaded.set()
        return None

    async def _reload(self) -> None:
        page = await self._store.range(ROOT)
        missed = sorted(self._differences(page.entries, page.revision), key=lambda event: event.mod_revision)
        self._apply(Batch(page.revision, tuple(missed)))
        for shelf in self._shelves.values():
            shelf.floor = page.revision
            shelf.window.clear()

    def _differences(self, entries: tuple[Entry, ...], revision: int) -> Iterator[Event]:
        """Yield what must have happened between what is known here and what is stored."""
        missing: dict[str, Item | Unreadable] = {
            item.key: item for shelf in self._shelves.values() for item in shelf.all()
        }
        missing.update(self.unreadable)
        for entry in entries:
            known = missing.pop(entry.key, None)
            if known is not None and known.revision < entry.create_revision:
                yield Event(entry.key, None, 0, entry.create_revision - 1)  # Another object of that name.
            if known is None or known.revision != entry.mod_revision:
                yield Event(entry.key, entry.value, entry.create_revision, entry.mod_revision)
        for key in missing:
            yield Event(key, None, 0, revision)

    async def _follow(self) -> None:
        self._watch = watch = self._store.watch(WATCHED, from_revision=self.revision + 1)
        try:
            async for batch in watch:
                self._apply(batch)
        finally:
            self._watch = None
            await watch.aclose()

    def _apply(self, batch: Batch) -> None:
        touched = []
        changes = []
        for event in batch.events:
            if event.key.startswith(ROOT) and (change := self._change(event)) is not None:
                resource = change.item.kind.resource
                self._shelves[resource].record(change)
                fanout = self._fanouts[resource]
                fanout.hear(change)
                touched.append(fanout)
                changes.append(change)
        self.revision = max(self.revision, batch.revision)
        for fanout in touched:
            fanout.flush()
        for change in changes:
            change.settle()
        while self._waiting and self._waiting[0][0] <= self.revision:
            _, _, seen = heapq.heappop(self._waiting)
            if not seen.done():
                seen.set_result(None)

    def _change(self, event: Event) -> Change | None:
        resource, namespace, name = split_key(event.key)
        shelf = self._shelves.get(resource)
        if shelf is None:
            return None
        revision = event.mod_revision
        item = None if event.value is None else self._read(shelf, event.key, revision, event.value)
        if item is None:
            if event.value is None:
                self.unreadable.pop(event.key, None)
            previous = shelf.drop(namespace, name)
            if previous is None:
                return None
            return Change(revision, EventType.DELETED, previous.at_revision(revision), previous)
        previous = shelf.put(item)
        return Change(revision, EventType.ADDED if previous is None else EventType.MODIFIED, item, previous)

    def _read(self, shelf: Shelf, key: str, revision: int, value: bytes) -> Item | None:
        """Return what is stored as an object; note what can't be read, and return None for it."""
        _, namespace, name = split_key(key)
        found = read(shelf.kind, namespace, name, revision, value, self._expected.get((key, value)))
        if isinstance(found, Item):
            self.unreadable.pop(key, None)
            return found
        LOG.error("cache: %s", found)
        self.unreadable[key] = found
        return None
