"""All objects of one stored kind as of the last change seen, with the recent changes, and an index or two.

Plain data: the cache feeds it, readers look at it; nothing here waits.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from apiserver.item import Item
from kube.client import EventType
from kube.kinds import Kind

WINDOW_EVENTS: Final = 2048
INDEXED_FIELDS: Final = {("", "Pod"): "spec.nodeName"}


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
    """The objects of one namespace; the order of their names is found out when somebody asks."""

    items: dict[str, Item] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    is_sorted: bool = True

    def put(self, item: Item) -> None:
        if item.name not in self.items:
            self.names.append(item.name)
            self.is_sorted = False
        self.items[item.name] = item

    def drop(self, name: str) -> None:
        if self.items.pop(name, None) is not None and len(self.names) > 2 * len(self.items) + 8:
            self.names = list(self.items)
            self.is_sorted = False

    def sorted(self) -> Iterator[Item]:
        if not self.is_sorted:
            self.names = sorted(set(self.names))
            self.is_sorted = True
        items = self.items
        return (items[name] for name in self.names if name in items)


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

    def in_order(self, namespace: str = "") -> Iterator[Item]:
        """Yield the objects in the order of their store keys."""
        if namespace:
            bucket = self._buckets.get(namespace)
            if bucket:
                yield from bucket.sorted()
        else:
            for name in sorted(self._buckets, key=lambda name: name + "/"):
                yield from self._buckets[name].sorted()

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

    def _reindex(self, previous: Item | None, item: Item | None) -> None:
        if not self._indexed_field:
            return
        before = previous.fields[self._indexed_field] if previous else None
        after = item.fields[self._indexed_field] if item else None
        if previous is not None and before is not None and before != after:
            remaining = self._index[before]
            del remaining[previous.namespace, previous.name]
            if not remaining:
                del self._index[before]
        if item is not None and after is not None:
            self._index.setdefault(after, {})[item.namespace, item.name] = item
