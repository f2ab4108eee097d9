"""Names, times and lengths of time."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube import names
from kube.times import (
    human_duration,
    human_duration_since,
    parse_duration,
    parse_time,
    seconds_between,
    to_duration,
    to_micro_time,
    to_time,
)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (names.check_dns_label, ["a", "web-0", "0"], ["", "Web", "-a", "a-", "a.b", "a" * 64]),
        (names.check_dns_subdomain, ["a", "a.b-c.0"], ["", "a..b", "A", "a_b", "a" * 254]),
        (names.check_dns_1035_label, ["a", "a1-b"], ["", "1a", "a.b", "a" * 64]),
        (names.check_wildcard_subdomain, ["*.example.com"], ["example.com", "*.", "*.*.a"]),
        (names.check_path_segment, ["system:node", "a b"], [".", "..", "a/b", "a%b"]),
        (names.check_port_name, ["http", "a-1"], ["", "1", "-a", "a--b", "HTTP", "a" * 16]),
        (names.check_env_name, ["PATH", "a.b", "1 2"], ["", "a=b", "é", "a\n"]),
        (names.check_config_map_key, ["a.txt", "_", "..." + "a"], ["", "a/b", "..", "."]),
        (names.check_http_header_name, ["X-A"], ["X A", ""]),
        (names.check_label_key, ["app", "example.com/app", "A_b.c"], ["", "/a", "a/", "a/b/c", "A/b", "a" * 64]),
        (names.check_label_value, ["", "a", "A_b.c"], ["-a", "a b", "a" * 64]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_check_takes_what_may_be_and_says_why_not(check, good: list[str], bad: list[str]) -> None:  # type: ignore[no-untyped-def]
    if check is names.check_config_map_key:
        good, bad = good[:2], [*bad, "...a"]

    assert [value for value in good if check(value)] == []
    assert [value for value in bad if not check(value)] == []


def test_the_sentences_are_those_that_clients_know() -> None:
    assert names.check_dns_label("Web") == [
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
        " with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
        " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    ]
    assert names.check_dns_label("a.b") == ["must not contain dots"]
    assert names.check_label_value("a" * 64) == ["must be no more than 63 bytes"]
    assert names.check_label_key("a/b/c")[0].startswith("a valid label key must consist of alphanumeric characters")
    assert names.check_port_name("a" * 16) == ["must be no more than 15 characters"]


def test_a_generated_name_keeps_within_a_label() -> None:
    source = random.Random(7)

    assert names.generated_name("x" * 70, source)[:58] == "x" * 58
    assert len(names.generated_name("x" * 70, source)) == 63
    assert set("".join(names.random_suffix(source) for _ in range(200))) == set("bcdfghjklmnpqrstvwxz2456789")


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_survives_the_wire(moment: datetime) -> None:
    assert parse_time(to_micro_time(moment)) == moment
    assert parse_time(to_time(moment)) == moment.replace(microsecond=0)


def test_a_moment_is_read_in_any_zone_and_precision() -> None:
    assert to_micro_time(parse_time("2026-01-02T17:04:05.123456789+02:00")) == "2026-01-02T15:04:05.123456Z"
    assert seconds_between("2026-01-02T15:04:05Z", "2026-01-02T15:05:05.5Z") == 60.5


@pytest.mark.parametrize("text", ["", "2026-01-02", "2026-13-02T15:04:05Z", "2026-01-02T15:04:05"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time|must be in"):
        parse_time(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "<invalid>"),
        (0, "0s"),
        (5.9, "5s"),
        (119, "119s"),
        (120, "2m"),
        (192, "3m12s"),
        (600, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 90, "3h1m"),
        (8 * 3600 + 90, "8h"),
        (48 * 3600, "2d"),
        (51 * 3600, "2d3h"),
        (9 * 86400, "9d"),
        (730 * 86400, "2y"),
        (740 * 86400, "2y10d"),
        (4000 * 86400, "10y"),
    ],
)
def test_an_age_is_shown_as_kubectl_shows_it(seconds: float, shown: str) -> None:
    assert human_duration(seconds) == shown


def test_the_age_of_what_has_no_time_is_unknown() -> None:
    now = parse_time("2026-01-02T15:04:05Z")

    assert human_duration_since(None, now) == "<unknown>"
    assert human_duration_since("2026-01-02T15:04:00Z", now) == "5s"


@pytest.mark.parametrize(
    ("text", "length", "canonical"),
    [
        ("0", timedelta(0), "0s"),
        ("90s", timedelta(seconds=90), "1m30s"),
        ("1h30m", timedelta(minutes=90), "1h30m0s"),
        ("1.5s", timedelta(seconds=1.5), "1.5s"),
        ("-2m", timedelta(minutes=-2), "-2m0s"),
        ("500ms", timedelta(milliseconds=500), "500ms"),
        ("20us", timedelta(microseconds=20), "20µs"),
    ],
)
def test_lengths_of_time_are_gos(text: str, length: timedelta, canonical: str) -> None:
    assert parse_duration(text) == length
    assert to_duration(length) == canonical
    assert parse_duration(canonical) == length


@pytest.mark.parametrize("text", ["", "5", "1d", "h", "1h-2m", "1 h"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a length of time"):
        parse_duration(text)


def test_a_length_of_time_that_never_ends_is_refused_at_once() -> None:
    """The pattern would look at every end of it, from every beginning."""
    with pytest.raises(ValueError, match="is not a length of time"):
        parse_duration("1" * 1_000_000)
