"""Quantities: exact numbers with a unit, as Kubernetes writes resources ("500m", "64Mi", "1e3").

A quantity is kept in its canonical form: the largest suffix that leaves no fraction, in the family (decimal, binary or
exponent) in which it was written. Finer than a billionth rounds up.
Source: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
"""

import re
from decimal import ROUND_CEILING, Context, Decimal
from functools import lru_cache, total_ordering
from typing import Final

_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY: Final = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_FORM: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_EXACT: Final = Context(prec=80)
_NANO: Final = Decimal("1e-9")
_LIMIT: Final = Decimal(2**63 - 1)


@total_ordering
class Quantity:
    """An exact number with a unit. Equal quantities compare equal however they are written ("1" and "1000m")."""

    __slots__ = ("text", "value")

    text: str
    """The canonical form, as it goes over the wire."""
    value: Decimal

    def __new__(cls, text: str | int | float | Decimal = "0") -> "Quantity":
        """Parse a quantity. Raises ValueError for anything that Kubernetes would not take."""
        return _parse(text if isinstance(text, str) else _plain(text))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.value == other.value

    def __lt__(self, other: "Quantity") -> bool:
        return self.value < other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __add__(self, other: "Quantity") -> "Quantity":
        return _make(_EXACT.add(self.value, other.value), _family(self.text))

    def __sub__(self, other: "Quantity") -> "Quantity":
        return _make(_EXACT.subtract(self.value, other.value), _family(self.text))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Quantity({self.text!r})"

    def __reduce__(self) -> tuple[type["Quantity"], tuple[str]]:
        return Quantity, (self.text,)

    @property
    def whole(self) -> int:
        """The value rounded up to a whole number (bytes, pods, cores)."""
        return int(self.value.to_integral_value(ROUND_CEILING))

    @property
    def millis(self) -> int:
        """The value in thousandths, rounded up (thousandths of a core)."""
        return int((self.value * 1000).to_integral_value(ROUND_CEILING))


def _plain(number: float | Decimal) -> str:
    if isinstance(number, bool):
        raise ValueError(f'a quantity must be a number with a unit such as "500m" or "64Mi", not {number}')  # noqa: TRY004
    return str(number)


LENGTH_MAX: Final = 1000


@lru_cache(maxsize=8192)
def _parse(text: str) -> Quantity:
    if len(text) > LENGTH_MAX:
        raise ValueError(f'quantity "{text[:LENGTH_MAX]}..." is longer than {LENGTH_MAX} characters; round it')
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f'unable to parse quantity "{text}"; write a number and a unit such as "500m", "2" or "64Mi"')
    number, exponent, suffix = match.groups()
    if exponent:
        if len(exponent) > 5:
            raise ValueError(f'quantity "{text}" is out of range; at most 2^63-1 is possible')
        return _make(_EXACT.scaleb(Decimal(number), int(exponent[1:])), "exponent")
    if suffix in _BINARY:
        return _make(_EXACT.multiply(Decimal(number), Decimal(2 ** _BINARY[suffix])), "binary")
    return _make(_EXACT.scaleb(Decimal(number), _DECIMAL[suffix or ""]), "decimal")


def _family(text: str) -> str:
    if text.endswith("i"):
        return "binary"
    return "exponent" if "e" in text else "decimal"


def _make(value: Decimal, family: str) -> Quantity:
    if abs(value) > _LIMIT:
        value = _LIMIT.copy_sign(value)
    if value % _NANO != 0:
        # Away from zero, so that asking for a little never becomes asking for nothing.
        value = (abs(value) / _NANO).to_integral_value(ROUND_CEILING).copy_sign(value) * _NANO
    quantity = object.__new__(Quantity)
    quantity.value = value
    quantity.text = _canonical(value, family)
    return quantity


def _canonical(value: Decimal, family: str) -> str:
    if value == 0:
        return "0"
    if family == "binary" and (abs(value) < 1024 or value != value.to_integral_value()):
        family = "decimal"
    if family == "binary":
        number = int(value)
        for suffix, power in reversed(_BINARY.items()):
            if number % (1 << power) == 0:
                return f"{number >> power}{suffix}"
        return str(number)
    power = max(-9, _zeros(value) // 3 * 3)
    suffix = _suffix(min(power, 18), family)
    return f"{int(_EXACT.scaleb(value, -min(power, 18)))}{suffix}"


def _zeros(value: Decimal) -> int:
    """Return the largest power of ten that divides `value`."""
    exponent = value.normalize(_EXACT).as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _suffix(power: int, family: str) -> str:
    if family == "exponent":
        return f"e{power}" if power else ""
    return next(suffix for suffix, known in _DECIMAL.items() if known == power)
