"""All objects of one stored kind as of the last change seen, with the recent changes, and an index or two.

Plain data: the cache feeds it, readers look at it; nothing here waits.
"""

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from apiserver.item import Item
from kube.client import EventType
from kube.kinds import Kind

WINDOW_EVENTS: Final = 2048
INDEXED_FIELDS: Final = {("", "Pod"): "spec.nodeName"}

Place = tuple[str, str]
"""The namespace and name of an object, there or not: where a list goes on."""


@dataclass(slots=True, eq=False)
class Change:
    """One write. item: the state after it, for a deletion the last one with the deletion's revision.

    lines: the change as a watch tells it, by form and type, filled in by those who encode it.
    """

    revision: int
    type: EventType
    item: Item
    previous: Item | None
    lines: dict[tuple[object, EventType], bytes] = field(default_factory=dict)

    def settle(self) -> None:
        """Keep no more than a late watcher needs: those of the present have been told, and few come later."""
        self.lines.clear()
        if self.previous is not None:
            self.previous.shed()
        if self.type is EventType.DELETED:
            self.item.shed()


@dataclass(slots=True)
class _Bucket:
    """The objects of one namespace; the order of their names is found out when somebody asks.

    names: in order up to what was put since then, with those that were dropped since then.
    """

    items: dict[str, Item] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    has_new: bool = False
    has_gone: bool = False

    def put(self, item: Item) -> None:
        if item.name not in self.items:
            self.names.append(item.name)
            self.has_new = True
        self.items[item.name] = item

    def drop(self, name: str) -> None:
        if self.items.pop(name, None) is not None:
            self.has_gone = True
            if len(self.names) > 2 * len(self.items) + 8:
                self._order()

    def count_after(self, name: str) -> int:
        self._order()
        return len(self.names) - bisect_right(self.names, name)

    def sorted(self, after: str = "") -> Iterator[Item]:
        self._order()
        names, items = self.names, self.items
        start = bisect_right(names, after) if after else 0
        # By index, for a slice would touch every name that follows.
        return (items[names[index]] for index in range(start, len(names)) if names[index] in items)

    def _order(self) -> None:
        if self.has_gone:
            self.names = [name for name in dict.fromkeys(self.names) if name in self.items]
        if self.has_new:
            self.names = sorted(self.names)  # Few are new, which makes this little more than a look at each.
        self.has_new = self.has_gone = False


class Shelf:
    """The objects of one kind.

    floor: the revision from which on every change is in `window`. revision: of the last change.
    """

    def __init__(self, kind: Kind, revision: int) -> None:
        """Begin without objects, as of `revision`."""
        self.kind = kind
        self.floor = revision
        self.revision = revision
        self.window: deque[Change] = deque()
        self._buckets: dict[str, _Bucket] = {}
        self._indexed_field = INDEXED_FIELDS.get((kind.group, kind.kind), "")
        self._index: dict[str, dict[tuple[str, str], Item]] = {}
        self._count = 0

    def __len__(self) -> int:
        """Return how many objects there are."""
        return self._count

    def get(self, namespace: str, name: str) -> Item | None:
        """Return one object."""
        bucket = self._buckets.get(namespace)
        return bucket.items.get(name) if bucket else None

    def all(self, namespace: str = "") -> Iterator[Item]:
        """Yield the objects of a namespace ("": all of them) in no particular order."""
        if namespace:
            bucket = self._buckets.get(namespace)
            yield from bucket.items.values() if bucket else ()
        else:
            for bucket in self._buckets.values():
                yield from bucket.items.values()

    def count(self, namespace: str) -> int:
        """Return how many objects a namespace ("": all) has."""
        bucket = self._buckets.get(namespace)
        return (len(bucket.items) if bucket else 0) if namespace else self._count

    def in_order(self, namespace: str = "", after: Place | None = None) -> Iterator[Item]:
        """Yield the objects (that follow a place) in the order of their store keys."""
        for name, start in self._from(namespace, after):
            yield from self._buckets[name].sorted(start)

    def count_after(self, namespace: str, after: Place) -> int:
        """Return how many objects of a namespace ("": all) follow a place."""
        return sum(self._buckets[name].count_after(start) for name, start in self._from(namespace, after))

    def _from(self, namespace: str, after: Place | None) -> Iterator[Place]:
        """Yield the namespaces from a place on, each with the name after which it goes on."""
        known = (namespace,) if namespace else sorted(self._buckets, key=lambda name: name + "/")
        for name in known:
            if name in self._buckets and (after is None or name + "/" >= after[0] + "/"):
                yield name, after[1] if after is not None and name == after[0] else ""

    def with_field(self, name: str, value: str) -> Iterable[Item] | None:
        """Return the objects whose field `name` is `value`, in the order of keys; None where that isn't indexed."""
        if name != self._indexed_field:
            return None
        found = self._index.get(value, {})
        return [found[key] for key in sorted(found, key=lambda key: (key[0] + "/", key[1]))]

    def put(self, item: Item) -> Item | None:
        """Add or replace an object; return the one replaced."""
        bucket = self._buckets.get(item.namespace)
        if bucket is None:
            bucket = self._buckets[item.namespace] = _Bucket()
        previous = bucket.items.get(item.name)
        bucket.put(item)
        self._count += previous is None
        self._reindex(previous, item)
        return previous

    def drop(self, namespace: str, name: str) -> Item | None:
        """Remove an object and return it, None where it isn't there."""
        bucket = self._buckets.get(namespace)
        previous = bucket.items.get(name) if bucket else None
        if bucket is None or previous is None:
            return None
        bucket.drop(name)
        if not bucket.items:
            del self._buckets[namespace]
        self._count -= 1
        self._reindex(previous, None)
        return previous

    def record(self, change: Change) -> None:
        """Remember a change for watches that start before it."""
        self.revision = change.revision
        self.window.append(change)
        if len(self.window) > WINDOW_EVENTS:
            self.floor = self.window.popleft().revision

    def since(self, revision: int) -> list[Change]:
        """Return the changes after `revision`, which is not below the floor."""
        found = []
        for change in reversed(self.window):
            if change.revision <= revision:
                break
            found.append(change)
        found.reverse()
        return found

    def past(self, revision: int) -> "Past":
        """Return the objects as they were at a revision, which is not below the floor."""
        return Past(self, revision)

    def _reindex(self, previous: Item | None, item: Item | None) -> None:
        if not self._indexed_field:
            return
        before = previous.field(self._indexed_field) if previous else None
        after = item.field(self._indexed_field) if item else None
        if previous is not None and before is not None and before != after:
            remaining = self._index[before]
            del remaining[previous.namespace, previous.name]
            if not remaining:
                del self._index[before]
        if item is not None and after is not None:
            self._index.setdefault(after, {})[item.namespace, item.name] = item


class Past:
    """A shelf's objects as they were at a revision: those of now, with the changes since then undone."""

    def __init__(self, shelf: Shelf, revision: int) -> None:
        """revision: not below the shelf's floor. To be used before the shelf changes again."""
        self._shelf = shelf
        self._undone: dict[Place, Item | None] = {}
        for change in reversed(shelf.since(revision)):
            self._undone[change.item.namespace, change.item.name] = change.previous

    def in_order(self, namespace: str = "", after: Place | None = None) -> Iterator[Item]:
        """Yield the objects (that follow a place) in the order of their store keys."""
        now = self._shelf.in_order(namespace, after)
        unchanged = (item for item in now if (item.namespace, item.name) not in self._undone)
        earlier = [item for item in self._undone.values() if item is not None and _is_in(item, namespace, after)]
        return heapq.merge(unchanged, sorted(earlier, key=_order), key=_order)

    def count_after(self, namespace: str, after: Place) -> int:
        """Return how many objects of a namespace ("": all) follow a place."""
        count = self._shelf.count_after(namespace, after)
        for place, before in self._undone.items():
            now = self._shelf.get(*place)
            count += before is not None and _is_in(before, namespace, after)
            count -= now is not None and _is_in(now, namespace, after)
        return count


def _is_in(item: Item, namespace: str, after: Place | None) -> bool:
    return namespace in ("", item.namespace) and (after is None or item.follows(*after))


def _order(item: Item) -> Place:
    return item.namespace + "/", item.name
