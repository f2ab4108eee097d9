"""Tell every watcher of a kind what changes in its selection.

Watchers of one selection form a group: a change is judged once per group, encoded once per form, and the same bytes go
to all. Groups whose selection pins a name, a node or a namespace only see changes that touch it.
An object that begins to match a selection is ADDED there, one that ceases to is DELETED, in its last matching state.
Source: kubernetes.io/docs/reference/using-api/api-concepts, section on watches.
"""

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol

from apiserver.item import Item
from apiserver.selection import Pin, Selection
from apiserver.shelf import Change
from kube.client import EventType
from kube.kinds import Kind

LOG: Final = logging.getLogger("apiserver.fanout")


class Told(NamedTuple):
    """One event as a group hears it. change: where its encoded line is kept, None for the initial objects."""

    type: EventType
    item: Item
    change: Change | None


class Form(Protocol):
    """How events are written for a watcher; forms that are equal share what is written."""

    def payload(self, told: Iterable[Told]) -> Any:
        """Return events as a watcher's sink takes them."""

    def bookmark(self, revision: int, *, ends_initial: bool = False) -> Any:
        """Return the mark that everything up to `revision` has been told."""

    def after_first(self) -> "Form":
        """Return the form of the payloads that follow the first."""


class Sink(Protocol):
    """The end of one watch."""

    @property
    def wants_bookmarks(self) -> bool:
        """Whether bookmarks are sent to it."""

    def send(self, payload: Any) -> None:
        """Take a payload, at once; a sink that can't keep up closes itself."""

    def cut(self) -> None:
        """End the watch: what comes next can't be told."""


class Group:
    """The watchers of one selection."""

    def __init__(self, selection: Selection) -> None:
        """Begin without watchers."""
        self.selection = selection
        self.sinks: dict[Form, list[Sink]] = {}
        self._told: list[Told] = []

    def hear(self, change: Change) -> bool:
        """Note a change if it touches the selection; say whether this is the first since the last flush."""
        told = judge(change, self.selection)
        if told is None:
            return False
        self._told.append(told)
        return len(self._told) == 1

    def flush(self) -> None:
        """Send what was noted."""
        told, self._told = self._told, []
        later: list[tuple[Form, list[Sink]]] = []
        for form, sinks in self.sinks.items():
            try:
                payload = form.payload(told)
            except Exception:
                LOG.exception("watch: %s can't be written as %s; its watchers are cut", self.selection, form)
                for sink in sinks:
                    sink.cut()
                continue
            for sink in sinks:
                sink.send(payload)
            later.append((form.after_first(), sinks))
        self.sinks = {}
        for form, sinks in later:
            if form in self.sinks:
                self.sinks[form].extend(sinks)
            else:
                self.sinks[form] = sinks

    def leave(self, sink: Sink) -> None:
        """Forget a watcher."""
        for form, sinks in list(self.sinks.items()):
            if sink in sinks:
                sinks.remove(sink)
                if not sinks:
                    del self.sinks[form]


def judge(change: Change, selection: Selection) -> Told | None:
    """Return what a change means to a selection, None if nothing."""
    if change.type is EventType.DELETED:
        return Told(EventType.DELETED, change.item, change) if selection.matches(change.item) else None
    matched = change.previous is not None and selection.matches(change.previous)
    if selection.matches(change.item):
        return Told(EventType.MODIFIED if matched else EventType.ADDED, change.item, change)
    if matched and change.previous is not None:
        return Told(EventType.DELETED, change.previous.at_revision(change.revision), change)
    return None


class Fanout:
    """The watchers of one stored kind."""

    def __init__(self, kind: Kind, indexed_field: str) -> None:
        """indexed_field: the field beside name and namespace by which groups may be pinned, "" for none."""
        self._kind = kind
        self._indexed_field = indexed_field
        self._groups: dict[Selection, Group] = {}
        self._pinned: dict[Pin | None, list[Group]] = {}
        self._touched: list[Group] = []

    def join(self, selection: Selection, form: Form, sink: Sink) -> None:
        """Add a watcher: it hears every change from now on."""
        group = self._groups.get(selection)
        if group is None:
            group = self._groups[selection] = Group(selection)
            self._pinned.setdefault(selection.pin(self._kind), []).append(group)
        group.sinks.setdefault(form, []).append(sink)

    def leave(self, selection: Selection, sink: Sink) -> None:
        """Remove a watcher."""
        group = self._groups.get(selection)
        if group is None:
            return
        group.leave(sink)
        if not group.sinks:
            del self._groups[selection]
            pin = selection.pin(self._kind)
            self._pinned[pin].remove(group)
            if not self._pinned[pin]:
                del self._pinned[pin]

    def hear(self, change: Change) -> None:
        """Note a change for those whom it concerns."""
        for group in self._concerned(change):
            if group.hear(change):
                self._touched.append(group)

    def flush(self) -> None:
        """Send what was noted since the last flush."""
        if self._touched:
            touched, self._touched = self._touched, []
            for group in touched:
                group.flush()

    def bookmark(self, revision: int) -> None:
        """Tell those who want it how far they have heard everything."""
        for group in list(self._groups.values()):
            for form, sinks in list(group.sinks.items()):
                wanting = [sink for sink in sinks if sink.wants_bookmarks]
                if wanting:
                    payload = form.bookmark(revision)
                    for sink in wanting:
                        sink.send(payload)

    def cut(self) -> None:
        """End all watches: what they have told is no longer what happened."""
        for group in list(self._groups.values()):
            for sinks in list(group.sinks.values()):
                for sink in list(sinks):
                    sink.cut()

    def _concerned(self, change: Change) -> Iterator[Group]:
        pinned = self._pinned
        if not pinned:
            return
        item = change.item
        yield from pinned.get(None, ())
        yield from pinned.get(("metadata.namespace", item.namespace), ())
        yield from pinned.get(("metadata.name", item.name), ())
        if self._indexed_field:
            now = item.field(self._indexed_field)
            yield from pinned.get((self._indexed_field, now), ())
            before = change.previous.field(self._indexed_field) if change.previous else now
            if before != now:
                yield from pinned.get((self._indexed_field, before), ())
