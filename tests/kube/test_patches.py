"""JSON patch and merge patch, against their specifications and an independent implementation."""

import copy
import time
from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.patch.json_patch import OPERATIONS_MAX, JsonPatchError, JsonPatchTestFailed, apply_json_patch
from kube.patch.merge_patch import apply_merge_patch, create_merge_patch

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab/~", max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~0", max_size=2), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text("abc", min_size=1, max_size=2), VALUES, max_size=4)


@given(OBJECTS, OBJECTS)
def test_a_patch_made_elsewhere_has_the_same_result_here(old: dict[str, Any], new: dict[str, Any]) -> None:
    patch = jsonpatch.make_patch(old, new).patch
    before = copy.deepcopy(old)

    assert apply_json_patch(old, patch) == new
    assert old == before


@pytest.mark.parametrize(
    ("document", "operation", "expected"),
    [
        ({"a": 1}, {"op": "add", "path": "/b", "value": None}, {"a": 1, "b": None}),
        ({"a": 1}, {"op": "add", "path": "/a", "value": 2}, {"a": 2}),
        ({"a": 1}, {"op": "add", "path": "", "value": [1]}, [1]),
        ({"a": [1, 3]}, {"op": "add", "path": "/a/1", "value": 2}, {"a": [1, 2, 3]}),
        ({"a": [1]}, {"op": "add", "path": "/a/-", "value": 2}, {"a": [1, 2]}),
        ({"a": {"b": 1}}, {"op": "remove", "path": "/a/b"}, {"a": {}}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/0"}, {"a": [2]}),
        ({"a/b": {"~": 1}}, {"op": "replace", "path": "/a~1b/~0", "value": 2}, {"a/b": {"~": 2}}),
        ({"a": [1, 2]}, {"op": "replace", "path": "/a/1", "value": 9}, {"a": [1, 9]}),
        ({"a": 1}, {"op": "move", "from": "/a", "path": "/b"}, {"b": 1}),
        ({"a": [1, 2, 3]}, {"op": "move", "from": "/a/0", "path": "/a/-"}, {"a": [2, 3, 1]}),
        ({"a": {"b": 1}}, {"op": "copy", "from": "/a", "path": "/c"}, {"a": {"b": 1}, "c": {"b": 1}}),
        ({"a": 1}, {"op": "test", "path": "/a", "value": 1.0}, {"a": 1}),
        ({"": 1}, {"op": "replace", "path": "/", "value": 2}, {"": 2}),
    ],
)
def test_each_operation_does_what_the_rfc_says(document: Any, operation: dict[str, Any], expected: Any) -> None:
    assert apply_json_patch(document, [operation]) == expected


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "replace", "path": "/x", "value": 1}, {"a": 1, "list": [1, 2], "x": 1}),
        ({"op": "test", "path": "/x"}, {"a": 1, "list": [1, 2]}),
        ({"op": "copy", "from": "/x", "path": "/a"}, {"a": None, "list": [1, 2]}),
        ({"op": "add", "path": "/list/-1", "value": 3}, {"a": 1, "list": [1, 2, 3]}),
        ({"op": "add", "path": "/list/-3", "value": 0}, {"a": 1, "list": [0, 1, 2]}),
        ({"op": "replace", "path": "/list/-1", "value": 9}, {"a": 1, "list": [1, 9]}),
        ({"op": "remove", "path": "/list/-2"}, {"a": 1, "list": [2]}),
    ],
)
def test_an_operation_may_be_as_lax_as_kubernetes_lets_it(operation: Any, expected: Any) -> None:
    assert apply_json_patch({"a": 1, "list": [1, 2]}, [operation]) == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/x"},
        {"op": "replace", "path": "/x/y", "value": 1},
        {"op": "test", "path": "/x", "value": 1},
        {"op": "remove", "path": "/list/-2"},
        {"op": "add", "path": "/x/y", "value": 1},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "add", "path": "/list/01", "value": 1},
        {"op": "remove", "path": "/list/-"},
        {"op": "replace", "path": "/list/x", "value": 1},
        {"op": "move", "from": "/map", "path": "/map/in"},
        {"op": "copy", "path": "/a"},
        {"op": "add", "path": "/a"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add", "path": "/a~2", "value": 1},
        {"op": "add", "value": 1},
        {"op": "increase", "path": "/a"},
        {"path": "/a"},
        "add",
    ],
)
def test_an_impossible_operation_is_named(operation: Any) -> None:
    with pytest.raises(JsonPatchError, match="operation 1: "):
        apply_json_patch({"a": 1, "list": [1], "map": {}}, [{"op": "test", "path": "/a", "value": 1}, operation])


@pytest.mark.parametrize(("value", "other"), [(1, True), (1, "1"), ({"x": 1}, {"x": 2}), ([1, 2], [2, 1]), (None, 0)])
def test_a_failed_test_is_told_apart(value: Any, other: Any) -> None:
    with pytest.raises(JsonPatchTestFailed, match="testing value /a failed"):
        apply_json_patch({"a": value}, [{"op": "test", "path": "/a", "value": other}])


def test_what_one_operation_made_of_a_copy_leaves_its_original_alone() -> None:
    document = {"a": {"b": [1]}}
    patch: list[dict[str, Any]] = [
        {"op": "add", "path": "/a/b/-", "value": 2},
        {"op": "copy", "from": "/a", "path": "/c"},
        {"op": "add", "path": "/c/b/0", "value": 0},
        {"op": "add", "path": "/a/b/-", "value": 3},
        {"op": "move", "from": "/a", "path": "/c/a"},
    ]

    assert apply_json_patch(document, patch) == {"c": {"b": [0, 1, 2], "a": {"b": [1, 2, 3]}}}
    assert apply_json_patch(document, patch) == {"c": {"b": [0, 1, 2], "a": {"b": [1, 2, 3]}}}
    assert document == {"a": {"b": [1]}}


def test_many_operations_on_a_long_list_are_carried_out_in_time() -> None:
    """A copy of it for each would keep everybody else waiting."""
    document = {"list": ["x"] * 100_000}

    started_s = time.process_time()
    found = apply_json_patch(document, [{"op": "replace", "path": "/list/0", "value": "y"}] * OPERATIONS_MAX)

    assert time.process_time() - started_s < 2
    assert (found["list"][:2], document["list"][:2]) == (["y", "x"], ["x", "x"])


def test_a_patch_has_at_most_ten_thousand_operations() -> None:
    step = {"op": "test", "path": "/a", "value": 1}

    assert apply_json_patch({"a": 1}, [step] * 10_000) == {"a": 1}
    with pytest.raises(JsonPatchError, match="got 10001"):
        apply_json_patch({"a": 1}, [step] * 10_001)


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_does_what_the_rfc_says(document: Any, patch: Any, expected: Any) -> None:
    assert apply_merge_patch(document, patch) == expected


WITHOUT_NULLS = st.dictionaries(
    st.text("abc", min_size=1, max_size=2),
    st.recursive(
        st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)


@given(WITHOUT_NULLS, WITHOUT_NULLS)
def test_the_patch_between_two_objects_leads_from_one_to_the_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert apply_merge_patch(old, create_merge_patch(old, new)) == new
    assert create_merge_patch(new, new) == {}
