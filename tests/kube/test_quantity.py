"""Quantities are exact and keep their canonical form."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.quantity import Quantity

SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40}

QUANTITIES = st.builds(
    lambda number, suffix: Quantity(f"{number}{suffix}"),
    st.integers(-9999, 9999),
    st.sampled_from([*SUFFIXES, *BINARY]),
)


def test_a_quantity_of_a_million_digits_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="is longer than 1000 characters"):
        Quantity("9" * 1_000_000)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("0", "0"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("0.5", "500m"),
        ("1.5Gi", "1536Mi"),
        ("1024Ki", "1Mi"),
        ("1000Ki", "1000Ki"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("1000", "1k"),
        ("0.1n", "1n"),
        ("-0.1n", "-1n"),
        ("0.5Ki", "512"),
        ("+5", "5"),
        (".5", "500m"),
        ("5.", "5"),
        ("9223372036854775807", "9223372036854775807"),
    ],
)
def test_a_quantity_is_written_in_its_canonical_form(written: str, canonical: str) -> None:
    assert Quantity(written).text == canonical


@pytest.mark.parametrize("text", ["", "five", "1 Gi", "1gi", "1Kii", "1e", "--1", "1e99999999", "0x10", "\u0661"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quantity"):
        Quantity(text)


@given(st.integers(-(10**6), 10**6), st.sampled_from([*SUFFIXES]))
def test_a_decimal_quantity_has_its_exact_value(number: int, suffix: str) -> None:
    assert Fraction(Quantity(f"{number}{suffix}").value) == number * Fraction(10) ** SUFFIXES[suffix]


@given(QUANTITIES)
def test_the_canonical_form_is_read_as_itself(quantity: Quantity) -> None:
    again = Quantity(quantity.text)

    assert (again.value, again.text) == (quantity.value, quantity.text)


@given(QUANTITIES, QUANTITIES)
def test_sums_are_exact_and_can_be_taken_back(one: Quantity, other: Quantity) -> None:
    total = one + other

    assert Fraction(total.value) == Fraction(one.value) + Fraction(other.value)
    assert total - other == one
    assert (one < other) == (one.value < other.value)


def test_equal_quantities_are_one_key_however_written() -> None:
    assert len({Quantity("1"), Quantity("1000m"), Quantity("1e0"), Quantity(1)}) == 1


def test_parts_of_a_unit_round_up() -> None:
    assert Quantity("100m").whole == 1
    assert Quantity("1.0001").millis == 1001
    assert Quantity(Decimal("0.25")).millis == 250


def test_a_boolean_is_no_quantity() -> None:
    with pytest.raises(ValueError, match="not True"):
        Quantity(True)


@pytest.mark.parametrize("text", ["10E", "1e30", "9223372036854775808"])
def test_what_is_too_large_becomes_the_largest_quantity(text: str) -> None:
    assert Quantity(text).value == 2**63 - 1
    assert Quantity(f"-{text}").value == -(2**63 - 1)
