"""The order in which a collection is told, and where it goes on."""

import random

from apiserver.item import Item, prefix_of
from apiserver.shelf import Shelf
from kube.api.core_v1 import ConfigMap, Pod
from kube.kinds import kind_of

KIND = kind_of(ConfigMap)


def item(namespace: str, name: str) -> Item:
    return Item(KIND, namespace, name, 1, b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{}}')


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
