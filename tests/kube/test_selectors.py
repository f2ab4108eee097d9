"""Selectors read and match as Kubernetes has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.api.meta_v1 import LabelSelector, LabelSelectorRequirement
from kube.selectors import (
    SelectorError,
    label_selector_from_map,
    label_selector_from_object,
    parse_field_selector,
    parse_label_selector,
)

WORDS = st.from_regex(r"[a-z]([a-z0-9.-]{0,5}[a-z0-9])?", fullmatch=True).filter(lambda w: w not in ("in", "notin"))


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("app=web", {"app": "web"}, True),
        ("app==web", {"app": "db"}, False),
        ("app=", {"app": ""}, True),
        ("app=", {}, False),
        ("app!=web", {}, True),
        ("app!=web", {"app": "web"}, False),
        ("app in (web, db)", {"app": "db"}, True),
        ("app in (web,)", {"app": ""}, True),
        ("app in (web)", {}, False),
        ("app notin (web)", {}, True),
        ("app notin (web)", {"app": "web"}, False),
        ("app", {"app": "anything"}, True),
        ("!app", {"app": "anything"}, False),
        (" !app ", {}, True),
        ("size>3", {"size": "5"}, True),
        ("size<3", {"size": "many"}, False),
        ("app=web,tier!=back,!old", {"app": "web", "tier": "front"}, True),
        ("example.com/role=a", {"example.com/role": "a"}, True),
        ("in in (in)", {"in": "in"}, True),
    ],
)
def test_a_label_selector_matches_as_documented(text: str, labels: dict[str, str], expected: bool) -> None:
    assert parse_label_selector(text).matches(labels) is expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("=web", "found '=', expected: !, identifier, or 'end of string'"),
        ("app=web,", "found '', expected: identifier after ','"),
        ("app web", "found 'web', expected: in, notin, =, ==, !=, gt, lt"),
        ("app in web", r"found 'web' expected: '\('"),
        ("app in (web", r"found '', expected: ',' or '\)'"),
        ("app=web)", "expected: ',' or 'end of string'"),
        ("_app", "name part must consist of"),
        ("app=-web", "a valid label must be an empty string or consist of"),
        ("size>many", "the value must be an integer"),
        ("!", "found '', expected: identifier"),
        ("app=" + "a" * 64, "must be no more than 63 bytes"),
    ],
)
def test_a_bad_label_selector_says_what_was_found(text: str, complaint: str) -> None:
    with pytest.raises(SelectorError, match=complaint):
        parse_label_selector(text)


@given(st.dictionaries(WORDS, WORDS, max_size=4), st.sets(WORDS, max_size=3), st.dictionaries(WORDS, WORDS, max_size=4))
def test_the_text_of_a_selector_is_read_as_the_same_selector(
    exact: dict[str, str], absent: set[str], labels: dict[str, str]
) -> None:
    expressions = tuple(LabelSelectorRequirement(key=key, operator="DoesNotExist") for key in absent)
    selector = label_selector_from_object(LabelSelector(match_labels=exact, match_expressions=expressions))

    again = parse_label_selector(str(selector))

    assert sorted(map(str, again.requirements)) == sorted(map(str, selector.requirements))
    assert again.matches(labels) == selector.matches(labels)


def test_the_text_is_sorted_by_key() -> None:
    """Status.selector of a Scale is compared as text."""
    assert str(parse_label_selector("z in (c,b),!m,a==x,k")) == "a=x,k,!m,z in (b,c)"


def test_no_object_form_matches_nothing_and_an_empty_one_everything() -> None:
    assert not label_selector_from_object(None).matches({})
    assert label_selector_from_object(LabelSelector()).matches({"a": "b"})
    assert label_selector_from_object(LabelSelector()).is_empty
    assert not label_selector_from_object(None).is_empty


def test_a_plain_map_wants_each_of_its_labels() -> None:
    selector = label_selector_from_map({"app": "web", "tier": "front"})

    assert selector.matches({"app": "web", "tier": "front", "more": "x"})
    assert not selector.matches({"app": "web"})


@pytest.mark.parametrize(
    ("requirement", "complaint"),
    [
        (LabelSelectorRequirement(key="a", operator="Like"), '"Like" is not a valid label selector operator'),
        (LabelSelectorRequirement(key="a", operator="In"), "values set can't be empty"),
        (LabelSelectorRequirement(key="a", operator="Exists", values=("x",)), "values set must be empty"),
        (LabelSelectorRequirement(key="", operator="Exists"), "name part must be non-empty"),
    ],
)
def test_a_bad_expression_is_refused(requirement: LabelSelectorRequirement, complaint: str) -> None:
    with pytest.raises(SelectorError, match=complaint):
        label_selector_from_object(LabelSelector(match_expressions=(requirement,)))


def test_a_field_selector_compares_fields() -> None:
    selector = parse_field_selector("spec.nodeName=n1,status.phase!=Failed")

    assert selector.matches({"spec.nodeName": "n1", "status.phase": "Running"})
    assert not selector.matches({"spec.nodeName": "n1", "status.phase": "Failed"})
    assert not selector.matches({})
    assert selector.required("spec.nodeName") == "n1"
    assert selector.required("status.phase") is None


def test_a_field_selector_for_an_empty_value_matches_a_missing_field() -> None:
    """This is how the scheduler asks for pods without a node."""
    assert parse_field_selector("spec.nodeName=").matches({})
    assert not parse_field_selector("spec.nodeName=").matches({"spec.nodeName": "n1"})


@given(st.text(max_size=12))
def test_escapes_let_any_text_be_a_value(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")

    selector = parse_field_selector(f"a={escaped},b==c")

    assert selector.required("a") == value
    assert selector.required("b") == "c"
    assert parse_field_selector(str(selector)) == selector


@pytest.mark.parametrize("text", ["name", "a=b,c", r"a=\x", "a=b=c"])
def test_a_bad_field_selector_is_refused(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_field_selector(text)
