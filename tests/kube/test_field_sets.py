"""Sets of fields: what they hold, joined, cut and taken apart, and their form on the wire."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.fields.sets import (
    FieldSet,
    FieldSetError,
    contains,
    difference,
    from_text,
    intersection,
    path_text,
    paths,
    to_text,
    union,
    without_branches,
)

ELEMENTS = st.sampled_from(["f:a", "f:b", "f:c", 'k:{"name":"x"}', 'v:"y"', "i:0"])
PATHS = st.sets(st.lists(ELEMENTS, min_size=1, max_size=3).map(tuple), max_size=8)

Paths = set[tuple[str, ...]]


def made(found: Paths) -> FieldSet:
    """Return the set of some paths, built the long way."""
    tree: dict[str, Any] = {}
    for path in found:
        node = tree
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return from_text(json.dumps(tree).encode())


@given(PATHS)
def test_a_set_tells_the_paths_it_was_made_of_also_after_its_way_over_the_wire(found: Paths) -> None:
    fields = made(found)

    assert set(paths(fields)) == found
    assert from_text(to_text(fields)) == fields


@given(PATHS, PATHS)
def test_sets_join_and_part_as_sets_of_paths_do(one: Paths, other: Paths) -> None:
    left, right = made(one), made(other)

    assert set(paths(union(left, right))) == one | other
    assert set(paths(difference(left, right))) == one - other
    assert set(paths(intersection(left, right))) == one & other
    assert contains(left, right) == (other <= one)


@given(PATHS, PATHS)
def test_equal_sets_have_equal_texts_however_they_came_about(one: Paths, other: Paths) -> None:
    joined = union(made(one), made(other))

    assert to_text(joined) == to_text(made(one | other))
    assert to_text(difference(joined, made(other))) == to_text(made(one - other))


@given(PATHS, PATHS)
def test_a_branch_goes_with_all_below_it(one: Paths, other: Paths) -> None:
    left = without_branches(made(one), made(other))

    assert set(paths(left)) == {path for path in one if not any(path[: len(top)] == top for top in other)}


@pytest.mark.parametrize("text", ["[]", "{", '{"x:a":{}}', '{"f:a":1}', '{"k:[]":{}}', '{"k:{":{}}', '{"v:{}":{}}'])
def test_what_is_no_set_of_fields_is_refused(text: str) -> None:
    with pytest.raises(FieldSetError):
        from_text(text.encode())


def test_a_path_reads_as_kubernetes_writes_it() -> None:
    path = ("f:spec", 'k:{"containerPort":80,"protocol":"TCP"}', 'v:"a"', "i:3", "f:image")

    assert path_text(path) == '.spec[containerPort=80,protocol="TCP"][="a"][3].image'
