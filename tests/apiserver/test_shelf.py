"""The order in which a collection is told, and where it goes on."""

import random

from apiserver.item import Item, prefix_of
from apiserver.shelf import Change, Shelf
from kube.api.core_v1 import ConfigMap, Pod
from kube.client import EventType
from kube.kinds import kind_of

KIND = kind_of(ConfigMap)


def item(namespace: str, name: str, revision: int = 1) -> Item:
    return Item(KIND, namespace, name, revision, b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}')


def test_the_objects_after_any_place_are_told_in_the_order_of_their_keys() -> None:
    """Pages meet without a gap whatever came and went between them; names that contain one another are told apart."""
    source = random.Random(1)
    shelf = Shelf(KIND, 0)
    present: set[tuple[str, str]] = set()
    places = [
        (space, f"{name}{tail}") for space in ("a", "a-b", "b") for name in "abc" for tail in ("", "-1", ".1", "1")
    ]

    for _ in range(400):
        place = source.choice(places)
        if place in present and source.random() < 0.5:
            shelf.drop(*place)
            present.discard(place)
        else:
            shelf.put(item(*place))
            present.add(place)
        after, space = source.choice(places), source.choice(["", "a", "b"])
        start = prefix_of(KIND) + "/".join(after)
        keys = sorted(item(*there).key for there in present if space in ("", there[0]))

        assert [found.key for found in shelf.in_order(space)] == keys
        assert [found.key for found in shelf.in_order(space, after)] == [key for key in keys if key > start]
        assert shelf.count_after(space, after) == sum(key > start for key in keys)


def write(shelf: Shelf, revision: int, place: tuple[str, str], *, ends: bool) -> None:
    """Put a new state of an object on the shelf, or take the object off it, as the cache does."""
    if ends:
        previous = shelf.drop(*place)
        assert previous is not None
        shelf.record(Change(revision, EventType.DELETED, previous.at_revision(revision), previous))
    else:
        new = item(*place, revision)
        previous = shelf.put(new)
        shelf.record(Change(revision, EventType.MODIFIED if previous else EventType.ADDED, new, previous))


def test_the_past_shows_what_was_there_whatever_has_changed_since() -> None:
    """Who reads page by page sees one state, while objects come, change and go."""
    source = random.Random(2)
    shelf = Shelf(KIND, 0)
    states: list[dict[tuple[str, str], Item]] = [{}]
    places = [(space, name) for space in ("a", "a-b", "b") for name in ("a", "a-1", "b", "c")]

    for revision in range(1, 300):
        place = source.choice(places)
        write(shelf, revision, place, ends=place in states[-1] and source.random() < 0.4)
        states.append({(found.namespace, found.name): found for found in shelf.all()})
        then, after, space = source.randrange(revision + 1), source.choice(places), source.choice(["", "a", "b"])
        start = prefix_of(KIND) + "/".join(after)
        were = sorted(
            (there for place, there in states[then].items() if space in ("", place[0])), key=lambda there: there.key
        )
        past = shelf.past(then)

        assert list(past.in_order(space)) == were
        assert list(past.in_order(space, after)) == [there for there in were if there.key > start]
        assert past.count_after(space, after) == sum(there.key > start for there in were)


def test_a_pod_is_found_by_its_node_without_being_read() -> None:
    """A server that starts on a hundred thousand pods need not decode them all."""
    pods = kind_of(Pod)
    shelf = Shelf(pods, 0)
    head = b'{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default"}'
    bound = Item(pods, "default", "web", 2, head + b',"spec":{"nodeName":"one"}}')
    waiting = Item(pods, "default", "new", 3, head + b"}")

    shelf.put(bound)
    shelf.put(waiting)

    assert shelf.with_field("spec.nodeName", "one") == [bound]
    assert shelf.with_field("spec.nodeName", "") == [waiting]
    assert bound.field("spec.nodeName") == bound.fields["spec.nodeName"] == "one"
