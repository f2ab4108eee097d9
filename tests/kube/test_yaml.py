"""YAML is read and written as kubectl does it: the expected values were taken from kubectl 1.33."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.yaml import YamlError, dump, dump_all, load, load_all


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("y", True),
        ("Yes", True),
        ("on", True),
        ("Off", False),
        ("n", False),
        ("tRUE", "tRUE"),
        ("2026-01-01", "2026-01-01"),
        ("2001-12-14t21:59:43.10-05:00", "2001-12-14t21:59:43.10-05:00"),
        ("12:30:45", "12:30:45"),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1.5e3", 1500),
        ("010", 8),
        ("0777", 511),
        ("0o10", 8),
        ("08", 8),
        ("0x1F", 31),
        ("0x", "0x"),
        ("0x_", "0x_"),
        ("-0b_", "-0b_"),
        ("0x_1_F", 31),
        ("18446744073709551615", (1 << 64) - 1),
        ("18446744073709551616", 2.0**64),
        ("0x" + "f" * 17, "0x" + "f" * 17),
        ("1" * 5000, "1" * 5000),
        ("0b11", 3),
        ("-0b1", -1),
        ("1_000", 1000),
        ("1_000.5", 1000.5),
        (".5", 0.5),
        ("+.5", 0.5),
        ("5.", 5),
        ("-1", -1),
        ("~", None),
        ("Null", None),
        ("", None),
        ("=", "="),
        ('"1e3"', "1e3"),
        ("'yes'", "yes"),
        ("!!str 123", "123"),
        ("!!binary aGVsbG8=", "hello"),
        ("|-\n  a\n  b", "a\nb"),
        ("5m", "5m"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_a_scalar_means_what_kubectl_takes_it_for(written: str, expected: Any) -> None:
    value = load(f"a: {written}\n")["a"]

    assert (type(value), value) == (type(expected), expected)


def test_keys_become_text() -> None:
    assert load("1: a\ntrue: b\n1.5: c\nno: d\n") == {"1": "a", "true": "b", "1.5": "c", "false": "d"}


def test_a_stream_has_many_documents_and_empty_ones_are_none() -> None:
    assert load_all("a: 1\n---\n---\n# nothing\n---\nb: 2\n") == [{"a": 1}, None, None, {"b": 2}]
    assert load_all("") == []


def test_aliases_and_merges_are_followed() -> None:
    text = "base: &b {x: 1, z: 2}\nmore: {<<: *b, z: 3}\nsame: *b\n"

    assert load(text) == {"base": {"x": 1, "z": 2}, "more": {"z": 3, "x": 1}, "same": {"x": 1, "z": 2}}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3", '^web.yaml: line 3: key "a" already set in map$'),
        ("on: 1\ntrue: 2", 'line 2: key "true" already set'),
        ("a: [1", "^web.yaml: line 2: .*expected ',' or"),
        ("a:\n\t- b", "^web.yaml: line 2: .*cannot start any token"),
        ("a: b\n c: d", "^web.yaml: line 2: mapping values are not allowed"),
        ("a: &x [*x]", "^web.yaml: line 1: an alias stands within what it names"),
        ("a: *nobody", "^web.yaml: line 1: .*undefined alias"),
        ("[a]: 1", "line 1: a key must be text"),
        ("~: 1", "line 1: a key must be text"),
        ("a: .nan", "no number that JSON has"),
        ("a: !!binary é", "^web.yaml: line 1: !!binary is not base64"),
        ("\x01", "^web.yaml: is not YAML"),
        ("[" * 300 + "]" * 300, "nested too deeply"),
        ("[" * 100_000, "^web.yaml: line 1: is nested too deeply"),
        ("- " * 100_000 + "a", "^web.yaml: line 1: is nested too deeply"),
        ("a: 1\n---\nb: 2", "holds 2 documents"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(YamlError, match=complaint):
        load(text, "web.yaml")


def test_aliases_cannot_blow_a_document_up() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))

    with pytest.raises(YamlError, match="aliases make it too large"):
        load(bomb)


@pytest.mark.parametrize(
    "repeated",
    ["&a LONG, " + "*a, " * 10_000 + "]", "{? &a LONG : 1}" + ", {*a : 1}" * 10_000 + "]"],
    ids=["value", "key"],
)
def test_aliases_cannot_repeat_a_long_text_without_end(repeated: str) -> None:
    """Each costs a letter or two here, and all of the text where the document is written as JSON."""
    with pytest.raises(YamlError, match="aliases make it too large"):
        load("[" + repeated.replace("LONG", "x" * 10_000))


def test_a_text_may_be_repeated_now_and_then() -> None:
    assert load(f"[&a {'x' * 10_000}{', *a' * 100}]") == ["x" * 10_000] * 101


def test_it_is_written_as_kubectl_writes_it() -> None:
    value = {
        "kind": "T",
        "b": [{"a": 1, "c": [1, 2]}, {}],
        "text": "a\nb\n",
        "last": "a\nb",
        "n": ["yes", "1e3", "12:30:45", "2026-01-01", "a: b", " x", "", "é", "~"],
        "none": None,
        "wide": "word " * 40,
    }

    assert dump(value) == (
        "kind: T\n"
        "b:\n- a: 1\n  c:\n  - 1\n  - 2\n- {}\n"
        "text: |\n  a\n  b\n"
        "last: |-\n  a\n  b\n"
        '"n":\n- "yes"\n- "1e3"\n- "12:30:45"\n- "2026-01-01"\n- \'a: b\'\n- \' x\'\n- ""\n- é\n- "~"\n'
        "none: null\n"
        f"wide: '{'word ' * 40}'\n"
    )


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(JSON)
def test_what_was_written_is_read_back(value: Any) -> None:
    assert load(dump(value)) == value


@given(st.text("0123456789eE+-._:xob yntrufalsoeYN~", max_size=8))
def test_text_that_looks_like_something_else_stays_text(text: str) -> None:
    assert load(dump({"a": text})) == {"a": text}


def test_many_documents_are_read_back() -> None:
    assert load_all(dump_all([{"a": 1}, {"b": "x\n"}])) == [{"a": 1}, {"b": "x\n"}]
